"""How often a device is inspected for what the discovery methods tell of it, in whatever order they do."""

from __future__ import annotations

from itertools import permutations

from tests.facts import A, B, inspection, sighting, stream
from tests.registry.case import HERE, RegistryCase
from twisted_detector.model import Evidence, EvidenceKind, Inspection, Sighting, Status, Stream

REFERENCE = "5f5a69c2-e0ae-504f-829b-020000000001"
SERVICE = f"http://{HERE}/onvif/device_service"
PLAYING = Stream(url=f"rtsp://{HERE}:8554/a", name="a", validated=True)
#: What four methods tell of one camera, all of it true.
TOLD = (
    sighting(HERE, A, method="portscan", rtsp_ports=(554,), open_ports=(80, 554)),
    sighting(
        HERE,
        A,
        REFERENCE,
        method="wsdiscovery",
        xaddrs=(f"https://{HERE}/onvif/device_service", f"http://{HERE}:80/onvif/device_service"),
        scopes=("onvif://www.onvif.org/type/video_encoder", "onvif://www.onvif.org/name/Door"),
    ),
    sighting(HERE, A, method="mdns", rtsp_ports=(554,), types=("_rtsp._tcp",)),
    sighting(HERE, A, method="ssdp", open_ports=(49152,)),
)


def answer(**more: object) -> Inspection:
    """What the camera tells when it is asked over ONVIF."""
    said = Evidence(EvidenceKind.ENDPOINT_REFERENCE, f"urn:uuid:{REFERENCE.upper()}", "onvif", 0.0)
    return inspection(HERE, stream(HERE), onvif_url=SERVICE, evidence=(said,), **more)  # type: ignore[arg-type]


class InspectionReasonsTests(RegistryCase):
    def ask(self, key: int, found: Inspection, meanwhile: tuple[Sighting, ...] = ()) -> None:
        """One inspection, and what is seen while it is under way."""
        self.inspections += 1
        self.registry.begin_inspection(key, self.now)
        for one in meanwhile:
            self.record(one)
        self.registry.record_inspection(key, found, self.now)

    def setUp(self) -> None:
        super().setUp()
        self.inspections = 0

    def test_one_inspection_in_any_order(self) -> None:
        """Four methods tell of a camera, in any order, each before the inspection, during it or after it: it is one."""
        for told in permutations(TOLD):
            for before in range(1, 5):
                for after in range(before, 5):
                    self.setUp()
                    [key] = {self.record(one) for one in told[:before]}
                    self.ask(key, answer(), told[before:after])
                    self.assertFalse(self.registry.needs_inspection(key, self.now), (told, before, after))
                    for one in (*told[after:], *told):
                        self.assertEqual(key, self.record(one))
                        if self.due:
                            self.ask(key, answer())
                    self.assertEqual(1, self.inspections, (told, before, after))

    def test_a_mac_that_was_looked_up_late(self) -> None:
        """A camera that plays without a login is not asked once more for its MAC; one that wants a login is."""
        for found, inspections in ((answer(), 1), (answer(status=Status.AUTH_REQUIRED, reason="login wanted"), 2)):
            self.setUp()
            key = self.see(HERE, None, REFERENCE)
            self.ask(key, found, (sighting(HERE, A, REFERENCE),))
            self.record(sighting(HERE, A, REFERENCE))
            if self.due:
                self.ask(key, found)
            self.assertEqual(inspections, self.inspections)

    def test_known_by_its_streams_alone(self) -> None:
        """The port at which a stream plays is no news, also where no service was found; a service address is."""
        key = self.see(HERE, A, open_ports=(8554,))
        self.inspect(key, PLAYING)
        for more, due in (
            ({"rtsp_ports": (8554,), "open_ports": (8554,)}, False),
            ({"open_ports": (80,)}, True),
            ({"xaddrs": (SERVICE,)}, True),
            ({"scopes": ("onvif://www.onvif.org/name/Door",)}, True),
        ):
            self.see(HERE, A, **more)
            self.assertEqual(due, self.due, more)
            self.inspect(key, PLAYING)

    def test_what_is_news_all_the_same(self) -> None:
        """A service where it was not asked, another EndpointReference, and whatever a camera in trouble shows."""
        key = self.see(HERE, A)
        self.ask(key, answer())
        for news in (
            sighting(HERE, A, xaddrs=(f"http://{HERE}:8000/onvif",)),
            sighting(HERE, A, "another-reference"),
        ):
            self.record(news)
            self.assertTrue(self.due, news)
            self.ask(key, answer())
            self.record(news)
            self.assertFalse(self.due, "once")
        silent = inspection(HERE, stream(HERE, plays=False), onvif_url=SERVICE)
        self.ask(key, silent)
        self.see(HERE, A)
        self.assertFalse(self.due)
        self.see(HERE, A, scopes=("onvif://www.onvif.org/name/Door",))
        self.assertTrue(self.due)

    def test_at_another_address_all_is_new(self) -> None:
        """A camera that moved is asked again, although it shows what it showed before."""
        key = self.see(HERE, A, rtsp_ports=(554,))
        self.ask(key, answer())
        self.see("10.0.0.6", A, rtsp_ports=(554,))
        self.assertTrue(self.due)

    def test_unknown_handle(self) -> None:
        """A device that is gone needs no inspection."""
        key = self.see(HERE, B)
        self.assertTrue(self.registry.needs_inspection(key, self.now))
        self.inspect(key)
        [camera] = self.registry.cameras_of(key)
        self.registry.forget(camera.id, self.now)
        self.assertFalse(self.registry.needs_inspection(key, self.now))
