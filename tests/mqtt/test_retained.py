"""The memory of retained documents: what it recognises, gives back, and takes."""

from __future__ import annotations

import json
import random
import tracemalloc

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.outbox import retained
from twisted_detector.mqtt.outbox.retained import Republish, Retained

ROOM = 64 * 1024 * 1024


def document(topic: str, number: int) -> Message:
    """A document as those of other cameras, but for its names."""
    mark = f"{number:012x}"
    fields = {f"field_{n}": f"the same of every camera {n}" for n in range(30)}
    payload = json.dumps({**fields, "id": mark, "urls": [f"rtsp://10.0.0.9/{mark}/{n}" for n in range(3)]})
    return Message(f"camera/{topic}/{mark}", payload.encode(), 1, True, Priority.STATE, 7.5)


class Documents(SynchronousTestCase):
    def setUp(self) -> None:
        self.known = Retained(messages=100_000, octets=ROOM)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a/1/x", "a/2/x", "b", "a/x/1"]), st.binary(max_size=400) | st.just(b"abc" * 4000)
            )
        )
    )
    @settings(max_examples=50, deadline=None, derandomize=True, database=None)
    def test_what_is_kept_comes_back(self, said: list[tuple[str, bytes]]) -> None:
        """Whatever the payload, and whatever others were kept before: it comes back whole, and is recognised."""
        known, latest = Retained(messages=100, octets=ROOM), {}
        for topic, payload in said:
            message = latest[topic] = Message(topic, payload, 1, True, Priority.CRITICAL, 2.5)
            self.assertEqual([], known.set(message))
        for topic, message in latest.items():
            self.assertEqual(message, known.get(topic))
            self.assertTrue(known.matches(message))
            self.assertFalse(known.matches(Message(topic, message.payload + b"x", 1, True)))
            self.assertFalse(known.matches(Message(topic, message.payload, 0, True)))
        for topic in latest:
            known.remove(topic)
        self.assertEqual((0, 0), (len(known), known.octets))

    def test_a_digest_is_compared(self) -> None:
        """An equal payload is recognised without unpacking what is kept."""
        message = document("status", 1)
        self.known.set(message)
        self.patch(retained.zlib, "decompressobj", None)
        self.assertTrue(self.known.matches(message))

    def test_documents_of_many_cameras(self) -> None:
        """Of documents that differ in names only, a sixth is kept at most, whatever comes between them."""
        raw = 0
        for number in range(1000):
            for topic in ("status", "discovery", f"seen/{number % 7}"):
                message = document(topic, number)
                raw += len(message.payload)
                self.known.set(message)
        self.assertLess(self.known.octets, raw / 6)

    def test_a_first_document_that_is_not_like_the_others(self) -> None:
        """Where the first of a family is not like the others, one of these takes its place as pattern."""
        noise = random.Random(1)
        self.known.set(Message("camera/status/1", noise.randbytes(6000), 1, True))
        self.known.set(document("status", 2))
        before = self.known.octets
        self.known.set(document("status", 3))
        self.assertLess(self.known.octets - before, len(document("status", 3).payload) / 5)

    def test_patterns_are_bounded(self) -> None:
        """A plugin that says noise, on topics without end, has no pattern kept of each."""
        noise = random.Random(1)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for letters in range(3000):
            name = "".join(noise.choices("abcdefgh", k=12))
            topic = f"{name}/state" if letters % 2 else "noise/1"
            self.known.set(Message(topic, noise.randbytes(2000), 1, True))
            self.known.remove(topic)
        kept, _ = tracemalloc.get_traced_memory()
        self.assertLess(kept, 1_000_000)

    def test_memory(self) -> None:
        """What a thousand cameras' documents take beside their topics is below a third of what they are."""
        messages = [document(topic, number) for number in range(1000) for topic in ("status", "discovery")]
        raw = sum(len(message.payload) for message in messages)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for message in messages:
            self.known.set(message)
        kept, _ = tracemalloc.get_traced_memory()
        self.assertLess(kept, raw / 3)


class Repeating(SynchronousTestCase):
    def setUp(self) -> None:
        self.known = Retained(messages=100, octets=ROOM)
        for topic in "abcd":
            self.known.set(Message(topic, topic.encode(), 1, True))
        self.looked: list[str] = []
        self.queue = Republish(self.known, self.superfluous)

    def superfluous(self, topic: str) -> bool:
        self.looked.append(topic)
        return False

    def rest(self) -> list[str]:
        found = []
        while (message := self.queue.next()) is not None:
            found.append(message.topic)
            self.queue.in_flight -= 1
        return found

    def test_one_looks_at_no_other(self) -> None:
        """To queue one document, no other is looked at."""
        self.queue.begin()
        self.looked.clear()
        self.queue.begin(("c",))
        self.assertEqual([], self.looked)
        self.assertEqual(list("abcd"), self.rest())
        self.queue.begin(("c",))
        self.assertEqual(["c"], self.rest())

    def test_out_of_turn(self) -> None:
        """One that is asked for before its turn has no second one; nor has one that was put back and queued anew."""
        self.queue.begin()
        message = self.queue.next("c")
        self.assertEqual("c", message and message.topic)
        self.queue.put_back("c")
        self.queue.in_flight = 0
        self.queue.begin(("c",))
        self.assertEqual(4, len(self.queue))
        self.assertEqual(list("cabd"), self.rest())
        self.assertEqual(0, len(self.queue))
        self.assertIsNone(self.queue.next("unknown"))
