"""Signed messages of eyes: what was changed, moved to another topic, or signed with another key is not opened."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.wire.eyes.envelope import MAX_BODY, MAX_HEADER, MAX_MESSAGE, Envelope, EnvelopeKind

KEY, TOPIC = bytes(range(32)), "system/camera_detector_eye/barn/report"
SAID = Envelope(EnvelopeKind.REPORT, "ab" * 16, "cd" * 16, 7, b'{"k":"seen"}\n')


class EnvelopeTests(SynchronousTestCase):
    def test_golden(self) -> None:
        """These are the bytes: an eye of one version is understood by a node of another."""
        self.assertEqual(
            b"camdetect-eye 1 report abababababababababababababababab cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd 7 "
            b'465231a9a6fea2d1f42874ef754a00f951d9fb58b76a8acc6cdeeec968b44b84\n{"k":"seen"}\n',
            SAID.seal(KEY, TOPIC),
        )

    @given(st.binary(max_size=300), st.integers(0, 10**15 - 1))
    def test_opened(self, body: bytes, counter: int) -> None:
        """What was sealed is what comes out."""
        said = replace(SAID, body=body, counter=counter)
        self.assertEqual(said, Envelope.open(KEY, TOPIC, said.seal(KEY, TOPIC)))

    def test_changed(self) -> None:
        """Whatever octet is changed, it is not opened."""
        message = SAID.seal(KEY, TOPIC)
        for position in range(len(message)):
            changed = bytearray(message)
            changed[position] ^= 1
            try:
                self.assertIsNone(Envelope.open(KEY, TOPIC, bytes(changed)), position)
            except RemoteError:
                continue

    def test_cut(self) -> None:
        """Cut anywhere, it is not opened."""
        message = SAID.seal(KEY, TOPIC)
        for end in range(len(message)):
            try:
                self.assertIsNone(Envelope.open(KEY, TOPIC, message[:end]), end)
            except RemoteError:
                continue

    def test_elsewhere(self) -> None:
        """Under another key or on another topic it is not opened."""
        self.assertIsNone(Envelope.open(b"x" * 32, TOPIC, SAID.seal(KEY, TOPIC)))
        self.assertIsNone(Envelope.open(KEY, TOPIC.replace("barn", "shed"), SAID.seal(KEY, TOPIC)))

    def test_fields_are_apart(self) -> None:
        """No two messages have the same signature, however their fields are moved about."""
        one = replace(SAID, body=b"b\nc").seal(KEY, "a")
        other = replace(SAID, body=b"c").seal(KEY, "a\nb")
        self.assertEqual(one.partition(b"\n")[0], other.partition(b"\n")[0], "a topic has no line break")
        kinds = {replace(SAID, kind=kind).seal(KEY, TOPIC)[-80:] for kind in EnvelopeKind}
        self.assertEqual(2, len(kinds))

    def test_bounds(self) -> None:
        """The longest body fits, one octet more does not; a counter has at most fifteen digits."""
        longest = replace(SAID, body=b"x" * MAX_BODY, counter=10**15 - 1)
        message = longest.seal(KEY, TOPIC)
        self.assertLess(len(message) - MAX_BODY, MAX_HEADER)
        self.assertEqual(longest, Envelope.open(KEY, TOPIC, message))
        for said in (replace(longest, body=b"x" * (MAX_BODY + 1)), replace(SAID, counter=10**15)):
            self.assertRaises(RemoteError, Envelope.open, KEY, TOPIC, said.seal(KEY, TOPIC))
        self.assertRaises(RemoteError, Envelope.open, KEY, TOPIC, b"x" * (MAX_MESSAGE + 1))
