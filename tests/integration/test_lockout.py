"""Cameras that lock after three failures, against the real daemon: whatever happens to it, none of them locks.

The cameras count for themselves, over ONVIF and RTSP together. In network namespaces, as root.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import PEERS, Site, cid
from tests.processes import ROOT, Process, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

RIGHT = "viewer:lockout-canary-right"
LOGINS = "admin:lockout-canary-one," + RIGHT + ",root:lockout-canary-three"

#: A plugin whose inspector tries logins and never says that it did.
PLUGIN = """
import os, time
from twisted.plugin import IPlugin
from zope.interface import implementer
from twisted_detector.errors import Unauthorized
from twisted_detector.inspection.http.client import HttpClient
from twisted_detector.inspection.onvif.inspector import OnvifInspector
from twisted_detector.interfaces import IInspector
from twisted_detector.interfaces import IInspectorMaker


@implementer(IInspector)
class Rude:
    name = "rude"

    def __init__(self, onvif):
        self._onvif = onvif

    async def inspect(self, candidate, login):
        try:
            return await self._onvif.inspect(candidate, login)
        except Unauthorized:
            raise Unauthorized("it says no") from None


@implementer(IPlugin, IInspectorMaker)
class RudeMaker:
    name = "rude"

    def make(self, context):
        return Rude(
            OnvifInspector(
                context.reactor,
                lambda: HttpClient(context.reactor, timeout=5),
                random=os.urandom,
                monotonic=time.monotonic,
            )
        )


rude = RudeMaker()
"""


@dataclass
class Locking:
    """One camera that locks after three failures in a row."""

    host: Host
    file: Path
    process: Process
    says: dict[str, Any] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """What its account has counted so far."""
        lines = [line for line in self.process.lines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {}

    def change(self, **said: Any) -> None:
        """It has another password or address from now on."""
        self.says |= said
        ready = self.process.text().count("ready at")
        self.file.write_text(json.dumps(self.says))
        self.process.signal(signal.SIGHUP)
        wait_until(lambda: self.process.text().count("ready at") > ready, 10, self.process.text)


class Street:
    """A site with locking cameras."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cameras: dict[str, Locking] = {}

    def camera(self, name: str, login: str, auth: str, *quirks: str, onvif: bool = True) -> Locking:
        number = 20 + len(self.cameras)
        address, mac = f"10.77.0.{number}", f"02:00:00:00:00:{number}"
        host = self.lab.host(name, address, mac)
        file = self.lab.directory / f"{name}.json"
        says = {"address": address, "auth": auth, "login": login, "onvif": onvif, "quirks": ["lock_after=3", *quirks]}
        file.write_text(json.dumps(says))
        process = host.start(
            *python(str(PEERS / "counting_camera.py"), str(file)),
            environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        )
        self.cameras[name] = Locking(host, file, process, says)
        return self.cameras[name]

    def open(self) -> Site:
        for camera in self.cameras.values():
            camera.process.wait_for("ready at", 20)
        self.site = Site(self.lab)
        return self.site

    def start(self, **settings: str) -> Process:
        return self.site.daemon(
            CAMERA_CREDENTIALS=LOGINS, HEALTH_CHECK_INTERVAL="1", OFFLINE_THRESHOLD="60", **settings
        )

    def command(self, **command: Any) -> None:
        topic = "system/camera_detector/node1/command"
        self.site.host.run("mosquitto_pub", "-p", "1883", "-q", "1", "-t", topic, "-m", json.dumps(command))

    def judge(self) -> dict[str, dict[str, int]]:
        """None is locked, and none was given more than two wrong logins; each was given a login at all."""
        time.sleep(0.1)  # they tell every 20 ms
        counts = {name: camera.counts() for name, camera in self.cameras.items()}
        for name, counted in counts.items():
            assert counted["locks"] == counted["refusals_while_locked"] == 0, (name, counts)
            assert counted["failures"] <= 2, (name, counts)
        return counts

    def status(self, name: str) -> dict[str, Any]:
        """The state document that was said last of a camera."""
        heard = self.site.listener.on(f"camera/status/{cid(self.cameras[name].host.mac)}")
        found: dict[str, Any] = heard[-1].json if heard else {}
        return found


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with Lab(tmp_path) as lab:
        yield Street(lab)


def populate(street: Street) -> Site:
    """Every kind of camera: one login is right (the second of three), or none is; some count aloud."""
    street.camera("second", RIGHT, "digest", "lock_silent")
    street.camera("none", "owner:unknown", "digest")
    street.camera("skewed", RIGHT, "wsse", "clock_skew=3600", "lock_silent")
    street.camera("skewednone", "owner:unknown", "wsse", "clock_skew=3600", "lock_silent")
    street.camera("rtsponly", "owner:unknown", "digest-sha256", onvif=False)
    street.camera("auth", RIGHT, "digest", "auth_first", "lock_silent", onvif=False)
    return street.open()


#: Where no login is right: one failure or two. Where a camera counts aloud it is one, but for a kill between the login
#: and the answer that counts.
HOPELESS = ("none", "skewednone", "rtsponly")


def restart(street: Street, times: int, seed: int) -> None:
    """So many starts, every second ended with kill -9, at any moment; then one that may live."""
    chance = random.Random(seed)
    for turn in range(times):
        daemon = street.start()
        daemon.wait_for("connected to ", 30)
        time.sleep(chance.uniform(0.0, 1.5))
        if turn % 2:
            daemon.kill_group()
            daemon.wait()
        else:
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(10) == 0
        street.judge()
    street.start().wait_for("connected to ", 30)


def settled(street: Street) -> None:
    """Every camera was published, and tried."""
    wait_until(lambda: all(street.status(name) for name in street.cameras), 30, lambda: f"cameras; {street.site.ids()}")
    for name in HOPELESS:
        wait_until(lambda name=name: street.cameras[name].counts()["failures"], 20, lambda: str(street.judge()))


def test_restarts(street: Street) -> None:
    """Four starts in a row, killed or stopped at any moment: nobody locks, and what has a right login is entered."""
    populate(street)
    restart(street, 4, seed=1)
    settled(street)
    for name in HOPELESS:
        wait_until(lambda name=name: street.status(name)["status"] == "auth_required", 20, str(street.status(name)))
        reason = street.status(name)["reason"]
        assert "CAMERA_CREDENTIALS" in reason, reason
        assert "no login is tried before" in reason, reason
    print(street.judge())


@pytest.mark.long
def test_twenty_restarts(street: Street) -> None:
    """Twenty starts in a row, every second killed: nobody locks."""
    populate(street)
    restart(street, 20, seed=2)
    settled(street)
    print(street.judge())


def test_commands_moves_and_passwords(street: Street) -> None:
    """Checks on command by the dozen, a plugin that shares the account, a move, and a password that changes."""
    extra = street.lab.directory / "extra" / "twisted_detector" / "plugins"
    extra.mkdir(parents=True)
    (extra / "rude_inspector.py").write_text(PLUGIN)
    street.camera("none", "owner:unknown", "digest", "lock_silent")
    second = street.camera("second", RIGHT, "digest", "lock_silent")
    site = street.open()
    daemon = street.start(PYTHONPATH=f"{ROOT}:{extra.parents[1]}")
    for name in ("none", "second"):
        site.listener.wait(f"camera/status/{cid(street.cameras[name].host.mac)}", seconds=20)
    site.online(second.host.mac)
    for number in range(40):
        for camera in street.cameras.values():
            street.command(id=number, command="check", camera_id=cid(camera.host.mac))
    street.judge()
    # Another address is no other device.
    none = street.cameras["none"]
    none.host.move("10.77.0.99")
    none.change(address="10.77.0.99")
    street.command(id="p", command="probe", address="10.77.0.99")
    moved = lambda heard: heard.json.get("new_ip") == "10.77.0.99"  # noqa: E731
    site.listener.wait(f"camera/status/{cid(none.host.mac)}", moved, 20)
    # A password that changes costs one failure, of a count that a success has set back, and is told once.
    before = second.counts()["failures"]
    second.change(login="viewer:lockout-canary-changed")
    wait_until(lambda: street.status("second")["status"] == "busy", 20, lambda: str(street.status("second")))
    time.sleep(3)
    assert "the password was changed" in street.status("second")["reason"]
    assert second.counts()["failures"] - before <= 1
    assert second.counts()["locks"] == 0
    assert none.counts()["locks"] == 0
    assert none.counts()["failures"] == 2, none.counts()
    assert "rude" not in [line for line in daemon.text().splitlines() if "broken" in line]
    assert daemon.process.poll() is None
