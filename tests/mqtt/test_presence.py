"""Two instances with one NODE_ID: what each makes of what it finds and hears on their topic."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Message
from twisted_detector.mqtt.presence import MAX_INSTANCE, MAX_RIVALS, UNCONFIRMED, Presence, presence_payload


def payload(status: str, instance: str, session: int = 1, reason: str | None = None) -> bytes:
    return presence_payload("n", status, at=0.0, session=session, reason=reason, instance=instance)


class InstanceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.done: list[Deferred[None]] = []
        self.presence = Presence(
            "site/lwt",
            lambda status, session, reason: payload(status, "aaaa", session, reason),
            self.publish,
            instance="aaaa",
        )
        self.warnings: list[LogEvent] = []

        def observe(event: LogEvent) -> None:
            if event.get("log_level") is LogLevel.warn and "NODE_ID" in str(event.get("log_format")):
                self.warnings.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def publish(self, message: Message) -> Deferred[None]:
        self.said.append(json.loads(message.payload))
        self.done.append(Deferred())
        return self.done[-1]

    def acknowledge(self) -> None:
        done, self.done = self.done, []
        for each in done:
            each.callback(None)

    def connect(self, now: float = 0.0) -> None:
        self.presence.next_will(now)
        self.presence.begin()
        self.acknowledge()
        self.said.clear()

    def find(self, document: bytes, now: float = 0.0) -> None:
        self.presence.receive(document, retained=True, now=now)

    def hear(self, document: bytes, now: float = 0.0) -> None:
        self.presence.receive(document, retained=False, now=now)
        self.acknowledge()

    def judge(self, now: float = 0.0) -> tuple[str, bool]:
        return self.presence.rival(now), self.presence.yields(now)

    def test_documents_carry_the_instance(self) -> None:
        """Will and birth say which process they are of, the same one for its life."""
        will = self.presence.next_will(0.0)
        assert will is not None
        self.presence.begin()
        self.assertEqual([json.loads(will)["instance"], self.said[0]["instance"]], ["aaaa", "aaaa"])

    def test_predecessor(self) -> None:
        """What a dead predecessor left is no other daemon, however often it is found, and nothing is answered."""
        self.connect()
        self.find(payload("offline", "dead", 7))
        self.connect(10.0)
        self.find(payload("offline", "dead", 7), 10.0)
        self.assertEqual((self.judge(10.0), self.said, self.warnings), (("", False), [], []))

    def test_later_one_found(self) -> None:
        """The will of one who connected after our birth, and whom we threw off: he is there, and we make room."""
        self.connect()
        self.connect(1.0)
        self.find(payload("offline", "bbbb", 3), 1.0)
        self.assertEqual(self.judge(1.0), ("bbbb", True))
        self.assertEqual(len(self.warnings), 1)
        self.connect(2.0)
        self.find(payload("offline", "bbbb", 4), 2.0)
        self.assertEqual(len(self.warnings), 1, "each is named once")

    def test_elder_found(self) -> None:
        """One who was there before us and goes on connecting is known, but it is he who makes room."""
        self.connect()
        self.find(payload("offline", "bbbb", 3))
        self.assertEqual(self.judge(), ("", False))
        self.connect(1.0)
        self.find(payload("offline", "bbbb", 4), 1.0)
        self.assertEqual(self.judge(1.0), ("bbbb", False))

    def test_other_one_heard(self) -> None:
        """One who is connected at the same time is answered once for each of his sessions, so that he knows too."""
        self.connect()
        for session in (3, 3, 4):
            self.hear(payload("online", "bbbb", session))
        self.assertEqual(self.judge(), ("bbbb", True))
        self.assertEqual([each["status"] for each in self.said], ["online", "online"])

    def test_he_goes(self) -> None:
        """His goodbye, heard or found, and his will, heard, end it; his will, found, is no proof for long."""
        self.connect()
        for end in (
            lambda: self.hear(payload("offline", "bbbb", 3, "shutdown")),
            lambda: self.hear(payload("offline", "bbbb", 3)),
            lambda: self.find(payload("offline", "bbbb", 3, "shutdown")),
        ):
            self.hear(payload("online", "bbbb", 3))
            self.assertEqual(self.judge(1e6)[0], "bbbb")
            end()
            self.assertEqual(self.judge()[0], "")
        self.connect(100.0)
        self.find(payload("offline", "bbbb", 9), 100.0)
        self.assertEqual(self.judge(100.0 + UNCONFIRMED - 1)[0], "bbbb")
        self.assertEqual(self.judge(100.0 + UNCONFIRMED)[0], "")

    def test_away_we_hear_nothing(self) -> None:
        """One who was there before a loss of ours has to say so again after it."""
        self.connect()
        self.hear(payload("online", "bbbb", 3))
        self.connect(50.0)
        self.assertEqual(self.judge(50.0)[0], "bbbb")
        self.assertEqual(self.judge(50.0 + UNCONFIRMED)[0], "")

    def test_what_is_found_is_not_healed(self) -> None:
        """What stood there before our birth was replaced by it; a will that comes later is answered as ever."""
        self.connect()
        self.find(payload("offline", "aaaa", 0))
        self.assertEqual((self.said, self.presence.healed), ([], 0))
        self.hear(payload("offline", "aaaa", 0))
        self.assertEqual((len(self.said), self.presence.healed), (1, 1))

    def test_invented_instances(self) -> None:
        """Whoever may publish there can invent names: they are bounded in number and length, and no type surprises."""
        self.connect()
        for number in range(MAX_RIVALS * 3):
            self.hear(payload("online", f"{number}" + "x" * 10_000))
        self.assertLessEqual(len(self.presence._rivals), MAX_RIVALS)
        self.assertLessEqual(len(self.warnings), MAX_RIVALS)
        self.assertLessEqual(len(self.said), MAX_RIVALS)
        self.assertLessEqual(len(self.presence.rival(0.0)), MAX_INSTANCE)
        for odd in (1, None, [], {}, "", True):
            self.hear(json.dumps({"status": "online", "instance": odd, "session": [odd]}).encode())
            self.find(json.dumps({"status": odd, "instance": "ok", "session": {"a": odd}}).encode())
