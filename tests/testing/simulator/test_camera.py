"""Facts, quirks and identity of simulated cameras."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import ConfigError, LocalError
from twisted_detector.model import Mac
from twisted_detector.testing.simulator.camera import CameraSpec, Quirks, parse_quirks
from twisted_detector.testing.simulator.fleet import lay_out
from twisted_detector.wire.onvif.scopes import read_scopes


class Facts(SynchronousTestCase):
    def test_same_seed_same_camera(self) -> None:
        """A seed gives the same reference, serial number and MAC for ever, another seed others."""
        first, again, other = (CameraSpec("10.0.0.1", seed=seed) for seed in ("a", "a", "b"))
        self.assertEqual(first.endpoint_reference, "urn:uuid:488063c3-234c-5324-8256-e22bbd928333")
        for fact in ("endpoint_reference", "serial_number", "hardware_address"):
            self.assertEqual(getattr(first, fact), getattr(again, fact))
            self.assertNotEqual(getattr(first, fact), getattr(other, fact))
        self.assertTrue(int(first.hardware_address.text[:2], 16) & 2)

    def test_scopes_can_be_read(self) -> None:
        """The client's reader finds name, hardware and MAC in the scopes, blanks included."""
        spec = CameraSpec("10.0.0.1", name="Front door", mac=Mac("00:40:8c:01:02:03"))
        facts = read_scopes(spec.scopes)
        self.assertEqual((facts.name, facts.hardware, facts.mac), ("Front door", "SIM-360", spec.mac))

    def test_urls(self) -> None:
        """URLs hold the address in brackets where that is needed, and the host of a quirk instead."""
        plain = CameraSpec("fd00::1", http_port=80, rtsp_port=554)
        self.assertEqual(plain.service_url("device"), "http://[fd00::1]:80/onvif/device_service")
        self.assertEqual(plain.stream_url(plain.streams[1]), "rtsp://[fd00::1]:554/stream2")
        odd = CameraSpec("10.0.0.1", quirks=Quirks(xaddr_host="127.0.0.1", secret_path="/x?a=1"))
        self.assertEqual(odd.service_url("media"), "http://127.0.0.1:8000/onvif/media_service")
        self.assertEqual([stream.path for stream in odd.streams], ["/x?a=1", "/x?a=1_sub"])

    def test_quirks_from_words(self) -> None:
        """Words become quirks, and all wrong ones are named at once."""
        self.assertEqual(
            parse_quirks(["busy", "delay=0.5", "xaddr-host=a.b"]),
            Quirks(busy=True, delay=0.5, xaddr_host="a.b"),
        )
        with self.assertRaises(ConfigError) as caught:
            parse_quirks(["busy=1", "delay=x", "nonsense", "matches=2"])
        self.assertEqual(len(caught.exception.faults), 3)
        with self.assertRaises(ConfigError):
            parse_quirks(["matches=9"])

    def test_lay_out(self) -> None:
        """Cameras go over the addresses in turn; a second one on an address has the next ports and another MAC."""
        mac = Mac("00:40:8c:01:02:03")
        specs = lay_out(3, ["10.0.0.1", "10.0.0.2"], model=CameraSpec("x", http_port=80), mac_of=lambda _: mac)
        self.assertEqual(
            [(spec.address, spec.http_port, spec.rtsp_port) for spec in specs],
            [("10.0.0.1", 80, 8554), ("10.0.0.2", 80, 8554), ("10.0.0.1", 81, 8555)],
        )
        self.assertEqual([spec.mac for spec in specs], [mac, mac, None])
        self.assertEqual(len({spec.uuid for spec in specs}), 3)
        for count, addresses, port in ((0, ["a"], 80), (1, [], 80), (2, ["a"], 65_535)):
            with self.assertRaises(LocalError):
                lay_out(count, addresses, model=CameraSpec("x", http_port=port))
