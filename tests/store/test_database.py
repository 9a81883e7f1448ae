"""The file of the store: who may read it, corruption, newer versions, what is salvaged."""

from __future__ import annotations

from tests.store.case import CAMERA, StoreCase, record


class Files(StoreCase):
    def test_modes(self) -> None:
        """The directory is for us alone, and so is every file in it."""
        self.store.append(record(1))
        self.reactor.advance(0.1)
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.directory.iterdir()}
        self.assertEqual(set(modes), {"state.db", "state.db-wal", "state.db-shm", "lock"})
        self.assertEqual(set(modes.values()), {0o600})

    def test_second_process(self) -> None:
        """A second store on the same directory keeps nothing on disk, and says who is in the way."""
        first = self.store
        self.store = self.life()
        self.run_now(self.store.open())
        self.assertIn("another process", self.store.degraded)
        self.run_now(first.close())
        self.store.append(record(1))
        self.reactor.pump([1.0] * 3)
        self.assertEqual(self.store.degraded, "")

    def test_newer_schema(self) -> None:
        """A file of a newer version is left alone."""
        self.disk._connected().execute("PRAGMA user_version = 99")
        self.next_life()
        self.assertIn("newer", self.store.degraded)
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
        self.store.on_renewed = lambda: renewed.append(True)
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
