"""What people are told of a configuration that does not take our entries: each reason, and the file that causes it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import NAME, Place, at_once
from twisted_detector.outputs.sync.documents import merge_text
from twisted_detector.outputs.sync.env_file import EnvDestination, quote_value
from twisted_detector.outputs.sync.file import FileDestination, read_text, remove_previous, replace_file
from twisted_detector.outputs.sync.merging import merge_section
from twisted_detector.outputs.sync.seams import DeliveryResult, TargetRefused, TargetUnavailable
from twisted_detector.outputs.sync.target import LAST_RETRY, SyncTarget

OURS = {"detect": {"fps": 5}}


class TextReasons(SynchronousTestCase):
    """Texts: what somebody wrote there."""

    def refusal(self, text: str, *, yaml: bool = True, wanted: Any = None) -> str:
        merge = partial(merge_section, "cameras")
        with self.assertRaises(TargetRefused, msg=text[:60]) as caught:
            merge_text(text, yaml=yaml, merge=merge, base={NAME: OURS}, wanted={NAME: wanted or {"detect": {"fps": 9}}})
        return str(caught.exception)

    def test_yaml(self) -> None:
        """Each fault of a YAML file, with its line where there is one."""
        for text, expected in (
            ("a: [1", "it is no YAML: line"),
            ("- 1\n", "it is no table at its top"),
            ("a: 1\na: 2\n", "a key in it is given twice, or is no word: line 2"),
            ("? [1]\n: 2\n", "a key in it is given twice, or is no word: line 1"),
            ("a: " + "[" * 100 + "]" * 100, "it is larger or deeper than any configuration"),
            ("a: !!int x\n", "a value in it cannot be read: line 1"),
            (f"x: &x {{fps: 9}}\ncameras:\n  '{NAME}':\n    detect: *x\n", "a value of ours is a YAML alias there"),
            ("cameras: &c\n  x: {a: 1}\ny: *c\n", "its YAML cannot be changed without touching more than what is ours"),
            ("cameras: 1\n", "'cameras' is no table there"),
        ):
            self.assertIn(expected, self.refusal(text, wanted={"detect": {"fps": 5, "x": 1}}))

    def test_json(self) -> None:
        """Each fault of a JSON file."""
        self.assertEqual("it is no JSON", self.refusal("[", yaml=False))
        self.assertEqual("it is no table at its top", self.refusal("[]", yaml=False))

    def test_a_password_that_no_file_holds(self) -> None:
        """A line break ends a line of an environment file, whatever is put around it."""
        with self.assertRaises(TargetRefused) as caught:
            quote_value("a\nb")
        self.assertEqual(
            "a password has a line break; use a folder of secrets instead of a file", str(caught.exception)
        )


class FileReasons(SynchronousTestCase):
    """Files: what stands there, and what the disk says."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.path = self.folder / "config.yml"

    def deliver(self, wanted: Any, base: Any = None, *, secret: bool = False) -> DeliveryResult:
        merge = partial(merge_section, "cameras")
        delivery = FileDestination("file", self.path, merge=merge, in_thread=at_once, secret=secret)
        return self.successResultOf(Deferred.fromCoroutine(delivery.deliver(wanted, base or {}, False)))

    def failure(self, work: Callable[[], object], kind: type[Exception]) -> str:
        with self.assertRaises(kind) as caught:
            work()
        return str(caught.exception)

    def test_what_stands_there(self) -> None:
        """No file at all, another encoding, one that cannot be read."""
        os.mkfifo(self.path)
        reading = partial(read_text, self.path)
        self.assertEqual("it is no file of a configuration's size", self.failure(reading, TargetRefused))
        self.path.unlink()
        self.path.write_bytes(b"\xff\xfe")
        self.assertEqual("it is not UTF-8", self.failure(reading, TargetRefused))
        loop = self.folder / "loop"
        loop.symlink_to(loop)
        self.assertIn("it cannot be read", self.failure(partial(read_text, loop / "x"), TargetUnavailable))

    def test_what_the_disk_says(self) -> None:
        """Somebody writes at the same time, the file is a mount, the former self stays."""
        self.path.write_text("a: 1\n")
        writing = partial(replace_file, self.path, "a: 2\n", was=(0, 0, 0))
        self.assertEqual("somebody else is just writing it", self.failure(writing, TargetUnavailable))

        def mounted(self: Path, target: Path) -> None:
            raise OSError(errno.EBUSY, "busy")

        self.patch(Path, "replace", mounted)
        _, stamp = read_text(self.path)
        expected = "it is mounted by itself and cannot be replaced at once: mount its folder"
        writing = partial(replace_file, self.path, "a: 2\n", was=stamp)
        self.assertEqual(expected, self.failure(writing, TargetRefused))
        (self.folder / "config.yml.previous").mkdir()
        removing = partial(remove_previous, self.path)
        self.assertIn("its former self, with logins, cannot be removed", self.failure(removing, TargetUnavailable))

    def test_secrets(self) -> None:
        """A secret that nobody can take away, and a file with logins that others could read."""
        (self.folder / "FRIGATE_A_USER").mkdir()
        delivery = EnvDestination("env", self.folder, in_thread=at_once)
        work = Deferred.fromCoroutine(delivery.deliver({}, {"FRIGATE_A_USER": ""}, False))
        self.assertIn("a secret cannot be removed", str(self.failureResultOf(work, TargetUnavailable).value))
        written = self.deliver({NAME: {"a": 1}}).written
        self.path.chmod(0o644)
        remark = self.deliver({NAME: {"a": 1}}, written, secret=True).remark
        self.assertIn(". A program of another user reads it by its group: chgrp, chmod 0640", remark)

    def test_remarks(self) -> None:
        """What was left alone: a camera of somebody else's with our name, and what a person changed in ours."""
        self.path.write_text("cameras:\n  yard: {x: 1}\n")
        self.assertEqual("yard is there and not ours: left alone", self.deliver({"yard": OURS}).remark)
        self.path.unlink()
        written = self.deliver({NAME: OURS}).written
        self.path.write_text(self.path.read_text().replace("5", "10"))
        self.assertIn(
            f"changed by hand and left so: cameras.{NAME}.detect.fps", self.deliver({NAME: OURS}, written).remark
        )


class TargetReasons(SynchronousTestCase):
    """The reconciler: what is nobody's answer."""

    def target(self, place: Place) -> tuple[SyncTarget, Clock]:
        clock = Clock()
        return SyncTarget(clock, place, base={}, save=lambda written: None, random=lambda: 0.5), clock

    def test_a_fault_of_ours(self) -> None:
        """It is called ours, and nobody else is blamed."""
        place = Place()
        place.script = [KeyError("x")]
        target, _ = self.target(place)
        target.update({"a": 1})
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))
        self.assertEqual("a fault of ours; the log has it", target.status.reason)
        self.successResultOf(target.stop())

    def test_without_end(self) -> None:
        """A delivery that hangs is told with how long it was waited for."""
        place = Place()
        place.hangs = True
        target, clock = self.target(place)
        target.update({"a": 1})
        clock.advance(LAST_RETRY)
        self.assertRegex(target.status.reason, r"it does not come to an end: \d+ s")
        self.successResultOf(target.stop())
