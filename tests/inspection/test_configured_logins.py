"""The source of all logins: what is added is used once it is prepared, what is removed never again; in their order."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, candidate, login
from twisted_detector.errors import RemoteError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import MAX_WAITING, ConfiguredLogins
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.model import Adoption, Candidate, Login
from twisted_detector.model.decisions import CameraDecisions, Decisions
from twisted_detector.model.login_rules import Audience, LoginRule
from twisted_detector.testing.gate import Gate

FILE, PAGE, OWN = login("file", "canary-f"), login("page", "canary-p"), login("own", "canary-o")
NOBODY = Decisions()


def rule(one: Login, audience: Audience, value: str) -> LoginRule:
    return LoginRule(one.name, one.password, audience, value)


def decided(*logins: Login, **cameras: CameraDecisions) -> Decisions:
    return Decisions(cameras=MappingProxyType(cameras), logins=logins)


def device(device_id: str = "x", *, bound: bool = True, **more: Any) -> Candidate:
    return replace(candidate(**more), device_id=device_id, is_bound=bound)


class SourceTests(SynchronousTestCase):
    def names(self, logins: ConfiguredLogins, one: Candidate | None = None) -> list[str]:
        return [each.name for each in logins.of(one or device())]

    def test_order_of_weight(self) -> None:
        """The device's own first, then the more particular; of one audience the configured before the typed."""
        network = "10.0.0.0/24"
        logins = ConfiguredLogins(
            [FILE, rule(login("file-net"), Audience.NETWORK, network)],
            decided=decided(PAGE, rule(login("page-net"), Audience.NETWORK, network), x=CameraDecisions(login=OWN)),
        )
        self.assertEqual(["own", "file-net", "page-net", "file", "page"], self.names(logins))
        self.assertEqual(["file-net", "page-net", "file", "page"], self.names(logins, device("y")))

    def test_sources(self) -> None:
        """Each knows where it is from."""
        logins = ConfiguredLogins([FILE], source="file", decided=decided(PAGE, x=CameraDecisions(login=OWN)))
        self.assertEqual(["file", "page", "page"], [logins.source_of(one, device()) for one in (FILE, PAGE, OWN)])

    def test_one_device_only(self) -> None:
        """A login that was typed for a device is for the device that was adopted, and lists it nowhere."""
        logins = ConfiguredLogins(decided=decided(x=CameraDecisions(login=OWN)))
        self.assertEqual(["own"], self.names(logins))
        for other in (device("x", bound=False), device("x-2"), device("y")):
            self.assertEqual([], self.names(logins, other))
        self.assertFalse(logins.lists(device()))
        self.assertTrue(ConfiguredLogins([rule(FILE, Audience.CAMERA, "x")]).lists(device()))

    def test_channels(self) -> None:
        """The channels of a recorder are one device: the login and the network of any is that of all."""
        decisions = CameraDecisions(login=OWN, network=ip_network("10.9.0.0/24"))
        logins = ConfiguredLogins(decided=decided(x_3=decisions))
        self.assertEqual(["own"], self.names(logins))
        self.assertEqual(ip_network("10.9.0.0/24"), logins.unexpected_at(device()))
        self.assertIsNone(logins.unexpected_at(device(address="10.9.0.4")))

    def test_prepared_before_it_is_used(self) -> None:
        """A new login waits for its fingerprint; a removed one is gone at once, whatever is under way."""
        gate, made = Gate(), []

        async def prepare(one: Login) -> None:
            await gate.wait()
            made.append(one.name)

        logins = ConfiguredLogins(prepare=prepare)
        changes: list[list[str]] = []
        logins.changed.add(lambda: changes.append([one.name for one in logins.all]))
        logins.replace_configured([FILE], "file")
        self.assertEqual(([], []), (self.names(logins), made))
        gate.open()
        self.assertEqual((["file"], ["file"]), (self.names(logins), made))
        logins.replace_decided(NOBODY, decided(PAGE))
        logins.replace_configured([], "file")
        self.assertEqual([], self.names(logins))
        gate.open()
        self.assertEqual(["page"], self.names(logins))
        logins.replace_decided(decided(PAGE), NOBODY)
        self.assertEqual([], self.names(logins))
        self.assertEqual([[], ["file"], ["file"], [], ["page"], []], changes)
        self.assertEqual(["file", "page"], made)

    def test_one_at_a_time(self) -> None:
        """However many are given at once, one fingerprint is being made, so many wait, and one more is refused."""
        begun: list[Deferred[None]] = []

        async def prepare(one: Login) -> None:
            made: Deferred[None] = Deferred()
            begun.append(made)
            await made

        logins = ConfiguredLogins(prepare=prepare)
        given = [login(f"user{number}", "canary-many") for number in range(MAX_WAITING + 2)]
        asked = [Deferred.fromCoroutine(logins.prepare(one)) for one in given]
        told = str(self.failureResultOf(asked.pop(), RemoteError).value)
        self.assertEqual("too many logins are being tried at once; wait a moment", told)
        for number in range(len(asked)):
            self.assertEqual(number + 1, len(begun))
            begun[-1].callback(None)
        for one in asked:
            self.successResultOf(one)

    def test_added_while_others_are_prepared(self) -> None:
        """It is prepared after them, once."""
        gate, made = Gate(), []

        async def prepare(one: Login) -> None:
            made.append(one.name)
            await gate.wait()

        logins = ConfiguredLogins(prepare=prepare)
        logins.replace_configured([FILE], "file")
        logins.replace_decided(NOBODY, decided(PAGE))
        for _ in range(2):
            gate.open()
        self.assertEqual((["file", "page"], ["file", "page"]), (made, self.names(logins)))

    def test_a_start_waits_for_a_few(self) -> None:
        """With thousands of logins the daemon does not start minutes later: the rest is made while it runs."""
        gate, made = Gate(), []
        many = [login(f"user{number}", f"canary{number}") for number in range(150)]

        async def prepare(one: Login) -> None:
            made.append(one)
            if len(made) > 100:
                await gate.wait()

        logins = ConfiguredLogins(many, prepare=prepare)
        self.successResultOf(Deferred.fromCoroutine(logins.prepare_first()))
        self.assertEqual(100, len(self.names(logins)))
        while gate.waiting:
            gate.open()
        self.assertEqual(150, len(self.names(logins)))

    def test_what_does_not_concern_logins(self) -> None:
        """A name that a person gives changes nothing here."""
        logins, changes = ConfiguredLogins([FILE]), []
        logins.changed.add(lambda: changes.append(1))
        logins.replace_decided(NOBODY, replace(NOBODY, settings=MappingProxyType({"A": "b"})))
        self.assertEqual([], changes)

    def test_lists(self) -> None:
        """Whoever goes by the listed devices hears of others, and of nothing else."""
        logins, changes = ConfiguredLogins([FILE]), []
        logins.lists_changed.add(lambda: changes.append(1))
        logins.replace_configured([FILE, PAGE], "file")
        logins.replace_decided(NOBODY, decided(x=CameraDecisions(login=OWN)))
        self.assertEqual([], changes)
        logins.replace_configured([rule(FILE, Audience.CAMERA, "x")], "file")
        self.assertEqual([1], changes)


class OwnLoginTests(SynchronousTestCase):
    """A login that a person typed for one device, in the budget."""

    def setUp(self) -> None:
        self.logins = ConfiguredLogins([FILE, PAGE], decided=decided(x=CameraDecisions(login=OWN)))
        self.budget = LoginBudget(self.logins, salt="s", save=lambda key, text: None, work=2)

    def allowed(self, one: Candidate | None = None, now: float = 1000.0) -> list[str]:
        return [each.name for each in self.budget.allowed_logins(one or device(), now)]

    def test_comes_first(self) -> None:
        """Even before the login that worked there last, until it is refused."""
        self.budget.record_accepted(device(), FILE, 1000.0)
        self.assertEqual(["own", "file"], self.allowed())
        self.budget.record_refused(device(), OWN, 1000.0, False)
        self.assertEqual(["file"], self.allowed())

    def test_one_failure_is_left_to_the_person(self) -> None:
        """Of the logins that nobody typed for it, one is tried in a window, and none after a refusal."""
        self.assertEqual(["own"], self.allowed())
        self.budget.record_refused(device(), OWN, 1000.0, False)
        self.assertEqual([], self.allowed())
        self.assertEqual(1, self.budget.failures_left(device(), 1000.0))
        wait = self.budget.explain_wait(device(), 1000.0)
        self.assertIn("one attempt is left, for a login that you type (camdetect login)", wait)
        self.assertEqual(["file"], self.allowed(now=1000.0 + WINDOW))
        self.assertEqual(["file", "page"], self.allowed(replace(candidate("10.0.0.6", B), device_id="y")))

    def test_after_a_trial_too(self) -> None:
        """Whether or not the login is kept: who mistyped it has another chance."""
        other = replace(candidate("10.0.0.6", B), device_id="y", is_bound=True)
        with self.logins.trying("y", login("typo", "canary-t")):
            self.assertEqual("typo", self.allowed(other)[0])
            self.budget.record_refused(other, login("typo", "canary-t"), 1000.0, False)
        self.assertEqual([], self.allowed(other))
        self.assertEqual(1, self.budget.failures_left(other, 1000.0))

    def test_not_to_another(self) -> None:
        """Not to a device that shows itself as another than was adopted, and the reason says so."""
        changed = device(bound=False, adoption=Adoption.NO, not_adopted="it has another certificate: adopt it again")
        self.assertEqual([], self.allowed(changed))
        self.assertEqual("it has another certificate: adopt it again", self.budget.explain_wait(changed, 1000.0))
        listed = device(bound=False, adoption=Adoption.LISTED)
        self.assertNotIn("own", self.allowed(listed))
        self.assertIn(
            "the login that you gave it alone waits: it is not, or no longer, the device that you adopted",
            self.budget.explain_wait(listed, 1000.0),
        )

    def test_elsewhere(self) -> None:
        """Outside of the network where a person expects it a device is given none at all, and is told where it is."""
        here = CameraDecisions(login=OWN, network=ip_network("10.0.0.0/28"))
        self.logins.replace_decided(NOBODY, decided(x=here))
        self.assertEqual(["own"], self.allowed())
        away = device(address="10.9.0.4", adoption=Adoption.PERSON)
        self.assertEqual([], self.allowed(away))
        self.assertEqual(
            "it is at 10.9.0.4, outside the network that you expect it on (10.0.0.0/28): no login is given",
            self.budget.explain_wait(away, 1000.0),
        )
        self.budget.record_accepted(away, OWN, 1000.0)
        self.assertIsNone(self.budget.known_good(away))

    def test_forgiven(self) -> None:
        """One that was refused may be tried again when it is typed again, and the others stay barred."""
        for one in (OWN, FILE):
            self.budget.record_refused(device(), one, 1000.0, False)
        later = 1000.0 + WINDOW
        self.assertEqual(["page"], self.allowed(now=later))
        self.budget.forgive(device(), OWN)
        self.assertEqual(["own"], self.allowed(now=later))

    def test_removed(self) -> None:
        """One that was removed is not sent any more, not even where it was accepted."""
        self.budget.record_accepted(device(), OWN, 1000.0)
        self.logins.replace_decided(NOBODY, NOBODY)
        self.assertIsNone(self.budget.known_good(device()))
        charging = Deferred.fromCoroutine(self.budget.charge(device(), OWN, 1000.0))
        self.assertFalse(self.successResultOf(charging))

    def test_disk(self) -> None:
        """A trial is not begun where the charge cannot be kept."""
        budget = LoginBudget(self.logins, salt="s", save=lambda key, text: None, kept=lambda: False, work=2)
        self.assertIn("STATE_DIR cannot be written", budget.explain_trial(device(), OWN, 1000.0))
        self.assertEqual("", self.budget.explain_trial(device(), OWN, 1000.0))
        self.budget.record_lockout(device(), 1000.0)
        self.assertIn("no login is tried before", self.budget.explain_trial(device(), OWN, 1000.0))
        self.assertEqual(0, self.budget.failures_left(device(), 1000.0))
        self.assertIn("it is blocked", self.budget.explain_trial(device(adoption=Adoption.BLOCKED), OWN, 1000.0))
        self.assertEqual(A, device().mac)
