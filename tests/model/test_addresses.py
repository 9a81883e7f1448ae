"""MACs, IP addresses, URLs and ids, as peers write them and in canonical form."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model import (
    Mac,
    host_for_url,
    parse_address,
    safe_id,
)
from twisted_detector.model.addresses import canonical_address, masked, place_of, rehost, without_login


class MacTests(SynchronousTestCase):
    GOOD = (
        ("02:00:5e:10:00:ff", "02:00:5e:10:00:ff"),
        ("02-00-5E-10-00-FF", "02:00:5e:10:00:ff"),
        ("0200.5e10.00ff", "02:00:5e:10:00:ff"),
        ("02005E1000FF", "02:00:5e:10:00:ff"),
        (" 2:0:5e:10:0:ff ", "02:00:5e:10:00:ff"),
    )
    BAD = (
        "", " ", "02:00:5e:10:00", "02:00:5e:10:00:ff:01", "02:00:5e:10:00:fg", "02005e1000f", "02005e1000ff0",
        "02.00.5e.10.00.ff", "0200.5e1000ff", "020:0:5e:10:0:ff", "02:00:5e:10:00:", "02:00:5e:10:00:٣٣", "::::::",
        "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "33:33:00:00:00:01", "\x00" * 12,
    )  # fmt: skip

    def test_notations(self) -> None:
        """Every usual notation gives one canonical text."""
        for text, canonical in self.GOOD:
            self.assertEqual(canonical, Mac.parse(text).text, text)

    def test_refused(self) -> None:
        """What is no MAC, or names no single device, is refused as the peer's fault."""
        for text in self.BAD:
            with self.assertRaises(RemoteError, msg=repr(text)):
                Mac.parse(text)

    def test_octets(self) -> None:
        """Six octets are read as they stand; any other number is refused."""
        self.assertEqual("02:01:02:03:04:05", str(Mac.from_bytes(bytes([2, 1, 2, 3, 4, 5]))))
        for wrong in (b"", bytes(5), bytes(6), bytes(7), b"\xff" * 6):
            with self.assertRaises(RemoteError):
                Mac.from_bytes(wrong)

    def test_compact(self) -> None:
        """The compact form has no separators."""
        self.assertEqual("accc8e010203", Mac.parse("AC:CC:8E:01:02:03").compact)

    @given(st.text(max_size=30))
    @settings(max_examples=300, deadline=None)
    def test_any_text(self, text: str) -> None:
        """Any text at all is a MAC or a RemoteError."""
        try:
            mac = Mac.parse(text)
        except RemoteError:
            return
        self.assertEqual(mac, Mac.parse(mac.compact))

    @given(st.binary(min_size=6, max_size=6).filter(lambda octets: any(octets) and not octets[0] & 1))
    @settings(deadline=None)
    def test_round_trip(self, octets: bytes) -> None:
        """Octets come back from each notation of themselves."""
        mac = Mac.from_bytes(octets)
        compact = octets.hex()
        for text in (
            mac.text,
            mac.compact.upper(),
            mac.text.replace(":", "-"),
            ".".join(compact[n : n + 4] for n in (0, 4, 8)),
        ):
            self.assertEqual(mac, Mac.parse(text))


class AddressTests(SynchronousTestCase):
    def test_hosts_in_urls(self) -> None:
        """IPv6 stands in brackets, its scope behind %25."""
        for address, host in (("10.0.0.1", "10.0.0.1"), ("fe80::1", "[fe80::1]"), ("fe80::1%eth0", "[fe80::1%25eth0]")):
            self.assertEqual(host, host_for_url(address))

    def test_parsing(self) -> None:
        """Addresses are read, anything else is a RemoteError."""
        self.assertEqual(6, parse_address("fe80::1%eth0").version)
        for text in ("", "camera.local", "10.0.0.256", "010.0.0.1", "10.0.0.1/24", "[::1]", "1"):
            with self.assertRaises(RemoteError, msg=text):
                parse_address(text)

    def test_one_notation(self) -> None:
        """Every notation of an address is the same address; addresses of nobody are refused."""
        for text, canonical in (
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("FE80:0:0:0::1%eth0", "fe80::1%eth0"),
        ):
            self.assertEqual(canonical, canonical_address(text))
        for text in ("0.0.0.0", "::", "239.255.255.250", "ff02::c", "255.255.255.255", "x"):
            with self.assertRaises(RemoteError, msg=text):
                canonical_address(text)

    def test_urls_lose_their_login(self) -> None:
        """User and password before a host go, and a fragment; an @ elsewhere stays."""
        for url, public in (
            ("rtsp://admin:se@cret@10.0.0.1:554/a?b=c@d", "rtsp://10.0.0.1:554/a?b=c@d"),
            ("http://u@[fe80::1]/", "http://[fe80::1]/"),
            ("rtsp://10.0.0.1/@x", "rtsp://10.0.0.1/@x"),
            ("rtsp://u:p@10.0.0.1/live#backchannel=1#input=exec:x", "rtsp://10.0.0.1/live"),
            ("rtsp://10.0.0.1#x@203.0.113.6/", "rtsp://10.0.0.1"),
            ("no url: a@b", "no url: a@b"),
            ("", ""),
        ):
            self.assertEqual(public, without_login(url))

    def test_urls_move(self) -> None:
        """A URL of the old address names the new one, and only such a URL."""
        for url, moved in (
            ("rtsp://10.0.0.1:554/a", "rtsp://10.0.0.2:554/a"),
            ("http://10.0.0.1", "http://10.0.0.2"),
            ("rtsp://10.0.0.11/a", "rtsp://10.0.0.11/a"),
            ("rtsp://10.0.0.1.example/a", "rtsp://10.0.0.1.example/a"),
            ("rtsp://other/10.0.0.1", "rtsp://other/10.0.0.1"),
            ("", ""),
        ):
            self.assertEqual(moved, rehost(url, "10.0.0.1", "10.0.0.2"))
        self.assertEqual("http://10.0.0.2:80/", rehost("http://[fe80::1%25eth0]:80/", "fe80::1%eth0", "10.0.0.2"))

    @given(st.text(max_size=200))
    @settings(deadline=None)
    def test_ids(self, text: str) -> None:
        """An id is fit for topics and file names whatever it is made of."""
        self.assertRegex(safe_id(text), r"\A[a-z0-9_-]{0,64}\Z")


class StreamUrlTests(SynchronousTestCase):
    def test_masked(self) -> None:
        """User and password are out of sight wherever a maker wants them."""
        for url, shown in (
            ("rtsp://u:p@10.0.0.5/a", "rtsp://10.0.0.5/a"),
            ("rtsp://10.0.0.5/user=admin_password=p_channel=1", "rtsp://10.0.0.5/user=***_password=***_channel=1"),
            ("/videoMain?usr=u&pwd=p", "/videoMain?usr=***&pwd=***"),
            ("/live/1", "/live/1"),
        ):
            self.assertEqual(shown, masked(url))

    def test_place(self) -> None:
        """A person knows a stream by port and path; a port that is not written is the scheme's."""
        for url, place in (
            ("rtsp://10.0.0.5:5566/live/1?a=b", (5566, "/live/1?a=b")),
            ("rtsp://10.0.0.5/live", (554, "/live")),
            ("rtsps://10.0.0.5", (322, "/")),
            ("rtsp://[fe80::1%25eth0]:8554/x", (8554, "/x")),
            ("rtsp://10.0.0.5:554/?password=p", (554, "/?password=***")),
        ):
            self.assertEqual(place, place_of(url), url)
