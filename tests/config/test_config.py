"""Environments and files go in as dictionaries; the Config or the list of faults is compared."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from string import printable

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.config import Config
from twisted_detector.config.kinds import MAX_ENTRIES, MAX_TEXT
from twisted_detector.config.load import config_or_exit, load
from twisted_detector.config.reader import MAX_FILE_BYTES, FileContent, read_file
from twisted_detector.errors import ConfigError
from twisted_detector.model import Login, Secret

HOME = {"HOME": "/home/somebody"}
PEM = "-----BEGIN CERTIFICATE-----\n"


class Files:
    """Files in memory: path → text or bytes, or (text, mode)."""

    def __init__(self, files: Mapping[str, str | bytes | tuple[str, int]]) -> None:
        self._files = files

    def __call__(self, path: Path) -> FileContent:
        try:
            found = self._files[str(path)]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", str(path)) from None
        text, mode = found if isinstance(found, tuple) else (found, 0o600)
        return FileContent(data=text.encode() if isinstance(text, str) else text, mode=mode)


def read(
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str | bytes | tuple[str, int]] | None = None,
    *,
    hostname: str = "pine",
    superuser: bool = False,
) -> Config:
    return load(HOME | dict(environ or {}), hostname=hostname, superuser=superuser, read_file=Files(files or {}))


def logins(config: Config) -> list[tuple[str, str]]:
    return [(login.name, login.password.reveal()) for login in config.camera_credentials]


#: variable, given, value
GOOD = (
    ("MQTT_BROKER", "mqtt.example.org", "mqtt.example.org"),
    ("MQTT_BROKER", "mqtt_broker", "mqtt_broker"),
    ("MQTT_BROKER", "192.0.2.7", "192.0.2.7"),
    ("MQTT_BROKER", "[2001:db8::7]", "2001:db8::7"),
    ("MQTT_BROKER", "fe80::7%eth0", "fe80::7%eth0"),
    ("MQTT_BROKER", "bücher.example", "bücher.example"),
    ("MQTT_PORT", "1", 1),
    ("MQTT_PORT", "65535", 65_535),
    ("MQTT_PROTOCOL", "5", "5"),
    ("MQTT_PROTOCOL", "AUTO", "auto"),
    ("MQTT_RECONNECT_MIN", "0.05", 0.05),
    ("MQTT_RECONNECT_MIN", "2", 2.0),
    ("MQTT_RECONNECT_JITTER", "full", "full"),
    ("MQTT_TOPIC_PREFIX", "site/north wing", "site/north wing"),
    ("MQTT_QUEUE_SIZE", "100", 100),
    ("ONVIF_ENABLED", "false", False),
    ("ONVIF_ENABLED", "0", False),
    ("ONVIF_ENABLED", "No", False),
    ("ONVIF_ENABLED", "OFF", False),
    ("PUBLISH_CREDENTIALS", "true", True),
    ("PUBLISH_CREDENTIALS", "1", True),
    ("PUBLISH_CREDENTIALS", "Yes", True),
    ("PUBLISH_CREDENTIALS", "ON", True),
    ("LOG_LEVEL", "WARNING", "warn"),
    ("LOG_LEVEL", "INFO", "info"),
    ("SCAN_NETWORKS", "Interfaces, 127.0.10.0/29", ("interfaces", "127.0.10.0/29")),
    ("SCAN_NETWORKS", "10.0.0.0/16,10.0.0.0/16", ("10.0.0.0/16",)),
    ("SCAN_NETWORKS", "fd00::/112", ("fd00::/112",)),
    ("SCAN_NETWORKS", "192.168.1.9", ("192.168.1.9/32",)),
    ("SCAN_EXCLUDE", "192.168.1.1,10.0.0.0/8,fe80::1", ("192.168.1.1/32", "10.0.0.0/8", "fe80::1/128")),
    ("PLUGINS", "json_log,watch_file", ("json_log", "watch_file")),
    ("WEB_LISTEN", "127.0.0.1:1", ("127.0.0.1", 1)),
    ("WEB_LISTEN", "[::1]:8787", ("::1", 8787)),
    ("STATE_DIR", "relative/dir", Path("relative/dir")),
    ("FRIGATE_RELOAD_TOPIC", "a", "a"),
    ("ALLOW_BASIC_AUTH", "Never", "never"),
)

#: variable, given
BAD = (
    ("MQTT_BROKER", "mqtt://host"),
    ("MQTT_BROKER", "host:1883"),
    ("MQTT_BROKER", "two words"),
    ("MQTT_BROKER", "under..dots"),
    ("MQTT_BROKER", "x" * 64),
    ("MQTT_BROKER", "-dash"),
    ("MQTT_BROKER", ".".join(["abcdefg"] * 33)),
    ("MQTT_PORT", "0"),
    ("MQTT_PORT", "65536"),
    ("MQTT_PORT", "-1"),
    ("MQTT_PORT", "1883.0"),
    ("MQTT_PORT", "1_883"),
    ("MQTT_PORT", "١"),
    ("MQTT_PORT", "tcp://10.0.0.1:1883"),
    ("MQTT_PORT", "9" * 4000),
    ("MQTT_TLS", "maybe"),
    ("MQTT_TLS", "2"),
    ("MQTT_PROTOCOL", "3.1"),
    ("MQTT_KEEPALIVE", "4"),
    ("MQTT_KEEPALIVE", "3601"),
    ("MQTT_RECONNECT_MIN", "0"),
    ("MQTT_RECONNECT_MIN", "nan"),
    ("MQTT_RECONNECT_MAX", "inf"),
    ("MQTT_RECONNECT_MAX", "1e3"),
    ("MQTT_RECONNECT_JITTER", "0.25"),
    ("MQTT_MAX_RECONNECT_ATTEMPTS", "-1"),
    ("MQTT_QUEUE_SIZE", "99"),
    ("MQTT_TOPIC_PREFIX", "a/#"),
    ("MQTT_TOPIC_PREFIX", "+"),
    ("MQTT_TOPIC_PREFIX", "/a"),
    ("MQTT_TOPIC_PREFIX", "a/"),
    ("MQTT_TOPIC_PREFIX", "a//b"),
    ("MQTT_TOPIC_PREFIX", "$SYS"),
    ("MQTT_TOPIC_PREFIX", "a\tb"),
    ("MQTT_TOPIC_PREFIX", "ü" * 129),
    ("MQTT_TOPIC_PREFIX", "a\udc80b"),
    ("MQTT_CLIENT_ID", "a b"),
    ("NODE_ID", "a/b"),
    ("NODE_ID", "x" * 65),
    ("LOG_LEVEL", "loud"),
    ("DISCOVERY_INTERVAL", "0"),
    ("SCAN_NETWORKS", "10.0.0.1/24"),
    ("SCAN_NETWORKS", "10.0.0.0/8"),
    ("SCAN_NETWORKS", "fd00::/64"),
    ("SCAN_NETWORKS", "interface"),
    ("SCAN_NETWORKS", "10.0.0.0/24,"),
    ("SCAN_NETWORKS", "224.0.0.0/24"),
    ("SCAN_NETWORKS", "0.0.0.0/32"),
    ("SCAN_NETWORKS", ",".join(f"10.{n}.0.0/16" for n in range(17))),
    ("SCAN_EXCLUDE", "camera.local"),
    ("SCAN_EXCLUDE", ",".join(f"10.0.0.{n}" for n in range(MAX_ENTRIES + 1))),
    ("SCAN_RATE", "0"),
    ("PLUGINS", "a,,b"),
    ("CAMERA_CREDENTIALS", "admin"),
    ("CAMERA_CREDENTIALS", ":password"),
    ("CAMERA_CREDENTIALS", "a:b,c"),
    ("CAMERA_CREDENTIALS", "a:b\n"),
    ("CAMERA_USERNAME", "a:b"),
    ("MQTT_PASSWORD", "a\x00b"),
    ("MQTT_USERNAME", "x" * (MAX_TEXT + 1)),
    ("WEB_LISTEN", "8787"),
    ("WEB_LISTEN", "localhost:8787"),
    ("WEB_LISTEN", "::1:8787"),
    ("WEB_LISTEN", "127.0.0.1:0"),
    ("STATE_DIR", "~/state"),
    ("ALLOW_BASIC_AUTH", "true"),
)


class Base(SynchronousTestCase):
    def faults(
        self,
        environ: Mapping[str, str],
        files: Mapping[str, str | bytes | tuple[str, int]] | None = None,
        *,
        hostname: str = "pine",
    ) -> tuple[str, ...]:
        """The faults of a configuration that must have some."""
        return self.assertRaises(ConfigError, read, environ, files, hostname=hostname).faults


class Values(Base):
    """Single settings."""

    def test_nothing_set(self) -> None:
        """Nothing has to be set: the documented defaults, the embedded broker, no guessed login, no warning."""
        config = read()
        self.assertEqual("", config.mqtt_broker)
        self.assertEqual(1883, config.mqtt_port)
        self.assertEqual((0.25, 3.0), (config.mqtt_reconnect_min, config.mqtt_reconnect_max))
        self.assertEqual((300, 30, 1800), (config.discovery_interval, config.discovery_timeout, 1800))
        self.assertEqual(("interfaces",), config.scan_networks)
        self.assertEqual((), config.camera_credentials)
        self.assertEqual((), config.warnings)
        self.assertEqual({}, dict(config.plugin_settings))

    def test_values(self) -> None:
        """Each allowed text is read as its value."""
        for variable, text, value in GOOD:
            with self.subTest(f"{variable}={text}"):
                self.assertEqual(value, getattr(read({variable: text}), variable.lower()), f"{variable}={text}")

    def test_refusals(self) -> None:
        """Each text that is not allowed is one fault that names its variable."""
        for variable, text in BAD:
            with self.subTest(f"{variable}={text[:40]}"):
                found = self.faults({variable: text})
                self.assertEqual(1, len(found), found)
                self.assertIn(variable, found[0])
                self.assertLess(len(found[0]), 500)

    def test_all_faults_at_once(self) -> None:
        """A configuration with several faults names each of them, with what was given and what is allowed."""
        found = self.faults({"MQTT_PORT": "0", "SCAN_RATE": "fast", "LOG_LEVEL": "loud", "MQTT_TLS": "perhaps"})
        self.assertEqual(
            {
                "MQTT_PORT = '0': must be a port from 1 to 65 535",
                "MQTT_TLS = 'perhaps': must be true or false (also 1/0, yes/no, on/off)",
                "LOG_LEVEL = 'loud': must be one of debug, info, warn, error, critical",
                "SCAN_RATE = 'fast': must be a whole number from 1 to 100 000",
            },
            set(found),
        )

    def test_hint_for_a_network(self) -> None:
        """A network with host bits is not corrected; the one that was probably meant is named."""
        self.assertIn("is 10.0.0.0/24 meant?", self.faults({"SCAN_NETWORKS": "10.0.0.1/24"})[0])

    def test_empty_is_not_set(self) -> None:
        """An empty variable counts as not set, for every setting."""
        empty = {name.upper(): "" for name in Config.settings()}
        self.assertEqual(read(), read(empty))

    def test_unknown_variables(self) -> None:
        """What is not ours is ignored, also when it would be malformed."""
        self.assertEqual(read(), read({"PATH": "/bin", "MQTTX": "#", "LC_ALL": "\udc80"}))

    @given(strategies.sampled_from(sorted(Config.settings())), strategies.text(max_size=30))
    def test_any_text(self, name: str, text: str) -> None:
        """Whatever a variable holds, there is a Config or a ConfigError, never another exception."""
        try:
            read({name.upper(): text})
        except ConfigError as error:
            self.assertTrue(error.faults)

    @given(strategies.text(max_size=80))
    def test_any_table(self, text: str) -> None:
        """Whatever the TOML file holds, there is a Config or a ConfigError."""
        try:
            read({"CAMDETECT_CONFIG": "/c.toml"}, {"/c.toml": text.encode("utf-8", "surrogatepass")})
        except ConfigError as error:
            self.assertTrue(error.faults)

    def test_same_names_everywhere(self) -> None:
        """Every field is a setting, except what is gathered from elsewhere."""
        rest = {each.name for each in fields(Config)} - set(Config.settings())
        self.assertEqual({"plugin_settings", "warnings", "notify_socket", "watchdog_seconds"}, rest)


class Derived(Base):
    """Defaults that depend on the machine or on another setting."""

    def test_node_id(self) -> None:
        """NODE_ID wins over BALENA_DEVICE_UUID, which wins over the host name."""
        self.assertEqual("pine", read().node_id)
        self.assertEqual("b7", read({"BALENA_DEVICE_UUID": "b7"}).node_id)
        self.assertEqual("n1", read({"BALENA_DEVICE_UUID": "b7", "NODE_ID": "n1"}).node_id)

    def test_unusable_host_name(self) -> None:
        """A host name that cannot be part of a topic is a fault that says what to set."""
        self.assertIn("NODE_ID", self.faults({}, hostname="two words")[0])
        self.assertEqual("n1", read({"NODE_ID": "n1"}, hostname="two words").node_id)

    def test_names_from_it(self) -> None:
        """The client id follows NODE_ID, so that it is the same after a restart; the service is the predecessor's."""
        config = read({"NODE_ID": "n1"})
        self.assertEqual(("camdetect-n1", "camera_detector"), (config.mqtt_client_id, config.service_id))
        config = read({"NODE_ID": "n1", "MQTT_CLIENT_ID": "c", "SERVICE_ID": "s"})
        self.assertEqual(("c", "s"), (config.mqtt_client_id, config.service_id))

    def test_longest_names(self) -> None:
        """The longest NODE_ID gives names that need no setting of their own."""
        self.assertEqual("camdetect-" + "n" * 64, read({"NODE_ID": "n" * 64}).mqtt_client_id)

    def test_tls_port(self) -> None:
        """With TLS the port is 8883 unless it is given."""
        tls = {"MQTT_TLS": "true", "MQTT_BROKER": "b"}
        self.assertEqual(8883, read(tls).mqtt_port)
        self.assertEqual(1883, read({**tls, "MQTT_PORT": "1883"}).mqtt_port)

    def test_state_dir(self) -> None:
        """State belongs to root in /var/lib, to others in XDG_STATE_HOME or below HOME."""
        self.assertEqual(Path("/var/lib/camdetect"), read(superuser=True).state_dir)
        self.assertEqual(Path("/home/somebody/.local/state/camdetect"), read().state_dir)
        self.assertEqual(Path("/x/camdetect"), read({"XDG_STATE_HOME": "/x"}).state_dir)
        self.assertEqual(Path("/y"), read({"STATE_DIR": "/y"}, superuser=True).state_dir)
        self.assertIn("STATE_DIR", self.faults({"HOME": ""})[0])


class Together(Base):
    """Settings that must fit each other."""

    def fault(self, environ: Mapping[str, str], files: Mapping[str, str] | None = None) -> str:
        found = self.faults(environ, dict(files or {}))
        self.assertEqual(1, len(found), found)
        return found[0]

    def test_order(self) -> None:
        """Of two bounds the lower must not exceed the upper, be it by the default of the other."""
        for environ in (
            {"DISCOVERY_TIMEOUT": "301"},
            {"DISCOVERY_INTERVAL": "10"},
            {"DISCOVERY_INTERVAL": "2000"},
            {"MQTT_RECONNECT_MIN": "4"},
            {"HEALTH_CHECK_INTERVAL": "181"},
        ):
            self.assertIn("must not exceed", self.fault(environ))

    def test_steady_state_unused(self) -> None:
        """Without smart discovery its interval does not matter."""
        read({"DISCOVERY_INTERVAL": "2000", "SMART_DISCOVERY_ENABLED": "false"})

    def test_faulty_values_are_not_judged_twice(self) -> None:
        """A setting that is faulty by itself is not also compared with another."""
        self.assertIn("DISCOVERY_INTERVAL = 'x'", self.fault({"DISCOVERY_INTERVAL": "x", "DISCOVERY_TIMEOUT": "301"}))
        self.assertIn("CAMERA_USERNAME", self.fault({"CAMERA_USERNAME": "a\n", "CAMERA_PASSWORD": "p"}))

    def test_password_without_user(self) -> None:
        """A password without its user name is a fault."""
        self.assertIn("MQTT_USERNAME", self.fault({"MQTT_PASSWORD": "p", "MQTT_BROKER": "b"}))
        self.assertIn("CAMERA_USERNAME", self.fault({"CAMERA_PASSWORD": "p"}))

    def test_tls_needs_a_broker(self) -> None:
        """The embedded broker speaks no TLS."""
        self.assertIn("MQTT_BROKER", self.fault({"MQTT_TLS": "true"}))

    def test_certificate_and_key(self) -> None:
        """A certificate needs its key, a key its certificate, and both files must be there and PEM."""
        tls = {"MQTT_TLS": "true", "MQTT_BROKER": "b"}
        files = {"/c.pem": PEM, "/k.pem": PEM, "/k.der": "0"}
        self.assertIn("TLS_KEY_PATH", self.fault({**tls, "TLS_CERT_PATH": "/c.pem"}, files))
        self.assertIn("TLS_CERT_PATH", self.fault({**tls, "TLS_KEY_PATH": "/k.pem"}, files))
        pair = {**tls, "TLS_CERT_PATH": "/c.pem", "TLS_KEY_PATH": "/k.pem"}
        self.assertEqual(Path("/k.pem"), read(pair, files).tls_key_path)
        self.assertIn("No such file", self.fault({**pair, "TLS_KEY_PATH": "/gone.pem"}, files))
        self.assertIn("PEM", self.fault({**pair, "TLS_KEY_PATH": "/k.der"}, files))
        self.assertIn("TLS_CA_PATH", self.fault({**tls, "TLS_CA_PATH": "/gone.pem"}))

    def test_web_beyond_loopback(self) -> None:
        """The page listens beyond loopback only with a token."""
        self.assertIn("WEB_TOKEN", self.fault({"WEB_LISTEN": "0.0.0.0:80"}))
        read({"WEB_LISTEN": "0.0.0.0:80", "WEB_TOKEN": "t"})
        read({"WEB_LISTEN": "0.0.0.0:80", "WEB_ENABLED": "no"})

    def test_web_names(self) -> None:
        """Names of the page are host names, without ports and schemes."""
        names = read({"WEB_ALLOWED_HOSTS": "Cameras.example.org, camdetect.local."}).web_allowed_hosts
        self.assertEqual(("cameras.example.org", "camdetect.local"), names)
        for wrong in ("a:80", "http://a", "a b", "*"):
            self.assertIn("WEB_ALLOWED_HOSTS", self.fault({"WEB_ALLOWED_HOSTS": wrong}))

    def test_warnings(self) -> None:
        """What is allowed but dangerous or without effect is warned of."""
        for environ, word in (
            ({"PUBLISH_CREDENTIALS": "1"}, "PUBLISH_CREDENTIALS"),
            ({"ALLOW_BASIC_AUTH": "always"}, "ALLOW_BASIC_AUTH"),
            ({"WEB_TOKEN": "short"}, "WEB_TOKEN"),
            ({"TLS_INSECURE": "1", "MQTT_TLS": "1", "MQTT_BROKER": "b"}, "TLS_INSECURE"),
            ({"TLS_CA_PATH": "/gone.pem"}, "TLS_CA_PATH"),
            ({"MQTT_USERNAME": "u"}, "embedded"),
            ({"CAMERA_USERNAME": "u"}, "empty password"),
            ({"SCAN_NETWORKS": "8.8.8.0/24"}, "8.8.8.0/24"),
            ({"MQTT_PORTT": "1"}, "MQTT_PORT meant"),
            ({"CAMERA_CREDENTIAL": "a:b"}, "CAMERA_CREDENTIALS meant"),
            ({"SCAN_NETWORK": "10.0.0.0/24"}, "SCAN_NETWORKS meant"),
            ({"MQTT_PASSWORD_FIL": "x"}, "MQTT_PASSWORD_FILE meant"),
            ({"MQTT_HOST": "x"}, "MQTT_BROKER meant"),
        ):
            warnings = read(environ).warnings
            self.assertEqual(1, len(warnings), (environ, warnings))
            self.assertIn(word, warnings[0])

    def test_other_programs_variables(self) -> None:
        """A variable that begins like ours but resembles none is left alone."""
        self.assertEqual(
            (), read({"MQTT_EXPORTER_LISTEN": "x", "CAMERA_COLOUR": "red", "DISCOVERY_ZONE": "1"}).warnings
        )


class Secrets(Base):
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
            self.assertEqual(f"{self.SECRET} ", getattr(config, variable.lower()).reveal())

    def test_every_secret_has_a_file_variant(self) -> None:
        """A value and a file for the same secret is a fault, for every secret."""
        secrets = [name.upper() for name, setting in Config.settings().items() if setting.secret]
        expected = (
            "CAMERA_CREDENTIALS CAMERA_PASSWORD FRIGATE_PASSWORD FRIGATE_TOKEN GO2RTC_PASSWORD MQTT_PASSWORD WEB_TOKEN"
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
                value = setting.kind.read("a:b")
                self.assertTrue(isinstance(value, Secret) or isinstance(value[0], Login), name)
                self.assertNotIn("b'", repr(value))


class TheFile(Base):
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
        self.assertEqual(("b", 1884, 20, False, 5), (
            config.mqtt_broker, config.mqtt_port, config.mqtt_keepalive, config.onvif_enabled, config.scan_rate
        ))  # fmt: skip
        self.assertEqual((1.5, 7.0, "5"), (config.mqtt_reconnect_min, config.rtsp_timeout, config.mqtt_protocol))
        self.assertEqual(("interfaces", "10.0.0.0/24"), config.scan_networks)
        self.assertEqual(("10.0.0.1/32",), config.scan_exclude)
        self.assertEqual([("a", "b,c"), ("d", "e")], logins(config))
        self.assertEqual(Path("/x"), config.state_dir)

    def test_environment_wins(self) -> None:
        """A variable wins over the file, an empty one does not, and a value over the file's secret file."""
        text = (
            'mqtt_port = 1884\nmqtt_keepalive = 20\nmqtt_broker = "b"\nmqtt_username = "u"\nmqtt_password_file = "/s"'
        )
        config = self.toml(text, {"MQTT_PORT": "1885", "MQTT_KEEPALIVE": ""})
        self.assertEqual((1885, 20), (config.mqtt_port, config.mqtt_keepalive))
        self.assertEqual("from-file", config.mqtt_password.reveal())
        self.assertEqual("given", self.toml(text, {"MQTT_PASSWORD": "given"}).mqtt_password.reveal())

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
        self.assertEqual("hunter2", self.toml(text).mqtt_password.reveal())
        self.assertEqual("b", self.toml('mqtt_broker = "b"', mode=0o644).mqtt_broker)

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


class TheRoot(Base):
    """What every root does with the outcome."""

    def test_faults_end_the_process(self) -> None:
        """Wrong configuration: one message with every fault on standard error, and exit status 2."""
        stderr = io.StringIO()
        environ = {**HOME, "MQTT_PORT": "0", "SCAN_RATE": "0"}
        stopped = self.assertRaises(SystemExit, config_or_exit, environ, hostname="h", stderr=stderr)
        self.assertEqual(2, stopped.code)
        self.assertIn("MQTT_PORT = '0'", stderr.getvalue())
        self.assertIn("SCAN_RATE = '0'", stderr.getvalue())

    def test_sound(self) -> None:
        """Right configuration: the Config, and not a word."""
        stderr = io.StringIO()
        self.assertEqual("h", config_or_exit(HOME, hostname="h", stderr=stderr).node_id)
        self.assertEqual("", stderr.getvalue())


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
