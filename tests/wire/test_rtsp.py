"""RTSP messages, headers and URLs, read and written."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_reading import RtpInfo, parse_public, parse_rtp_info
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved, format_session
from twisted_detector.wire.http.head import MAX_FIELDS
from twisted_detector.wire.rtsp.headers import (
    SessionHeader,
    TransportHeader,
    format_transport,
    parse_session,
    parse_transport,
    parse_transports,
)
from twisted_detector.wire.rtsp.messages import (
    InterleavedFrame,
    RtspEvent,
    RtspRequest,
    RtspResponse,
    format_request,
    format_response,
)
from twisted_detector.wire.rtsp.parser import MAX_GARBAGE, MAX_HEAD, RtspParser
from twisted_detector.wire.rtsp.url import redirected_url, resolve_aggregate, resolve_control, split_url

DESCRIBED = (
    b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    b"$\x00\x00\x03abc"
    b"RTSP/1.0 454 Session Not Found\r\nCSeq: 3\r\n\r\n"
)
EVENTS = [
    RtspResponse((("CSeq", "2"), ("Content-Type", "application/sdp"), ("Content-Length", "5")), b"v=0\r\n", 200, "OK"),
    InterleavedFrame(0, b"abc"),
    RtspResponse((("CSeq", "3"),), b"", 454, "Session Not Found"),
]


def parse(data: bytes) -> list[RtspEvent]:
    return RtspParser().receive(data)


class ParserTests(SynchronousTestCase):
    """RFC 2326 sections 4, 6, 7 and 10.12, and what devices make of them."""

    def test_cut_anywhere(self) -> None:
        """Answers, a body and media give the same events however the stream is cut."""
        self.assertEqual(parse(DESCRIBED), EVENTS)
        for cut in range(len(DESCRIBED)):
            parser = RtspParser()
            self.assertEqual(parser.receive(DESCRIBED[:cut]) + parser.receive(DESCRIBED[cut:]), EVENTS, cut)

    def test_truncation(self) -> None:
        """A stream that ends anywhere gives no event that it does not hold, and no error."""
        for end in range(len(DESCRIBED)):
            events = parse(DESCRIBED[:end])
            self.assertEqual(events, EVENTS[: len(events)])
            self.assertLess(len(events), 3)

    def test_sloppy_answers(self) -> None:
        """Bare LF, mixed line ends, folded headers, no reason, lines without a colon and blank lines are read."""
        for data, expected in (
            (b"RTSP/1.0 200 OK\nCSeq: 1\n\n", RtspResponse((("CSeq", "1"),), b"", 200, "OK")),
            (b"RTSP/1.0 200 OK\nCSeq: 1\r\n\r\n", RtspResponse((("CSeq", "1"),), b"", 200, "OK")),
            (b"\r\n\n\r\nRTSP/1.0 200\r\ncseq:1\r\n\r\n", RtspResponse((("cseq", "1"),), b"", 200, "")),
            (b"RTSP/1.0  404  Not  Found \r\n\r\n", RtspResponse((), b"", 404, "Not  Found")),
            (
                b"RTSP/1.0 401 No\r\nA: b,\r\n\t c\r\nnonsense\r\n: x\r\n\r\n",
                RtspResponse((("A", "b, c"),), b"", 401, "No"),
            ),
            (b"RTSP/1.0 200 \xff\r\n x\r\nS: \xe9\r\n\r\n", RtspResponse((("S", "\udce9"),), b"", 200, "\udcff")),
            (b"RTSP/1.0 200OK\r\r\nA : b\r\r\n\r\r\n", RtspResponse((("A", "b"),), b"", 200, "OK")),
            (b" \tRTSP/1.0 200 OK\r\n\r\n", RtspResponse((), b"", 200, "OK")),
            (b"RTSP/1 200 OK\r\n\r\n", RtspResponse((), b"", 200, "OK")),
            (b"RTSP/1.1 200\r\n\r\n", RtspResponse((), b"", 200, "")),
            (b"rtsp/1.0 200 ok\r\n\r\n", RtspResponse((), b"", 200, "ok")),
        ):
            self.assertEqual(parse(data), [expected], data)
            parser = RtspParser()
            self.assertEqual([expected], [event for octet in data for event in parser.receive(bytes((octet,)))], data)

    def test_requests(self) -> None:
        """A server reads requests the same way, body included."""
        data = b"SET_PARAMETER rtsp://h/a RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 2\r\n\r\nhi"
        headers = (("CSeq", "9"), ("Content-Length", "2"))
        self.assertEqual(parse(data), [RtspRequest(headers, b"hi", "SET_PARAMETER", "rtsp://h/a")])

    def test_headers(self) -> None:
        """Headers are found in any case, the first of several or all; a CSeq that is no number is none."""
        (event,) = parse(b"RTSP/1.0 200 OK\r\nA: 1\r\na: 2\r\nCSeq: x\r\n\r\n")
        self.assertEqual(
            (event.header("a"), event.all("A"), event.header("b"), event.cseq), ("1", ("1", "2"), "", None)
        )

    def test_not_rtsp(self) -> None:
        """A server of another protocol is told at its first bytes, before its first line ends."""
        for data in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"SSH-2.0-x",
            b"\x15\x03\x01",
            b"<html",
            b"RTSP/1.0 20 OK\r\n",
            b"220 hi",
        ):
            self.assertRaises(RemoteError, parse, data)

    def test_more_than_announced(self) -> None:
        """What a server sends beyond its Content-Length is passed over; the next answer is read."""
        for more in (b"v=0\r\ns=x\r\nm=video\r\n", b"v=0\nno end of line ", b"v=0RTSPRTSP"):
            data = DESCRIBED.replace(b"Length: 5", b"Length: 3").replace(b"v=0\r\n$\x00\x00\x03abc", more)
            events = parse(data)
            self.assertEqual([event.status for event in events if isinstance(event, RtspResponse)], [200, 454], more)

    def test_endless_garbage(self) -> None:
        """Garbage between messages has a bound."""
        parser = RtspParser()
        parser.receive(b"RTSP/1.0 200 OK\r\n\r\n")
        with self.assertRaises(RemoteError):
            for _ in range(MAX_GARBAGE):
                parser.receive(b"ab\n")

    def test_bounds(self) -> None:
        """An endless start line, head or body is refused, before it is held; of headers a bounded number is kept."""
        (many,) = parse(b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 1_000 + b"\r\n")
        self.assertEqual(MAX_FIELDS, len(many.headers))
        for data in (
            b"RTSP/1.0 200 " + b"x" * 20_000,
            b"RTSP/1.0 200 OK\r\nA: " + b"x" * MAX_HEAD,
            b"RTSP/1.0 200 OK\r\nContent-Length: 262145\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        ):
            self.assertRaises(RemoteError, parse, data)

    def test_lengths(self) -> None:
        """The digits at the front of a Content-Length count, and there is no body where there are none."""
        for text, body in (
            ("2 bytes", b"ab"),
            ("2;x", b"ab"),
            ("", b""),
            ("-1", b""),
            ("many", b""),
            (" 02", b"ab"),
            ("+2", b"ab"),
        ):
            (event,) = parse(f"RTSP/1.0 200 OK\r\nContent-Length: {text}\r\n\r\n".encode() + body)
            self.assertEqual(body, event.body, text)

    def test_a_body_that_is_cut(self) -> None:
        """At the connection's end a response has what came of its body; before its head is whole there is none."""
        whole = b"RTSP/1.0 200 OK\r\nContent-Length: 99\r\n\r\nv=0\r\n"
        for length in range(len(whole) + 1):
            parser = RtspParser()
            self.assertEqual([], parser.receive(whole[:length]))
            end = parser.end()
            body = whole[whole.index(b"v=0") : length]
            self.assertEqual(body, end.body if end is not None else b"", length)
            self.assertIsNone(parser.end())

    def test_a_description_without_a_length(self) -> None:
        """It goes on to the next message, or until it is told to have ended; other answers have no body then."""
        lines = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=control:$1 RTSP/1\r\n"
        for length in (b"", b"Content-Length: 0\r\n"):
            head = b"RTSP/1.0 200 OK\r\n" + length + b"Content-Type: application/sdp\r\n\r\n"
            for following in (b"$\0\0\1x", b"RTSP/1.0 454 No\r\n\r\n"):
                for step in (1, 1_000):
                    data, parser = head + lines + following, RtspParser()
                    pieces = (data[start : start + step] for start in range(0, len(data), step))
                    events = [event for piece in pieces for event in parser.receive(piece)]
                    self.assertEqual([lines], [event.body for event in events if isinstance(event, RtspResponse)][:1])
                    self.assertEqual((2, False), (len(events), parser.awaits_end))
            for come in (lines, b""):
                parser = RtspParser()
                self.assertEqual([], parser.receive(head + come))
                self.assertTrue(parser.awaits_end)
                end = parser.end()
                self.assertEqual((200, come), (end.status, end.body) if end is not None else None)
                self.assertEqual(
                    [454], [one.status for one in parser.receive(following) if isinstance(one, RtspResponse)]
                )
            self.assertRaises(RemoteError, RtspParser(max_body=9).receive, head + lines)
            for other in (head.replace(b"200", b"404"), head.replace(b"sdp", b"xml")):
                (event,) = parse(other)
                self.assertEqual(b"", event.body)

    def test_garbage_between_frames(self) -> None:
        """The next frame is found among garbage of any kind, however it is cut, and no frame is made of it."""
        first, second = (format_interleaved(channel, b"\x80\x60" + bytes(20)) for channel in (0, 1))
        hello = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
        for garbage in (
            b"RTSP/" * 9,
            b"RTSP/1.",
            bytes(700),
            b"\x00",
            bytes(range(256)) * 3,
            b"x$\x00\x00\x0c" + bytes(12),  # not RTP
            b"x$\x07\x00\x0c\x80\x60" + bytes(10),  # a channel that nobody uses
            b"x$\x00\x00\x04\x80\x60\x00\x00",  # shorter than any packet
            b"x$$$$$$",
            b"DEBUG encoder: restarted ",
            b"DEBUG encoder: restarted\r\n$",
            b"\x01\n",
            b"\x01\n\n",
            b"abcRTSP/",
        ):
            data = hello + first + second + garbage + first + second + hello
            events = parse(data)
            self.assertEqual(6, len(events), garbage[:20])
            self.assertEqual([0, 1, 0, 1], [one.channel for one in events if isinstance(one, InterleavedFrame)])
            parser = RtspParser()
            piecemeal = [event for octet in data for event in parser.receive(bytes([octet]))]
            self.assertEqual(events, piecemeal, garbage[:20])

    def test_garbage_behind_a_report(self) -> None:
        """The channel of the pictures is known though nothing but a report came before the garbage."""
        report = b"$\1" + (28).to_bytes(2, "big") + b"\x80\xc8" + bytes(26)
        picture = b"$\0" + (20).to_bytes(2, "big") + b"\x80\x60" + bytes(18)
        events = RtspParser().receive(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n" + report + b"\0\0" + picture + picture)
        self.assertEqual([1, 0, 0], [event.channel for event in events if isinstance(event, InterleavedFrame)])

    def test_garbage_that_looks_like_a_message(self) -> None:
        """A frame is not kept waiting for the end of a line that began like a message."""
        frame = format_interleaved(0, b"\x80\x60" + bytes(20))
        for garbage in (b"xRTSP/", b"xRTSP/1.0 ", b"\x01\nDEBUG ", b"DEBUG ", b"\x01\nRTSP/1."):
            parser = RtspParser()
            parser.receive(b"RTSP/1.0 200 OK\r\n\r\n" + frame)
            self.assertEqual(1, len(parser.receive(garbage + frame)), garbage)

    def test_garbage_again_and_again(self) -> None:
        """As much garbage as there is media is passed over for ever, and no more."""
        frame = format_interleaved(0, b"\x80\x60" + bytes(1_400))
        parser = RtspParser()
        parser.receive(b"RTSP/1.0 200 OK\r\n\r\n")
        for _ in range(100):
            self.assertEqual(1, len(parser.receive(bytes(1_300) + frame)))
        with self.assertRaises(RemoteError):
            for _ in range(100):
                parser.receive(bytes(1_800) + frame)

    def test_events_before_an_error(self) -> None:
        """What came before the fault is returned; the next call raises, and goes on raising."""
        parser = RtspParser()
        good = b"RTSP/1.0 200 OK\r\n\r\n"
        self.assertEqual(len(parser.receive(good + b"RTSP/1.0 200 OK\r\nContent-Length: 999999\r\n\r\n")), 1)
        self.assertIsInstance(parser.error, RemoteError)
        for _ in range(2):
            self.assertRaises(RemoteError, parser.receive, good)

    def test_largest_frame(self) -> None:
        """A frame of 65 535 bytes on channel 255 is read, and written."""
        data = format_interleaved(255, b"x" * 65_535)
        self.assertEqual(parse(data), [InterleavedFrame(255, b"x" * 65_535)])
        self.assertRaises(LocalError, format_interleaved, 256, b"")
        self.assertRaises(LocalError, format_interleaved, 0, b"x" * 65_536)

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, len(DESCRIBED) - 1), st.binary(min_size=1, max_size=10))
    def test_mutations(self, position: int, garbage: bytes) -> None:
        """Any bytes in the middle give events, a wait or a RemoteError, and the same one byte at a time."""
        data = DESCRIBED[:position] + garbage + DESCRIBED[position + len(garbage) :]

        def outcome(pieces: list[bytes]) -> tuple[list[RtspEvent], bool]:
            parser, events = RtspParser(), []
            for piece in pieces:
                try:
                    events += parser.receive(piece)
                except RemoteError:
                    break
            return events, parser.error is not None

        self.assertEqual(outcome([data]), outcome([bytes([octet]) for octet in data]))


class FormatTests(SynchronousTestCase):
    """What we write is what the standard has, and cannot be made to say more."""

    def test_request(self) -> None:
        """A request has its line, headers, length and, last, its CSeq; octets go back as they came."""
        data = format_request("DESCRIBE", "rtsp://h/a", 7, [("Accept", "application/sdp")])
        self.assertEqual(data, b"DESCRIBE rtsp://h/a RTSP/1.0\r\nAccept: application/sdp\r\nCSeq: 7\r\n\r\n")
        with_body = format_request("SET_PARAMETER", "rtsp://h/a", 8, [("A", "\udcb0")], b"xy")
        expected = b"SET_PARAMETER rtsp://h/a RTSP/1.0\r\nA: \xb0\r\nContent-Length: 2\r\nCSeq: 8\r\n\r\nxy"
        self.assertEqual(with_body, expected)

    def test_response(self) -> None:
        """A response reads back as it was meant."""
        data = format_response(401, 3, [("A", "b")], b"xy")
        headers = (("CSeq", "3"), ("A", "b"), ("Content-Length", "2"))
        self.assertEqual(parse(data), [RtspResponse(headers, b"xy", 401, "Unauthorized")])
        self.assertEqual(format_response(200, None), b"RTSP/1.0 200 OK\r\n\r\n")
        self.assertEqual(format_response(599, None, reason="Odd"), b"RTSP/1.0 599 Odd\r\n\r\n")

    def test_injection(self) -> None:
        """Line ends and blanks in what goes into a message are our fault, and are not written."""
        for call in (
            lambda: format_request("DE SCRIBE", "rtsp://h", 1),
            lambda: format_request("DESCRIBE", "rtsp://h/a b", 1),
            lambda: format_request("DESCRIBE", "rtsp://h/\r\nX: y", 1),
            lambda: format_request("DESCRIBE", "rtsp://h", 1, [("A", "b\r\nC: d")]),
            lambda: format_request("DESCRIBE", "rtsp://h", 1, [("A b", "c")]),
            lambda: format_response(200, 1, reason="OK\r\nX: y"),
            lambda: format_response(99, 1),
        ):
            self.assertRaises(LocalError, call)


class HeaderTests(SynchronousTestCase):
    """Transport, Session, Public and RTP-Info."""

    def test_transports(self) -> None:
        """Each way of saying the transport comes to the same fields."""
        for text, expected in (
            ("RTP/AVP/TCP;unicast;interleaved=2-3", TransportHeader("tcp", interleaved=(2, 3))),
            ("RTP/AVP;unicast;interleaved=4", TransportHeader("tcp", interleaved=(4, 5))),
            ("rtp/avp/udp; unicast; client_port=5000-5001", TransportHeader("udp", client_port=(5000, 5001))),
            ("RTP/AVP;unicast;client_port=65536-1", TransportHeader("udp")),
            ("RTP/AVP;multicast;ttl=300;port=7000", TransportHeader("udp-multicast", port=(7000, 7001))),
            ('RTP/AVP;source=;ssrc= 4a;mode="PLAY"', TransportHeader("udp", ssrc="0000004A", mode="PLAY")),
            ("RTP/AVP;ssrc=xyz;interleaved=999-1000", TransportHeader("udp")),
            ("unicast;RTP/AVP/TCP;interleaved=2-3", TransportHeader("tcp", interleaved=(2, 3))),
            ("interleaved=2-3; rtp/avp", TransportHeader("tcp", interleaved=(2, 3))),
            (";RTP/AVP;unicast;client_port=5000-5001", TransportHeader("udp", client_port=(5000, 5001))),
            ("FOO/BAR, RTP/SAVP/TCP;interleaved=0-1", TransportHeader("tcp", "RTP/SAVP", interleaved=(0, 1))),
            ("TCP;unicast;interleaved=2-3", TransportHeader("tcp", interleaved=(2, 3))),
            ("unicast;interleaved=2-3", TransportHeader("tcp", interleaved=(2, 3))),
            ("RTP/AVP/TCP unicast interleaved=2-3", TransportHeader("tcp")),
        ):
            self.assertEqual(parse_transport(text), expected, text)
        self.assertEqual(len(parse_transports("RTP/AVP, RTP/AVP/TCP, X")), 2)
        for text in ("", "X/Y;interleaved=0-1", ";;", "TCP;unicast", "interleaved=x"):
            self.assertRaises(RemoteError, parse_transport, text)

    def test_transport_written_and_read(self) -> None:
        """A transport reads back as it was written."""
        for transport in (
            TransportHeader("tcp", interleaved=(0, 1), ssrc="000000FF", mode="PLAY"),
            TransportHeader("udp", client_port=(1, 2), server_port=(3, 4), source="10.0.0.1"),
            TransportHeader("udp-multicast", destination="239.1.1.1", port=(7000, 7001), ttl=16),
        ):
            self.assertEqual(parse_transport(format_transport(transport)), transport)
        self.assertRaises(LocalError, format_transport, TransportHeader("carrier pigeon"))

    def test_sessions(self) -> None:
        """Identifier and time-out are read; a time-out that is none is the default; an identifier stays as it came."""
        for text, expected in (
            ("abc", SessionHeader("abc", 60)),
            (" 12 ; timeout = 30", SessionHeader("12", 30)),
            ("12;timeout=0", SessionHeader("12", 60)),
            ("12;timeout=x;foo", SessionHeader("12", 60)),
            ("", SessionHeader("", 60)),
            (";timeout=5", SessionHeader("", 5)),
            (" a b\tc ; timeout=5", SessionHeader("a b\tc", 5)),
            ("\udce9", SessionHeader("\udce9", 60)),
        ):
            self.assertEqual(parse_session(text), expected, text)
        self.assertEqual(parse_session(format_session(SessionHeader("x", 5))), SessionHeader("x", 5))
        for text in ("a\nb", "a\rb", "a\0b", "x" * 300):
            self.assertRaises(RemoteError, parse_session, text)

    def test_public(self) -> None:
        """Methods are separated by commas or blanks, in any case."""
        self.assertEqual(parse_public("OPTIONS, describe,SETUP  PLAY,"), {"OPTIONS", "DESCRIBE", "SETUP", "PLAY"})

    def test_rtp_info(self) -> None:
        """Entries are told apart though URLs hold commas, semicolons and equal signs; numbers may be missing."""
        for text, expected in (
            ("url=rtsp://h/a,b;seq=5;rtptime=6,url=c", (RtpInfo("rtsp://h/a,b", 5, 6), RtpInfo("c"))),
            ("url=rtsp://h/?x=1;y=2&seq=9;seq=7", (RtpInfo("rtsp://h/?x=1;y=2&seq=9", 7),)),
            ("url=t;rtptime=0;", (RtpInfo("t", None, 0),)),
            ("seq=5", ()),
            ("", ()),
        ):
            self.assertEqual(parse_rtp_info(text), expected, text)

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet="RTP/AVU;,=-interleaved0123456789 url:seq\x00é", max_size=60))
    def test_any_text(self, text: str) -> None:
        """Any text gives a value or a RemoteError."""
        for read in (parse_transports, parse_session):
            with contextlib.suppress(RemoteError):
                read(text)
        parse_rtp_info(text)
        parse_public(text)


class UrlTests(SynchronousTestCase):
    """URLs without logins, and the controls of live555 and FFmpeg."""

    def test_split(self) -> None:
        """Scheme, host, port and target come out; the login never does, whatever characters it has."""
        for text, expected, shown in (
            ("rtsp://10.0.0.1", ("10.0.0.1", 554, "", False), "rtsp://10.0.0.1"),
            ("RTSPS://cam.lan/a", ("cam.lan", 322, "/a", True), "rtsps://cam.lan/a"),
            ("rtsp://u:p@10.0.0.1:8554/a?b=@c", ("10.0.0.1", 8554, "/a?b=@c", False), "rtsp://10.0.0.1:8554/a?b=@c"),
            ("rtsp://u:p@ss@h:1?x", ("h", 1, "?x", False), "rtsp://h:1?x"),
            ("rtsp://[fe80::1%25eth0]:554/", ("fe80::1%eth0", 554, "/", False), "rtsp://[fe80::1%25eth0]:554/"),
            ("rtsp://[::1]/ä b", ("::1", 554, "/%C3%A4%20b", False), "rtsp://[::1]/%C3%A4%20b"),
            ("rtsp://h/a?b#input=exec:x#y", ("h", 554, "/a?b", False), "rtsp://h/a?b"),
        ):
            url = split_url(text)
            self.assertEqual((url.host, url.port, url.target, url.tls), expected, text)
            self.assertEqual(str(url), shown)

    def test_unusable(self) -> None:
        """What is no RTSP URL is refused, and never shown: it may hold a password."""
        for text in (
            "http://u:secret@h/",
            "rtsp://u:secret@",
            "rtsp://u:secret@h:0/",
            "rtsp://u:secret@h:99999/",
            "rtsp://u:secret@h:/",
            "rtsp://u:secret@::1/",
            "rtsp://u:secret@h h/",
            "rtsp://h/secret\r\nX: y",
            "rtsp://h/secret\ud800",
            "rtsp://h/secret" + "x" * 3000,
        ):
            error = self.assertRaises(RemoteError, split_url, text)
            self.assertNotIn("secret", str(error))

    def test_redirections(self) -> None:
        """Another path of the same server is one; another host, port or scheme, the same path and rubbish are none."""
        for location, expected in (
            ("rtsp://10.0.0.1/b?c=1#x", "rtsp://10.0.0.1/b?c=1"),
            ("rtsp://u:p@10.0.0.1:554/b", "rtsp://10.0.0.1/b"),
            ("RTSP://10.0.0.1/\udcb0", "rtsp://10.0.0.1/%B0"),
            ("/b", "rtsp://10.0.0.1/b"),
            ("rtsp://10.0.0.1/a", ""),
            ("rtsp://10.0.0.2/b", ""),
            ("rtsp://10.0.0.1:8554/b", ""),
            ("rtsps://10.0.0.1:554/b", ""),
            ("rtsp://10.0.0.1@10.0.0.2/b", ""),
            ("//10.0.0.2/b", ""),
            ("http://10.0.0.1/b", ""),
            ("b", "rtsp://10.0.0.1/b"),
            ("a", ""),
            ("/b\r\nX: y", ""),
            ("", ""),
        ):
            self.assertEqual(expected, redirected_url("rtsp://10.0.0.1/a", location), location)
        self.assertEqual("rtsp://h/x/c?d", redirected_url("rtsp://h/x/a?b=/y", "c?d"))
        self.assertEqual("rtsp://[fe80::1]/b", redirected_url("rtsp://[fe80::1]/a", "rtsp://[FE80::1]:554/b"))

    def test_controls(self) -> None:
        """A relative control goes after the whole base, with one slash between; ``*`` and nothing are the base."""
        asked, based = "rtsp://u:p@h/s?c=1", "rtsp://h:554/s/"
        for content_base, control, expected in (
            ("", None, "rtsp://h/s?c=1"),
            ("", "*", "rtsp://h/s?c=1"),
            ("", "trackID=1", "rtsp://h/s?c=1/trackID=1"),
            (based, "trackID=1", "rtsp://h:554/s/trackID=1"),
            (based, "/trackID=1", "rtsp://h:554/s/trackID=1"),
            (based, "?ctype=video", "rtsp://h:554/s/?ctype=video"),
            (based, "rtsp://u:p@h2/x", "rtsp://h2/x"),
            ("rtsp://u:p@h/s", "a b", "rtsp://h/s/a%20b"),
            ("rtsp://rtsp://h/s/", "t", "rtsp://h/s?c=1/t"),
            ("nonsense", "t", "rtsp://h/s?c=1/t"),
            ("rtsp://h/s#x", "t#y", "rtsp://h/s/t"),
        ):
            aggregate = resolve_aggregate(asked, content_base, None)
            self.assertEqual(resolve_control(aggregate, control), expected, (content_base, control))
        for control in ("http://h/a\r\nX: y", "a\r\nX: y", "rtsp://h/\x01", "x" * 3000, "rtsp://:1/" + "x" * 3000):
            self.assertRaises(RemoteError, resolve_control, based, control)

    def test_controls_that_name_no_host(self) -> None:
        """A whole URL goes back as it was written, though it leads nowhere, without its login and its fragment."""
        for control, expected in (
            ("rtsp://:554/live/track1", "rtsp://:554/live/track1"),
            ("rtsp:///live/track1", "rtsp:///live/track1"),
            ("rtsp://u:p@(null)/a b#c", "rtsp://(null)/a%20b"),
            ("rtsp://fe80::12:3/t", "rtsp://fe80::12:3/t"),
            ("rtsp://h:99999/t", "rtsp://h:99999/t"),
            ("rtsp://h:/t", "rtsp://h:/t"),
            ("rtspu://h/t", "rtspu://h/t"),
            ("http://h/t", "http://h/t"),
        ):
            self.assertEqual(expected, resolve_control("rtsp://h/s/", control))

    def test_presentations(self) -> None:
        """The session's own URL counts more than Content-Base, for its medias too; a relative one does not."""
        asked = "rtsp://u:p@h/s"
        for content_base, control, expected in (
            ("", "rtsp://h/real", "rtsp://h/real"),
            ("rtsp://h/s/", "rtsp://u:p@h/real/", "rtsp://h/real/"),
            ("rtsp://h/s/", "trackID=0", "rtsp://h/s/"),
            ("rtsp://h/s/", "*", "rtsp://h/s/"),
            ("rtsp://h/s/", "rtsp:///s", "rtsp://h/s/"),
            ("", "trackID=0", "rtsp://h/s"),
            ("/s/", None, "rtsp://h/s"),
        ):
            self.assertEqual(expected, resolve_aggregate(asked, content_base, control), (content_base, control))
