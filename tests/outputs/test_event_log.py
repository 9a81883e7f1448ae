"""The log of events: which line each of them gives, and that no login is in any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA_EVENTS, HOME_CAMERA as CAMERA
from twisted_detector import events
from twisted_detector.model import Adoption
from twisted_detector.model.reasons import NOT_RETRIED
from twisted_detector.outputs.event_log import EventLog

NAME = "02000000000a (Front door)"
#: What each event of the contract logs; the others log nothing, or only for who debugs.
LINES = {
    "discovered": (LogLevel.info, f"Found {NAME} at 10.0.0.6 by mdns, arp"),
    "moved": (LogLevel.info, f"{NAME} moved from a to b"),
    "online": (LogLevel.info, f"{NAME} is online: no stream"),
    "offline": (LogLevel.warn, f"{NAME} at 10.0.0.6: online, why"),
    "trouble": (LogLevel.warn, f"{NAME} at 10.0.0.6: online, why"),
    "asleep": (LogLevel.info, f"{NAME} at {CAMERA.address}: why"),
    "adoption_changed": (LogLevel.warn, f"{NAME} is no longer adopted: another MAC"),
    "forgotten": (LogLevel.info, f"{NAME} is forgotten"),
    "clock_skew": (LogLevel.warn, f"The clock of {NAME} is +7 s off"),
    "identity_conflict": (LogLevel.warn, f"{NAME} and y both claim epr v: neither is believed"),
    "merged": (LogLevel.warn, f"{NAME} and y are one device: why"),
    "split": (LogLevel.warn, f"{NAME} was two devices, the other is y: why"),
}


class EventLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.logged: list[tuple[Any, str | None]] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: dict[str, Any]) -> None:
        if event.get("log_namespace", "").startswith("twisted_detector.outputs.event_log"):
            self.logged.append((event["log_level"], formatEvent(event)))

    def lines(self, event: events.Event) -> list[tuple[Any, str | None]]:
        self.logged.clear()
        EventLog().handle(event)
        return list(self.logged)

    def test_every_event(self) -> None:
        """Each event of a camera gives its line at its level, or none."""
        camera = replace(CAMERA, methods=("mdns", "arp"), streams=())
        for event, name, _ in CAMERA_EVENTS:
            expected = [LINES[name]] if name in LINES else []
            self.assertEqual(expected, self.lines(replace(event, camera=camera)), name)

    def test_adoptions(self) -> None:
        """That a camera is adopted is good to know; that it is not any more, or is blocked, is a warning."""
        for adoption, level, words in (
            (Adoption.PERSON, LogLevel.info, "is adopted: why"),
            (Adoption.NO, LogLevel.warn, "is no longer adopted: why"),
            (Adoption.BLOCKED, LogLevel.warn, "is blocked: why"),
        ):
            self.assertEqual(
                [(level, f"{NAME} {words}")], self.lines(events.AdoptionChanged(1.0, CAMERA, adoption, "why"))
            )

    def test_refused_login(self) -> None:
        """A login that was refused is one warning, the budget's; what comes of it is none."""
        for reason, level in (
            (f"401; {NOT_RETRIED}: viewer (camdetect login, CAMERA_CREDENTIALS)", LogLevel.info),
            ("401; no login is set for this camera (camdetect login, CAMERA_CREDENTIALS)", LogLevel.warn),
        ):
            self.assertEqual(level, self.lines(events.CameraTrouble(1.0, CAMERA, reason=reason))[0][0])

    def test_streams(self) -> None:
        """A camera that is online is logged with the streams that were proved."""
        stream = replace(CAMERA.streams[0], fps=25.0, validated=True, url="rtsp://10.0.0.6/main")
        camera = replace(CAMERA, name="", model="", streams=(stream, replace(stream, validated=False)))
        [(_, text)] = self.lines(events.CameraOnline(1.0, camera))
        self.assertEqual("02000000000a is online: H264 640x360 25 fps rtsp://10.0.0.6/main", text)

    def test_quotas(self) -> None:
        """That a quota was reached is a warning, in the words of the event."""
        event = events.QuotaReached(1.0, cause="host", address="10.0.0.6", text="too many")
        self.assertEqual([(LogLevel.warn, "too many")], self.lines(event))

    def test_sweeps(self) -> None:
        """A sweep that ended, and a camera that was known before, are for whoever debugs."""
        for event in (events.SweepFinished(1.0, "mdns", 2.0, 3), events.CameraRestored(1.0, CAMERA)):
            for level, _ in self.lines(event):
                self.assertEqual(LogLevel.debug, level)
