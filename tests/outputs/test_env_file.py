"""Secret variables: files that only their owner reads."""

from __future__ import annotations

import stat
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.outputs.case import at_once
from twisted_detector.model import Secret
from twisted_detector.outputs.sync.env_file import EnvDestination, quote_value
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    ISyncDestination,
    TargetRefused,
)


class Environment(SynchronousTestCase):
    def deliver(self, path: Path, wanted: dict[str, str], base: Entries | None = None) -> DeliveryResult:
        delivery = EnvDestination("env", path, in_thread=at_once)
        verifyObject(ISyncDestination, delivery)
        secrets = {name: Secret(value) for name, value in wanted.items()}
        return self.successResultOf(Deferred.fromCoroutine(delivery.deliver(secrets, base or {}, False)))

    def test_file(self) -> None:
        """A line for each, mode 0600 whatever it was, other people's lines stay, and what is gone is gone."""
        path = Path(self.mktemp())
        path.write_text("# mine\nFRIGATE_MQTT_PASSWORD=x\n")
        path.chmod(0o644)
        done = self.deliver(path, {"FRIGATE_A_PASSWORD": "p w", "FRIGATE_A_USER": "admin"})
        self.assertEqual(done.written, {"FRIGATE_A_PASSWORD": "", "FRIGATE_A_USER": ""})
        self.assertNotIn("p w", repr(done))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        mine = "# mine\nFRIGATE_MQTT_PASSWORD=x\n"
        self.assertEqual(path.read_text(), f"{mine}FRIGATE_A_PASSWORD='p w'\nFRIGATE_A_USER=admin\n")
        self.assertFalse(self.deliver(path, {"FRIGATE_A_PASSWORD": "p w", "FRIGATE_A_USER": "admin"}).changed)
        self.deliver(path, {}, done.written)
        self.assertEqual(path.read_text(), mine)
        self.assertFalse(path.with_name(path.name + ".previous").exists())

    def test_folder(self) -> None:
        """In a folder each has a file of its own, as it is; other files stay, and no name leads out of it."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "FRIGATE_MQTT_PASSWORD").write_text("x")
        done = self.deliver(folder, {"FRIGATE_A_USER": "a b", "FRIGATE_B_USER": "b"})
        self.assertEqual((folder / "FRIGATE_A_USER").read_text(), "a b")
        self.assertEqual(stat.S_IMODE((folder / "FRIGATE_A_USER").stat().st_mode), 0o600)
        outside = folder.with_name("outside")
        outside.write_text("")
        self.deliver(folder, {"FRIGATE_A_USER": "a b"}, {**done.written, "../outside": ""})
        self.assertEqual(sorted(one.name for one in folder.iterdir()), ["FRIGATE_A_USER", "FRIGATE_MQTT_PASSWORD"])
        self.assertTrue(outside.exists())

    def test_one_that_stays(self) -> None:
        """One to which something refers still stays as it is, in a file and in a folder, until nothing does."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for path in (folder, folder.with_name("frigate.env")):
            done = self.deliver(path, {"FRIGATE_A_USER": "a", "FRIGATE_B_USER": "b"})
            delivery = EnvDestination("env", path, in_thread=at_once)
            kept = {"FRIGATE_A_USER": None, "FRIGATE_C_USER": Secret("c"), "FRIGATE_D_USER": None}
            done = self.successResultOf(Deferred.fromCoroutine(delivery.deliver(kept, done.written, False)))
            self.assertEqual({"FRIGATE_A_USER": "a", "FRIGATE_C_USER": "c"}, self.read(path))
            self.deliver(path, {"FRIGATE_C_USER": "c"}, done.written)
            self.assertEqual({"FRIGATE_C_USER": "c"}, self.read(path))

    def read(self, path: Path) -> dict[str, str]:
        if path.is_dir():
            return {one.name: one.read_text() for one in path.iterdir()}
        return dict(line.split("=", 1) for line in path.read_text().splitlines())

    def test_looser_secret(self) -> None:
        """A secret that others can read is closed though its value is the same; 0640 was chosen, and stays."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.deliver(folder, {"FRIGATE_A_USER": "a"})
        path = folder / "FRIGATE_A_USER"
        for given, expected in ((0o644, 0o600), (0o666, 0o600), (0o640, 0o640)):
            path.chmod(given)
            self.deliver(folder, {"FRIGATE_A_USER": "a"})
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), expected)

    def test_planted_link(self) -> None:
        """In a folder that everybody may write, a planted link leads to nothing, and no password gets there."""
        folder = Path(self.mktemp())
        folder.mkdir()
        victim = folder.with_name("victim")
        victim.write_text("precious\n")
        victim.chmod(0o644)
        (folder / "frigate.env").symlink_to(victim.resolve())
        folder.chmod(0o1777)
        delivery = EnvDestination("env", folder / "frigate.env", in_thread=at_once)
        work = Deferred.fromCoroutine(delivery.deliver({"FRIGATE_A_PASSWORD": Secret("x")}, {}, False))
        self.failureResultOf(work, TargetRefused)
        self.assertEqual((victim.read_text(), stat.S_IMODE(victim.stat().st_mode)), ("precious\n", 0o644))

    def test_quoting(self) -> None:
        """A value reads the same in docker compose and systemd; one with a line break is refused."""
        for value, expected in (("a%20b", "a%20b"), ("$x #", "'$x #'"), ("it's $1", '"it\'s \\$1"'), ("", "")):
            self.assertEqual(quote_value(value), expected)
        with self.assertRaises(TargetRefused):
            quote_value("a\nb")
