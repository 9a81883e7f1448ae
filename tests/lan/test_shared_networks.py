"""Two nodes that both reach a network without one: one searches it, commands go to it, and the other one follows."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import pytest

from tests.lan.farm import plant
from tests.lan.lab import REASON, Host, Lab
from tests.lan.site import PORT, fetched, listen, run_broker
from tests.lan.test_nodes import BROKER, node
from tests.listener import Heard
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

FAR = "10.78.0.0/24"
TOKEN = "long-enough-canary"
NODES = {"north": "10.77.0.2", "south": "10.77.0.3"}


def packets(router: Host) -> dict[str, int]:
    """Packets that each node has sent to the far network."""
    told = json.loads(router.run("nft", "-j", "list", "counters"))["nftables"]
    return {one["counter"]["name"]: one["counter"]["packets"] for one in told if "counter" in one}


def test_shared_network(lab: Lab) -> None:
    """One of them sweeps it, has its cameras, and is told what to do with them; killed, the other one does."""
    router = lab.host("router", "10.77.0.254", "02:00:00:00:00:fe")
    lab.another_bridge("br1", router, "10.78.0.1")
    rules = "".join(
        f"counter {name} {{ }}\nchain {name} {{ type filter hook forward priority 0;"
        f" ip saddr {address} ip daddr {FAR} counter name {name}; }}\n"
        for name, address in NODES.items()
    )
    router.run("nft", f"table ip count {{\n{rules}}}")
    farm = plant(lab, "far", FAR, 3, mac="02:1f", bridge="br1", gateway="10.78.0.1")
    farm.start()
    host = lab.host("broker", BROKER, "02:00:00:00:00:01")
    run_broker(host)
    listener = listen(host)
    hosts, daemons = {}, {}
    for number, (name, address) in enumerate(NODES.items(), 2):
        one = hosts[name] = lab.host(name, address, f"02:00:00:00:01:{number:02d}")
        one.run("ip", "route", "add", FAR, "via", "10.77.0.254")
        page = {"WEB_LISTEN": f"{address}:8787", "WEB_TOKEN": TOKEN}
        daemons[name] = node(lab, one, name, BROKER, NODES_NETWORKS=FAR, **page)

    def states() -> dict[str, Heard]:
        """The last state of each camera, by its address."""
        heard = [one for one in listener.heard() if one.topic.startswith("camera/status/") and one.payload]
        return {one.json["camera"]["ip"]: one for one in heard}

    def all_of(name: str) -> bool:
        found = states()
        return {one.address for one in farm.cameras} <= found.keys() and all(
            one.json["node_id"] == name and one.json["status"] == "online" for one in found.values()
        )

    wait_until(lambda: all_of("north"), 60, lambda: f"north has the cameras: {sorted(states())}")
    wait_until(
        lambda: any(one.json["shared"] == {FAR: 3} for one in listener.on("system/camera_detector/north/node")),
        30,
        "north says that they answer it",
    )
    counted = packets(router)
    assert counted["north"] > 254, "it was swept"
    assert counted["south"] == 0, counted

    camera_id = next(iter(states().values())).json["camera"]["id"]

    def command(name: str, /, **fields: Any) -> Any:
        """The answer of south, which does not know the camera."""
        before = len(listener.on("system/camera_detector/south/command/result"))
        message = json.dumps({"id": 1, "command": name, "camera_id": camera_id, **fields})
        host.run(
            "mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", "system/camera_detector/south/command", "-m", message
        )
        result = "system/camera_detector/south/command/result"
        wait_until(lambda: len(listener.on(result)) > before, 15, f"an answer to {name}")
        return listener.on(result)[-1].json

    named = command("name", name="Yard", area="Out")
    assert (named["ok"], named["carried_out_by"]) == (True, "north"), named
    last = lambda: listener.on(f"camera/status/{camera_id}")[-1].json  # noqa: E731
    wait_until(lambda: last()["camera"]["name"] == "Yard", 10, "the name is on the broker")
    assert command("decided")["values"]["area"]["value"] == "Out"
    refused = command("login", action="save", user="viewer", password="s3cr3t-canary")
    assert not refused["ok"]
    assert "http://10.77.0.2:8787/" in refused["error"], refused
    sent = b"".join(one.payload.encode() for one in listener.heard() if one.topic.endswith("north/command"))
    assert b"canary" not in sent, "no login crosses the broker"

    at = time.monotonic()
    daemons["north"].kill_group()
    wait_until(lambda: all_of("south"), 90, lambda: f"south has the cameras: {states()}")
    print(f"south has the network and its cameras {time.monotonic() - at:.1f} s after north was killed")
    assert packets(router)["south"] > 254
    late = command("check")
    assert late["ok"], late

    # What north knew of the camera is not lost: people's words at once, its past when north is there to tell it.
    wait_until(lambda: last()["camera"]["name"] == "Yard", 20, lambda: f"south calls it Yard: {last()}")
    assert (last()["node_id"], last()["camera"]["area"]) == ("south", "Out")
    announced = listener.on(f"homeassistant/device/camdetect_{camera_id}/config")[-1]
    assert '"name":"Yard"' in announced.payload, announced.payload

    def ask_south(path: str) -> Any:
        """What the page of south answers."""
        return fetched(hosts["south"], f"http://10.77.0.3:8787/api/v1/{path}", TOKEN)

    def past() -> list[Any]:
        """The segments of the camera that are not offline, at south."""
        segments: list[Any] = ask_south(f"cameras/{camera_id}/history?days=1")["segments"]
        return segments

    unknown = past()[0]
    assert unknown["state"] == "unobserved", unknown
    assert "node north published this camera then" in unknown["reason"], unknown
    shown = ask_south(f"cameras/{camera_id}")
    assert (shown["adopted"], shown["adopted_at"], shown["owner"]) == ("listed", "", ""), shown
    came = past()[1]["from"]
    daemons["north"] = node(lab, hosts["north"], "north", BROKER, NODES_NETWORKS=FAR)
    wait_until(
        lambda: any(one["state"] == "online" and one["from"] < came for one in past()),
        60,
        lambda: f"what north recorded: {past()}",
        interval=1.0,
    )
    assert past()[0]["reason"] == "", "it has told all that it recorded"
    questions = [one for one in listener.on("system/camera_detector/north/command") if one.json["command"] == "past"]
    answers = [
        one for one in listener.on("system/camera_detector/north/command/result") if one.json["command"] == "past"
    ]
    print(f"{len(questions)} questions of {sum(len(one.payload) for one in questions)} octets,")
    print(f"{len(answers)} answers of {sum(len(one.payload) for one in answers)} octets")
    assert 1 <= len(questions) <= 3, "together, and no more often than it is tried again"
    described = listener.on(f"system/camera_detector/described/{camera_id}")
    print(f"{len(described)} documents of the camera, the last with {len(described[-1].payload)} octets")
    assert {one.json["decided_by"] for one in described[1:]} <= {"north"}, [one.payload for one in described]
