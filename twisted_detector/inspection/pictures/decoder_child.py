"""Decoder process: keyframes and JPEGs on standard input, smaller JPEGs on standard output.

Bytes from the network meet a large native decoder here and nowhere else. Before the first of them is read, this process
gives up the right to open a file or a socket, to write to one, to fork, and to take more than MAX_MEMORY bytes; and,
where the kernel and the machine allow it, every system call that decoding does not need (``syscall_filter.py``).

The first answer, with status 0, says that it is ready; its content is "", or why there is no filter of system calls.
A request: codec (1 octet: 1 H.264, 2 H.265, 3 JPEG), length (4, big-endian), the keyframe with start codes or the JPEG.
An answer: status (1 octet: 0 a picture, 1 a reason in ASCII), length (4), content.
"""

from __future__ import annotations

import resource
import struct
import sys
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, BinaryIO

HEAD = struct.Struct("!BI")
CODECS = {1: "h264", 2: "hevc", 3: "mjpeg"}
#: As our own side: see wire.rtp.keyframe.
MAX_INPUT = 5 * 1024 * 1024
#: Address space: Python and FFmpeg's libraries take 160 MiB of it, a 4K picture 40 more, one of 8K with its copies 200.
MAX_MEMORY = 512 * 1024 * 1024
#: Seconds of processor time in all its life, should no parent be left to end it: 64 pictures of 8K take 50.
MAX_CPU = 120
#: 8192 x 4320, the largest that is sold.
MAX_PIXELS = 8192 * 4320
#: Width or height of the JPEG: enough to see what a camera sees.
MAX_SIDE = 1280
#: Of the thumbnail that is made of a JPEG: a card of the page is up to 400 pixels wide.
THUMBNAIL_SIDE = 480


def load_filter() -> Any:
    """The module ``syscall_filter``, by its path: an isolated interpreter does not find its package."""
    spec = spec_from_file_location("syscall_filter", Path(__file__).with_name("syscall_filter.py"))
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  it is a file of ours
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def give_up_rights() -> str:
    """From here on only the open pipes can be used; returns "" or why system calls are not filtered."""
    syscall_filter = load_filter()
    obstacle: str = syscall_filter.obstacle()
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_CPU, MAX_CPU),
    ):
        resource.setrlimit(kind, (most, most))
    return obstacle or syscall_filter.refuse_system_calls()


def to_jpeg(frame: Any, side: int = MAX_SIDE) -> bytes:
    """The frame at no more than ``side``, as a JPEG."""
    import av

    scale = min(1.0, side / max(frame.width, frame.height))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="yuvj420p", threads=1)
    small.pts, small.time_base = 0, Fraction(1, 25)
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.thread_count = 1  # a thread is a process to the kernel, and this one may start none
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": "3", "qmax": "3"}
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])


def decode(codec: str, data: bytes) -> bytes:
    """The JPEG of the first picture in ``data`` that is right, else of the last one.

    From a recovery point on the last one is right, though the decoder does not always know.

    :raises ValueError: there is none, or it is too large.
    """
    import av

    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MAX_PIXELS), "flags": "+output_corrupt"}
    shown: Any = None
    # A JPEG is one packet: the parser would end it at the thumbnail that a camera put into its head.
    packets = (av.Packet(data),) if codec == "mjpeg" else (*decoder.parse(data), *decoder.parse(None))
    for packet in (*packets, None):
        for frame in decoder.decode(packet):
            if shown is None or shown.is_corrupt:
                shown = frame
    if shown is None:
        raise ValueError("no picture in it")
    if not 0 < shown.width * shown.height <= MAX_PIXELS:
        raise ValueError(f"a picture of {shown.width}x{shown.height}")
    return to_jpeg(shown, THUMBNAIL_SIDE if codec == "mjpeg" else MAX_SIDE)


def warm_up() -> None:
    """Use all that is loaded when first used, while files may still be opened."""
    import av

    av.logging.set_level(None)
    frame = av.VideoFrame(16, 16, "yuv420p")
    decode("mjpeg", to_jpeg(frame))
    for codec in CODECS.values():
        try:
            decode(codec, b"\0\0\0\1")
        except (ValueError, av.FFmpegError):
            continue


def answer(codec: int, data: bytes) -> bytes:
    """The answer to one request."""
    try:
        status, content = 0, decode(CODECS[codec], data)
    except MemoryError:
        status, content = 1, b"it takes too much memory"
    except Exception as error:
        text = f"{type(error).__name__}: {error}"[:200]
        status, content = 1, text.encode("ascii", "replace")
    return HEAD.pack(status, len(content)) + content


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the other side closes."""
    while len(head := source.read(HEAD.size)) == HEAD.size:
        codec, length = HEAD.unpack(head)
        if codec not in CODECS or length > MAX_INPUT:
            return
        data = source.read(length)
        if len(data) != length:
            return
        sink.write(answer(codec, data))
        sink.flush()


def main() -> None:
    """Run as a process."""
    warm_up()
    remark = give_up_rights().encode("ascii", "replace")
    sys.stdout.buffer.write(HEAD.pack(0, len(remark)) + remark)  # ready: what comes later is an answer
    sys.stdout.buffer.flush()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
