"""Tests of ``wire.vendors.fields``: what cannot be read is empty, and nothing is taken in part."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.wire.vendors import fields


class Fields(SynchronousTestCase):
    """Single values."""

    def test_text(self) -> None:
        """One line, printable, up to the first NUL, of a bounded length; words for nothing are nothing."""
        for value, expected in (
            ("  Front \t door\r\n ", "Front door"),
            ("DS-1\0old", "DS-1"),
            ("a\x1b[2J\u202eb\ud800", "a[2Jb"),
            ("x" * 9_999, "x" * 128),
            ("x" * 127 + " y", "x" * 127),
            (17, "17"),
            *((one, "") for one in ("N/A", "na", "NULL", "none", "(null)", "Unknown", "undefined", "-", "--", "")),
            *((one, "") for one in (True, None, 1.5, ["a"], {"a": 1}, b"a")),
        ):
            self.assertEqual(fields.text(value), expected, value)

    def test_text_at(self) -> None:
        """A field of fixed width, whole or not at all; what is no UTF-8 is left out."""
        data = b"..Model\0\xff\xfe.."
        self.assertEqual(fields.text_at(data, 2, 8), "Model")
        self.assertEqual(fields.text_at(data, 2, 5), "Model")
        self.assertEqual(fields.text_at(data, 2, 20), "")
        self.assertEqual(fields.text_at(data, 8, 4), "..")
        self.assertEqual(fields.octets_text("Tür".encode() + b"\xe4\0y"), "Tür")

    def test_mac(self) -> None:
        """In any notation; of nobody is none."""
        for value in ("00-18-AE-01-02-03", "0018ae010203", " 00:18:ae:1:2:3", "00:18:ae:01:02:03\0yy"):
            self.assertEqual(fields.mac(value), Mac("00:18:ae:01:02:03"), value)
        for other in (
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "AV0A1B2C3D4E",
            "",
            "1" * 999,
            None,
            7,
        ):
            self.assertIsNone(fields.mac(other), other)
        self.assertEqual(fields.mac_at(b"..\x00\x18\xae\x01\x02\x03..", 2), Mac("00:18:ae:01:02:03"))
        for octets in (b"\x00\x18\xae\x01\x02", b"", bytes(6), b"\xff" * 6):
            self.assertIsNone(fields.mac_at(octets, 0))

    def test_address(self) -> None:
        """IPv4, of a single device."""
        self.assertEqual(fields.address(" 10.0.0.5\0."), "10.0.0.5")
        for value in (
            "0.0.0.0",
            "255.255.255.255",
            "239.0.0.1",
            "10.0.0",
            "fe80::1",
            "10.0.0.5/24",
            "",
            "1" * 999,
            None,
            1,
        ):
            self.assertEqual(fields.address(value), "", value)
        self.assertEqual(fields.address_at(b".\x0a\0\0\x05.", 1), "10.0.0.5")
        for octets in (b"\x0a\0\0", b"", bytes(4)):
            self.assertEqual(fields.address_at(octets, 0), "")

    def test_numbers(self) -> None:
        """From 0 to the most that is meaningful, as number or text."""
        for value, expected in (
            (80, 80), ("80", 80), (" 80 ", 80), (65_535, 65_535), (0, 0), (65_536, 0), (-1, 0), ("-1", 0), ("0x50", 0),
            ("٣", 0), ("²", 0), ("", 0), (True, 0), (80.0, 0), (None, 0), ([80], 0), ("0000000080", 80),
            ("00000000080", 0), ("9" * 9_999, 0),
        ):  # fmt: skip
            self.assertEqual(fields.port(value), expected, value)
        self.assertEqual((fields.number("64", 64), fields.number(65, 64)), (64, 0))
        self.assertEqual(fields.port_at(b".\x90\x1f.", 1), 8080)
        self.assertEqual((fields.port_at(b"\x90", 0), fields.port_at(b"", 0)), (0, 0))


class Json(SynchronousTestCase):
    """Objects."""

    def test_read(self) -> None:
        """The first object, wherever it begins and whatever follows; names in lower case, the first of two alike."""
        data = b'\xff\0junk{"A":1,"a":2,"B":{"C":"\xff"}}\0\0{{{'
        found = fields.json_in(data)
        self.assertEqual(found, {"a": 1, "b": {"C": "\ufffd"}})
        self.assertEqual(fields.lower_names(found["b"]), {"c": "\ufffd"})
        for value in (None, [], "a", 1):
            self.assertEqual(fields.lower_names(value), {})

    def test_whole_buffer(self) -> None:
        """What stands behind it may be long."""
        self.assertEqual(fields.json_in(b'{"a":"b\nc"}' + bytes(60_000)), {"a": "b\nc"})

    def test_refused(self) -> None:
        """None, cut short, too deep, longer than any answer, a number without end."""
        most = fields.MAX_BRACKETS - 1
        self.assertEqual(list(fields.json_in(b'{"a":' + b"[" * most + b"]" * most + b"}")), ["a"])
        longest = fields.MAX_JSON - len('{"a":""}')
        self.assertEqual(fields.json_in(b'{"a":"%b"}' % (b"x" * longest)), {"a": "x" * longest})
        for data in (
            b"",
            b"no brace",
            b'{"a":1',
            b"{]",
            b'{"a":' + b"[" * (most + 1) + b"]" * (most + 1) + b"}",
            b'{"a":' * 300 + b"1" + b"}" * 300,
            b'{"a":"%b"}' % (b"x" * (longest + 1)),
            b'{"a":' + b"1" * 9_000 + b"}",
        ):
            self.assertRaises(Malformed, fields.json_in, data)
