"""Tests of ``camdetect backup`` and ``restore``: what comes back, what is left out, what is refused."""

from __future__ import annotations

import fcntl
import io
import os
import sqlite3  # noqa: TID251  what was written is looked at from outside
import stat
import tarfile
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.backup import backup, restore
from twisted_detector.store import backup as backup_module
from twisted_detector.store.batch import Batch
from twisted_detector.store.database import Database
from twisted_detector.store.schema import VERSION

PASSWORD = "canary-4711"
OVERRIDES = f"""\
# by hand
[camera.0200000000aa]
name = "Barn"
login = "viewer:{PASSWORD}"
[logins]
default = ["other:{PASSWORD}"]
[settings]
MQTT_BROKER = "192.0.2.5"
MQTT_PASSWORD = "{PASSWORD}"
"""


class BackupTests(SynchronousTestCase):
    """A state directory with a database that a daemon has open, overrides and a token."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.directory = self.folder / "state"
        self.archive = self.folder / "backup.tar.gz"
        self.folder.mkdir()
        self.database = Database(self.directory, "NORMAL")
        self.database.open()
        self.addCleanup(self.database.close)
        batch = Batch()
        batch.cameras["0200000000aa"] = "{}"
        batch.values["login_budget", "0200000000aa"] = "guess-me"
        batch.values["dialects", "x"] = "1"
        self.database.write(batch)
        (self.directory / "overrides").write_text(OVERRIDES)
        (self.directory / "web_token").write_text("token-4711")
        (self.directory / "node_suffix").write_text("4f2a\n")
        (self.directory / "somebodys").write_text("not ours")

    def backup(self, *, without_logins: bool = False) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        status = backup(self.directory, self.archive, without_logins=without_logins, out=out, err=err)
        return status, out.getvalue() + err.getvalue()

    def restore(self, directory: Path) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        return restore(self.archive, directory, out=out, err=err), out.getvalue() + err.getvalue()

    def pairs(self, directory: Path) -> list[tuple[str, str]]:
        database = sqlite3.connect(directory / "state.db")
        self.addCleanup(database.close)
        return database.execute("SELECT kind, key FROM pairs ORDER BY 1").fetchall()

    def test_there_and_back(self) -> None:
        """What a running daemon has committed, its decisions and its token come back in another directory; nothing of
        others, and no message that waited."""
        self.assertEqual(0, self.backup()[0])
        self.assertEqual(0o600, stat.S_IMODE(self.archive.stat().st_mode))
        other = self.folder / "other"
        status, text = self.restore(other)
        self.assertEqual((0, True), (status, "1 camera" in text))
        self.assertEqual(
            {"state.db", "overrides", "node_suffix", "web_token", "lock"}, {one.name for one in other.iterdir()}
        )
        self.assertEqual(OVERRIDES, (other / "overrides").read_text())
        self.assertEqual([("dialects", "x"), ("login_budget", "0200000000aa")], self.pairs(other))
        again = Database(other, "NORMAL")
        again.open()
        self.addCleanup(again.close)
        self.assertEqual([], again.outbox())

    def test_of_root(self) -> None:
        """What root restores belongs to whose the directory is: its daemon would run without its state else."""
        if os.geteuid() != 0:
            raise SkipTest("only root can give files away")
        other = self.folder / "other"
        self.backup()
        for _ in range(2):  # the second time something is moved aside
            other.mkdir(exist_ok=True)
            os.chown(other, 61234, 61235)
            self.assertEqual(0, self.restore(other)[0])
        self.assertEqual({(61234, 61235)}, {(one.lstat().st_uid, one.lstat().st_gid) for one in other.iterdir()})

    def test_without_logins(self) -> None:
        """No password, no token and nothing that a password could be guessed from is in it; names and comments are."""
        self.assertEqual(0, self.backup(without_logins=True)[0])
        with tarfile.open(self.archive) as tar:
            contents = b"".join(source.read() for one in tar if (source := tar.extractfile(one)) is not None)
        for secret in (PASSWORD, "token-4711", "guess-me"):
            self.assertNotIn(secret.encode(), contents)
        for kept in ("Barn", "# by hand", "192.0.2.5", "4f2a"):
            self.assertIn(kept.encode(), contents)

    def test_without_logins_that_nobody_finds(self) -> None:
        """An entry with a mistake may be a login: there is no such backup, until it is corrected."""
        for line in (f'pasword = "{PASSWORD}"', f'login = ["viewer:{PASSWORD}"]', f'login = "viewer:{PASSWORD}'):
            (self.directory / "overrides").write_text(f"[camera.0200000000aa]\n{line}\n")
            status, text = self.backup(without_logins=True)
            self.assertEqual((1, True, False), (status, "correct it first" in text, self.archive.exists()), text)
            self.assertNotIn(PASSWORD, text)
        self.assertEqual(0, self.backup()[0])

    def test_the_former_state_stays(self) -> None:
        """What is restored over is moved aside whole; while a daemon runs nothing is restored at all, status 2."""
        self.backup()
        (self.directory / "overrides").write_text("# of later\n")
        status, text = self.restore(self.directory)
        self.assertEqual((2, True), (status, "stop it first" in text))
        self.assertEqual("# of later\n", (self.directory / "overrides").read_text())
        self.database.close()
        self.assertEqual(0, self.restore(self.directory)[0])
        self.assertEqual(OVERRIDES, (self.directory / "overrides").read_text())
        (aside,) = self.directory.glob("before-restore-*")
        self.assertEqual("# of later\n", (aside / "overrides").read_text())
        self.assertTrue((aside / "state.db").exists())
        self.assertEqual("not ours", (self.directory / "somebodys").read_text())
        lock = os.open(self.directory / "lock", os.O_RDWR)
        self.addCleanup(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_no_backup_over_another(self) -> None:
        """A file that is there is never written over, and a directory without state makes no backup."""
        self.archive.write_text("precious")
        self.assertEqual(1, self.backup()[0])
        self.assertEqual("precious", self.archive.read_text())
        self.archive.unlink()
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(1, backup(self.folder, self.archive, without_logins=False, out=out, err=err))
        self.assertIn("no state", err.getvalue())
        self.assertFalse(self.archive.exists())

    def pack(self, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        with tarfile.open(self.archive, "w:gz") as tar:
            for member, data in members:
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))

    def test_too_large(self) -> None:
        """What would fill memory or the disk is refused before, by what it claims and not by what comes."""
        fresh = self.folder / "fresh"
        long = tarfile.TarInfo("overrides")
        long.pax_headers = {"comment": "x" * (2 << 20)}
        for members, name, octets, reason in (
            ([(long, b"")], "MAX_STATE", backup_module.MAX_STATE, f"not a backup made by camdetect: {self.archive}"),
            ([(tarfile.TarInfo("state.db"), b"x" * 600), (tarfile.TarInfo("overrides"), b"x" * 500)], "MAX_STATE", 1024,
             "larger than any state"),
            ([(tarfile.TarInfo("overrides"), b"x")], "_LEFT_FREE", 1 << 60, "no room on the disk"),
        ):  # fmt: skip
            self.pack(members)
            self.patch(backup_module, name, octets)
            status, text = self.restore(fresh)
            self.assertEqual((1, True), (status, reason in text), (reason, text))
            self.assertEqual(["lock"], [one.name for one in fresh.iterdir()], reason)

    def test_damaged(self) -> None:
        """Whatever octet is another than it was: it is refused, or what comes back is whole."""
        self.backup()
        good = self.archive.read_bytes()
        for number in range(10, len(good), 7):
            self.archive.write_bytes(good[:number] + bytes([good[number] ^ 0x55]) + good[number + 1 :])
            status, text = self.restore(self.folder / f"fresh{number}")
            self.assertIn(status, (0, 1), text)

    def test_what_is_no_backup(self) -> None:
        """Rubbish, a cut file, other files, links, paths out of the directory, a damaged or newer database: each is
        refused with its reason, and nothing is changed."""
        self.backup()
        good = self.archive.read_bytes()
        odd = self.folder / "odd.db"
        database = sqlite3.connect(odd)
        database.executescript(
            "CREATE TABLE cameras (id TEXT); CREATE TABLE barn (a);"
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE barn' WHERE name = 'barn'"
        )
        database.close()
        # What SQLite says of it is no text.
        broken = odd.read_bytes().replace(b"barn", b"\xffarn")
        link = tarfile.TarInfo("overrides")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        newer = self.folder / "newer.db"
        database = sqlite3.connect(newer)
        database.execute("CREATE TABLE cameras (id TEXT)")
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
        database.commit()
        database.close()
        far = tarfile.TarInfo("state.db")
        far.type = tarfile.XHDTYPE
        fresh = self.folder / "fresh"
        for make, reason in (
            (lambda: self.archive.write_bytes(b"rubbish"), "not a backup"),
            (lambda: self.pack([(far, b"99999999999999999999 mtime=1\n")]), "not a backup"),
            (lambda: self.pack([(far, b"30 GNU.sparse.map=1,2,3,x,y,z\n")]), "not a backup"),
            (lambda: self.archive.write_bytes(good[: len(good) // 2]), ""),
            (lambda: self.pack([(tarfile.TarInfo("state.db"), broken)]), "not a backup"),
            (lambda: self.pack([(tarfile.TarInfo("../escaped"), b"x")]), "another file"),
            (lambda: self.pack([(tarfile.TarInfo("state.db"), b"x" * 5000)]), "not a database"),
            (lambda: self.pack([(tarfile.TarInfo("overrides"), b"")]), "no database in it"),
            (lambda: self.pack([(link, b"")]), "another file"),
            (lambda: self.pack([(tarfile.TarInfo("state.db"), newer.read_bytes())]), "newer camdetect"),
        ):
            make()
            status, text = self.restore(fresh)
            self.assertEqual((1, True), (status, reason in text), (reason, text))
            self.assertEqual(["lock"], [one.name for one in fresh.iterdir()], reason)
        self.assertFalse((self.folder / "escaped").exists())
