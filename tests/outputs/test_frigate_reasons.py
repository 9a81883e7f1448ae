"""What people are told of a Frigate that does not take cameras: each reason, and the Frigate that causes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.outputs.frigate_case import BOSS, MIDDLE, NEWER, OLDER, THEIRS, Case, camera, document, values
from tests.outputs.frigate_rules import load
from tests.peers.exchange import Answer, Ask, Request
from tests.peers.frigate import GUARDED, VERSIONS, Frigate
from tests.peers.frigate_config import crash, say, text, told
from tests.peers.go2rtc import Go2rtc
from twisted_detector.model import Secret
from twisted_detector.outputs.frigate import saving
from twisted_detector.outputs.frigate.api import RESTART_PAUSE
from twisted_detector.outputs.sync.seams import TargetRefused, TargetStarting, TargetUnavailable

ENTRIES = document(camera(1)).entries
LOGINS = "FRIGATE_USER and FRIGATE_PASSWORD, or FRIGATE_TOKEN"
LAYOUT = THEIRS + (
    '  "024000000001":\n    ffmpeg:\n      inputs:\n'
    "        - {path: 'rtsp://127.0.0.1:8554/024000000001', roles: [detect]}\n"
)


def instead(double: Frigate, answers: Mapping[str, Callable[[], Answer]]) -> Ask:
    """What the double answers, but at these paths."""

    def ask(request: Request) -> Answer:
        return answers[request.path]() if request.path in answers else double.answer(request)

    return ask


class Reading(Case):
    """Nothing was written yet."""

    def told(self, answers: Mapping[str, Callable[[], Answer]], version: str = MIDDLE) -> str:
        double = self.double(version)
        said = self.failed(self.api(double, ask=instead(double, answers)), ENTRIES, TargetUnavailable)
        self.assertEqual(THEIRS, double.config.text)
        return said

    def test_no_frigate(self) -> None:
        """A web page in the place of a version, or of a configuration."""
        page = "<!DOCTYPE html><title>router</title>"
        said = self.told({"/api/version": lambda: text(200, page)})
        self.assertEqual(f"what answers there is no Frigate: {page}", said)
        said = self.told({"/api/config/raw": lambda: text(200, page)})
        self.assertEqual("what answers there is no Frigate: a web page instead of a configuration", said)

    def test_a_configuration_that_is_none(self) -> None:
        """Half of one, none at all, and one without cameras."""
        said = self.told({"/api/config/raw": lambda: text(200, '"mqtt: x')})
        self.assertEqual("its configuration came in pieces", said)
        said = self.told({"/api/config/raw": lambda: say(404, "Camera not found", success=False)})
        self.assertEqual("Frigate does not tell: status 404: Camera not found", said)
        said = self.told({"/api/config/raw_paths": lambda: told(200, {"go2rtc": {}})})
        self.assertEqual("Frigate does not tell its cameras", said)

    def test_too_many_requests(self) -> None:
        """The limit is of the app, and not of the login alone."""
        said = self.told({"/api/config/raw": lambda: told(429, {"error": "Rate limit exceeded: 9 per 1 second"})})
        self.assertEqual("Frigate wants fewer requests for a while: Rate limit exceeded: 9 per 1 second", said)

    def test_somebody_edits(self) -> None:
        """A configuration that is another at each look is left alone."""
        double = self.double(MIDDLE)

        def ask(request: Request) -> Answer:
            if request.path == "/api/config/raw":
                double.config.write(double.config.text + "# and more\n")
            return double.answer(request)

        said = self.failed(self.api(double, ask=ask), ENTRIES, TargetUnavailable)
        self.assertEqual("somebody else is just changing its configuration", said)
        self.assertEqual([], self.http.changing)


class Login(Case):
    """Its own login."""

    USERS: Mapping[str, tuple[str, str]] = {"boss": ("made-up1", "admin"), "guest": ("made-up2", "viewer")}

    def told(self, double: Frigate, user: str, password: str, kind: type[Exception]) -> str:
        return self.failed(self.api(double, port=GUARDED, user=user, password=Secret(password)), ENTRIES, kind)

    def test_refused(self) -> None:
        """A wrong one, a viewer's, and none."""
        double = self.double(MIDDLE, users=self.USERS)
        said = self.told(double, "boss", "no", TargetRefused)
        self.assertEqual("Frigate refuses the login: status 401: Login failed", said)
        said = self.told(double, "guest", "made-up2", TargetRefused)
        denied = "Access denied. A user with the admin role is required."
        self.assertEqual(f"Frigate wants an administrator's login: {LOGINS}: {denied}", said)
        self.assertEqual(f"Frigate wants a login: {LOGINS}", self.told(double, "", "", TargetRefused))

    def test_away(self) -> None:
        """Too many were wrong, or it is only starting."""
        double = self.double(MIDDLE, users=self.USERS, rate_limit=True)
        double.failed_logins = 1
        said = self.told(double, "boss", "made-up1", TargetUnavailable)
        self.assertEqual("Frigate takes no logins for a while: Rate limit exceeded: 1 per 1 second", said)
        double = self.double(MIDDLE, users=self.USERS, starting=True)
        said = self.told(double, "boss", "made-up1", TargetStarting)
        self.assertEqual("Frigate is starting: its nginx says 502", said)


class Writing(Case):
    """It was asked to take something."""

    def test_broken_off(self) -> None:
        """Half a file was written, and the former one is not taken back."""
        double = self.double(MIDDLE, fault="torn")

        def ask(request: Request) -> Answer:
            if request.path == "/api/config/save" and not double.fault:
                return say(400, "Your configuration is invalid.", success=False)
            return double.answer(request)

        said = self.failed(self.api(double, ask=ask), ENTRIES, TargetUnavailable)
        expected = "Frigate broke off while it wrote, and did not take the former configuration back"
        self.assertEqual(expected, said)

    def test_too_many_refusals(self) -> None:
        """Where its words name nobody, so many are looked for at once; the others are served, and those come later."""
        self.patch(saving, "MAX_SAVES", 4)
        bad = {"ffmpeg": {"inputs": [{"path": "rtsp://h/1", "roles": ["detect"]}]}}
        for version in VERSIONS:
            double = self.double(version)
            wanted = {**ENTRIES, **{f"02 {number}": bad for number in range(6)}}
            done = self.deliver(self.api(double), wanted)
            self.assertIn("Frigate refused too many others before it; it is tried again later", done.refused.values())
            self.assertLessEqual({one for one in done.refused if one in bad}, set(wanted))
            self.assertLessEqual(len(double.config.saves), 5)

    def test_another_editor(self) -> None:
        """It saves for somebody else just now, and is told of the camera later."""
        double = self.double(NEWER)
        busy = [True]

        def ask(request: Request) -> Answer:
            if request.path == "/api/config/set" and busy:
                return say(503, "Another update is in progress", success=not busy.pop())
            return double.answer(request)

        api = self.api(double, ask=ask)
        said = self.failed(api, ENTRIES, TargetUnavailable)
        self.assertEqual("somebody else is just changing its configuration: Another update is in progress", said)
        self.deliver(api, ENTRIES, ENTRIES)
        self.assertEqual(3, len(self.reads(double)))

    def test_in_force_later(self) -> None:
        """Without a restart it is said what would make one needless."""
        done = self.deliver(self.api(self.double(OLDER)), ENTRIES)
        when = "in Frigate's file, and in force after its next start"
        way_out = "lets it restart; docs/operations/frigate.md has the layout that needs none"
        self.assertEqual(f"024000000001: {when} (FRIGATE_RESTART {way_out})", done.remark)

    def test_restarts(self) -> None:
        """One that was restarted just now is let be; one that does not restart is away."""
        double = self.double(OLDER)
        api = self.api(double, restart=True)
        done = self.deliver(api, ENTRIES)
        self.assertEqual((1, ""), (double.restarts, done.remark))
        self.clock.advance(20)
        done = self.deliver(api, document(camera(1, "10.0.0.77")).entries, done.written)
        expected = f"Frigate was restarted a moment ago, and is restarted again in {RESTART_PAUSE - 20:.0f} s"
        self.assertEqual((1, expected), (double.restarts, done.remark))
        double = self.double(OLDER)
        api = self.api(double, ask=instead(double, {"/api/restart": crash}), restart=True)
        self.assertEqual("Frigate does not restart: status 500", self.failed(api, ENTRIES, TargetUnavailable))


class Inside(Case):
    """Cameras that are read through its own go2rtc."""

    def test_it_does_not_take_it(self) -> None:
        """One that does not run, and one that refuses the source."""
        for inside, expected in (
            (None, "the go2rtc inside Frigate does not answer"),
            (
                Go2rtc("1.9.14", fault="refuse"),
                "the go2rtc inside Frigate refuses 024000000001: Failed to add stream: streams: source not supported",
            ),
        ):
            double = self.double(MIDDLE, LAYOUT, go2rtc=inside)
            self.assertIn(expected, self.deliver(self.api(double), ENTRIES).remark.split("; "))
            self.assertIn("024000000001", load(double.config.text)["go2rtc"]["streams"])

    def test_in_clear(self) -> None:
        """A login that goes to another machine over http is told of, with the setting and the way out."""
        built = document(camera(1), login=BOSS)
        double = self.double(MIDDLE, LAYOUT, environment=values(built), go2rtc=Go2rtc("1.9.10"))
        api = self.api(double, host="frigate")
        api.set_variables(built.variables)
        expected = (
            "FRIGATE_URL is http:// to another machine: logins of cameras go over the network in clear, to the go2rtc"
            " inside Frigate; use https:// (port 8971)"
        )
        self.assertIn(expected, self.deliver(api, built.entries).remark)
