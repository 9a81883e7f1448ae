"""Configuration files: replaced at once, and nothing of others touched."""

from __future__ import annotations

import errno
import json
import os
import stat
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.outputs.case import NAME, at_once
from twisted_detector.outputs.sync.file import FileDestination
from twisted_detector.outputs.sync.merging import merge_section
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    ISyncDestination,
    TargetRefused,
    TargetUnavailable,
)


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.path = self.folder / "config.yml"

    def deliver(
        self, wanted: Any, base: Any = None, *, dry: bool = False, name: str = "", secret: bool = False
    ) -> DeliveryResult:
        path = self.folder / name if name else self.path
        merge = partial(merge_section, "cameras")
        delivery = FileDestination("file", path, merge=merge, in_thread=at_once, secret=secret)
        verifyObject(ISyncDestination, delivery)
        return self.successResultOf(Deferred.fromCoroutine(delivery.deliver(wanted, base or {}, dry)))

    def refused(self, kind: type[Exception], *, secret: bool = False) -> str:
        merge = partial(merge_section, "cameras")
        delivery = FileDestination("file", self.path, merge=merge, in_thread=at_once, secret=secret)
        work = Deferred.fromCoroutine(delivery.deliver({NAME: {"a": 1}}, {}, False))
        return str(self.failureResultOf(work, kind).value)

    def test_made(self) -> None:
        """A file that is not there is made, YAML or JSON by its name; without cameras there is none."""
        self.assertFalse(self.deliver({}).changed)
        self.assertFalse(self.path.exists())
        self.assertTrue(self.deliver({NAME: {"a": 1}}).changed)
        self.assertEqual(self.path.read_text(), f'cameras:\n  "{NAME}":\n    a: 1\n')
        self.deliver({NAME: {"a": 1}}, name="x.json")
        self.assertEqual(json.loads((self.folder / "x.json").read_text()), {"cameras": {NAME: {"a": 1}}})

    def test_replaced_at_once(self) -> None:
        """Mode stays, the former self is kept, a link stays a link, nothing temporary is left."""
        real = self.folder / "real.yml"
        real.write_text("a: 1\n")
        real.chmod(0o640)
        self.path.symlink_to(real)
        number = real.stat().st_ino
        self.deliver({NAME: {"a": 1}})
        self.assertTrue(self.path.is_symlink())
        self.assertNotEqual(real.stat().st_ino, number)
        self.assertEqual(stat.S_IMODE(real.stat().st_mode), 0o640)
        self.assertEqual((self.folder / "real.yml.previous").read_text(), "a: 1\n")
        self.assertEqual(
            sorted(one.name for one in self.folder.iterdir()), ["config.yml", "real.yml", "real.yml.previous"]
        )

    def test_file_system_without_modes(self) -> None:
        """Where neither a mode nor a flush of a folder is known (FAT, network shares) it is written, and said to be.

        A file with logins is not: everybody might read it.
        """
        flush = os.fsync

        def fsync(handle: int) -> None:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            flush(handle)

        def fchmod(handle: int, mode: int) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        self.path.write_text("x: 1\n")
        self.patch(os, "fsync", fsync)
        self.patch(os, "fchmod", fchmod)
        self.assertTrue(self.deliver({NAME: {"a": 1}}).changed)
        self.assertIn(NAME, self.path.read_text())
        self.path.unlink()
        self.assertIn("not permitted", self.refused(TargetUnavailable, secret=True))

    def test_nothing_to_do(self) -> None:
        """What stands there already is not written again; a dry run writes nothing and tells what it would."""
        done = self.deliver({NAME: {"a": 1}})
        before = self.path.stat()
        self.assertFalse(self.deliver({NAME: {"a": 1}}, done.written).changed)
        dry = self.deliver({NAME: {"a": 2}}, done.written, dry=True)
        self.assertEqual(self.path.stat().st_mtime_ns, before.st_mtime_ns)
        self.assertIn("+    a: 2", dry.diff)

    def test_refused(self) -> None:
        """What is no configuration is left as it is, and the reason is told."""
        for data in (b"a: [", b"\xff\xfe", b"- 1\n"):
            self.path.write_bytes(data)
            self.assertTrue(self.refused(TargetRefused))
            self.assertEqual(self.path.read_bytes(), data)
        self.path.unlink()
        os.mkfifo(self.path)
        self.refused(TargetRefused)

    def mode(self) -> int:
        return stat.S_IMODE(self.path.stat().st_mode)

    def test_logins_in_it(self) -> None:
        """A file with logins is 0600 from its first byte, and no former self of it stays, not even one from before."""
        self.deliver({NAME: {"a": "old password"}}, secret=True)
        self.assertEqual(self.mode(), 0o600)
        previous = self.folder / "config.yml.previous"
        previous.write_text("an earlier version's, with a password")
        done = self.deliver({NAME: {"a": "new password"}}, {NAME: {"a": "old password"}}, secret=True)
        self.assertEqual((done.changed, done.remark, self.mode()), (True, "", 0o600))
        self.assertEqual([one.name for one in self.folder.iterdir()], ["config.yml"])
        previous.touch()
        self.deliver({NAME: {"a": "new password"}}, done.written, secret=True)
        self.assertFalse(previous.exists())

    def test_looser_file(self) -> None:
        """One that others could read is closed, even when nothing else changes, and a dry run tells it."""
        done = self.deliver({NAME: {"a": 1}})
        for mode in (0o644, 0o604, 0o660, 0o777):
            self.path.chmod(mode)
            told = self.deliver({NAME: {"a": 1}}, done.written, dry=True, secret=True)
            self.assertEqual((told.remark, self.mode()), (f"it has logins in it, and its mode is {mode:04o}", mode))
            told = self.deliver({NAME: {"a": 1}}, done.written, secret=True)
            self.assertIn(f"its mode was {mode:04o}: now it is {self.mode():04o}", told.remark)
            self.assertEqual(self.mode(), 0o640 if mode == 0o660 else 0o600)
        self.assertEqual(self.deliver({NAME: {"a": 1}}, done.written, secret=True).remark, "")

    def test_group_that_was_chosen(self) -> None:
        """0640 stays: that is how a program of another user reads it. A file without logins keeps whatever it had."""
        done = self.deliver({NAME: {"a": 1}}, secret=True)
        self.path.chmod(0o640)
        done = self.deliver({NAME: {"a": 2}}, done.written, secret=True)
        self.assertEqual((self.mode(), done.remark), (0o640, ""))
        self.path.chmod(0o664)
        self.deliver({NAME: {"a": 3}}, done.written)
        self.assertEqual(self.mode(), 0o664)

    def test_folder_of_everybody(self) -> None:
        """Logins are not put where everybody may put a link in the file's place, or take it away."""
        victim = self.folder.with_name("victim.yml")
        victim.write_text("a: 1\n")
        self.path.symlink_to(victim.resolve())
        for mode in (0o777, 0o1777):
            self.folder.chmod(mode)
            self.assertIn("everybody may write its folder", self.refused(TargetRefused, secret=True))
        self.assertEqual(victim.read_text(), "a: 1\n")

    def test_no_folder(self) -> None:
        """A folder that is not there may come."""
        self.path = self.folder / "away" / "config.yml"
        self.assertIn("cannot be written", self.refused(TargetUnavailable))
