"""The Dockerfile, built and started as docs/operations/packages.md says: no root, no capability, a read-only root."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.containers.engine import Engine, tool
from tests.containers.pages import PACKAGES, blocks, shims
from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import cid
from tests.processes import ROOT, wait_until

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.skipif(bool(REASON), reason=REASON)]

IMAGE = "localhost/camdetect"
#: Of the image on disk; a registry keeps a third of it.
MAX_SIZE = 160_000_000
_WRITE = "open('/opt/camdetect/x', 'w')"
#: The decoder's process, started as the daemon does and asked once: prints the status and the head of its answer.
_DECODE = """
import pathlib, struct, subprocess, sys
from twisted_detector.inspection.pictures.decoder import CHILD
codec, data = int(sys.argv[1]), pathlib.Path(sys.argv[2]).read_bytes()
asked = struct.pack("!BI", codec, len(data)) + data
done = subprocess.run([sys.executable, "-I", "-B", CHILD], input=asked, capture_output=True, env={}, cwd="/")
ready, length = struct.unpack_from("!BI", done.stdout)
answer = done.stdout[5 + length :]
print(ready, *struct.unpack_from("!BI", answer), answer[5:7].hex(), done.stderr.decode())
"""
#: What an image without a distribution does not have.
_PROGRAMS = "import os; print(*os.listdir('/usr/bin'), *os.listdir('/usr/sbin'), os.path.exists('/usr/local'))"
_RAISED = """
import os, stat
for folder, _, names in os.walk("/", topdown=True):
    if folder.startswith(("/proc", "/sys", "/dev")):
        continue
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.islink(path) and os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
            print(path)
"""
_VENDOR = """
from twisted_detector.inspection.oui import OuiRegistry
from twisted_detector.model import Mac
print(OuiRegistry().vendor_of(Mac("00:40:8c:00:00:01")))
"""
_TRUSTED = """
import pathlib, ssl
folder = pathlib.Path(ssl.get_default_verify_paths().capath)
print(sum("BEGIN CERTIFICATE" in one.read_text() for one in folder.glob("*.0")))
"""
#: Each package of Debian of which something is in the image, and whether its licence is.
_PACKAGES = """
import json, pathlib
packages = [one.name for one in pathlib.Path("/var/lib/dpkg/status.d").iterdir()]
print(json.dumps({one: pathlib.Path("/usr/share/doc", one, "copyright").exists() for one in packages}))
"""
_WAIT = "import time; time.sleep(600)"
#: One event, none of them a warning.
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 info  [a-z0-9]+ +\S")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built as the page says."""
    tool("settings")  # or it is skipped
    path = shims(tmp_path_factory.mktemp("build") / "bin")
    built = subprocess.run(
        ["sh", "-euc", blocks()["docker-build"]],
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert built.returncode == 0, built.stderr
    return IMAGE


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def test_size(image: str, lab: Lab, tmp_path: Path) -> None:
    """What is pulled is small; and the figure that the document names is this one."""
    host = lab.host("docker", "10.77.0.2", "02:00:00:00:00:02")
    with Engine(host.namespace, tmp_path / "engine") as engine:
        pulled = engine.pushed_bytes(image, tmp_path / "pushed")
        unpacked = engine.inspected("image", image)["Size"]
    print(f"{pulled / 1e6:.1f} MB to pull, {unpacked / 1e6:.1f} MB on disk")
    assert unpacked <= MAX_SIZE
    told = re.search(r"(\d+) MB to pull, (\d+) MB on disk", PACKAGES.read_text())
    assert told is not None
    assert (pulled / 1e6, unpacked / 1e6) == pytest.approx((int(told[1]), int(told[2])), rel=0.1)


def test_contents(image: str, lab: Lab, tmp_path: Path) -> None:
    """No shell, no package manager, nothing that raises rights; pictures of all kinds are decoded; command line, TLS
    and the names of vendors work; and scanners find what is Debian's, each with its licence.
    """
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    source = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=1", "-frames:v", "1"]
    for name, encoder in (("1.h264", "libx264"), ("2.hevc", "libx265"), ("3.jpg", "mjpeg")):
        subprocess.run([*source, "-c:v", encoder, "-pix_fmt", "yuvj420p", pictures / name], check=True, timeout=60)
    host = lab.host("docker", "10.77.0.2", "02:00:00:00:00:02")
    with Engine(host.namespace, tmp_path / "engine") as engine:
        rights = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", f"--volume={pictures}:/pictures:ro"]
        engine.podman("run", "--detach", "--name=looked-at", *rights, "--entrypoint=python", image, "-c", _WAIT)
        look = partial(engine.python, "looked-at")
        assert sorted(look(_PROGRAMS).split()) == ["False", "mosquitto", "python3", "python3.13"]
        assert look(_RAISED) == ""
        for codec, name in ((1, "1.h264"), (2, "2.hevc"), (3, "3.jpg")):
            ready, status, length, head, *said = look(_DECODE, str(codec), f"/pictures/{name}").split()
            assert (ready, status, head, said) == ("0", "0", "ffd8", []), name
            assert int(length) > 3000, "a picture of a test card is larger than a grey one"
        assert "camdetect" in engine.podman("exec", "looked-at", "camdetect", "--help")
        assert "axis" in look(_VENDOR).lower()
        assert int(look(_TRUSTED)) > 50, "certificates of authorities"
        licences: dict[str, bool] = json.loads(look(_PACKAGES))
        assert {"libc6", "libssl3t64", "mosquitto", "tzdata"} <= set(licences)
        assert [name for name, has in licences.items() if not has] == []
        engine.podman("rm", "--force", "--time=0", "looked-at")


def test_started(image: str, lab: Lab, tmp_path: Path) -> None:
    """As a user does: it finds a camera, has a broker, answers HEALTHCHECK, is nobody and can do nothing, says nothing
    that is not a line of its log, keeps its state over a new container, and ends at once.
    """
    farm = plant(lab, "farm", "10.77.0.0/24", 1)
    farm.start()
    (camera,) = farm.cameras
    host = lab.host("docker", "10.77.0.2", "02:00:00:00:00:02")
    with Engine(host.namespace, tmp_path / "engine") as engine:
        path = shims(tmp_path / "bin")
        engine.shell(blocks()["docker-run"], ROOT, path)

        def found() -> bool:
            return "is online" in engine.log("camdetect") or cid(camera.mac) in engine.log("camdetect")

        wait_until(found, 60, lambda: engine.log("camdetect"), interval=0.5)
        wait_until(
            lambda: "connected to 127.0.0.1:1883" in engine.log("camdetect"), 30, lambda: engine.log("camdetect")
        )
        status = engine.status("camdetect")
        assert status["Uid"].split() == ["10001"] * 4
        assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        written = engine.run("podman", "exec", "camdetect", "python", "-c", _WRITE, check=False)
        assert "Read-only file system" in written.stderr
        # HEALTHCHECK, as it stands in the image
        check = engine.inspected("image", image)["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        assert engine.podman("exec", "camdetect", *check[1:]) == ""
        listed = json.loads(engine.podman("exec", "camdetect", "camdetect", "list", "--json"))
        assert [one["id"] for one in listed] == [cid(camera.mac)]
        strange = [line for line in engine.log("camdetect").splitlines() if not LINE.match(line)]
        assert strange == []
        engine.podman("stop", "--time=20", "camdetect")
        ended = engine.inspected("container", "camdetect")["State"]
        assert ended["ExitCode"] == 0
        engine.podman("rm", "camdetect")
        again = blocks()["docker-run"].replace("--name camdetect", "--name again")
        engine.shell(again, ROOT, path)
        wait_until(
            lambda: (
                cid(camera.mac)
                in engine.run("podman", "exec", "again", "camdetect", "list", "--json", check=False).stdout
            ),
            30,
            lambda: engine.log("again"),
            interval=0.5,
        )
        engine.podman("stop", "--time=20", "again")
