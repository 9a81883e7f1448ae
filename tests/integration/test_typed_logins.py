"""A login that a person types, against the real daemon and cameras that count: tried at once, kept, online in seconds.

In network namespaces, as root. Each password is a canary: it is in no log, topic, answer or command line.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.canaries import CANARIES
from tests.integration.test_lockout import Locking, Street
from tests.lan.lab import REASON, Lab, python
from tests.lan.site import cid
from tests.processes import ROOT, Process, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.alone,  # it measures seconds
]

RIGHT, WRONG, CHANGED = "typed-canary-right", "typed-canary-wrong", "typed-canary-changed"
#: From Enter to the state "online" on MQTT, without a restart (issue 15).
SECONDS = 5.0


class Typing(Street):
    """A street whose owner types logins; the daemon has none."""

    def begin(self, **settings: str) -> Process:
        for secret in (RIGHT, WRONG, CHANGED):
            CANARIES.plant(secret, "a typed password")
        self.open()
        usual = {"HEALTH_CHECK_INTERVAL": "1", "OFFLINE_THRESHOLD": "60", "INITIAL_DISCOVERY_COUNT": "1"}
        daemon = self.site.daemon(**{**usual, **settings})
        for name, camera in self.cameras.items():
            topic = f"camera/status/{cid(camera.host.mac)}"
            self.site.listener.wait(topic, lambda heard: heard.json["status"] == "auth_required", 30)
            assert camera.counts()["failures"] == 0, name
        return daemon

    def type(self, camera: Locking, password: str, *options: str) -> tuple[int, str]:
        """``camdetect login`` with a password that is piped in; its exit status and what it says."""
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "STATE_DIR": str(self.site.state),
            "HOME": str(self.lab.directory),
        }  # fmt: skip
        command = ("ip", "netns", "exec", self.site.host.namespace)
        words = ("login", camera.host.mac, *options)
        with subprocess.Popen(
            (*command, *python("-m", "twisted_detector.cli", *words)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            cwd=ROOT,
        ) as process:  # fmt: skip
            CANARIES.look_at_processes()
            said, _ = process.communicate(password + "\n", timeout=60)
        CANARIES.look(said.encode(), "what camdetect login said")
        return process.returncode, said

    def wait_until_quiet(self, camera: Locking) -> None:
        """Nobody is in the middle of asking it: a password that changes then is refused once with each nonce."""
        seen, since = camera.counts(), time.monotonic()

        def quiet() -> bool:
            nonlocal seen, since
            if camera.counts() != seen:
                seen, since = camera.counts(), time.monotonic()
            return time.monotonic() - since > 3

        wait_until(quiet, 30, lambda: str(seen))

    def overrides(self) -> str:
        file = Path(self.site.state / "overrides")
        return file.read_text() if file.exists() else ""

    def online_after(self, camera: Locking, began: float) -> float:
        """Seconds from ``began`` (wall) until the camera was said to be online."""
        topic = f"camera/status/{cid(camera.host.mac)}"
        heard = self.site.listener.wait(topic, lambda one: one.at >= began and one.json["status"] == "online", 20)
        return heard.at - began


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Typing]:
    with Lab(tmp_path) as lab:
        yield Typing(lab)


def test_a_typed_login(street: Typing) -> None:
    """A typo costs one of two, the right one is online within five seconds, by CLI and by MQTT; a restart keeps it."""
    onvif = street.camera("onvif", f"viewer:{RIGHT}", "digest", "lock_after=2", "lock_silent")
    rtsp = street.camera("rtsp", f"viewer:{RIGHT}", "digest", "lock_after=2", "lock_silent", onvif=False)
    slow = street.camera("slow", f"viewer:{RIGHT}", "wsse", "delay=0.1", "lock_silent")
    daemon = street.begin()
    status, said = street.type(onvif, WRONG, "viewer")
    assert status == 1, said
    assert "refused" in said, said
    assert "not kept; 1 of 2 failed attempts left in 30 minutes" in said, said
    assert "login" not in street.overrides()
    figures = {}
    for name, camera in (("onvif", onvif), ("rtsp", rtsp)):
        began = time.time()
        status, said = street.type(camera, RIGHT, "viewer")
        assert (status, "accepted" in said) == (0, True), said
        figures[name] = street.online_after(camera, began)
    began = time.time()
    street.command(id="t", command="login", camera_id=cid(slow.host.mac), action="try", user="viewer", password=RIGHT)
    figures["slow"] = street.online_after(slow, began)
    print("typed login until online, seconds:", {name: round(took, 2) for name, took in figures.items()})
    assert max(figures.values()) <= SECONDS, figures
    result = street.site.listener.wait(
        "system/camera_detector/node1/command/result", lambda heard: heard.json["id"] == "t", 10
    ).json
    assert (result["outcome"], result["kept"]) == ("accepted", "camera"), result
    assert result["left"] == 2, result
    assert onvif.counts()["failures"] == 1
    street.judge()
    assert street.overrides().count(RIGHT) == 3
    daemon.end()
    again = street.site.daemon(HEALTH_CHECK_INTERVAL="1", OFFLINE_THRESHOLD="60")
    again.wait_for("connected to ", 30)
    began = time.time()
    time.sleep(4)  # it is checked each second meanwhile
    for camera in street.cameras.values():
        heard = street.site.listener.on(f"camera/status/{cid(camera.host.mac)}")
        assert {one.json["status"] for one in heard if one.at >= began} <= {"online"}, heard[-1].json
        assert camera.counts()["failures"] == (1 if camera is onvif else 0)
    street.judge()


def test_after_a_change_of_the_password(street: Typing) -> None:
    """The camera is busy in doubt; the new password is tried at once, and its owner need not wait half an hour."""
    camera = street.camera("door", f"viewer:{RIGHT}", "digest", "lock_silent")
    street.begin(HEALTH_CHECK_INTERVAL="20")
    assert street.type(camera, RIGHT, "viewer")[0] == 0
    street.wait_until_quiet(camera)
    camera.change(login=f"viewer:{CHANGED}")
    wait_until(lambda: street.status("door")["status"] == "busy", 20, lambda: str(street.status("door")))
    assert "camdetect login" in street.status("door")["reason"]
    before = camera.counts()["failures"]
    began = time.time()
    status, said = street.type(camera, CHANGED, "viewer")
    assert (status, "accepted" in said) == (0, True), said
    assert street.online_after(camera, began) <= SECONDS
    assert camera.counts()["failures"] == before
    assert RIGHT not in street.overrides()
    street.judge()
