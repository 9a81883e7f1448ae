"""Tests of ``wire.vendors.bosch``: both forms of an answer, octet by octet, and what firmware makes of them."""

from __future__ import annotations

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.testing.simulator.vendors.bosch import BoschDevice
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.wire.vendors.bosch import Bosch
from twisted_detector.wire.vendors.protocol import Answer

MAC = Mac("00:07:5f:a1:b2:c3")
GUID = "00075fa1-b2c3-4d5e-8f90-0123456789ab"
BINARY = (
    b"\x99\x39\xa4\x27"  # magic
    b"\x12\x34\x56\x78"  # number of the search
    b"\x00\x07\x5f\xa1\xb2\xc3\x03\xff"
    b"\x0a\x00\x00\x05\xff\xff\xff\x00\x0a\x00\x00\x01"
    b"\x00\x03\x00\x71"
)
DOCUMENT = (
    b'<?xml version="1.0" encoding="UTF-8"?><root xmlns="OEMExt00:device-1-0"><device>'
    b"<friendlyName>FLEXIDOME IP 4000i</friendlyName><unitName>Gate &amp; yard</unitName>"
    b"<deviceGUID>{00075FA1-B2C3-4D5E-8F90-0123456789AB}</deviceGUID><serialNumber>094472014</serialNumber>"
    b"<physAddress>00-07-5F-A1-B2-C3</physAddress><unitIPAddress>10.0.0.5</unitIPAddress>"
    b"<unitSubnetMask>255.255.255.0</unitSubnetMask><unitIPv6Address>fe80::1</unitIPv6Address>"
    b"<RCPPort>1756</RCPPort></device></root>"
)
SAID = Announced("Bosch", "FLEXIDOME IP 4000i", "Gate & yard", "094472014")
FACTS = DeviceFacts("10.0.0.5", MAC, "Bosch", "FLEXIDOME IP 4000i", "094472014", name="Gate & yard", uid=GUID)


class Old(golden.Golden):
    """The answer of 32 octets."""

    protocol = Bosch()
    golden = BINARY
    answer = Answer(Announced("Bosch"), mac=MAC, address="10.0.0.5")
    device = BoschDevice()
    facts = DeviceFacts("10.0.0.5", MAC, first_generation=True)
    heard = answer

    def test_search(self) -> None:
        """The search is twelve octets, its number is random."""
        (query,) = self.protocol.queries(lambda count: b"\xab" * count, "10.0.0.9")
        self.assertEqual(query.data, b"\x99\x39\xa4\x27\xab\xab\xab\xab\xff\x00\x06\xde")
        self.assertEqual((query.port, query.to), (1757, "255.255.255.255"))

    def test_nobody(self) -> None:
        """A MAC of zeros, and one that begins as a broadcast, are none; there is nothing else in it to know it by."""
        for octets in (bytes(6), b"\xff" * 6):
            self.assertRaises(Malformed, self.protocol.parse, BINARY[:8] + octets + BINARY[14:])

    def test_without_address(self) -> None:
        """An address of zeros is none."""
        found = self.protocol.parse(BINARY[:16] + bytes(16))
        self.assertEqual(found, Answer(Announced("Bosch"), mac=MAC))


class Document(golden.Golden):
    """The answer in XML."""

    protocol = Bosch()
    golden = DOCUMENT
    answer = Answer(SAID, mac=MAC, vendor_id=GUID, address="10.0.0.5")
    device = BoschDevice()
    facts = FACTS
    heard = answer

    def test_odd_documents(self) -> None:
        """Prefixes nobody declared, another case of spaces, bare ampersands, a byte order mark, NULs behind it."""
        for document in (
            DOCUMENT.replace(b"<", b"<d:").replace(b"<d:/", b"</d:").replace(b"<d:?", b"<?"),
            b"\xef\xbb\xbf\r\n" + DOCUMENT.replace(b"><", b" >\r\n\t<"),
            DOCUMENT.replace(b"&amp;", b"&"),
            DOCUMENT.partition(b"?>")[2] + bytes(500),
        ):
            self.assertEqual(self.protocol.parse(document), self.answer, document)

    def test_identifiers_of_nobody(self) -> None:
        """A GUID of zeros is none, and so is a MAC of zeros; the rest counts."""
        document = DOCUMENT.replace(b"00075FA1-B2C3-4D5E-8F90-0123456789AB", b"00000000-0000-0000-0000-000000000000")
        found = self.protocol.parse(document.replace(b"00-07-5F-A1-B2-C3", b"00-00-00-00-00-00"))
        self.assertEqual(found, Answer(SAID, address="10.0.0.5"))

    def test_attack(self) -> None:
        """Entities, depth and length are refused as in all XML that devices send."""
        inside = DOCUMENT.partition(b"?>")[2]
        for document in (
            b'<!DOCTYPE root [<!ENTITY a "b">]>' + inside,
            b"<physAddress>" * 200 + b"</physAddress>" * 200,
            inside.replace(b"Gate", b"G" * 9_000),
        ):
            self.assertRaises(Malformed, self.protocol.parse, document)
