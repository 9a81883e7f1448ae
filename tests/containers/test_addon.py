"""The add-on that `make addon` makes: built, and started as the Supervisor does, with a stand-in of its API."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.containers.engine import Engine, build
from tests.integration.addon_rules import option_faults, watched
from tests.integration.test_addon import OPTIONS, made
from tests.lan.farm import plant
from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import LOGIN, cid
from tests.processes import wait_until

__all__ = ["made"]
pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.skipif(bool(REASON), reason=REASON)]

IMAGE = "localhost/camdetect-addon"
GATEWAY, SUPERVISOR = "172.30.32.1", "172.30.32.2"
TOKEN, PASSWORD = "t0ken-of-the-supervisor", "br0ker-s3cret"
#: The Supervisor's API as far as an add-on asks it (developers.home-assistant.io/docs/api/supervisor/endpoints).
_API = """
import http.server, json, socketserver, sys
address, token, password = sys.argv[1:]
BROKER = {"addon": "core_mosquitto", "host": address, "port": 1883, "ssl": False, "protocol": "3.1.1",
    "username": "addons", "password": password}
class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, answer = 200, {"result": "ok", "data": BROKER}
        if self.headers.get("Authorization") != f"Bearer {token}":
            status, answer = 401, {"result": "error"}
        elif self.path != "/services/mqtt":
            status, answer = 404, {"result": "error"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())
with socketserver.ThreadingTCPServer((address, 80), Api) as server:
    print("ready", flush=True)
    server.serve_forever()
"""
_ASK = """
import http.client, json, sys
host, port, path, headers = sys.argv[1:]
line = http.client.HTTPConnection(host, int(port), timeout=20)
line.request("GET", path, headers=json.loads(headers))
answer = line.getresponse()
print(json.dumps([answer.status, answer.read().decode("utf-8", "replace")]))
"""
#: What Home Assistant's proxy sends along for a browser.
INGRESS = {"Host": "ha.local:8123", "X-Ingress-Path": "/api/hassio_ingress/abc", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def ask(host: Host, address: str, port: int, path: str, headers: dict[str, str]) -> tuple[int, str]:
    status, text = json.loads(host.run(*python("-c", _ASK, address, str(port), path, json.dumps(headers))))
    return status, text


def supervisor(lab: Lab, folder: Path) -> Host:
    """The Supervisor's address with its API, and Home Assistant's broker."""
    host = lab.host("supervisor", "10.77.0.3", "02:00:00:00:00:03")
    host.run("ip", "address", "add", f"{SUPERVISOR}/23", "dev", "eth0")
    host.start(*python("-c", _API, SUPERVISOR, TOKEN, PASSWORD)).wait_for("ready")
    logins, settings = folder / "broker-logins", folder / "broker.conf"
    logins.write_text(f"addons:{PASSWORD}\n")
    host.run("mosquitto_passwd", "-U", str(logins))
    logins.chmod(0o644)
    settings.write_text(f"listener 1883\npassword_file {logins}\nuser root\n")
    host.start("mosquitto", "-c", str(settings))
    return host


def test_started(made: Path, lab: Lab, tmp_path: Path) -> None:
    """Its page is in Home Assistant and nowhere else, the watchdog's address answers, it is not root, and it knows the
    broker from the Supervisor and the cameras' login from the options.
    """
    addon = made / "camdetect"
    configuration: dict[str, Any] = yaml.safe_load((addon / "config.yaml").read_text())
    build(addon, IMAGE)
    farm = plant(lab, "farm", "10.77.0.0/24", 1)
    farm.cameras = [replace(camera, auth="digest") for camera in farm.cameras]
    farm.start(login=LOGIN)
    (camera,) = farm.cameras
    host = lab.host("hassio", "10.77.0.2", "02:00:00:00:00:02")
    host.run("ip", "address", "add", f"{GATEWAY}/23", "dev", "eth0")
    proxy = supervisor(lab, tmp_path)
    other = lab.host("other", "10.77.0.9", "02:00:00:00:00:09")

    user, password = LOGIN.split(":")
    options = {**OPTIONS, "logins": [{"username": user, "password": password}]}
    assert list(option_faults(configuration["schema"], options)) == []
    data, folder = tmp_path / "data", tmp_path / "config"
    for each in (data, folder):
        each.mkdir(mode=0o755)
    (data / "options.json").write_text(json.dumps(options))
    (data / "options.json").chmod(0o600)
    # what the Supervisor makes of config.yaml (supervisor/docker/app.py); capabilities beside those that Docker gives
    rights = ["--network=host", "--tmpfs=/tmp", f"--volume={data}:/data", f"--volume={folder}:/config"]
    rights += [f"--cap-add={name}" for name in configuration["privileged"]]
    rights += [f"--env=SUPERVISOR_TOKEN={TOKEN}", f"--add-host=supervisor:{SUPERVISOR}"]
    with Engine(host.namespace, tmp_path / "engine") as engine:
        engine.podman("run", "--detach", "--name=addon", *rights, IMAGE)
        wait_until(
            lambda: f"{cid(camera.mac)} " in engine.log("addon") and "is online" in engine.log("addon"),
            60,
            lambda: engine.log("addon"),
            interval=0.5,
        )
        connected = f"connected to {SUPERVISOR}:1883"
        wait_until(lambda: connected in engine.log("addon"), 20, lambda: engine.log("addon"), interval=0.5)
        status = engine.status("addon")
        assert status["Uid"].split()[0] != "0"
        net_raw = f"{1 << 13:016x}"
        assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {net_raw}
        assert status["NoNewPrivs"] == "1"
        assert not [line for line in engine.log("addon").splitlines() if " warn " in line or " error " in line]

        assert "The web page is in Home Assistant" in engine.log("addon")
        # ingress, as the sidebar opens it, and the watchdog, as the Supervisor asks it
        port = configuration["ingress_port"]
        page = ask(proxy, GATEWAY, port, "/", INGRESS)
        assert (page[0], "<title>" in page[1]) == (200, True)
        cameras = ask(proxy, GATEWAY, port, "/api/v1/cameras", INGRESS)
        assert (cameras[0], cid(camera.mac) in cameras[1]) == (200, True)
        address, watched_port, path = watched(configuration)
        assert ask(proxy, address, watched_port, path, {})[0] == 200

        # nobody else: the page is not on the network, and who pretends to be the proxy is not
        with pytest.raises(RuntimeError, match="refused"):
            ask(other, "10.77.0.2", port, "/", {})
        other.run("ip", "address", "add", "172.30.32.9/23", "dev", "eth0")
        assert ask(other, GATEWAY, port, "/api/v1/cameras", INGRESS)[0] == 421
        assert ask(other, GATEWAY, port, "/api/v1/cameras", {**INGRESS, "Host": f"{GATEWAY}:{port}"})[0] == 401

        # no secret where others read it
        told = engine.log("addon") + engine.run("ps", "-eo", "args").stdout
        environment = engine.podman("exec", "--user=root", "--privileged", "addon", "cat", "/proc/1/environ")
        assert "STATE_DIR=/data/camdetect" in environment
        for secret, texts in ((TOKEN, told + environment), (password, told + environment), (PASSWORD, told)):
            assert secret not in texts
        # the file for all other settings, which a person may edit
        assert "#mqtt_broker = " in (folder / "camdetect.toml").read_text()
        engine.podman("stop", "--time=20", "addon")
        assert engine.inspected("container", "addon")["State"]["ExitCode"] == 0

        # A broker that is away is no reason for the watchdog, nor is an edited file one to fail.
        for process in proxy.processes[1:]:
            process.end()
        (folder / "camdetect.toml").write_text('homeassistant_prefix = "ha"\n')
        engine.podman("start", "addon")

        def answers() -> bool:
            done = engine.run(sys.executable, "-c", _ASK, address, str(watched_port), path, "{}", check=False)
            return done.returncode == 0 and json.loads(done.stdout)[0] == 200

        wait_until(answers, 30, lambda: engine.log("addon"), interval=0.5)
        shown = engine.podman("exec", "addon", "cat", "/proc/1/status")
        assert "Uid:\t0" not in shown
        engine.podman("stop", "--time=20", "addon")
    shutil.rmtree(data)
