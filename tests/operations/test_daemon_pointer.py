"""The pointer to a running daemon: it leads there while it runs, and nowhere that somebody else could have made."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from pathlib import Path

from tests.operations.pointer_case import NOBODY, OTHERS, PointerCase
from twisted_detector.operations.control_socket import NAME
from twisted_detector.operations.daemon_pointer import DaemonPointer, RunningDaemon, find_daemons, is_served

FILE = f"{OTHERS[0]}.json"


class PointerTests(PointerCase):
    def found(self) -> list[Path]:
        return [one.state_dir for one in find_daemons([self.folder])]

    def pointer_to(self, state_dir: Path, name: str = FILE) -> Path:
        return self.point(name, json.dumps({"pid": 7, "state_dir": str(state_dir)}))

    def test_life(self) -> None:
        """From its start to its clean stop a daemon is found; nothing is left behind, nothing half written."""
        state_dir = self.serve("state")
        pointer = DaemonPointer([self.folder], state_dir)
        self.assertEqual([], self.found())
        pointer.write()
        self.assertEqual([RunningDaemon(state_dir, may_be_asked=True)], find_daemons([self.folder, self.folder]))
        (file,) = self.folder.iterdir()
        self.assertEqual((f"{os.getpid()}.json", 0o644), (file.name, stat.S_IMODE(file.stat().st_mode)))
        pointer.write()
        pointer.remove()
        self.assertEqual(([], []), (self.found(), list(self.folder.iterdir())))
        pointer.remove()

    def test_killed(self) -> None:
        """Where nobody listens any more, the pointer is not followed; the next daemon that starts removes it."""
        old = self.pointer_to(self.root / "old")
        self.assertEqual([], self.found())
        kept = self.pointer_to(self.serve("kept"), f"{OTHERS[1]}.json")
        DaemonPointer([self.folder], self.serve("new")).write()
        self.assertEqual((False, True), (old.exists(), kept.exists()))
        self.assertEqual({self.root / "kept", self.root / "new"}, set(self.found()))

    def test_process_is_gone(self) -> None:
        """A pointer of a process that is gone is none, though the next daemon listens in the same directory."""
        ended = subprocess.Popen(["/bin/true"])
        ended.wait()
        state_dir = self.serve("state")
        old = self.pointer_to(state_dir, f"{ended.pid}.json")
        self.assertEqual([], self.found())
        DaemonPointer([self.folder], state_dir).write()
        self.assertEqual((False, [state_dir]), (old.exists(), self.found()))

    def test_next_folder(self) -> None:
        """The first folder that can be used is used; where none can, the daemon runs without a pointer."""
        gone = self.root / "gone" / "camdetect"
        pointer = DaemonPointer([gone, self.folder], self.serve("state"))
        pointer.write()
        self.assertEqual([self.root / "state"], self.found())
        pointer.remove()
        without = DaemonPointer([gone], self.root / "state")
        without.write()
        without.remove()
        self.assertEqual([], self.found())

    def test_folders_of_others(self) -> None:
        """A folder that others can write, or whose own folder they can, is neither read nor written; nor is a link."""
        state_dir = self.serve("state")
        self.pointer_to(state_dir)
        self.assertEqual([state_dir], self.found())
        for open_one in (self.folder, self.folder.parent):
            for mode in (0o777, 0o1777):
                open_one.chmod(mode)
                self.assertEqual([], self.found(), open_one)
                DaemonPointer([self.folder], state_dir).write()
                self.assertEqual([FILE], [path.name for path in self.folder.iterdir()])
            open_one.chmod(0o755)
        self.assertEqual([state_dir], self.found())
        real = self.folder.rename(self.root / "real")
        self.folder.symlink_to(real)
        self.assertEqual([], self.found())
        DaemonPointer([self.folder], state_dir).write()
        self.assertEqual([FILE], [path.name for path in real.iterdir()])

    def test_files_of_others(self) -> None:
        """A file that is a link, a pipe, or may be written by everybody is not followed, and none is waited for."""
        state_dir = self.serve("state")
        file = self.pointer_to(state_dir)
        file.chmod(0o666)
        self.assertEqual([], self.found())
        file.chmod(0o644)
        self.assertEqual([state_dir], self.found())
        file.rename(self.root / "elsewhere")
        file.symlink_to(self.root / "elsewhere")
        self.assertEqual([], self.found())
        file.unlink()
        os.mkfifo(file)
        self.assertEqual([], self.found())

    def test_planted_name(self) -> None:
        """A link in the place of the new file is removed, and what it leads to is not written."""
        victim = self.root / "victim"
        victim.write_text("precious")
        self.folder.mkdir()
        (self.folder / f".{os.getpid()}.json.new").symlink_to(victim)
        DaemonPointer([self.folder], self.serve("state")).write()
        self.assertEqual(("precious", [self.root / "state"]), (victim.read_text(), self.found()))

    def test_rubbish(self) -> None:
        """What is no pointer is none."""
        state_dir = self.serve("state")
        for text in (
            "", "[]", "1", "{}", '{"state_dir": 1}', '{"state_dir": "state"}', '{"state_dir": "/\\u0000"}', "[" * 9000,
            json.dumps({"state_dir": str(state_dir), "more": "x" * 40_000}),
        ):  # fmt: skip
            self.point(FILE, text)
            self.assertEqual([], self.found(), text[:40])
        for name in ("0.json", "a.json", "9999999999.json", "12345678901.json", f"{FILE}.new", f".{FILE}", f"0{FILE}"):
            self.point(FILE, "{}")
            self.pointer_to(state_dir, name)
            self.assertEqual([], self.found(), name)

    def test_state_directory_of_others(self) -> None:
        """A state directory that others can write is not asked: anybody could listen there."""
        state_dir = self.serve("state")
        self.pointer_to(state_dir)
        state_dir.chmod(0o777)
        self.assertEqual([], self.found())

    def test_served(self) -> None:
        """A daemon runs where somebody listens; a socket that was left behind is none."""
        state_dir = self.serve("state")
        self.assertTrue(is_served(state_dir))
        self.assertFalse(is_served(self.root))
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.root / NAME))
        self.assertFalse(is_served(self.root))


class RootTests(PointerCase):
    """Root must not be led by what a user made; a user is told of root's daemon and does not ask it."""

    if os.geteuid() != 0:
        skip = "only root can be another user"

    def found(self) -> list[RunningDaemon]:
        return find_daemons([self.folder])

    def test_owned_by_a_user(self) -> None:
        """A folder, the one above, a file or a state directory of another user is not followed by root."""
        state_dir = self.serve("state")
        file = self.point(FILE, json.dumps({"pid": 7, "state_dir": str(state_dir)}))
        self.assertEqual([RunningDaemon(state_dir, may_be_asked=True)], self.found())
        for path in (self.folder.parent, self.folder, file, state_dir):
            os.chown(path, NOBODY, NOBODY)
            self.assertEqual([], self.found(), path)
            os.chown(path, 0, 0)
        self.assertEqual(1, len(self.found()))

    def test_listener_of_a_user(self) -> None:
        """Who listens there is judged by the kernel's word."""
        state_dir = self.serve("state", user=NOBODY)
        self.point(FILE, json.dumps({"pid": 7, "state_dir": str(state_dir)}))
        self.assertEqual(([], True), (self.found(), is_served(state_dir)))

    def test_daemon_of_root(self) -> None:
        """For a user, root's daemon runs and may not be asked."""
        state_dir = self.serve("state")
        self.root.chmod(0o755)
        DaemonPointer([self.folder], state_dir).write()
        self.folder.chmod(0o755)
        os.seteuid(NOBODY)
        try:
            found = self.found()
        finally:
            os.seteuid(0)
        self.assertEqual([RunningDaemon(state_dir, may_be_asked=False)], found)
