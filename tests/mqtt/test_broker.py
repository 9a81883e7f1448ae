"""The embedded broker, as far as it goes without a process: which program, its configuration, its description."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import BrokerError
from twisted_detector.mqtt.broker.broker import EmbeddedBroker, Endpoint
from twisted_detector.mqtt.broker.programs import AMQTT, MOSQUITTO, Program, find_program


def which(**programs: str) -> Callable[..., str | None]:
    """``shutil.which`` on a machine with these programs; ``sbin_…`` are on the system's path only."""

    def look(name: str, path: str | None = None) -> str | None:
        return programs.get(f"sbin_{name}" if path is not None and "/usr/sbin" in path else name)

    return look


class Finding(SynchronousTestCase):
    def test_mosquitto_first(self) -> None:
        """mosquitto is taken where it is, also with amqtt beside it."""
        program = find_program(which(mosquitto="/opt/mosquitto"), lambda: True)
        self.assertEqual(program, Program(MOSQUITTO, ("/opt/mosquitto",)))

    def test_mosquitto_of_the_system(self) -> None:
        """mosquitto is found where systems keep it, although that is not on a user's PATH."""
        program = find_program(which(sbin_mosquitto="/usr/sbin/mosquitto"), lambda: False)
        self.assertEqual(program.command, ("/usr/sbin/mosquitto",))

    def test_amqtt_instead(self) -> None:
        """Without mosquitto amqtt is run by this Python."""
        program = find_program(which(), lambda: True)
        self.assertEqual((program.kind, program.command[0]), (AMQTT, sys.executable))

    def test_nothing(self) -> None:
        """Without either the error says what to install."""
        broker = EmbeddedBroker(Clock(), state_dir=Path(self.mktemp()), which=which(), has_amqtt=lambda: False)
        failure = self.failureResultOf(Deferred.fromCoroutine(broker.start()), BrokerError)
        self.assertIn("apt install mosquitto", str(failure.value))
        self.assertIn("camdetect[broker]", str(failure.value))


class Configuration(SynchronousTestCase):
    def test_for_us_alone(self) -> None:
        """The configuration listens on loopback only, and nobody else may read it."""
        directory = Path(self.mktemp()) / "broker"
        for program, name in (
            (Program(MOSQUITTO, ("/usr/sbin/mosquitto",)), "mosquitto.conf"),
            (Program(AMQTT, (sys.executable,)), "amqtt.yaml"),
        ):
            arguments = program.arguments(directory, 1885)
            path = directory.absolute() / name
            self.assertIn(str(path), arguments)
            self.assertEqual((directory.stat().st_mode & 0o777, path.stat().st_mode & 0o777), (0o700, 0o600))
            text = path.read_text()
            self.assertIn("127.0.0.1", text)
            self.assertIn("1885", text)
            self.assertNotIn("0.0.0.0", text)
            program.arguments(directory, 1886)  # a second time, over the first
            self.assertIn("1886", path.read_text())

    def test_bound_to_us(self) -> None:
        """The command line names this process, whose end is the broker's."""
        arguments = Program(AMQTT, ("/bin/amqtt",)).arguments(Path(self.mktemp()), 1)
        self.assertEqual(arguments[4], str(os.getpid()))
        self.assertEqual(arguments[-2:], ["--", "/bin/amqtt"])

    def test_cannot_be_written(self) -> None:
        """A state directory that cannot be written is a BrokerError."""
        path = Path(self.mktemp())
        path.write_text("not a folder")
        with self.assertRaises(BrokerError):
            Program(MOSQUITTO, ("/usr/sbin/mosquitto",)).arguments(path / "broker", 1)


class Describing(SynchronousTestCase):
    def lines(self, endpoint: Endpoint | None, **programs: str) -> str:
        broker = EmbeddedBroker(Clock(), state_dir=Path(self.mktemp()), which=which(**programs))
        broker.endpoint = endpoint
        return "\n".join(broker.describe())

    def test_mosquitto(self) -> None:
        """It says where it is and what to type to watch it."""
        lines = self.lines(Endpoint("127.0.0.1", 1883, MOSQUITTO, 7))
        self.assertIn("mosquitto on 127.0.0.1:1883", lines)
        self.assertIn("mosquitto_sub -h 127.0.0.1 -p 1883 -t '#' -v", lines)
        self.assertNotIn("taken", lines)

    def test_other_port(self) -> None:
        """It says so when the wanted port was taken."""
        self.assertIn("1883 is taken", self.lines(Endpoint("127.0.0.1", 40000, MOSQUITTO, 7)))

    def test_amqtt(self) -> None:
        """It says what amqtt lacks, what to install, and a command that is there."""
        lines = self.lines(Endpoint("127.0.0.1", 1883, AMQTT, 7))
        for words in ("no will", "persistent sessions", "MQTT 5", "apt install mosquitto", "amqtt_sub"):
            self.assertIn(words, lines)
        self.assertIn("mosquitto_sub", self.lines(Endpoint("127.0.0.1", 1, AMQTT, 7), mosquitto_sub="/usr/bin/m"))

    def test_before_the_start(self) -> None:
        """Before the start there is nothing to watch."""
        self.assertEqual(self.lines(None), "The embedded broker is not running.")
