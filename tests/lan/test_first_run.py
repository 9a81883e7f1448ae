"""The whole first run, by a browser of a phone's size: twelve cameras of two kinds, two logins, a broker, go2rtc."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.browser import REASON as NO_BROWSER
from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import LOGIN, Site, cid, gstreamer, simulated
from tests.lan.test_soft_restart import ask, other_broker
from tests.processes import ROOT

pytestmark = [
    pytest.mark.skipif(bool(REASON or NO_BROWSER), reason=REASON or NO_BROWSER),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

CAMERAS, FOREIGN = 12, 2
FIRST, SECOND = "viewer:f1rst-canary", "keeper:s3cond-canary"
#: A person on a phone (issue 15).
MOST_DEEDS, MOST_SECONDS = 20, 60.0


def camera(lab: Lab, number: int) -> Host:
    """One of them: the last four have another login than the rest; two are not ours at all."""
    address, mac = f"10.77.0.{20 + number}", f"02:00:00:00:00:{20 + number}"
    login = FIRST if number < CAMERAS - 4 else SECOND
    if number < FOREIGN:
        return gstreamer(lab, f"cam{number}", address, mac, "/stream1", auth="digest", login=login)
    host = lab.host(f"cam{number}", address, mac)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": login}
    command = python(
        "-m", "twisted_detector.cli", "simulate", "--bind", address, "--rtsp-port", "554", "--auth", "digest"
    )
    host.start(*command, environment=environment)
    return host


def test_the_first_run(lab: Lab) -> None:
    """At most twenty clicks and fields and a minute; all cameras are adopted and online; it is never shown again."""
    cameras = [camera(lab, number) for number in range(CAMERAS)]
    for host in cameras[FOREIGN:]:
        host.processes[0].wait_for("camera", 60)
    site = Site(lab)
    double = ROOT / "tests" / "peers" / "go2rtc.py"
    go2rtc = site.host.start(
        sys.executable, str(double), "1984", environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    )
    go2rtc.wait_for("ready")
    daemon = site.daemon()
    daemon.wait_for("The web page is at http://127.0.0.1:8787/")
    environment = (f"PATH={os.environ['PATH']}", f"PYTHONPATH={ROOT}", f"HOME={lab.directory}")
    logins = (f"FIRST_LOGIN={FIRST}", f"SECOND_LOGIN={SECOND}")
    url = "http://127.0.0.1:8787/"
    visit = python("-m", "tests.lan.first_run_visit", url, str(CAMERAS), str(lab.directory))
    saw = json.loads(site.host.run("env", "-C", str(ROOT), *environment, *logins, *visit))
    print({key: saw[key] for key in ("clicks", "fields", "took", "online")})
    assert saw["clicks"] + saw["fields"] <= MOST_DEEDS, saw
    assert saw["took"] <= MOST_SECONDS, saw["took"]
    assert f"{CAMERAS} cameras adopted" in saw["seen"]
    # The first login is that of eight; the four others have refused it once, and have one more attempt.
    assert saw["after_first"].count("accepts it") == CAMERAS - 4, saw["after_first"]
    assert saw["after_first"].count("1 of 2 attempts left") == 4, saw["after_first"]
    assert "go2rtc 1.9.14 at http://127.0.0.1:1984" in saw["set_up"]
    assert saw["overflow"] <= 0
    assert saw["again"] in ("", "#/")
    assert saw["complaints"] == []
    # What a person decided is kept where he may read it, and only he.
    overrides = Path(site.state / "overrides")
    assert overrides.stat().st_mode & 0o077 == 0
    assert 'GO2RTC_URL = "http://127.0.0.1:1984"' in overrides.read_text()
    wanted = {cid(host.mac) for host in cameras}
    for one in wanted:
        site.listener.wait(f"camera/status/{one}", lambda heard: heard.json["status"] == "online", 20)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert "Traceback" not in daemon.text(), daemon.text()
    for login in (FIRST, SECOND):
        assert login.partition(":")[2] not in json.dumps(saw) + daemon.text()


def test_set_up_by_the_page(lab: Lab) -> None:
    """What is not ticked is not adopted, or given no login; faults stand at their fields; the broker is used."""
    hosts = [
        simulated(lab, f"cam{number}", f"10.77.0.{20 + number}", f"02:00:00:00:00:{20 + number}", "--auth", auth)
        for number, auth in ((1, "none"), (2, "none"), (3, "digest"), (4, "digest"))
    ]
    for host in hosts:
        host.processes[0].wait_for("camera", 20)
    site = Site(lab)
    login = "u:br0ker-canary"
    passwords = lab.directory / "passwords"
    site.host.run("mosquitto_passwd", "-b", "-c", str(passwords), *login.split(":"))
    other_broker(site.host, "allow_anonymous false", f"password_file {passwords}")
    for process in (site.listener.process, site.broker):  # its own broker is wanted
        process.end()
    daemon = site.daemon(MQTT_BROKER="", MQTT_PORT="")
    daemon.wait_for("The web page is at http://127.0.0.1:8787/")
    environment = (f"PATH={os.environ['PATH']}", f"PYTHONPATH={ROOT}", f"HOME={lab.directory}", f"BROKER_LOGIN={login}")
    visit = python("-m", "tests.lan.set_up_visit", "http://127.0.0.1:8787/", hosts[1].address, hosts[3].address)
    logins = f"CAMERA_LOGIN={LOGIN}"
    saw = json.loads(site.host.run("env", "-C", str(ROOT), *environment, logins, *visit))
    assert hosts[2].address in saw["tried"]
    assert hosts[3].address not in saw["tried"]
    assert saw["faults"][0] == "enter an address"
    assert saw["faults"][1].startswith("must be")
    assert "Check MQTT_BROKER and MQTT_PORT" in saw["faults"][2]
    assert "MQTT_USERNAME and MQTT_PASSWORD" in saw["faults"][3]
    assert saw["judged"] == {"390 light": [], "360 dark": [], "1280 light": []}
    assert saw["connected"] == "Connected to 127.0.0.1, port 1884."
    assert saw["kept"] == "1884"
    daemon.wait_for("connected to 127.0.0.1:1884")
    told = ask(site.host, "GET", "cameras?fields=brief")["body"]["cameras"]
    adopted = {one["ip"]: one["adopted"] for one in told}
    assert adopted == dict(zip((host.address for host in hosts), ("person", "no", "person", "person"), strict=True))
    status = {one["ip"]: one["status"] for one in told}
    assert (status[hosts[2].address], status[hosts[3].address]) == ("online", "auth_required")
    assert ask(site.host, "GET", "first-run")["body"] == {"open": False, "state": "finished"}
    # The password is saved where it is used, and told to nobody.
    answers = json.dumps([saw, ask(site.host, "GET", "settings"), ask(site.host, "GET", "doctor")]) + daemon.text()
    assert login.partition(":")[2] in (site.state / "overrides").read_text()
    for secret in (login, LOGIN):
        assert secret.partition(":")[2] not in answers
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert "Traceback" not in daemon.text(), daemon.text()
