"""For which time ONVIF inspections make a token, whatever a camera says of its clock."""

from __future__ import annotations

from typing import Any

from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_onvif import ADMIN, NOW, WRONG, Base
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.testing.simulator.wire import onvif_answers


class Clocks(Base):
    def test_offset(self) -> None:
        """How far the device's clock is off is measured."""
        for skew in (0.0, 3600.0, -86_400.0):
            self.assertEqual(self.inspect(self.camera(skew=skew)).clock_offset, skew)

    def test_round_trip(self) -> None:
        """Half of the round trip is taken off."""

        class Slow(ScriptedCamera):
            async def post(inner, url: str, body: bytes, headers: Any) -> HttpResponse:
                self.clock.advance(1.0)
                answer = await ScriptedCamera.post(inner, url, body, headers)
                self.clock.advance(1.0)
                return answer

        self.assertEqual(self.inspect(Slow(self.clock.seconds)).clock_offset, 0.0)

    def test_skewed(self) -> None:
        """A camera whose clock is a year off accepts the login, because it is made for its clock."""
        camera = self.camera(auth="wsse", skew=-31_536_000.0)
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(set(camera.logins), {"right"})

    def test_at_the_epoch(self) -> None:
        """A camera that believes it is 1970 is served, too."""
        camera = self.camera(auth="wsse", skew=-NOW + 7.0)
        self.assert_whole(self.inspect(camera, ADMIN))

    def test_local_time_as_utc(self) -> None:
        """A camera that gives out local time as UTC is seen through, by its Date or its zone, before any login."""
        for said in ({"dated": True}, {"zone": "CST-8"}, {"zone": "CST-8", "local": 0.0}):
            camera = self.camera(auth="wsse", skew=1.0, said_skew=8 * 3600.0 + 1.0, **said)
            inspection = self.inspect(camera, ADMIN)
            self.assert_whole(inspection)
            self.assertEqual(set(camera.logins), {"right"}, said)
            self.assertEqual(inspection.clock_offset, 1.0)

    def test_clock_that_is_a_zone_off(self) -> None:
        """A clock that is really off by a time zone is believed where the evidence says so."""
        for said in ({"dated": True}, {}, {"zone": "CST-8", "local": 8 * 3600.0}):
            camera = self.camera(auth="wsse", skew=8 * 3600.0, **said)
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertEqual(set(camera.logins), {"right"}, said)

    def test_protected_clock(self) -> None:
        """Where even the clock wants a login, the Date of the refusal stands in for it."""
        camera = self.camera(auth="wsse", pre_auth=set(), skew=-86_400.0, dated=True)
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual((set(camera.logins), inspection.clock_offset), ({"right"}, -86_400.0))

    def test_wrong_by_its_own_words(self) -> None:
        """A refusal that names the time, not the password, is answered once with the other time."""
        refusal = "Wsse authorized time check failed"
        camera = self.camera(auth="wsse", said_skew=3600.0, refusal=refusal)
        camera.script["GetDeviceInformation"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(camera.logins[:2], ["wrong", "right"])
        camera = self.camera(auth="wsse", said_skew=3600.0, refusal=refusal)
        self.assertTrue(self.refused(camera, WRONG).attempted)
        self.assertEqual(camera.logins, ["wrong", "wrong"])

    def test_wrong_password_with_an_offset(self) -> None:
        """A wrong password costs one attempt, two where a time zone may be in the clock, which the reason names."""
        for attempts, said in (
            (1, {"skew": -86_400.0}),
            (2, {"said_skew": 3600.0}),
            (2, {"said_skew": 28_800.0, "zone": "CST-8"}),
            (1, {"skew": 3600.0, "dated": True}),
        ):
            camera = self.camera(auth="wsse", **said)
            error = self.refused(camera, WRONG)
            self.assertTrue(error.attempted)
            self.assertEqual(camera.logins, ["wrong"] * attempts)
            self.assertIn("the device's clock is", str(error))

    def test_words_that_are_a_zone_off(self) -> None:
        """Where nothing shows whether a clock or only its words are off, a refusal is answered with the other time."""
        camera = self.camera(auth="wsse", said_skew=8 * 3600.0)
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(["wrong"], [one for one in camera.logins if one != "right"])

    def test_wrong_time_with_few_attempts_left(self) -> None:
        """There is no second try where attempts run out, whatever the reason."""
        camera = self.camera(auth="wsse", said_skew=3600.0)
        said = [
            onvif_answers.not_authorized(),
            onvif_answers.not_authorized("Time check failed. You still have 1 attempt(s)"),
        ]
        camera.script["GetDeviceInformation"] = [HttpResponse(400, (), fault) for fault in said]
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, error.locked), (True, True))
        self.assertEqual(camera.asked.count("GetDeviceInformation"), 2)

    def test_absurd_clock(self) -> None:
        """A clock at the end of time does not break the login."""
        camera = self.camera(auth="wsse", window=1e12)
        answer = onvif_answers.system_date_and_time(253_402_300_799.0)
        camera.script["GetSystemDateAndTime"] = [answer]
        self.assert_whole(self.inspect(camera, ADMIN))
