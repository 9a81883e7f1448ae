"""Pictures of real streams: the simulator's and GStreamer's, over real sockets, the real decoder; all on loopback."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.integration.test_simulator import LOGIN, Running, simulator
from tests.ports import free_port
from tests.processes import Process
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.pictures.live import LivePictures
from twisted_detector.errors import Malformed, Unauthorized
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.pictures import decoder_child
from twisted_detector.inspection.pictures.decoder import MAX_INPUT, Decoder, available
from twisted_detector.inspection.pictures.keyframe import KeyframeTaker
from twisted_detector.inspection.pictures.snapshot import SnapshotTaker
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Camera, Login, Secret, Status, Stream
from twisted_detector.model.cameras import Picture
from twisted_detector.testing.simulator.media.clip import main_clip
from twisted_detector.wire.image import read_image

ROOT = Path(__file__).resolve().parents[2]
FFPROBE = shutil.which("ffprobe")
needs_decoder = pytest.mark.skipif(not available(), reason="the extra [decode] is not installed")
NAME, _, PASSWORD = LOGIN.partition(":")
VIEWER = Login(NAME, Secret(PASSWORD))
WRONG = Login(NAME, Secret("wrong"))


def camera(*streams: Stream, snapshot: str = "") -> Camera:
    return Camera(id="cam", device_id="cam", address="127.0.0.1", snapshot_url=snapshot, streams=streams)


def snapshots(**more: Any) -> SnapshotTaker:
    options: dict[str, Any] = {"timeout": 5.0, "max_bytes": 2_097_152, "allow_basic": lambda address: False}
    return SnapshotTaker(reactor, cnonce=lambda: os.urandom(8).hex(), device_locks=DeviceLocks(), **{**options, **more})


def validator() -> RtspValidator:
    return RtspValidator(reactor, timeout=10.0, device_locks=DeviceLocks())


def of(running: Running) -> Camera:
    return camera(snapshot=f"http://127.0.0.1:{running.http_port}/snapshot.jpg")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("auth", ["none", "digest", "digest-sha256"])
async def test_snapshot(auth: str, tmp_path: Path) -> None:
    """The simulator's snapshot comes, with the login that it wants, moves, and FFmpeg takes it for what it is."""
    login = None if auth == "none" else VIEWER
    with simulator("--auth", auth) as running:
        first, second = [await snapshots().take(of(running), login) for _ in range(2)]
        if login is not None:
            for one in (None, WRONG):
                with pytest.raises(Unauthorized):
                    await snapshots().take(of(running), one)
    assert first is not None
    assert second is not None
    assert first.data != second.data
    if FFPROBE:
        file = tmp_path / "picture.jpg"
        file.write_bytes(first.data)
        done = subprocess.run(
            [FFPROBE, "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", str(file)],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.stdout.strip(), done.stderr) == ("160,90", "")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("quirk", ["denied", "huge", "html", "elsewhere", "multipart"])
async def test_snapshot_quirks(quirk: str) -> None:
    """What is no picture is refused for what it is; the first part of motion JPEG is one."""
    with simulator("--auth", "digest", "--quirk", f"snapshot={quirk}") as running:
        taking = snapshots().take(of(running), VIEWER)
        if quirk == "multipart":
            picture = await taking
            assert picture is not None
            assert read_image(picture.data).width == 160
        else:
            with pytest.raises(Unauthorized if quirk == "denied" else Malformed) as caught:
                await taking
            assert "no-secret" not in str(caught.value)


@needs_decoder
@pytest_twisted.ensureDeferred
async def test_keyframe_of_the_simulator() -> None:
    """A keyframe of the simulator's stream is decoded by the process, of which nothing is left afterwards."""
    decoder = Decoder(reactor)
    try:
        with simulator("--auth", "digest") as running:
            taker = KeyframeTaker(reactor, validator(), decode=decoder.decode)
            stream = Stream(url=running.url("stream1"), codec="H264", width=640, validated=True)
            picture = await taker.take(camera(stream), VIEWER)
            assert picture is not None
            found = read_image(picture.data)
            assert (found.width, found.height, picture.source) == (640, 360, "keyframe")
            again = await taker.take(camera(replace(stream, url=running.url("stream2"))), VIEWER)
            assert again is not None
            assert read_image(again.data).width == 320
            assert decoder.started == 1
    finally:
        await decoder.stop()


GSTREAMER = Path("/usr/bin/python3")


@contextmanager
def gstreamer(codec: str, folder: Path) -> Iterator[str]:
    """The URL of a foreign server's stream."""
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not GSTREAMER.exists() or subprocess.run([GSTREAMER, "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip("GStreamer's RTSP server is not installed")
    port = free_port()
    command = [str(GSTREAMER), str(ROOT / "tests/peers/gst_rtsp.py"), "127.0.0.1", str(port), "/live", codec, "none"]
    server = Process(command, folder / "gst.log")
    try:
        server.wait_for("ready")
        yield f"rtsp://127.0.0.1:{port}/live"
    finally:
        server.end()


@needs_decoder
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("codec", "name"), [("h264", "H264"), ("h265", "H265"), ("jpeg", "JPEG")])
async def test_keyframe_of_gstreamer(codec: str, name: str, tmp_path: Path) -> None:
    """Keyframes of a server that nobody here wrote: H.264 and H.265 decoded, motion JPEG put together without."""
    decoder = Decoder(reactor)
    try:
        with gstreamer(codec, tmp_path) as url:
            taker = KeyframeTaker(reactor, validator(), decode=decoder.decode)
            picture = await taker.take(camera(Stream(url=url, codec=name, width=640)), None)
    finally:
        await decoder.stop()
    assert picture is not None
    found = read_image(picture.data)
    assert (found.width, found.height) == (640, 360)
    assert decoder.started == (0 if name == "JPEG" else 1)
    if FFPROBE:
        (tmp_path / "picture.jpg").write_bytes(picture.data)
        checked = [FFPROBE.replace("ffprobe", "ffmpeg"), "-v", "error", "-xerror", "-i", tmp_path / "picture.jpg"]
        done = subprocess.run([*checked, "-f", "null", "-"], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@needs_decoder
@pytest_twisted.ensureDeferred
async def test_live_keyframes() -> None:
    """A camera that names no snapshot is seen live by the keyframes of its stream: a new one with each answer."""
    decoder = Decoder(reactor)
    try:
        with simulator("--auth", "digest") as running:
            taker = KeyframeTaker(reactor, validator(), decode=decoder.decode)
            stream = Stream(url=running.url("stream1"), codec="H264", width=640, validated=True)
            shown = replace(camera(stream), status=Status.ONLINE)
            live = LivePictures(
                Environment(reactor, time.monotonic),
                camera=lambda _: shown,
                take=lambda camera_id, first: taker.take(shown, VIEWER),
            )
            seen: list[Picture] = []
            for _ in range(3):
                picture = await live.next("cam", seen[-1].version if seen else "")
                assert picture is not None
                seen.append(picture)
            assert len({one.version for one in seen}) == 3  # the simulator begins its clip anew for each who plays it
            await live.stop()
    finally:
        await decoder.stop()


@needs_decoder
@pytest_twisted.ensureDeferred
async def test_thumbnails(tmp_path: Path) -> None:
    """A camera's JPEG comes back from the process at most 480 pixels wide, and much smaller; a second one too, and one
    with a picture in its head; what is no JPEG is refused.
    """
    unit = b"".join(b"\0\0\0\1" + nal for nal in (main_clip().sps, main_clip().pps, *main_clip().units[0].nals))
    decoder = Decoder(reactor)
    try:
        large = await decoder.decode("H264", unit)
        embedded = large[:2] + b"\xff\xe1" + (len(large) + 2).to_bytes(2, "big") + large + large[2:]
        for data in (large, large, embedded):
            small = await decoder.decode("JPEG", data)
            found = read_image(small)
            assert (found.width, found.height, found.media_type) == (480, 270, "image/jpeg")
            assert len(small) < len(large)
        for rubbish in (b"", b"\xff\xd8\xff", os.urandom(5000), large[: len(large) // 3] + b"\0" * 100):
            with contextlib.suppress(Malformed):
                read_image(await decoder.decode("JPEG", rubbish))
        with pytest.raises(Malformed, match="the picture is too large to be decoded"):
            await decoder.decode("JPEG", bytes(MAX_INPUT + 1))
        assert read_image(await decoder.decode("JPEG", large)).width == 480
    finally:
        await decoder.stop()


@needs_decoder
@pytest_twisted.ensureDeferred
async def test_hostile_keyframes() -> None:
    """Rubbish, halves and mutations of a keyframe end in a picture or a refusal, never in silence."""
    clip = main_clip()
    unit = b"".join(b"\0\0\0\1" + nal for nal in (clip.sps, clip.pps, *clip.units[0].nals))
    decoder = Decoder(reactor)
    rubbish = (b"", b"\0" * 1000, b"\0\0\0\1\x67" + b"\xff" * 5000, os.urandom(9999))
    pictures = 0
    try:
        for data in (*rubbish, unit[: len(unit) // 2], unit * 3):
            for codec in ("H264", "H265"):
                try:
                    read_image(await decoder.decode(codec, data))
                    pictures += 1
                except Malformed:
                    continue
        assert read_image(await decoder.decode("H264", unit)).width == 640
    finally:
        await decoder.stop()
    assert pictures >= 1


#: A parent that holds a secret, and a child of the same user that gives up its rights and then tries what it may not
#: do. Both become nobody where the tests run as root, and root's kernel switch "not dumpable" is taken back: what is
#: tried is the child's own bounds.
RIGHTS = """
import ctypes, errno, mmap, os, runpy, signal, socket, sys
child = runpy.run_path(sys.argv[1])
child['warm_up']()
libc = ctypes.CDLL(None, use_errno=True)
filter_module = child['load_filter']()  # all is imported now, in the place of nobody, who may not read it
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    libc.prctl(4, 1, 0, 0, 0)
secret = ctypes.create_string_buffer(b'correct horse battery staple')
class Span(ctypes.Structure):
    _fields_ = (('base', ctypes.c_void_p), ('size', ctypes.c_size_t))
taken = ctypes.create_string_buffer(len(secret))
here, there = (Span(ctypes.addressof(one), len(one)) for one in (taken, secret))
parent = os.getpid()
def result(call, *arguments):
    return 'done' if call(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
def steal():
    return result(libc.process_vm_readv, parent, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
def refused(what):
    try: what()
    except OSError as error: return errno.errorcode[error.errno]
    except MemoryError: return 'ENOMEM'
    return 'done'
if os.fork() == 0:
    lines = ['before', steal()]
    lines.append('remark=' + child['give_up_rights']())
    lines += [
        'vm_readv', steal(),
        'ptrace', result(libc.ptrace, 16, parent, 0, 0),
        'kill', refused(lambda: os.kill(parent, 0)),
        'open', refused(lambda: open('/etc/passwd')),
        'socket', refused(socket.socket),
        'fork', refused(os.fork),
        'affinity', refused(lambda: os.sched_setaffinity(0, [0])),
        'rename', refused(lambda: os.rename('/a', '/b')),
        'code', refused(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)),
        'memory', refused(lambda: bytearray(child['MAX_MEMORY'])),
    ]
    sys.stdout.write(' '.join(lines))
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""


@needs_decoder
def test_rights_that_are_given_up() -> None:
    """The process that decodes can open neither a file nor a socket, starts none, takes no more memory, and reads,
    stops and signals no other process of its user: above all not its parent, which has the passwords.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", RIGHTS, decoder_child.__file__],
        capture_output=True, text=True, timeout=60, check=False, env={},
    )  # fmt: skip
    assert done.stderr == ""
    words = done.stdout.split()
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    if not yama.exists() or yama.read_text().strip() == "0":
        assert words[1] == "done", "the test has no teeth: it could not read its parent before either"
    assert words[2] == "remark="
    refused = dict(zip(words[3::2], words[4::2], strict=True))
    assert refused.pop("memory") == "ENOMEM"
    assert refused.pop("open") in ("EPERM", "EMFILE")
    assert set(refused.values()) == {"EPERM"}, refused
    assert {"vm_readv", "ptrace", "kill", "socket", "fork", "code"} <= set(refused)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 3


@needs_decoder
def test_largest_picture_within_its_rights() -> None:
    """With all that it gave up it decodes a picture of 4K, and reads on after a keyframe that is none."""
    av = pytest.importorskip("av")
    if "libx264" not in av.codecs_available:
        pytest.skip("this FFmpeg cannot encode H.264")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 3840, 2160, "yuv420p", Fraction(1, 25)
    encoder.options = {"preset": "ultrafast", "x264-params": "log-level=none"}
    frame = av.VideoFrame(3840, 2160, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    unit = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", decoder_child.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}
    )
    assert process.stdin is not None
    head = decoder_child.HEAD
    requests = b"".join(head.pack(1, len(data)) + data for data in (unit, b"\0\0\0\1rubbish", unit))
    output, _ = process.communicate(requests, timeout=60)
    answers = []
    while output:
        status, length = head.unpack(output[: head.size])
        answers.append((status, output[head.size : head.size + length]))
        output = output[head.size + length :]
    assert [status for status, _ in answers] == [0, 0, 1, 0], answers
    assert answers[0][1] == b"", "the ready message names a reason: there is no filter of system calls here"
    assert read_image(answers[1][1]).width == 1280
