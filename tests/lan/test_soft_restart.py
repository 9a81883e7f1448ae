"""Settings that are changed while the daemon runs: its parts stop and start again in one process; nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import Site, cid, simulated
from tests.lan.test_start_and_stop import TWISTD, broker_pids, environment, start
from tests.listener import Listener
from tests.processes import ROOT, Process, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

PEER = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
MOSQUITTO = shutil.which("mosquitto") or ""
URL = "http://127.0.0.1:8787/api/v1/"
_ASK = """
import json, sys, urllib.error, urllib.request as w
method, url, body = sys.argv[1:4]
request = w.Request(url, body.encode() or None, json.loads(sys.argv[4]), method=method)
try:
    answer = w.urlopen(request, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
cookie = answer.headers.get("Set-Cookie", "")
print(json.dumps({"status": answer.status, "cookie": cookie, "body": json.loads(answer.read())}))
"""
PASSWORD = "n0t-the-canary"


def ask(host: Host, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """One request to the daemon's API from its own host."""
    given = {"X-Camdetect": "1", "Content-Type": "application/json", **headers}
    text = "" if body is None else json.dumps(body)
    return json.loads(host.run(*python("-c", _ASK, method, URL + path, text, json.dumps(given))))


def settled(host: Host, **headers: str) -> dict[str, Any]:
    """The settings, once the parts run again."""
    found: list[Any] = []

    def look() -> bool:
        try:
            found[:] = [ask(host, "GET", "settings", **headers)["body"]]
        except RuntimeError:  # nobody listens for a moment
            return False
        return not found[0]["restarting"]

    time.sleep(0.5)  # until the restart has begun
    wait_until(look, 15, lambda: f"the end of the restart: {found}", interval=0.2)
    return dict(found[0])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Lab(tmp_path) as lab:
        yield lab.host("daemon", "10.77.1.1", "02:00:00:00:01:01")


def other_broker(host: Host, *lines: str) -> Process:
    """A second broker, at port 1884."""
    settings = host.lab.directory / "other.conf"
    settings.write_text("\n".join(("user root", "listener 1884 127.0.0.1", *(lines or ("allow_anonymous true",)), "")))
    broker = host.start("mosquitto", "-c", str(settings))
    broker.wait_for("running")
    return broker


def listen(host: Host, port: int) -> Listener:
    output = host.lab.directory / f"heard-{port}-{time.monotonic_ns()}.log"
    listener = Listener(output, port, prefix=("ip", "netns", "exec", host.namespace))
    host.processes.append(listener.process)
    return listener


def broker_pids_of_daemon(host: Host) -> list[int]:
    """The embedded broker; not the clients whose program has its name in its own."""
    return [pid for pid in broker_pids(host) if b"/proc/self/fd" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_another_broker(lab: Lab) -> None:
    """From the embedded broker to a second one: all that was retained is there, none is lost, `offline` is left."""
    cameras = [simulated(lab, f"sim{n}", f"10.77.0.2{n}", f"02:00:00:00:00:2{n}", "--auth", "none") for n in (1, 2, 3)]
    for camera in cameras:
        camera.processes[0].wait_for("camera", 20)
    site = Site(lab)
    for process in (site.listener.process, site.broker):  # its own broker is wanted
        process.end()
    daemon = site.daemon(MQTT_BROKER="", MQTT_PORT="")
    daemon.wait_for("connected to 127.0.0.1:1883")
    first = listen(site.host, 1883)
    ids = {cid(camera.mac) for camera in cameras}
    for one in ids:
        first.wait(f"camera/status/{one}", lambda heard: heard.json["status"] == "online", 30)
    site.host.run("mosquitto_pub", "-p", "1883", "-r", "-t", "somebody/else", "-m", "kept")
    embedded = broker_pids_of_daemon(site.host)
    assert embedded
    fresh = listen(site.host, 1883)
    for one in ids:
        fresh.wait(f"camera/status/{one}", lambda heard: heard.retained)
    retained = {heard.topic for heard in fresh.heard() if heard.retained and heard.topic != "somebody/else"}
    assert len(retained) > 3 * len(ids)
    other_broker(site.host)
    second = listen(site.host, 1884)
    answer = ask(site.host, "POST", "settings", {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": "1884"})
    assert answer["body"].get("restart") == ["MQTT_BROKER", "MQTT_PORT"], answer
    lwt = "system/camera_detector_health/node1/lwt"
    first.wait(lwt, lambda heard: heard.json["status"] == "offline")
    second.wait(lwt, lambda heard: heard.json["status"] == "online")
    for one in ids:
        second.wait(f"camera/status/{one}", lambda heard: heard.json["status"] == "online")
        second.wait(f"camera/discovery/{one}", lambda heard, one=one: heard.json["camera"]["id"] == one)
    wait_until(
        lambda: retained <= {heard.topic for heard in second.heard()},
        10,
        lambda: f"all topics at the second broker; not: {retained - {heard.topic for heard in second.heard()}}",
    )
    offline = [
        heard for heard in second.heard() if heard.topic.startswith("camera/status/") and "offline" in heard.payload
    ]
    assert offline == []
    settled(site.host)
    assert not [pid for pid in embedded if Path(f"/proc/{pid}").exists()]
    # It runs on as a process: a command over the new broker is obeyed, and a clean stop is one.
    site.host.run(
        "mosquitto_pub",
        "-p",
        "1884",
        "-q",
        "1",
        "-t",
        "system/camera_detector/node1/command",
        "-m",
        '{"id": 7, "command": "rescan"}',
    )
    second.wait("system/camera_detector/node1/command/result", lambda heard: heard.json["id"] == 7 and heard.json["ok"])
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert "Traceback" not in daemon.text(), daemon.text()
    second.wait(lwt, lambda heard: heard.json["status"] == "offline")


def test_the_embedded_broker_stays(host: Host) -> None:
    """Another setting: the same broker runs on with what others retain in it, a page that is signed in stays so."""
    token = "t0ken-of-the-page-canary"
    daemon = start(host, WEB_TOKEN=token)
    daemon.wait_for("connected to 127.0.0.1:1883")
    daemon.wait_for("The web page is at")
    cookie = ask(host, "POST", "session", {"token": token})["cookie"].partition(";")[0]
    assert cookie
    host.run("mosquitto_pub", "-p", "1883", "-r", "-t", "somebody/else", "-m", "kept")
    pids = broker_pids(host)
    assert ask(host, "POST", "settings", {"HOMEASSISTANT_ENABLED": "false"})["status"] == 401
    answer = ask(host, "POST", "settings", {"HOMEASSISTANT_ENABLED": "false"}, Cookie=cookie)
    assert answer["body"].get("restart") == ["HOMEASSISTANT_ENABLED"], answer
    found = settled(host, Cookie=cookie)
    assert found["settings"]["HOMEASSISTANT_ENABLED"]["source"] == "page"
    assert broker_pids(host) == pids
    assert host.run("mosquitto_sub", "-p", "1883", "-t", "somebody/else", "-C", "1", "-W", "5") == "kept\n"
    assert daemon.text().count("starting an embedded broker") == 1
    # What changes nothing starts nothing again.
    assert ask(host, "POST", "settings", {"HOMEASSISTANT_ENABLED": "false"}, Cookie=cookie)["body"].get("restart") == []
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert "Traceback" not in daemon.text()
    wait_until(lambda: not broker_pids(host), 2, "the end of the broker")


def test_rolled_back(host: Host) -> None:
    """Settings that it cannot start with: the former ones are used and saved again, and it says so."""
    settings = host.lab.directory / "other.conf"
    settings.write_text(f"user root\nlistener 1884 {host.address}\nallow_anonymous true\n")
    host.start("mosquitto", "-c", str(settings)).wait_for("running")
    state = host.lab.directory / "state"
    state.mkdir(mode=0o700)
    (state / "overrides").write_text(f'[settings]\nMQTT_BROKER = "{host.address}"\n')
    (state / "overrides").chmod(0o600)
    # Seen from there, the program of the embedded broker does not start.
    hidden = f"mount --bind /bin/false {MOSQUITTO} && exec {TWISTD} -n --pidfile= -y camdetect.tac"
    daemon = host.start("sh", "-c", hidden, environment=environment(host, MQTT_PORT="1884"))
    daemon.wait_for(f"connected to {host.address}:1884")
    daemon.wait_for("The web page is at")
    assert ask(host, "POST", "settings", {"MQTT_BROKER": ""})["body"].get("restart") == ["MQTT_BROKER"]
    daemon.wait_for("the previous ones are used again")
    found = settled(host)
    assert "camdetect does not start with the new settings" in found["fault"]
    assert found["settings"]["MQTT_BROKER"]["value"] == host.address
    assert f'MQTT_BROKER = "{host.address}"' in (state / "overrides").read_text()
    findings = ask(host, "GET", "doctor")["body"]["findings"]
    assert any("the previous ones are used again" in one["text"] for one in findings)
    assert daemon.text().count(f"connected to {host.address}:1884") >= 2
    # A good one after that clears it.
    ask(host, "POST", "settings", {"HOMEASSISTANT_ENABLED": "false"})
    assert settled(host)["fault"] == ""
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert "Traceback" not in daemon.text(), daemon.text()


def test_a_configuration_that_cannot_be_loaded(host: Host) -> None:
    """While the configuration file has a fault nothing is saved on the page, which says which; all runs on."""
    file = host.lab.directory / "camdetect.toml"
    file.write_text("discovery_timeout = 4\n")
    daemon = start(host, CAMDETECT_CONFIG=str(file))
    daemon.wait_for("The web page is at")
    file.write_text("discovery_timeout = 0\n")
    answer = ask(host, "POST", "settings", {"HOMEASSISTANT_ENABLED": "false"})
    assert answer["status"] == 400
    assert answer["body"]["detail"].startswith("DISCOVERY_TIMEOUT: must be"), answer
    assert not (host.lab.directory / "state" / "overrides").exists()
    file.write_text("discovery_timeout = 5\n")
    assert ask(host, "POST", "settings", {"HOMEASSISTANT_ENABLED": "false"})["body"].get("restart")
    settled(host)
    assert daemon.text().count("Restarting because of a change of HOMEASSISTANT_ENABLED") == 1
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert "Traceback" not in daemon.text(), daemon.text()


def test_stopped_while_it_restarts(host: Host) -> None:
    """SIGTERM in the middle of a restart ends it as cleanly as ever, and its broker with it."""
    for delay in (0.0, 0.3, 0.6):
        daemon = start(host)
        daemon.wait_for("The web page is at")
        value = ask(host, "GET", "settings")["body"]["settings"]["HOMEASSISTANT_ENABLED"]["value"]
        ask(host, "POST", "settings", {"HOMEASSISTANT_ENABLED": "false" if value == "true" else ""})
        time.sleep(delay)
        began = time.monotonic()
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.wait(10) == 0, daemon.text()
        assert time.monotonic() - began < 5
        assert "Traceback" not in daemon.text(), daemon.text()
        wait_until(lambda: not broker_pids(host), 2, "the end of the broker")


def test_the_test_of_a_broker(host: Host, tmp_path: Path) -> None:
    """Against a real one with logins: each fault names the setting, and no password is in any answer or log."""
    host.run("mosquitto_passwd", "-b", "-c", str(tmp_path / "passwords"), "u", PASSWORD)
    (tmp_path / "passwords").chmod(0o644)
    other_broker(host, "allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    daemon = start(host)
    daemon.wait_for("The web page is at")
    place = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": "1884"}
    told = []
    for values, ok, setting in (
        ({**place, "MQTT_USERNAME": "u", "MQTT_PASSWORD": PASSWORD}, True, ""),
        ({**place, "MQTT_USERNAME": "u", "MQTT_PASSWORD": PASSWORD + "x"}, False, "MQTT_USERNAME"),
        (place, False, "MQTT_USERNAME"),
        ({"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": "1885"}, False, "MQTT_BROKER"),
        ({**place, "MQTT_TLS": "true"}, False, "MQTT_PORT"),
    ):
        answer = ask(host, "POST", "broker/test", values)
        told.append(answer)
        assert (answer["body"]["ok"], answer["body"]["setting"]) == (ok, setting), answer
        assert ok or answer["body"]["advice"]
    assert not (host.lab.directory / "state" / "overrides").exists()
    assert ask(host, "POST", "consumers", {})["body"]["brokers"] == []  # its own at 1883 is none that was found
    assert PASSWORD not in json.dumps(told) + daemon.text()
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()


def test_a_broker_that_was_found(host: Host) -> None:
    """Where another broker has the port of MQTT on this machine, it is found, and can be taken."""
    passwords = host.lab.directory / "passwords"
    host.run("mosquitto_passwd", "-b", "-c", str(passwords), "u", PASSWORD)
    passwords.chmod(0o644)
    settings = host.lab.directory / "broker.conf"
    settings.write_text(f"user root\nlistener 1883 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n")
    host.start("mosquitto", "-c", str(settings))
    time.sleep(0.3)
    daemon = start(host)
    daemon.wait_for("The web page is at")
    (found,) = ask(host, "POST", "consumers", {})["body"]["brokers"]
    assert found == {"host": "127.0.0.1", "port": 1883, "login": True, "used": False}
    ask(host, "POST", "settings", {"MQTT_BROKER": "127.0.0.1", "MQTT_USERNAME": "u", "MQTT_PASSWORD": PASSWORD})
    daemon.wait_for("connected to 127.0.0.1:1883")
    settled(host)
    assert ask(host, "POST", "consumers", {})["body"]["brokers"] == []  # it is in use
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()


def test_not_over_mqtt(host: Host) -> None:
    """Who may publish commands cannot change where the daemon publishes, nor who gets the cameras' logins."""
    daemon = start(host)
    daemon.wait_for("connected to 127.0.0.1:1883")
    listener = listen(host, 1883)
    topic = "system/camera_detector/node1/command"
    listener.wait("system/camera_detector_health/node1")
    for number, name in enumerate(("settings", "broker-test", "consumers", "first-run")):
        command = {"id": number, "command": name, "GO2RTC_URL": "http://10.77.1.66:1984"}
        host.run("mosquitto_pub", "-p", "1883", "-q", "1", "-t", topic, "-m", json.dumps(command))
        answer = listener.wait(f"{topic}/result", lambda heard, number=number: heard.json["id"] == number).json
        assert not answer["ok"]
        assert answer["error"].startswith("no such command"), answer
    assert not (host.lab.directory / "state" / "overrides").exists()
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()


def test_home_assistant_on_the_network(lab: Lab) -> None:
    """One that announces itself is found at its own address, asked once without a login, and never where excluded."""
    home = lab.host("home", "10.77.0.60", "02:00:00:00:00:60")
    page = home.start(*python(str(ROOT / "tests" / "peers" / "home_assistant_page.py"), home.address), environment=PEER)
    page.wait_for("ready")
    site = Site(lab)
    daemon = site.daemon()
    daemon.wait_for("The web page is at")
    (found,) = ask(site.host, "POST", "consumers", {})["body"]["consumers"]
    assert (found["program"], found["url"]) == ("homeassistant", "http://10.77.0.60:8123")
    assert page.lines()[1:] == ["asked /manifest.json -"]
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0
    daemon = site.daemon(SCAN_EXCLUDE="10.77.0.60")
    daemon.wait_for("The web page is at")
    assert ask(site.host, "POST", "consumers", {})["body"]["consumers"] == []
    assert len(page.lines()) == 2
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0
