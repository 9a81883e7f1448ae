"""Documents: equal facts give equal bytes, and every byte may be shown."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, stream
from twisted_detector.model import Camera, Evidence, Status
from twisted_detector.model.encoding import encode, rfc3339, stamp_or_none
from twisted_detector.outputs.camera_json import camera_document, public_url

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
}
STREAM_FIELDS = {"codec", "width", "height", "fps", "audio", "profile", "url", "validated"}


class EncodeTests(SynchronousTestCase):
    def test_equal_bytes(self) -> None:
        """The order in which facts came does not show."""
        self.assertEqual(b'{"a":[1,{"x":"\xc3\xa4"}],"b":null}', encode({"b": None, "a": [1, {"x": "ä"}]}))
        self.assertEqual(encode({"a": 1, "b": 2}), encode({"b": 2, "a": 1}))

    def test_what_json_cannot_say(self) -> None:
        """Numbers that are none are null, half surrogate pairs a question mark: it is JSON and UTF-8 in any case."""
        document = {"a": float("nan"), "b": [float("inf"), {"c": -float("inf")}], "d": "\ud800x", "e": (1.5,)}
        self.assertEqual(b'{"a":null,"b":[null,{"c":null}],"d":"?x","e":[1.5]}', encode(document))

    @given(
        st.dictionaries(
            st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists), max_size=5
        )
    )
    @settings(max_examples=50, deadline=None)
    def test_any_facts(self, document: dict[str, object]) -> None:
        """Any facts give strict JSON in strict UTF-8."""

        def refuse(name: str) -> None:
            raise AssertionError(name)

        json.loads(encode(document).decode("utf-8"), parse_constant=refuse)


class StampTests(SynchronousTestCase):
    def test_rfc3339(self) -> None:
        """UTC with milliseconds and one Z; what no calendar holds is held at its edge."""
        for at, text in (
            (0.0, "1970-01-01T00:00:00.000Z"),
            (1.5, "1970-01-01T00:00:01.500Z"),
            (1_700_000_000.9999, "2023-11-14T22:13:20.999Z"),
            (-5.0, "1970-01-01T00:00:00.000Z"),
            (1e30, "9999-12-31T23:59:59.000Z"),
            (float("inf"), "9999-12-31T23:59:59.000Z"),
            (float("nan"), "1970-01-01T00:00:00.000Z"),
        ):
            self.assertEqual(text, rfc3339(at))

    def test_never(self) -> None:
        """Never is None."""
        self.assertEqual([None, "1970-01-01T00:00:01.000Z"], [stamp_or_none(0.0), stamp_or_none(1.0)])


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
        self.assertEqual(
            ("camera at fe80::1%eth0", "http://[fe80::1%25eth0]/"), (document["name"], document["http_url"])
        )
        for name in ("mac", "onvif_url", "primary_rtsp_url", "snapshot_url", "last_seen_iso", "last_validated_iso"):
            self.assertIsNone(document[name], name)

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
            self.assertEqual(url, public_url(url))
        self.assertEqual(
            "rtsp://10.0.0.5/user=***_password=***_channel=1_stream=0.sdp?real_stream",
            public_url("rtsp://10.0.0.5/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream"),
        )
