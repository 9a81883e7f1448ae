"""The Dockerfile, built and started as docs/operations/packages.md says: no root, no capability, a read-only root."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
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
#: What a registry keeps; on disk it is three times as much, a third of it FFmpeg.
MAX_PULLED = 160_000_000
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
    assert pulled <= MAX_PULLED
    told = re.search(r"(\d+) MB to pull, (\d+) MB on disk", PACKAGES.read_text())
    assert told is not None
    assert (pulled / 1e6, unpacked / 1e6) == pytest.approx((int(told[1]), int(told[2])), rel=0.1)


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
        assert engine.run("podman", "exec", "camdetect", "touch", "/opt/camdetect/x", check=False).returncode != 0
        # HEALTHCHECK, as it stands in the image
        check = engine.inspected("image", image)["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        assert engine.podman("exec", "camdetect", *check[1:]) == ""
        # small pictures and pictures out of streams
        assert "libx264" not in engine.podman("exec", "camdetect", "/opt/camdetect/bin/python", "-c", "import av")
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
