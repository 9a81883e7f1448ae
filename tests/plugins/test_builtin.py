"""Settings go in; the built-in inspectors come out, and ask where and whom the settings say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from tests.doubles.rtsp_camera import result_of
from twisted_detector.errors import NotACamera
from twisted_detector.inspection.device_access import DeviceAccess
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.rtsp.media_server import PROGRAMS, RtspAnswers
from twisted_detector.interfaces import MakerContext
from twisted_detector.model import Candidate, Mac
from twisted_detector.plugins import builtin

ADDRESS = "10.0.0.5"
NAMED = "/run/secrets/logins"
MUTE = Candidate("dev", ADDRESS, rtsp_ports=(8554,), open_ports=(8554,))


class InspectorTests(SynchronousTestCase):
    def setUp(self) -> None:
        clear_text: Any = SimpleNamespace(allows=bool, allows_candidate=bool)
        self.access = DeviceAccess(DeviceLocks(), clear_text, SimpleNamespace())  # type: ignore[arg-type]

    def context(self, **settings: str) -> MakerContext:
        return MakerContext(
            reactor=Clock(),
            config=read(settings, {NAMED: "[camera 02:00:00:00:00:05]\nadmin:x\n"}),
            settings={},
            publish=_unused,
            subscribe=_unused,
        )

    def ports(self, **settings: str) -> list[int]:
        """The ports at which ONVIF is asked of a camera that announces nothing and has RTSP."""
        inspector = builtin.onvif.make(self.context(**settings), self.access)
        assert inspector is not None
        places = [url.removeprefix(f"http://{ADDRESS}").partition("/")[0] for url, _ in inspector.entries(MUTE)]
        return [int(place.removeprefix(":") or 80) for place in places]

    def test_onvif_ports(self) -> None:
        """What no sweep tries is asked: 8080 and 5000; without sweeps all, ONVIF_PORT first."""
        self.assertEqual([8080, 5000], self.ports())
        self.assertEqual([8080, 5000], self.ports(ONVIF_PORT="8088"))
        off = {"NETWORK_SCAN_ENABLED": "false"}
        self.assertEqual([80, 8000, 8080, 2020, 8899, 5000], self.ports(**off))
        self.assertEqual([8088, 80, 8000, 8080, 2020, 8899, 5000], self.ports(ONVIF_PORT="8088", **off))

    def is_media_server(self, candidate: Candidate, **settings: str) -> bool:
        """Whether a server that looks like go2rtc, and is there with no path, is judged to be one."""
        context = self.context(**settings)
        logins = ConfiguredLogins(context.config.inspection.credentials)
        inspector: Any = builtin.rtsp.make(context, self.access, logins)
        try:
            answers = RtspAnswers(public=PROGRAMS[0].public, no_path=True)
            result_of(inspector._clock, inspector._media_servers.judge(candidate, answers))
        except NotACamera as error:
            self.assertEqual("Frigate" in str(error), bool(settings.get("FRIGATE_URL")))
            return True
        return False

    def test_media_servers(self) -> None:
        """Hosts that the configuration names are known; a camera that it names is never judged."""
        mine = Candidate("020000000005", ADDRESS, mac=Mac.parse("02:00:00:00:00:05"))
        self.assertTrue(self.is_media_server(mine, FRIGATE_URL=f"http://{ADDRESS}:5000"))
        self.assertTrue(self.is_media_server(mine))
        self.assertFalse(self.is_media_server(mine, CAMERA_CREDENTIALS_FILE=NAMED))


def _unused(*_: object) -> Any:
    raise AssertionError("nothing is published here")
