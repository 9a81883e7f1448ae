"""Session descriptions, read and written."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.testing.simulator.wire.rtsp import format_description
from twisted_detector.wire.rtsp import sdp

CAMERA = b"""v=0\r
o=- 1 1 IN IP4 10.0.0.5\r
s=Front door\r
c=IN IP4 0.0.0.0\r
t=0 0\r
a=control:*\r
a=x-dimensions:1920,1080\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000 \r
a=fmtp:96 packetization-mode=1; profile-level-id=4D001F; sprop-parameter-sets=Z00AH5WoFAFuQA==,aO48gA==\r
a=framerate:0S\r
a=framerate:12.5\r
a=control:trackID=1\r
m=audio 0 RTP/AVP 8\r
a=control:trackID=2\r
m=audio 0 RTP/AVP 0\r
a=sendonly\r
a=control:trackID=3\r
"""


class SdpTests(SynchronousTestCase):
    """RFC 8866, as devices write it."""

    def test_camera(self) -> None:
        """Medias come in order with codec, control, parameters and frame rate."""
        description = sdp.parse(CAMERA)
        video, audio, back_channel = description.medias
        self.assertEqual((description.name, description.control), ("Front door", "*"))
        self.assertEqual((video.encoding, video.rtpmap, video.control), ("H264", "H264/90000", "trackID=1"))
        self.assertEqual(video.format_parameters["sprop-parameter-sets"], "Z00AH5WoFAFuQA==,aO48gA==")
        self.assertEqual((video.framerate, video.dimensions), (12.5, (0, 0)))
        self.assertEqual(description.dimensions, (1920, 1080))
        self.assertEqual((audio.encoding, back_channel.encoding), ("PCMA", "PCMU"))
        self.assertIs(description.video, video)
        self.assertIs(description.audio, audio)

    def test_line_ends(self) -> None:
        """LF, CR and no end at the last line read as CRLF does."""
        expected = sdp.parse(CAMERA)
        for changed in (CAMERA.replace(b"\r\n", b"\n"), CAMERA.replace(b"\r\n", b"\r"), CAMERA.rstrip()):
            self.assertEqual(sdp.parse(changed), expected)

    def test_back_channel_is_no_sound(self) -> None:
        """Audio that only goes to the device is not its sound; where its video is sendonly too, it is."""
        there = b"m=video 0 RTP/AVP 26\r\na=%s\r\nm=audio 0 RTP/AVP 0\r\na=sendonly\r\n"
        self.assertIsNone(sdp.parse(there % b"recvonly").audio)
        self.assertEqual(sdp.parse(there % b"sendonly").audio.encoding, "PCMU")

    def test_directions(self) -> None:
        """A media without direction has the session's; an inactive video is none where there is another."""
        description = sdp.parse(b"v=0\na=inactive\nm=video 0 RTP/AVP 26\nm=video 0 RTP/AVP 96\na=sendrecv\n")
        self.assertEqual([description.direction_of(media) for media in description.medias], ["inactive", "sendrecv"])
        self.assertIs(description.video, description.medias[1])
        for text in (b"v=0\na=inactive\nm=video 0 RTP/AVP 26\n", b"m=video 0 RTP/AVP 26\na=inactive\n"):
            alone = sdp.parse(text)
            self.assertIs(alone.video, alone.medias[0])

    def test_kinds_of_lines(self) -> None:
        """They are small letters; capitals mean the same."""
        capitals = sdp.parse(b"V=0\nS=name\nM=video 0 RTP/AVP 96\nA=rtpmap:96 H264/90000\n")
        self.assertEqual(("name", "H264"), (capitals.name, capitals.medias[0].encoding))

    def test_later_rtpmap_wins(self) -> None:
        """Of two rtpmaps for one payload type the later counts, and an rtpmap overrides the static table."""
        media = sdp.parse(b"m=audio 0 RTP/AVP 0\na=rtpmap:0 PCMA/8000\na=rtpmap:0 mpeg4-generic/16000\n").medias[0]
        self.assertEqual((media.rtpmap, media.encoding), ("mpeg4-generic/16000", "MPEG4-GENERIC"))

    def test_first_usable_payload_type(self) -> None:
        """Retransmission and error correction are no video; an rtpmap of another number than ``m=`` has counts."""
        for lines, expected, auxiliary in (
            ("m=video 0 RTP/AVP 96 97\na=rtpmap:96 rtx/90000\na=fmtp:96 apt=97\na=rtpmap:97 H264/90000", "97", {96}),
            ("m=video 0 RTP/AVP 98 99 97\na=rtpmap:98 ulpfec/90000\na=rtpmap:99 red/90000\na=rtpmap:97 H264/90000",
             "97", {98, 99}),
            ("m=video 0 RTP/AVP 97\na=rtpmap:97 H264/90000\na=rtpmap:98 flexfec-03/90000", "97", {98}),
            ("m=video 0 RTP/AVP 96\na=rtpmap:97 H264/90000", "97", set()),
            ("m=video 0 RTP/AVP 0\na=rtpmap:97 H264/90000", "97", set()),
            ("m=video 0 RTP/AVP\na=rtpmap:97 H264/90000", "97", set()),
            ("m=video 0 RTP/AVP 96, 97\na=rtpmap:96 H264/90000", "96", set()),
            ("m=video 0 RTP/AVP 98 97\na=rtpmap:97 H264/90000", "97", set()),
        ):  # fmt: skip
            media = sdp.parse(lines.encode()).video
            assert media is not None
            self.assertEqual((media.payload_type, media.encoding), (expected, "H264"), lines)
            self.assertEqual(media.auxiliary_types, auxiliary, lines)

    def test_blanks(self) -> None:
        """Between a payload type and what is said of it stand one blank, many, a tab, a colon or nothing."""
        for between in (" ", "  ", "\t", " \t ", ":", ": ", "; ", ""):
            for before in ("", " ", "\t"):
                text = (
                    f"m=video 0\tRTP/AVP  96\na=rtpmap{before}:{before}96{between}h264 / 90000\n"
                    f"a=FMTP:{before}96{between}packetization-mode=1 ;sprop-parameter-sets=aO48gA==\n"
                    f"a=framesize:96{between or ' '}640-480\n"
                )
                video = sdp.parse(text.encode()).video
                assert video is not None
                self.assertEqual((video.encoding, video.dimensions), ("H264", (640, 480)), text)
                sets = {"packetization-mode": "1", "sprop-parameter-sets": "aO48gA=="}
                self.assertEqual(video.format_parameters, sets, text)

    def test_first_usable_video(self) -> None:
        """Metadata, retransmission and error correction that call themselves video are passed over."""
        other = "m=video 0 RTP/AVP 97\na=rtpmap:97 H265/90000\na=control:right\n"
        for name in ("vnd.onvif.metadata", "VND.ONVIF.METADATA.GZIP", "metadata", "rtx", "ulpfec", "x-private"):
            wrong = f"m=video 0 RTP/AVP 98\na=rtpmap:98 {name}/90000\na=control:wrong\n"
            for text in (wrong + other, other + wrong):
                video = sdp.parse(text.encode()).video
                assert video is not None
                self.assertEqual(video.control, "right", name)
            alone = sdp.parse(wrong.encode()).video
            self.assertEqual(alone is None, name != "x-private")

    def test_static_types_are_of_their_kind(self) -> None:
        """A number that stands for sound tells nothing in a video, and the reverse."""
        self.assertEqual(sdp.parse(b"m=video 0 RTP/AVP 0\n").medias[0].encoding, "")
        self.assertEqual(sdp.parse(b"m=audio 0 RTP/AVP 26\n").medias[0].encoding, "")
        self.assertEqual(sdp.parse(b"m=video 0 RTP/AVP 26\n").medias[0].encoding, "JPEG")

    def test_format_parameters(self) -> None:
        """Several lines make one; a later one counts more; those of a number that nothing has are the stream's."""
        start = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
        for lines, expected in (
            ("a=fmtp:96 a=1;b=2\na=fmtp:96 b=3; c=4", {"a": "1", "b": "3", "c": "4"}),
            ("a=fmtp:97 a=1", {"a": "1"}),
            ("a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96", {}),
        ):
            self.assertEqual(sdp.parse((start + lines).encode()).medias[0].format_parameters, expected, lines)

    def test_many_payload_types(self) -> None:
        """Numbers and rtpmaps without end cost no more than their bytes."""
        numbers = " ".join(str(number) for number in range(30_000))
        lines = "".join(f"a=rtpmap:{number} x{number}/1\n" for number in range(4_000))
        media = sdp.parse(f"m=video 0 RTP/AVP {numbers}\n{lines}".encode()).medias[0]
        self.assertEqual((media.payload_type, media.encoding, media.format_parameters), ("0", "X0", {}))

    def test_framesize(self) -> None:
        """``a=framesize`` of the first payload type tells the size; of another it does not."""
        text = b"m=video 0 RTP/AVP 96 97\na=framesize:97 320-240\na=framesize:96 640-480\n"
        self.assertEqual(sdp.parse(text).dimensions, (640, 480))
        self.assertEqual(sdp.parse(text.replace(b":96 640", b":98 640")).dimensions, (0, 0))

    def test_framerates(self) -> None:
        """A frame rate that is none, zero or beyond any camera is not taken."""
        for text, expected in (("25", 25.0), ("29.97", 29.97), ("0", 0.0), ("-5", 0.0), ("1e9", 0.0), ("481", 0.0)):
            data = f"m=video 0 RTP/AVP 96\na=framerate:{text}\n".encode()
            self.assertEqual(sdp.parse(data).medias[0].framerate, expected, text)

    def test_media_line_cut_short(self) -> None:
        """A media line with words missing is still a media."""
        for line in (b"m=", b"m=video", b"m=video 0", b"m=video 0 RTP/AVP"):
            self.assertEqual((sdp.parse(line).medias[0].payload_types, sdp.parse(line).medias[0].encoding), ((), ""))

    def test_refused(self) -> None:
        """What has no line of a description, too many medias or too many bytes is refused."""
        for data in (b"", b"<html>\n</html>", b"\0\0\0", b"m=video 0 RTP/AVP 96\n" * 65, b"s=" + b"a" * sdp.MAX_BODY):
            self.assertRaises(RemoteError, sdp.parse, data)

    def test_many_lines(self) -> None:
        """Lines beyond the bound are passed over."""
        description = sdp.parse(b"v=0\n" + b"a=x\n" * sdp.MAX_LINES + b"m=video 0 RTP/AVP 96\n")
        self.assertEqual(description.medias, ())

    def test_written_and_read(self) -> None:
        """What is written reads back the same, direction and bare attributes included."""
        media = sdp.Media(
            kind="video",
            protocol="RTP/AVP",
            payload_types=("96",),
            attributes=(("rtpmap", "96 H264/90000"), ("recvonly", ""), ("control", "t=1")),
            direction="recvonly",
        )
        data = format_description([media], name="gate", address="fe80::1", attributes=(("control", "*"),))
        self.assertTrue(data.startswith(b"v=0\r\no=- 0 0 IN IP6 fe80::1\r\ns=gate\r\n"))
        self.assertEqual(sdp.parse(data), sdp.SessionDescription((("control", "*"),), "gate", (media,)))
        bare = sdp.Media(kind="audio", protocol="RTP/AVP", payload_types=("0",), direction="sendonly")
        self.assertEqual(sdp.parse(format_description([bare])).medias[0].direction, "sendonly")

    def test_no_lines_slip_in(self) -> None:
        """A line end in a name is our fault, not another line."""
        self.assertRaises(LocalError, format_description, [], name="a\r\nm=video 0 RTP/AVP 96")

    def test_truncation(self) -> None:
        """Cut at any byte, a description reads as far as it goes or is refused."""
        for end in range(len(CAMERA)):
            try:
                self.assertLessEqual(len(sdp.parse(CAMERA[:end]).medias), 3)
            except RemoteError:
                self.assertLess(end, 2)

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(CAMERA) - 1), st.binary(max_size=12))
    def test_mutations(self, position: int, garbage: bytes) -> None:
        """Any bytes in the middle give a description of which everything can be asked."""
        description = sdp.parse(CAMERA[:position] + garbage + CAMERA[position + len(garbage) :])
        for media in description.medias:
            _ = media.encoding, media.framerate, media.dimensions, media.format_parameters, media.control
        _ = description.video, description.audio, description.dimensions
