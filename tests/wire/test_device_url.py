"""URLs that devices say: wherever they point to, they lead to the device, and never with a login."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.device_url import MAX_URL, device_url

HOST = "192.0.2.9"
RTSP = ("rtsp", "rtsps")

HTTP_TABLE = [
    ("http://192.0.2.9/onvif/device_service", "http://192.0.2.9/onvif/device_service"),
    ("http://192.0.2.9:80/onvif/device_service", "http://192.0.2.9:80/onvif/device_service"),
    ("HTTP://127.0.0.1:8000/onvif/x", "http://192.0.2.9:8000/onvif/x"),
    ("http://0.0.0.0/onvif/x", "http://192.0.2.9/onvif/x"),
    ("http://203.0.113.66:8080/x?a=1&b=2", "http://192.0.2.9:8080/x?a=1&b=2"),
    ("http://192.0.2.1:8106:8106/onvif/x", "http://192.0.2.9:8106/onvif/x"),
    ("http://camera.local:81", "http://192.0.2.9:81"),
    ("http://[fe80::1]:8000/x", "http://192.0.2.9:8000/x"),
    ("http://[fe80::1%25eth0]/x", "http://192.0.2.9/x"),
    ("http://fe80::1:2/x", "http://192.0.2.9/x"),
    ("http://[]/x", "http://192.0.2.9/x"),
    ("http://h:0/x", "http://192.0.2.9/x"),
    ("http://h:99999/x", "http://192.0.2.9/x"),
    ("http://h:port/x", "http://192.0.2.9/x"),
    ("https://admin:secret@h/x", "https://192.0.2.9/x"),
    ("http://h/cgi?cmd=snap&usr=admin&pwd=secret", "http://192.0.2.9/cgi?cmd=snap&usr=&pwd="),
    (" http://h/x\n", "http://192.0.2.9/x"),
    ("http://h/x?a=1#/y", "http://192.0.2.9/x?a=1"),
    ("http://h#x", "http://192.0.2.9"),
    ("http://h/a b\r\nX: y", "http://192.0.2.9/a%20b%0D%0AX:%20y"),
    ('"http://h/x"', "http://192.0.2.9/x"),
    ("<http://h/x>", "http://192.0.2.9/x"),
    ("http:/192.0.2.1:81/x", "http://192.0.2.9:81/x"),
    ("http:192.0.2.1/x", "http://192.0.2.9/x"),
    ("HTTP//[fe80::1]/x", "http://192.0.2.9/x"),
    ("http://h/x?a=1&amp;b=2", "http://192.0.2.9/x?a=1&b=2"),
]

BASE = "https://192.0.2.9:8443/onvif/device_service"
#: What lacks a scheme or a host: as it stands alone, and as it was said at BASE.
PARTS_TABLE = [
    ("192.0.2.1:81/onvif/x", "http://192.0.2.9:81/onvif/x", "https://192.0.2.9:81/onvif/x"),
    ("[fe80::1%25eth0]:81/x", "http://192.0.2.9:81/x", "https://192.0.2.9:81/x"),
    ("192.0.2.1:8106:8106/x", "http://192.0.2.9:8106/x", "https://192.0.2.9:8106/x"),
    ("//203.0.113.66:81/x", "http://192.0.2.9:81/x", "https://192.0.2.9:81/x"),
    ("/onvif/media?a=b", None, "https://192.0.2.9:8443/onvif/media?a=b"),
    ("onvif/media", None, None),
    ("192.0.2.1", None, None),
    ("203.0.113.66@192.0.2.1/x", None, None),
]

RTSP_TABLE = [
    ("rtsp://192.0.2.1:554/a?channel=1&subtype=0", "rtsp://192.0.2.9:554/a?channel=1&subtype=0"),
    ("rtsp://admin:pass@192.0.2.1/Streaming/Channels/101", "rtsp://192.0.2.9/Streaming/Channels/101"),
    ("rtsp://admin:p@ss/w@192.0.2.1:554/live", "rtsp://192.0.2.9:554/live"),
    ("rtsp://rtsp://192.0.2.1/live", "rtsp://192.0.2.9/live"),
    ("rtsp://h/test.mp4&t=unicast&w=1280", "rtsp://192.0.2.9/test.mp4&t=unicast&w=1280"),
    (
        "rtsp://h:554/user=admin_password=tl_Jw&bo6_channel=1_stream=0.sdp?real_stream",
        "rtsp://192.0.2.9:554/user=_password=&bo6_channel=1_stream=0.sdp?real_stream",
    ),
    (
        "rtsp://h:554/user=admin_password=tlJwpbo6_channel=1_stream=0&onvif=0.sdp?real_stream",
        "rtsp://192.0.2.9:554/user=_password=_channel=1_stream=0&onvif=0.sdp?real_stream",
    ),
    (
        "rtsp://h:554/user=admin_password=_channel=1_stream=0&onvif=0.sdp?real_stream",
        "rtsp://192.0.2.9:554/user=admin_password=_channel=1_stream=0&onvif=0.sdp?real_stream",
    ),
    ("rtsps://h:322/é", "rtsps://192.0.2.9:322/%C3%A9"),
    ("rtsp://h/x?to=a@192.0.2.7/", "rtsp://192.0.2.9/x?to=a@192.0.2.7/"),
    ("rtsp://h:554/live#backchannel=1#input=exec:reboot", "rtsp://192.0.2.9:554/live"),
    ("rtsp://h:554/live%23backchannel=1", "rtsp://192.0.2.9:554/live%23backchannel=1"),
    ("rtsp://admin:p#ss@192.0.2.1:554/live#x", "rtsp://192.0.2.9:554/live"),
]


class DeviceUrl(SynchronousTestCase):
    def test_http(self) -> None:
        """Service addresses keep port and path and lose host and login."""
        for text, expected in HTTP_TABLE:
            self.assertEqual(device_url(text, HOST), expected, text)

    def test_rtsp(self) -> None:
        """Stream addresses too, with logins in the path emptied."""
        for text, expected in RTSP_TABLE:
            self.assertEqual(device_url(text, HOST, schemes=RTSP), expected, text)

    def test_parts(self) -> None:
        """What lacks a scheme is completed, what lacks a host too where it is known who said it."""
        for text, alone, at_base in PARTS_TABLE:
            for base, expected in (("", alone), (BASE, at_base)):
                if expected is None:
                    self.assertRaises(RemoteError, device_url, text, HOST, base=base)
                else:
                    self.assertEqual(device_url(text, HOST, base=base), expected, text)
        self.assertEqual(device_url("192.0.2.1:554/live", HOST, schemes=RTSP, base=BASE), "rtsp://192.0.2.9:554/live")

    def test_ipv6(self) -> None:
        """An IPv6 host stands in brackets, its scope percent-encoded (RFC 6874)."""
        self.assertEqual(device_url("http://h:81/x", "2001:db8::9"), "http://[2001:db8::9]:81/x")
        self.assertEqual(device_url("http://h/x", "fe80::9%eth0"), "http://[fe80::9%25eth0]/x")

    def test_refused(self) -> None:
        """What is no URL, of another kind, or too long is the device's error, and is not shown."""
        for text in (
            *("", "/onvif", "192.0.2.1", "ftp://h/", "ftp:/192.0.2.1/x", "http:h/x", "rtsp://admin:secret@h/"),
            "http://h/" + "x" * MAX_URL,
        ):
            with self.assertRaises(RemoteError) as caught:
                device_url(text, HOST)
            self.assertNotIn("secret", str(caught.exception))

    def test_lone_surrogates(self) -> None:
        """Bytes that were no UTF-8 (found by fuzzing) name nothing; they become replacement characters."""
        self.assertEqual(device_url("http://x/a\udc80b", "10.0.0.5"), "http://10.0.0.5/a%EF%BF%BDb")

    @given(st.text(alphabet="@:/?#[]%.0123456789ab&=_\\ \r\n\x00é", max_size=60))
    def test_any_text(self, text: str) -> None:
        """Whatever stands after the scheme, the result begins with our host and is printable ASCII."""
        url = device_url("http://" + text, HOST)
        self.assertRegex(url, r"\Ahttp://192\.0\.2\.9(?::\d{1,5})?(?:[/?][!-\"$-~]*)?\Z")
