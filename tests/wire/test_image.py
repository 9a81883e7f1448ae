"""Still images by their structure: what is one, how large it is, and what only looks like one."""

from __future__ import annotations

from random import Random
from time import thread_time

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.seeds import IMAGE
from twisted_detector.errors import RemoteError
from twisted_detector.testing.simulator.media.painter import paint
from twisted_detector.wire.http.response import Wholeness
from twisted_detector.wire.image import JPEG, MAX_BEFORE, MAX_SEGMENTS, PNG, Image, ImageReader, read_image

PAINTED = paint(3.0, Random(1))
RFC2435, A_PNG = IMAGE


def frame(width: int, height: int) -> bytes:
    """A JPEG of nothing but its headers."""
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8\xff\xc0\0\x0b\x08" + size + b"\1\1\x11\0" + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"ab\xff\xd9"


class Images(SynchronousTestCase):
    def test_jpeg(self) -> None:
        """Type and size come from the frame header."""
        image = read_image(PAINTED)
        self.assertEqual((image.media_type, image.width, image.height, image.data), (JPEG, 160, 90, PAINTED))
        self.assertEqual((read_image(RFC2435).width, read_image(RFC2435).height), (16, 16))

    def test_png(self) -> None:
        """PNG is known too."""
        image = read_image(A_PNG)
        self.assertEqual((image.media_type, image.width, image.height, image.data), (PNG, 16, 16, A_PNG))

    def test_what_follows_the_end(self) -> None:
        """Bytes that a device sends after the end are no part of the image."""
        for data in (PAINTED, A_PNG):
            self.assertEqual(read_image(data + b"\r\n\r\n\0").data, data)

    def test_fill_bytes_and_bare_markers(self) -> None:
        """Fill bytes before a marker, and markers without a length, are allowed."""
        self.assertEqual(read_image(frame(64, 48).replace(b"\xff\xda", b"\xff\xff\xff\xd0\xff\xff\xda")).width, 64)

    def test_truncated(self) -> None:
        """Cut off anywhere it is refused."""
        for data in (PAINTED, A_PNG):
            for length in range(len(data) - 1):
                self.assertRaises(RemoteError, read_image, data[:length])

    def test_what_is_none(self) -> None:
        """A page, a size of nothing or beyond reason, a scan without a frame: no images."""
        for data in (
            b"",
            b"<html>Please log in</html>",
            b"GIF89a\1\0\1\0",
            frame(0, 48),
            frame(64, 0),
            frame(65_535, 65_535),
            b"\xff\xd8\xff\xda\0\2\xff\xd9",
            b"\xff\xd8" + b"\xff\xe0\0\2" * (MAX_SEGMENTS + 1) + PAINTED[2:],
            b"\xff\xd8\xff\xe0\0\1" + PAINTED[2:],
            b"\xff\xd8\xff\xc0\0\2" + PAINTED[2:],
            A_PNG[:8] + A_PNG[33:],
            A_PNG[:8] + A_PNG[8:33] * 2 + A_PNG[33:],
            A_PNG[:33] + b"\0\0\0\0aaaa\0\0\0\0" * 5_000 + A_PNG[33:],
        ):
            self.assertRaises(RemoteError, read_image, data)


def read(data: bytes, step: int = 0) -> tuple[bool, ImageReader]:
    """Whether the picture was whole before all was fed, and its reader."""
    reader = ImageReader()
    step = step or len(data) or 1
    return any(reader.feed(data[start : start + step]) for start in range(0, len(data), step)), reader


#: A progressive picture has several scans with tables between them.
PROGRESSIVE = (
    frame(64, 48).replace(b"\xff\xc0", b"\xff\xc2").removesuffix(b"\xff\xd9")
    + b"\xff\xc4\0\6\xff\xd9ab"
    + b"\xff\xda\0\x08\1\1\0\0\x3f\0cd\xff\0\xff\xd3ef\xff\xd9"
)
HEAD = b"Content-Type: image/jpeg\r\nContent-Length: 5\r\n\r\n"


class Streams(SynchronousTestCase):
    def test_whole(self) -> None:
        """A picture is whole with its last octet and not before, whatever stands before it, however it is cut."""
        for picture in (PAINTED, A_PNG, RFC2435, PROGRESSIVE):
            for before in (
                b"",
                b"\r\n",
                b"--b\r\n" + HEAD,
                b"--b\r\nContent-Type: text/plain\r\n\r\nwait\r\n--b\r\n" + HEAD,
                b"\xff\xd8",  # twice
                b"\xff\xd8\xff\xd8",
            ):
                for step in (0, 1, 7):
                    self.assertFalse(read(before + picture[:-1], step)[0])
                    whole, reader = read(before + picture + b"\r\n--b\r\n" + HEAD + PAINTED, step)
                    self.assertTrue(whole)
                    self.assertIs(reader.judge(), Wholeness.WHOLE)
                    self.assertEqual(reader.image().data, picture)

    def test_without_an_end(self) -> None:
        """A JPEG that lacks its end alone is one, up to the delimiter or the picture behind it; it gets an end."""
        delimiter = b"\r\n--b\r\n"
        for behind, whole in (
            (b"", False),
            (delimiter, False),
            (b"\r\n--b--\r\n", False),
            (delimiter + HEAD + PAINTED, True),
            (PAINTED, True),
        ):
            for step in (0, 1, 7):
                found, reader = read(PAINTED[:-2] + behind, step)
                self.assertEqual((found, reader.image().data), (whole, PAINTED), behind)
        self.assertIs(read(PAINTED[:-2])[1].judge(), Wholeness.OPEN)
        self.assertEqual(read(PAINTED[:-1])[1].image().data, PAINTED[:-1] + b"\xff\xd9")

    def test_cut_short(self) -> None:
        """A scan that has less than its picture can have is cut short; so is one that has not begun, and any PNG."""
        large = frame(1920, 1080).removesuffix(b"\xff\xd9")
        for data in (large + bytes(100), PAINTED[:100], A_PNG[:-1], large + b"ab" + PAINTED):
            whole, reader = False, ImageReader()
            with self.assertRaises(RemoteError):
                whole = reader.feed(data)
                self.assertIs(reader.judge(), Wholeness.OPEN)
                reader.image()
            self.assertFalse(whole)
        self.assertEqual(read(large + bytes(9_000))[1].image().width, 1920)

    def test_an_encoder_that_does_not_stuff(self) -> None:
        """Octets in a scan that only look like markers end nothing."""
        scan = b"a\xff\x41b\xff\xe0\xff\xffc\xff\xc4\0\4abd"
        picture = frame(64, 48)[:-4] + scan + b"\xff\xd9"
        self.assertEqual(read_image(picture).data, picture)

    def test_between_segments(self) -> None:
        """Octets between two segments are passed over, as decoders do; more than a few are none of a picture."""
        first = 4 + int.from_bytes(PAINTED[4:6], "big")
        for stray in (b"\0", b"ab\xff\0\0", b"\xff\0", bytes(4_000)):
            picture = PAINTED[:first] + stray + PAINTED[first:]
            for step in (0, 1, 7):
                whole, reader = read(picture + b"behind", step)
                self.assertTrue(whole)
                self.assertEqual((reader.image().data, reader.image().width), (picture, 160))
        self.assertRaises(RemoteError, read, PAINTED[:first] + bytes(5_000))

    def test_no_picture(self) -> None:
        """A page is known to be none when it is long enough, and judged by its frame before."""
        whole, reader = read(b"<html>" + b"x" * 1000)
        self.assertEqual((whole, reader.judge()), (False, Wholeness.UNKNOWN))
        self.assertIs(read(b"")[1].judge(), Wholeness.UNKNOWN)
        for begin in (PAINTED[:2], A_PNG[:5], b"\r\n--b\r\n", b"--b\r\n" + HEAD):
            self.assertIs(read(begin)[1].judge(), Wholeness.OPEN)
        self.assertRaises(RemoteError, reader.image)
        self.assertRaises(RemoteError, reader.feed, b"x" * MAX_BEFORE)

    def test_linear(self) -> None:
        """Fill, restarts and stuffed octets in small pieces cost in proportion to their number."""

        def seconds(filling: bytes) -> float:
            data = frame(64, 48)[:-2] + filling
            before = thread_time()
            read(data, 512)
            return thread_time() - before

        for filling in (b"\xff", b"\xff\0", b"\xff\xd0", b"a"):
            small = min(seconds(filling * (100_000 // len(filling))) for _ in range(3))
            self.assertLess(min(seconds(filling * (800_000 // len(filling))) for _ in range(3)), 24 * small + 0.02)

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from((PAINTED, A_PNG, RFC2435, PROGRESSIVE)), st.data())
    def test_mutated(self, seed: bytes, data: st.DataObject) -> None:
        """A picture that is changed or cut is the same one or none, however it is cut into pieces."""
        at = data.draw(st.integers(0, len(seed)))
        changed = seed[:at] + data.draw(st.binary(max_size=5)) + seed[at + data.draw(st.integers(0, 30)) :]

        def found(step: int) -> Image | None:
            try:
                return read(changed, step)[1].image()
            except RemoteError:
                return None

        self.assertEqual(found(0), found(1))
        self.assertEqual(found(0), found(13))
