"""The file of the store: who may read it, corruption, newer versions, what is salvaged."""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from typing import Any

from twisted.internet.defer import Deferred

from tests.store.case import CAMERA, StoreCase, record
from twisted_detector.errors import StateRefused
from twisted_detector.model import Message
from twisted_detector.store.batch import Batch
from twisted_detector.store.schema import COLUMNS

#: A number that no machine gives to a user or a group.
STRANGER = 4294967


def only_root(test: Any) -> Any:
    """Skip a test that gives files away for everybody but root."""
    if os.geteuid() != 0:
        test.skip = "only root may give a file away"
    return test


class Files(StoreCase):
    def test_modes(self) -> None:
        """The directory is for us alone, and so is every file in it."""
        self.store.append(record(1))
        self.reactor.advance(0.1)
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.directory.iterdir()}
        self.assertEqual(set(modes), {"state.db", "state.db-wal", "state.db-shm", "lock"})
        self.assertEqual(set(modes.values()), {0o600})

    def test_pages_in_memory(self) -> None:
        """SQLite keeps few of the file's pages in this process: it would fill its own two megabytes for days."""
        self.assertEqual([(-512,)], self.disk._connected().execute("PRAGMA cache_size").fetchall())

    def test_what_a_burst_leaves_in_memory(self) -> None:
        """Compiled statements keep the values that they were given last: those of a burst go with the next few."""
        memory = ctypes.CDLL(getattr(_sqlite3, "__file__", None)).sqlite3_memory_used
        memory.restype = ctypes.c_int64
        small = [Batch(retained={"t": message}) for message in (Message("t", b"x"), None)]
        small += [Batch(cameras={"c": text}) for text in ("{}", None)]
        small += [Batch(appends={n: record(n) for n in range(1, most)}, removes={*range(1, most)}) for most in (2, 4)]
        small += [Batch(values={("kind", str(n)): "x" for n in range(most)}) for most in (1, 3, 10)]

        def calm() -> int:
            for batch in small:
                self.disk.write(batch)
            for table in COLUMNS:
                self.disk.rows(table)
            return int(memory())

        before = calm()
        self.disk.write(Batch(retained={str(n): Message(str(n), bytes(50_000)) for n in range(64)}))
        self.assertGreater(memory(), before + 3_000_000)
        self.assertLess(calm(), before + 600_000)  # the pages of the file, 512 kB

    def refused(self) -> str:
        """Why the next life of the store is refused; nothing of it stays behind."""
        self.disk.close()
        self.store = self.life()
        opening = Deferred.fromCoroutine(self.store.open())
        self.reactor.pump([0.01] * 100)
        reason = str(self.failureResultOf(opening, StateRefused).value)
        self.assertFalse(self.pool.started)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        return reason

    def test_directory_of_others(self) -> None:
        """A directory that others may write is refused before anything in it is read, with the way out."""
        for mode in (0o777, 0o1777):
            self.directory.chmod(mode)
            reason = self.refused()
            self.assertIn(f"{self.directory} may be written by everybody", reason)
            self.assertIn("STATE_DIR", reason)

    @only_root
    def test_directory_of_another_user(self) -> None:
        """So is one that another user owns, or a group of several may write."""
        os.chown(self.directory, -1, STRANGER)
        self.directory.chmod(0o770)
        self.assertIn(f"may be written by the group {STRANGER}", self.refused())
        os.chown(self.directory, STRANGER, -1)
        self.directory.chmod(0o700)
        self.assertIn(f"belongs to user {STRANGER}", self.refused())

    def test_planted_link(self) -> None:
        """A link in the place of any of its files is refused, and what it leads to keeps mode and content."""
        victim = self.directory.with_name("victim")
        victim.write_text("precious")
        victim.chmod(0o644)
        self.disk.close()
        for name in ("lock", "state.db", "state.db-wal", "state.db-shm"):
            path = self.directory / name
            path.unlink(missing_ok=True)
            path.symlink_to(victim)
            self.assertIn(f"{path} is a symbolic link", self.refused())
            self.assertEqual((victim.read_text(), victim.stat().st_mode & 0o777), ("precious", 0o644))
            path.unlink()

    def test_planted_file(self) -> None:
        """A FIFO is refused and does not hang the start."""
        self.disk.close()
        path = self.directory / "state.db"
        path.unlink()
        os.mkfifo(path)
        self.assertIn("is no file", self.refused())

    @only_root
    def test_file_of_another_user(self) -> None:
        """A database that another user put there is refused."""
        self.disk.close()
        os.chown(self.directory / "state.db", STRANGER, -1)
        self.assertIn(f"belongs to user {STRANGER}", self.refused())

    def test_modes_are_mended(self) -> None:
        """A file of ours that others could read is ours alone after the start."""
        self.disk.close()
        (self.directory / "state.db").chmod(0o644)
        self.next_life()
        self.assertEqual((self.directory / "state.db").stat().st_mode & 0o777, 0o600)

    def test_link_to_the_directory(self) -> None:
        """STATE_DIR itself may be a link, as systemd makes one for a dynamic user."""
        self.disk.close()
        real = self.directory.with_name("private")
        self.directory.rename(real)
        self.directory.symlink_to(real.resolve())
        self.next_life()
        self.assertEqual(self.store.degraded, "")

    def test_second_process(self) -> None:
        """A second store on the same directory is refused, and told who has it; when that one has ended it opens."""
        second = self.life()
        opening = Deferred.fromCoroutine(second.open())
        self.reactor.pump([0.01] * 100)
        refused = self.failureResultOf(opening, StateRefused)
        self.assertIn(f"already runs with STATE_DIR={self.directory} (pid {os.getpid()})", str(refused.value))
        self.run_now(self.store.close())
        self.store = self.life()
        self.run_now(self.store.open())
        self.assertEqual(self.store.degraded, "")

    def test_newer_schema(self) -> None:
        """A file of a newer version is refused in one sentence, and left alone."""
        self.disk._connected().execute("PRAGMA user_version = 99")
        self.assertIn("written by a newer camdetect (version 99", self.refused())
        self.assertEqual([path.name for path in self.directory.glob("*.corrupt*")], [])

    def test_no_database(self) -> None:
        """A file that is no database is set aside and a new one begun."""
        self.run_now(self.store.close())
        (self.directory / "state.db").write_bytes(b"this is no database, " * 500)
        self.next_life()
        self.assertEqual(self.store.degraded, "")
        self.assertTrue((self.directory / "state.db.corrupt-1").exists())
        self.store.append(record(1))
        self.reactor.advance(0.1)
        self.next_life()
        self.assertEqual(self.saved(), [1])

    def test_truncated(self) -> None:
        """A file cut off in the middle is set aside; what can be read of it is kept."""
        self.run_now(self.store.save_camera(CAMERA))
        for number in range(1, 3001):
            self.store.append(record(number, b"x" * 100))
        self.reactor.advance(0.1)
        self.run_now(self.store.close())
        path = self.directory / "state.db"
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        self.next_life()
        self.assertEqual(self.store.degraded, "")
        self.assertTrue((self.directory / "state.db.corrupt-1").exists())
        self.assertEqual(self.run_now(self.store.load_cameras()), [CAMERA])

    def test_corrupt_while_running(self) -> None:
        """Damage that is found while writing gives a new file, and everybody is asked to say everything again."""
        renewed: list[bool] = []
        self.store.renewed.add(lambda: renewed.append(True))
        for number in range(1, 3001):
            self.store.append(record(number, b"x" * 100))
        self.reactor.advance(0.1)
        self.disk._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.disk._connected().execute("PRAGMA shrink_memory")
        path = self.directory / "state.db"
        content = bytearray(path.read_bytes())
        content[8192:] = b"\xff" * (len(content) - 8192)
        path.write_bytes(content)
        self.store.remove(list(range(1, 2000)))
        self.reactor.advance(0.1)
        self.assertEqual((renewed, self.store.degraded), ([True], ""))
        self.store.append(record(4000))
        self.reactor.advance(0.1)
        self.next_life()
        self.assertIn(4000, self.saved())
