"""Which broker of this machine is taken, and what is said of it; with a machine that the test writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.broker.broker import EmbeddedBroker
from twisted_detector.mqtt.broker.local import LocalBroker
from twisted_detector.mqtt.broker.place import BrokerPlace, read_kept_place
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.mqtt.trial import TrialResult

ACCEPTED, LOGIN = TrialResult(True), TrialResult(False, "not authorized", refused=True)
DEAF = TrialResult(False, "the broker did not answer CONNECT within 5 s")
FREE_PORT = 39385


class MemoryBroker(EmbeddedBroker):
    """An embedded broker without a process: it takes the first of its ports that is free."""

    def __init__(self, reactor: Any, *, state_dir: Path, port: int, kept: int, taken: Callable[[int], bool]) -> None:
        super().__init__(reactor, state_dir=state_dir, port=port, kept=kept)
        self.ports = [one for one in (kept, port, FREE_PORT) if one]
        self.taken = taken
        self.stops = 0

    async def start(self) -> Any:
        return SimpleNamespace(host="127.0.0.1", port=next(one for one in self.ports if not self.taken(one)))

    async def stop(self) -> None:
        self.stops += 1


class LocalBrokerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.state = Path(self.mktemp())
        #: What answers a CONNECT, by port; None: it is not asked.
        self.there: dict[int, TrialResult | None] = {}
        self.embedded_elsewhere: set[int] = set()
        self.asked: list[MqttSettings] = []
        self.brokers: list[MemoryBroker] = []
        self.lines: list[str] = []
        observer = lambda event: self.lines.append(str(event.get("log_format", "")).format(**event))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def make(self) -> LocalBroker:
        """That of a new process."""

        async def try_broker(reactor: Any, settings: MqttSettings) -> TrialResult:
            self.asked.append(settings)
            answer = self.there[settings.port]
            assert answer is not None
            return answer

        def make_embedded(reactor: Any, **settings: Any) -> MemoryBroker:
            broker = MemoryBroker(reactor, taken=self.there.__contains__, **settings)
            self.brokers.append(broker)
            return broker

        return LocalBroker(
            self.clock,
            try_broker=try_broker,
            is_free=lambda port: port not in self.there,
            is_embedded=self.embedded_elsewhere.__contains__,
            make_embedded=make_embedded,
        )

    def find(self, local: LocalBroker | None = None, port: int = 1883) -> BrokerPlace:
        finding = Deferred.fromCoroutine((local or self.make()).find(self.state, port))
        self.clock.pump([0.1] * 20)
        return self.successResultOf(finding)

    def test_nobody_there(self) -> None:
        """A free port is that of the embedded broker; nobody is asked."""
        self.assertEqual(BrokerPlace("127.0.0.1", 1883, "embedded"), self.find())
        self.assertEqual([], self.asked)

    def test_used(self) -> None:
        """One that wants no login is used: asked once, without a login, by a name that nobody has."""
        self.there[1883] = ACCEPTED
        self.assertEqual(BrokerPlace("127.0.0.1", 1883, "found"), self.find())
        (asked,) = self.asked
        self.assertEqual(("127.0.0.1", 1883, "", ""), (asked.host, asked.port, asked.username, asked.password or ""))
        self.assertTrue(asked.client_id.startswith("camdetect-look-"))
        self.assertIn("MQTT_PORT to another port", "\n".join(self.lines))

    def test_wants_a_login(self) -> None:
        """One that wants a login is named with what to type, and the real port of our own beside it."""
        self.there[1883] = LOGIN
        place = self.find()
        self.assertEqual(("embedded", FREE_PORT), (place.kind, place.port))
        told = (
            "127.0.0.1:1883 answers and wants a login: set MQTT_BROKER=127.0.0.1 and MQTT_USERNAME/MQTT_PASSWORD;"
            f" until then camdetect's own broker is used on port {FREE_PORT}"
        )
        self.assertEqual(told, place.told)
        self.assertEqual(1, self.lines.count(told))

    def test_no_broker(self) -> None:
        """What does not answer as a broker is left alone; there is nothing to type."""
        self.there[1883] = DEAF
        self.assertEqual(BrokerPlace("127.0.0.1", FREE_PORT, "embedded"), self.find())

    def test_the_port_stays(self) -> None:
        """The port that was chosen once is used again, though the other is free; for another MQTT_PORT it is not."""
        self.there[1883] = DEAF
        first = self.find().port
        del self.there[1883]
        self.assertEqual(first, self.find().port)
        self.assertEqual(1884, self.find(port=1884).port)

    def test_the_kept_port_is_taken(self) -> None:
        """Then it is the wanted one, and that is kept."""
        self.there[1883] = DEAF
        self.find()
        self.there = {FREE_PORT: DEAF}
        self.assertEqual(1883, self.find().port)
        kept = read_kept_place(self.state, 1883)
        assert kept is not None
        self.assertEqual((1883, False), (kept.port, kept.is_found))

    def test_it_comes_back_later(self) -> None:
        """One that was used is waited for: its port is not taken from it, and what to do is said."""
        self.there[1883] = ACCEPTED
        self.find()
        for gone in ({}, {1883: DEAF}):
            self.there = dict(gone)
            self.assertEqual(("found", 1883), ((place := self.find()).kind, place.port))
        self.there = {}
        self.assertIn(
            "127.0.0.1:1883, which was used before, does not answer: start it, or set MQTT_PORT", self.find().told
        )
        self.assertEqual([], [one for one in self.brokers if one.stops])
        self.there[1883] = ACCEPTED
        self.assertEqual("", self.find().told)
        self.there[1883] = LOGIN
        self.assertEqual("embedded", self.find().kind)

    def test_of_another_camdetect(self) -> None:
        """The embedded broker of another daemon is not asked, and not used: it ends with that one."""
        self.there[1883] = None
        self.embedded_elsewhere.add(1883)
        place = self.find()
        self.assertEqual(("embedded", FREE_PORT), (place.kind, place.port))
        self.assertIn("another camdetect", place.told)
        self.assertEqual([], self.asked)

    def test_left_over(self) -> None:
        """The broker of a daemon that was killed is waited for, so that the port stays the same."""
        self.there[1883] = None
        self.embedded_elsewhere.add(1883)
        finding = Deferred.fromCoroutine(self.make().find(self.state, 1883))
        self.clock.pump([0.1] * 3)
        self.assertNoResult(finding)
        del self.there[1883]
        self.clock.pump([0.1] * 2)
        self.assertEqual(BrokerPlace("127.0.0.1", 1883, "embedded"), self.successResultOf(finding))

    def test_over_a_restart(self) -> None:
        """In one process the embedded broker runs on, not taken for another's; for another port it is stopped."""
        local = self.make()
        first = self.find(local)
        self.there[1883] = None  # its own
        self.assertEqual(first, self.find(local))
        self.assertEqual([], self.asked)
        self.assertEqual(1884, self.find(local, port=1884).port)
        self.assertEqual(1, self.brokers[0].stops)

    def test_cannot_be_kept(self) -> None:
        """A disk that takes nothing is no reason not to start."""
        self.state.mkdir()
        (self.state / "broker").write_text("no folder")
        self.assertEqual(1883, self.find().port)
        self.assertIn("cannot be kept", "\n".join(self.lines))
