"""Responses in the frames that devices really send: which are used, when, and what stays bounded."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from time import thread_time

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.seeds import HTTP
from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.response import (
    MAX_PIECES,
    BadEncoding,
    NotHttp,
    Progress,
    ResponseReader,
    TooLong,
    Wholeness,
)
from twisted_detector.wire.soap.document import SoapDocument

XML = b'<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body><aResponse>hi</aResponse></s:Body></s:Envelope>'
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Text:
    """A body that says always the same of itself."""

    says: Wholeness
    content: bytes = b""

    def feed(self, data: bytes) -> bool:
        self.content += data
        return False

    def judge(self) -> Wholeness:
        return self.says


def sized(length: int, content: bytes = XML, head: bytes = b"") -> bytes:
    return OK + head + b"Content-Length: %d\r\n\r\n" % length + content


def chunk(content: bytes, size: bytes = b"%x\r\n") -> bytes:
    return size % len(content) + content + b"\r\n"


class Reading(SynchronousTestCase):
    def read(self, data: bytes, step: int = 0, *, limit: int = 100_000, reuse: bool = True) -> Progress:
        """Feed it, until it is done or all was fed."""
        self.document = SoapDocument()
        self.reader = ResponseReader(limit=limit, body_for=lambda head: self.document, reuse=reuse)
        progress = Progress.MORE
        for start in range(0, len(data), step or len(data)):
            progress = self.reader.feed(data[start : start + (step or len(data))])
            if progress is Progress.DONE:
                break
        return progress

    def test_whole(self) -> None:
        """With a frame that is right it is done at once, the connection can be used again; cut anywhere."""
        for data in (
            sized(len(XML)),
            sized(len(XML)).replace(b"\r\n", b"\n"),
            sized(len(XML)).replace(b"Length:", b"Length :").replace(b"OK", b"OK\r\nSat 1 Jan"),
            b"\r\n\r\n" + sized(len(XML)),
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\nA: b\n\n" + sized(len(XML)),
            CHUNKED + chunk(XML[:20]) + chunk(XML[20:]) + b"0\r\n\r\n",
            CHUNKED + chunk(XML[:20], b"000%X  \r\n") + chunk(XML[20:], b" 0x%x ; a=b\n") + b"0\nT: x\n\n",
            CHUNKED + chunk(XML[:20]).replace(b"\r\n", b"\n") + chunk(XML[20:])[:-2] + b"0\r\n\r\n",
            sized(len(gzip.compress(XML)), gzip.compress(XML), b"Content-Encoding: gzip\r\n"),
            sized(len(gzip.compress(XML)), gzip.compress(XML)),
            sized(len(zlib.compress(XML)), zlib.compress(XML), b"Content-Encoding: deflate\r\n"),
            sized(len(zlib.compress(XML)) - 6, zlib.compress(XML)[2:-4], b"Content-Encoding: deflate\r\n"),
            sized(len(XML), XML, b"Content-Encoding: gzip\r\n"),
        ):
            for step in (0, 1, 7):
                self.assertIs(self.read(data, step), Progress.DONE, data)
                self.assertTrue(self.reader.can_be_reused, data)
                self.assertEqual(self.document.content, XML, data)

    def test_whole_without_a_frame(self) -> None:
        """Without a frame, or past the end of one, it is done when the envelope is closed; the connection is spent."""
        for data in (
            OK + b"\r\n" + XML,
            sized(len(XML) - 50),
            sized(0),
            sized(1),
            sized(0, b"", b"Content-Length: 9\r\n") + XML,
            CHUNKED + XML,
            OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + XML,
            OK + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nwait\r\n--b\r\nContent-ID: <a@b>\r\n\r\n" + XML,
        ):
            for step in (0, 7) if data != sized(0) else (0,):
                self.assertIs(self.read(data, step), Progress.DONE, data)
                self.assertFalse(self.reader.can_be_reused, data)
                self.assertIn(XML[:-22], bytes(self.document.content))

    def test_last_tags_missing(self) -> None:
        """An envelope without its last tags is used at the frame's end; what follows is no part of the next answer."""
        for length in (len(XML) - 22, len(XML) - 13, len(XML) - 8, len(XML) - 1):
            self.assertIs(self.read(sized(length, XML[:length])), Progress.DONE)
            self.assertFalse(self.reader.can_be_reused)

    def test_whole_in_a_frame_that_goes_on(self) -> None:
        """Where a frame should still end it gets a moment; then the answer is used, as when the device closes."""
        for data in (sized(999), CHUNKED + chunk(XML), CHUNKED + chunk(XML) + b"0", CHUNKED + b"fff\r\n" + XML):
            self.assertIs(self.read(data), Progress.SETTLING, data)
            self.assertFalse(self.reader.can_be_reused)
            self.assertTrue(self.reader.pause())
            self.assertTrue(self.reader.close())
            self.assertIs(self.read(data, reuse=False), Progress.DONE)
            self.assertIs(self.read(data.replace(b"OK", b"OK\r\nConnection: close")), Progress.DONE)

    def test_refusal(self) -> None:
        """After a refusal the connection is worth a moment, though it would not be after a success."""
        refusal = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"no") + b"0\r\n"
        self.assertIs(self.read(refusal, reuse=False), Progress.SETTLING)
        self.assertIs(self.reader.feed(b"\r\n"), Progress.DONE)
        self.assertTrue(self.reader.can_be_reused)

    def test_table(self) -> None:
        """The table of the module, line by line."""
        frames = {
            "ended": sized(3, b"abc"),
            "framed": sized(9, b"abc"),
            "unframed": OK + b"\r\nabc",
        }
        for says, table in {
            Wholeness.UNKNOWN: "done broken wait done done",
            Wholeness.OPEN: "quiet broken wait done wait",
            Wholeness.USABLE: "done done done done done",
        }.items():
            found = []
            for frame in frames.values():
                reader = ResponseReader(limit=99, body_for=lambda head, says=says: Text(says))  # type: ignore[misc]
                progress = reader.feed(frame)
                done = progress is Progress.DONE
                self.assertEqual(progress is Progress.USABLE, not done and says is Wholeness.USABLE)
                quiet, closed = reader.pause(), reader.close()
                if frame is frames["ended"]:
                    self.assertTrue(quiet and closed)
                    found.append("done" if done else "quiet")
                else:
                    self.assertFalse(done)
                    found += ["done" if closed else "broken", "done" if quiet else "wait"]
            self.assertEqual(" ".join(found), table, says)

    def test_nothing_yet(self) -> None:
        """A device that has sent its head may be thinking; one that says how to log in has said what matters."""
        for head, used in (
            (OK + b"\r\n", False),
            (b"HTTP/1.1 500 Oops\r\n\r\n", False),
            (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 9\r\n\r\n", True),
            (b"HTTP/1.1 302 There\r\nLocation: /x\r\n\r\n", True),
        ):
            self.assertIs(self.read(head), Progress.MORE)
            self.assertEqual(self.reader.pause(), used, head)

    def test_no_body(self) -> None:
        """A status that has no body is done with its head."""
        for status in (b"204", b"304"):
            self.assertIs(self.read(b"HTTP/1.1 " + status + b" x\r\nContent-Length: 5\r\n\r\n"), Progress.DONE)

    def test_cut_in_the_head(self) -> None:
        """A head that breaks off after a whole line is used if it says what to do."""
        for head, used in (
            (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n", True),
            (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic", False),
            (b"HTTP/1.1 401 No\r\n", False),
            (b"HTTP/1.", False),
        ):
            self.read(head)
            self.assertEqual(self.reader.close(), used, head)

    def test_not_http(self) -> None:
        """What is no response is refused as soon as that is known, or when it is closed."""
        for data in (
            b"SSH-2.0-dropbear_2019\r\n",
            b"RTSP/1.0 200 OK\r\n\r\n",
            b"<html><body>hi",
            b"HTTP/1.1 abc\r\n\r\n",
        ):
            self.assertRaises(NotHttp, self.read, data)
        for data in (b"SSH-2.0\r\n", b"\0\0\0\r\n\r\n"):
            self.read(data)
            self.assertRaises(NotHttp, self.reader.close)

    def test_no_head(self) -> None:
        """Content that says by itself what it is needs no head, or has the request's, cut by NUL, in place of one."""
        mangled = (
            b"POST /onvif/service\0HTTP/1.1\0\0Content-Type\0 application/soap+xml\0\0Host\0 192.0.2.9\0\r\n\r\n\0"
        )
        bare = XML.partition(b"?>")[2]
        for data in (
            *(XML, b"\xef\xbb\xbf" + XML, bare, b"\r\n" + bare, bare.replace(b"s:", b"SOAP-ENV:"), XML + b"\n\n"),
            *(mangled + one for one in (XML, bare, sized(len(XML)), OK + b"\r\n" + XML)),
        ):
            for step in (0, 1, 5):
                self.assertIs(self.read(data, step), Progress.DONE, data)
                self.assertIn(b"<aResponse>hi</aResponse>", bytes(self.document.content))
                self.assertEqual(self.reader.head.status if self.reader.head else 0, 200)
        self.assertTrue(self.read(XML) is Progress.DONE and not self.reader.can_be_reused)

    def test_behind_the_whole_request(self) -> None:
        """A server that sends the whole request before its response has that read, not the request's content."""
        head = b"POST /onvif/service\0HTTP/1.1\0\r\nHost\0 192.0.2.9\0\r\n\r\n"
        asked = XML.replace(b"aResponse>hi</aResponse>", b"a/>")
        refusal = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: %d\r\n\r\n" % len(XML)
        for cut in (None, -(len(refusal) + len(XML) - 20)):
            self.read((head + asked + refusal + XML)[:cut])
            self.assertEqual(0 if cut else 401, self.reader.head.status if self.reader.head else 0)
            self.assertEqual(b"" if cut else XML, self.document.content)
        told = XML.replace(b"hi", b"HTTP/1.1 500 it said")
        self.assertIs(self.read(head + told), Progress.DONE)
        self.assertEqual(told, self.document.content)

    def test_no_head_and_no_answer(self) -> None:
        """What a service sends that gives back each request, or the head of the request alone, is no response."""
        request = b"POST /onvif/device_service HTTP/1.1\r\nHost: 192.0.2.9\r\n\r\n"
        self.assertRaises(NotHttp, self.read, request + XML)
        self.assertRaises(NotHttp, self.read, request.replace(b" HTTP", b"\0HTTP") + b"x" * 9_000)
        self.read(request.replace(b" HTTP", b"\0HTTP"))
        self.assertRaises(NotHttp, self.reader.close)

    def test_carriage_return_twice(self) -> None:
        """A server that writes in text mode ends each line of its head with CR CR LF."""
        head = b"HTTP/1.1 200 OK\r\r\nContent-Length: %d\r\r\nX: y\r\r\n\r\r\n" % len(XML)
        for step in (0, 1, 5):
            self.assertIs(self.read(head + XML, step, reuse=False), Progress.DONE)
            assert self.reader.head is not None
            self.assertEqual((self.reader.head.length, self.reader.head.values("x")), (len(XML), ["y"]))

    def test_broken_chunks(self) -> None:
        """Chunks that cannot be followed end an answer that is not whole, and harm none that is."""
        self.assertRaises(NotHttp, self.read, CHUNKED + chunk(b"<a>") + b"zz\r\nmore")
        self.assertRaises(NotHttp, self.read, CHUNKED + chunk(b"<a>") + b"\r\n" * 99)
        self.assertRaises(NotHttp, self.read, CHUNKED + chunk(b"<a>") + b"0" * 9_999)
        self.assertIs(self.read(CHUNKED + chunk(XML) + b"zz\r\n"), Progress.DONE)
        self.assertFalse(self.reader.can_be_reused)
        self.assertIs(self.read(CHUNKED + chunk(XML) + b"0\r\n\r\nmore"), Progress.DONE)
        self.assertFalse(self.reader.can_be_reused)

    def test_encodings(self) -> None:
        """What cannot be unpacked is refused; what is too long unpacked is cut while it is unpacked."""
        packed = gzip.compress(b"<" + bytes(10_000_000))
        self.assertLess(len(packed), 20_000)
        self.assertRaises(TooLong, self.read, OK + b"\r\n" + packed, limit=50_000)
        self.assertRaises(BadEncoding, self.read, OK + b"\r\n\x1f\x8b" + bytes(20))
        for name in (b"br", b"zstd", b"gzip, br"):
            self.assertRaises(BadEncoding, self.read, sized(9, b"\1\2\3", b"Content-Encoding: %s\r\n" % name))
            self.assertIs(self.read(sized(len(XML), XML, b"Content-Encoding: %s\r\n" % name)), Progress.DONE)
        self.assertIs(self.read(sized(1, b"x", b"Content-Encoding: br\r\n")), Progress.DONE)
        self.assertEqual(self.document.content, b"x")

    def test_no_encoding(self) -> None:
        """A word that names no encoding says nothing, and gzip has its mark; however the content is cut, and begins."""
        for name in (b"utf-8", b"binary", b"none", b"gzip", b"x-gzip, UTF-8", b"br"):
            for content in (b"\r\n" + XML, *([b"no"] if name != b"br" else [])):
                for step in (0, 1):
                    self.read(sized(len(content), content, b"Content-Encoding: %s\r\n" % name), step)
                    self.assertEqual(self.document.content, content, name)

    def test_too_long(self) -> None:
        """Heads, bodies and the number of their pieces are bounded."""
        for data in (
            OK + b"X: y\r\n" * 20_000,
            b"HTTP/1.1 100 x\r\n\r\n" * 5_000,
            b"\r\n" * 50_000,
            OK + b"\r\n" + b"x" * 100_001,
            CHUNKED + chunk(b"x") * (MAX_PIECES + 50),
        ):
            for step in (0, 4_096):
                self.assertRaises(TooLong, self.read, data, step)
        self.assertRaises(TooLong, self.read, OK + b"\r\n" + b"x" * 3_000, 1)

    def test_linear(self) -> None:
        """A large answer in small pieces costs in proportion to its size."""

        def seconds(size: int, make: Callable[[int], bytes]) -> float:
            data = make(size)
            before = thread_time()
            self.read(data, 512, limit=10_000_000)
            return thread_time() - before

        for make in (
            lambda size: OK + b"\r\n" + XML[:40] + b"<a></b>" * (size // 7),
            lambda size: OK + b"\r\n" + XML[:40] + b"</s:Envelope " * (size // 13),
            lambda size: CHUNKED + chunk(b"x" * 500) * (size // 500),
            lambda size: OK + b"\r\n" + b"\n" * size,
        ):
            small = min(seconds(200_000, make) for _ in range(3))
            self.assertLess(min(seconds(1_600_000, make) for _ in range(3)), 24 * small + 0.02)

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(HTTP), st.data())
    def test_mutated(self, seed: bytes, data: st.DataObject) -> None:
        """A response that is changed, cut and cut into pieces is read or refused, alike for each way of cutting it."""
        at = data.draw(st.integers(1, len(seed)))
        changed = seed[1:at] + data.draw(st.binary(max_size=5)) + seed[at + data.draw(st.integers(0, 30)) :]
        contents = []
        for step in (0, 1, 13):
            try:
                self.read(changed, step)
                contents.append(bytes(self.document.content) if self.reader.close() else None)
            except RemoteError:
                contents.append(None)
        whole = [content for content in contents if content is not None and b"</s:Envelope>" in content]
        self.assertTrue(all(content.startswith(min(whole)[:80]) for content in whole), contents)
