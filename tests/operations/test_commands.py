"""Commands over MQTT: one result each, whatever comes; retained ones are refused; the state comes in pages."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail

from tests.detector.case import DetectorCase
from twisted_detector.errors import Dropped, LocalError, QueueFull
from twisted_detector.model import Camera, Message
from twisted_detector.operations.commands import MAX_COMMAND_BYTES, CommandInbox, MqttCommands
from twisted_detector.testing.doubles import RecordingPublisher

TOPIC, RESULT = "site/command", "site/command/result"


class CommandsCase(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.build()
        self.publisher = RecordingPublisher()
        self.commands = self.make(self.publisher.publish)

    def make(self, publish: Any) -> MqttCommands:
        return MqttCommands(
            self.clock, detector=self.detector, registry=self.registry, node_id="n", topic=RESULT, publish=publish
        )

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(one.payload) for one in self.publisher.messages if one.topic == RESULT]


class RetainedTests(CommandsCase):
    def test_refused_and_removed(self) -> None:
        """It is not executed, the result says why, under its own id, and it is removed from the broker."""
        self.registry.restore([Camera("a", "a", "10.0.0.5")])
        self.commands.handle_retained(TOPIC, b'{"id":7,"command":"forget","camera_id":"a"}')
        self.assertEqual(self.ids(), ["a"])
        [result] = self.results()
        self.assertEqual((result["id"], result["command"], result["ok"]), (7, "forget", False))
        self.assertIn("a retained command is not obeyed", result["error"])
        [removal] = [one for one in self.publisher.messages if one.topic == TOPIC]
        self.assertEqual((removal.payload, removal.retain), (b"", True))
        self.assertEqual(self.commands.counts["retained"], 1)

    def test_what_is_no_command(self) -> None:
        """So is a retained message that is none, however large: it would come again as well."""
        for payload in (b"{", b"[]", b"x" * (MAX_COMMAND_BYTES + 1)):
            self.commands.handle_retained(TOPIC, payload)
        self.assertEqual([one.topic for one in self.publisher.messages], [RESULT, TOPIC] * 3)

    def test_its_removal(self) -> None:
        """The empty message that removes it, which comes back to us, is no command and has no result."""
        self.commands.handle(TOPIC, b"")
        self.assertEqual(self.publisher.messages, [])

    def test_an_ordinary_one(self) -> None:
        """What is not retained is executed."""
        self.registry.restore([Camera("a", "a", "10.0.0.5")])
        self.commands.handle(TOPIC, b'{"id":7,"command":"state"}')
        [result] = self.results()
        self.assertEqual(([*result["cameras"]], result["ok"]), (["a"], True))

    def test_what_cannot_be_read_is_not_shown(self) -> None:
        """It may have a password in it, and whoever reads the results is another."""
        for payload in (b'{"command":"login","password":"canary-x"', b'["canary-x"]', b"canary-x"):
            self.commands.handle(TOPIC, payload)
        self.assertEqual(3, len(self.results()))
        self.assertNotIn("canary", json.dumps(self.results()))


class InboxTests(CommandsCase):
    def test_before_the_start_is_over(self) -> None:
        """A command that comes with the first connection is executed once all is there; a retained one is refused."""
        inbox = CommandInbox()
        early = Deferred.fromCoroutine(inbox.receive(TOPIC, b'{"id":1,"command":"state"}'))
        retained = Deferred.fromCoroutine(inbox.receive_retained(TOPIC, b'{"id":2,"command":"state"}'))
        self.assertEqual([], self.publisher.messages)
        inbox.open(self.commands)
        self.successResultOf(early)
        self.successResultOf(retained)
        self.successResultOf(Deferred.fromCoroutine(inbox.receive(TOPIC, b'{"id":3,"command":"state"}')))
        self.assertEqual([(1, True), (2, False), (3, True)], [(one["id"], one["ok"]) for one in self.results()])


class AddedTests(CommandsCase):
    def test_added(self) -> None:
        """A part of the daemon may add a command; it gets the fields without name and id, and no other's name."""

        async def notices(fields: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"got": dict(fields)}

        self.commands.add("notices", notices)
        self.commands.handle(TOPIC, b'{"id":7,"command":"notices","action":"test","way":"mail"}')
        [result] = self.results()
        self.assertEqual((7, True, {"action": "test", "way": "mail"}), (result["id"], result["ok"], result["got"]))
        for taken in ("notices", "rescan"):
            self.assertRaises(LocalError, self.commands.add, taken, notices)


class ResultTests(CommandsCase):
    def test_publisher_that_refuses(self) -> None:
        """A result that is not taken, now or later, is no fault of this program, and Twisted reports nothing."""

        def full(_message: Message) -> Deferred[None]:
            raise QueueFull()

        for publish in (full, lambda _message: fail(Dropped("the outbox is full"))):
            commands = self.make(publish)
            commands.handle(TOPIC, b'{"command":"state"}')
            commands.handle_retained(TOPIC, b'{"command":"state"}')
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])


class StateTests(CommandsCase):
    def test_pages(self) -> None:
        """Every camera comes once, a hundred at a time; the answer tells how many there are and where to go on."""
        self.registry.restore([Camera(f"c{n:03}", f"c{n:03}", f"10.0.{n // 200}.{n % 200 + 1}") for n in range(230)])
        found: list[str] = []
        following: int | None = 0
        while following is not None:
            answer = self.commands.execute({"command": "state", "offset": following})
            self.assertEqual((answer["total"], len(answer["cameras"]) <= 100), (230, True))
            found += answer["cameras"]
            following = answer["next"]
        self.assertEqual(found, [f"c{n:03}" for n in range(230)])
        answer = self.commands.execute({"command": "state", "offset": 2, "limit": 1})
        self.assertEqual((list(answer["cameras"]), answer["next"]), (["c002"], 3))
        self.assertEqual(answer["cameras"]["c002"]["status"], "offline")

    def test_wrong_page(self) -> None:
        """A page that there cannot be is refused in the result."""
        self.commands.handle(TOPIC, b'{"command":"state","limit":1000}')
        [result] = self.results()
        self.assertEqual((result["ok"], "'limit' is a whole number from 1 to 100" in result["error"]), (False, True))


class DiversionTests(CommandsCase):
    """Commands that another node has to answer."""

    def setUp(self) -> None:
        super().setUp()
        self.registry.restore([Camera("a", "a", "10.0.0.5")])
        self.seen: list[tuple[str, dict[str, Any]]] = []

        async def elsewhere() -> Mapping[str, Any]:
            return {"camera_id": "far", "carried_out_by": "south"}

        def divert(name: str, fields: Mapping[str, Any], local: Any) -> Any:
            self.seen.append((name, dict(fields)))
            return {"far": elsewhere, "both": local}.get(str(fields.get("camera_id")), lambda: None)()

        self.commands.divert(divert)

    def test_over_mqtt(self) -> None:
        """The other node's answer is ours, under the id that was asked with."""
        self.commands.handle(TOPIC, b'{"id":7,"command":"check","camera_id":"far"}')
        [result] = self.results()
        self.assertEqual((7, True, "south", "n"), tuple(result[k] for k in ("id", "ok", "carried_out_by", "node_id")))
        self.assertEqual([("check", {"camera_id": "far"})], self.seen)
        self.assertEqual({"diverted": 1}, dict(self.commands.counts))

    def test_by_other_ways(self) -> None:
        """The page and the command line ask the same."""
        answer = self.successResultOf(Deferred.fromCoroutine(self.commands.run("check", {"camera_id": "far"})))  # type: ignore[arg-type]
        self.assertEqual("south", answer["carried_out_by"])

    def test_here(self) -> None:
        """What concerns nobody else is carried out here, and so is our part of what concerns all."""
        self.commands.handle(TOPIC, b'{"command":"check","camera_id":"a"}')
        self.commands.handle(TOPIC, b'{"command":"check","camera_id":"both"}')
        own, unknown = self.results()
        self.assertEqual((True, "a"), (own["ok"], own["camera_id"]))
        self.assertIn("no camera with that id", unknown["error"])
