"""Streams of VLC and of our simulator: what we say of them is what ffprobe says, in the same minute.

GStreamer's are in ``test_gstreamer.py``. VLC sends RTP over UDP only (it answers 461 to the other), and ends as root.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from tests.ports import free_port
from tests.processes import Process, wait_until
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Login, Proof, Secret, Stream

CODECS = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}
LOGIN = "viewer:not-a-secret"
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
needs_vlc = pytest.mark.skipif(shutil.which("cvlc") is None, reason="needs VLC (vlc-bin, vlc-plugin-base)")
pytestmark = needs_ffmpeg


def ffprobe(url: str, transport: str) -> tuple[str, int, int, float]:
    """Codec, width, height and frames per second, as ffprobe sees them."""
    entries = "stream=codec_name,width,height,avg_frame_rate"
    command = ("ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries", entries, "-of", "json", url)
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    stream = json.loads(done.stdout)["streams"][0]
    return CODECS[stream["codec_name"]], stream["width"], stream["height"], float(Fraction(stream["avg_frame_rate"]))


async def agree(url: str, transport: str, login: Login | None = None) -> None:
    """Our full proof and ffprobe say the same, and the cheap check stands by it."""
    locks = DeviceLocks()
    validator = RtspValidator(reactor, allow_basic=lambda _: True, device_locks=locks)
    report = await validator.validate(Stream(url=url), login)
    assert (report.proof, report.validated) == (Proof.KEYFRAME, True), report.reason
    userinfo = "" if login is None else f"{login.name}:{login.password.reveal()}@"
    expected = await deferToThread(ffprobe, url.replace("//", f"//{userinfo}", 1), transport)
    assert (report.codec, report.width, report.height, report.fps) == expected
    again = await validator.check(Stream(url=url), login)
    assert again.validated, again.reason
    locks.close_all_kept()


@pytest.fixture(params=["h264", "h265"])
def vlc(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a stream of VLC."""
    encoder = {"h264": "libx264", "h265": "libx265"}[request.param]
    # Not tmp_path: its parents are closed to others, and VLC is another user here.
    with tempfile.TemporaryDirectory() as folder:
        yield from _vlc(Path(folder), encoder)


def _vlc(directory: Path, encoder: str) -> Iterator[str]:
    clip = directory / "clip.mkv"
    picture = ("-f", "lavfi", "-i", "testsrc=size=640x360:rate=15:duration=30", "-pix_fmt", "yuv420p", "-g", "15")
    encoding = ("-c:v", encoder, "-preset", "ultrafast", "-tune", "zerolatency")
    subprocess.run(["ffmpeg", "-v", "error", *picture, *encoding, str(clip)], check=True, timeout=60)
    port = free_port()
    url = f"rtsp://127.0.0.1:{port}/stream1"
    command = ["cvlc", "-v", "--intf", "dummy", str(clip), "--sout", f"#rtp{{sdp={url}}}", "--sout-keep", "--loop"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    uid = 65_534 if os.geteuid() == 0 else os.getuid()  # nobody: VLC does not run as root
    directory.chmod(0o777)
    if uid != os.getuid():
        become = f"import os, sys; os.setuid({uid}); os.execvp(sys.argv[1], sys.argv[1:])"
        command = ["/usr/bin/python3", "-c", become, *command]
    process = Process(command, directory / "vlc.log", environment)
    try:
        _wait_until_it_plays(url, port, process)
        yield url
    finally:
        process.end()


def _wait_until_it_plays(url: str, port: int, process: Process) -> None:
    """VLC listens before it knows what it has to say (500)."""

    def plays() -> bool:
        with socket.socket() as probe:
            probe.settimeout(2)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return False
            probe.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
            return b" 200 " in probe.recv(100)

    wait_until(plays, 30, lambda: f"VLC on port {port}:\n{process.text()}", interval=0.3)


@needs_vlc
@pytest_twisted.ensureDeferred
async def test_vlc(vlc: str) -> None:
    """VLC's streams come over UDP after its 461, and are what ffprobe says."""
    await agree(vlc, "udp")


@pytest.mark.parametrize("auth", ["none", "basic", "digest", "digest-sha256"])
@pytest_twisted.ensureDeferred
async def test_simulator(auth: str, tmp_path: Path) -> None:
    """The simulator's streams are what ffprobe says, whatever the login."""
    http, rtsp = free_port(), free_port()
    words = ("simulate", "--http-port", str(http), "--rtsp-port", str(rtsp), "--auth", auth)
    process = Process((sys.executable, "-m", "twisted_detector.cli", *words), tmp_path / "simulator.log")
    name, _, password = LOGIN.partition(":")
    try:
        process.wait_for("Ctrl-C", 20)
        for path in ("stream1", "stream2"):
            url = f"rtsp://127.0.0.1:{rtsp}/{path}"
            await agree(url, "tcp", None if auth == "none" else Login(name, Secret(password)))
    finally:
        process.end()
