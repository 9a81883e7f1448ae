"""The first part of a multipart answer, however the device writes it and the network cuts it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.multipart import MAX_HEAD, FirstPart, is_multipart

TYPE = "multipart/x-mixed-replace; boundary=frame"
#: As devices write it: with a length and without, dashes in the header's name, LF alone, a preamble, quotes.
FORMS = (
    (TYPE, b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 7\r\n\r\n\xff\xd8--\n\xff\xd9\r\n--frame\r\n"),
    (TYPE, b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8--\n\xff\xd9\r\n--frame\r\nContent-Type"),
    ('multipart/mixed;charset=x; Boundary="--frame"', b"--frame\nX: y\n\n\xff\xd8--\n\xff\xd9\n--frame--"),
    ("Multipart/Related; boundary=--frame", b"hello\r\n----frame\r\nX: y\r\n\r\n\xff\xd8--\n\xff\xd9\r\n----frame"),
)
CONTENT = b"\xff\xd8--\n\xff\xd9"


class Parts(SynchronousTestCase):
    def test_forms(self) -> None:
        """The first part comes out as it is, cut anywhere; what follows is ignored."""
        for content_type, data in FORMS:
            for step in (1, 3, len(data)):
                part = FirstPart(content_type, limit=100)
                ended = [part.feed(data[at : at + step]) for at in range(0, len(data), step)]
                self.assertTrue(ended[-1], data)
                self.assertEqual(part.content, CONTENT, data)
                self.assertTrue(part.feed(b"more"))

    def test_name_within_the_content(self) -> None:
        """The boundary's name inside the content ends nothing: it must begin a line."""
        part = FirstPart(TYPE, limit=100)
        self.assertTrue(part.feed(b"--frame\r\n\r\nab frame frame\r\nframes--frame\r\n--frame\r\n"))
        self.assertEqual(part.content, b"ab frame frame\r\nframes--frame")

    def test_a_boundary_of_one_letter(self) -> None:
        """A device that chooses "a" and sends a megabyte of them is read to its end: it does not take hours."""
        content = b"a" * 1_000_000 + b"\n--" * 1000
        part = FirstPart("multipart/x-mixed-replace; boundary=a", limit=2_000_000)
        data = b"--a\r\n\r\n" + content + b"\r\n--a\r\n"
        for at in range(0, len(data), 4096):
            part.feed(data[at : at + 4096])
        self.assertEqual(content, part.content)

    def test_truncated(self) -> None:
        """While the part is not whole nothing comes out."""
        for content_type, data in FORMS:
            end = data.index(CONTENT) + len(CONTENT)
            for length in range(end):
                part = FirstPart(content_type, limit=100)
                self.assertFalse(part.feed(data[:length]))
                self.assertEqual(part.content, b"")

    def test_refused(self) -> None:
        """No boundary, no part, nothing in it, more than the limit: refused, and with bounded memory."""
        for content_type in (
            "multipart/mixed",
            "multipart/mixed; boundary=",
            "multipart/mixed; boundary=é",
            TYPE + "x" * 90,
        ):
            self.assertRaises(RemoteError, FirstPart, content_type, limit=10)
        for data in (
            b"x" * MAX_HEAD,
            b"--frame\r\n" + b"x" * MAX_HEAD,
            b"--frame\r\nContent-Length: 0\r\n\r\n",
            b"--frame\r\nContent-Length: 11\r\n\r\n",
            b"--frame\r\n\r\n\r\n--frame",
            b"--frame\r\n\r\n" + b"x" * 500,
            b"--frame\r\n\r\n" + b"x" * 11 + b"\r\n--frame",
        ):
            part = FirstPart(TYPE, limit=10)
            self.assertRaises(RemoteError, part.feed, data)

    def test_is_multipart(self) -> None:
        """By the type alone."""
        self.assertTrue(is_multipart(" Multipart/x-mixed-replace;boundary=a"))
        self.assertFalse(is_multipart("image/jpeg"))
