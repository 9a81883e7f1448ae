"""Streams of a server that nobody here wrote: what we say of them is what ffprobe says, at every kind of login."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.ports import free_port
from tests.processes import ROOT, Process
from twisted_detector.errors import Unauthorized
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Candidate, Inspection, Login, Proof, Secret, Status, Stream

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = ROOT / "tests" / "peers" / "gst_rtsp.py"
RIGHT = Login("viewer", Secret("pä:ss"))
WRONG = Login("viewer", Secret("guess"))
#: ffprobe's names of codecs, as SDP has them (RFC 6184, RFC 7798, RFC 2435).
CODECS = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}


def _missing() -> str:
    for program in ("ffprobe", SYSTEM_PYTHON):
        if shutil.which(program) is None:
            return f"needs {program}"
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer, Gst;"
        "Gst.init(None); assert all(map(Gst.ElementFactory.find, ('x264enc', 'x265enc', 'jpegenc')))"
    )
    done = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False, timeout=60)
    return "" if done.returncode == 0 else "needs GStreamer's RTSP server with x264 and x265"


REASON = _missing()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


class Server:
    def __init__(self, directory: Path, codec: str, auth: str) -> None:
        self.port = free_port()
        login = () if auth == "none" else (RIGHT.name, RIGHT.password.reveal())
        arguments = (SYSTEM_PYTHON, str(SERVER), "127.0.0.1", str(self.port), "/stream1", codec, auth, *login)
        self.auth = auth
        self.process = Process(arguments, directory / "gst.log")
        self.process.wait_for("ready", 30)
        self.stream = Stream(url=f"rtsp://127.0.0.1:{self.port}/stream1")

    def ffprobe(self, userinfo: str) -> tuple[str, int, int, float]:
        """Codec, width, height and frames per second, as ffprobe sees them."""
        url = f"rtsp://{userinfo}127.0.0.1:{self.port}/stream1"
        entries = "stream=codec_name,width,height,avg_frame_rate"
        command = ("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", entries, "-of", "json", url)
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        stream = json.loads(done.stdout)["streams"][0]
        frames, seconds = map(int, stream["avg_frame_rate"].split("/"))
        return CODECS[stream["codec_name"]], stream["width"], stream["height"], frames / seconds


@pytest.fixture(params=[(codec, auth) for codec in ("h264", "h265", "jpeg") for auth in ("none", "basic", "digest")])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    codec, auth = request.param
    server = Server(tmp_path, codec, auth)
    yield server
    server.process.end()


@pytest_twisted.ensureDeferred
async def test_as_ffprobe_says(server: Server) -> None:
    """Codec, size and frame rate agree with ffprobe, up to a whole keyframe, whatever the login."""
    auth = server.auth
    validator = RtspValidator(reactor, allow_basic=lambda _: True)
    if auth != "none":
        with pytest.raises(Unauthorized) as refused:
            await validator.validate(server.stream, None)
        assert not refused.value.attempted
        with pytest.raises(Unauthorized) as refused:
            await validator.validate(server.stream, WRONG)
        assert refused.value.attempted
        assert WRONG.password.reveal() not in str(refused.value)
    report = await validator.validate(server.stream, None if auth == "none" else RIGHT)
    assert (report.proof, report.validated) == (Proof.KEYFRAME, True), report.reason
    expected = server.ffprobe("" if auth == "none" else "viewer:p%C3%A4%3Ass@")
    assert (report.codec, report.width, report.height, report.fps) == expected


@pytest_twisted.ensureDeferred
async def test_the_path_is_found(server: Server) -> None:
    """A server without ONVIF is found by its path, eight a look; one that wants a login says so until it has it."""
    inspector = RtspInspector(reactor, allow_basic=lambda _: True)
    candidate = Candidate("device", "127.0.0.1", rtsp_ports=(server.port,))

    async def look_until(status: Status, login: Login | None) -> Inspection:
        for _ in range(4):
            inspection = await inspector.inspect(candidate, login)
            assert inspection is not None
            if inspection.status is status:
                return inspection
            assert "still to be tried" in inspection.reason
        raise AssertionError(f"not {status} after four looks")

    if server.auth != "none":
        await look_until(Status.AUTH_REQUIRED, None)
    inspection = await look_until(Status.ONLINE, None if server.auth == "none" else RIGHT)
    assert [stream.url for stream in inspection.streams] == [server.stream.url]


@pytest_twisted.ensureDeferred
async def test_basic_is_not_given_away(tmp_path: Path) -> None:
    """Where Basic is not allowed, no password leaves, and the reason says so."""
    server = Server(tmp_path, "h264", "basic")
    try:
        with pytest.raises(Unauthorized) as refused:
            await RtspValidator(reactor).validate(server.stream, RIGHT)
        assert not refused.value.attempted
        assert "in clear" in str(refused.value)
    finally:
        server.process.end()
