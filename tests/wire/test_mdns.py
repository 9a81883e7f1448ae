"""Tests of ``wire.mdns`` with ``wire.dns_sd``: tables of our own, truncation, loops, floods, mutations."""

from __future__ import annotations

import struct
from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.lan.dns_sd import CAMERA_KINDS, Service, is_camera, kind_name, services
from twisted_detector.wire.lan.mdns import (
    AAAA,
    MAX_MESSAGE,
    MAX_RECORDS,
    PTR,
    SRV,
    TXT,
    A,
    DnsMessage,
    Location,
    Name,
    Question,
    Record,
    is_response,
    parse,
    query,
    response,
    text_of,
)

RTSP = (b"_rtsp", b"_tcp", b"local")
PORCH = (b"Porch No. 1", *RTSP)
HOST = (b"cam-1", b"local")

#: A response with compressed names, as responders send it: PTR, SRV and TXT (cache-flush), NSEC, A and AAAA.
COMPRESSED = (
    b"\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x05"
    b"\x05_rtsp\x04_tcp\x05local\x00\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x0e\x0bPorch No. 1\xc0\x0c"
    b"\xc0\x28\x00\x21\x80\x01\x00\x00\x00\x78\x00\x0e\x00\x00\x00\x00\x02\x2a\x05cam-1\xc0\x17"
    b"\xc0\x28\x00\x10\x80\x01\x00\x00\x11\x94\x00\x0e\x04a=\xc3\xbc\x00\x01=\x01b\x03A=2"
    b"\xc0\x48\x00\x2f\x80\x01\x00\x00\x00\x78\x00\x05\xc0\x48\x00\x01\x40"
    b"\xc0\x48\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\x0a\x00\x00\x05"
    b"\xc0\x48\x00\x1c\x80\x01\x00\x00\x00\x78\x00\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x05"
)
RECORDS = (
    Record(RTSP, PTR, 4500, PORCH),
    Record(PORCH, SRV, 120, Location(554, HOST)),
    Record(PORCH, TXT, 4500, (b"a=\xc3\xbc", b"", b"=", b"b", b"A=2")),
    Record(HOST, A, 120, "10.0.0.5"),
    Record(HOST, AAAA, 120, "fe80::5"),
)
ASKED = b"\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05_rtsp\x04_tcp\x05local\x00\x00\x0c\x80\x01"


def message(*names: bytes, records: int = 1) -> bytes:
    """A response with an A record of each name, as its bytes stand on the wire."""
    body = b"".join(name + b"\x00\x01\x00\x01\x00\x00\x00\x78\x00\x04\x0a\x00\x00\x05" for name in names)
    return struct.pack("!6H", 0, 0x8400, 0, records, 0, 0) + body


def parse_or_none(data: bytes) -> tuple[Record, ...]:
    """The records that can be read, none when it is refused."""
    try:
        return parse(data).records
    except RemoteError:
        return ()


def record(kind: int, content: bytes, *, length: int | None = None, name: bytes = b"\x01a\0") -> bytes:
    """A record as it stands on the wire, its length as it is or as is claimed."""
    return name + struct.pack("!HHIH", kind, 1, 1, len(content) if length is None else length) + content


def holding(*records: bytes, count: int | None = None) -> bytes:
    """A response with so many records, or with another number in its header."""
    return struct.pack("!6H", 0, 0x8400, 0, len(records) if count is None else count, 0, 0) + b"".join(records)


class ReadingTests(SynchronousTestCase):
    """Bytes to values."""

    def test_compressed(self) -> None:
        """Names are put together, the bit for the cache is no part of the class, and other types are passed over."""
        self.assertEqual(parse(COMPRESSED), DnsMessage(0, True, (), RECORDS))

    def test_question(self) -> None:
        """A query is read with its id and whether the answer is wanted by unicast."""
        self.assertEqual(parse(ASKED), DnsMessage(7, False, (Question(RTSP, PTR, unicast=True),), ()))
        self.assertEqual(parse(ASKED[:-2] + b"\x00\x01").questions, (Question(RTSP, PTR),))

    def test_is_response(self) -> None:
        """Questions are told from answers by their header, and what has none is no answer."""
        self.assertEqual(
            [is_response(data) for data in (COMPRESSED, ASKED, b"", COMPRESSED[:11])], [True, False, False, False]
        )

    def test_truncation(self) -> None:
        """Of a message that is cut off, all records are read that are whole; without any it is refused."""
        # Of a text record that is cut between two strings, those before are kept.
        cut_texts = [replace(RECORDS[2], data=(b"a=\xc3\xbc", b"", b"=", b"b")[:count]) for count in range(1, 5)]
        for length in range(len(COMPRESSED)):
            *before, last = parse_or_none(COMPRESSED[:length]) or (None,)
            self.assertEqual(tuple(before), RECORDS[: len(before)], length)
            self.assertIn(last, (None, RECORDS[len(before)], *cut_texts), length)
        self.assertEqual([len(parse_or_none(COMPRESSED[:-cut])) for cut in (1, 28, 29, 61, 62)], [4, 4, 3, 3, 2])
        for length in range(len(ASKED)):
            self.assertRaises(RemoteError, parse, ASKED[:length])

    def test_loops(self) -> None:
        """A name that points to itself, around, beyond the message or into its header is refused."""
        for name in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\xff", b"\xff\xff", b"\xc0\x00", b"\xc0\x0b"):
            self.assertRaises(RemoteError, parse, message(name))
        around = holding(record(A, b"\x0a\0\0\5", name=b"\xc0\x1c"), record(A, b"\x0a\0\0\5", name=b"\xc0\x0c"))
        self.assertRaises(RemoteError, parse, around)
        followed = message(b"\x01a\x00", *(struct.pack("!H", 0xC000 | at) for at in (12, 29, 45, 61)), records=5)
        self.assertEqual([one.name for one in parse(followed).records], [(b"a",)] * 5)
        # Each points to the one before: what needs more than 16 pointers is not followed, and costs itself.
        chain = message(
            b"\x01a\x00", *(struct.pack("!H", 0xC000 | at) for at in (12, *range(29, 29 + 16 * 17, 16))), records=19
        )
        self.assertEqual(len(parse(chain).records), 17)

    def test_forward_pointers(self) -> None:
        """A name that points forward, as some responders write it, is followed as others do."""
        data = holding(
            record(PTR, b"\x05Porch\xc0\x2a", name=b"\xc0\x2a"), record(A, b"\x0a\0\0\5", name=b"\x05_rtsp\0")
        )
        at = data.index(b"\x05_rtsp")
        data = data.replace(b"\xc0\x2a", struct.pack("!H", 0xC000 | at))
        self.assertEqual(
            parse(data).records,
            (Record((b"_rtsp",), PTR, 1, (b"Porch", b"_rtsp")), Record((b"_rtsp",), A, 1, "10.0.0.5")),
        )

    def test_names(self) -> None:
        """Labels over 63 bytes, names over 255 and names with more than 40 labels are refused."""
        label = b"\x3f" + b"x" * 63
        self.assertEqual(len(parse(message(label * 3 + b"\x3d" + b"x" * 61 + b"\0")).records), 1)
        for name in (label * 4 + b"\0", b"\x40" + b"x" * 64 + b"\0", b"\x80\0", b"\x01a" * 41 + b"\0"):
            self.assertRaises(RemoteError, parse, message(name))

    def test_lengths(self) -> None:
        """A record whose length does not fit what it holds is refused: alone it is no message."""
        for kind, content in (
            (A, b"\x0a\0\0"),
            (A, bytes(16)),
            (AAAA, bytes(4)),
            (PTR, b""),
            (PTR, b"\x02a\0"),
            (SRV, bytes(6)),
            (SRV, b"\0\0"),
        ):
            data = holding(record(kind, content))
            self.assertRaises(RemoteError, parse, data)
            self.assertRaises(RemoteError, parse, data + bytes(20))

    def test_one_bad_record(self) -> None:
        """A record that cannot be read costs itself: first, in the middle or last, all others are read."""
        good = (record(A, b"\x0a\0\0\5"), record(SRV, b"\0\0\0\0\x02\x2a\x01h\0"), record(TXT, b"\3a=b"))
        expected = (
            Record((b"a",), A, 1, "10.0.0.5"),
            Record((b"a",), SRV, 1, Location(554, (b"h",))),
            Record((b"a",), TXT, 1, (b"a=b",)),
        )
        for bad in (
            record(A, bytes(16)),
            record(A, b""),
            record(AAAA, bytes(4)),
            record(PTR, b""),
            record(PTR, b"\x09a\0"),
            record(PTR, b"\xc0\x00"),
            record(PTR, b"\xff\xff"),
            record(PTR, b"\x80a\0"),
            record(SRV, bytes(6)),
            record(SRV, b"\0\0"),
            record(A, b"\x0a\0\0\6", name=b"\xff\xff"),
            record(A, b"\x0a\0\0\6", name=b"\x01a" * 41 + b"\0"),
            record(A, b"\x0a\0\0\6", name=(b"\x3f" + b"x" * 63) * 4 + b"\0"),
            record(47, b"\xff\xff\0"),
        ):
            for at in range(4):
                self.assertEqual(parse(holding(*good[:at], bad, *good[at:])).records, expected, (bad, at))

    def test_odd_contents(self) -> None:
        """What stands behind a name, and the length of a string, say less than what is there."""
        after = record(A, b"\x0a\0\0\5")
        for bad, data in (
            (record(SRV, b"\0\0\0\0\x02\x2a\x01h\0rubbish"), Location(554, (b"h",))),
            (record(PTR, b"\x01h\0\0\0"), (b"h",)),
            (record(TXT, b"\3a=b\xffmac=x"), (b"a=b", b"mac=x")),
            (record(TXT, b"\x09mac=x"), (b"mac=x",)),
        ):
            first, second = parse(holding(bad, after)).records
            self.assertEqual((first.data, second.data), (data, "10.0.0.5"))

    def test_last_record_cut(self) -> None:
        """The last record of a datagram that ends too early is taken where it is whole in spite of its length."""
        before = record(A, b"\x0a\0\0\5")
        for kind, content, taken in (
            (A, b"\x0a\0\0\6", True),
            (A, b"\x0a\0\0", False),
            (SRV, b"\0\0\0\0\x02\x2a\x01h\0", True),
            (SRV, b"\0\0\0\0\x02\x2a\x01h", False),
            (PTR, b"\x02h", False),
            (TXT, b"\3a=b", True),
            (TXT, b"", False),
            (TXT, b"\3a=b\5c", False),
        ):
            data = holding(before, record(kind, content, length=99))
            self.assertEqual(len(parse(data).records), 1 + taken, (kind, content))

    def test_counts(self) -> None:
        """A header that counts more than there is costs nothing; none of what it counts is no message."""
        self.assertEqual(parse(COMPRESSED[:6] + b"\xff\xff\0\1\xff\xff" + COMPRESSED[12:]).records, RECORDS)
        self.assertEqual(parse(holding(record(A, b"\x0a\0\0\5"), count=2)).records[0].data, "10.0.0.5")
        self.assertRaises(RemoteError, parse, holding(count=1))
        # A question is counted that is not there: the first record would be read as one, and all else be nonsense.
        self.assertEqual(parse(COMPRESSED[:5] + b"\1" + COMPRESSED[6:]).records, RECORDS)

    def test_bad_question(self) -> None:
        """A question that cannot be read costs itself."""
        data = struct.pack("!6H", 7, 0, 2, 0, 0, 0) + b"\xc0\xff\0\x0c\0\1" + ASKED[12:]
        self.assertEqual(parse(data).questions, (Question(RTSP, PTR, unicast=True),))

    def test_bounds(self) -> None:
        """Messages that are too long are refused before anything is read; of too many records the first are read."""
        self.assertRaises(RemoteError, parse, COMPRESSED + bytes(MAX_MESSAGE))
        short = record(A, b"\x0a\0\0\5", name=b"\0")
        self.assertEqual(len(parse(holding(*[short] * (MAX_RECORDS + 9))).records), MAX_RECORDS)
        self.assertRaises(RemoteError, parse, struct.pack("!6H", 0, 0x8400, 0, 9, 9, 9) + b"\xff" * 8000)

    def test_codes(self) -> None:
        """Another opcode than a query's, or an error code, is no message of Multicast DNS."""
        for flags in (0x8800, 0x8403):
            self.assertRaises(RemoteError, parse, COMPRESSED[:2] + struct.pack("!H", flags) + COMPRESSED[4:])

    @settings(deadline=None)
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """Whatever bytes are changed, it is a message whose services can be judged, or RemoteError."""
        original = bytearray(data.draw(st.sampled_from([COMPRESSED, response(RECORDS)])))
        for _ in range(data.draw(st.integers(1, 8))):
            original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
        self._judge(bytes(original))

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_rubbish(self, data: bytes) -> None:
        """Any bytes after a header of a response are a message or RemoteError."""
        self._judge(b"\0\0\x84\0\0\0\0\3\0\0\0\0" + data)

    def _judge(self, data: bytes) -> None:
        try:
            read = parse(data)
        except RemoteError:
            return
        for service in services(read.records):
            self.assertIn(is_camera(service), (True, False))
            self.assertTrue(service.title.isprintable() or not service.title)
            self.assertIsInstance(service.mac, (Mac, type(None)))


class WritingTests(SynchronousTestCase):
    """Values to bytes."""

    def test_query(self) -> None:
        """A query stands on the wire as RFC 1035 has it, with the bit that wants unicast."""
        self.assertEqual(query([Question(RTSP, PTR, unicast=True)], message_id=7), ASKED)

    def test_response(self) -> None:
        """What is written is read again, dots in labels, several questions and all."""
        asked = [Question(PORCH, SRV), Question(PORCH, TXT, unicast=True)]
        data = response(RECORDS, message_id=0xFFFF, questions=asked)
        self.assertEqual(parse(data), DnsMessage(0xFFFF, True, tuple(asked), RECORDS))
        self.assertEqual(parse(query(asked)), DnsMessage(0, False, tuple(asked), ()))

    def test_impossible(self) -> None:
        """Names and messages that do not fit are our fault."""
        for name in ((b"x" * 64,), (b"",), (b"x" * 60,) * 5):
            self.assertRaises(LocalError, query, [Question(name, PTR)])
        self.assertRaises(LocalError, response, [RECORDS[0]] * 500)


def announced(instance: Name, port: int = 80, **entries: str) -> tuple[Record, ...]:
    """PTR, SRV and TXT of one service."""
    strings = tuple(f"{key}={value}".encode() for key, value in entries.items())
    return (
        Record(instance[-3:], PTR, 120, instance),
        Record(instance, SRV, 120, Location(port, HOST)),
        Record(instance, TXT, 120, strings),
    )


class ServiceTests(SynchronousTestCase):
    """Records to services."""

    def test_whole(self) -> None:
        """One service is put together from all that a message says; the first of several TXT entries counts."""
        (service,) = services(RECORDS)
        self.assertEqual(
            service,
            Service(PORCH, False, 554, HOST, (("a", "ü"), ("b", "")), ("10.0.0.5", "fe80::5")),
        )
        self.assertEqual((service.kind, service.title), ("_rtsp._tcp", "Porch No. 1"))

    def test_parts(self) -> None:
        """What a message does not say is None, and each of PTR, SRV and TXT makes a service known."""
        self.assertEqual(services(RECORDS[:1]), (Service(PORCH),))
        self.assertEqual(services(RECORDS[1:2]), (Service(PORCH, port=554, host=HOST),))
        self.assertEqual(services(RECORDS[2:3]), (Service(PORCH, entries=(("a", "ü"), ("b", ""))),))
        self.assertEqual(services(RECORDS[3:]), ())

    def test_goodbye(self) -> None:
        """A pointer that lives no longer is a goodbye."""
        (service,) = services([Record(RTSP, PTR, 0, PORCH)])
        self.assertTrue(service.leaving)

    def test_case(self) -> None:
        """Names that differ in case only are one."""
        upper = (b"PORCH No. 1", b"_RTSP", b"_TCP", b"LOCAL")
        found = services(
            [RECORDS[0], Record(upper, SRV, 120, Location(8554, HOST)), Record((b"CAM-1", b"local"), A, 1, "10.0.0.5")]
        )
        self.assertEqual([(one.port, one.addresses) for one in found], [(8554, ("10.0.0.5",))])

    def test_no_services(self) -> None:
        """Lists of kinds, subtypes, reverse names and pointers that lead elsewhere are no services."""
        for name, target in (
            ((b"_services", b"_dns-sd", b"_udp", b"local"), RTSP),
            ((b"_x", b"_sub", b"_http", b"_tcp", b"local"), PORCH),
            ((b"5", b"0", b"0", b"10", b"in-addr", b"arpa"), HOST),
            (RTSP, (b"Porch", b"_http", b"_tcp", b"local")),
            (RTSP, (b"Porch", b"_rtsp", b"_tcp", b"example")),
        ):
            self.assertEqual(services([Record(name, PTR, 120, target)]), ())

    def test_dots(self) -> None:
        """An instance with dots that its responder took apart is still found, under the same title."""
        (service,) = services(announced((b"Porch No", b" 1", *RTSP)))
        self.assertEqual((service.kind, service.title), ("_rtsp._tcp", "Porch No. 1"))

    def test_several_labels_in_one(self) -> None:
        """A responder that writes a name in fewer labels than it has, with dots, is understood like any other."""
        for instance, kind in (
            ((b"Porch No. 1._rtsp._tcp.local",), (b"_rtsp._tcp.local",)),
            ((b"Porch No. 1", b"_rtsp._tcp.local."), (b"_rtsp", b"_tcp.local.")),
            ((b"Porch No. 1", b"_RTSP._tcp", b"local"), (b"_rtsp._TCP", b"LOCAL")),
            (PORCH, (b"_rtsp._tcp.local",)),
        ):
            records = (Record(kind, PTR, 120, instance), *announced(instance, 8554, a="b")[1:])
            (service,) = services(records)
            self.assertEqual((service.kind, service.title, service.port), ("_rtsp._tcp", "Porch No. 1", 8554))
            self.assertEqual(service.entries, (("a", "b"),))
        for name in ((b"a.b", b"local"), (b"x.local",), (b".",), (b"_rtsp._sctp.local",), (b"1.0.10.in-addr.arpa",)):
            self.assertEqual(services([Record(name, PTR, 120, name), Record(name, SRV, 1, Location(1, HOST))]), ())

    def test_cameras(self) -> None:
        """All kinds that cameras have count; of HomeKit the categories of camera and doorbell only."""
        for kind, entries, expected in (
            *((kind, {}, True) for kind in CAMERA_KINDS[:-1]),
            ("_hap._tcp", {"ci": "17"}, True),
            ("_hap._tcp", {"CI": "18"}, True),
            ("_hap._tcp", {"ci": "2"}, False),
            ("_hap._tcp", {"ci": ""}, False),
            ("_hap._tcp", {}, False),
            ("_matterc._udp", {"DT": "322"}, True),
            ("_matterc._udp", {"DT": "257"}, False),
            ("_matterc._udp", {}, False),
            ("_http._tcp", {"ci": "17"}, False),
            ("_rtsp._udp", {}, False),
        ):
            (service,) = services(announced((b"x", *kind_name(kind)), **entries))
            self.assertEqual(is_camera(service), expected, (kind, entries))

    def test_mac(self) -> None:
        """A MAC is read from its entries in any notation; what is none is none."""
        for entries, expected in (
            ({"macaddress": "ACCC8E123456"}, "ac:cc:8e:12:34:56"),
            ({"mac": "ac-cc-8e-12-34-56"}, "ac:cc:8e:12:34:56"),
            ({"macaddress": "?", "mac": "AC:CC:8E:12:34:56"}, "ac:cc:8e:12:34:56"),
            ({"macaddress": "000000000000"}, ""),
            ({"mac": "AV5115DN-0A1B2C"}, ""),  # Arecont's own notation
            ({"mac": "AV0A1B2C3D4E"}, ""),
            ({"macaddress": ""}, ""),
            ({}, ""),
        ):
            (service,) = services(announced(PORCH, **entries))
            self.assertEqual(str(service.mac or ""), expected, entries)

    def test_mac_in_names(self) -> None:
        """Without one in its TXT record, a MAC is read from the name of the host or the service; no date, no UUID."""
        for host, title, expected in (
            (b"axis-accc8e123456", b"x", "ac:cc:8e:12:34:56"),
            (b"AXIS-ACCC8E123456", b"x", "ac:cc:8e:12:34:56"),
            (b"cam", b"AXIS M1065-L - ACCC8E123456", "ac:cc:8e:12:34:56"),
            (b"cam-1", b"Porch [02-00-00-00-00-0a]", "02:00:00:00:00:0a"),
            (b"cam-1", b"02:00:00:00:00:0a", "02:00:00:00:00:0a"),
            (b"axis-accc8e123456", b"AXIS - ACCC8E999999", "ac:cc:8e:12:34:56"),
            (b"cam-202311280915", b"x", ""),
            (b"cam-accc8e1234567", b"x", ""),
            (b"xaccc8e123456", b"x", ""),
            (b"axis-ffffffffffff", b"x", ""),
            (b"2a0f9a4e-1111-4222-8333-02aabbccdd0e", b"x", ""),
            (b"cam", b"02-00:00-00:00-0a", ""),
            (b"\xff\0" * 20, b"\xff" * 60, ""),
        ):
            found = Service((title, *RTSP), host=(host, b"local"))
            self.assertEqual(str(found.mac or ""), expected, (host, title))
            (said,) = services(announced(PORCH, mac="02-00-00-00-00-01"))
            self.assertEqual(str(replace(said, host=(host,)).mac), "02:00:00:00:00:01")

    def test_hostile_texts(self) -> None:
        """What is shown is one line of printable text, whatever bytes a name or an entry has."""
        instance = (b"a\x00\xff\n\x1b[31mb", *RTSP)
        (service,) = services([Record(instance, TXT, 1, (b"k\x07=v\r\nw",))])
        self.assertEqual((service.title, service.entries), ("a� [31mb", (("k", "v w"),)))
        self.assertEqual(text_of((b"A", b"b")), "A.b")
