"""The simulator against programs of others: ffprobe and ffmpeg for its streams, WSDiscovery for its answers.

All on the loopback interface, with a simulator that runs as its own process, as a user starts it.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FFMPEG, FFPROBE = shutil.which("ffmpeg"), shutil.which("ffprobe")
needs_ffmpeg = pytest.mark.skipif(not (FFMPEG and FFPROBE), reason="ffmpeg and ffprobe are not installed")
LOGIN = "viewer:not-a-secret"


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    lines: list[str]

    @property
    def rtsp_port(self) -> int:
        found = re.search(r"rtsp://127\.0\.0\.1:(\d+)/", "\n".join(self.lines))
        assert found, self.lines
        return int(found[1])

    @property
    def http_port(self) -> int:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/onvif", "\n".join(self.lines))
        assert found, self.lines
        return int(found[1])

    def url(self, stream: str, login: str = "") -> str:
        return f"rtsp://{login and login + '@'}127.0.0.1:{self.rtsp_port}/{stream}"


@contextmanager
def simulator(*words: str) -> Iterator[Running]:
    """``camdetect simulate`` with these words, on ports that are free, until it has said that it runs."""
    command = [sys.executable, "-m", "twisted_detector.cli", "simulate", "--http-port", "0", "--rtsp-port", "0", *words]
    environ = {name: value for name, value in os.environ.items() if name != "SIMULATOR_LOGIN"}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = b""
    try:
        end = time.monotonic() + 20
        while b"Ctrl-C" not in said:
            assert select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0], "it did not start"
            piece = os.read(process.stdout.fileno(), 65_536)
            assert piece, f"it ended with {process.wait()}"
            said += piece
        lines = said.decode().splitlines()
        yield Running(process, lines)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


def streams_of(url: str, transport: str) -> list[dict[str, Any]]:
    done = run(str(FFPROBE), "-v", "error", "-rtsp_transport", transport, "-show_streams", "-of", "json", url)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: list[dict[str, Any]] = json.loads(done.stdout)["streams"]
    return found


def decode(url: str, transport: str, *, frames: int) -> tuple[int, str]:
    """Decode so many frames; the number that came out, and what ffmpeg complained of."""
    options = ("-nostdin", "-xerror", "-v", "error", "-progress", "-", "-rtsp_transport", transport)
    done = run(str(FFMPEG), *options, "-i", url, "-frames:v", str(frames), "-f", "null", os.devnull)
    counts = re.findall(r"^frame=\s*(\d+)", done.stdout, re.MULTILINE)
    return int(counts[-1]) if counts and done.returncode == 0 else 0, done.stderr


@needs_ffmpeg
@pytest.mark.parametrize("auth", ["none", "digest", "digest-sha256", "wsse", "basic"])
def test_ffmpeg_decodes(auth: str) -> None:
    """FFmpeg finds what the SDP and the clip say, and decodes without one complaint, over TCP and over UDP."""
    login = "" if auth == "none" else LOGIN

    def check(transport: str, stream: str, width: int, height: int) -> None:
        (video,) = streams_of(running.url(stream, login), transport)
        assert (video["codec_name"], video["profile"]) == ("h264", "Main")
        assert (video["width"], video["height"]) == (width, height)
        assert video["avg_frame_rate"] == "15/1"
        assert decode(running.url(stream, login), transport, frames=30) == (30, "")

    with simulator("--auth", auth) as running, ThreadPoolExecutor(4) as pool:
        sizes = (("stream1", 640, 360), ("stream2", 320, 180))
        checks = [pool.submit(check, transport, *size) for transport in ("tcp", "udp") for size in sizes]
        for each in checks:
            each.result()


@needs_ffmpeg
def test_clip_goes_round_in_real_time() -> None:
    """FFmpeg decodes over the end of the clip without a complaint, and frames come at their rate."""
    with simulator() as running:
        begin = time.monotonic()
        assert decode(running.url("stream1"), "tcp", frames=75) == (75, "")
        assert 4.5 < time.monotonic() - begin < 10


@needs_ffmpeg
def test_refusals() -> None:
    """FFmpeg is told 401 for a wrong password, 404 for a path that is not there, 453 by a busy camera."""
    with simulator("--auth", "digest") as running:
        for url, status in (
            (running.url("stream1"), "401"),
            (running.url("stream1", "viewer:wrong"), "401"),
            (running.url("nothing", LOGIN), "404"),
        ):
            frames, said = decode(url, "tcp", frames=1)
            assert frames == 0
            assert status in said
    with simulator("--quirk", "busy") as running:
        frames, said = decode(running.url("stream1"), "tcp", frames=1)
        assert frames == 0
        assert "453" in said


@needs_ffmpeg
def test_secret_path_with_query() -> None:
    """A path with a query keeps it through SETUP and PLAY of a client that others wrote."""
    with simulator("--no-onvif", "--quirk", "secret_path=/cam/realmonitor?channel=1&subtype=0") as running:
        assert decode(running.url("cam/realmonitor?channel=1&subtype=0"), "udp", frames=10) == (10, "")
        assert decode(running.url("stream1"), "tcp", frames=1)[0] == 0


def test_silent_camera() -> None:
    """A silent camera takes a connection on both ports and says nothing."""
    with simulator("--quirk", "silent") as running:
        for port in (running.rtsp_port, running.http_port):
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                connection.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    connection.recv(1)


@needs_ffmpeg
def test_snapshot_is_a_picture() -> None:
    """The snapshot that ONVIF points to is a JPEG that FFmpeg reads."""
    with simulator() as running:
        done = run(
            str(FFPROBE),
            "-v",
            "error",
            "-show_streams",
            "-of",
            "json",
            f"http://127.0.0.1:{running.http_port}/snapshot.jpg",
        )
        (picture,) = json.loads(done.stdout)["streams"]
        assert (picture["codec_name"], picture["width"], picture["height"]) == ("mjpeg", 160, 90)


def test_port_taken() -> None:
    """Who cannot start says why in one line, with exit status 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "twisted_detector.cli", "simulate", "--rtsp-port", str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "127.0.0.1" in done.stderr


# --- Network namespaces: multicast stays in them --------------------------------------------------------------------

SEARCH = """
import json
from wsdiscovery import QName
from wsdiscovery.discovery import ThreadedWSDiscovery
searcher = ThreadedWSDiscovery()
searcher.start()
transmitter = QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")
found = searcher.searchServices(types=[transmitter], timeout=3)
print(json.dumps([[s.getEPR(), s.getXAddrs(), [scope.getValue() for scope in s.getScopes()]] for s in found]))
searcher.stop()
"""


def in_namespace(name: str, *words: str) -> list[str]:
    return ["ip", "netns", "exec", name, *words]


@contextmanager
def two_namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces on one wire: the first has 10.77.78.1 and .2, the second 10.77.78.9."""
    first, second = (f"sim-{os.getpid()}-{letter}" for letter in "ab")
    steps = [
        ["ip", "netns", "add", first],
        ["ip", "netns", "add", second],
        ["ip", "link", "add", "v0", "netns", first, "type", "veth", "peer", "name", "v0", "netns", second],
        in_namespace(first, "ip", "link", "set", "v0", "address", "00:40:8c:77:78:01"),
        in_namespace(first, "ip", "address", "add", "10.77.78.1/24", "dev", "v0"),
        in_namespace(first, "ip", "address", "add", "10.77.78.2/24", "dev", "v0"),
        in_namespace(second, "ip", "address", "add", "10.77.78.9/24", "dev", "v0"),
        in_namespace(first, "ip", "link", "set", "v0", "up"),
        in_namespace(second, "ip", "link", "set", "v0", "up"),
    ]
    try:
        for step in steps:
            subprocess.run(step, check=True, capture_output=True)
        yield first, second
    finally:
        for name in (first, second):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def may_make_namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"sim-{os.getpid()}-try"
    if subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode:
        return False
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    return True


@pytest.mark.skipif(not may_make_namespaces(), reason="network namespaces need root and iproute2")
def test_wsdiscovery_package_finds_cameras() -> None:
    """The WSDiscovery package finds each camera at its own address, with the interface's MAC in its scopes."""
    pytest.importorskip("wsdiscovery", reason="the WSDiscovery package is not installed")
    with two_namespaces() as (cameras, searcher):
        words = ["-m", "twisted_detector.cli", "simulate", "--count", "2", "--bind", "10.77.78.1", "10.77.78.2"]
        process = subprocess.Popen(
            in_namespace(cameras, sys.executable, *words), cwd=ROOT, text=True, stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 20)[0], "it did not start"
            done = subprocess.run(
                in_namespace(searcher, sys.executable, "-c", SEARCH), capture_output=True, text=True, timeout=30
            )
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()
    found = json.loads(done.stdout.splitlines()[-1])
    assert sorted(xaddrs[0] for _, xaddrs, _ in found) == [
        "http://10.77.78.1:8000/onvif/device_service",
        "http://10.77.78.2:8000/onvif/device_service",
    ]
    assert len({reference for reference, _, _ in found}) == 2
    for _, _, scopes in found:
        assert "onvif://www.onvif.org/MAC/00:40:8c:77:78:01" in scopes
