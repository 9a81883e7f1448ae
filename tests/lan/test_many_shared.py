"""300 cameras that three nodes see: started at once, the biggest stopped, killed, and the account of all of it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from typing import Any

import pytest

from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import cid, listen, run_broker
from tests.lan.test_nodes import BROKER, TAKEOVER, node
from tests.listener import Heard, Listener
from tests.processes import Process, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.last,  # three daemons ask 300 cameras each, and a takeover of five seconds is measured
]

COUNT = 300
NAMES = ("north", "south", "west")


class Account:
    """What a consumer heard of the cameras, and what the nodes claim."""

    def __init__(self, listener: Listener, ids: frozenset[str]) -> None:
        self.listener = listener
        self.ids = ids

    def statuses(self) -> dict[str, list[Heard]]:
        """The states of each camera, in their order."""
        found: dict[str, list[Heard]] = {camera_id: [] for camera_id in self.ids}
        for one in self.listener.heard():
            if one.topic.startswith("camera/status/") and one.payload:
                found.setdefault(one.topic.rpartition("/")[2], []).append(one)
        return found

    def documents(self) -> dict[str, list[Any]]:
        """The documents of each node, in their order."""
        topics = {name: f"system/camera_detector/{name}/node" for name in NAMES}
        return {name: [one.json for one in self.listener.on(topic)] for name, topic in topics.items()}

    def owners(self) -> dict[str, str]:
        """The node whose state was heard last of each camera."""
        return {camera_id: said[-1].json["node_id"] for camera_id, said in self.statuses().items() if said}

    def bidders(self, names: tuple[str, ...]) -> Counter[int]:
        """How many cameras have so many bids in the last documents of these nodes."""
        last = {name: said[-1]["claims"] for name, said in self.documents().items() if name in names and said}
        return Counter(sum(len(claims.get(camera_id, ())) > 1 for claims in last.values()) for camera_id in self.ids)

    def stale(self) -> list[str]:
        """Cameras of which a node spoke in more turns than it bid for."""
        documents, found = self.documents(), []
        for camera_id, said in self.statuses().items():
            turns = [one.json["node_id"] for one in said]
            turns = [one for number, one in enumerate(turns) if number == 0 or turns[number - 1] != one]
            for name in set(turns):
                claims = [one["claims"].get(camera_id, [0]) for one in documents[name]]
                if turns.count(name) > len({claim[1] for claim in claims if len(claim) > 1}):
                    found.append(f"{camera_id}: {turns}")
        return found

    def taken_from(self, name: str, cameras: set[str], since: float) -> list[float]:
        """Seconds until another node spoke of each of these cameras, in order."""
        wait_until(
            lambda: not cameras & {camera_id for camera_id, owner in self.owners().items() if owner == name},
            TAKEOVER + 10,
            lambda: f"takeover from {name}: {Counter(self.owners().values())}",
            interval=0.5,
        )
        said = self.statuses()
        return sorted(
            next(one.at for one in said[camera_id] if one.at > since and one.json["node_id"] != name) - since
            for camera_id in cameras
        )


def test_three_hundred(lab: Lab) -> None:
    """Each camera has one owner and one voice, whatever happens; none is lost, and none is emptied."""
    farm = plant(lab, "farm", "10.77.0.0/22", COUNT, first=100)
    farm.start()
    host = lab.host("broker", BROKER, "02:00:00:00:00:01", 22)
    # Our listener hears thousands of messages within seconds, and none of them may be missing in the account.
    run_broker(host, "max_queued_messages 0")
    listener = listen(host)
    account = Account(listener, frozenset(cid(one.mac) for one in farm.cameras))
    daemons: dict[str, Process] = {}
    hosts = {name: lab.host(name, f"10.77.0.{n}", f"02:00:00:00:01:{n:02d}", 22) for n, name in enumerate(NAMES, 2)}
    for name in NAMES:
        daemons[name] = node(lab, hosts[name], name, BROKER)

    def knows_all(name: str) -> bool:
        said = account.documents()[name]
        return bool(said) and said[-1]["claims"].keys() >= account.ids

    for name in NAMES:
        wait_until(lambda name=name: knows_all(name), 240, lambda name=name: f"{name} knows all", interval=2.0)
    wait_until(lambda: account.bidders(NAMES) == {1: COUNT}, 60, lambda: f"one bid each: {account.bidders(NAMES)}")
    wait_until(lambda: account.owners().keys() == account.ids, 30, "a state of each")
    print(f"owners: {dict(Counter(account.owners().values()))}")

    def most() -> tuple[str, set[str]]:
        owners = account.owners()
        name = Counter(owners.values()).most_common(1)[0][0]
        return name, {camera_id for camera_id, owner in owners.items() if owner == name}

    figures = {}
    stopped, cameras = most()
    at = time.time()
    os.kill(daemons[stopped].pid, signal.SIGSTOP)
    figures[f"stopped, {len(cameras)} cameras"] = account.taken_from(stopped, cameras, at)
    os.kill(daemons[stopped].pid, signal.SIGCONT)
    wait_until(lambda: account.bidders(NAMES) == {1: COUNT}, 30, lambda: f"one bid each: {account.bidders(NAMES)}")

    killed, cameras = most()
    at = time.time()
    daemons[killed].kill_group()
    figures[f"killed, {len(cameras)} cameras"] = account.taken_from(killed, cameras, at)
    left = tuple(name for name in NAMES if name != killed)
    wait_until(lambda: account.bidders(left) == {1: COUNT}, 30, lambda: f"one bid each: {account.bidders(left)}")

    for what, seconds in figures.items():
        p95 = seconds[int(0.95 * (len(seconds) - 1))]
        print(f"{what}: p50 {seconds[len(seconds) // 2]:.2f} s, p95 {p95:.2f} s, longest {seconds[-1]:.2f} s")
        assert p95 < TAKEOVER, what
    time.sleep(1.0)
    assert account.stale() == []
    owners = account.owners()
    assert owners.keys() == account.ids, "none is missing, and there is none that is not there"
    assert killed not in owners.values()
    emptied = [one.topic for one in listener.heard() if one.topic.startswith("camera/") and not one.payload]
    assert not emptied
