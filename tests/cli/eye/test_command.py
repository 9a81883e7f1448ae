"""``camdetect eye``: keys, what the command line stands for, and what is missing."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from twisted_detector.cli.eye.command import run_eye, settings_of, without_pyopenssl, write_key
from twisted_detector.cli.main import main


class KeyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.out, self.err = io.StringIO(), io.StringIO()

    def write(self, file: Path, name: str | None = None) -> int:
        return write_key(str(file), name, out=self.out, err=self.err)

    def test_written(self) -> None:
        """The file is its owner's, the configuration takes it, each is another, and no key is shown."""
        files = self.folder / "barn.key", self.folder / "x"
        self.assertEqual([0, 0], [self.write(files[0]), self.write(files[1], "shed")])
        self.assertEqual(0o600, files[0].stat().st_mode & 0o777)
        config = read({"EYE_KEYS_FILE": "/eyes"}, {"/eyes": "".join(one.read_text() for one in files)})
        self.assertEqual(["barn", "shed"], [one.name for one in config.discovery.eye_keys])
        for one in config.discovery.eye_keys:
            self.assertNotIn(one.secret.reveal(), self.out.getvalue())

    def test_nothing_is_overwritten(self) -> None:
        """A file that is there, a link, a folder that is not: told, and nothing is changed."""
        there, link = self.folder / "barn.key", self.folder / "link.key"
        there.write_text("mine")
        link.symlink_to(self.folder / "elsewhere")
        for file in (there, link, self.folder / "no" / "barn.key"):
            self.assertEqual(1, self.write(file))
            self.assertIn(str(file), self.err.getvalue())
        self.assertEqual(("mine", False), (there.read_text(), (self.folder / "elsewhere").exists()))

    def test_name(self) -> None:
        """A name that is none is refused before anything is written."""
        self.assertEqual(2, self.write(self.folder / "a b.key"))
        self.assertIn("--name", self.err.getvalue())
        self.assertEqual([], list(self.folder.iterdir()))

    def test_by_the_command_line(self) -> None:
        """``camdetect eye --new-key`` does it."""
        self.patch(sys, "stdout", self.out)
        self.assertEqual(0, main(["eye", "--new-key", str(self.folder / "barn.key"), "--name", "shed"]))
        self.assertIn("shed:", (self.folder / "barn.key").read_text())


class SettingsTests(SynchronousTestCase):
    def test_broker(self) -> None:
        """``--broker`` is a host with or without a port, IPv6 in brackets where there is a port."""
        for given, expected in (
            ("mqtt.example.org", ("mqtt.example.org", None)),
            ("10.0.0.1:8883", ("10.0.0.1", "8883")),
            ("fd00::1", ("fd00::1", None)),
            ("[fd00::1]:8883", ("[fd00::1]", "8883")),
        ):
            found = settings_of({}, given, None)
            self.assertEqual(expected, (found["MQTT_BROKER"], found.get("MQTT_PORT")))
            read(found)

    def test_key(self) -> None:
        """``--key-file`` is in the place of EYE_KEYS; without options the environment is as it was."""
        self.assertEqual({"EYE_KEYS_FILE": "/k"}, settings_of({"EYE_KEYS": "x", "EYE_KEYS_FILE": "/y"}, None, "/k"))
        self.assertEqual({"A": "b"}, settings_of({"A": "b"}, None, None))

    def test_faults(self) -> None:
        """What is missing or wrong is told at once, with what to do: status 2."""
        err = io.StringIO()
        reactor: Any = SimpleNamespace(seconds=lambda: 0.0, getDelayedCalls=list)
        one = f"barn:{'0f' * 32}"
        for environment, words in (
            ({}, ("--key-file FILE", "--broker HOST")),
            ({"EYE_KEYS": f"{one},shed:{'1e' * 32}", "MQTT_BROKER": "b"}, ("one key is needed, and no other",)),
            ({"EYE_KEYS": "barn:1234", "MQTT_BROKER": "b"}, ("EYE_KEYS = ***: must be name:key",)),
            ({"EYE_KEYS_FILE": "/nowhere/barn.key", "MQTT_BROKER": "b"}, ("/nowhere/barn.key", "cannot be read")),
            ({"EYE_KEYS": one, "MQTT_BROKER": "b", "MQTT_PORT": "0"}, ("MQTT_PORT = '0'",)),
        ):
            self.assertEqual(2, run_eye(reactor, environment, out=io.StringIO(), err=err))
            for word in words:
                self.assertIn(word, err.getvalue())
            err.truncate(0)

    def test_pyopenssl(self) -> None:
        """pyOpenSSL is not loaded any more; where it is already, it stays."""
        modules: dict[str, Any] = {}
        self.patch(sys, "modules", modules)
        without_pyopenssl()
        self.assertEqual({"OpenSSL": None}, modules)
        modules["OpenSSL"] = sys
        without_pyopenssl()
        self.assertIs(sys, modules["OpenSSL"])
