"""The gate for what comes in the name of an eye: only what is signed, new, and not too much gets through."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from tests.operations.eyes.case import KEY, Chance, EyesCase
from twisted_detector.model import Secret, Sighting
from twisted_detector.model.eyes import EyeKey
from twisted_detector.operations.eyes.gate import MAX_ENDED, EyeAtGate, Refusal
from twisted_detector.operations.eyes.quota import NODE_BURST, NODE_RATE
from twisted_detector.wire.eyes.envelope import MAX_MESSAGE, Envelope, EnvelopeKind
from twisted_detector.wire.eyes.report import Report, SignOfLife
from twisted_detector.wire.eyes.topics import EyeTopics

SEEN = Sighting("wsdiscovery", "10.78.0.21", 0.0, endpoint_reference="urn:uuid:1")


class GateCase(EyesCase):
    def admit(self, message: bytes, now: float = 1.0) -> Report | Refusal:
        return self.eye.admit(message, 100.0, now)


class GateTests(GateCase):
    def test_admitted(self) -> None:
        """A report that is signed and new gets through, with our time; it is counted, and the eye was heard."""
        found = self.admit(self.message(SEEN))
        assert isinstance(found, Sighting)
        self.assertEqual(("10.78.0.21", 100.0, "barn"), (found.address, found.seen_at, found.interface))
        self.assertEqual((1.0, 1), (self.eye.heard, self.eye.counts["accepted"]))

    def test_life(self) -> None:
        """The latest sign of life is kept."""
        self.admit(self.message(SignOfLife("1.2", {"reported": 3})))
        self.assertEqual(SignOfLife("1.2", {"reported": 3}), self.eye.life)

    def test_forged(self) -> None:
        """Another key, an invitation in the place of a report, a changed one: forged, and the eye was not heard."""
        invitation = Envelope(EnvelopeKind.INVITATION, self.eye.session).seal(KEY.octets, self.eye.topics.report)
        wrong = self.message(SEEN, key=EyeKey("barn", Secret("aa" * 32)))
        changed = self.message(SEEN).replace(b".21", b".22")
        for message in (wrong, invitation, changed, self.eye.invitation()):
            self.assertIs(Refusal.FORGED, self.admit(message))
        self.assertEqual((None, 4), (self.eye.heard, self.eye.counts["forged"]))

    def test_replayed(self) -> None:
        """The same again, and an older one; what comes later gets through."""
        first, second, third = (self.message(SEEN) for _ in range(3))
        self.admit(second)
        for message in (second, first):
            self.assertIs(Refusal.REPLAYED, self.admit(message))
        self.assertIsInstance(self.admit(third), Sighting)

    def test_restarted_eye(self) -> None:
        """An eye that was started again begins to count anew; nothing of its former self gets through any more."""
        recorded = [self.message(SEEN) for _ in range(3)]
        self.admit(recorded[0])
        self.instance, self.counter = "ef" * 16, 0
        self.assertIsInstance(self.admit(self.message(SEEN)), Sighting)
        for message in recorded:
            self.assertIs(Refusal.REPLAYED, self.admit(message))

    def test_many_restarts(self) -> None:
        """However often an eye is started, no former self is forgotten within a session."""
        recorded = []
        for number in range(3 * MAX_ENDED):
            self.instance, self.counter = f"{number:032x}", 0
            message = self.message(SEEN)
            found = self.admit(message)
            if found is Refusal.STALE:  # a new session has begun: the eye is invited, and says it again
                message = self.message(SEEN)
                found = self.admit(message)
            self.assertIsInstance(found, Sighting, number)
            recorded.append(message)
            for old in recorded:
                self.assertIn(self.admit(old), (Refusal.REPLAYED, Refusal.STALE))

    def test_restarted_node(self) -> None:
        """What was recorded before the node began is stale."""
        recorded = self.message(SEEN)
        self.assertIsInstance(self.admit(recorded), Sighting)
        self.eye = EyeAtGate(KEY, EyeTopics("", "barn"), Chance(), 0.0)
        self.eye = EyeAtGate(KEY, EyeTopics("", "barn"), lambda octets: b"\7" * octets, 0.0)
        self.assertIs(Refusal.STALE, self.admit(recorded))

    def test_sizes_and_nonsense(self) -> None:
        """What is too long, has no header, or no report in it."""
        self.assertIs(Refusal.OVERSIZED, self.admit(b"x" * (MAX_MESSAGE + 1)))
        self.assertIs(Refusal.MALFORMED, self.admit(b"x" * MAX_MESSAGE))
        self.assertIs(Refusal.MALFORMED, self.admit(self.message(b"{}")))
        self.assertIsNone(self.eye.heard)

    def test_flood(self) -> None:
        """A burst, and a rate after it; what is not signed takes nothing of the eye's quota."""
        for _ in range(int(2 * NODE_BURST)):
            self.admit(b"nonsense")
        for _ in range(int(NODE_BURST)):
            self.assertIsInstance(self.admit(self.message(SEEN)), Sighting)
        self.assertIs(Refusal.FLOODED, self.admit(self.message(SEEN)))
        self.assertIsInstance(self.admit(self.message(SEEN), 1.0 + 1.5 / NODE_RATE), Sighting)

    def test_invitation(self) -> None:
        """An invitation is signed for the eye, and has the session under which it reports."""
        opened = Envelope.open(KEY.octets, self.eye.topics.invitation, self.eye.invitation())
        assert opened is not None
        self.assertEqual((EnvelopeKind.INVITATION, self.eye.session), (opened.kind, opened.session))


class HistoryTests(GateCase):
    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60))
    def test_once(self, deeds: list[tuple[int, int]]) -> None:
        """Whatever is started, said and replayed in whatever order: no message gets through twice."""
        self.setUp()
        through: list[bytes] = []
        sent: list[bytes] = []
        for deed, number in deeds:
            if deed == 0:
                self.instance, self.counter = f"{len(sent) + 1_000:032x}", 0
            elif deed == 1 or not sent:
                sent.append(self.message(SEEN))
            message = sent[number % len(sent)] if sent else b""
            if isinstance(self.admit(message), Sighting):
                self.assertNotIn(message, through)
                through.append(message)
