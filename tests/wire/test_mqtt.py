"""Messages go in, packets come out; streams go in, acknowledgements and all the rest come out."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given, settings, strategies as st
from paho.mqtt import client as paho  # noqa: TID251  the reference to compare with
from paho.mqtt.packettypes import PacketTypes  # noqa: TID251
from paho.mqtt.properties import Properties  # noqa: TID251
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.mqtt import MemorySocket
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.wire.mqtt import MAX_REMAINING, AcknowledgementFilter, PassedOver, publish


class Reference(paho.Client):
    """paho over a socket of memory."""

    def __init__(self, five: bool) -> None:
        protocol = paho.MQTTv5 if five else paho.MQTTv311
        super().__init__(paho.CallbackAPIVersion.VERSION2, client_id="c", protocol=protocol)
        self.raw = MemorySocket()
        self.raw.setblocking = lambda flag: None
        self.connect_async("h")
        self.reconnect()
        self.raw.sent.clear()

    def _create_socket(self) -> MemorySocket:
        return self.raw


TOPIC = st.text(st.characters(exclude_characters="#+\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


class PublishTests(SynchronousTestCase):
    def test_table(self) -> None:
        """The packets of the specification, octet for octet."""
        for keywords, expected in (
            ({"qos": 0, "retain": False}, b"\x30\x07\x00\x03a/bhi"),
            ({"qos": 1, "retain": False}, b"\x32\x09\x00\x03a/b\x12\x34hi"),
            ({"qos": 1, "retain": True}, b"\x33\x09\x00\x03a/b\x12\x34hi"),
            ({"qos": 1, "retain": True, "five": True}, b"\x33\x0a\x00\x03a/b\x12\x34\x00hi"),
            (
                {"qos": 1, "retain": False, "five": True, "expiry": 60},
                b"\x32\x0f\x00\x03a/b\x12\x34\x05\x02\x00\x00\x00\x3chi",
            ),
        ):
            self.assertEqual(publish("a/b", b"hi", identifier=0x1234, **keywords), expected)

    @settings(deadline=None, database=None)
    @given(TOPIC, st.integers(0, 40_000), st.integers(0, 1), st.booleans(), st.none() | st.integers(0, 2**32 - 1))
    def test_as_paho_does(self, topic: str, size: int, qos: int, five: bool, expiry: int | None) -> None:
        """Every packet is the one that paho makes, for payloads of any size."""
        payload = bytes(size)
        reference = Reference(five)
        properties = None
        if five and expiry is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expiry
        info = reference.publish(topic, payload, qos, properties=properties)
        ours = publish(
            topic, payload, qos=qos, retain=False, identifier=info.mid, five=five, expiry=expiry if five else None
        )
        self.assertEqual(ours, b"".join(reference.raw.sent))

    def test_lengths_at_the_borders(self) -> None:
        """The remaining length has one octet up to 127, two up to 16 383, three up to 2 097 151."""
        for total, head in ((127, b"\x7f"), (128, b"\x80\x01"), (16_383, b"\xff\x7f"), (16_384, b"\x80\x80\x01")):
            packet = publish("t", bytes(total - 3), qos=0, retain=False, identifier=1)
            self.assertEqual(packet[1 : 1 + len(head)], head)
            self.assertEqual(len(packet), 1 + len(head) + total)

    def test_what_does_not_fit(self) -> None:
        """A topic that is no Unicode, or longer than its length can say, is our error."""
        for topic in ("\ud800", "t" * 65_536):
            with self.assertRaises(LocalError):
                publish(topic, b"", qos=1, retain=False, identifier=1)


OTHER = st.tuples(st.sampled_from([0x20, 0x30, 0x32, 0x90, 0xD0, 0xE0]), st.integers(0, 300)).map(
    lambda made: (
        bytes([made[0]])
        + (bytes([made[1]]) if made[1] < 128 else bytes([made[1] & 0x7F | 0x80, made[1] >> 7]))
        + b"\x40\x02\x01\x01" * (made[1] // 4)
        + bytes(made[1] % 4)
    )
)
ACK = st.tuples(st.integers(1, 65535), st.sampled_from([None, 0, 0x10, 0x87]))


def encode(acknowledgement: tuple[int, int | None]) -> bytes:
    identifier, code = acknowledgement
    tail = b"" if code is None else bytes([code])
    return bytes([0x40, 2 + len(tail)]) + identifier.to_bytes(2, "big") + tail


class FilterTests(SynchronousTestCase):
    @settings(deadline=None, database=None)
    @given(st.lists(OTHER | ACK, max_size=12), st.lists(st.integers(1, 40), max_size=60))
    def test_any_stream_cut_anywhere(self, packets: list[bytes | tuple[int, int | None]], cuts: list[int]) -> None:
        """Acknowledgements come out in order, everything else passes unchanged, wherever the stream is cut."""
        stream = b"".join(encode(each) if isinstance(each, tuple) else each for each in packets)
        acknowledgements = AcknowledgementFilter()
        passed, found = b"", []
        position = 0
        for cut in [*cuts, len(stream) + 1]:
            others, acknowledged = acknowledgements.feed(stream[position : position + cut])
            passed += others
            found += acknowledged
            position += cut
        self.assertEqual(found, [(each[0], each[1] or 0) for each in packets if isinstance(each, tuple)])
        self.assertEqual(passed, b"".join(each for each in packets if isinstance(each, bytes)))

    def test_every_truncation(self) -> None:
        """A stream that ends anywhere is waited for, and its rest completes it."""
        stream = b"\x20\x02\x00\x00" + b"\x40\x02\x00\x01" + b"\x30\x05\x00\x01ahi" + b"\x40\x03\x00\x02\x87"
        for cut in range(len(stream) + 1):
            acknowledgements = AcknowledgementFilter()
            first, early = acknowledgements.feed(stream[:cut])
            second, late = acknowledgements.feed(stream[cut:])
            self.assertEqual(early + late, [(1, 0), (2, 0x87)])
            self.assertEqual(first + second, b"\x20\x02\x00\x00" + b"\x30\x05\x00\x01ahi")

    def test_acknowledgement_with_a_reason_string(self) -> None:
        """The properties of a PUBACK of MQTT 5 are read over."""
        packet = b"\x40\x0c\x00\x05\x97\x08\x1f\x00\x05quota"
        self.assertEqual(AcknowledgementFilter().feed(packet), (b"", [(5, 0x97)]))

    @settings(deadline=None, database=None)
    @given(st.lists(st.binary(max_size=30), max_size=6))
    def test_hostile_bytes(self, parts: list[bytes]) -> None:
        """Any bytes are passed, waited for or refused as theirs, and at most a PUBACK's worth is kept."""
        acknowledgements = AcknowledgementFilter()
        try:
            for part in parts:
                acknowledgements.feed(part)
        except RemoteError:
            pass
        self.assertLessEqual(len(acknowledgements._kept), 4101)

    def test_impossible_lengths(self) -> None:
        """A length of five octets and a PUBACK that has no identifier, or is huge, are refused."""
        for wrong in (b"\x30\xff\xff\xff\xff\x01", b"\x40\x00", b"\x40\x01\x00", b"\x40\xff\x7f" + bytes(8)):
            with self.assertRaises(RemoteError):
                AcknowledgementFilter().feed(wrong)


def head(first: int, remaining: int) -> bytes:
    """The fixed header of a packet (MQTT 3.1.1, 2.2)."""
    digits = bytearray()
    while True:
        remaining, digit = remaining >> 7, remaining & 0x7F
        digits.append(digit | 0x80 if remaining else digit)
        if not remaining:
            return bytes([first]) + bytes(digits)


#: Larger than what passes in these tests, of each QoS: the bytes, and what is to be said of them.
LARGE = (
    (head(0x31, 40) + b"\x00\x03a/b" + bytes(35), PassedOver("a/b", 40, b"")),
    (head(0x33, 41) + b"\x00\x03a/b\x12\x34" + b"\x40\x02" * 17, PassedOver("a/b", 41, b"\x40\x02\x12\x34")),
    (head(0x3D, 300) + b"\x00\x01x\x00\x07" + bytes(295), PassedOver("x", 300, b"\x50\x02\x00\x07")),
    (head(0x32, 50) + b"\x00\x02\xff\xfe\x00\x01" + bytes(44), PassedOver("\ufffd\ufffd", 50, b"\x40\x02\x00\x01")),
)
SMALL = b"\x30\x05\x00\x01ahi"


class LargePublishTests(SynchronousTestCase):
    def test_every_cut(self) -> None:
        """A PUBLISH that is too large vanishes, answered once it is complete, wherever the stream is cut."""
        for packet, expected in LARGE:
            stream = SMALL + packet + b"\x40\x02\x00\x09" + SMALL
            for cut in range(len(stream) + 1):
                one = AcknowledgementFilter(16)
                first, early = one.feed(stream[:cut])
                before = one.take_passed_over()
                second, late = one.feed(stream[cut:])
                self.assertEqual(first + second, SMALL * 2)
                self.assertEqual(early + late, [(9, 0)])
                self.assertEqual(before, [expected] if cut >= len(SMALL + packet) else [])
                self.assertEqual(before + one.take_passed_over(), [expected])

    def test_octet_by_octet(self) -> None:
        """So it is when every octet comes by itself; where the stream stands is known at each."""
        for packet, expected in LARGE:
            one = AcknowledgementFilter(16)
            for number, octet in enumerate(packet):
                self.assertEqual(one.feed(bytes([octet])), (b"", []))
                header = len(packet) - expected.octets
                self.assertIs(one.passing_over, header <= number + 1 < len(packet))
                self.assertIs(one.within_packet, one.passing_over)
            self.assertEqual(one.take_passed_over(), [expected])

    @settings(deadline=None, database=None)
    @given(st.lists(st.sampled_from(LARGE) | OTHER | ACK, max_size=8), st.lists(st.integers(1, 90), max_size=60))
    def test_any_stream(self, packets: list[Any], cuts: list[int]) -> None:
        """Among all other packets, each is found; what is not larger passes."""

        def is_large(one: Any) -> bool:
            return isinstance(one, tuple) and isinstance(one[1], PassedOver)

        stream = b"".join(each if isinstance(each, bytes) else each[0] if is_large(each) else encode(each)
                          for each in packets)  # fmt: skip
        one = AcknowledgementFilter(16)
        small = [each for each in packets if isinstance(each, bytes) and len(each) - 2 <= 16]
        large = [each for each in packets if isinstance(each, bytes) and len(each) - 2 > 16]
        if any(each[0] & 0xF0 != 0x30 for each in large):
            with self.assertRaises(RemoteError):
                one.feed(stream)
            return
        passed, position = b"", 0
        for cut in [*cuts, len(stream) + 1]:
            passed += one.feed(stream[position : position + cut])[0]
            position += cut
        self.assertEqual(passed, b"".join(small))
        self.assertEqual(len(one.take_passed_over()), len(large) + sum(map(is_large, packets)))

    def test_memory(self) -> None:
        """The largest that the protocol allows, and the longest topic, keep no more than that topic."""
        topic = b"t" * 0xFFFF
        for remaining in (5 * 1024 * 1024, MAX_REMAINING):
            one = AcknowledgementFilter(1_048_576)
            one.feed(head(0x33, remaining) + b"\xff\xff")
            left = remaining - 2
            content = memoryview(topic + b"\x01\x02" + bytes(1_000_000))
            tracemalloc.start()
            while left:
                part = content[: min(left, 65_536)]
                one.feed(part.tobytes())
                left -= len(part)
                content = content[len(part) :] if len(content) > 131_072 else memoryview(bytes(65_536))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            self.assertLess(peak, 600_000)
            [found] = one.take_passed_over()
            self.assertEqual((len(found.topic), found.octets, found.answer), (0xFFFF, remaining, b"\x40\x02\x01\x02"))

    def test_what_is_no_message(self) -> None:
        """Nothing but a PUBLISH is ever so large: another packet, and a QoS that there is not, are refused."""
        for wrong in (head(0x90, 17), head(0xE0, MAX_REMAINING), head(0x36, 17)):
            with self.assertRaises(RemoteError):
                AcknowledgementFilter(16).feed(wrong + bytes(4))
