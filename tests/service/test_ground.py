"""The suffix of the host name: made once for a new STATE_DIR, never for one of a program that knew none."""

from __future__ import annotations

import sqlite3  # noqa: TID251  a state of the program before is made
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.config import Config
from twisted_detector.config.load import load
from twisted_detector.config.node_name import FILE
from twisted_detector.errors import StateRefused
from twisted_detector.service.ground import Ground, make_ground
from twisted_detector.store.database import Database

BEFORE = Path(__file__).with_name("state_before_suffixes.sql")


class NodeSuffixTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = Path(self.mktemp())

    def config(self, **environ: str) -> Config:
        return load({"STATE_DIR": str(self.state), **environ}, hostname="raspberrypi")

    def open(self, config: Config, *, degraded: str = "") -> Config:
        """The configuration in use after a start; its store opens the database in this thread."""
        made = make_ground(Clock(), config)
        database = Database(self.state, "NORMAL")

        async def open_store() -> None:
            if not degraded:
                database.open()
                database.close()

        store: Any = SimpleNamespace(open=open_store, degraded=degraded)
        ground = Ground(store, made.neighbours, made.rate_limiter, made.exclusions, made.running, made.is_fresh)
        opened = self.successResultOf(Deferred.fromCoroutine(ground.open()))
        self.assertEqual(opened, made.running.current)
        return opened

    def test_a_new_one(self) -> None:
        """A first start makes a suffix; each later one, and each other program, has the same."""
        first = self.open(self.config())
        self.assertRegex(first.node_id, r"^raspberrypi-[0-9a-f]{4}$")
        self.assertEqual(f"camdetect-{first.node_id}", first.mqtt.client_id)
        self.assertEqual(0o600, (self.state / FILE).stat().st_mode & 0o777)
        self.assertEqual(first.node_id, self.config().node_id)
        self.assertEqual(first.node_id, self.open(self.config()).node_id)

    def test_an_old_configuration(self) -> None:
        """One that was read before the suffix was made, to which a restart may go back, gets the same."""
        before = self.config()
        first = self.open(before)
        self.assertEqual(first.node_id, self.open(before).node_id)

    def test_two_boards(self) -> None:
        """Two boards of one name are two nodes, and two clients of a broker."""
        nodes = set()
        for _ in range(20):
            self.state = Path(self.mktemp())
            nodes.add(self.open(self.config()).mqtt.client_id)
        self.assertGreater(len(nodes), 15)

    def test_an_upgrade(self) -> None:
        """A state that the program before left keeps the host name alone, at this start and each later one."""
        self.state.mkdir(mode=0o700)
        with closing(sqlite3.connect(self.state / "state.db")) as database:
            database.executescript(BEFORE.read_text("utf-8"))
        for _ in range(2):
            config = self.open(self.config())
            self.assertEqual(("raspberrypi", "camdetect-raspberrypi"), (config.node_id, config.mqtt.client_id))
            self.assertFalse(config.lacks_suffix)
        self.assertEqual("none\n", (self.state / FILE).read_text())

    def test_given_names(self) -> None:
        """Where a name is given, no suffix is made: it is when the name is taken back."""
        for given in ({"NODE_ID": "attic"}, {"BALENA_DEVICE_UUID": "b7"}):
            self.assertIn(self.open(self.config(**given)).node_id, given.values())
            self.assertFalse((self.state / FILE).exists())

    def test_a_disk_that_takes_nothing(self) -> None:
        """What cannot be kept is not used: another suffix at each start would be another node."""
        self.assertEqual("raspberrypi", self.open(self.config(), degraded="the disk is full").node_id)
        self.assertFalse(self.state.exists())
        self.state.mkdir(mode=0o700)
        (self.state / f".{FILE}.new").mkdir()  # the file cannot be made
        self.assertEqual("raspberrypi", self.open(self.config()).node_id)

    def test_refused(self) -> None:
        """In a directory that is refused nothing is written."""
        self.state.mkdir(mode=0o777)
        self.state.chmod(0o777)
        ground = make_ground(Clock(), self.config())

        async def refuse() -> None:
            raise StateRefused("others may write it")

        store: Any = SimpleNamespace(open=refuse, degraded="")
        refused = Ground(
            store, ground.neighbours, ground.rate_limiter, ground.exclusions, ground.running, is_fresh=True
        )
        self.failureResultOf(Deferred.fromCoroutine(refused.open()), StateRefused)
        self.assertEqual([], list(self.state.iterdir()))
