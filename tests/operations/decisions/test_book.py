"""The book of decisions: what is decided is on the disk first, a person may edit the file, and nothing is lost."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.page_settings import FILE, LAST_GOOD
from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.model import Login, Secret
from twisted_detector.model.decisions import CameraDecisions, Decisions, Description
from twisted_detector.operations.decisions import book as module
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.document import MAX_CAMERAS
from twisted_detector.outputs.sync.file import replace_file
from twisted_detector.outputs.sync.seams import TargetUnavailable

T = TypeVar("T")
SECRET = "s3cr3t-of-the-barn"
BROKEN = f'[camera.a]\nlogin = "viewer:{SECRET}\n'


def named(name: str) -> Callable[[CameraDecisions], CameraDecisions]:
    return lambda decided: replace(decided, description=replace(decided.description, name=name))


def noted(note: str) -> Callable[[CameraDecisions], CameraDecisions]:
    return lambda decided: replace(decided, description=replace(decided.description, note=note))


def no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class BookCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)
        self.file, self.good = self.folder / FILE, self.folder / LAST_GOOD
        self.changes: list[tuple[Decisions, Decisions]] = []
        self.book = self.start()

    def start(self, in_thread: Any = maybeDeferred) -> DecisionBook:
        """A daemon starts."""
        book = DecisionBook(self.folder, in_thread=in_thread)
        if in_thread is maybeDeferred:
            self.done(book.load())
        book.changed.add(lambda before, after: self.changes.append((before, after)))
        return book

    def done(self, work: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def fails(self, work: Any, *kinds: type[Exception]) -> str:
        told = str(self.failureResultOf(Deferred.fromCoroutine(work), *kinds).value)
        self.assertNotIn(SECRET, told)
        return told

    def name(self, name: str, camera_id: str = "a", **more: Any) -> CameraDecisions:
        decided: CameraDecisions = self.done(self.book.change_camera(camera_id, named(name), **more))
        return decided

    def name_of(self, camera_id: str = "a", book: DecisionBook | None = None) -> str:
        return (book or self.book).current.of(camera_id).description.name


class ChangeTests(BookCase):
    def test_kept(self) -> None:
        """A change is in the file, for its owner alone, and there at the next start; observers hear of it once."""
        self.assertEqual("Barn", self.name("Barn").description.name)
        self.assertEqual("Barn", self.name_of(book=self.start()))
        self.assertEqual([0o600, 0o600], [one.stat().st_mode & 0o777 for one in (self.file, self.good)])
        self.assertEqual(self.file.read_text(), self.good.read_text())
        self.assertEqual(1, len(self.changes))
        self.assertEqual([FILE, LAST_GOOD], sorted(one.name for one in self.folder.iterdir()))

    def test_no_change(self) -> None:
        """What is so already is not written again."""
        self.name("Barn")
        stamp = self.file.stat()
        self.name("Barn")
        self.assertEqual((stamp.st_ino, 1), (self.file.stat().st_ino, len(self.changes)))

    def test_two_at_once(self) -> None:
        """Two changes at once are made one after the other: neither loses what the other did."""
        waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

        def in_thread(work: Callable[[], T]) -> Deferred[T]:
            done: Deferred[T] = Deferred()
            waiting.append((work, done))
            return done

        book = self.start(in_thread)
        asked = [
            Deferred.fromCoroutine(book.change_camera("a", change)) for change in (named("Barn"), noted("on the gable"))
        ]
        while waiting:
            work, done = waiting.pop(0)
            done.callback(work())
        self.assertEqual(["", "on the gable"], [self.successResultOf(one).description.note for one in asked])
        self.assertEqual(Description("Barn", "", "on the gable"), self.start().current.of("a").description)

    def test_version(self) -> None:
        """A change that was made upon older decisions is refused; one upon the present ones is not."""
        first = self.name("Barn").version
        self.assertNotEqual(0, first)
        second = self.name("Yard", version=first).version
        told = self.fails(self.book.change_camera("a", named("x"), version=first), RemoteError)
        self.assertTrue(told.startswith("version: it was changed meanwhile"), told)
        self.assertEqual("Yard", self.name_of())
        self.name("", version=second)
        self.assertEqual("New", self.name("New", version=0).description.name)

    def test_no_room(self) -> None:
        """There are decisions about so many cameras at most; known ones can still be changed."""
        self.file.write_text("".join(f'[camera.c{number}]\nname = "x"\n' for number in range(MAX_CAMERAS)))
        self.done(self.book.reload())
        told = self.fails(self.book.change_camera("a", named("Barn")), RemoteError)
        self.assertIn("no room", told)
        self.name("Barn", "c7")

    def test_taken_back(self) -> None:
        """A camera about which nothing is decided any more is not kept."""
        self.name("Barn")
        self.name("")
        self.assertEqual({}, dict(self.book.current.cameras))
        self.assertNotIn("camera.a", self.file.read_text())


class EditedTests(BookCase):
    def test_between_two_changes(self) -> None:
        """What a person edited since the last change holds with the next one, and stays; observers hear of it."""
        self.name("Barn")
        self.file.write_text(self.file.read_text() + '# mine\n[camera.b]\nname = "Yard" # the old one\n')
        self.name("Stable")
        self.assertEqual(("Stable", "Yard"), (self.name_of(), self.name_of("b")))
        self.assertIn('# mine\n[camera.b]\nname = "Yard" # the old one\n', self.file.read_text())
        self.assertEqual(["", "Yard", "Yard"], [self.name_of_in(one[1], "b") for one in self.changes])

    def name_of_in(self, decisions: Decisions, camera_id: str) -> str:
        return decisions.of(camera_id).description.name

    def test_reload(self) -> None:
        """It is read again when a person says so; entries with a mistake are told."""
        self.name("Barn")
        self.file.write_text('[camera.a]\nname = "Yard"\narea = 5\n')
        read = self.done(self.book.reload())
        self.assertEqual(("Barn", "Yard"), tuple(self.name_of_in(one, "a") for one in (read.before, read.after)))
        self.assertEqual((f"{self.file}: [camera.a] area: must be text",), read.faults)
        self.assertEqual(read.faults, self.book.faults)
        self.file.unlink()
        self.assertEqual(Decisions(), self.done(self.book.reload()).after)
        self.assertEqual((), self.book.faults)

    def test_broken(self) -> None:
        """A file that is no TOML changes nothing and is never written over; a change says what to do."""
        self.name("Barn")
        self.file.write_text(BROKEN)
        read = self.done(self.book.reload())
        self.assertEqual((True, "Barn"), (read.is_unreadable, self.name_of()))
        self.assertNotIn(SECRET, "".join(read.faults))
        told = self.fails(self.book.change_camera("a", named("Yard")), NotSaved)
        self.assertIn("correct it first", told)
        self.assertEqual((BROKEN, "Barn"), (self.file.read_text(), self.name_of()))

    def test_no_text(self) -> None:
        """Nor does one that is not UTF-8."""
        self.name("Barn")
        self.file.write_bytes(b'[camera.a]\nname = "\xff"\n')
        self.assertTrue(self.done(self.book.reload()).is_unreadable)
        self.assertIn("it is not UTF-8", self.fails(self.book.change_camera("a", named("Yard")), NotSaved))
        self.assertEqual("Barn", self.name_of())

    def test_what_cannot_be_written(self) -> None:
        """A change that a mistake of a person stands in the way of is not made; nothing that he wrote is lost."""
        text = '[logins]\ndefault = ["viewer"]\n'
        self.file.write_text(text)
        more = (Login("admin", Secret(SECRET)),)
        told = self.fails(self.book.change(lambda decisions: replace(decisions, logins=more)), NotSaved)
        self.assertIn("tidy it by hand", told)
        self.assertEqual((text, ()), (self.file.read_text(), self.book.current.logins))
        self.name("Barn")
        self.assertIn(text, self.file.read_text())

    def test_start_with_a_broken_file(self) -> None:
        """At a start the last text that could be read counts, and it is told."""
        self.name("Barn")
        self.file.write_text(BROKEN)
        book = self.start()
        self.assertEqual("Barn", self.name_of(book=book))
        self.assertEqual(2, len(book.faults))
        self.assertIn("the last version of the file that could be read is used", book.faults[1])
        self.assertEqual(BROKEN, self.file.read_text())
        self.good.write_text(BROKEN)
        self.assertEqual(Decisions(), self.start().current)

    def test_start_with_a_mistake(self) -> None:
        """A mistake in one entry is none in the file: what else it says counts, and nothing older."""
        self.name("Barn")
        self.file.write_text("[camera.a]\nname = 5\n")
        book = self.start()
        self.assertEqual((Decisions(), 1), (book.current, len(book.faults)))


class TakenBackTests(BookCase):
    """A login that was taken back is on the disk no more, whatever else is wrong there."""

    def setUp(self) -> None:
        super().setUp()
        self.log_in(Login("viewer", Secret(SECRET)))
        self.assertIn(SECRET, self.good.read_text())

    def log_in(self, login: Login | None) -> None:
        self.done(self.book.change_camera("a", lambda decided: replace(decided, login=login)))

    def check_gone(self) -> None:
        for one in self.folder.iterdir():
            self.assertNotIn(SECRET, one.read_text(), one.name)

    def test_beside_a_mistake(self) -> None:
        """By a command, where another entry of the file has a mistake; by hand, together with a mistake."""
        self.file.write_text(self.file.read_text() + "[camera.b]\nname = 5\n")
        self.log_in(None)
        self.check_gone()
        self.log_in(Login("viewer", Secret(SECRET)))
        self.file.write_text("[camera.b]\nname = 5\n")
        self.assertEqual(1, len(self.done(self.book.reload()).faults))
        self.check_gone()

    def test_file_removed(self) -> None:
        """A person removes the file."""
        self.file.unlink()
        self.done(self.book.reload())
        self.check_gone()

    def test_power_cut(self) -> None:
        """What is left of a change that a power cut ended goes with the next start."""
        for name in (FILE, LAST_GOOD):
            handle, _ = tempfile.mkstemp(prefix=f".{name}.", dir=self.folder)
            os.write(handle, SECRET.encode())
            os.close(handle)
        self.book = self.start()
        self.log_in(None)
        self.check_gone()

    def test_parts_are_named_so(self) -> None:
        """The name that they have while they are written."""
        seen: list[list[str]] = []
        fsync = os.fsync

        def look(handle: int) -> None:
            seen.append([one.name for one in self.folder.iterdir() if one.name.startswith(f".{FILE}.")])
            fsync(handle)

        self.patch(os, "fsync", look)
        self.log_in(None)
        self.assertEqual(2, sum(map(len, seen)), seen)

    def test_copy_that_cannot_be_kept(self) -> None:
        """Rather none than an older one."""

        def refuse_the_copy(path: Path, text: str, **more: Any) -> None:
            if path == self.good:
                raise TargetUnavailable("it cannot be written")
            replace_file(path, text, **more)

        self.patch(module, "replace_file", refuse_the_copy)
        self.log_in(None)
        self.check_gone()
        self.assertEqual([FILE], [one.name for one in self.folder.iterdir()])


class OwnFileTests(BookCase):
    """The file has logins in it: it is ours alone."""

    def test_mode(self) -> None:
        """One that an editor made readable for others is closed when it is read; a group that may read it stays."""
        for mode, then in ((0o644, 0o600), (0o666, 0o600), (0o640, 0o640), (0o600, 0o600)):
            self.file.write_text('[camera.a]\nname = "Barn"\n')
            self.file.chmod(mode)
            self.done(self.book.reload())
            self.assertEqual(then, self.file.stat().st_mode & 0o777)
            self.assertEqual("Barn", self.name_of())

    def test_link(self) -> None:
        """A link in its place is refused, and what it leads to is neither read nor written; so is its copy."""
        other = self.folder / "other"
        other.write_text('[camera.a]\nname = "Yard"\n')
        other.chmod(0o644)
        for link in (self.file, self.good):
            link.unlink(missing_ok=True)
            link.symlink_to(other.resolve())
        book = self.start()
        self.assertIn("it is a link", book.faults[0])
        self.assertEqual("", self.name_of(book=book))
        self.assertIn("it is a link", self.fails(self.book.change_camera("a", named("Barn")), NotSaved))
        self.assertEqual(('[camera.a]\nname = "Yard"\n', 0o644), (other.read_text(), other.stat().st_mode & 0o777))

    def test_fifo(self) -> None:
        """Nothing waits for the writer of a FIFO."""
        os.mkfifo(self.file)
        self.assertIn("no file of a configuration's size", self.start().faults[0])

    def test_of_somebody_else(self) -> None:
        """Nor is a file of another user believed."""
        self.file.write_text('[camera.a]\nname = "Yard"\n')
        self.patch(os, "geteuid", lambda: 12345)
        self.patch(module, "ROOT_UID", 12346)
        self.assertIn("belongs to somebody else", self.start().faults[0])


class DiskTests(BookCase):
    def test_full_file(self) -> None:
        """What could not be read again is not written: a file that is too large would lose every decision."""
        self.name("Barn")
        self.patch(module, "MAX_FILE_BYTES", len(self.file.read_bytes()) + 10)
        self.assertIn("is full", self.fails(self.book.change_camera("a", noted("x" * 500)), RemoteError))
        self.assertEqual(("Barn", ""), (self.name_of(book=self.start()), self.book.current.of("a").description.note))

    def test_read_only(self) -> None:
        """Where the disk takes no writes nothing is changed, in memory neither, and no part of a file is left."""
        self.name("Barn")
        text = self.file.read_text()
        full = self.patch(os, "fsync", no_space)
        told = self.fails(self.book.change_camera("a", named("Yard")), NotSaved)
        self.assertIn("No space left on device", told)
        self.assertEqual((text, "Barn", 1), (self.file.read_text(), self.name_of(), len(self.changes)))
        self.assertEqual([FILE, LAST_GOOD], sorted(one.name for one in self.folder.iterdir()))
        full.restore()
        self.name("Yard")
        self.assertEqual("Yard", self.name_of(book=self.start()))

    def test_not_readable(self) -> None:
        """A file that cannot be read keeps a daemon from no start, and is told."""
        self.name("Barn")
        self.file.unlink()
        self.file.mkdir()
        book = self.start()
        self.assertEqual("Barn", self.name_of(book=book))
        self.assertIn("it is no file of a configuration's size", book.faults[0])
        self.good.unlink()
        self.good.mkdir()
        self.assertEqual(Decisions(), self.start().current)

    def test_open_folder(self) -> None:
        """Where everybody may write the folder no password is put, and nothing is decided."""
        self.folder.chmod(0o777)
        told = self.fails(self.book.change_camera("a", named("Barn")), NotSaved)
        self.assertIn("everybody may write its folder", told)
        self.assertEqual((False, ""), (self.file.exists(), self.name_of()))

    def test_last_good_is_no_condition(self) -> None:
        """That the copy cannot be kept undoes no change; it is told in the log."""
        self.good.mkdir()
        self.name("Barn")
        self.assertEqual("Barn", self.name_of(book=self.start()))
