"""Whatever people, browsers and publishers send at once: no device gets more than two wrong logins in half an hour."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from tests.detector.case import HERE, ID, THERE
from tests.facts import B, inspection
from tests.operations.deciding_case import DecidingCase
from twisted_detector.errors import CamdetectError
from twisted_detector.inspection.logins.history import MAX_FAILURES, WINDOW
from twisted_detector.model import Login, Secret
from twisted_detector.testing.doubles import Guarded

OTHER = B.compact
PASSWORDS = ("canary-a", "canary-b")


class MixedTests(DecidingCase):
    """Two cameras that refuse every login; one is adopted, and the configuration has two that are wrong."""

    logins: tuple[Login, ...] = (Login("one", Secret("canary-1")), Login("two", Secret("canary-2")))

    def setUp(self) -> None:
        self.sent: dict[str, list[float]] = {HERE: [], THERE: []}
        super().setUp()
        for address in (HERE, THERE):
            self.inspector.answers[address] = Guarded(
                inspection(address, manufacturer="Acme"), lambda one, address=address: self.refuse(address, one)
            )

    def refuse(self, address: str, one: Login) -> bool:
        one.password.reveal()
        self.sent[address].append(self.clock.seconds())
        return False

    def commands(self, chance: Random) -> tuple[str, dict[str, Any]]:
        """A command about logins, or one that changes what they depend on."""
        place = chance.choice(({"camera_id": ID}, {"camera_id": OTHER}, {"address": HERE}))
        typed = {"user": "viewer", "password": chance.choice(PASSWORDS)}
        keep = chance.choice(("camera", "network", "vendor", "all"))
        return chance.choice(
            (
                ("login", {**place, **typed, "action": "try", "keep": chance.choice((keep, "no"))}),
                ("login", {**place, **typed, "action": "try"}),
                ("login", {**place, **typed, "action": "save", "keep": keep}),
                ("login", {**place, "action": "retry"}),
                ("login", {**place, "action": "clear"}),
                ("adopt", {"camera_id": chance.choice((ID, OTHER))}),
                ("adopt", {"all": True}),
                ("unadopt", {"camera_id": chance.choice((ID, OTHER))}),
                ("forget", {"camera_id": chance.choice((ID, OTHER))}),
                ("block", {"camera_id": OTHER}),
                ("unblock", {"device": OTHER}),
            )
        )

    def step(self, chance: Random) -> None:
        """Some of them at once, a file that is edited, a check, time, and a camera that is found again."""
        for _ in range(chance.randrange(1, 4)):
            name, fields = self.commands(chance)
            asked: Deferred[Any] = self.begin_asking(name, **fields)
            asked.addErrback(lambda failure: failure.trap(CamdetectError) and None)
        if chance.random() < 0.2:
            self.edit(f'[camera.{ID}]\nlogin = "{chance.choice("xv")}:{chance.choice(PASSWORDS)}"\n')
        if chance.random() < 0.3:
            self.detector.check(chance.choice((ID, OTHER)))
        self.clock.pump([chance.choice((0, 0.1, 1, 12, 60, 300))] * chance.randrange(1, 8))
        if chance.random() < 0.3:
            self.find()

    def test_two_in_half_an_hour(self) -> None:
        """A few hundred of such hours."""
        chance = Random(15)
        for _ in range(300):
            self.step(chance)
        for address, times in self.sent.items():
            self.assertGreater(len(times), MAX_FAILURES, address)
            for first, third in zip(times, times[MAX_FAILURES:], strict=False):
                self.assertGreaterEqual(third - first, WINDOW, (address, first))
