"""Tests of ``wire.wsdiscovery`` with ``wire.scopes`` and ``wire.xaddrs``: tables of our own, truncation, mutations."""

from __future__ import annotations

import re
from dataclasses import replace

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
from twisted_detector.wire.onvif.scopes import read_scopes, split_scopes
from twisted_detector.wire.onvif.xaddrs import choose_xaddrs, split_xaddrs
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

    def test_prefixes(self) -> None:
        """Prefixes are declared on the Envelope: readers that look for tags as text find them. Types has its own."""
        for dialect in Dialect:
            data = probe("urn:uuid:m", dialect)
            before, envelope, header = data.partition(b"><s:Header><a:Action>")
            self.assertTrue(envelope, data)
            self.assertIn(b' xmlns:d="', before)
            self.assertIn(b' xmlns:a="', before)
            self.assertIn(b"<a:MessageID>urn:uuid:m</a:MessageID><a:To>", header)
            self.assertIn(b"<d:Probe>", header)
            self.assertEqual(bool(dialect.value[0]), b"<d:Types xmlns:d=" in header)

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
        """Of a datagram that is cut off, the devices are read that are described whole; without any it is refused."""
        other = Match("urn:uuid:other", (DEVICE,), ("onvif://www.onvif.org/name/b",), ("http://10.0.0.6/onvif/x",))
        data = probe_match([CAMERA, other], message_id="m", relates_to="r")
        ends = [found.end() for found in re.finditer(b"</d:ProbeMatch>", data)]
        self.assertEqual(len(ends), 2)
        for cut in range(len(data)):
            whole = sum(end <= cut for end in ends)
            if whole:
                expected = Announcement("probe_matches", (CAMERA, other)[:whole], "m", "r")
                self.assertEqual(parse(data[:cut]), expected, cut)
            else:
                self.assertRaises(RemoteError, parse, data[:cut])
        data = hello(CAMERA, message_id="m")
        self.assertEqual(parse(data[: data.index(b"</s:Body>")]), parse(data))

    def test_cut_in_the_wild(self) -> None:
        """Prefixes, open elements of other kinds and one that never ends are closed too; nothing is invented."""
        end = WILD.index(b"<z:ProbeMatch/>")
        self.assertEqual(parse(WILD[:end]).matches, parse(WILD).matches[:1])
        unclosed = WILD[:end].replace(b"x</z:MetadataVersion>", b"x")
        self.assertEqual(parse(unclosed).matches, parse(WILD).matches[:1])
        self.assertEqual(parse(WILD[:end] + b"<z:ProbeMatch><z:Types>q:Netw").matches, parse(WILD).matches[:1])
        deep = WILD[:end].replace(b"<z:ProbeMatches>", b"<z:ProbeMatches>" + b"<a>" * 9_000 + b"</b>" * 5_000)
        self.assertRaises(RemoteError, parse, deep)
        self.assertRaises(RemoteError, parse, b"<!DOCTYPE a>" + WILD[:end])

    def test_broken_neighbour(self) -> None:
        """A description that is no XML costs what is broken in it at worst, and never the devices beside it."""
        other = Match("urn:uuid:other", (DEVICE,), ("onvif://www.onvif.org/name/b",), ("http://10.0.0.6/onvif/x",))
        data = probe_match([CAMERA, other], message_id="m", relates_to="r")
        for right, wrong in (
            (b"%20%26%20", b"<&>"),
            (b"Porch", b"P\xff\xc0\0\1"),
            (b"</d:Types>", b""),
            (b"</d:Scopes>", b"</x:Scopes>"),
            (b"<d:XAddrs>", b""),
            (b"</d:ProbeMatch>", b""),
            (b"<d:MetadataVersion>", b'<d:MetadataVersion">'),
            (b"hardware/X1", b"hardware/<X1>"),
        ):
            broken, whole = parse(data.replace(right, wrong, 1)).matches
            self.assertEqual((broken.endpoint_reference, whole), (CAMERA.endpoint_reference, other), wrong)
        self.assertEqual(parse(data.replace(b"a=1&amp;b=2", b"a=1&b=2", 1)), parse(data))

    def test_bare_match(self) -> None:
        """A ProbeMatch that stands in the Body itself, or in something else, is an answer like any other."""
        for answered, kind in ((b"Probe", "probe_matches"), (b"Resolve", "resolve_matches")):
            wild = WILD.replace(b"Probe", answered)
            for around in (b"", b"z:Wrong"):
                data = wild.replace(b"<z:%bMatches>" % answered, b"<%b>" % around if around else b"").replace(
                    b"</z:%bMatches>" % answered, b"</%b>" % around if around else b""
                )
                self.assertEqual(parse(data), replace(parse(WILD), kind=kind))

    def test_namespaces_on_the_envelope(self) -> None:
        """Prefixes may be declared on the Envelope, on the element itself or anywhere between; or not at all."""
        declared = b' xmlns:q="http://www.onvif.org/ver10/network/wsdl"'
        bare = WILD.replace(declared, b"")
        for element in (b"<E:Envelope", b"<E:Body", b"<z:ProbeMatches", b"<z:Types"):
            data = bare.replace(element, element + declared, 1)
            self.assertEqual(parse(data), parse(WILD), element)
        self.assertTrue(is_camera(parse(bare).matches[0]))
        no_namespaces = re.sub(rb' xmlns:.="[^"]*"', b"", WILD)
        self.assertEqual(parse(no_namespaces).matches[0].local_types, parse(WILD).matches[0].local_types)

    def test_separators(self) -> None:
        """Lists are taken apart at commas, semicolons and bars too, where the next item begins, and nowhere else."""
        for between in (", ", ",", ";", " ; ", ",,", "|", ",\n", ""):
            text = between.join(("http://10.0.0.1/onvif/x", "http://[fe80::5]:80/y", "https://10.0.0.2/z"))
            data = WILD.replace(b"http://10.0.0.1/onvif/x\n http://10.0.0.2/y", text.encode() + b"  ")
            expected = ("http://10.0.0.1/onvif/x", "http://[fe80::5]:80/y", "https://10.0.0.2/z")
            self.assertEqual(parse(data).matches[0].xaddrs, expected, between)
        for text, found in (
            ("http://10.0.0.1/a,b;c?d,e=1;2|3", ("http://10.0.0.1/a,b;c?d,e=1;2|3",)),
            ("10.0.0.1:80/a,10.0.0.2/b;[fd00::1]/c,", ("10.0.0.1:80/a", "10.0.0.2/b", "[fd00::1]/c")),
            ("http://http://10.0.0.1/a", ("http://", "http://10.0.0.1/a")),
            (",;| ,", (",;|", ",")[:0]),
        ):
            self.assertEqual(tuple(split_xaddrs(text)), found, text)
        self.assertEqual(
            split_scopes("onvif://www.onvif.org/name/Cam,1;x,onvif://www.onvif.org/a;ldap:///b c,"),
            ["onvif://www.onvif.org/name/Cam,1;x", "onvif://www.onvif.org/a", "ldap:///b", "c"],
        )
        data = WILD.replace(b"NetworkVideoTransmitter\n tds", b"NetworkVideoTransmitter, tds")
        self.assertEqual(parse(data).matches[0].types, (NETWORK_VIDEO_TRANSMITTER, "tds:Device"))

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
            (Match("e", (), (), ("10.0.0.9/ONVIF",)), True),
            (Match("e", (windows,), (), ("http://10.0.0.9/device_service",)), True),
            (Match("e", ("{urn:x}networkvideotransmitter",)), True),
            (Match("e", (windows, "{urn:w}Computer", NETWORK_VIDEO_TRANSMITTER)), True),
            (Match("e", ("{urn:w}Computer",), ("onvif://www.vendor.example/mac/1",)), True),
            (Match("e", (), (), ("http://onvif.example:5357/wsd/1",)), False),
            *(
                (Match("urn:uuid:1", (windows, f"{{urn:w}}{kind}"), scopes, (xaddr,)), False)
                for kind in ("Computer", "PrintDeviceType", "ScanDeviceType", "PrinterServiceType", "Projector")
                for scopes in ((), ("ldap:///uuid/1",), ("http://www.onvif.org/x",))
                for xaddr in ("http://10.0.0.9:5357/1", "http://nas:5000/wsd/1", "http://10.0.0.9:80/onvif/1")
            ),
            (Match("e", ("wsdp:Device", "wprt:PrintDeviceType"), (), ("http://10.0.0.9/wsd/pnpx",)), False),
            (Match("e", ("wsdiscovery:Device",), (), ("http://nas:5000/wsd/1",)), False),
            (Match("e", ("pub:Computer",)), False),
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

    def test_mac_in_scopes(self) -> None:
        """A MAC is found after the word for it, wherever vendors put it; in names and locations it is none."""
        for scope, expected in (
            ("onvif://www.onvif.org/mac/02-00-00-00-00-0A", "02:00:00:00:00:0a"),
            ("onvif://www.onvif.org/acc/mac/02-00-00-00-00-0A", "02:00:00:00:00:0a"),
            ("onvif://www.onvif.org/avigilon/mac/02:00:00:00:00:0A", "02:00:00:00:00:0a"),
            ("onvif://www.avigilon.com/mac/02000000000a", "02:00:00:00:00:0a"),
            ("onvif://www.avigilon.com/avigilon/MAC/0200.0000.000a/", "02:00:00:00:00:0a"),
            ("ONVIF://www.onvif.org/Vendor/Ethernet/MacAddress/02%3A00%3A00%3A00%3A00%3A0A/eth0", "02:00:00:00:00:0a"),
            ("onvif://www.onvif.org/name/mac/02-00-00-00-00-0A", ""),
            ("onvif://www.onvif.org/acc/location/mac/02-00-00-00-00-0A", ""),
            ("onvif://mac/02-00-00-00-00-0A", ""),
            ("onvif://www.onvif.org/vendor/mac", ""),
            ("onvif://www.onvif.org/vendor/mac/FF-FF-FF-FF-FF-FF", ""),
            ("http://www.onvif.org/mac/02-00-00-00-00-0A", ""),
            ("onvif://", ""),
            ("onvif:///", ""),
        ):
            self.assertEqual(str(read_scopes((scope,)).mac or ""), expected, scope)
        self.assertEqual(read_scopes(("onvif://www.avigilon.com/name/other",)).name, "")


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
        """Sender, same network, private, IPv6, link-local IPv6, and then the rewritten ones."""
        ranked = (
            "http://10.0.0.5:8000/a",
            "http://10.0.0.77/b",
            "http://192.168.7.7/c",
            "http://[fd00:7::7]/e",
            "http://[fe80::7%25eth0]/f",
            "http://10.0.0.5/f",
            "http://10.0.0.5/e",
            "http://10.0.0.5/c",
        )
        announced = ("http://[fe80::7]/f", *reversed(ranked[:4]))
        chosen = self.choose(*announced)
        self.assertEqual(chosen, ranked)

    def test_strangers(self) -> None:
        """Public addresses and a cloud's metadata are not asked for what is announced, unless they are on the link."""
        for host in ("1.2.3.7", "169.254.169.254", "[2001:db8:7::7]", "100.100.100.200", "[::ffff:169.254.169.254]",
                     "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]"):  # fmt: skip
            self.assertEqual(self.choose(f"http://{host}/latest"), ("http://10.0.0.5/latest",), host)
        for host, own, bits in (("169.254.7.7", "169.254.1.1", 16), ("1.2.3.7", "1.2.3.1", 24)):
            link = [Interface("eth0", 2, own, bits)]
            self.assertEqual(choose_xaddrs([f"http://{host}/a"], "10.0.0.5", link)[0], f"http://{host}/a")

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
            ("http://10.0.0.5:/o", ("http://10.0.0.5/o",)),
            ("http://10.0.0.5:0/o", ()),
            ("http://10.0.0.5:999999/o", ()),
            ("http://10.0.0.5:99999/o", ()),
            ("soap.udp://10.0.0.5:3702", ()),
            ("http://", ()),
            ("http:///onvif", ()),
            ("http://10.0.0.5/\x01", ()),
            ("", ()),
        ):
            self.assertEqual(self.choose(given_), expected, given_)

    def test_bad_one(self) -> None:
        """One that is no URL, or has a port that cannot be, costs itself and none of the others."""
        for bad in (
            "http://10.0.0.5:99999/onvif/x",
            "http://10.0.0.5:x/",
            "soap.udp://10.0.0.5:3702",
            "http://[::1",
            "?",
        ):
            for xaddrs in ((bad, "http://10.0.0.5/o"), ("http://10.0.0.5/o", bad)):
                self.assertEqual(self.choose(*xaddrs), ("http://10.0.0.5/o",), bad)

    def test_bound(self) -> None:
        """However many are announced, a handful is chosen, the sender's own first."""
        chosen = self.choose(*(f"http://192.168.1.{n}/x{n}" for n in range(1, 30)), "http://10.0.0.5/own")
        self.assertEqual(len(chosen), 8)
        self.assertEqual(chosen[0], "http://10.0.0.5/own")
