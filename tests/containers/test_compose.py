"""compose.yaml, brought up to the letter of docs/operations/packages.md: it ends with cameras in Frigate and go2rtc."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.containers.engine import Engine, build
from tests.containers.pages import blocks, shims
from tests.containers.stand_ins import build_stand_ins
from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, cid
from tests.processes import ROOT, wait_until

COMPOSE = str(Path(sys.executable).parent / "podman-compose")
pytestmark = [
    pytest.mark.long,
    pytest.mark.alone,
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(not Path(COMPOSE).exists(), reason="needs podman-compose in .venv: make containers"),
]
_SHOW = "import pathlib, sys; [print(one.read_text()) for one in pathlib.Path(sys.argv[1]).glob(sys.argv[2])]"
_WRITE = "import sys; open(sys.argv[1], 'w')"
_GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


class Project:
    """A folder with compose.yaml and what a user puts beside it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        folder.mkdir()
        shutil.copy(ROOT / "compose.yaml", folder)
        self._path = shims(folder.parent / "bin", COMPOSE)

    def do(self, commands: str) -> str:
        """Type commands in the folder."""
        return self._engine.shell(commands, self._folder, self._path)

    def logs(self) -> str:
        return "\n".join(
            f"--- {name}\n{self._engine.log(name)}"
            for name in self._engine.podman("ps", "--all", "--format", "{{.Names}}").split()
        )

    def container(self, service: str) -> str:
        return f"camdetect_{service}_1"

    def get(self, url: str) -> Any:
        done = self._engine.run(sys.executable, "-c", _GET, url, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}


def test_up(lab: Lab, tmp_path: Path) -> None:
    build(ROOT, "localhost/camdetect")
    build_stand_ins(tmp_path / "stand-ins")
    farm = plant(lab, "farm", "10.77.0.0/24", 2)
    farm.cameras = [replace(camera, auth="digest") for camera in farm.cameras]
    farm.start(login=LOGIN)
    ids = {cid(camera.mac) for camera in farm.cameras}
    host = lab.host("docker", "10.77.0.2", "02:00:00:00:00:02")
    with Engine(host.namespace, tmp_path / "engine") as engine:
        project = Project(engine, tmp_path / "project")
        said = blocks()
        project.do(said["compose-up"])
        wait_until(lambda: "connected to 127.0.0.1:1884" in project.logs(), 30, project.logs, interval=0.5)
        assert project.get("http://127.0.0.1:5000/api/config") == {}, "Frigate is there when it is wanted"
        assert said["compose-logins"].count("viewer:look") == 1
        project.do(said["compose-logins"].replace("viewer:look", LOGIN))
        project.do(said["compose-env"])
        project.do(said["compose-up"])

        def everywhere() -> bool:
            frigate = project.get("http://127.0.0.1:5000/api/config").get("cameras", {})
            streams = project.get("http://127.0.0.1:1984/api/streams")
            return ids <= set(frigate) and ids <= set(streams)

        wait_until(everywhere, 90, project.logs, interval=1)

        # The broker has a password that stands in no file of the user's, no environment and no command line.
        mine = project.container("camdetect")
        password = project.do(said["compose-password"]).strip()
        assert len(password) >= 30
        for service in ("camdetect", "mosquitto", "frigate"):
            assert password not in json.dumps(engine.inspected("container", project.container(service)))
        assert password not in engine.run("ps", "-eo", "args").stdout + project.logs()
        heard = ["mosquitto_sub", "-h", "127.0.0.1", "-p", "1884", "-t", "camera/#", "-C", "2", "-W", "10"]
        assert "not authorised" in engine.run(*heard, check=False).stderr
        told = engine.run(*heard, "-u", "camdetect", "-P", password).stdout
        assert any(name in told for name in ids)

        # Nobody is root for longer than he has to, and who has no business with it cannot write.
        assert engine.status(mine)["Uid"].split()[0] == "10001"
        assert engine.status(mine)["CapEff"] == "0" * 16
        broker = engine.status(project.container("mosquitto"))
        assert (broker["Uid"].split()[0] != "0", broker["CapEff"]) == (True, "0" * 16)

        # Frigate's logins are in the folder that both mount, and in no configuration.
        secret = LOGIN.partition(":")[2]
        frigate = project.container("frigate")
        assert secret in engine.python(frigate, _SHOW, "/run/secrets", "FRIGATE_*")
        assert secret not in engine.python(frigate, _SHOW, "/config", "config.yml")
        written = engine.run("podman", "exec", frigate, "python", "-c", _WRITE, "/run/secrets/x", check=False)
        assert "Read-only file system" in written.stderr
        assert secret not in project.logs()

        project.do("docker compose down")
        project.do(said["compose-up"])
        wait_until(everywhere, 90, project.logs, interval=1)
        assert project.do(said["compose-password"]).strip() == password
        faults = [line for line in engine.log(mine).splitlines() if re.search(" (warn|error) ", line)]
        assert [line for line in faults if "-api: " not in line or "it does not answer" not in line] == []
