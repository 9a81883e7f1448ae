"""Settings that must fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.config.case import PEM, ConfigCase, read


class Together(ConfigCase):
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
        self.assertEqual(Path("/k.pem"), read(pair, files).mqtt.tls_key_path)
        self.assertIn("No such file", self.fault({**pair, "TLS_KEY_PATH": "/gone.pem"}, files))
        self.assertIn("PEM", self.fault({**pair, "TLS_KEY_PATH": "/k.der"}, files))
        self.assertIn("TLS_CA_PATH", self.fault({**tls, "TLS_CA_PATH": "/gone.pem"}))

    def test_web_beyond_loopback(self) -> None:
        """The page may listen anywhere: a token that is not set is made."""
        for more in ({}, {"WEB_TOKEN": "t" * 16}, {"WEB_INGRESS": "yes"}):
            self.assertEqual((), read({"WEB_LISTEN": "0.0.0.0:80", **more}).warnings)

    def test_web_names(self) -> None:
        """Names of the page are host names, without ports and schemes."""
        names = read({"WEB_ALLOWED_HOSTS": "Cameras.example.org, camdetect.local."}).web.allowed_hosts
        self.assertEqual(("cameras.example.org", "camdetect.local"), names)
        for wrong in ("a:80", "http://a", "a b", "*"):
            self.assertIn("WEB_ALLOWED_HOSTS", self.fault({"WEB_ALLOWED_HOSTS": wrong}))

    def test_warnings(self) -> None:
        """What is allowed but dangerous or without effect is warned of."""
        for environ, word in (
            ({"PUBLISH_CREDENTIALS": "1"}, "PUBLISH_CREDENTIALS"),
            ({"ALLOW_BASIC_AUTH": "always"}, "ALLOW_BASIC_AUTH"),
            ({"WEB_TOKEN": "short"}, "WEB_TOKEN"),
            ({"WEB_INGRESS": "yes"}, "WEB_INGRESS"),
            ({"TLS_INSECURE": "1", "MQTT_TLS": "1", "MQTT_BROKER": "b"}, "TLS_INSECURE"),
            ({"TLS_CA_PATH": "/gone.pem"}, "TLS_CA_PATH"),
            ({"MQTT_USERNAME": "u"}, "without MQTT_BROKER"),
            ({"ADOPTION": "all"}, "ADOPTION is all"),
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

    def test_logins_in_clear(self) -> None:
        """A login that goes to another machine by http is warned of; on this machine, or by https, it is not."""
        login = {"FRIGATE_USER": "u", "FRIGATE_PASSWORD": "p"}
        for environ, words in (
            ({"FRIGATE_URL": "http://10.0.0.2:8971", **login}, ("FRIGATE_USER and FRIGATE_PASSWORD", "https://")),
            ({"FRIGATE_URL": "http://frigate", "FRIGATE_TOKEN": "t"}, ("FRIGATE_TOKEN go",)),
            ({"GO2RTC_URL": "http://[fd00::1]:1984"}, ("GO2RTC_URL", "the cameras' passwords go")),
            ({"GO2RTC_URL": "http://nvr", "GO2RTC_USER": "u", "GO2RTC_PASSWORD": "p"}, ("GO2RTC_PASSWORD go",)),
        ):
            (warning,) = read(environ).warnings
            for word in words:
                self.assertIn(word, warning)
        both = read({"FRIGATE_URL": "http://frigate", "PUBLISH_CREDENTIALS": "1"}).warnings
        self.assertEqual(1, sum("the cameras' passwords go over" in one for one in both), both)
        for url in ("http://127.0.0.1:5000", "http://[::1]:5000", "http://localhost", "https://10.0.0.2"):
            self.assertEqual((), read({"FRIGATE_URL": url, "GO2RTC_URL": url, **login}).warnings, url)
        self.assertEqual((), read({"FRIGATE_URL": "http://frigate:5000"}).warnings, "nothing secret is sent there")

    def test_other_programs_variables(self) -> None:
        """A variable that begins like ours but resembles none is left alone."""
        self.assertEqual(
            (), read({"MQTT_EXPORTER_LISTEN": "x", "CAMERA_COLOUR": "red", "DISCOVERY_ZONE": "1"}).warnings
        )
