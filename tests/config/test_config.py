"""Single settings: what is allowed, what is refused, and the defaults."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from hypothesis import given, strategies

from tests.config.case import ConfigCase, read
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import declared
from twisted_detector.config.kinds import MAX_ENTRIES, MAX_TEXT
from twisted_detector.errors import ConfigError

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
    ("NODES_NETWORKS", "10.0.0.0/16, 10.9.0.0/24", ("10.0.0.0/16", "10.9.0.0/24")),
    ("SCAN_NETWORKS", "192.168.1.9", ("192.168.1.9/32",)),
    ("SCAN_EXCLUDE", "192.168.1.1,10.0.0.0/8,fe80::1", ("192.168.1.1/32", "10.0.0.0/8", "fe80::1/128")),
    ("PLUGINS", "json_log,watch_file", ("json_log", "watch_file")),
    ("PLUGIN_PATH", "/a", (Path("/a"),)),
    ("PLUGIN_PATH", "/a:/with, comma::/a:b", (Path("/a"), Path("/with, comma"), Path("b"))),
    ("WEB_LISTEN", "127.0.0.1:1", ("127.0.0.1", 1)),
    ("WEB_LISTEN", "[::1]:8787", ("::1", 8787)),
    ("STATE_DIR", "relative/dir", Path("relative/dir")),
    ("FRIGATE_RELOAD_TOPIC", "a", "a"),
    ("ALLOW_BASIC_AUTH", "Never", "never"),
)


#: variable, given
BAD = (
    ("PLUGIN_PATH", "/a:~/plugins"),
    ("PLUGIN_PATH", ":".join(f"/{number}" for number in range(MAX_ENTRIES + 1))),
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
    ("NODES_NETWORKS", "interfaces,10.0.0.0/24"),
    ("NODES_NETWORKS", "10.0.0.0/8"),
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


class Values(ConfigCase):
    """Single settings."""

    def test_nothing_set(self) -> None:
        """Nothing has to be set: the documented defaults, the embedded broker, no guessed login, no warning."""
        config = read()
        self.assertEqual("", config.mqtt.broker)
        self.assertEqual(1883, config.mqtt.port)
        self.assertEqual((0.25, 3.0), (config.mqtt.reconnect_min, config.mqtt.reconnect_max))
        self.assertEqual((300, 30, 1800), (config.discovery.interval, config.discovery.timeout, 1800))
        self.assertEqual(("interfaces",), config.discovery.scan_networks)
        self.assertEqual((), config.inspection.credentials)
        self.assertEqual((), config.warnings)
        self.assertEqual({}, dict(config.plugin_settings))

    def test_values(self) -> None:
        """Each allowed text is read as its value."""
        for variable, text, value in GOOD:
            with self.subTest(f"{variable}={text}"):
                self.assertEqual(value, read({variable: text}).value_of(variable.lower()), f"{variable}={text}")

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
        """Every field is a setting or a section, except what is gathered from elsewhere."""
        sections = {attribute.partition(".")[0] for attribute, _ in declared(Config)}
        rest = {each.name for each in fields(Config)} - sections
        gathered = {"named_frigates", "named_go2rtcs", "plugin_settings"}
        self.assertEqual(
            {*gathered, "warnings", "sources", "lacks_suffix", "runtime_dirs", "notify_socket", "watchdog_seconds"},
            rest,
        )
