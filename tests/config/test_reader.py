"""The sources of settings: environment, TOML file, secret files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import printable
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import ConfigCase, logins, read
from twisted_detector.config.config import Config
from twisted_detector.config.kinds import MAX_TEXT
from twisted_detector.config.reader import MAX_FILE_BYTES, FileContent, read_file
from twisted_detector.errors import ConfigError
from twisted_detector.model import Login, Secret
from twisted_detector.model.eyes import EyeKey


class Secrets(ConfigCase):
    """Logins and passwords: where they come from, and that they go nowhere."""

    SECRET = "hunter2-swordfish"

    def test_credentials(self) -> None:
        """Pairs are split at the first colon; an empty password is one; doubles are dropped."""
        config = read({"CAMERA_CREDENTIALS": "admin:a:b, viewer:,admin:a:b"})
        self.assertEqual([("admin", "a:b"), ("viewer", "")], logins(config))

    def test_the_single_login_is_first(self) -> None:
        """CAMERA_USERNAME with CAMERA_PASSWORD is tried before CAMERA_CREDENTIALS, and once."""
        config = read({"CAMERA_USERNAME": "u", "CAMERA_PASSWORD": "p", "CAMERA_CREDENTIALS": "a:b,u:p"})
        self.assertEqual([("u", "p"), ("a", "b")], logins(config))

    def test_credentials_file(self) -> None:
        """One login per line; empty lines and comments are skipped, commas and blanks are part of the password."""
        config = read(
            {"CAMERA_CREDENTIALS_FILE": "/f"}, {"/f": "# north\r\nadmin:a,b \r\n\r\n \nviewer:look"}
        )  # fmt: skip
        self.assertEqual([("admin", "a,b "), ("viewer", "look")], logins(config))

    def test_fault_in_a_file(self) -> None:
        """What is wrong in a file is told of that file, by the number of its line, and without what stands there."""
        text = f"# north\nadmin:{self.SECRET}\n\n[vendor acme]\nviewer:look\n{self.SECRET}\n"
        [found] = self.faults({"CAMERA_CREDENTIALS_FILE": "/f"}, {"/f": text})
        self.assertEqual("CAMERA_CREDENTIALS_FILE = '/f': line 6 is not user:password", found)
        for text, wrong in (
            ("# x\na:b\n[vendr acme]\nc:d", "line 3 is a heading that is not known"),
            ("\n\n[default]\n#a:b\n", "line 3 is a heading with no login below it"),
        ):
            [found] = self.faults({"CAMERA_CREDENTIALS_FILE": "/f"}, {"/f": text})
            self.assertIn(f"CAMERA_CREDENTIALS_FILE = '/f': {wrong}", found)
        [found] = self.faults({"WEB_TOKEN_FILE": "/s"}, {"/s": (f"{self.SECRET}\0", 0o600)})
        self.assertTrue(found.startswith("WEB_TOKEN_FILE = '/s': must be "), found)
        self.assertNotIn(self.SECRET, found)

    def test_credentials_file_for_others(self) -> None:
        """A credentials file that others may read is refused; one that only its owner may read is not."""
        for mode in (0o640, 0o604, 0o660, 0o644, 0o620):
            found = self.faults({"CAMERA_CREDENTIALS_FILE": "/f"}, {"/f": (f"a:{self.SECRET}", mode)})
            self.assertIn(f"mode {mode:04o}", found[0])
            self.assertNotIn(self.SECRET, "".join(found))
        for mode in (0o600, 0o400):
            self.assertEqual([("a", "b")], logins(read({"CAMERA_CREDENTIALS_FILE": "/f"}, {"/f": ("a:b", mode)})))

    def test_secret_files(self) -> None:
        """Every secret has a _FILE variant whose file holds the value, without its last line end."""
        files = {"/s": (f"{self.SECRET} \r\n", 0o444)}
        for variable, more in (
            ("MQTT_PASSWORD", {"MQTT_USERNAME": "u", "MQTT_BROKER": "b"}),
            ("CAMERA_PASSWORD", {"CAMERA_USERNAME": "u"}),
            ("WEB_TOKEN", {}),
        ):
            config = read({f"{variable}_FILE": "/s", **more}, files)
            self.assertEqual(f"{self.SECRET} ", config.value_of(variable.lower()).reveal())

    def test_every_secret_has_a_file_variant(self) -> None:
        """A value and a file for the same secret is a fault, for every secret."""
        secrets = [name.upper() for name, setting in Config.settings().items() if setting.secret]
        expected = (
            "CAMERA_CREDENTIALS CAMERA_PASSWORD EYE_KEYS FRIGATE_PASSWORD FRIGATE_TOKEN GO2RTC_PASSWORD MQTT_PASSWORD"
            " NOTICE_MAIL_PASSWORD NOTICE_WEBHOOK_SECRET NOTICE_WEBHOOK_TOKEN NOTICE_WEBHOOK_URL NTFY_TOKEN NTFY_URL"
            " TELEGRAM_TOKEN WEB_TOKEN"
        )
        self.assertEqual(expected.split(), sorted(secrets))
        for variable in secrets:
            found = self.faults({variable: self.SECRET, f"{variable}_FILE": "/s"}, {"/s": self.SECRET})
            self.assertIn(f"{variable}: give this or {variable}_FILE, not both", found)

    def test_bad_secret_files(self) -> None:
        """A secret file that is missing, empty or not UTF-8 is a fault, and not a missing user name as well."""
        for files in ({}, {"/s": ""}, {"/s": "\n"}, {"/s": b"\xff"}):
            found = self.faults({"MQTT_PASSWORD_FILE": "/s", "MQTT_BROKER": "b"}, files)
            self.assertEqual(1, len(found), found)
            self.assertIn("MQTT_PASSWORD_FILE = '/s'", found[0])

    #: Texts of secrets that have a form.
    FITTING: ClassVar = {
        "EYE_KEYS": f"eye:{'0f' * 32}",
        "NOTICE_WEBHOOK_URL": "https://hooks.example/b",
        "NTFY_URL": "https://ntfy.example/b",
        "TELEGRAM_TOKEN": "1:b",
    }

    def test_no_secret_is_shown(self) -> None:
        """No secret stands in the text of a Config, whatever way it came in."""
        config = read(
            {
                "MQTT_BROKER": "b",
                "MQTT_USERNAME": "u",
                "MQTT_PASSWORD": self.SECRET,
                "CAMERA_USERNAME": "u",
                "CAMERA_PASSWORD_FILE": "/s",
                "CAMERA_CREDENTIALS": f"v:{self.SECRET}",
                "WEB_TOKEN": self.SECRET,
                "CAMDETECT_CONFIG": "/c.toml",
            },
            {"/s": self.SECRET, "/c.toml": f'[plugins.mine]\ntoken = "{self.SECRET}"'},
        )
        self.assertEqual(self.SECRET, config.plugin_settings["mine"]["token"])
        self.assertNotIn(self.SECRET, repr(config))
        self.assertNotIn(self.SECRET, str(config))

    def test_no_secret_in_faults(self) -> None:
        """A faulty secret is masked in its fault, and so is a login within any other value."""
        for environ in (
            {"MQTT_PASSWORD": self.SECRET + "\x01"},
            {"CAMERA_PASSWORD": self.SECRET + "\udc80"},
            {"WEB_TOKEN": self.SECRET + "x" * MAX_TEXT},
            {"CAMERA_CREDENTIALS": self.SECRET},
            {"CAMERA_CREDENTIALS": f"a:b,{self.SECRET}"},
            {"MQTT_BROKER": f"mqtt://user:{self.SECRET}@host"},
            {"MQTT_PASSWORD": self.SECRET},
        ):
            text = "\n".join(self.faults(environ))
            self.assertNotIn(self.SECRET, text)
            self.assertIn("***", text)

    def test_secrets_are_secrets(self) -> None:
        """Every secret setting holds Secrets, which mask themselves."""
        for name, setting in Config.settings().items():
            if setting.secret:
                value = setting.kind.read(self.FITTING.get(setting.name, "a:b"))
                self.assertTrue(isinstance(value, Secret) or isinstance(value[0], Login | EyeKey), name)
                self.assertNotIn("b'", repr(value))


class TheFile(ConfigCase):
    """CAMDETECT_CONFIG."""

    def toml(self, text: str, environ: Mapping[str, str] | None = None, mode: int = 0o600) -> Config:
        return read({"CAMDETECT_CONFIG": "/c.toml", **(environ or {})}, {"/c.toml": (text, mode), "/s": "from-file"})

    def toml_faults(self, text: str, mode: int = 0o600) -> tuple[str, ...]:
        return self.assertRaises(ConfigError, self.toml, text, None, mode).faults

    def test_values(self) -> None:
        """The same names in lower case, as TOML's own types or as texts."""
        config = self.toml(
            'mqtt_broker = "b"\nmqtt_port = 1884\nmqtt_keepalive = "20"\nonvif_enabled = false\nscan_rate = 5\n'
            "mqtt_reconnect_min = 1.5\nrtsp_timeout = 7\nmqtt_protocol = 5\n"
            'scan_networks = ["interfaces", "10.0.0.0/24"]\nscan_exclude = "10.0.0.1"\n'
            'camera_credentials = ["a:b,c", "d:e"]\nstate_dir = "/x"'
        )
        mqtt, discovery = config.mqtt, config.discovery
        self.assertEqual(("b", 1884, 20), (mqtt.broker, mqtt.port, mqtt.keepalive))
        self.assertEqual((False, 5), (discovery.onvif_enabled, discovery.scan_rate))
        self.assertEqual((1.5, "5", 7.0), (mqtt.reconnect_min, mqtt.protocol, config.inspection.rtsp_timeout))
        self.assertEqual(("interfaces", "10.0.0.0/24"), config.discovery.scan_networks)
        self.assertEqual(("10.0.0.1/32",), config.discovery.scan_exclude)
        self.assertEqual([("a", "b,c"), ("d", "e")], logins(config))
        self.assertEqual(Path("/x"), config.state_dir)

    def test_environment_wins(self) -> None:
        """A variable wins over the file, an empty one does not, and a value over the file's secret file."""
        text = (
            'mqtt_port = 1884\nmqtt_keepalive = 20\nmqtt_broker = "b"\nmqtt_username = "u"\nmqtt_password_file = "/s"'
        )
        config = self.toml(text, {"MQTT_PORT": "1885", "MQTT_KEEPALIVE": ""})
        self.assertEqual((1885, 20), (config.mqtt.port, config.mqtt.keepalive))
        self.assertEqual("from-file", config.mqtt.password.reveal())
        self.assertEqual("given", self.toml(text, {"MQTT_PASSWORD": "given"}).mqtt.password.reveal())

    def test_wrong_types(self) -> None:
        """A value of another type than the setting's is a fault."""
        for line in (
            "mqtt_port = true",
            "mqtt_port = 1.5",
            "mqtt_tls = 1",
            "mqtt_broker = 7",
            "mqtt_port = [1]",
            "mqtt_broker = ['b']",
            "scan_networks = [1]",
            "scan_networks = []\nmqtt_port = {}",
            "discovery_interval = 07:32:00",
            "rtsp_timeout = inf",
            "rtsp_timeout = nan",
            "scan_networks = true",
            "[mqtt_broker]\nx = 1",
            "mqtt_username = 'u'\nmqtt_broker = 'b'\nmqtt_password_file = 7",
        ):
            with self.subTest(line):
                self.assertEqual(1, len(self.toml_faults(line)), self.toml_faults(line))

    def test_unknown_keys(self) -> None:
        """An unknown key is a fault, with the known one that it resembles."""
        self.assertEqual(
            ("colour: unknown in /c.toml", "mqtt_brokr: unknown in /c.toml; is mqtt_broker meant?"),
            self.toml_faults('mqtt_brokr = "b"\ncolour = "red"'),
        )
        self.assertIn("is mqtt_port meant?", self.toml_faults("MQTT_PORT = 1")[0])
        self.assertIn("camdetect_config", self.toml_faults('camdetect_config = "/other.toml"')[0])

    def test_unreadable(self) -> None:
        """A file that is not there, not UTF-8 or not TOML is a fault that says so, with the line."""
        self.assertIn("No such file", self.faults({"CAMDETECT_CONFIG": "/gone"})[0])
        self.assertIn("UTF-8", self.faults({"CAMDETECT_CONFIG": "/c"}, {"/c": b"\xff"})[0])
        self.assertIn("TOML", self.toml_faults("a = " + "[" * 10_000)[0])
        self.assertIn("line 2", self.toml_faults('a = "b"\nc = \nd = 1')[0])

    def test_secrets_in_a_public_file(self) -> None:
        """A secret in a file that others may read is a fault; without a secret they may read it."""
        text = 'mqtt_broker = "b"\nmqtt_username = "u"\nmqtt_password = "hunter2"'
        found = self.toml_faults(text, 0o644)
        self.assertIn("mqtt_password", found[0])
        self.assertNotIn("hunter2", found[0])
        self.assertEqual("hunter2", self.toml(text).mqtt.password.reveal())
        self.assertEqual("b", self.toml('mqtt_broker = "b"', mode=0o644).mqtt.broker)

    def test_plugin_tables(self) -> None:
        """The tables of plugins are kept as they are, and nobody can change them."""
        config = self.toml('[plugins.json_log]\npath = "/x"\nlines = 3\n[plugins.other]')
        self.assertEqual({"path": "/x", "lines": 3}, dict(config.plugin_settings["json_log"]))
        self.assertEqual({"json_log", "other"}, set(config.plugin_settings))
        with self.assertRaises(TypeError):
            config.plugin_settings["json_log"]["path"] = "/y"  # type: ignore[index]

    def test_plugins_word(self) -> None:
        """``plugins`` in the file is the tables; a list of names belongs under ``[plugins]`` of the environment."""
        self.assertIn("[plugins.<name>]", self.toml_faults("plugins = ['a']")[0])
        self.assertIn("[plugins.<name>]", self.toml_faults("[plugins]\na = 1")[0])


class RealFiles(SynchronousTestCase):
    """The default way to read a file."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_content_and_mode(self) -> None:
        """The octets of a file and its permission bits come out."""
        path = self.folder / "f"
        path.write_text(printable)
        path.chmod(0o640)
        self.assertEqual(FileContent(data=path.read_bytes(), mode=0o640), read_file(path))

    def test_not_a_file(self) -> None:
        """A directory, a FIFO (which would block for ever) and a missing file are refused."""
        os.mkfifo(self.folder / "fifo")
        for path in (self.folder, self.folder / "fifo", self.folder / "gone", Path("/dev/zero")):
            with self.assertRaises(OSError):
                read_file(path)

    def test_too_large(self) -> None:
        """A file beyond the bound is refused, one at the bound is not."""
        path = self.folder / "f"
        with path.open("wb") as stream:
            stream.truncate(MAX_FILE_BYTES)
        self.assertEqual(MAX_FILE_BYTES, len(read_file(path).data))
        with path.open("ab") as stream:
            stream.write(b"1")
        with self.assertRaises(OSError):
            read_file(path)
