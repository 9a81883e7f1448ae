"""Heads of responses as small devices write them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.wire.http.head import MAX_FIELDS, ResponseHead, read_fields, read_status


def fields(*lines: bytes) -> list[tuple[str, str]]:
    return list(read_fields(lines))


class StatusLines(SynchronousTestCase):
    def test_read(self) -> None:
        """Status, phrase and version, with what firmware leaves out or adds."""
        for line, status, phrase, version in (
            (b"HTTP/1.1 200 OK", 200, b"OK", (1, 1)),
            (b"HTTP/1.0 401", 401, b"", (1, 0)),
            (b"HTTP/1.1 404 \r", 404, b"", (1, 1)),
            (b"http/1.1  200  Very  well", 200, b"Very  well", (1, 1)),
            (b"HTTP/1.1 401Unauthorized", 401, b"Unauthorized", (1, 1)),
            (b"HTTP 200 OK", 200, b"OK", (1, 0)),
            (b"HTTP/2 200", 200, b"", (2, 0)),
            (b"}\r\nxHTTP/1.1 200 OK"[3:], 200, b"OK", (1, 1)),
            (b"HTTP/1.1 200 \xe9\xff", 200, b"\xe9\xff", (1, 1)),
        ):
            head = read_status(line)
            assert head is not None, line
            self.assertEqual((head.status, head.phrase, head.version), (status, phrase, version), line)

    def test_none(self) -> None:
        """What is another protocol, or has no status, is no status line."""
        for line in (
            b"RTSP/1.0 200 OK",
            b"SSH-2.0-x",
            b"HTTP/1.1 abc",
            b"HTTP/1.1 2000 OK",
            b"<html>HTTP/1.1 200",
            b"",
        ):
            self.assertIsNone(read_status(line), line)


class Fields(SynchronousTestCase):
    def test_odd_lines(self) -> None:
        """A line that can be no field costs itself; the others are read."""
        for odd in (
            b"Sat, 01 Jan 2022 00-00-00 GMT\r",
            b"\x00\r",
            b": no name\r",
            b"<junk>\r",
            b"HTTP/1.1 200 OK\r",
        ):
            found = fields(b"A: 1\r", odd, b"B: 2\r")
            self.assertEqual([pair for pair in found if pair[0] in "AB"], [("A", "1"), ("B", "2")], odd)

    def test_odd_names(self) -> None:
        """Blanks before the colon go; blanks, slashes and letters of no ASCII within a name stay, and harm nothing."""
        self.assertEqual(fields(b"Content-Length : 5"), [("Content-Length", "5")])
        self.assertEqual(fields(b"Content-Length\t:5\r"), [("Content-Length", "5")])
        self.assertEqual(
            fields(b"X Y: 1", b"X/Y: 2", b"X\xe9: 3", b"X(): 4"),
            [("X Y", "1"), ("X/Y", "2"), ("Xé", "3"), ("X()", "4")],
        )

    def test_folded(self) -> None:
        """A line that begins with a blank goes on with the one before it, though that was no field."""
        self.assertEqual(
            fields(b"\tlost", b'WWW-Authenticate: Digest realm="a",\r', b'  nonce="b"\r', b"\r\t\r", b"B: 2"),
            [("WWW-Authenticate", 'Digest realm="a", nonce="b"'), ("B", "2")],
        )
        self.assertEqual(fields(b"A: 1", b"no field", b" of its own", b"B: 2"), [("A", "1"), ("B", "2")])

    def test_octets(self) -> None:
        """Octets that are no UTF-8 come back as they were: a realm is hashed."""
        for realm in (b"\xe9", "é".encode(), b"\xc4\xe3\xba\xc3", b"\x00"):
            ((_, value),) = fields(b"A: x" + realm + b"x")
            self.assertEqual(value.encode("utf-8", "surrogateescape"), b"x" + realm + b"x")

    def test_bounded(self) -> None:
        """More fields than anybody sends are not kept."""
        self.assertEqual(len(fields(*[b"A: 1"] * 10_000)), MAX_FIELDS)


class Meanings(SynchronousTestCase):
    def test_length(self) -> None:
        """A length is a number, with whatever behind it; of two different ones none is believed."""
        for values, length in (
            (["5"], 5), (["123 bytes"], 123), (["5", "5"], 5), (["5, 5"], 5), (["+5"], 5), ([" 7 "], 7),
            (["5", "6"], None), (["-1"], None), (["x"], None), ([""], None), ([], None), (["9" * 99], None),
        ):  # fmt: skip
            head = ResponseHead(200, fields=tuple(("content-LENGTH", value) for value in values))
            self.assertIn(head.length, (length, int("9" * 18)) if len("".join(values)) > 50 else (length,), values)

    def test_keeps_connection(self) -> None:
        """HTTP/1.1 keeps it unless the device says otherwise, HTTP/1.0 if it says so."""
        for version, value, keeps in (
            ((1, 1), "", True), ((1, 1), "close", False), ((1, 1), "Keep-Alive, Close", False),
            ((1, 0), "", False), ((1, 0), "Keep-Alive", True),
        ):  # fmt: skip
            head = ResponseHead(200, fields=(("Connection", value),) if value else (), version=version)
            self.assertEqual(head.keeps_connection, keeps, (version, value))

    def test_chunked(self) -> None:
        """Chunks are said in any case, beside whatever."""
        for value in ("chunked", "Chunked", "gzip, chunked", "identity,chunked"):
            self.assertTrue(ResponseHead(200, fields=(("transfer-encoding", value),)).is_chunked)
        self.assertFalse(ResponseHead(200, fields=(("transfer-encoding", "identity"),)).is_chunked)
