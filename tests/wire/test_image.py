"""Still images by their structure: what is one, how large it is, and what only looks like one."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.seeds import IMAGE
from twisted_detector.errors import RemoteError
from twisted_detector.testing.simulator.media.painter import paint
from twisted_detector.wire.image import JPEG, MAX_SEGMENTS, PNG, read_image

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
