"""Settings go in; files with the modes that they must have come out."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from tests.outputs.case import CAMERA, TAGS
from tests.store.case import Pool, Reactor
from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import MakerContext
from twisted_detector.model import Login, Message, Secret
from twisted_detector.model.consumers import GO2RTC
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.outputs.frigate.topic import SETTLE
from twisted_detector.outputs.go2rtc import api
from twisted_detector.outputs.players import Player
from twisted_detector.outputs.topics import Topics
from twisted_detector.plugins.builtin_sync import (
    consumers,
    frigate_destinations,
    go2rtc_destinations,
    players_handler,
)

ENTRY = {"024000000001": {"enabled": True}}


class PooledReactor(Reactor):
    """A clock with a pool whose thread is this one."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.pool.start()

    def getThreadPool(self) -> Pool:
        return self.pool


class Players(SynchronousTestCase):
    def test_request(self) -> None:
        """Whoever asks with a camera's id is told the pages that show it; no other id has any."""
        player = Player(GO2RTC, "http://127.0.0.1:1984/stream.html?src=a")
        handler = players_handler({CAMERA.id: CAMERA}.get, lambda camera: (player,))
        asking = Deferred.fromCoroutine(handler({"camera_id": CAMERA.id}))
        told = {"program": "go2rtc", "name": "", "url": player.url}
        self.assertEqual({"camera_id": CAMERA.id, "players": [told]}, self.successResultOf(asking))
        for fields in ({}, {"camera_id": "nobody"}, {"camera_id": 7}):
            problem = self.failureResultOf(Deferred.fromCoroutine(handler(fields)), RemoteError).value
            self.assertEqual("camera_id: there is no camera with that id", str(problem))


class Files(SynchronousTestCase):
    def modes(self, **more: str) -> list[int]:
        """The modes of Frigate's and go2rtc's files after entries were delivered to them."""
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(mode=0o755)
        config = read(
            {"FRIGATE_CONFIG_PATH": f"{folder}/f.yml", "GO2RTC_CONFIG_PATH": f"{folder}/g.yaml", **more},
        )
        context = MakerContext(reactor=PooledReactor(), config=config, settings={}, publish=_unused, subscribe=_unused)
        (frigate,) = frigate_destinations(context, config.frigate).entries
        (go2rtc,) = go2rtc_destinations(context, config.go2rtc).entries
        for destination in (frigate, go2rtc):
            self.successResultOf(Deferred.fromCoroutine(destination.deliver(ENTRY, {}, False)))
        return [stat.S_IMODE((folder / name).stat().st_mode) for name in ("f.yml", "g.yaml")]

    def test_with_logins(self) -> None:
        """Where PUBLISH_CREDENTIALS puts logins into them, nobody but their owner reads them; without, whoever may."""
        self.assertEqual([0o600, 0o600], self.modes(PUBLISH_CREDENTIALS="true"))
        self.assertEqual([0o644, 0o644], self.modes())

    def test_several(self) -> None:
        """Each table is a consumer with places, cameras and files of its own; only the plain one has the topic."""
        text = (
            '[frigate.north]\nurl = "http://10.0.0.5:5000"\nnetwork = "10.0.0.0/24"\ndry_run = true\n'
            '[frigate.off]\nurl = "http://10.0.0.6"\nupdate_enabled = false\n'
            '[go2rtc.south]\nurl = "http://127.0.0.1:1984"\nconfig_path = "/g.yaml"\nprefix = "s-"'
        )
        environ = {"CAMDETECT_CONFIG": "/c.toml", "FRIGATE_URL": "http://127.0.0.1:5000", "STATE_DIR": "/state"}
        context = MakerContext(
            reactor=PooledReactor(),
            config=read(environ, {"/c.toml": text}),
            settings={},
            publish=_unused,
            subscribe=_unused,
        )
        made = {
            (one.consumer.program, one.consumer.name): one
            for one in consumers(context, Topics(node_id="n", prefix="site"))
        }
        self.assertEqual([("frigate", ""), ("frigate", "north"), ("go2rtc", ""), ("go2rtc", "south")], list(made))
        places = {
            key: [
                place.name for place in (*one.destinations.variables, *one.destinations.entries, *one.destinations.live)
            ]
            for key, one in made.items()
        }
        self.assertEqual(["frigate-env", "frigate-api"], places["frigate", ""])
        pages = ["http://127.0.0.1:5000", "http://10.0.0.5:5000", "", "http://127.0.0.1:1984"]
        self.assertEqual(pages, [one.page for one in made.values()])
        self.assertEqual(["frigate-env.north", "frigate-api.north"], places["frigate", "north"])
        self.assertEqual([], places["go2rtc", ""])
        self.assertEqual(["go2rtc-env.south", "go2rtc-file.south", "go2rtc-api.south"], places["go2rtc", "south"])
        self.assertEqual("/state/frigate.north.env", made["frigate", "north"].destinations.variables[0].where)
        north = made["frigate", "north"]
        self.assertEqual((("10.0.0.0/24",), True, None), (north.choice.networks, north.dry_run, north.topics))
        topics = made["frigate", ""].topics
        assert topics is not None
        self.assertEqual("site/frigate/config/cameras", topics.configuration)


class SharedTopic(SynchronousTestCase):
    """With several nodes Frigate's topic is a place like any other."""

    def setUp(self) -> None:
        self.clock = PooledReactor()
        self.outbox = Outbox(self.clock.seconds, wall=self.clock.seconds)
        self.handlers: dict[str, Any] = {}
        self.listeners: list[Any] = []
        self.subscribed = 0
        self.state = ConnectionState.CONNECTING

    def subscribe(self, topic: str, handler: Any) -> Callable[[], None]:
        self.assertNotIn(topic, self.handlers, "the broker says what is retained to a new subscription alone")
        self.handlers[topic] = handler
        self.subscribed += 1
        return lambda: self.handlers.clear()

    def add_state_listener(self, listener: Any) -> None:
        self.listeners.append(listener)

    def publish(self, message: Message) -> Any:
        return self.outbox.put(message).acknowledged

    def change(self, event: str) -> None:
        for listener in self.listeners:
            listener(ConnectionChange(event, ConnectionState.CONNECTED, "", 0.0, 1, 1, 1))

    def test_topic(self) -> None:
        """It is read before it is written; without a connection, and when others wrote, nothing of it waits."""
        environ = {"NODES_ENABLED": "true", "MQTT_BROKER": "b"}
        context = MakerContext(
            reactor=self.clock, config=read(environ), settings={}, publish=self.publish, subscribe=_unused
        )
        (frigate, go2rtc) = consumers(context, Topics(node_id="n", prefix="site"), shared_by=self)  # type: ignore[arg-type]
        (topic,) = frigate.destinations.topics
        self.assertEqual((None, False, ()), (frigate.topics, bool(frigate.destinations), go2rtc.destinations.topics))
        self.assertEqual(["site/frigate/config/cameras"], list(self.handlers))

        def deliver() -> bool:
            return self.successResultOf(Deferred.fromCoroutine(topic.deliver(ENTRY, {}, False))).changed

        self.assertFalse(deliver())
        self.change("connected")
        self.assertFalse(deliver())
        theirs = b'{"cameras":{"024000000002":{"enabled":true}}}'
        self.handlers["site/frigate/config/cameras"]("site/frigate/config/cameras", theirs)
        self.assertTrue(deliver())
        first, reload = (one.message for one in self.outbox.take(10))
        self.assertEqual((first.topic, first.retain), ("site/frigate/config/cameras", True))
        self.assertEqual(["024000000001", "024000000002"], list(json.loads(first.payload)["cameras"]))
        self.assertEqual((reload.topic, reload.payload), ("site/frigate/config/reload", b""))
        self.change("disconnected")
        self.outbox.connection_lost()
        self.outbox.republish()
        self.assertEqual([], [one.message.topic for one in self.outbox.take(10) if one.message.retain])
        self.assertFalse(deliver())

    def test_connected_already(self) -> None:
        """A connection that came before is one: where nothing stands on the topic, it is subscribed to once more alone,
        and written after a moment."""
        self.state = ConnectionState.CONNECTED
        config = read({"NODES_ENABLED": "true", "MQTT_BROKER": "b"})
        context = MakerContext(reactor=self.clock, config=config, settings={}, publish=self.publish, subscribe=_unused)
        frigate, _ = consumers(context, Topics(node_id="n", prefix=""), shared_by=self)  # type: ignore[arg-type]
        (topic,) = frigate.destinations.topics
        for subscribed, changed in ((2, False), (2, True)):
            self.clock.advance(SETTLE)
            done = self.successResultOf(Deferred.fromCoroutine(topic.deliver(ENTRY, {}, False)))
            self.assertEqual((subscribed, changed), (self.subscribed, done.changed))
        self.assertEqual(["frigate/config/cameras"], list(self.handlers))

    def test_what_is_remembered(self) -> None:
        """Of go2rtc's sources tags are, the login in its own; and nothing at all where no other node writes there."""
        made: list[dict[str, Any]] = []
        self.patch(api, "Go2rtcApi", lambda http, **more: made.append(more))
        config = read({"GO2RTC_URL": "http://127.0.0.1:1984", "NODES_ENABLED": "true", "MQTT_BROKER": "b"})
        context = MakerContext(reactor=self.clock, config=config, settings={}, publish=_unused, subscribe=_unused)
        topics = Topics(node_id="n", prefix="")
        consumers(context, topics, shared_by=self, tags=TAGS)  # type: ignore[arg-type]
        consumers(context, topics, tags=TAGS)
        shared, alone = (one["tag"] for one in made)
        login = TAGS.tag_login(Login("a", Secret("p@s")))
        self.assertEqual(f"{TAGS.tag_text('rtsp://10.0.0.9/x')}-{login}", shared("rtsp://a:p%40s@10.0.0.9/x"))
        self.assertEqual(TAGS.tag_text("rtsp://10.0.0.9/x"), shared("rtsp://10.0.0.9/x"))
        self.assertEqual("", alone("rtsp://a:p%40s@10.0.0.9/x"))

    def test_switched_off(self) -> None:
        """FRIGATE_UPDATE_ENABLED=false: this node has no part in it."""
        environ = {"NODES_ENABLED": "true", "MQTT_BROKER": "b", "FRIGATE_UPDATE_ENABLED": "false"}
        context = MakerContext(
            reactor=self.clock, config=read(environ), settings={}, publish=_unused, subscribe=_unused
        )
        consumers(context, Topics(node_id="n", prefix=""), shared_by=self)  # type: ignore[arg-type]
        self.assertEqual({}, self.handlers)


def _unused(*_: Any) -> Any:
    raise AssertionError("nothing is published or subscribed to")
