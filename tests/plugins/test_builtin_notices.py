"""Settings go in; the service of notices and its ways come out, joined with the daemon's other parts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from tests.outputs.notices.case import START, camera
from twisted_detector import events
from twisted_detector.bus import Bus
from twisted_detector.interfaces import MakerContext
from twisted_detector.model import Status
from twisted_detector.model.decisions import CameraDecisions, Decisions
from twisted_detector.model.encoding import parse_object
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.seams import ConnectionState
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.notices.mail import MailChannel
from twisted_detector.outputs.topics import Topics
from twisted_detector.outputs.voice import Voice
from twisted_detector.plugins import builtin_notices
from twisted_detector.testing.doubles import MemoryStateStore, RecordingPublisher

EVERY_WAY = {
    "NOTICE_WEBHOOK_URL": "https://hooks.example/a", "NTFY_URL": "https://ntfy.example/b", "TELEGRAM_TOKEN": "1:x",
    "TELEGRAM_CHAT_ID": "5", "NOTICE_MAIL_HOST": "smtp.example", "NOTICE_MAIL_FROM": "a@b.example",
    "NOTICE_MAIL_TO": "c@d.example",
}  # fmt: skip
MAKERS = (
    builtin_notices.notices_mqtt, builtin_notices.notices_webhook, builtin_notices.notices_ntfy,
    builtin_notices.notices_mail, builtin_notices.notices_telegram,
)  # fmt: skip


class Store(MemoryStateStore):
    """As the real one, which also tells how it is."""

    def __init__(self) -> None:
        super().__init__()
        self.degraded = ""
        self.degraded_changed: Observers[[str]] = Observers("the store")


class Mqtt:
    """A connection that the test makes and breaks."""

    def __init__(self) -> None:
        self.state = ConnectionState.CONNECTED
        self.client = SimpleNamespace(reason="")
        self._changed: Observers[[object]] = Observers("the connection")

    def add_state_listener(self, listener: Any) -> Any:
        return self._changed.add(listener)

    def turn(self, state: ConnectionState, reason: str = "") -> None:
        self.state, self.client.reason = state, reason
        self._changed.notify(None)


class NoticesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.clock.advance(START)
        self.patch(builtin_notices.time, "monotonic", self.clock.seconds)
        self.bus, self.router, self.store, self.mqtt = Bus(), RequestRouter(), Store(), Mqtt()
        self.publisher = RecordingPublisher()
        self.blocks: dict[str, Any] = {}
        self.commands: dict[str, Any] = {}
        self.cameras = {"cam1": camera()}
        self.book: Any = SimpleNamespace(current=Decisions(), changed=Observers("a decision"))
        self.told: list[Any] = []
        self.bus.subscribe(SimpleNamespace(handle=self.hear))  # type: ignore[arg-type]

    def hear(self, event: events.Event) -> None:
        if isinstance(event, events.NoticeTold):
            self.told.append(event.notice)

    def make(self, **settings: str) -> Any:
        context = MakerContext(self.clock, read(settings), {}, self.publisher.publish, lambda *_: lambda: None)
        registry: Any = SimpleNamespace(cameras=lambda: tuple(self.cameras.values()))
        report: Any = SimpleNamespace(add_block=self.blocks.__setitem__)
        store, mqtt = self.store, self.mqtt
        made = builtin_notices.notices.make(
            context,
            self.bus,
            registry,
            store,
            mqtt,
            report,
            Voice(),
            self.book,  # type: ignore[arg-type]
        )
        commands: Any = SimpleNamespace(add=self.commands.__setitem__)
        builtin_notices.notices_command.make(context, made, self.router, commands)
        topics = Topics(prefix="site", node_id="attic")
        more: Any = {"notices_mqtt": (topics,)}
        ways = [one.make(context, made, store, *more.get(one.name, ())) for one in MAKERS]  # type: ignore[attr-defined]
        for part in (made, *ways):
            if part is not None:
                self.bus.subscribe(part)
                part.startService()
                self.addCleanup(part.stopService)
        self.ways = [one for one in ways if one is not None]
        return made

    def ask(self, **fields: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(self.router.dispatch("notices", fields)))


class Ways(NoticesCase):
    def test_none(self) -> None:
        """With nothing set there is MQTT; the others are off, and tell what switches them on."""
        self.make()
        self.assertEqual(
            {
                "mail": (False, "set NOTICE_MAIL_HOST, NOTICE_MAIL_FROM and NOTICE_MAIL_TO"), "mqtt": (True, "ready"),
                "ntfy": (False, "set NTFY_URL"), "telegram": (False, "set TELEGRAM_TOKEN and TELEGRAM_CHAT_ID"),
                "webhook": (False, "set NOTICE_WEBHOOK_URL"),
            },
            {one["name"]: (one["on"], one["text"]) for one in self.ask()["ways"]},
        )  # fmt: skip

    def test_all(self) -> None:
        """All are on; a way has its own settings."""
        self.make(**EVERY_WAY)
        self.assertEqual(["mail", "mqtt", "ntfy", "telegram", "webhook"],
                         [one["name"] for one in self.ask()["ways"] if one["on"]])  # fmt: skip
        (mail,) = [one._channel for one in self.ways if one.name == "mail"]
        assert isinstance(mail, MailChannel)
        self.assertEqual(("smtp.example", 587, "starttls"),
                         (mail._settings.host, mail._settings.port, mail._settings.tls))  # fmt: skip

    def test_off(self) -> None:
        """MQTT can be switched off too."""
        self.make(NOTICE_MQTT="false")
        self.assertIn({"name": "mqtt", "on": False, "text": "NOTICE_MQTT is false"}, self.ask()["ways"])
        self.assertEqual([], self.ways)


class Joined(NoticesCase):
    def offline(self) -> None:
        gone = self.cameras["cam1"] = replace(camera(), status=Status.OFFLINE, reason="gone")
        self.bus.emit(events.CameraOffline(self.clock.seconds(), gone, reason="gone"))

    def test_told(self) -> None:
        """From an event of a camera to a message: on the topic, not retained, with the node; listed, and counted."""
        self.make()
        self.offline()
        self.clock.advance(300)
        (message,) = self.publisher.messages
        document = parse_object(message.payload)
        assert document is not None
        self.assertEqual(("site/camera/notice", False, 1), (message.topic, message.retain, message.qos))
        self.assertEqual(("offline", "pine", None), (document["event"], document["node_id"], document["ended"]))
        self.assertEqual(["offline"], [one["kind"] for one in self.ask()["notices"]])
        by_mqtt = self.successResultOf(Deferred.fromCoroutine(self.commands["notices"]({})))
        self.assertEqual(self.ask(), by_mqtt)
        figures = self.blocks["notices"]()
        self.assertEqual((1, {"offline": 1}, {"offline": 1}),
                         (figures["open"], figures["told"], figures["ways"]["mqtt"]["sent"]))  # fmt: skip

    def test_settings(self) -> None:
        """Minutes, kinds and quiet hours are those of the settings."""
        self.make(NOTICE_OFFLINE_MINUTES="2", NOTICE_KINDS="offline")
        self.offline()
        self.clock.advance(120)
        self.assertEqual(["offline"], [one.event for one in self.told])
        self.bus.emit(events.CameraOnline(self.clock.seconds(), camera()))
        self.assertEqual(1, len(self.told))
        quiet = builtin_notices.make_state(read({"NOTICE_QUIET_HOURS": "00:00-23:59"})).holder
        self.assertEqual({True}, {quiet.is_quiet(START + hour * 3600 + 61) for hour in range(3)})

    def test_broker(self) -> None:
        """The connection to the broker, at the start and later."""
        self.mqtt.turn(ConnectionState.CONNECTING)
        self.make()
        self.clock.advance(300)
        self.assertEqual(["broker"], [one.event for one in self.told])
        self.assertEqual("it has not answered yet", self.told[0].reason)
        self.mqtt.turn(ConnectionState.CONNECTED)
        self.mqtt.turn(ConnectionState.RECONNECTING, "the connection was reset")
        self.clock.advance(299)
        self.mqtt.turn(ConnectionState.CONNECTED)
        self.clock.advance(1000)
        self.assertEqual(["broker", "broker_over"], [one.event for one in self.told])

    def test_disk(self) -> None:
        """The store says that the disk is full."""
        self.make()
        self.store.degraded_changed.notify("No space left on device")
        self.clock.advance(60)
        self.store.degraded_changed.notify("")
        self.assertEqual(["disk", "disk_over"], [one.event for one in self.told])

    def test_expected_network(self) -> None:
        """What a person decides about a camera's network counts at once; other decisions do nothing."""
        self.make()
        elsewhere = Decisions(cameras={"cam1": CameraDecisions(network=ip_network("10.9.0.0/24"))})
        before, self.book.current = self.book.current, elsewhere
        self.book.changed.notify(before, elsewhere)
        self.clock.advance(60)
        self.assertEqual(["network"], [one.event for one in self.told])
