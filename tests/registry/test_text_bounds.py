"""Devices that say as much as they can of themselves."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, inspection, serial, sighting, stream
from tests.registry.case import HERE, RegistryCase
from twisted_detector.model import Announced, Camera, Evidence, EvidenceKind, Inspection, Stream
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.model.encoding import encode
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.registry.text_bounds import (
    MAX_CHANNELS,
    MAX_DOCUMENT,
    MAX_EVIDENCE,
    MAX_FACT,
    MAX_NAME,
    MAX_SOURCES,
    MAX_TOKEN,
    MAX_URL,
    bound_announced,
    bound_camera,
    bound_inspection,
    bound_sighting,
    shorten_token,
)


def talkative(streams: int, *, sources: int = 1, sign: str = "ä") -> Inspection:
    """All that a parser lets through: texts of 4 096 characters, addresses at their bound, a line of identifiers."""
    long = sign * 4096
    each = tuple(
        replace(
            stream(path="x" * (MAX_URL - 25) + f"{number:04}", plays=False),
            name=f"{number}{long}",
            profile=f"{number}{long}",
            source=f"{number % sources}{long}",
            reason=long,
        )
        for number in range(streams)
    )
    return inspection(
        HERE,
        *each,
        name=long,
        manufacturer=long,
        model=long,
        firmware_version=long,
        serial_number=long,
        hardware_id=long,
        onvif_url=f"http://{HERE}/{'o' * 4000}",
        snapshot_url=f"http://{HERE}/{'s' * 4000}",
        snapshots=tuple((one.source, f"http://{HERE}/{'s' * 400}") for one in each),
        capabilities=(long,) * 500,
        evidence=tuple(Evidence(EvidenceKind.VENDOR, f"{number}{'v' * 250}", "x", 0.0) for number in range(500)),
        reason=long,
    )


class InspectionTests(RegistryCase):
    def test_a_usual_device_is_left_alone(self) -> None:
        """What a usual device says is not changed, and nothing is reported."""
        usual = inspection(
            HERE, stream(source="VideoSource_1"), name="Front door", snapshots=(("VideoSource_1", "http://10.0.0.5/s"),)
        )
        self.assertEqual((usual, ()), bound_inspection(usual))

    def test_the_document_of_a_camera(self) -> None:
        """However much a device says, the document of each of its cameras has at most 64 KiB."""
        for sign in ("x", "ä", "𝄞", '"', "\\"):
            for sources in (1, 3, 64):
                with self.subTest(sign=sign, sources=sources):
                    self.setUp()
                    key = self.see(HERE, A, xaddrs=(f"http://{HERE}/onvif",))
                    bounded, _ = bound_inspection(talkative(256, sources=sources, sign=sign))
                    self.registry.record_inspection(key, bounded, self.now)
                    self.assertEqual(sources, self.registry.fleet.total)
                    sizes = [len(encode(camera_document(camera))) for camera in self.registry.cameras()]
                    self.assertLess(max(sizes), MAX_DOCUMENT)

    def test_what_was_cut_is_said(self) -> None:
        """Each kind of cut is named once, with what it means."""
        _, cut = bound_inspection(talkative(256, sources=100))
        self.assertIn(f"the name is cut at {MAX_NAME} characters", cut)
        self.assertTrue(any("more than 64 video sources" in what and "(36)" in what for what in cut), cut)
        self.assertTrue(any(f"address of more than {MAX_URL}" in what for what in cut), cut)
        self.assertLess(len(cut), 12)

    def test_long_tokens_stay_apart(self) -> None:
        """Two sources whose tokens differ at the end only are two cameras, today and tomorrow."""
        tokens = ["x" * 100 + end for end in "ab"]
        bounded, _ = bound_inspection(inspection(HERE, *(stream(path=one[-1], source=one) for one in tokens)))
        self.assertEqual(2, len({one.source for one in bounded.streams}))
        self.assertEqual([shorten_token(one) for one in tokens], [one.source for one in bounded.streams])
        self.assertEqual({MAX_TOKEN}, {len(one.source) for one in bounded.streams})
        self.assertEqual(bounded, bound_inspection(bounded)[0])

    def test_long_addresses(self) -> None:
        """A stream whose address is too long is left out; one that has no other stream says why."""
        long = Stream(url=f"rtsp://{HERE}/{'x' * 600}")
        bounded, cut = bound_inspection(inspection(HERE, long, stream()))
        self.assertEqual(([stream().url], 1), ([one.url for one in bounded.streams], len(cut)))
        bounded, _ = bound_inspection(inspection(HERE, long))
        self.assertEqual("its stream addresses are longer than 512 characters", bounded.reason)

    def test_more_sources_than_a_claim_may_have(self) -> None:
        """Of an unproved device 64 sources are taken; what it had before goes first, in whatever order."""
        many = tuple(stream(path=str(number), source=str(number)) for number in range(256))
        bounded, _ = bound_inspection(inspection(HERE, *many))
        self.assertEqual(MAX_SOURCES, len(bounded.streams))
        bounded, _ = bound_inspection(inspection(HERE, *many), known={"250", "251"})
        self.assertLessEqual({"250", "251"}, {one.source for one in bounded.streams})
        bounded, cut = bound_inspection(inspection(HERE, *many), sources=256)
        self.assertEqual((256, ()), (len(bounded.streams), cut))

    def test_saved_cameras(self) -> None:
        """A camera that a version without bounds saved is bounded when it is restored, and keeps what it is."""
        said = talkative(200)
        saved = Camera(
            id="02000000000a",
            device_id="02000000000a",
            address=HERE,
            mac=A,
            name=said.name,
            streams=said.streams,
            evidence=(*said.evidence, serial("SN12345")),
            first_seen=1.0,
        )
        self.registry.restore([saved])
        [camera] = self.registry.cameras()
        self.assertEqual((saved.id, A, 1.0), (camera.id, camera.mac, camera.first_seen))
        self.assertLess(len(encode(camera_document(camera))), MAX_DOCUMENT)
        self.assertEqual(camera, bound_camera(camera))


class SightingTests(SynchronousTestCase):
    def test_usual(self) -> None:
        """A usual announcement is not changed."""
        usual = sighting(
            HERE,
            A,
            "x",
            xaddrs=("http://10.0.0.5/o",),
            scopes=("onvif://www.onvif.org/name/x",),
            name="x",
            types=("t",),
        )
        self.assertEqual(usual, bound_sighting(usual))

    def test_bounds(self) -> None:
        """What an announcement carries is bounded in number and in sum; what is cut would be another thing."""
        bounded = bound_sighting(
            sighting(
                HERE,
                None,
                "e" * 300,
                xaddrs=(*(f"http://10.0.0.5/{number}" for number in range(100)), "x" * 1000),
                scopes=("s" * 500,) * 100,
                types=("t" * 1000,) * 1000,
                rtsp_ports=tuple(range(1, 60_000)),
                open_ports=tuple(range(1, 60_000)),
                name="n" * 1000,
                evidence=(*(serial(f"SN{number:05}") for number in range(1000)), serial("s" * 1000)),
            )
        )
        self.assertEqual(("", 16, 64), (bounded.endpoint_reference, len(bounded.xaddrs), len(bounded.name)))
        self.assertLessEqual(sum(map(len, bounded.scopes)), 8192)
        self.assertEqual(
            (64, 64, MAX_EVIDENCE), (len(bounded.rtsp_ports), len(bounded.open_ports), len(bounded.evidence))
        )
        self.assertEqual("m" * 64, bound_sighting(replace(sighting(HERE, None), method="\u202e" + "m" * 1000)).method)
        bounded = bound_sighting(sighting(HERE, None, rtsp_ports=(0, 554, 65_536, -1), open_ports=(65_535, 6_553_599)))
        self.assertEqual(((554,), (65_535,)), (bounded.rtsp_ports, bounded.open_ports))


class AnnouncedTests(SynchronousTestCase):
    def test_bounds(self) -> None:
        """What a datagram says of a device has an end for each text, in a sighting and in a saved camera."""
        long = "ä\x00\u202e" + "x" * 5000
        said = Announced(long, long, long, long, long, DeviceKind.CAMERA, 10**9, (Condition.OPEN,) * 99, long, long)
        bounded = bound_sighting(sighting(announced=said)).announced
        assert bounded is not None
        self.assertEqual(bounded, bound_camera(Camera("x", "x", HERE, announced=said)).announced)
        for name in ("manufacturer", "model", "serial_number", "firmware_version"):
            self.assertEqual("ä" + "x" * (MAX_FACT - 1), getattr(bounded, name))
        for name in ("name", "managed_by", "address"):
            self.assertEqual("ä" + "x" * (MAX_NAME - 1), getattr(bounded, name))
        self.assertEqual((MAX_CHANNELS, (Condition.OPEN,)), (bounded.channels, bounded.conditions))
        self.assertEqual(0, getattr(bound_announced(Announced(channels=-5)), "channels", None))

    def test_usual(self) -> None:
        """What a usual device says is left alone; who says nothing says nothing."""
        usual = Announced("HIKVISION", "DS-2CD2", "Hof 1", channels=1, conditions=(Condition.NOT_ACTIVATED,))
        self.assertEqual(usual, bound_announced(usual))
        self.assertIsNone(bound_announced(None))
