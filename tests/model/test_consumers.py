"""Consumers: what their places and settings are called, and which cameras each holds."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Camera, Mac
from twisted_detector.model.consumers import NAME_OF_CONSUMER, CameraChoice, Consumer

DOOR = Camera(
    "024000000001", "024000000001", "10.20.0.9", mac=Mac.parse("02:40:00:00:00:01"), name="Front door"
)  # fmt: skip
SECOND = replace(DOOR, id="024000000001_2", name="Gate")
YARD = Camera("epr-77", "epr-77", "fe80::7%eth0", manufacturer="Acme", model="M1")


class Names(SynchronousTestCase):
    def test_without_a_name(self) -> None:
        """The one of the plain settings is called as it always was: what it left on the disk is found again."""
        plain = Consumer("frigate")
        self.assertEqual("frigate-api", plain.destination("api"))
        self.assertEqual("FRIGATE_USER and FRIGATE_PASSWORD", plain.settings("user", "password"))

    def test_with_a_name(self) -> None:
        """One with a name has names of its own everywhere."""
        north = Consumer("go2rtc", "north")
        self.assertEqual("go2rtc-env.north", north.destination("env"))
        self.assertEqual("[go2rtc.north] user and password", north.settings("user", "password"))

    def test_allowed(self) -> None:
        """Letters, digits, dash and underscore, at most 32: such a name is safe in files, keys and labels."""
        for name in ("north", "N-1_x", "x" * 32):
            self.assertTrue(NAME_OF_CONSUMER.fullmatch(name), name)
        for name in ("", "x" * 33, "a.b", "a/b", "a b", "né", "a\n"):
            self.assertFalse(NAME_OF_CONSUMER.fullmatch(name), name)


class Choice(SynchronousTestCase):
    def held(self, *names: str, networks: tuple[str, ...] = ()) -> list[str]:
        choice = CameraChoice(names, networks)
        return [one.id for one in (DOOR, SECOND, YARD) if choice.holds(one)]

    def test_all(self) -> None:
        """By default a consumer holds every camera."""
        self.assertEqual([DOOR.id, SECOND.id, YARD.id], self.held())

    def test_by_name(self) -> None:
        """By id, by name in any case, by the name that people read, by MAC all cameras of a device."""
        self.assertEqual([DOOR.id], self.held("024000000001"))
        self.assertEqual([SECOND.id], self.held("024000000001_2"))
        self.assertEqual([DOOR.id, YARD.id], self.held("FRONT DOOR", "EPR-77"))
        self.assertEqual([YARD.id], self.held("Acme M1 PR77"))
        for mac in ("02:40:00:00:00:01", "02-40-00-00-00-01"):
            self.assertEqual([DOOR.id, SECOND.id], self.held(mac))
        self.assertEqual([], self.held("024000000009"))

    def test_by_network(self) -> None:
        """By the address that a camera has now, of either version; both conditions hold together."""
        self.assertEqual([DOOR.id, SECOND.id], self.held(networks=("10.20.0.0/16",)))
        self.assertEqual([YARD.id], self.held(networks=("fe80::/10",)))
        self.assertEqual([DOOR.id], self.held("Front door", "EPR-77", networks=("10.20.0.0/16",)))
        moved = replace(DOOR, address="10.30.0.9")
        self.assertFalse(CameraChoice(networks=("10.20.0.0/16",)).holds(moved))

    def test_by_area(self) -> None:
        """By where people say that a camera hangs, in any case and any spelling of its letters."""
        yard, stable = replace(DOOR, area="T\u00fcr"), replace(SECOND, area="Stable")
        choice = CameraChoice(areas=("tu\u0308R", "Gate"))
        self.assertEqual([True, False, False], [choice.holds(one) for one in (yard, stable, YARD)])
        self.assertTrue(CameraChoice(areas=("Stable", "Yard")).holds(stable))
        both = CameraChoice(names=("Gate",), areas=("Stable",))
        self.assertEqual(
            [False, True, False], [both.holds(one) for one in (yard, stable, replace(stable, area="Yard"))]
        )

    def test_by_the_name_that_a_person_gave(self) -> None:
        """It is called by what a person called it, and by its own name still."""
        barn = replace(DOOR, given_name="Barn")
        for name in ("barn", "Front door"):
            self.assertTrue(CameraChoice(names=(name,)).holds(barn), name)

    def test_unknown(self) -> None:
        """Names that no camera has are told as they were written."""
        choice = CameraChoice(("Front door", "Bakc door", "epr-77"))
        known = choice.names_of(DOOR) | choice.names_of(YARD)
        self.assertEqual(("Bakc door",), choice.others_than(known))
        self.assertEqual(frozenset(), CameraChoice().names_of(DOOR))
        self.assertEqual((), CameraChoice().others_than(frozenset()))
