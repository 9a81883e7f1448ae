"""Tests for Dahua's discovery protocol before DHIP."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.dahua_old import DahuaOldDevice
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.wire.vendors.dahua_old import DahuaOld
from twisted_detector.wire.vendors.protocol import Answer, Query

MAC = Mac("90:02:a9:01:02:03")
LINES = b"Name:Yard\r\nDevice:IPC-HFW2100\r\nIPv6Addr:2001:db8::8/64;gateway:2001:db8::1\r\nSerialNo:PZC3CW123456\r\n"
GOLDEN = (
    b"\xb3\x00\x11\x00" + bytes(16)  # 17 octets of MAC
    + bytes((len(LINES), 0)) + bytes(18)
    + b"IPC-HFW2100\0\0\0\xab\xcd"  # 0x28
    + b"\x0a\0\0\x6c\xff\xff\xff\0\x0a\0\0\x01"  # 0x38: 10.0.0.108, mask, gateway
    + bytes(0x78 - 0x44)
    + b"90:02:a9:01:02:03"
    + LINES
)  # fmt: skip
ANSWER = Answer(
    Announced("Dahua", "IPC-HFW2100", "Yard", "PZC3CW123456"),
    mac=MAC,
    address="10.0.0.108",
)


class DahuaOldCase(golden.Golden):
    """One golden datagram."""

    protocol, golden, answer, device = DahuaOld(), GOLDEN, ANSWER, DahuaOldDevice()
    facts = DeviceFacts("10.0.0.9", MAC, model="DH-IPC-HFW4300S-V2", serial_number="YZC4AB", name="Gate")
    heard = Answer(Announced("Dahua", "DH-IPC-HFW4300S-V2", "Gate", "YZC4AB"), mac=MAC, address="10.0.0.9")

    def test_query(self) -> None:
        """32 octets by broadcast."""
        search = bytes.fromhex("a3010001 00000000 00000000 00000000 02000000 00000000 00000000 00000000")
        self.assertEqual(self.protocol.queries(golden.random, golden.OWN_ADDRESS), (Query(search, 5050),))

    def test_wrong_lengths(self) -> None:
        """With a MAC in its place what is whole is read, with no half of a serial number; without one nothing is."""
        for at, value in ((2, 0), (2, 0xFF), (0x14, 0xFF), (0x15, 0xFF)):
            data = bytearray(GOLDEN)
            data[at] = value
            self.assertEqual(self.protocol.parse(bytes(data)), ANSWER, at)
        short = bytearray(GOLDEN)
        short[0x14] = len(LINES) - 4
        found = self.protocol.parse(bytes(short))
        self.assertEqual(found, replace(ANSWER, announced=replace(ANSWER.announced, serial_number="")))
        self.assertRaises(Malformed, self.protocol.parse, GOLDEN.replace(b"90:02", b"90!02") + b"more")

    def test_models(self) -> None:
        """Behind the MAC when it is long, else in its field of sixteen octets, else in its line."""
        second = b"90:02:a9:01:02:03DH-IPC-HFW4300S-V2"
        data = bytearray(GOLDEN.replace(b"90:02:a9:01:02:03", second))
        data[2] = len(second)
        for one in (bytes(data), bytes(data) + bytes(40)):
            found = self.protocol.parse(one)
            self.assertEqual(found, replace(ANSWER, announced=replace(ANSWER.announced, model="DH-IPC-HFW4300S-V2")))
        for field, model in ((b"0123456789ABCDEF", "0123456789ABCDEF"), (bytes(16), "IPC-HFW2100")):
            found = self.protocol.parse(GOLDEN[:0x28] + field + GOLDEN[0x38:])
            self.assertEqual(found and found.announced.model, model)

    def test_no_mac(self) -> None:
        """What adds up is believed without one."""
        found = self.protocol.parse(GOLDEN.replace(b"90:02:a9:01:02:03", b"00:00:00:00:00:00"))
        self.assertEqual(found, replace(ANSWER, mac=None))
