"""Three nodes on one broker, each on a host of its own: killed, stopped, cut off, and what a consumer heard of it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import PORT, cid, fetched, listen, run_broker, simulated
from tests.listener import Heard
from tests.processes import ROOT, Process, wait_until
from tests.soak.launcher import set_wall

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.alone,  # it measures a takeover of five seconds
]

BROKER = "10.77.0.1"
MACS = {f"10.77.0.{number}": f"02:00:00:00:00:{number}" for number in (21, 22, 23)}
#: A takeover may take five seconds; a busy machine and the way to the subscriber are not the election's.
TAKEOVER = 7.0


def node(lab: Lab, host: Host, name: str, broker: str, *, program: Sequence[str] = (), **settings: str) -> Process:
    """Start a node on a host, with the state that it left. :param program: in place of ``twistd``."""
    home = lab.directory / f"home-{name}"
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "STATE_DIR": str(home / "state"),
        "MQTT_BROKER": broker,
        "MQTT_PORT": str(PORT),
        "NODE_ID": name,
        "NODES_ENABLED": "true",
        "SNAPSHOT_INTERVAL": "0",
        "HOMEASSISTANT_ENABLED": "true",
        **settings,
    }
    twistd = str(Path(sys.executable).with_name("twistd"))
    return host.start(*(program or (twistd,)), "-n", "--pidfile=", "-y", "camdetect.tac", environment=environment)


class Fleet:
    """A broker, what was heard there, and the nodes."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        host = lab.host("broker", BROKER, "02:00:00:00:00:01")
        run_broker(host)
        self.listener = listen(host)
        self.hosts: dict[str, Host] = {}
        self.daemons: dict[str, Process] = {}
        for address, mac in MACS.items():
            simulated(lab, f"sim{mac[-2:]}", address, mac, "--auth", "none").processes[0].wait_for("camera", 20)

    def start(self, name: str, *, program: Sequence[str] = (), **settings: str) -> None:
        """Start a node, on its own host, with the state that it left."""
        if name not in self.hosts:
            number = len(self.hosts) + 2
            self.hosts[name] = self.lab.host(name, f"10.77.0.{number}", f"02:00:00:00:01:{number:02d}")
        self.daemons[name] = node(self.lab, self.hosts[name], name, BROKER, program=program, **settings)

    def start_with_clock(self, name: str) -> Path:
        """Start a node whose wall clock can be set; returns the folder for :func:`set_wall`."""
        folder = self.lab.directory / f"clock-{name}"
        folder.mkdir()
        self.start(name, program=python(str(ROOT / "tests" / "soak" / "launcher.py"), str(folder)))
        return folder

    def beats_go_on(self, name: str) -> None:
        """Wait until a node has said two more times that it is there."""
        topic = f"system/camera_detector/{name}/beat"
        heard = len(self.listener.on(topic))
        wait_until(lambda: len(self.listener.on(topic)) >= heard + 2, 30, lambda: f"{name} beats", interval=0.2)

    def withdraws(self, name: str) -> None:
        """Wait until a node says that it claims nothing any more."""
        documents = f"system/camera_detector/{name}/node"
        wait_until(
            lambda: all(len(claim) == 1 for claim in self.listener.on(documents)[-1].json["claims"].values()),
            30,
            lambda: f"{name} withdraws: {self.listener.on(documents)[-1].payload}",
            interval=0.2,
        )

    def bids(self, name: str) -> set[tuple[int, ...]]:
        """All bids that a node has ever made: camera (its place) and epoch."""
        documents = self.listener.on(f"system/camera_detector/{name}/node")
        ids = [cid(mac) for mac in MACS.values()]
        return {
            (ids.index(camera), claim[1])
            for one in documents
            for camera, claim in one.json["claims"].items()
            if len(claim) > 1
        }

    def statuses(self, camera: str) -> list[Heard]:
        """The states of one camera that a consumer was sent, in their order."""
        return [one for one in self.listener.on(f"camera/status/{camera}") if one.payload]

    def owner(self, camera: str) -> str:
        """The node whose state of a camera was heard last."""
        return str(self.statuses(camera)[-1].json["node_id"])

    def knows_all(self, name: str) -> bool:
        """Whether a node has said that it knows all cameras."""
        documents = self.listener.on(f"system/camera_detector/{name}/node")
        return bool(documents) and set(documents[-1].json["claims"]) == {cid(mac) for mac in MACS.values()}

    def owned_by(self, name: str) -> list[str]:
        return [cid(mac) for mac in MACS.values() if self.owner(cid(mac)) == name]

    def taken_over(self, name: str, since: float) -> dict[str, float]:
        """Wait until others have the cameras of a node; seconds from ``since``."""
        cameras = self.owned_by(name)
        assert cameras, f"{name} owns nothing"
        wait_until(
            lambda: all(self.owner(camera) != name for camera in cameras),
            TAKEOVER + 5,
            lambda: f"takeover of {cameras} from {name}",
            interval=0.05,
        )
        return {camera: self._first_of_another(camera, name, since).at - since for camera in cameras}

    def _first_of_another(self, camera: str, name: str, since: float) -> Heard:
        return next(one for one in self.statuses(camera) if one.at > since and one.json["node_id"] != name)

    def stale(self) -> Iterator[str]:
        """States of a node that were heard after another one had taken the camera, before it was that node's again.

        Each turn of a node begins with a bid of its own: of more turns than bids some are stale.
        """
        for camera in (cid(mac) for mac in MACS.values()):
            turns = [one.json["node_id"] for one in self.statuses(camera)]
            turns = [one for number, one in enumerate(turns) if number == 0 or turns[number - 1] != one]
            for name in set(turns):
                documents = self.listener.on(f"system/camera_detector/{name}/node")
                claims = [one.json["claims"].get(camera, [0]) for one in documents]
                epochs = {claim[1] for claim in claims if len(claim) > 1}
                if turns.count(name) > len(epochs):
                    yield f"{camera}: {turns}, bids of {name}: {sorted(epochs)}"


def _told_of_north(fleet: Fleet, name: str) -> None:
    """The page of another node says who publishes a camera and where it is adopted; it adopts nobody by that."""
    url = f"http://127.0.0.1:8787/api/v1/cameras/{cid(next(iter(MACS.values())))}"
    told = lambda: fetched(fleet.hosts[name], url)  # noqa: E731
    wait_until(lambda: told()["adopted_at"] == "north", 30, lambda: f"where it is adopted: {told()}", interval=0.5)
    assert (told()["owner"], told()["adopted"]) == ("north", "no"), told()
    findings = fetched(fleet.hosts[name], "http://127.0.0.1:8787/api/v1/doctor")["findings"]
    (nodes,) = (one for one in findings if one["name"] == "nodes")
    assert nodes["level"] == "OK", nodes
    assert "north" in nodes["text"], nodes


def biggest(fleet: Fleet) -> str:
    return max(fleet.hosts, key=lambda name: len(fleet.owned_by(name)))


def test_one_voice(lab: Lab) -> None:
    """Each camera has one publisher, whatever happens to it, and no state comes from one that has lost it."""
    fleet = Fleet(lab)
    fleet.start("north")
    for mac in MACS.values():
        fleet.listener.wait(f"camera/status/{cid(mac)}", lambda heard: heard.json["status"] == "online", 30)
    for name in ("south", "west"):
        fleet.start(name, ADOPTION="ask")
    for name in fleet.hosts:
        wait_until(lambda name=name: fleet.knows_all(name), 60, lambda name=name: f"{name} knows all cameras")
    assert fleet.owned_by("north") == [cid(mac) for mac in MACS.values()], "who comes later takes nothing"
    _told_of_north(fleet, "south")
    times: dict[str, dict[str, float]] = {}

    at = time.time()
    fleet.daemons["north"].kill_group()
    times["killed"] = fleet.taken_over("north", at)
    fleet.start("north")
    fleet.daemons["north"].wait_for("connected to ", 20)

    frozen = biggest(fleet)
    at = time.time()
    os.kill(fleet.daemons[frozen].pid, signal.SIGSTOP)
    times["stopped"] = fleet.taken_over(frozen, at)
    os.kill(fleet.daemons[frozen].pid, signal.SIGCONT)
    fleet.withdraws(frozen)
    assert not fleet.owned_by(frozen), "it has lost them, and knows it"

    cut = biggest(fleet)
    at = time.time()
    fleet.hosts[cut].plug(False)
    times["cut off"] = fleet.taken_over(cut, at)
    connections = fleet.daemons[cut].text().count("connected to ")
    time.sleep(5.0)  # its kernel gives the connection up
    fleet.hosts[cut].plug(True)
    wait_until(
        lambda: fleet.daemons[cut].text().count("connected to ") > connections, 30, f"{cut} is back", interval=0.2
    )
    fleet.withdraws(cut)
    assert not fleet.owned_by(cut)

    assert list(fleet.stale()) == []
    emptied = [one.topic for one in fleet.listener.heard() if not one.payload and "020000000" in one.topic]
    assert not emptied, "nobody takes away what another one publishes"
    for mac in MACS.values():
        last = fleet.statuses(cid(mac))[-1].json
        assert last["status"] == "online", last
        announced = fleet.listener.on(f"homeassistant/device/camdetect_{cid(mac)}/config")[-1]
        assert f"camera_detector_health/{last['node_id']}/lwt" in announced.payload, "its owner announces it"
    for how, seconds in times.items():
        print(f"{how}: " + ", ".join(f"{one:.2f} s" for one in seconds.values()))
        assert max(seconds.values()) < TAKEOVER, times


def test_clocks_that_are_set(lab: Lab) -> None:
    """Wall clocks that are set by hours, at the owner and at a watcher, change no owner, no bid and no state.

    Account of it: every state is of the owner, no bid is made, the owner's beats go on. After its end the watcher,
    whose clock disagrees with everybody's, takes over; and only then.
    """
    fleet = Fleet(lab)
    clocks = {"north": fleet.start_with_clock("north")}
    for mac in MACS.values():
        fleet.listener.wait(f"camera/status/{cid(mac)}", lambda heard: heard.json["status"] == "online", 60)
    clocks["south"] = fleet.start_with_clock("south")
    wait_until(lambda: fleet.knows_all("south"), 90, "south knows all cameras")
    fleet.beats_go_on("north")
    owned = fleet.owned_by("north")
    assert owned == [cid(mac) for mac in MACS.values()], "who comes later takes nothing"
    bids = fleet.bids("north")
    for name, by in (("north", 3600.0), ("south", -3600.0), ("north", -3600.0), ("south", 86_400.0), ("north", 0.0)):
        set_wall(clocks[name], by)
        fleet.beats_go_on("north")
    assert (fleet.bids("north"), fleet.bids("south")) == (bids, set()), "nobody thought that the owner was away"
    speakers = {one.json["node_id"] for camera in owned for one in fleet.statuses(camera)}
    assert speakers == {"north"}, "the watcher said nothing"
    at = time.time()
    fleet.daemons["north"].kill_group()
    seconds = fleet.taken_over("north", at)
    assert max(seconds.values()) < TAKEOVER, seconds
    assert list(fleet.stale()) == []
    for process in fleet.daemons.values():
        assert "Traceback" not in process.text()
