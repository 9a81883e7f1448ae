"""The cameras of one device: what is told of them, and when."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import PLAYS, SILENT, A, candidate, inspection, stream
from twisted_detector.model import Camera, Proof, Status, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.registry.camera_set import MAX_IP_HISTORY, CameraSet
from twisted_detector.registry.channels import MAX_CHANNELS, assign_channels
from twisted_detector.testing.doubles import RecordingListener

ADDRESS = "10.0.0.5"
GONE = StreamReport(Proof.RTSP, validated=False, reason="404 Not Found")


class CameraSetCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.listener = RecordingListener()
        self.cameras = CameraSet(self.listener.handle)
        self.now = 100.0

    def inspect(self, *streams: object, **more: object) -> list[str]:
        self.now += 1
        self.listener.take()
        told = inspection(ADDRESS, *streams, **more)  # type: ignore[arg-type]
        if more.pop("none", False):
            told = replace(told, streams=())
        self.cameras.record_inspection("x", candidate(ADDRESS), (), told, self.now)
        return self.listener.names()

    def nothing(self, **more: object) -> list[str]:
        self.now += 1
        self.listener.take()
        told = replace(inspection(ADDRESS, **more), streams=())  # type: ignore[arg-type]
        self.cameras.record_inspection("x", candidate(ADDRESS), (), told, self.now)
        return self.listener.names()

    def camera(self, camera_id: str = "x") -> Camera:
        found = self.cameras.get(camera_id)
        assert found is not None
        return found


class InspectedTests(CameraSetCase):
    def test_first_sight(self) -> None:
        """A camera is discovered, then told to be online, both as it is."""
        self.assertEqual(["CameraDiscovered", "CameraOnline"], self.inspect(stream()))
        self.assertEqual({Status.ONLINE}, {event.camera.status for event in self.listener.events})  # type: ignore[attr-defined]
        camera = self.camera()
        self.assertEqual(
            (101.0, 101.0, 101.0, 101.0), (camera.since, camera.first_seen, camera.last_seen, camera.last_validated)
        )
        self.assertEqual(((ADDRESS, 101.0),), camera.ip_history)

    def test_pictures(self) -> None:
        """Each channel has the picture of its own source, none that of another; a single one has the device's."""
        two = (stream(path="a", source="A"), stream(path="b", source="B"))
        self.inspect(*two, snapshot_url="http://x/a", snapshots=(("A", "http://x/a"),))
        self.assertEqual(["http://x/a", ""], [camera.snapshot_url for camera in self.cameras])
        self.inspect(*two, snapshot_url="http://x/a", snapshots=(("A", "http://x/a"), ("B", "http://x/b")))
        self.assertEqual(["http://x/a", "http://x/b"], [camera.snapshot_url for camera in self.cameras])

    def test_the_picture_of_one(self) -> None:
        """A device with one source has its picture whatever the inspector calls the source."""
        self.inspect(stream(), snapshot_url="http://x/a")
        self.assertEqual("http://x/a", self.camera().snapshot_url)

    def test_no_news(self) -> None:
        """The same answer again is no event."""
        self.inspect(stream())
        self.assertEqual([], self.inspect(stream()))
        self.assertEqual((101.0, 102.0), (self.camera().since, self.camera().last_validated))

    def test_a_fact_changed(self) -> None:
        """Another firmware is one event; what is not said this time stays."""
        self.inspect(stream(), firmware_version="1", model="M")
        self.assertEqual(["CameraChanged"], self.inspect(stream(), firmware_version="2"))
        self.assertEqual(("2", "M"), (self.camera().firmware_version, self.camera().model))

    def test_streams_changed(self) -> None:
        """Other streams are told with the old and the new."""
        self.inspect(stream())
        self.assertEqual(["StreamChanged"], self.inspect(stream(), stream(path="sub")))
        [event] = self.listener.events
        self.assertEqual((1, 2), (len(event.old), len(event.new)))  # type: ignore[attr-defined]

    def test_what_is_not_online_does_not_play(self) -> None:
        """Whatever an inspector claims, a camera that is not online has no stream that plays, in any event."""
        for status in set(Status) - {Status.ONLINE}:
            self.inspect(stream(), status=status, reason="why")
            for event in self.listener.events:
                self.assertFalse(any(one.validated for one in event.camera.streams))  # type: ignore[attr-defined]
            self.assertEqual((status, "why"), (self.camera().status, self.camera().reason))

    def test_status_of_streams(self) -> None:
        """One stream that plays is enough for online; none is a stream error with the first reason."""
        self.inspect(stream(path="a", plays=False), stream(path="b"))
        self.assertIs(Status.ONLINE, self.camera().status)
        self.assertEqual(["StreamChanged", "CameraTrouble"], self.inspect(stream(path="a", plays=False)))
        self.assertEqual((Status.STREAM_ERROR, "404 Not Found"), (self.camera().status, self.camera().reason))

    def test_no_reason_is_empty(self) -> None:
        """A camera that is not online has a reason, though an inspector gave none; its streams have the same."""
        for status, reason in (
            (Status.ONLINE, ""),
            (Status.OFFLINE, "it does not answer"),
            (Status.STREAM_ERROR, "no stream could be proved"),
            (Status.AUTH_REQUIRED, "it wants a login"),
            (Status.BUSY, "it has no room for another connection"),
        ):
            self.inspect(stream(), status=status, reason=" ")
            self.assertEqual(reason, self.camera().reason)
            if status is not Status.ONLINE:
                self.assertEqual(self.camera().reason, self.camera().streams[0].reason)

    def test_name_of_a_scope(self) -> None:
        """A name from a scope gives way to another one from there only: a host name is weaker, at a restart as well."""
        self.inspect(stream(), name="ipc-1", name_source="hostname")
        self.inspect(stream(), name="Front door", name_source="scope")
        for name, source in (("ipc-1", "hostname"), ("ipc-1", ""), ("", "")):
            self.assertEqual([], self.inspect(stream(), name=name, name_source=source))
            self.assertEqual(("Front door", "scope"), (self.camera().name, self.camera().name_source))
        saved = self.camera()
        self.cameras = CameraSet(self.listener.handle)
        self.cameras.restore(saved)
        self.inspect(stream(), name="ipc-1", name_source="hostname")
        self.assertEqual(("Front door", "scope"), (self.camera().name, self.camera().name_source))
        self.inspect(stream(), name="Back door", name_source="scope")
        self.assertEqual("Back door", self.camera().name)

    def test_name_of_a_host(self) -> None:
        """Any other name is replaced by the latest."""
        self.inspect(stream(), name="ipc-1", name_source="hostname")
        self.inspect(stream(), name="ipc-2", name_source="hostname")
        self.assertEqual("ipc-2", self.camera().name)

    def test_no_stream_is_named(self) -> None:
        """Without any stream it is a stream error that says so; those known before stay listed, as not playing."""
        self.inspect(stream())
        self.nothing()
        self.assertEqual((Status.STREAM_ERROR, "it names no stream"), (self.camera().status, self.camera().reason))
        self.assertEqual([False], [one.validated for one in self.camera().streams])

    def test_refusal_keeps_the_streams(self) -> None:
        """A camera that wants a login now is auth_required; what its streams were stays known."""
        self.inspect(stream())
        self.nothing(status=Status.AUTH_REQUIRED, reason="it wants a login")
        self.assertEqual((Status.AUTH_REQUIRED, 1), (self.camera().status, len(self.camera().streams)))

    def test_urls_carry_no_login(self) -> None:
        """A login in any URL that an inspector brings is dropped at the door."""
        self.inspect(
            replace(stream(), url="rtsp://admin:canary@10.0.0.5/a"),
            onvif_url="http://u:canary@10.0.0.5/o",
            http_url="http://u:canary@10.0.0.5/",
            snapshot_url="http://u:canary@10.0.0.5/s",
        )
        self.assertNotIn("canary", repr(self.camera()))
        self.assertEqual("rtsp://10.0.0.5/a", self.camera().primary_url)

    def test_clock_skew(self) -> None:
        """A clock that is off by more than five seconds is told once, and once more when it is right again."""
        self.inspect(stream(), clock_offset=3.0)
        self.assertNotIn("ClockSkewed", self.listener.names())
        self.assertEqual(["ClockSkewed"], self.inspect(stream(), clock_offset=3600.0))
        self.assertEqual([], self.inspect(stream(), clock_offset=3602.0))
        self.assertEqual(3600.0, self.camera().clock_offset, "as it was told")
        self.assertEqual(["ClockSkewed"], self.inspect(stream(), clock_offset=0.0))
        self.assertEqual(0.0, self.camera().clock_offset)
        self.assertEqual([], self.inspect(stream(), clock_offset=float("nan")))

    def test_clock_skew_is_no_news_after_a_restart(self) -> None:
        """A clock that was told to be off before the restart is told again only when it differs from that."""
        self.inspect(stream(), clock_offset=3600.0)
        saved = self.camera()
        self.cameras = CameraSet(self.listener.handle)
        self.cameras.restore(saved)
        self.assertNotIn("ClockSkewed", self.inspect(stream(), clock_offset=3601.0))
        self.assertEqual(["ClockSkewed"], self.inspect(stream(), clock_offset=0.0))


class ChannelTests(CameraSetCase):
    def ids(self) -> dict[str, str]:
        return {camera.id: camera.source for camera in self.cameras}

    def test_each_source_is_a_camera(self) -> None:
        """Sources are channels; the first has the device's id, others a number."""
        self.inspect(*(stream(source=source, path=source) for source in ("s1", "s2", "s3")))
        self.assertEqual({"x": "s1", "x_2": "s2", "x_3": "s3"}, self.ids())
        self.assertEqual([1, 2, 3], [camera.channel for camera in self.cameras])
        self.assertEqual(["x"] * 3, [camera.device_id for camera in self.cameras])

    def test_ids_do_not_follow_the_order(self) -> None:
        """A recorder that lists its sources otherwise, or leaves one out, exchanges no two cameras."""
        self.inspect(*(stream(source=source, path=source) for source in ("s1", "s2", "s3")))
        self.inspect(*(stream(source=source, path=source) for source in ("s3", "s2")))
        self.assertEqual({"x": "s1", "x_2": "s2", "x_3": "s3"}, self.ids())
        self.assertEqual("rtsp://10.0.0.5:554/s3", self.camera("x_3").primary_url)
        self.assertEqual(
            (Status.STREAM_ERROR, "the device no longer names this source"),
            (self.camera("x").status, self.camera("x").reason),
        )
        self.inspect(*(stream(source=source, path=source) for source in ("s4", "s1", "s2")))
        self.assertEqual({"x": "s1", "x_2": "s2", "x_3": "s3", "x_4": "s4"}, self.ids())

    def test_unknown_sources_go_in_order(self) -> None:
        """A camera that told no source yet, or tells quite others now, keeps its id."""
        self.nothing(status=Status.AUTH_REQUIRED)
        self.inspect(stream(source="s1"), stream(source="s2"))
        self.assertEqual({"x": "s1", "x_2": "s2"}, self.ids())
        self.inspect(stream(source="t1"), stream(source="t2"))
        self.assertEqual({"x": "t1", "x_2": "t2"}, self.ids())

    def test_a_stream_without_a_source(self) -> None:
        """It belongs to the first camera, and says nothing about the others."""
        self.inspect(stream(source="s1", path="1"), stream(source="", path="odd"), stream(source="s2", path="2"))
        self.assertEqual({"x": "s1", "x_2": "s2"}, self.ids())
        self.assertEqual(2, len(self.camera("x").streams))
        self.inspect(stream(path="rtsp-alone"))
        self.assertEqual((Status.ONLINE, Status.ONLINE), (self.camera("x").status, self.camera("x_2").status))

    def test_a_refusal_is_for_all(self) -> None:
        """A recorder that wants a login now wants it for every channel."""
        self.inspect(stream(source="s1"), stream(source="s2"))
        self.nothing(status=Status.AUTH_REQUIRED, reason="login")
        self.assertEqual([Status.AUTH_REQUIRED] * 2, [camera.status for camera in self.cameras])

    def test_bound(self) -> None:
        """A device has at most 256 cameras, however many sources it names."""
        for turn in range(3):
            self.inspect(stream(source="0"), *(stream(source=f"{turn}-{n}") for n in range(300)))
        self.assertEqual(MAX_CHANNELS, len(self.cameras))

    @given(st.lists(st.lists(st.sampled_from(["", "a", "b", "c", "d"]), max_size=6), max_size=8))
    @settings(deadline=None)
    def test_any_history(self, history: list[list[str]]) -> None:
        """A source that a camera has stays with it while it is named; no number is given twice; no stream is lost."""
        known: dict[int, Camera] = {}
        for sources in history:
            streams = [stream(source=source, path=str(n)) for n, source in enumerate(sources)]
            before = {camera.source: number for number, camera in known.items() if camera.source}
            given_out = assign_channels(known.values(), streams)
            numbers = [number for number, _, _ in given_out]
            self.assertEqual(sorted(set(numbers)), numbers)
            for number, source, _ in given_out:
                if source in before:
                    self.assertEqual(before[source], number)
            self.assertEqual(len(streams), sum(len(some) for _, _, some in given_out))
            for number, source, some in given_out:
                old = known.get(number) or Camera(id=str(number), device_id="x", address=ADDRESS, channel=number)
                known[number] = replace(old, source=source or old.source, streams=some)


class StateTests(CameraSetCase):
    def test_check(self) -> None:
        """A check that finds the stream dead is trouble, one that finds it again is online; once each."""
        self.inspect(stream())
        url = self.camera().primary_url
        for report, names in (
            (GONE, ["StreamChanged", "CameraTrouble"]),
            (GONE, []),
            (PLAYS, ["StreamChanged", "CameraOnline"]),
            (PLAYS, []),
        ):
            self.listener.take()
            self.now += 1
            self.cameras.record_check({url: report}, self.now)
            self.assertEqual(names, self.listener.names())
            for event in self.listener.events:
                self.assertEqual(event.camera.online, any(one.validated for one in event.camera.streams))  # type: ignore[attr-defined]

    def test_judged_by_what_a_person_gave(self) -> None:
        """The main stream that a person gave decides alone, in an inspection and in a check; what it wants is told."""
        own, other = stream(path="main", own=True), stream(path="other")
        self.inspect(other)
        self.inspect(replace(own, validated=False, reason="404", proof=Proof.RTSP), other)
        self.assertEqual((Status.STREAM_ERROR, "404"), (self.camera().status, self.camera().reason))
        for report, status in (
            (PLAYS, Status.ONLINE),
            (StreamReport(Proof.AUTH, validated=False, reason="a login"), Status.AUTH_REQUIRED),
            (StreamReport(Proof.RTSP, validated=False, reason="full", code=ReasonCode.BUSY), Status.BUSY),
            (GONE, Status.STREAM_ERROR),
        ):
            self.cameras.record_check({own.url: report, other.url: PLAYS}, self.now)
            self.assertEqual((status, report.reason), (self.camera().status, self.camera().reason))
        self.inspect(own, other, status=Status.AUTH_REQUIRED, reason="ONVIF wants a login")
        self.assertEqual((Status.ONLINE, ""), (self.camera().status, self.camera().reason))

    def test_codec_that_cannot_be_judged(self) -> None:
        """A camera that sends media nobody can judge is there and is not proved; another stream that is, is enough."""
        shown, unknown = stream(path="a"), stream(path="b")
        self.inspect(shown, unknown)
        reason = "it sends media, but whether there are pictures in its VP8 cannot be judged here"
        report = StreamReport(Proof.RTP, validated=False, reason=reason, codec="VP8", code=ReasonCode.UNKNOWN_CODEC)
        self.cameras.record_check({unknown.url: report}, 200.0)
        self.assertEqual((self.camera().status, self.camera().last_validated), (Status.ONLINE, 200.0))
        self.cameras.record_check({shown.url: report, unknown.url: report}, 300.0)
        camera = self.camera()
        self.assertEqual((camera.status, camera.reason, camera.last_validated), (Status.STREAM_ERROR, reason, 200.0))
        told = {(one.codec, one.proof, one.validated, one.code) for one in camera.streams}
        self.assertEqual(told, {("VP8", Proof.RTP, False, ReasonCode.UNKNOWN_CODEC)})

    def test_what_a_check_did_not_see_stays(self) -> None:
        """A report without codec or size leaves what is known."""
        self.inspect(stream(codec="H265", width=640))
        self.cameras.record_check({self.camera().primary_url: SILENT}, 200.0)
        self.assertEqual(
            ("H265", 640, "no answer"),
            (self.camera().streams[0].codec, self.camera().streams[0].width, self.camera().reason),
        )

    def test_offline_is_told_once(self) -> None:
        """It goes for one reason; that it is still away, for whatever reason, is no news."""
        self.inspect(stream())
        self.listener.take()
        self.cameras.set_status_of_all(Status.OFFLINE, "announced", 200.0)
        self.cameras.set_status_of_all(Status.OFFLINE, "no answer", 300.0)
        self.assertEqual(["CameraOffline"], self.listener.names())
        self.assertEqual(("announced", 200.0), (self.camera().reason, self.camera().since))

    def test_another_reason_of_trouble_is_told(self) -> None:
        """A new reason of the same trouble is an event; since when it lasts stays."""
        self.inspect(stream())
        self.cameras.set_status_of_all(Status.BUSY, "453", 200.0)
        self.listener.take()
        self.cameras.set_status_of_all(Status.BUSY, "503", 300.0)
        self.cameras.set_status_of_all(Status.BUSY, "503", 400.0)
        self.assertEqual(["CameraTrouble"], self.listener.names())
        self.assertEqual(("503", 200.0), (self.camera().reason, self.camera().since))

    def test_move(self) -> None:
        """A move is told with both addresses; URLs of the old address name the new one; the history has a bound."""
        self.inspect(stream(), onvif_url="http://10.0.0.5:8000/onvif", snapshot_url="http://other/s")
        self.listener.take()
        self.cameras.record_move(ADDRESS, "10.0.0.6", 200.0)
        [event] = self.listener.events
        self.assertEqual((ADDRESS, "10.0.0.6"), (event.old_address, event.new_address))  # type: ignore[attr-defined]
        camera = self.camera()
        self.assertEqual(
            ("10.0.0.6", "rtsp://10.0.0.6:554/main", "http://10.0.0.6:8000/onvif", "http://other/s"),
            (camera.address, camera.primary_url, camera.onvif_url, camera.snapshot_url),
        )
        self.assertEqual(((ADDRESS, 101.0), ("10.0.0.6", 200.0)), camera.ip_history)
        for number in range(MAX_IP_HISTORY * 2):
            self.cameras.record_move("x", f"10.0.1.{number}", 300.0 + number)
        self.assertEqual(MAX_IP_HISTORY, len(self.camera().ip_history))

    def test_restored(self) -> None:
        """A restored camera is said as it was, and is no discovery."""
        camera = Camera(id="x", device_id="x", address=ADDRESS, mac=A, last_seen=7.0, status=Status.OFFLINE)
        self.cameras.restore(camera)
        self.assertEqual(["CameraRestored"], self.listener.names())
        self.assertIs(camera, self.camera())

    def test_forget(self) -> None:
        """A camera is forgotten once."""
        self.inspect(stream())
        self.listener.take()
        self.assertEqual([True, False], [self.cameras.forget("x", 1.0), self.cameras.forget("x", 2.0)])
        self.assertEqual(
            (["CameraForgotten"], 0, False), (self.listener.names(), len(self.cameras), "x" in self.cameras)
        )
