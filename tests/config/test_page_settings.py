"""What was set on the page weighs less than environment and file, and never leads their secrets anywhere."""

from __future__ import annotations

from pathlib import Path

from tests.config.case import HOME, PEM, ConfigCase, Files, read
from twisted_detector.config.config import Config
from twisted_detector.config.load import load
from twisted_detector.config.page_settings import GROUP_OF, LAST_GOOD, why_fixed
from twisted_detector.config.reader import FileContent
from twisted_detector.errors import ConfigError

STATE = Path("/home/somebody/.local/state/camdetect")
OVERRIDES, LAST = str(STATE / "overrides"), str(STATE / LAST_GOOD)


def page(*lines: str) -> str:
    return "\n".join(("[settings]", *lines))


class ThirdSource(ConfigCase):
    """The table [settings] of STATE_DIR/overrides."""

    def test_it_counts(self) -> None:
        """What neither environment nor file gives; TLS moves the port as everywhere, and the source is told."""
        files = {OVERRIDES: page('MQTT_BROKER = "b"', "MQTT_TLS = true", 'HOMEASSISTANT_ENABLED = "false"')}
        config = read(files=files)
        self.assertEqual(("b", 8883, True), (config.mqtt.broker, config.mqtt.port, config.mqtt.tls))
        self.assertFalse(config.homeassistant.enabled)
        self.assertEqual("page", config.sources["mqtt_broker"])
        self.assertNotIn("mqtt_port", config.sources)
        self.assertEqual((), config.warnings)

    def test_its_place(self) -> None:
        """It stands in the STATE_DIR that the stronger sources name."""
        files = {"/x/overrides": page('MQTT_BROKER = "there"'), OVERRIDES: page('MQTT_BROKER = "here"')}
        self.assertEqual("there", read({"STATE_DIR": "/x"}, files).mqtt.broker)
        self.assertEqual("here", read({}, files).mqtt.broker)

    def test_the_others_win(self) -> None:
        """Environment, then file, then page."""
        files = {OVERRIDES: page('MQTT_BROKER = "page"', "MQTT_PORT = 1", 'MQTT_USERNAME = "u"')}
        files["/c"] = 'mqtt_broker = "file"\nmqtt_port = 2'
        config = read({"CAMDETECT_CONFIG": "/c", "MQTT_PORT": "3"}, files)
        self.assertEqual(("file", 3, "u"), (config.mqtt.broker, config.mqtt.port, config.mqtt.username))
        sources = [config.sources[f"mqtt_{key}"] for key in ("broker", "port", "username")]
        self.assertEqual(["file", "environment", "page"], sources)

    def test_no_file(self) -> None:
        """What stands in its place is told, and nothing waits for it; a number without end is no TOML."""

        def not_regular(path: Path) -> FileContent:
            if str(path) == OVERRIDES:
                raise OSError("not a regular file")
            return Files({})(path)

        (warning,) = load(HOME, hostname="pine", superuser=False, read_file=not_regular).warnings
        self.assertIn("not a regular file", warning)
        for number, told in (("9" * 5000, "TOML"), (f"0x{'f' * 5000}", "MQTT_PORT must be")):
            config = read(files={OVERRIDES: page('MQTT_BROKER = "b"', f"MQTT_PORT = {number}")})
            self.assertIn(told, config.warnings[0])

    def test_a_stronger_secret_is_not_led_away(self) -> None:
        """Where environment or file gives a password, the page does not say where it goes, nor how."""
        there = page('MQTT_BROKER = "evil"', 'FRIGATE_URL = "https://evil"', 'GO2RTC_URL = "https://evil"')
        for environ in (
            {
                "MQTT_USERNAME": "u",
                "MQTT_PASSWORD": "p",
                "FRIGATE_TOKEN": "t",
                "GO2RTC_USER": "u",
                "GO2RTC_PASSWORD": "p",
            },
            {"CAMDETECT_CONFIG": "/c"},
        ):
            files = {OVERRIDES: there}
            files["/c"] = (
                'mqtt_username = "u"\nmqtt_password = "p"\nfrigate_user = "u"\nfrigate_password = "p"\n'
                'go2rtc_user = "u"\ngo2rtc_password = "p"'
            )
            config = read(environ, files)
            self.assertEqual(("", "", ""), (config.mqtt.broker, config.frigate.url, config.go2rtc.url))
            self.assertNotIn("evil", str(config))

    def test_other_settings_are_none_of_the_page(self) -> None:
        """What the page may not change is left out there, and told; the rest counts."""
        config = read(files={OVERRIDES: page('STATE_DIR = "/evil"', 'WEB_TOKEN = "x"', 'MQTT_BROKER = "b"')})
        self.assertEqual((STATE, "", "b"), (config.state_dir, config.web.token.reveal(), config.mqtt.broker))
        self.assertEqual(2, len(config.warnings))
        self.assertIn("STATE_DIR is not a setting of the page", config.warnings[0])

    def test_faults_do_not_stop_the_start(self) -> None:
        """With one value that is wrong, or that does not fit the others, none of them counts: a warning says why."""
        for line, words in (
            ("MQTT_PORT = 99999", "MQTT_PORT"),
            ('TLS_CA_PATH = "/nowhere"', "cannot be read"),
            ('FRIGATE_URL = "ftp://x"', "FRIGATE_URL"),
        ):
            config = read(files={OVERRIDES: page('MQTT_BROKER = "b"', "MQTT_TLS = true", line)})
            self.assertEqual(("", False), (config.mqtt.broker, config.mqtt.tls))
            self.assertIn("is left out", config.warnings[0])
            self.assertIn(words, config.warnings[0])

    def test_no_password_in_faults(self) -> None:
        """A fault of a password masks it."""
        config = read(files={OVERRIDES: page('MQTT_PASSWORD = "kanarie"', "MQTT_PORT = 0")})
        self.assertTrue(config.warnings)
        self.assertNotIn("kanarie", " ".join(config.warnings) + repr(config))

    def test_a_mistake_in_the_file(self) -> None:
        """A file that a person broke is told of; until he mends it the last one that could be read counts."""
        config = read(files={OVERRIDES: "[settings\n", LAST: page('MQTT_BROKER = "b"')})
        self.assertEqual("b", config.mqtt.broker)
        self.assertIn("is not a valid TOML file", config.warnings[0])
        self.assertEqual("", read(files={OVERRIDES: b"[settings]\nMQTT_BROKER = '\xff'"}).mqtt.broker)
        nested = "settings = " + "[" * 5000
        self.assertIn("are not used", read(files={OVERRIDES: nested}).warnings[0])

    def test_wrong_types(self) -> None:
        """What is no text, number or truth is left out; a table that is none has nothing in it."""
        config = read(files={OVERRIDES: page("MQTT_BROKER = [1]", "MQTT_PORT = 1884")})
        self.assertEqual(("", 1884), (config.mqtt.broker, config.mqtt.port))
        self.assertIn("MQTT_BROKER must be text", config.warnings[0])
        self.assertEqual((), read(files={OVERRIDES: "settings = 3"}).warnings)

    def test_candidates(self) -> None:
        """Values that are not saved yet are judged as the saved ones, in their place; their faults are raised."""

        def candidate(values: dict[str, str]) -> Config:
            files = Files({OVERRIDES: page('MQTT_BROKER = "saved"'), "/ca": PEM})
            return load(HOME, hostname="h", superuser=False, read_file=files, page=values)

        self.assertEqual("", candidate({}).mqtt.broker)
        fitting = candidate({"mqtt_broker": "b", "mqtt_tls": "true", "tls_ca_path": "/ca"})
        self.assertEqual(Path("/ca"), fitting.mqtt.tls_ca_path)
        faults = self.assertRaises(ConfigError, candidate, {"mqtt_tls": "true"}).faults
        self.assertIn("MQTT_TLS", faults[0])


class Fixed(ConfigCase):
    def test_words(self) -> None:
        """Why the page cannot change a setting names what does, and where."""
        self.assertEqual("", why_fixed("mqtt_broker", {"mqtt_broker": "page"}))
        self.assertIn("the environment sets MQTT_BROKER", why_fixed("mqtt_broker", {"mqtt_broker": "environment"}))
        given = {"mqtt_password": "file, mqtt_password_file"}
        self.assertIn("the configuration file sets MQTT_PASSWORD", why_fixed("mqtt_broker", given))

    def test_all_exist(self) -> None:
        """Each is a setting, and its secrets are secrets."""
        known = Config.settings()
        for key, group in GROUP_OF.items():
            self.assertIn(key, known)
            self.assertTrue(all(known[secret].secret for secret in group.secrets))
        secrets = {key for key in GROUP_OF if known[key].secret}
        self.assertEqual(secrets, {key for group in GROUP_OF.values() for key in group.login if key in group.secrets})
