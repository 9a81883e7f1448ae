"""Doctor: a finding for each part, with advice where something is wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.facts import A, B, inspection, login, sighting
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import filled
from twisted_detector.config.running import RunningConfig
from twisted_detector.errors import CamdetectError
from twisted_detector.events import ClockSkewed, SweepFinished
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Announced, Status
from twisted_detector.model.decisions import CameraDecisions, Decisions
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.mqtt.seams import ConnectionState
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.doctor import Doctor, check_mqtt
from twisted_detector.operations.host_checks import FAIL, OK, WARN, Finding
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.outputs.sync.seams import TargetPhase, TargetStatus
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.lan import ETH0, MemoryNeighbours


class DoctorCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.registry = Registry(lambda event: None)
        self.neighbours = MemoryNeighbours(ETH0)
        self.mqtt = SimpleNamespace(
            state=ConnectionState.CONNECTED, client=SimpleNamespace(reason="refused", warning="", advice="")
        )
        self.broker = BrokerPlace("mqtt.example.org", 8883)
        self.store = SimpleNamespace(degraded="", path=Path("state.db"))
        self.detector = SimpleNamespace(last_sweep={}, phase="steady")
        self.targets: tuple[TargetStatus, ...] = ()
        self.book = DecisionBook(Path("nowhere"), in_thread=self.fail)  # nothing was decided

    def make(self, *, warnings: tuple[str, ...] = (), **settings: Any) -> Doctor:
        return Doctor(
            networks=SiteNetworks(RunningConfig(replace(filled(Config, settings), warnings=warnings)), self.book),
            neighbours=self.neighbours,
            check_mqtt=partial(check_mqtt, self.mqtt, self.broker),  # type: ignore[arg-type]
            store=self.store,  # type: ignore[arg-type]
            registry=self.registry,
            detector=self.detector,  # type: ignore[arg-type]
            sync_status=SimpleNamespace(statuses=lambda: self.targets),  # type: ignore[arg-type]
            check_host=lambda interfaces: iter([Finding("system", OK, f"{len(interfaces)} addresses")]),
        )

    def examine(self, doctor: Doctor) -> dict[str, Finding]:
        return {one.name: one for one in self.successResultOf(Deferred.fromCoroutine(doctor.examine()))}

    def publish(self, status: Status) -> None:
        seen = self.registry.record_sighting(sighting("10.0.0.5", A), 0.0)
        assert seen is not None
        self.registry.begin_inspection(seen.key, 0.0)
        self.registry.record_inspection(seen.key, inspection("10.0.0.5", status=status, reason="r"), 0.0)

    def test_asleep(self) -> None:
        """A battery camera that sleeps is told of, and is nothing to be mended."""
        doctor = self.make()
        self.publish(Status.ONLINE)
        said = sighting("10.0.0.6", B, announced=Announced("Reolink", "Argus 3"))
        seen = self.registry.record_sighting(said, 0.0)
        assert seen is not None
        self.registry.publish_announced(seen.key, 0.0)
        found = self.examine(doctor)["cameras"]
        self.assertEqual((OK, "1 of 2 online, 1 asleep"), (found.level, found.text))

    def test_all_well(self) -> None:
        """Nothing to do: each line is OK."""
        doctor = self.make()
        verifyObject(IEventListener, doctor)
        self.publish(Status.ONLINE)
        found = self.examine(doctor)
        self.assertEqual({OK}, {one.level for one in found.values()})
        self.assertEqual("1 of 1 online", found["cameras"].text)

    def test_broker_and_client_id(self) -> None:
        """A client id used twice, and a broker that starts, are told with what to do, also while connected."""
        doctor = self.make()
        self.mqtt.client.warning = "another daemon with the same NODE_ID is at this broker"
        found = self.examine(doctor)["MQTT"]
        self.assertEqual(WARN, found.level)
        self.assertIn("connected to", found.text)
        self.assertIn("another daemon", found.text)
        self.assertIn("MQTT_CLIENT_ID", found.advice)
        self.mqtt.state, self.mqtt.client.warning = ConnectionState.RECONNECTING, ""
        for told, advice in (("check MQTT_CLIENT_ID", "check MQTT_CLIENT_ID"), ("", "the broker's log")):
            self.mqtt.client.advice = told
            found = self.examine(doctor)["MQTT"]
            self.assertEqual(FAIL, found.level)
            self.assertIn(advice, found.advice)

    def test_which_broker(self) -> None:
        """The real port is told, and a broker beside it that wants a login, with what to type."""
        self.assertIn("connected to mqtt.example.org, port 8883", self.examine(self.make())["MQTT"].text)
        self.broker = BrokerPlace("127.0.0.1", 39385, "embedded", "127.0.0.1:1883 wants a login", "set MQTT_BROKER")
        found = self.examine(self.make())["MQTT"]
        self.assertEqual(
            (WARN, "connected to 127.0.0.1, port 39385 (camdetect's own broker); 127.0.0.1:1883 wants a login"),
            (found.level, found.text),
        )
        self.assertEqual("set MQTT_BROKER", found.advice)
        self.broker = BrokerPlace("127.0.0.1", 1883, "found", "127.0.0.1:1883 does not answer", "start it")
        self.mqtt.state = ConnectionState.RECONNECTING
        found = self.examine(self.make())["MQTT"]
        self.assertEqual((FAIL, "start it; messages are kept meanwhile"), (found.level, found.advice))
        self.assertIn("127.0.0.1, port 1883 (found on this machine)", found.text)

    def test_not_well(self) -> None:
        """Each part says what is the matter and what to do."""
        doctor = self.make(warnings=("MQTT_BORKER looks like MQTT_BROKER",))
        self.publish(Status.AUTH_REQUIRED)
        self.mqtt.state = ConnectionState.DISCONNECTED
        self.store.degraded = "disk full"
        self.detector.last_sweep["portscan"] = SweepFinished(0.0, "portscan", 1.0, 0, "no route")
        (camera,) = self.registry.cameras()
        doctor.handle(ClockSkewed(at=0.0, camera=camera, offset=-3600.0))
        found = self.examine(doctor)
        levels = {
            "MQTT": FAIL, "store": FAIL, "configuration": WARN, "logins": WARN, "sweep by portscan": WARN,
            "cameras": WARN, "clocks of cameras": WARN,
        }  # fmt: skip
        self.assertEqual(levels, {name: found[name].level for name in levels})
        for name in ("MQTT", "store", "logins", "cameras", "clocks of cameras"):
            self.assertTrue(found[name].advice, name)
        self.assertIn("-3600 s", found["clocks of cameras"].text)

    def test_consumers(self) -> None:
        """Each place of each consumer has a line of its own, with its state and with names that no camera has."""
        done = TargetStatus("frigate-api", "http://a", TargetPhase.DONE)
        self.targets = (
            done,
            TargetStatus("frigate-api.north", "http://b", TargetPhase.AWAY, "no answer", 2),
            replace(done, name="go2rtc-file.x", unknown=("Bakc door",)),
            replace(done, name="go2rtc-api", keepers={"south": 2, "": 1}),
        )
        found = self.examine(self.make())
        levels = [found[one.name].level for one in self.targets]
        self.assertEqual([OK, WARN, WARN, OK], levels)
        self.assertEqual(
            "http://a: done; cameras that are kept there by other nodes: 1 by a node that is away, 2 by south",
            found["go2rtc-api"].text,
        )
        self.assertEqual("http://b: away: no answer", found["frigate-api.north"].text)
        self.assertIn("in its list, and not known: Bakc door", found["go2rtc-file.x"].text)

    def test_typed_logins(self) -> None:
        """A login that somebody typed is one: nothing is said of CAMERA_CREDENTIALS then."""
        self.publish(Status.AUTH_REQUIRED)
        self.assertIn("camdetect login", self.examine(self.make())["logins"].advice)
        for decided in (
            Decisions(logins=(login(),)),
            Decisions(cameras=MappingProxyType({"a": CameraDecisions(login=login())})),
        ):
            self.book = SimpleNamespace(current=decided, changed=Observers("a decision"))  # type: ignore[assignment]
            self.assertNotIn("logins", self.examine(self.make()))

    def test_a_clock_put_right(self) -> None:
        """A clock that is right again is no finding; nor is one of a camera that was forgotten."""
        doctor = self.make(camera_credentials=(login(),))
        self.publish(Status.ONLINE)
        (camera,) = self.registry.cameras()
        doctor.handle(ClockSkewed(at=0.0, camera=camera, offset=60.0))
        doctor.handle(ClockSkewed(at=1.0, camera=camera, offset=0.5))
        self.assertEqual(OK, self.examine(doctor)["clocks of cameras"].level)

    def test_no_kernel(self) -> None:
        """When the kernel tells nothing, the rest is examined all the same."""
        self.neighbours.problem = CamdetectError("no netlink")
        found = self.examine(self.make())
        self.assertEqual((FAIL, OK), (found["kernel"].level, found["MQTT"].level))
