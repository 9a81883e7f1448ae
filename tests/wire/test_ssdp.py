"""Tests of ``wire.ssdp``: tables of our own, truncation, mutations."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.ssdp_device import notify, response
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.lan.ssdp import (
    MAX_DATAGRAM,
    MAX_HEADERS,
    MAX_VALUE,
    Notice,
    is_axis,
    is_camera,
    parse,
    port_on,
    search,
)

AXIS_SERVICE = "urn:axis-com:service:BasicService:1"
AXIS = Notice(
    "response",
    "upnp:rootdevice",
    "uuid:Upnp-BasicDevice-1_0-ACCC8E123456::upnp:rootdevice",
    "Linux/2.6.35, UPnP/1.0, Portable SDK for UPnP devices/1.6.18",
    "http://10.0.0.5:49152/rootdesc1.xml",
)
#: LF alone, odd case, a folded word of a vendor, no empty line at the end.
WILD = (
    b"HTTP/1.1 200 OK\nst:upnp:rootdevice\nUsn : uuid:Upnp-BasicDevice-1_0-ACCC8E123456::upnp:rootdevice\n"
    b'EXT:\nOPT:"http://schemas.upnp.org/upnp/1/0/"; ns=01\nnonsense\n'
    b"Server:  Linux/2.6.35, UPnP/1.0, Portable SDK for UPnP devices/1.6.18\r\n"
    b"LOCATION: http://10.0.0.5:49152/rootdesc1.xml\nlocation: http://6.6.6.6/"
)


class ReadingTests(SynchronousTestCase):
    """Bytes to values."""

    def test_wild(self) -> None:
        """What real devices send is read as it is meant; the first of several headers counts."""
        self.assertEqual(parse(WILD), AXIS)
        self.assertEqual((AXIS.device, AXIS.mac), ("Upnp-BasicDevice-1_0-ACCC8E123456", Mac("ac:cc:8e:12:34:56")))

    def test_kinds(self) -> None:
        """Answers, notices and searches are told apart; what is neither is other."""
        for start, kind, target in (
            (b"HTTP/1.1 200 OK\r\nST: a\r\n", "response", "a"),
            (b"HTTP/1.0 200 \r\nST: a\r\n", "response", "a"),
            (b"http/1.1 200\r\nST: a\r\n", "response", "a"),
            (b"HTTP/1.1  200\tOK\r\nST: a\r\n", "response", "a"),
            (b"HTTP/2 200\r\nST: a\r\n", "response", "a"),
            (b"\r\n\0 \r\nHTTP/1.1 200 OK\r\nST: a\r\n", "response", "a"),
            (b"\xef\xbb\xbfHTTP/1.1 200 OK\rST: a\rUSN: b", "response", "a"),
            (b"HTTP/1.1 200 \xff\xff\r\nST: a\r\n", "response", "a"),
            (b'NOTIFY  *  HTTP/1.1 \r\nNTS: "ssdp:alive"\r\nNT: a\r\n', "alive", "a"),
            (b"HTTP/1.1 200 OK\r\r\nEXT:\r\r\nST: a\r\r\n", "response", "a"),
            (b"NOTIFY *\r\nNTS: ssdp:alive\r\nNT: a\r\n", "alive", "a"),
            (b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\nNT: a\r\nST: b\r\n", "alive", "a"),
            (b"NOTIFY * HTTP/1.1\r\nNTS:SSDP:ByeBye\r\nNT: a\r\n", "byebye", "a"),
            (b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:update\r\nNT: a\r\n", "alive", "a"),
            (b"NOTIFY * HTTP/1.1\r\nNTS: upnp:propchange\r\n\r\n", "other", ""),
            (b"NOTIFY * HTTP/1.1\r\n\r\nNTS: ssdp:alive", "other", ""),
            (b"HTTP/1.1 404 Not Found\r\nST: a\r\n", "other", "a"),
            (b'M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nST: a\r\n', "search", "a"),
        ):
            notice = parse(start)
            self.assertEqual((notice.kind, notice.target), (kind, target), start)

    def test_odd_lines(self) -> None:
        """A line that is odd costs itself: before, between or behind all others."""
        good = WILD.split(b"\n")
        for odd in (
            b": no name",
            b"no colon",
            b"\xff\xfe: \xff",
            b" folded: x",
            b"\tfolded",
            b"a\0b: c",
            b"X: " + b"y" * 2_000,
            b"ST usn LOCATION",
            b"=?utf-8?q?:",
            "kamera-ä: ü".encode("latin-1"),
        ):
            for at in range(1, len(good) + 1):
                self.assertEqual(parse(b"\n".join((*good[:at], odd, *good[at:]))), AXIS, (odd, at))

    def test_not_ssdp(self) -> None:
        """What does not begin like SSDP is refused."""
        for data in (
            b"",
            b"\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"NOTIFY /x HTTP/1.1\r\n",
            b"RTSP/1.0 200 OK\r\n",
            b"HTTP/1.1 2\r\n",
            b"\xff" * 50,
            b"HTTP/1.1 2000\r\n",
            b"NOTIFY\r\n",
            b" " * MAX_DATAGRAM + WILD,
        ):
            self.assertRaises(RemoteError, parse, data)

    def test_bounds(self) -> None:
        """Headers beyond the bound, and those that are too long, are passed over."""
        start = b"HTTP/1.1 200 OK\r\n"
        self.assertEqual(parse(WILD + b"\nX: y" * MAX_DATAGRAM), AXIS)
        self.assertEqual(parse(WILD[: WILD.rindex(b"LOC")] + b"x" * MAX_DATAGRAM + b"\nLOCATION: late").location, "")
        self.assertEqual(parse(start + b"a: b\r\n" * MAX_HEADERS + b"ST: late\r\n").target, "")
        self.assertEqual(parse(start + b"ST:" + b"a" * (MAX_VALUE + 1) + b"\r\nUSN: u\r\n").target, "")
        self.assertEqual(len(parse(start + b"ST:" + b"a" * MAX_VALUE).target), MAX_VALUE)

    def test_truncation(self) -> None:
        """A datagram that is cut off tells what came before, and nothing that was not there."""
        for length in range(len(WILD)):
            try:
                notice = parse(WILD[:length])
            except RemoteError:
                self.assertLess(length, len(b"HTTP/1.1 200 OK"))
                continue
            for cut, whole in (
                (notice.target, AXIS.target),
                (notice.usn, AXIS.usn),
                (notice.server, AXIS.server),
                (notice.location, AXIS.location),
            ):
                self.assertTrue(whole.startswith(cut), (cut, whole))

    @settings(deadline=None)
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """Whatever bytes are changed, it is a notice that can be judged, or RemoteError."""
        original = bytearray(WILD)
        for _ in range(data.draw(st.integers(1, 8))):
            original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
        try:
            notice = parse(bytes(original))
        except RemoteError:
            return
        self.assertIn(is_camera(notice), (True, False))
        self.assertIn(is_axis(notice), (True, False))
        self.assertIsInstance(port_on(notice, "10.0.0.5"), (int, type(None)))


class JudgingTests(SynchronousTestCase):
    """Which notices tell of cameras."""

    def test_cameras(self) -> None:
        """A camera is known by its name, its type, its program or the path of its description, in any case."""
        for fields in (
            {"usn": AXIS.usn},
            {"target": "urn:axis-com:service:BasicService:1"},
            {"target": "urn:schemas-upnp-org:device:DigitalSecurityCamera:1"},
            {"usn": "uuid:1::urn:schemas-upnp-org:device:NetworkCamera:1"},
            {"target": "urn:schemas-upnp-org:device:EmbeddedNetDevice:1"},
            {"server": "Linux/3.0 UPnP/1.0 HIKVISION/1.0"},
            {"server": "SomeOS UPnP/1.1 IPCam/2"},
            {"server": "Linux UPnP/1.0 NVR-16"},
            {"location": "http://10.0.0.5/ipcam/desc.xml"},
        ):
            self.assertTrue(is_camera(Notice("response", **fields)), fields)

    def test_others(self) -> None:
        """Media servers, routers, bulbs, HomeMatic's almost-Axis names and hosts that are only called so are none."""
        for fields in (
            {"target": "urn:schemas-upnp-org:device:MediaServer:1", "server": "Debian DLNADOC/1.50 MiniDLNA/1.3.0"},
            {"target": "urn:schemas-upnp-org:device:InternetGatewayDevice:1", "server": "Linux UPnP/1.0 miniupnpd"},
            {"usn": "uuid:upnp-BasicDevice-1_0-3014F711A0001F98A9::upnp:rootdevice"},
            {"usn": "uuid:Upnp-BasicDevice-1_0-ACCC8E12345::upnp:rootdevice"},
            {"usn": "uuid:Upnp-BasicDevice-1_0-FFFFFFFFFFFF::upnp:rootdevice"},
            {"server": "Linux/3.14 UPnP/1.0 IpBridge/1.50"},
            {"server": "nvram/1 envdvrx/2"},
            {"server": "Synology/DSM/10.0.0.8", "location": "http://10.0.0.8:5000/ssdp/desc-DSM-eth0.xml"},
            {"server": "Microsoft-Windows/10.0 UPnP/1.0 UPnP-Device-Host/1.0", "usn": "uuid:1::upnp:rootdevice"},
            {"server": "EPSON_Linux UPnP/1.0 Epson UPnP SDK/1.0", "target": "urn:schemas-upnp-org:device:Printer:1"},
            *(
                {"target": target, "usn": f"uuid:1::{named}", "server": "Linux UPnP/1.0 Bridge/1"}
                for target in ("urn:schemas-upnp-org:device:DigitalSecurityCamera:1", AXIS_SERVICE)
                for named in ("upnp:rootdevice", "urn:schemas-upnp-org:device:basic:1")
            ),
            {"location": "http://camera.example/desc.xml"},
            {"location": "http://[bad/desc.xml"},
            {},
        ):
            self.assertFalse(is_camera(Notice("response", **fields)), fields)

    def test_axis(self) -> None:
        """A device of Axis is known by its name or its service."""
        self.assertTrue(is_axis(AXIS))
        self.assertTrue(is_axis(Notice("alive", "urn:axis-com:service:BasicService:1")))
        self.assertTrue(is_axis(Notice("response", AXIS_SERVICE, f"uuid:1::{AXIS_SERVICE}")))
        self.assertFalse(is_axis(Notice("response", AXIS_SERVICE, "uuid:1::upnp:rootdevice")))
        self.assertFalse(is_axis(Notice("alive", "urn:schemas-upnp-org:device:DigitalSecurityCamera:1")))

    def test_port(self) -> None:
        """The port of the description counts only when it is on the sender itself."""
        for location, host, expected in (
            ("http://10.0.0.5:49152/x.xml", "10.0.0.5", 49152),
            ("http://10.0.0.5/x.xml", "10.0.0.5", 80),
            ("https://10.0.0.5/x.xml", "10.0.0.5", 443),
            ("http://[fe80::5]:8080/", "fe80::5", 8080),
            ("http://[fe80::5%25eth0]:8080/", "fe80::5", 8080),
            ("http://10.0.0.6:80/", "10.0.0.5", None),
            ("http://10.0.0.5:99999/", "10.0.0.5", None),
            ("http://10.0.0.5:x/", "10.0.0.5", None),
            ("ftp://10.0.0.5/", "10.0.0.5", None),
            ("http://[::1/", "10.0.0.5", None),
            ("", "10.0.0.5", None),
        ):
            self.assertEqual(port_on(Notice("response", location=location), host), expected, location)


class WritingTests(SynchronousTestCase):
    """Values to bytes."""

    def test_search(self) -> None:
        """A search is written as UPnP has it, for the group of each IP version."""
        self.assertEqual(
            search("upnp:rootdevice", version=4, wait=2),
            b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 2\r\n'
            b"ST: upnp:rootdevice\r\n\r\n",
        )
        self.assertIn(b"HOST: [FF02::C]:1900\r\n", search("a", version=6, wait=2))
        self.assertEqual(parse(search("a", version=6, wait=2)), Notice("search", "a"))

    def test_answers(self) -> None:
        """What a device answers and says is read again; a goodbye says no more than who leaves."""
        self.assertEqual(parse(response(AXIS)), AXIS)
        alive = Notice("alive", AXIS.target, AXIS.usn, AXIS.server, AXIS.location)
        self.assertEqual(parse(notify(alive)), alive)
        bye = Notice("byebye", AXIS.target, AXIS.usn, AXIS.server, AXIS.location)
        self.assertEqual(parse(notify(bye, version=6)), Notice("byebye", AXIS.target, AXIS.usn))

    def test_impossible(self) -> None:
        """A header of two lines is our fault."""
        self.assertRaises(LocalError, search, "a\r\nX: y", version=4, wait=2)
