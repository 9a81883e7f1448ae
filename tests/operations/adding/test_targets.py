"""What is typed as a target: what it means, and what is said of what means nothing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model import Login, Secret
from twisted_detector.model.decisions import StreamAddress
from twisted_detector.operations.adding.targets import MAX_ADDRESSES, MAX_TARGET, read_target

CANARY = "canary-in-a-target"


class TargetTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """An address, a range in two notations, a network: each address once, in order."""
        for text, first, number in (
            (" 10.0.0.5 ", "10.0.0.5", 1),
            ("::ffff:10.0.0.5", "10.0.0.5", 1),
            ("fe80::1%eth0", "fe80::1%eth0", 1),
            ("[fe80::1%eth0]", "fe80::1%eth0", 1),
            ("10.0.0.5-10.0.0.40", "10.0.0.5", 36),
            ("10.0.0.5 - 40", "10.0.0.5", 36),
            ("10.0.0.5\u201340", "10.0.0.5", 36),
            ("10.0.0.0/24", "10.0.0.1", 254),
            ("10.0.0.8/32", "10.0.0.8", 1),
            ("10.0.0.8/31", "10.0.0.8", 2),
            ("10.0.0.0-10.0.3.255", "10.0.0.0", MAX_ADDRESSES),
            ("10.0.0.0/22", "10.0.0.1", 1022),
            ("fd00::/124", "fd00::1", 15),
        ):
            target = read_target(text)
            self.assertEqual((first, number), (target.addresses[0], len(target.addresses)), text)
            self.assertEqual(number, len(set(target.addresses)))
            self.assertEqual((None, ""), (target.stream, target.name))

    def test_url(self) -> None:
        """A URL is taken apart: the stream, the login, the address; what is shown of it has no login."""
        target = read_target(f"rtsp://viewer:{CANARY}@10.0.0.5:5566/live/1?a=b")
        self.assertEqual((("10.0.0.5",), StreamAddress("rtsp", 5566, "/live/1?a=b")), (target.addresses, target.stream))
        self.assertEqual(Login("viewer", Secret(CANARY)), target.login)
        self.assertEqual("rtsp://10.0.0.5:5566/live/1?a=b", target.shown)
        self.assertNotIn(CANARY, repr(target))
        secret = read_target(f"rtsp://10.0.0.5/user=admin_password={CANARY}_channel=1")
        self.assertEqual("rtsp://10.0.0.5:554/user=***_password=***_channel=1", secret.shown)
        scoped = read_target("rtsps://[fe80::1%25eth0]/x")
        self.assertEqual((("fe80::1%eth0",), StreamAddress("rtsps", 322, "/x")), (scoped.addresses, scoped.stream))
        named = read_target("rtsp://barn.lan/x")
        self.assertEqual(((), "barn.lan", "rtsp://barn.lan:554/x"), (named.addresses, named.name, named.shown))

    def test_name(self) -> None:
        """What looks like a host's name is looked up."""
        for text in ("barn.lan", "barn", "cam-7.example.org."):
            self.assertEqual((text, ()), (read_target(text).name, read_target(text).addresses))

    def test_refused(self) -> None:
        """The field is named first, then what is wrong, and what is meant where that is known."""
        for value, words in (
            (None, "enter an address, a range, a network, a host name or an rtsp:// URL"),
            (f"rtsp://u:{CANARY}@barn.lan/x", "enter the camera's IP address instead of its name"),
            ("  ", "enter an address"),
            (5, "enter an address"),
            (
                "10.0.0.0/8",
                "at most 1024 addresses can be added at a time, and this is 16777216; to have a whole network",
            ),
            ("10.0.0.0-10.15.66.63", "at most 1024 addresses can be added at a time, and this is 1000000;"),
            ("10.0.0.0-10.0.4.0", "this is 1025"),
            ("fd00::/64", "this is 18446744073709551616"),
            ("10.0.0.9-10.0.0.5", "a range must begin with its lower address"),
            ("10.0.0.9-fd00::1", "a range must begin with its lower address"),
            ("10.0.0.5/24", "has bits beyond its prefix; is 10.0.0.0/24 meant?"),
            ("10.0.0.5/x", "must be a network such as"),
            ("10.0.0.5:5566", "to specify a port, enter rtsp://10.0.0.5:5566/ and the path of the stream"),
            ("10.0.0.300", "not an IP address"),
            ("10.0.0", "not an IP address"),
            ("239.255.255.250", "not the address of a single device"),
            ("0.0.0.0", "not the address of a single device"),
            (
                "http://10.0.0.5/onvif",
                "must be an rtsp:// or rtsps:// URL; for an ONVIF device, enter just the address",
            ),
            ("rtsp://10.0.0.5:34567/", "port 34567 is not an RTSP port"),
            ("rtsp://10.0.0.300/", "not an IP address"),
            ("rtsp:///x", "must be like rtsp://"),
            ("barn lan", "is not an address, range, network, host name or rtsp:// URL"),
            ("x" * (MAX_TARGET + 1), "at most 2048 characters; this has 2049"),
            ("<b>", "is not an address"),
        ):
            with self.assertRaises(RemoteError) as caught:
                read_target(value)
            told = str(caught.exception)
            self.assertTrue(told.startswith("target: "), told)
            self.assertIn(words, told)

    def test_no_password_is_told(self) -> None:
        """A URL that is refused is not shown."""
        for text in (f"rtsp://u:{CANARY}@10.0.0.5:99999/", f"rtsp://u:{CANARY}@/x", f"http://u:{CANARY}@10.0.0.5/"):
            with self.assertRaises(RemoteError) as caught:
                read_target(text)
            self.assertNotIn(CANARY, str(caught.exception))
