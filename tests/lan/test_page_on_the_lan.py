"""The page for the whole network: a link of the log signs another machine in, once; the token is made and kept."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import Site
from tests.processes import ROOT, Process, run_to_end

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

#: On another machine: for each request (method, path, headers, body), the status, the headers and the body.
_ASK = """
import http.client, json, sys
host, *requests = sys.argv[1:]
for method, path, headers, body in map(json.loads, requests):
    line = http.client.HTTPConnection(host, 8787, timeout=20)
    line.request(method, path, body and json.dumps(body), {"Content-Type": "application/json", **headers})
    answer = line.getresponse()
    data = answer.read().hex()
    print(json.dumps([answer.status, {name.lower(): value for name, value in answer.getheaders()}, data]))
"""
URL, HERE = "http://10.77.0.1:8787/", "10.77.0.1"
SESSION = "/api/v1/session"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


def ask(laptop: Host, *requests: tuple[str, str, dict[str, str], Any]) -> list[tuple[int, dict[str, str], bytes]]:
    told = laptop.run(*python("-c", _ASK, HERE, *map(json.dumps, requests)))
    return [(status, headers, bytes.fromhex(data)) for status, headers, data in map(json.loads, told.splitlines())]


def page(site: Site, *words: str) -> str:
    """What `camdetect page` prints on the daemon's machine."""
    done = asked(site, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "STATE_DIR": str(site.state)}
    command = ["ip", "netns", "exec", site.host.namespace, *python("-m", "twisted_detector.cli", "page", *words)]
    return run_to_end(command, environment, seconds=60)


def code_of(text: str) -> str:
    found = re.search(rf"{re.escape(URL)}#login=([a-z0-9-]+)", text)
    assert found is not None, text
    return found[1]


def begun(site: Site, **settings: str) -> Process:
    daemon = site.daemon(WEB_LISTEN="0.0.0.0:8787", **settings)
    daemon.wait_for("The web page is at", 30)
    return daemon


def test_signing_in_from_a_laptop(lab: Lab) -> None:
    """Nobody set a token: the log's link signs a laptop in, once; `camdetect page` has another; the token is in a file
    that only the daemon's user reads, is the same after a restart, and stands in no log.
    """
    site = Site(lab)
    laptop = lab.host("laptop", "10.77.0.9", "02:00:00:00:00:09")
    daemon = begun(site)
    code = code_of(daemon.text())
    file = site.state / "web_token"
    token = file.read_text("ascii").strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    change = {"X-Camdetect": "1"}
    closed, once, again, wrong, packed = ask(
        laptop,
        ("GET", "/api/v1/cameras", {}, None),
        ("POST", SESSION, change, {"code": code}),
        ("POST", SESSION, change, {"code": code}),
        ("GET", "/api/v1/cameras", {"Authorization": "Bearer wrong"}, None),
        ("GET", "/assets/main.js", {"Accept-Encoding": "gzip"}, None),
    )
    assert [one[0] for one in (closed, once, again, wrong, packed)] == [401, 200, 401, 401, 200]
    assert (packed[1]["content-encoding"], packed[1]["vary"]) == ("gzip", "Accept-Encoding")
    cookie = {"Cookie": once[1]["set-cookie"].partition(";")[0]}
    told = page(site)
    assert URL in told.split()
    assert str(file) in told
    assert token not in told
    assert json.loads(page(site, "--json"))["urls"] == [URL]
    fresh, inside, by_token = ask(
        laptop,
        ("POST", SESSION, change, {"code": code_of(told)}),
        ("GET", "/api/v1/cameras", cookie, None),
        ("GET", "/api/v1/cameras", {"Authorization": f"Bearer {token}"}, None),
    )
    assert [fresh[0], inside[0], by_token[0]] == [200, 200, 200]
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    log = daemon.text()
    assert log.count(code) == 1, "it was told at the start, and never again"
    assert token not in log
    restarted = begun(site)
    assert file.read_text("ascii").strip() == token
    assert ask(laptop, ("GET", "/api/v1/cameras", cookie, None))[0][0] == 200
    assert code_of(restarted.text()) != code


def test_no_page(lab: Lab) -> None:
    """Where the page is switched off, or its port is taken, `camdetect page` says so and why, and no link is made."""
    site = Site(lab)
    daemon = site.daemon(WEB_ENABLED="false")
    daemon.wait_for("connected to", 30)
    done = asked(site)
    assert (done.returncode, "WEB_ENABLED is false" in done.stderr) == (1, True), done.stderr
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    site.host.start(*python("-u", "-m", "http.server", "8787")).wait_for("Serving", 20)
    site.daemon(WEB_LISTEN="0.0.0.0:8787").wait_for("There is no web page: cannot listen", 30)
    done = asked(site)
    assert (done.returncode, "WEB_LISTEN sets another" in done.stderr) == (1, True), done.stderr
    assert "#login" not in done.stdout + done.stderr


def test_ingress(lab: Lab) -> None:
    """Home Assistant's proxy, at its address, is let in for who is signed in there; another machine that says the same
    is not.
    """
    site = Site(lab)
    site.host.run("ip", "address", "add", "172.30.32.1/23", "dev", "eth0")
    proxy = lab.host("proxy", "10.77.0.8", "02:00:00:00:00:08")
    proxy.run("ip", "address", "add", "172.30.32.2/23", "dev", "eth0")
    other = lab.host("other", "10.77.0.9", "02:00:00:00:00:09")
    begun(site, WEB_INGRESS="true")
    headers = {"Host": "ha.local:8123", "X-Ingress-Path": "/api/hassio_ingress/abc", "Sec-Fetch-Site": "same-origin"}
    request = json.dumps(["GET", "/api/v1/cameras", headers, None])
    through = proxy.run(*python("-c", _ASK, "172.30.32.1", request))
    status, answered, _ = json.loads(through)
    assert status == 200
    assert "frame-ancestors 'self'" in answered["content-security-policy"]
    assert ask(other, ("GET", "/api/v1/cameras", headers, None))[0][0] == 421
    assert ask(other, ("GET", "/api/v1/cameras", {**headers, "Host": HERE}, None))[0][0] == 401
    health = json.dumps(["GET", "/healthz", {"Host": "172.30.32.1:8787"}, None])
    assert json.loads(proxy.run(*python("-c", _ASK, "172.30.32.1", health)))[0] == 200, "the Supervisor's watchdog"
