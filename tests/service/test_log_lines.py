"""The log observer: one line an event, whatever a device says, in a form that people and the journal read."""

from __future__ import annotations

import io
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from twisted.application.service import Application, IServiceCollection, Service
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.service.log_lines import LoggedService, log_observer, takes_own_lines


class Terminal(io.StringIO):
    """A text stream that is a terminal, perhaps of an old encoding."""

    encoding = "latin-1"

    def isatty(self) -> bool:
        return True


def lines_of(stream: io.StringIO, level: str = "info", **event: Any) -> list[str]:
    """What the observer writes for an event that a room of ours logs."""
    observer = log_observer(stream, level=lambda: level, environment={})
    whole: LogEvent = {"log_time": 1.0, "log_namespace": "twisted_detector.mqtt.client.X", "log_level": LogLevel.info}
    observer(whole | event)
    return stream.getvalue().splitlines()


class Lines(SynchronousTestCase):
    def line(self, **event: Any) -> str:
        [line] = lines_of(io.StringIO(), **event)
        return line

    def test_form(self) -> None:
        """Date, time and offset in a file, the time alone on a terminal; then level, room and text in columns."""
        event = {"log_format": "connected to {broker}", "broker": "127.0.0.1:1883"}
        self.assertRegex(
            self.line(**event), r"^19\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} info  mqtt       connected to 1"
        )
        [line] = lines_of(Terminal(), **event)
        self.assertRegex(line, r"^\d\d:\d\d:\d\d info  mqtt       connected to 127\.0\.0\.1:1883$")

    def test_rooms(self) -> None:
        """The room is our package, a plugin's module, or the foreign program; built-in plugins are no authors'."""
        for namespace, room in (
            ("twisted_detector.inspection.rtsp.client.RtspClient", "inspection"),
            ("twisted_detector.plugins.acme.Acme", "acme"),
            ("twisted_detector.plugins.builtin_web.Web", "plugins"),
            ("acme.camera", "acme"),
            ("stderr", "stderr"),
            ("", "-"),
        ):
            self.assertEqual(room, self.line(log_namespace=namespace, log_format="x").split()[2])

    def test_control_characters(self) -> None:
        """What comes with a value breaks no line, steers no terminal and turns no writing around."""
        line = self.line(log_format="{name} is online", name="a\nb\r\x1b[31m\x9b\u2028\u202e\x00")
        self.assertTrue(line.endswith(r"a\nb\r\x1b[31m\x9b\u2028\u202e\x00 is online"), line)
        self.assertEqual(2, len(lines_of(io.StringIO(), log_format="would change:\n{diff}", diff="-a")))
        more = lines_of(io.StringIO(), log_format="would change:\n{diff}", diff="-a\n2026-01-01T00:00:00+0000 info x")[
            1:
        ]
        self.assertTrue(all(one.startswith("    ") for one in more), more)

    def test_one_zone(self) -> None:
        """A stamp of a reason, which is UTC, is told in the zone of the line; what is none stays as it is."""
        stamp = "2026-03-01T23:34:56.000Z"
        line = self.line(log_format="{why}", why=f"not before {stamp}, 2026-99-01T00:00:00Z")
        here = datetime.fromtimestamp(datetime.fromisoformat(stamp).timestamp())
        self.assertIn(f"not before {here:%Y-%m-%d %H:%M:%S}, 2026-99-01T00:00:00Z", line)

    def test_names_in_no_encoding(self) -> None:
        """A terminal that has not the letter, and a name that is no text, cost no line."""
        [line] = lines_of(Terminal(), log_format="{name}", name="\u20ac\udcff")
        self.assertTrue(line.endswith(r"\u20ac\udcff"), line)

    def test_traceback(self) -> None:
        """It stays whole, below its line and indented, so that no line of it passes for an event's."""
        try:
            raise ValueError("bad\n2026-01-01T00:00:00+0000 info  mqtt  connected")
        except ValueError:
            failure = Failure()
        first, *more = lines_of(
            io.StringIO(), log_format="A request failed", log_failure=failure, log_level=LogLevel.critical
        )
        self.assertIn("critical mqtt       A request failed", first)
        self.assertTrue(any("test_log_lines.py" in line for line in more), more)
        self.assertTrue(any("ValueError: bad" in line for line in more), more)
        self.assertTrue(all(line.startswith("    ") for line in more), more)

    def test_levels(self) -> None:
        """What Twisted says of itself is shown from warnings on; all of it while debugging."""
        for namespace in ("log_legacy", "twisted.internet.base"):
            for level, shown in ((LogLevel.info, False), (LogLevel.warn, True), (LogLevel.critical, True)):
                event = {"log_namespace": namespace, "log_level": level, "log_format": "Main loop terminated."}
                self.assertEqual(shown, bool(lines_of(io.StringIO(), **event)), (namespace, level))
                self.assertTrue(lines_of(io.StringIO(), "debug", **event))
        self.assertEqual([], lines_of(io.StringIO(), "warn", log_format="x"))
        self.assertEqual([], lines_of(io.StringIO(), "error", log_namespace="twisted.x", log_level=LogLevel.warn))

    def test_a_level_that_changes(self) -> None:
        """LOG_LEVEL is asked for at each line, so a reload changes it."""
        levels, stream = ["info"], io.StringIO()
        observer = log_observer(stream, level=lambda: levels[0], environment={})
        whole: LogEvent = {
            "log_time": 1.0,
            "log_namespace": "twisted.web",
            "log_level": LogLevel.info,
            "log_format": "x",
        }
        for level, lines in (("info", 0), ("debug", 1), ("warn", 1), ("debug", 2)):
            levels[0] = level
            observer(dict(whole))
            self.assertEqual(lines, len(stream.getvalue().splitlines()), level)

    def test_journal(self) -> None:
        """The journal's own stream is given priorities, for each line of a traceback too, and no time."""
        path = Path(self.mktemp())
        with path.open("w") as stream:
            status = os.fstat(stream.fileno())
            for inode in (status.st_ino, status.st_ino + 1):
                journal = {"JOURNAL_STREAM": f"{status.st_dev}:{inode}"}
                publisher = LogPublisher(log_observer(stream, level=lambda: "info", environment=journal))
                log = Logger("twisted_detector.mqtt.client", observer=publisher)
                log.info("connected")
                log.failure("failed", Failure(ValueError("bad")))
        told = path.read_text().splitlines()
        at = next(n for n, line in enumerate(told) if re.match(r"\d{4}-", line))
        self.assertEqual("<6>info  mqtt       connected", told[0])
        self.assertTrue(at > 2)
        self.assertTrue(all(line.startswith("<2>") for line in told[1:at]), told)
        self.assertFalse(any(line.startswith("<") for line in told[at:]), told)

    def test_broken_event(self) -> None:
        """An event that cannot be worded costs no more than its words."""
        self.assertIn("Unable to format event", self.line(log_format="{missing.attribute}"))


class Twistd(SynchronousTestCase):
    def test_whose_log(self) -> None:
        """Our lines go to standard output and are the default only: who names a log, or detaches twistd, has it."""
        for words, ours in (
            ("-n -y camdetect.tac", True),
            ("-ny camdetect.tac", True),
            ("--nodaemon --pidfile= --python=camdetect.tac", True),
            ("-n camdetect", True),
            ("-y camdetect.tac", False),
            ("-n -l daemon.log -y camdetect.tac", False),
            ("-n --logfile=daemon.log -y camdetect.tac", False),
            ("-n --syslog -y camdetect.tac", False),
            ("-n --logger=acme.observer -y camdetect.tac", False),
        ):
            self.assertEqual(ours, takes_own_lines(words.split()), words)

    def test_plugin(self) -> None:
        """The plugin's service brings the observer along into the application that twistd makes."""
        observer = log_observer(io.StringIO(), level=lambda: "info", environment={})
        application, daemon = Application("camdetect"), Service()
        LoggedService(daemon, observer).setServiceParent(application)
        self.assertIs(observer, application.getComponent(ILogObserver))
        [service] = IServiceCollection(application)
        self.assertIs(service, daemon.parent)
