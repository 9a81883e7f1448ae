"""The document of a camera: the promised fields, and no login in any URL."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, stream
from twisted_detector.model import Adoption, Announced, Camera, Evidence, Status
from twisted_detector.model.addresses import masked
from twisted_detector.model.announced import Condition
from twisted_detector.model.encoding import encode
from twisted_detector.outputs.camera_json import camera_document

FIELDS = {
    "id",
    "clock_offset_s",
    "ip",
    "mac",
    "name",
    "manufacturer",
    "model",
    "serial_number",
    "firmware_version",
    "onvif_url",
    "rtsp_urls",
    "http_url",
    "last_seen",
    "last_validated",
    "online",
    "stream_active",
    "profiles",
    "capabilities",
    "ip_history",
    "primary_rtsp_url",
    "last_seen_iso",
    "last_validated_iso",
    "device_id",
    "channel",
    "streams",
    "snapshot_url",
    "discovery_methods",
    "evidence",
    "adopted",
    "name_source",
    "area",
    "conditions",
    "managed_by",
    "unconfirmed",
}


STREAM_FIELDS = {"codec", "width", "height", "fps", "audio", "profile", "url", "validated"}


class CameraDocumentTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.camera = Camera(
            id="02000000000a",
            device_id="02000000000a",
            address="10.0.0.5",
            mac=A,
            name="Yard",
            streams=(
                stream(path="main", profile="p1", codec="H264", width=1920, height=1080, fps=25.0),
                stream(path="sub"),
            ),
            capabilities=("ptz",),
            status=Status.ONLINE,
            last_seen=1.0,
            last_validated=2.0,
            ip_history=(("10.0.0.4", 1.0), ("10.0.0.5", 2.0)),
            methods=("wsdiscovery",),
            evidence=(Evidence("epr", "x", "wsdiscovery", 1.0),),
        )

    def test_fields(self) -> None:
        """Exactly the promised fields; never a user or a password."""
        document = camera_document(self.camera)
        self.assertEqual(FIELDS, set(document))
        self.assertLessEqual(STREAM_FIELDS, set(document["streams"][0]))

    def test_values(self) -> None:
        """What the predecessor's consumers read, in its form."""
        document = camera_document(self.camera)
        for name, value in (
            ("ip", "10.0.0.5"),
            ("mac", "02:00:00:00:00:0a"),
            ("rtsp_urls", {"main": "rtsp://10.0.0.5:554/main", "sub": "rtsp://10.0.0.5:554/sub"}),
            ("primary_rtsp_url", "rtsp://10.0.0.5:554/main"),
            ("ip_history", ["10.0.0.4", "10.0.0.5"]),
            ("last_seen", 1.0),
            ("last_seen_iso", "1970-01-01T00:00:01.000Z"),
            ("online", True),
            ("stream_active", True),
            ("profiles", [{"name": "main", "token": "p1", "width": 1920, "height": 1080}]),
            ("capabilities", {"ptz": True}),
            ("http_url", "http://10.0.0.5/"),
            ("channel", 1),
            ("discovery_methods", ["wsdiscovery"]),
        ):
            self.assertEqual(value, document[name], name)

    def test_bare(self) -> None:
        """A camera that told nothing has a name, and null where nothing is known."""
        document = camera_document(Camera(id="x", device_id="x", address="fe80::1%eth0"))
        self.assertEqual(("Camera X", "http://[fe80::1%25eth0]/"), (document["name"], document["http_url"]))
        for name in ("mac", "onvif_url", "primary_rtsp_url", "snapshot_url", "last_seen_iso", "last_validated_iso"):
            self.assertIsNone(document[name], name)

    def test_own_word(self) -> None:
        """What it says of its state, who manages it, and whether that is all that is known."""
        said = Announced(conditions=(Condition.OPEN, Condition.MANAGED), managed_by="Dream Machine")
        document = camera_document(replace(self.camera, announced=said))
        self.assertEqual(
            (["no-password-set", "managed-by"], "Dream Machine", False),
            (document["conditions"], document["managed_by"], document["unconfirmed"]),
        )
        document = camera_document(Camera(id="x", device_id="x", address="10.0.0.5", unconfirmed=True))
        self.assertEqual(([], "", True), (document["conditions"], document["managed_by"], document["unconfirmed"]))

    def test_adoption(self) -> None:
        """Whether it is adopted, and by what."""
        for adoption, word in ((Adoption.NO, "no"), (Adoption.FIRST_RUN, "first-run"), (Adoption.PERSON, "person")):
            self.assertEqual(word, camera_document(replace(self.camera, adopted=adoption))["adopted"])

    def test_where_the_name_comes_from(self) -> None:
        """Its own word, by the way in which it said that; else its model; else its id."""
        for facts, source in (
            ({"name_source": "scope"}, "scope"),
            ({"name_source": "hostname"}, "hostname"),
            ({}, "device"),
            ({"name": "", "model": "M1", "name_source": "scope"}, "model"),
            ({"name": ""}, "id"),
        ):
            self.assertEqual(source, camera_document(replace(self.camera, **facts))["name_source"], facts)

    def test_equal_names(self) -> None:
        """Streams of one name are all there."""
        camera = replace(self.camera, streams=tuple(replace(stream(path=path), name="main") for path in "abc"))
        self.assertEqual(["main", "main_1", "main_2"], list(camera_document(camera)["rtsp_urls"]))

    def test_urls_carry_no_login(self) -> None:
        """Wherever vendors put users and passwords in URLs, no document shows them."""
        for url in (
            "rtsp://admin:canary@10.0.0.5/a",
            "rtsp://canary@10.0.0.5/a",
            "rtsp://10.0.0.5/user=canary_password=canary_x_channel=1_stream=0.sdp?real_stream",
            "http://10.0.0.5/cgi-bin/CGIProxy.fcgi?cmd=snapPicture2&usr=canary&pwd=canary",
            "http://10.0.0.5/cgi-bin/api.cgi?cmd=Snap&user=canary&password=canary&rs=1",
            "http://10.0.0.5/s?loginuse=canary&loginpas=canary",
            "rtsp://10.0.0.5/cam/realmonitor?channel=1&authbasic=canary",
        ):
            camera = replace(
                self.camera, streams=(replace(stream(), url=url),), onvif_url=url, http_url=url, snapshot_url=url
            )
            self.assertNotIn(b"canary", encode(camera_document(camera)), url)

    def test_other_urls_stay(self) -> None:
        """A URL without a login is told as it is."""
        for url in (
            "rtsp://10.0.0.5:554/cam/realmonitor?channel=1&subtype=0&unicast=true&proto=Onvif",
            "http://10.0.0.5/axis-cgi/jpg/image.cgi?resolution=640x480&compression=30",
            "rtsp://[fe80::1%25eth0]/Streaming/Channels/101",
            "",
        ):
            self.assertEqual(url, masked(url))
        self.assertEqual(
            "rtsp://10.0.0.5/user=***_password=***_channel=1_stream=0.sdp?real_stream",
            masked("rtsp://10.0.0.5/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream"),
        )
