"""An encoder's name and options go in; the access units of a moving picture, as a real encoder makes them, come out.

FFmpeg's libraries run in a process of their own, as the daemon has them: a fault in there ends no test run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any
from unittest import SkipTest

from twisted_detector.inspection.pictures import decoder_child
from twisted_detector.inspection.pictures.decoder import available

WIDTH, HEIGHT, PICTURES = 320, 240, 40


@cache
def encoded(encoder: str, options: tuple[tuple[str, str], ...], pixels: str = "yuv420p") -> tuple[bytes, ...]:
    """The access units of a moving picture.

    :raises SkipTest: this machine has no such encoder.
    """
    if not available():
        raise SkipTest("the extra [decode] is not installed")
    made = _run(["-m", __name__, json.dumps([encoder, options, pixels])], b"")
    units = _split(made)
    if not units:
        raise SkipTest(f"PyAV has no {encoder} here")
    return tuple(units)


def decoded(codec: int, pictures: Sequence[bytes]) -> list[bytes]:
    """The JPEGs that the daemon's decoder process makes of keyframes.

    :raises ValueError: it gives a reason instead.
    """
    head = decoder_child.HEAD
    asked = b"".join(head.pack(codec, len(one)) + one for one in pictures)
    ready, *answers = _split(_run(["-I", "-B", decoder_child.__file__], asked), keep_head=True)
    for answer in (ready, *answers):
        if answer[0]:
            raise ValueError(answer[head.size :].decode())
    return [answer[head.size :] for answer in answers]


def _run(arguments: Sequence[str], given: bytes) -> bytes:
    ended = subprocess.run([sys.executable, *arguments], input=given, capture_output=True, timeout=120, check=False)
    if ended.returncode:
        raise ValueError(f"status {ended.returncode}: {ended.stderr.decode(errors='replace')[-500:]}")
    return ended.stdout


def _split(data: bytes, *, keep_head: bool = False) -> list[bytes]:
    head, found = decoder_child.HEAD, []
    while data:
        end = head.size + head.unpack_from(data)[1]
        found.append(data[0 if keep_head else head.size : end])
        data = data[end:]
    return found


def _encode(encoder: str, options: list[list[str]], pixels: str) -> list[bytes]:
    import av

    if encoder not in av.codecs_available:
        return []
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt, context.time_base = WIDTH, HEIGHT, pixels, Fraction(1, 25)
    context.thread_count, context.options = 1, dict(options)
    made: list[bytes] = []
    for number in range(PICTURES):
        frame = av.VideoFrame(WIDTH, HEIGHT, pixels)
        for plane in frame.planes:
            row = bytes((x + 5 * number) * 2 & 0xFF for x in range(plane.line_size))
            plane.update(b"".join(row[y:] + row[:y] for y in range(plane.height)))
        frame.pts = number
        made += [bytes(packet) for packet in context.encode(frame)]
    return [*made, *(bytes(packet) for packet in context.encode(None))]


if __name__ == "__main__":
    for unit in _encode(*json.loads(sys.argv[1])):
        sys.stdout.buffer.write(decoder_child.HEAD.pack(0, len(unit)) + unit)
