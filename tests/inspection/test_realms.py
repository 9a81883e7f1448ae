"""Realms: which of them name one unit, and what a device is given that shows the realm of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_camera import result_of
from tests.facts import candidate, login
from twisted_detector.detector.login_attempt import FOREIGN_REALM, attempt_for_purpose, attempt_login
from twisted_detector.errors import Unauthorized
from twisted_detector.inspection.logins import store as login_store
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.history import MAX_REALMS, REALM_SETTLES
from twisted_detector.inspection.logins.realms import looks_unique, names_unit, normalise
from twisted_detector.model import Adoption, Candidate, Login, Mac

ONE = login("admin", "canary-1")
MINE, OTHER, THIRD = (Mac.parse(f"44:19:b6:5e:51:{end}") for end in ("01", "02", "03"))
OF_MINE = "IP Camera 4419B65E5101"


class Words(SynchronousTestCase):
    def test_units(self) -> None:
        """A MAC or a serial number in it makes a realm a unit's own, whatever stands around them."""
        for realm in ("4419b65e5101", "AXIS_44:19:B6:5E:51:01", "cam-5E5101"):
            self.assertTrue(names_unit(normalise(realm), mac=MINE), realm)
            self.assertFalse(names_unit(normalise(realm), mac=OTHER), realm)
        self.assertTrue(names_unit(normalise("Login to 3K01B5DPAW00F5B"), serial="3K01B5DPAW00F5B"))
        self.assertFalse(names_unit(normalise("DS-2CD2042WD-I"), serial="DS-2CD2042WD-I20160805AACH598214567"))
        self.assertFalse(names_unit(normalise("Login to 12345"), serial="12345"))

    def test_looks(self) -> None:
        """Long numbers, and a number in brackets, look like a unit's; names of makers, products and servers do not."""
        for realm in ("Login to 4e2f9c1ab7d03c55", "IP Camera(C9821)", "IP Camera(12345)", "3K01B5DPAW00F5B"):
            self.assertTrue(looks_unique(normalise(realm)), realm)
        for realm in (
            "", "IP Camera", "Hikvision", "DS-2CD2042WD-I", "LIVE555 Streaming Media", "TP-Link IP-Camera", "ONVIF",
            "streaming_server", "AXIS", "Login to device", "HipcamRealServer/V1.0", "surveillancecamera", "RTSP (tm)",
        ):  # fmt: skip
            self.assertFalse(looks_unique(normalise(realm)), realm)


class Owners(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000.0)
        self.saved: dict[str, str] = {}
        self.budget = self.open()
        self.over: Callable[[], None] = lambda: None

    def open(self) -> LoginBudget:
        budget = LoginBudget([ONE], salt="s", save=self.saved.__setitem__, work=2)
        budget.restore(self.saved)
        return budget

    def device(self, mac: Mac, adoption: Adoption = Adoption.FIRST_RUN, **more: Any) -> Candidate:
        return candidate(f"10.0.0.{mac.compact[-2:]}", mac, adoption=adoption, **more)

    def owner(self, of: Candidate, realm: str) -> str:
        return self.budget.owner_of_realm(of, realm, self.clock.seconds())

    def accepted(self, of: Candidate, realm: str) -> None:
        self.budget.record_realm(of, realm, self.clock.seconds())

    def test_a_realm_with_a_mac(self) -> None:
        """It is its camera's at once, and over restarts; who shows it is denied, unless a person vouches for him."""
        self.accepted(self.device(MINE), OF_MINE)
        for _ in range(2):
            self.assertEqual("mac 4419b65e5101", self.owner(self.device(OTHER), OF_MINE.upper()))
            self.assertEqual("", self.owner(self.device(MINE), OF_MINE))
            for adoption in (Adoption.LISTED, Adoption.PERSON):
                self.assertEqual("", self.owner(self.device(OTHER, adoption), OF_MINE))
            self.budget = self.open()

    def test_a_realm_with_a_serial_number(self) -> None:
        """The serial number is told after the login was accepted; from then on the realm is the camera's."""
        self.accepted(self.device(MINE), "Login to 3K01B5DPAW00F5B")
        self.assertEqual("", self.owner(self.device(OTHER), "Login to 3K01B5DPAW00F5B"))
        self.budget.record_fingerprint(self.device(MINE), self.clock.seconds(), serial="3K01B5DPAW00F5B")
        self.assertNotEqual("", self.owner(self.device(OTHER), "Login to 3K01B5DPAW00F5B"))

    def test_a_series(self) -> None:
        """Cameras of one series, found together, enter one after the other, whatever their realm looks like."""
        for realm in ("IP Camera", "IP Camera(12345)", "Login to 4e2f9c1ab7d03c55"):
            for mac in (MINE, OTHER, THIRD):
                self.assertEqual("", self.owner(self.device(mac), realm), realm)
                self.accepted(self.device(mac), realm)
            self.clock.advance(10 * REALM_SETTLES)
            self.assertEqual("", self.owner(self.device(Mac.parse("02:00:00:00:00:77")), realm), realm)

    def test_a_number_that_nobody_else_has(self) -> None:
        """What looks like a unit's number is the camera's when for a day no other known one had it; a name never is."""
        for realm, owned in (("IP Camera(C9821)", True), ("IP Camera", False)):
            self.accepted(self.device(MINE), realm)
            self.clock.advance(REALM_SETTLES - 1)
            self.assertEqual("", self.owner(self.device(OTHER), realm))
            self.clock.advance(1)
            self.assertEqual(owned, bool(self.owner(self.device(OTHER), realm)), realm)

    def test_without_a_mac(self) -> None:
        """A device behind a router is known by its EndpointReference, at its next address too."""
        first = candidate("10.1.0.5", None, "urn:uuid:1", adoption=Adoption.FIRST_RUN)
        self.accepted(first, "IP Camera(C9821)")
        self.clock.advance(REALM_SETTLES)
        moved = candidate("10.1.0.9", None, "urn:uuid:1", adoption=Adoption.FIRST_RUN)
        self.assertEqual("", self.owner(moved, "IP Camera(C9821)"))
        self.assertEqual("epr urn:uuid:1", self.owner(self.device(OTHER), "IP Camera(C9821)"))

    def test_bounds(self) -> None:
        """Of one device a few realms are kept, of forgotten devices none."""
        self.patch(login_store, "MAX_REMEMBERED", 2)
        for number in range(3 * MAX_REALMS):
            self.accepted(self.device(MINE), f"{OF_MINE} {number}")
        self.assertEqual(MAX_REALMS, len(self.budget._histories._realms))
        for mac in (OTHER, THIRD):
            self.accepted(self.device(mac), f"cam {mac.compact}")
        self.assertEqual(2, len(self.budget._histories._realms))

    def attempt(self, of: Candidate, realm: str, *, purpose: str = "") -> list[str]:
        """What a device is sent that shows ``realm`` and accepts whatever comes."""
        sent: list[str] = []

        async def show(given: Login) -> None:
            await given.acquire_permit(realm)
            sent.append(given.password.reveal())
            given.report_accepted("digest")

        attempted = (
            attempt_for_purpose(self.budget, self.clock, of, ONE, purpose, show, over=self.over)
            if purpose
            else attempt_login(self.budget, self.clock, of, ONE, show)
        )
        result_of(self.clock, attempted)  # type: ignore[type-var]
        return sent

    def test_nothing_is_sent(self) -> None:
        """A newcomer with the realm of a known camera is sent no login, nor charged; the reason says what to do."""
        self.assertEqual(1, len(self.attempt(self.device(MINE), OF_MINE)))
        for purpose in ("", "snapshot"):
            if purpose:
                now = self.clock.seconds()
                charging = self.budget.charge_purpose(self.device(OTHER), ONE, now, purpose)
                over = self.successResultOf(Deferred.fromCoroutine(charging))
                assert over is not None
                self.over = over
            with self.assertRaises(Unauthorized) as caught:
                self.attempt(self.device(OTHER), OF_MINE, purpose=purpose)
            self.assertEqual((FOREIGN_REALM, False), (str(caught.exception), caught.exception.attempted))
            self.assertEqual([ONE], list(self.budget.allowed_logins(self.device(OTHER), self.clock.seconds())))
        self.assertEqual(1, len(self.attempt(self.device(OTHER), "IP Camera")))
