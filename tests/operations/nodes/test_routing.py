"""Commands about a camera go to the node that publishes it, and its answer comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.test_service import Broker
from twisted_detector.errors import RemoteError
from twisted_detector.model import Message
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.routing import MAX_WAITING, WAIT, CommandRouting
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.operations.nodes.values import Bid, Claim, NodeAbout, NodeDocument, Rank
from twisted_detector.outputs.topics import Topics

TOPICS = Topics(prefix="site", node_id="north")
SOUTH, WEST = TOPICS.command_to("south"), TOPICS.command_to("west")
OWNED, WATCHED = Claim(Rank.SEES_MAC, Bid(1, Rank.SEES_MAC, 0)), Claim(Rank.SEES_MAC)


class RoutingCase(SynchronousTestCase):
    """This node is north; south publishes "far" and "shared"; west watches both, we watch "shared"."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.broker = Broker(self.clock)
        self.broker.connected = True
        self.election = Election("north", "n1")
        self.election.connected(1, 0.0)
        self.record = SiteRecord(self.election)
        self.is_connected = True
        self.routing = CommandRouting(
            self.clock,
            self.record,
            mqtt=self.broker,  # type: ignore[arg-type]
            topics=TOPICS,
            is_connected=lambda: self.is_connected,
        )
        self.done: list[str] = []
        self.south({"far": OWNED, "shared": OWNED})
        self.other("west", {"far": WATCHED, "shared": WATCHED})
        self.election.sighted("shared", Rank.SEES_MAC)
        self.election.sighted("near", Rank.SEES_MAC)

    def other(self, name: str, claims: dict[str, Claim], *, page: str = "") -> None:
        document = NodeDocument(name, f"{name}1", 1, 1, 0, claims, NodeAbout(page=page))
        self.election.received_document(document, 0.0)
        self.record.received(document)

    def south(self, claims: dict[str, Claim]) -> None:
        self.other("south", claims, page="http://south.example:8787/")

    def divert(self, name: str, /, **fields: Any) -> Deferred[Mapping[str, Any]] | None:
        """The answer to come; None: it is carried out here."""

        async def local() -> Mapping[str, Any]:
            self.done.append(name)
            return {"camera_id": fields["camera_id"], "here": True}

        answer = self.routing.divert(name, fields, local)
        return None if answer is None else Deferred.fromCoroutine(answer)  # type: ignore[arg-type]

    def asked(self, topic: str) -> list[Any]:
        return [json.loads(one.payload) for one in self.broker.sent if one.topic == topic]

    def reply(self, topic: str, *, ok: bool = True, **fields: Any) -> None:
        """The node answers what it was asked last."""
        asked = self.asked(topic)[-1]
        answer = {"id": asked["id"], "command": asked["command"], "ok": ok, "node_id": "x", "timestamp": "t", **fields}
        self.broker.deliver(f"{topic}/result", json.dumps(answer).encode())

    def refusal(self, answer: Deferred[Mapping[str, Any]] | None) -> str:
        assert answer is not None
        return str(self.failureResultOf(answer, RemoteError).value)


class OwnerTest(RoutingCase):
    """What only the publishing node does."""

    def test_answer(self) -> None:
        """It is asked with the same fields under an id of ours, and what it answers is the answer."""
        answer = self.divert("decided", camera_id="far")
        (asked,) = self.asked(SOUTH)
        self.assertEqual(("decided", "far", "north"), tuple(asked[name] for name in ("command", "camera_id", "via")))
        assert answer is not None
        self.assertNoResult(answer)
        self.reply(SOUTH, values={"name": "Yard"}, version=7)
        self.assertEqual(
            {"values": {"name": "Yard"}, "version": 7, "carried_out_by": "south"}, self.successResultOf(answer)
        )
        self.assertEqual([], self.done)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_name(self) -> None:
        """What a camera is called is decided by the publishing node alone, which tells the others."""
        answer = self.divert("name", camera_id="shared", name="Yard", area="Farm", version=7)
        (asked,) = self.asked(SOUTH)
        self.assertEqual(("Yard", "Farm", 7), (asked["name"], asked["area"], asked["version"]))
        self.reply(SOUTH, version=8)
        assert answer is not None
        self.assertEqual("south", self.successResultOf(answer)["carried_out_by"])
        self.assertEqual(([], []), (self.asked(WEST), self.done))

    def test_refused(self) -> None:
        """Its reason is ours."""
        answer = self.divert("check", camera_id="far")
        self.reply(SOUTH, ok=False, error="no camera with that id: far")
        self.assertEqual("no camera with that id: far", self.refusal(answer))

    def test_no_answer(self) -> None:
        """The wait is bounded, and names the node and what to look at; a late answer is nobody's."""
        answer = self.divert("check", camera_id="far")
        self.clock.advance(WAIT - 0.1)
        assert answer is not None
        self.assertNoResult(answer)
        self.clock.advance(0.1)
        reason = self.refusal(answer)
        for part in ("node south did not answer within 10 s", "status --fleet", f"{SOUTH}/result"):
            self.assertIn(part, reason)
        self.reply(SOUTH)

    def test_expires(self) -> None:
        """A command that could not be sent meanwhile is not sent after the wait: it would surprise."""
        sent: list[Message] = []
        self.patch(self.broker, "publish", lambda message: sent.append(message) or Deferred())
        self.divert("check", camera_id="far")
        self.assertEqual([(WAIT, False, False)], [(one.expires_after, one.durable, one.retain) for one in sent])

    def test_answers_of_others(self) -> None:
        """Neither another node, nor another id, nor what is no answer ends the wait."""
        answer = self.divert("check", camera_id="far")
        (asked,) = self.asked(SOUTH)
        told = json.dumps({"id": asked["id"], "ok": True}).encode()
        self.broker.deliver(f"{WEST}/result", told)
        for payload in (told.replace(b'-1"', b'-2"'), told[:-1], b"[]", b'{"id":["%s"]}' % asked["id"].encode()):
            self.broker.deliver(f"{SOUTH}/result", payload)
        assert answer is not None
        self.assertNoResult(answer)

    def test_here(self) -> None:
        """Own cameras, unknown ones, other commands, and what was passed on are carried out here."""
        for name, fields in (
            ("check", {"camera_id": "near"}), ("check", {"camera_id": "nowhere"}), ("check", {}),
            ("check", {"camera_id": 5}), ("probe", {"camera_id": "far"}),
            ("check", {"camera_id": "far", "via": "west"}),
        ):  # fmt: skip
            self.assertIsNone(self.divert(name, **fields), (name, fields))
        self.assertEqual([], self.broker.sent)

    def test_not_connected(self) -> None:
        """Without a broker nothing is waited for."""
        self.is_connected = False
        self.assertIn("south", self.refusal(self.divert("check", camera_id="far")))
        self.assertEqual([], self.broker.sent)

    def test_too_many(self) -> None:
        """Commands that nobody answers do not pile up."""
        waiting = [self.divert("check", camera_id="far") for _ in range(MAX_WAITING)]
        self.assertIn("try again", self.refusal(self.divert("check", camera_id="far")))
        self.assertEqual(MAX_WAITING, len(self.broker.sent))
        self.clock.advance(WAIT)
        for one in waiting:
            self.refusal(one)
        self.assertIsNotNone(self.divert("check", camera_id="far"))
        self.assertEqual(MAX_WAITING + 1, len(self.broker.sent))

    def test_too_long(self) -> None:
        """What the node would not take is not sent: nobody would answer it."""
        self.assertIn("longer than the 4096 bytes", self.refusal(self.divert("decided", camera_id="far", x="x" * 4096)))
        self.assertEqual(([], []), (self.broker.sent, self.clock.getDelayedCalls()))

    def test_away(self) -> None:
        """The node that had it is away: which, and what to do."""
        self.election.gone("south1", 1)
        self.election.gone("west1", 1)
        reason = self.refusal(self.divert("check", camera_id="far"))
        self.assertEqual("node south, which knows this camera, is away: start it again", reason)


class LoginTest(RoutingCase):
    """Logins stay where they are entered."""

    def test_refused(self) -> None:
        """A login for a camera that only others know is not passed on: whose it is, and where its page is."""
        reason = self.refusal(self.divert("login", camera_id="far", user="admin", password="canary-x"))
        for part in ("node south publishes", "never crosses the broker", "http://south.example:8787/"):
            self.assertIn(part, reason)
        self.assertNotIn("canary", reason)
        self.assertEqual([], self.broker.sent)

    def test_known_here(self) -> None:
        """One for a camera that this node watches is its own: it may have to publish the camera."""
        self.assertIsNone(self.divert("login", camera_id="shared", user="admin", password="canary-x"))
        self.assertEqual([], self.broker.sent)

    def test_in_a_url(self) -> None:
        """A stream's URL may have one, before the host, or where makers put it."""
        for url in (
            "rtsp://admin:canary-x@10.0.0.5/a", "rtsp://admin:canary/x@10.0.0.5/a",
            "rtsp://10.0.0.5/a?user=u&password=canary-x",
        ):  # fmt: skip
            for camera in ("far", "shared"):
                self.assertIn("never crosses", self.refusal(self.divert("stream", camera_id=camera, main=url)), url)
        self.assertEqual([], self.broker.sent)

    def test_in_a_url_of_our_own(self) -> None:
        """Where we publish the camera it is kept here, and others do not hear of it."""
        self.south({})
        self.election.received_document(NodeDocument("south", "south1", 1, 2, 0, {"shared": WATCHED}), 0.0)
        self.assertIsNone(self.divert("stream", camera_id="shared", main="rtsp://admin:canary-x@10.0.0.5/a"))
        self.assertEqual([], self.broker.sent)


class AllTest(RoutingCase):
    """What a person decides is so on every node that knows the camera."""

    def test_name(self) -> None:
        """Where a camera is expected decides who gets its login: the publishing node first, with the version that the
        person saw; then the others, without it."""
        answer = self.divert("name", camera_id="shared", name="Yard", network="10.0.0.0/8", version=7)
        self.assertEqual([7], [one["version"] for one in self.asked(SOUTH)])
        self.assertEqual(([], []), (self.asked(WEST), self.done))
        self.reply(SOUTH, version=8)
        self.assertEqual(["name"], self.done)
        (west,) = self.asked(WEST)
        self.assertEqual(("Yard", False), (west["name"], "version" in west))
        self.reply(WEST, version=9)
        assert answer is not None
        self.assertEqual({"version": 8, "carried_out_by": "south, north, west"}, self.successResultOf(answer))

    def test_refused_by_the_owner(self) -> None:
        """Then nobody does it."""
        answer = self.divert("stream", camera_id="shared", main="x" * 99)
        self.reply(SOUTH, ok=False, error="main: is no URL")
        self.assertEqual("main: is no URL", self.refusal(answer))
        self.assertEqual(([], []), (self.asked(WEST), self.done))

    def test_missed(self) -> None:
        """One that does not answer is told of."""
        answer = self.divert("adopt", camera_id="far")
        self.reply(SOUTH)
        self.clock.advance(WAIT)
        assert answer is not None
        got = self.successResultOf(answer)
        self.assertEqual("south", got["carried_out_by"])
        self.assertIn("west: adopt: node west did not answer", got["missed"][0])

    def test_forget(self) -> None:
        """The publishing node comes last: it empties the topics when nobody else knows the camera."""
        answer = self.divert("forget", camera_id="shared")
        self.assertEqual((["forget"], 1, []), (self.done, len(self.asked(WEST)), self.asked(SOUTH)))
        self.reply(WEST)
        self.reply(SOUTH, camera_id="shared")
        assert answer is not None
        self.assertEqual("north, west, south", self.successResultOf(answer)["carried_out_by"])

    def test_not_forgotten_by_one(self) -> None:
        """One that goes on knowing the camera will publish it: that is told as a failure, with who did."""
        answer = self.divert("block", camera_id="far")
        self.clock.advance(WAIT)
        self.reply(SOUTH)
        reason = self.refusal(answer)
        self.assertIn("west did not answer", reason)
        self.assertIn("carried out by south", reason)
