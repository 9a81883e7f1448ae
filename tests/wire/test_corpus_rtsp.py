"""Captured RTSP conversations and session descriptions go in; what a right parser reads from them comes out."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import corpus
from tests.doubles.rtsp_reading import parse_public, parse_rtp_info
from twisted_detector.wire.http import digest
from twisted_detector.wire.rtsp import sdp
from twisted_detector.wire.rtsp.headers import parse_session, parse_transport
from twisted_detector.wire.rtsp.messages import RtspEvent, RtspResponse
from twisted_detector.wire.rtsp.parser import RtspParser
from twisted_detector.wire.rtsp.url import resolve_aggregate, resolve_control, split_url

#: Recordings of servers' bytes are cut here.
CUT = 20_000


def whole(data: bytes) -> list[RtspEvent]:
    return RtspParser().receive(data)


def byte_by_byte(data: bytes) -> list[RtspEvent]:
    parser = RtspParser()
    return [event for index in range(len(data)) for event in parser.receive(data[index : index + 1])]


def answer(data: bytes) -> RtspResponse:
    (event,) = whole(data)
    assert isinstance(event, RtspResponse)
    return event


def statuses(events: list[RtspEvent]) -> list[int]:
    return [event.status for event in events if isinstance(event, RtspResponse)]


def dialog(text: str) -> tuple[list[tuple[str, str]], bytes]:
    """The requests of a recorded dialog, and the server's answers.

    The recorder shows a body with its line ends changed, so each answer gets the Content-Length of what is shown.
    """
    asked: list[tuple[str, str]] = []
    answers: list[list[str]] = []
    theirs = False
    for line in text.split("\n"):
        if line.startswith(("-- ", ">> ")):
            words = line[3:].split()
            if len(words) == 3 and words[2] == "RTSP/1.0":
                asked.append((words[0], words[1]))
            theirs = False
        elif line.startswith("<< ") or theirs:
            line = line.removeprefix("<< ")
            if line.startswith("RTSP/"):
                answers.append([])
            answers[-1].append(line)
            theirs = True
    said = b""
    for lines in answers:
        border = lines.index("")
        head = [line for line in lines[:border] if not line.startswith("Content-Length")]
        body = "\n".join(lines[border + 1 :]).encode()
        said += "\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body
    return asked, said


class RtspCorpusTests(SynchronousTestCase):
    """Each test reads every case of its kinds; a case that is read wrong is named in the failure."""

    if corpus.SKIP:
        skip = corpus.SKIP

    def each(self, *kinds: str) -> list[corpus.Case]:
        cases = corpus.cases(*kinds)
        self.assertTrue(cases, kinds)
        return cases

    def media(self, media: sdp.Media) -> dict[str, Any]:
        read: dict[str, Any] = {
            "media": media.kind,
            "payload_types": list(media.payload_types),
            "control": media.control,
        }
        if media.rtpmap is not None:
            read["rtpmap"] = media.rtpmap
        if media.direction:
            read["direction"] = media.direction
        if "sprop-parameter-sets" in media.format_parameters:
            read["sprop_parameter_sets"] = media.format_parameters["sprop-parameter-sets"]
        return read

    def check_description(self, case: corpus.Case, description: sdp.SessionDescription) -> None:
        self.assertEqual(description.control, case.expect["session_control"], case.id)
        expected = []
        for media, read in zip(case.expect["medias"], description.medias, strict=True):
            for payload_type, rtpmap in media.get("rtpmap_other", {}).items():
                self.assertEqual(read.rtpmap_of(payload_type), rtpmap, case.id)
            expected.append({key: value for key, value in media.items() if key not in ("setup_url", "rtpmap_other")})
        self.assertEqual([self.media(media) for media in description.medias], expected, case.id)

    def test_session_descriptions(self) -> None:
        """Every captured session description gives the medias, controls and codecs that it names."""
        for case in self.each("sdp"):
            self.check_description(case, sdp.parse(case.data))

    def test_describe(self) -> None:
        """Every captured DESCRIBE answer gives its medias and the URLs that SETUP must use."""
        for case in self.each("rtsp.describe"):
            response = answer(case.data)
            self.assertEqual(response.status, case.expect["status"], case.id)
            description = sdp.parse(response.body)
            self.check_description(case, description)
            asked, base = case.context["request_url"], response.header("Content-Base")
            self.assertEqual(resolve_aggregate(asked, base, None), case.expect["base"], case.id)
            aggregate = resolve_aggregate(asked, base, description.control)
            self.assertEqual(aggregate, case.expect["aggregate_url"], case.id)
            for media, expected in zip(description.medias, case.expect["medias"], strict=True):
                self.assertEqual(resolve_control(aggregate, media.control), expected["setup_url"], case.id)

    def test_single_answers(self) -> None:
        """Every captured answer gives its status, session, transport, methods and stream positions."""
        for case in self.each("rtsp.setup", "rtsp.play", "rtsp.options", "rtsp.response", "rtsp.401"):
            response = answer(case.data)
            read: dict[str, Any] = {"status": response.status}
            if response.header("Session"):
                session = parse_session(response.header("Session"))
                read |= {"session": session.id, "timeout": session.timeout}
            if response.header("Transport"):
                read["interleaved"] = list(parse_transport(response.header("Transport")).interleaved or ())
            read["cseq"] = response.cseq
            read["rtp_info"] = len(parse_rtp_info(response.header("RTP-Info")))
            read["body_len"] = len(response.body)
            expected = dict(case.expect)
            public = expected.pop("public_has", [])
            self.assertLessEqual(set(public), parse_public(response.header("Public")), case.id)
            for wanted, challenge in zip(
                expected.pop("challenges", []),
                digest.parse_challenges(response.all("WWW-Authenticate")),
                strict=case.kind == "rtsp.401",
            ):
                self.assertEqual({key: getattr(challenge, key) for key in wanted}, wanted, case.id)
            self.assertEqual({key: read[key] for key in expected}, expected, case.id)

    def test_transports(self) -> None:
        """Every captured Transport header gives its ports, channels and SSRC."""
        for case in self.each("rtsp.transport"):
            transport = parse_transport(case.data.decode())
            for key, value in case.expect.items():
                read = getattr(transport, key)
                self.assertEqual(list(read) if isinstance(read, tuple) else read, value, f"{case.id} {key}")

    def test_sessions(self) -> None:
        """Every captured Session header gives its identifier and time-out."""
        for case in self.each("rtsp.session"):
            session = parse_session(case.data.decode())
            self.assertEqual({"session": session.id, "timeout": session.timeout}, case.expect, case.id)

    def test_rtp_infos(self) -> None:
        """Every captured RTP-Info header gives as many entries as it has, each with a URL and a sequence number."""
        for case in self.each("rtsp.rtp-info"):
            entries = parse_rtp_info(case.data.decode())
            self.assertEqual(len(entries), case.expect["entries"], case.id)
            self.assertTrue(all(entry.url and entry.sequence is not None for entry in entries), case.id)

    def test_content_bases_that_are_no_urls(self) -> None:
        """A Content-Base that cannot be read is as none: the URL that was asked is the base."""
        for case in self.each("rtsp.content-base"):
            host = case.expect["host"]
            asked = f"rtsp://[{host}]/onvif" if ":" in host else f"rtsp://{host}/onvif"
            self.assertEqual(
                resolve_control(resolve_aggregate(asked, case.data.decode(), None), "t=1"), f"{asked}/t=1", case.id
            )
            self.assertEqual(split_url(asked).host, host, case.id)

    def test_bytes(self) -> None:
        """A server's recorded bytes give the same events whole and cut at every byte."""
        for case in self.each("rtsp.bytes"):
            events = whole(case.data)
            expected = case.expect["statuses"]
            if len(case.data) == CUT:  # the recording ends within the media: its last answer, to TEARDOWN, is not there
                expected = expected[:-1]
            self.assertEqual(statuses(events), expected, case.id)
            self.assertEqual(byte_by_byte(case.data), events, case.id)

    def test_dialogs(self) -> None:
        """A recorded dialog gives its statuses, and its SETUP and PLAY went where our rule would send them."""
        for case in self.each("rtsp.dialog"):
            asked, said = dialog(case.data.decode())
            events = whole(said)
            self.assertEqual(statuses(events), case.expect["statuses"], case.id)
            self.check_dialog(case, asked, [event for event in events if isinstance(event, RtspResponse)])

    def check_dialog(self, case: corpus.Case, asked: list[tuple[str, str]], said: list[RtspResponse]) -> None:
        described = [
            (url, response)
            for (method, url), response in zip(asked, said, strict=False)
            if method == "DESCRIBE" and response.status == 200
        ]
        if not described:
            return
        url, response = described[-1]
        description = sdp.parse(response.body)
        self.assertIsNotNone(description.video, case.id)
        base = resolve_aggregate(url, response.header("Content-Base"), description.control)
        ours = [resolve_control(base, media.control) for media in description.medias]
        theirs = [target for method, target in asked if method == "SETUP"]
        self.assertEqual(theirs, ours[: len(theirs)], case.id)
