"""Tests of ``wire.wsdiscovery`` with ``wire.scopes`` and ``wire.xaddrs``: tables of our own, truncation, mutations."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model import Interface, Mac
from twisted_detector.testing.simulator.wire.wsdiscovery import bye, hello, probe_match, resolve_match
from twisted_detector.wire.lan.wsdiscovery import (
    DEVICE,
    MAX_MATCHES,
    MAX_XADDRS,
    NETWORK_VIDEO_TRANSMITTER,
    VERSION_2005,
    VERSION_2009,
    Announcement,
    Dialect,
    Match,
    is_camera,
    normalize_reference,
    parse,
    probe,
    resolve,
)
from twisted_detector.wire.onvif.scopes import read_scopes
from twisted_detector.wire.onvif.xaddrs import choose_xaddrs
from twisted_detector.wire.soap.xml import find, parse_xml

CAMERA = Match(
    "urn:uuid:0000000a-1111-2222-3333-0200000000a1",
    (NETWORK_VIDEO_TRANSMITTER, DEVICE),
    ("onvif://www.onvif.org/name/Porch%20%26%20door", "onvif://www.onvif.org/hardware/X1"),
    ("http://10.0.0.5/onvif/device_service", "http://[fe80::5]/onvif/device_service?a=1&b=2"),
    3,
)

#: A device as they are: its own prefixes, lists over several lines, two matches, a type without declared prefix.
WILD = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<E:Envelope xmlns:E="http://www.w3.org/2003/05/soap-envelope" '
    b'xmlns:z="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:q="http://www.onvif.org/ver10/network/wsdl">'
    b"<E:Header><RelatesTo>uuid:1</RelatesTo></E:Header><E:Body><z:ProbeMatches>"
    b"<z:ProbeMatch><EndpointReference><Address> uuid:A </Address></EndpointReference>"
    b"<z:Types>\n q:NetworkVideoTransmitter\n tds:Device </z:Types><z:Scopes>a\n\t b</z:Scopes>"
    b"<z:XAddrs>http://10.0.0.1/onvif/x\n http://10.0.0.2/y</z:XAddrs><z:MetadataVersion>x</z:MetadataVersion>"
    b"</z:ProbeMatch><z:ProbeMatch/></z:ProbeMatches></E:Body></E:Envelope>\0"
)


class ReadingTests(SynchronousTestCase):
    """Datagrams become announcements."""

    def test_wild(self) -> None:
        """Prefixes of the device's own, lists over lines, missing fields and a trailing NUL are read."""
        first = Match(
            "uuid:A",
            (NETWORK_VIDEO_TRANSMITTER, "tds:Device"),
            ("a", "b"),
            ("http://10.0.0.1/onvif/x", "http://10.0.0.2/y"),
        )
        expected = Announcement("probe_matches", (first, Match("")), "", "uuid:1")
        self.assertEqual(parse(WILD), expected)
        self.assertEqual(first.local_types, ("NetworkVideoTransmitter", "Device"))

    def test_own_answers(self) -> None:
        """What the server side writes is read back unchanged, in both editions."""
        for version in (VERSION_2005, VERSION_2009):
            data = probe_match([CAMERA, CAMERA], message_id="urn:uuid:m", relates_to="urn:uuid:r", version=version)
            expected = Announcement("probe_matches", (CAMERA, CAMERA), "urn:uuid:m", "urn:uuid:r", version)
            self.assertEqual(parse(data), expected)
            data = resolve_match(CAMERA, message_id="m", relates_to="r", version=version)
            self.assertEqual(parse(data), Announcement("resolve_matches", (CAMERA,), "m", "r", version))
            data = hello(CAMERA, message_id="m", version=version)
            self.assertEqual(parse(data), Announcement("hello", (CAMERA,), "m", "", version))
            data = bye("urn:uuid:e", message_id="m", version=version)
            self.assertEqual(parse(data), Announcement("bye", (Match("urn:uuid:e"),), "m", "", version))

    def test_markup_is_escaped(self) -> None:
        """Texts with markup are carried, not obeyed."""
        match = Match('<&">', (), ("a<b", "c&amp;d"), ("http://h/?a=1&b=2",))
        (read,) = parse(hello(match, message_id="]]>")).matches
        self.assertEqual(read, match)

    def test_foreign_types(self) -> None:
        """A type of a namespace that we do not know keeps its namespace."""
        match = Match("e", ("{http://schemas.xmlsoap.org/ws/2006/02/devprof}Device", "{urn:x}Thing", "bare"))
        self.assertEqual(parse(hello(match, message_id="m")).matches, (match,))

    def test_questions(self) -> None:
        """A Probe and a Resolve are read with what they ask for."""
        asked = parse(probe("urn:uuid:m", Dialect.DEVICE))
        self.assertEqual(
            (asked.kind, asked.types, asked.matches, asked.message_id), ("probe", (DEVICE,), (), "urn:uuid:m")
        )
        self.assertEqual(parse(probe("m", Dialect.ANY)).types, ())
        asked = parse(resolve("m", "urn:uuid:E"))
        self.assertEqual((asked.kind, asked.endpoint_reference), ("resolve", "urn:uuid:E"))

    def test_other(self) -> None:
        """A fault and an empty body are nobody's business, and no error."""
        envelope = b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>%s</s:Body></s:Envelope>'
        for body in (b"", b"<s:Fault/>", b"text"):
            self.assertEqual(parse(envelope % body).kind, "other")

    def test_refused(self) -> None:
        """What is no SOAP envelope, holds a document type, or cannot have come in a datagram is a RemoteError."""
        for data in (
            b"",
            b"\xff\xfe",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"<Probe/>",
            b"<Envelope/>",
            b'<!DOCTYPE a [<!ENTITY b "c">]><Envelope><Body>&b;</Body></Envelope>',
            b"<Envelope><Body>" + b" " * 65_536 + b"</Body></Envelope>",
        ):
            self.assertRaises(RemoteError, parse, data)

    def test_bounds(self) -> None:
        """Matches, service addresses and the length of each text are bounded; the rest of the datagram still counts."""
        many = Match("e", (), ("s" * 600, "ok"), tuple(f"http://10.0.0.1/{n}" for n in range(MAX_XADDRS + 9)))
        data = probe_match([many] + [Match("f")] * (MAX_MATCHES + 5), message_id="m", relates_to="r")
        announcement = parse(data)
        self.assertEqual(len(announcement.matches), MAX_MATCHES)
        self.assertEqual(announcement.matches[0].scopes, ("ok",))
        self.assertEqual(len(announcement.matches[0].xaddrs), MAX_XADDRS)

    def test_truncation(self) -> None:
        """A datagram cut before its end is refused (but for its very last bracket, which says nothing)."""
        data = probe_match([CAMERA], message_id="m", relates_to="r")
        for cut in range(len(data) - 1):
            self.assertRaises(RemoteError, parse, data[:cut])

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """Whatever bytes are changed, it is an announcement that can be judged, or RemoteError."""
        original = bytearray(data.draw(st.sampled_from([WILD, probe_match([CAMERA], message_id="m", relates_to="r")])))
        for _ in range(data.draw(st.integers(1, 8))):
            original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
        try:
            announcement = parse(bytes(original))
        except RemoteError:
            return
        for match in announcement.matches:
            is_camera(match)
            read_scopes(match.scopes)
            choose_xaddrs(match.xaddrs, "10.0.0.5", LAN)


class AskingTests(SynchronousTestCase):
    """Probes as devices want them."""

    def test_one_line(self) -> None:
        """Every probe is well-formed XML on one line, and carries its own message id."""
        for dialect in Dialect:
            data = probe("urn:uuid:42", dialect)
            self.assertNotIn(b"\n", data)
            header = find(parse_xml(data), "Header")
            version = dialect.value[1]
            assert header is not None
            self.assertEqual(
                {child.tag: child.text for child in header},
                {
                    f"{{{version.addressing}}}Action": f"{version.discovery}/Probe",
                    f"{{{version.addressing}}}MessageID": "urn:uuid:42",
                    f"{{{version.addressing}}}To": version.to,
                },
            )

    def test_types(self) -> None:
        """The prefixes of a type are declared on the Types element itself."""
        data = probe("m", Dialect.TRANSMITTER)
        self.assertIn(
            b'<d:Types xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
            b'xmlns:dn="http://www.onvif.org/ver10/network/wsdl">dn:NetworkVideoTransmitter</d:Types><d:Scopes/>',
            data,
        )
        self.assertNotIn(b"Types", probe("m", Dialect.ANY))
        self.assertIn(b"http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01", probe("m", Dialect.OASIS))


class JudgingTests(SynchronousTestCase):
    """Who is a camera, and who it is."""

    def test_is_camera(self) -> None:
        """Type, scope or service path of ONVIF make a camera; Windows, printers and empty answers are none."""
        windows = "{http://schemas.xmlsoap.org/ws/2006/02/devprof}Device"
        for match, expected in (
            (Match("e", (NETWORK_VIDEO_TRANSMITTER,)), True),
            (Match("e", ("{urn:wrong}NetworkVideoTransmitter",)), True),
            (Match("e", ("foo:NetworkVideoTransmitter",)), True),
            (Match("e", (DEVICE,)), True),
            (Match("e", ("tds:Device",)), True),
            (Match("e", ("wsdp:Device", "pub:Computer")), False),
            (Match("e", (windows,)), False),
            (Match("e", (windows,), ("ONVIF://www.onvif.org/Profile/S",)), True),
            (Match("e", (), ("ldap:///ou=engineering",), ("http://10.0.0.9:5357/abc",)), False),
            (Match("e", (), (), ("http://10.0.0.9:8899/onvif/device_service",)), True),
            (Match(""), False),
        ):
            self.assertEqual(is_camera(match), expected, match)

    def test_reference(self) -> None:
        """Spellings of one EndpointReference become equal."""
        for text in ("urn:uuid:AB-1", "uuid:ab-1", "URN:UUID:ab-1", " ab-1 ", "urn:uuid:{ab-1}"):
            self.assertEqual(normalize_reference(text), "ab-1")
        self.assertEqual(normalize_reference("urn:isbn:1"), "urn:isbn:1")

    def test_scopes(self) -> None:
        """Names are percent-decoded, printable and bounded; the first of several wins; others' scopes do not count."""
        base = "onvif://www.onvif.org/"
        facts = read_scopes(
            (
                base + "name/Fl%C3%BCr%0a%00%201",
                base + "name/second",
                "ONVIF://www.onvif.org/Hardware/A/B",
                base + "mac",
                base + "MAC/zz",
                base + "MacAddress/02-00-00-00-00-0A",
                base + "SerialNumber/S%2F1",
                base + "mfr/Acme",
                base + "location/",
                "dvtel://www.dvtel.com/name/other",
                base + "acc",
            )
        )
        self.assertEqual((facts.name, facts.hardware, facts.serial_number), ("Flür 1", "A/B", "S/1"))
        self.assertEqual((facts.manufacturer, facts.location, facts.mac), ("Acme", "", Mac("02:00:00:00:00:0a")))
        self.assertEqual(read_scopes((base + "name/" + "x" * 600,)).name, "")


LAN = (
    Interface("eth0", 2, "10.0.0.9", 24),
    Interface("eth0", 2, "fe80::9", 64),
    Interface("eth0", 2, "2001:db8::9", 64),
)


class XaddrTests(SynchronousTestCase):
    """Which service address is asked, and in which order."""

    def choose(self, *xaddrs: str, sender: str = "10.0.0.5") -> tuple[str, ...]:
        return choose_xaddrs(xaddrs, sender, LAN)

    def test_order(self) -> None:
        """Sender, same network, private, public, IPv6, link-local IPv6, 169.254, and then the rewritten ones."""
        ranked = (
            "http://10.0.0.5:8000/a",
            "http://10.0.0.77/b",
            "http://192.168.7.7/c",
            "http://1.2.3.7/d",
            "http://[2001:db8:7::7]/e",
            "http://[fe80::7%25eth0]/f",
            "http://169.254.7.7/g",
            "http://10.0.0.5/b",
        )
        announced = ("http://169.254.7.7/g", "http://[fe80::7]/f", *reversed(ranked[:5]))
        chosen = self.choose(*announced)
        self.assertEqual(chosen[:7], ranked[:7])
        self.assertEqual(len(chosen), 8)

    def test_same_ipv6_network(self) -> None:
        """A global IPv6 address of the receiving interface's network counts as the same network."""
        self.assertEqual(
            self.choose("http://192.168.7.7/c", "http://[2001:db8::7]/e")[:2],
            ("http://[2001:db8::7]/e", "http://192.168.7.7/c"),
        )

    def test_unreachable_is_rewritten(self) -> None:
        """Addresses that lead nowhere are dropped, and their port and path kept with the sender's address."""
        for host in (
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "239.1.1.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[ff02::1]",
            "cam",
        ):
            self.assertEqual(self.choose(f"http://{host}:8080/onvif"), ("http://10.0.0.5:8080/onvif",), host)
        self.assertEqual(self.choose("http://[]/onvif"), ("http://10.0.0.5/onvif",))

    def test_ipv6_only(self) -> None:
        """A camera that is heard by link-local IPv6 is asked there, with the scope that its bytes came with."""
        chosen = self.choose("http://[fe80::5]/onvif", "http://192.168.1.2/onvif", sender="fe80::5%eth0")
        self.assertEqual(chosen[0], "http://[fe80::5%25eth0]/onvif")
        chosen = self.choose("http://[fe80::5%25wlan7]/onvif", sender="fe80::5%eth0")
        self.assertEqual(chosen, ("http://[fe80::5%25eth0]/onvif",))

    def test_link_local_without_scope(self) -> None:
        """A link-local IPv6 address is useless when the interface is not known: only the rewritten address is left."""
        self.assertEqual(choose_xaddrs(["http://[fe80::7]/f"], "10.0.0.5", ()), ("http://10.0.0.5/f",))

    def test_broken_urls(self) -> None:
        """Two ports, users, missing paths, mapped and bare IPv6 addresses are understood; the rest is dropped."""
        for given_, expected in (
            ("http://10.0.0.5:8106:8106/onvif", ("http://10.0.0.5:8106/onvif",)),
            ("http://admin:x@10.0.0.5/onvif", ("http://10.0.0.5/onvif",)),
            ("HTTP://10.0.0.5", ("http://10.0.0.5/",)),
            ("10.0.0.5:8106/onvif", ("http://10.0.0.5:8106/onvif",)),
            ("[fd00::5]/onvif", ("http://[fd00::5]/onvif", "http://10.0.0.5/onvif")),
            ("camera/onvif", ()),
            ("https://10.0.0.5:443/o", ("https://10.0.0.5:443/o",)),
            ("http://[::ffff:10.0.0.5]/o", ("http://10.0.0.5/o",)),
            ("http://2001:db8::7/o", ("http://[2001:db8::7]/o", "http://10.0.0.5/o")),
            ("http://10.0.0.5:0/o", ()),
            ("http://10.0.0.5:99999/o", ()),
            ("soap.udp://10.0.0.5:3702", ()),
            ("http://", ()),
            ("http:///onvif", ()),
            ("http://10.0.0.5/\x01", ()),
            ("", ()),
        ):
            self.assertEqual(self.choose(given_), expected, given_)

    def test_bound(self) -> None:
        """However many are announced, a handful is chosen, the sender's own first."""
        chosen = self.choose(*(f"http://192.168.1.{n}/x{n}" for n in range(1, 30)), "http://10.0.0.5/own")
        self.assertEqual(len(chosen), 8)
        self.assertEqual(chosen[0], "http://10.0.0.5/own")
