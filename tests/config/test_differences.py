"""What differs between two configurations: in sentences, without any secret, and what of it needs a restart."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import logins, read
from twisted_detector.config.config import Config
from twisted_detector.config.differences import LIVE, Differences, differences

SECRET = "s3cr3t-of-the-barn"
BASE = {"CAMDETECT_CONFIG": "/c"}


def found(before: str | Mapping[str, str], after: str | Mapping[str, str]) -> Differences:
    """What differs between two texts of the configuration file, or two environments."""
    return differences(*(_config(one) for one in (before, after)))


def _config(one: str | Mapping[str, str]) -> Config:
    return read(BASE, {"/c": one}) if isinstance(one, str) else read(one)


class DifferenceTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """The same text read twice differs in nothing."""
        text = 'scan_networks = "10.0.0.0/24"\ncamera_credentials = ["a:b"]\n[frigate.north]\nurl = "http://10.0.0.2"\n'
        self.assertEqual(((), ()), (found(text, text).changed, found(text, text).restart))
        self.assertEqual(_config(text), found(text, text).applied)

    def test_lists(self) -> None:
        """Of networks and exclusions each that came and each that went is told."""
        self.assertEqual(
            (
                "SCAN_NETWORKS: 10.20.0.0/24 added",
                "SCAN_NETWORKS: 10.0.0.0/24 removed",
                "SCAN_EXCLUDE: 10.0.0.1/32 added",
            ),
            found(
                'scan_networks = "interfaces,10.0.0.0/24"',
                'scan_networks = "interfaces,10.20.0.0/24"\nscan_exclude = "10.0.0.1"',
            ).changed,
        )
        self.assertEqual(("SCAN_NETWORKS: interfaces removed",), found("", "scan_networks = []").changed[:1])

    def test_values(self) -> None:
        """A value is told as it is now."""
        self.assertEqual(
            ("SCAN_RATE is 500", "LOG_LEVEL is debug"), found("", "scan_rate = 500\nlog_level = 'DEBUG'").changed
        )
        self.assertEqual(("LOG_LEVEL is info",), found("log_level = 'warning'", "").changed)

    def test_logins(self) -> None:
        """How many logins came, went or have another password; neither users nor passwords."""
        for before, after, told in (
            ([], ["a:1", "b:2"], "2 logins added"),
            (["a:1", "b:2", "c:3"], ["a:1", "d:4", "e:5"], "2 logins added, 2 removed"),
            (["a:1"], [], "1 login removed"),
            (["a:1", "b:2"], ["a:9", "b:2"], "1 login changed"),
            (["a:1", "b:2"], ["a:9", "c:2"], "1 login added, 1 removed, 1 changed"),
            (["[network 10.0.0.0/24]", "a:1"], ["a:1"], "1 login added, 1 removed"),
        ):
            texts = [f"camera_credentials = {one}" if one else "" for one in (before, after)]
            self.assertEqual((told,), found(*texts).changed)
        self.assertEqual(("1 login added",), found({}, {"CAMERA_USERNAME": "a", "CAMERA_PASSWORD": SECRET}).changed)

    def test_restart(self) -> None:
        """All else needs a restart, and is told by its name: secrets, tables of consumers and of plugins too."""
        after = (
            'mqtt_broker = "10.0.0.2"\nmqtt_username = "a"\n'
            f'mqtt_password = "{SECRET}"\nrtsp_port = 8554\n'
            f'[frigate.north]\nurl = "http://10.0.0.2"\nuser = "a"\npassword = "{SECRET}"\n'
            '[go2rtc.south]\nconfig_path = "/etc/go2rtc.yaml"\n[plugins.acme]\nkey = "x"\n'
        )
        wanted = (
            "MQTT_BROKER", "MQTT_USERNAME", "MQTT_PASSWORD", "RTSP_PORT", "[frigate.north]", "[go2rtc.south]",
            "[plugins.acme]",
        )  # fmt: skip
        self.assertEqual(((), set(wanted)), (found("", after).changed, set(found("", after).restart)))
        self.assertEqual(found("", after).restart, found(after, "").restart)
        self.assertEqual(("[frigate.north]",), found(after, after.replace('user = "a"', 'user = "b"')).restart[-1:])

    def test_no_secret(self) -> None:
        """No sentence and no name has a secret in it."""
        environ = {
            "CAMERA_USERNAME": "admin",
            "CAMERA_PASSWORD": "x",
            "MQTT_USERNAME": "u",
            "MQTT_BROKER": "b",
            "FRIGATE_URL": "http://10.0.0.2",
        }
        values = dict.fromkeys(("CAMERA_PASSWORD", "MQTT_PASSWORD", "WEB_TOKEN", "FRIGATE_PASSWORD"), SECRET)
        values |= {"CAMERA_CREDENTIALS": f"{SECRET}:{SECRET}", "NOTICE_WEBHOOK_URL": f"https://10.0.0.2/{SECRET}"}
        told = found(environ, environ | values)
        self.assertNotIn(SECRET, repr((told.changed, told.restart)))
        self.assertLess({"MQTT_PASSWORD", "WEB_TOKEN", "NOTICE_WEBHOOK_URL"}, set(told.restart))

    def test_applied(self) -> None:
        """What is used from then on has what needs no restart, with its source; of all else it has what was."""
        before = _config('mqtt_broker = "10.0.0.1"\ncamera_credentials = ["a:1"]\n')
        after = _config(
            'mqtt_broker = "10.0.0.2"\ncamera_credentials = ["b:2"]\nscan_networks = "10.9.0.0/24"\n'
            'log_level = "warn"\n'
            'scan_exclude = "10.9.0.1"\nscan_rate = 77\nrtsp_port = 7777\n'
        )
        made = differences(before, after)
        self.assertEqual("10.0.0.1", made.applied.mqtt.broker)
        self.assertEqual(554, made.applied.discovery.rtsp_port)
        self.assertEqual([("b", "2")], logins(made.applied))
        for key in LIVE:
            self.assertEqual(after.value_of(key), made.applied.value_of(key))
            self.assertEqual("file", made.applied.sources[key])
        self.assertNotIn("rtsp_port", made.applied.sources)
        again = differences(made.applied, after)
        self.assertEqual(((), ("MQTT_BROKER", "RTSP_PORT")), (again.changed, tuple(sorted(again.restart))))
