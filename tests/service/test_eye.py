"""An eye's parts: its connection's settings, and its searches."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Secret
from twisted_detector.model.eyes import EyeKey
from twisted_detector.service.eye import INITIAL_PAUSE, SERVICE, Connection, Eye, Searches, mqtt_settings
from twisted_detector.service.eye_config import EyeConfig, load_eye
from twisted_detector.testing.doubles import MemoryDiscoverer
from twisted_detector.testing.gate import Gate
from twisted_detector.testing.lan import RecordingSink
from twisted_detector.wire.eyes.topics import EyeTopics


def read(environ: dict[str, str]) -> EyeConfig:
    return load_eye({"EYE_KEYS": f"barn:{'0f' * 32}", "MQTT_BROKER": "b", **environ})


KEY, TOPICS = EyeKey("barn", Secret("0f" * 32)), EyeTopics("site", "barn")


class ConnectionTests(SynchronousTestCase):
    def test_settings(self) -> None:
        """What the configuration has of the connection is the eye's; its client id and will are its own."""
        found = mqtt_settings(read({"MQTT_TLS": "true", "MQTT_USERNAME": "u", "MQTT_PASSWORD": "p"}), KEY, TOPICS)
        self.assertEqual(
            ("b", 8883, "u", Secret("p"), "camdetect-eye-barn", TOPICS.lwt, "barn", SERVICE, ""),
            (found.host, found.port, found.username, found.password, found.client_id, found.lwt_topic, found.node_id,
             found.service, found.republish_topic),
        )  # fmt: skip
        given = mqtt_settings(read({"MQTT_CLIENT_ID": "mine"}), KEY, TOPICS)
        self.assertEqual("mine", given.client_id)

    def test_not_started(self) -> None:
        """A connection that was never started can be stopped, and takes nothing after that."""
        connection = Connection(Clock(), mqtt_settings(read({}), KEY, TOPICS))
        self.assertFalse(connection.is_connected)
        self.successResultOf(Deferred.fromCoroutine(connection.stop()))


class SearchesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.gate = Gate()
        self.one, self.other = MemoryDiscoverer(name="one"), MemoryDiscoverer(name="other", gate=self.gate)
        self.sink = RecordingSink()
        self.searches = Searches(
            self.clock, (self.one, self.other), lambda: self.sink, interval=300.0, initial=3
        )  # fmt: skip

    def sweeps(self) -> tuple[int, int]:
        return self.one.sweeps, self.other.sweeps

    def test_some_in_a_row(self) -> None:
        """Some follow each other quickly, then they come now and then; nothing before the invitation."""
        self.other.gate = None
        self.clock.advance(1_000.0)
        self.assertEqual((0, 0), self.sweeps())
        self.searches.begin()
        for expected in (2, 3):
            self.clock.advance(INITIAL_PAUSE)
            self.assertEqual((expected, expected), self.sweeps())
        self.clock.advance(299.0)
        self.assertEqual((3, 3), self.sweeps())
        self.clock.advance(1.0)
        self.assertEqual((4, 4), self.sweeps())
        self.searches.begin()
        self.assertEqual((5, 5), self.sweeps())
        self.searches.stop()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_not_doubled(self) -> None:
        """An invitation while a search is under way begins no second one."""
        for _ in range(3):
            self.searches.begin()
        self.assertEqual((1, 1), self.sweeps())
        self.gate.open()
        self.successResultOf(self.searches.stop())

    def test_failure(self) -> None:
        """A search that fails hurts no other, and comes again."""
        self.other.gate = None
        self.one.problem = RemoteError("no route")
        self.searches.begin()
        self.clock.advance(INITIAL_PAUSE)
        self.assertEqual((2, 2), self.sweeps())
        self.one.problem = ZeroDivisionError("ours")
        self.clock.advance(INITIAL_PAUSE)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.searches.stop()

    def test_stopped(self) -> None:
        """The stop ends the search that is under way."""
        self.searches.begin()
        self.assertEqual(1, self.other.running)
        self.successResultOf(self.searches.stop())
        self.assertEqual((0, []), (self.other.running, self.clock.getDelayedCalls()))


class EyeTests(SynchronousTestCase):
    def methods(self, **environ: str) -> list[str]:
        return list(Eye(Clock(), read(environ)).methods)

    def test_methods(self) -> None:
        """It hears by all methods but those that are switched off; without MAC tracking by none that is about MACs."""
        self.assertEqual(
            ["wsdiscovery", "mdns", "ssdp", "vendors", "dhcp", "arp", "neighbours"], self.methods()
        )  # fmt: skip
        self.assertEqual(
            ["mdns", "ssdp"],
            self.methods(ONVIF_ENABLED="no", VENDOR_DISCOVERY_ENABLED="no", MAC_TRACKING_ENABLED="no"),
        )

    def test_settings_that_do_not_fit(self) -> None:
        """Settings of the connection that do not go together are told as such."""
        self.assertRaises(LocalError, Eye, Clock(), read({"MQTT_PASSWORD": "p"}))


class LoadedTests(SynchronousTestCase):
    def test_what_is_loaded(self) -> None:
        """Nothing of what asks cameras, keeps a database or serves a page, and no cryptography library."""
        code = (
            "import sys\n"
            "from twisted_detector.cli.eye.command import without_pyopenssl\n"
            "without_pyopenssl()\n"
            "import twisted.internet.reactor, twisted_detector.service.eye\n"
            "print(*sys.modules)\n"
        )
        found: Any = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
        loaded = set(found.stdout.split())
        rooms = {name.split(".")[1] for name in loaded if name.startswith("twisted_detector.")}
        self.assertEqual(
            {"cli", "config", "discovery", "errors", "events", "interfaces", "model", "mqtt", "operations", "registry",
             "service", "wire"},
            rooms,
        )  # fmt: skip
        parts = {
            name for name in loaded if name.startswith(("twisted_detector.registry.", "twisted_detector.operations."))
        }
        self.assertEqual({"config.load", "config.config"} & {name.partition(".")[2] for name in loaded}, set())
        self.assertEqual(
            {"registry.text_bounds", "operations.eyes", "operations.eyes.forwarder", "operations.eyes.quota"},
            {name.removeprefix("twisted_detector.") for name in parts},
        )
        self.assertEqual(
            set(), loaded & {"sqlite3", "cryptography", "OpenSSL.SSL", "werkzeug", "av", "rich", "netaddr"}
        )
