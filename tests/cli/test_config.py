"""``camdetect config``: what is shown, where it comes from, and what is kept secret."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from twisted_detector.cli.config import Row, check, rows, show_settings
from twisted_detector.cli.main import main
from twisted_detector.config.config import Config

SECRETS = ("canary1", "canary2", "canary3", "canary4", "canary5", "canary6")
FILE = """
mqtt_port = 1884
mqtt_keepalive = 40
mqtt_password_file = "/secret"
camera_credentials = ["a:canary2", "b:canary3"]
[frigate.north]
url = "http://127.0.0.1:5000"
password = "canary4"
dry_run = true
[plugins.acme]
token = "canary5"
"""


class ShowTests(SynchronousTestCase):
    def setUp(self) -> None:
        environ = {
            "CAMDETECT_CONFIG": "/camdetect.toml", "MQTT_BROKER": "broker", "MQTT_KEEPALIVE": "50",
            "MQTT_USERNAME": "me", "WEB_TOKEN": "canary6-canary6-canary6", "SCAN_NETWORKS": "10.0.0.0/24,10.0.1.0/24",
        }  # fmt: skip
        self.config = read(environ, {"/camdetect.toml": FILE, "/secret": "canary1"})

    def test_the_page(self) -> None:
        """What was set on the page is told as that, and masked as everywhere."""
        settings = '[settings]\nMQTT_BROKER = "b"\nMQTT_USERNAME = "u"\nMQTT_PASSWORD = "canary1"\n'
        found = {row.name: row for row in rows(read({"STATE_DIR": "/state"}, {"/state/overrides": settings}))}
        self.assertEqual(Row("MQTT_BROKER", "b", "page"), found["MQTT_BROKER"])
        self.assertEqual(Row("MQTT_PASSWORD", "***", "page"), found["MQTT_PASSWORD"])

    def test_sources(self) -> None:
        """The environment wins over the file, the file over the default; each value tells which it was."""
        found = {row.name: row for row in rows(self.config)}
        for expected in (
            Row("MQTT_BROKER", "broker", "environment"),
            Row("MQTT_PORT", "1884", "file"),
            Row("MQTT_KEEPALIVE", "50", "environment"),
            Row("MQTT_PASSWORD", "***", "file, mqtt_password_file"),
            Row("CAMERA_CREDENTIALS", "***", "file"),
            Row("CAMERA_PASSWORD", "", "default"),
            Row("WEB_TOKEN", "***", "environment"),
            Row("WEB_LISTEN", "127.0.0.1:8787", "default"),
            Row("SCAN_NETWORKS", "10.0.0.0/24,10.0.1.0/24", "environment"),
            Row("NODE_ID", "pine", "default"),
            Row("CAMDETECT_CONFIG", "/camdetect.toml", "environment"),
            Row("[frigate.north] dry_run", "true", "file"),
            Row("[frigate.north] password", "***", "file"),
            Row("[plugins.acme] token", "***", "file"),
        ):
            self.assertEqual(expected, found[expected.name])
        self.assertLessEqual({one.name for one in Config.settings().values()}, set(found))
        self.assertNotIn("[frigate.north] user", found)

    def test_written(self) -> None:
        """All is told to people and as JSON, and no secret in either."""
        for use_json in (False, True):
            out = io.StringIO()
            self.assertEqual(0, show_settings(self.config, use_json=use_json, out=out))
            self.assertEqual([], [secret for secret in SECRETS if secret in out.getvalue()])
            self.assertIn("1884", out.getvalue())
        self.assertEqual({"value": "1884", "source": "file"}, json.loads(out.getvalue())["MQTT_PORT"])


class CheckTests(SynchronousTestCase):
    def check(self, **environ: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        status = check({"HOME": "/nowhere", **environ}, hostname="pine", out=out, err=err)
        return status, out.getvalue(), err.getvalue()

    def test_valid(self) -> None:
        """A sound configuration is exit status 0; its warnings are told."""
        self.assertEqual((0, "The configuration is valid.\n", ""), self.check())
        status, _, err = self.check(ADOPTION="all")
        self.assertEqual((0, True), (status, "warning: ADOPTION is all" in err))

    def test_faults(self) -> None:
        """All faults come at once, masked, with exit status 1."""
        status, out, err = self.check(MQTT_PORT="0", SCAN_RATE="fast", MQTT_PASSWORD="canary1")
        self.assertEqual((1, ""), (status, out))
        for part in ("MQTT_PORT", "SCAN_RATE", "MQTT_PASSWORD = ***"):
            self.assertIn(part, err)
        self.assertNotIn("canary", err)

    def test_wrong_words(self) -> None:
        """One of the three is wanted, and --json belongs to --show."""
        self.patch(sys, "stderr", io.StringIO())
        for words in (["config"], ["config", "--show", "--check"]):
            with self.assertRaises(SystemExit) as caught:
                main(words)
            self.assertEqual(2, caught.exception.code)
        self.assertEqual(2, main(["config", "--check", "--json"]))

    def test_example(self) -> None:
        """--example prints a file that is a sound configuration as it is."""
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        self.assertEqual(0, main(["config", "--example"]))
        path = Path(self.mktemp())
        path.write_text(out.getvalue())
        self.assertEqual(0, self.check(CAMDETECT_CONFIG=str(path))[0])
