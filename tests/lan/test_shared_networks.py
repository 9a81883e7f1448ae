"""Two nodes that both reach a network without one: one searches it, commands go to it, and the other one follows."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import pytest

from tests.lan.farm import plant
from tests.lan.lab import REASON, Host, Lab
from tests.lan.test_nodes import BROKER, PORT, node
from tests.listener import Heard, Listener
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

FAR = "10.78.0.0/24"
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
    settings = lab.directory / "mosquitto.conf"
    settings.write_text(f"listener {PORT} 0.0.0.0\nallow_anonymous true\nmax_queued_messages 0\n", "ascii")
    host.start("mosquitto", "-c", str(settings))
    time.sleep(1.0)
    listener = Listener(lab.directory / "heard.log", PORT, prefix=("ip", "netns", "exec", host.namespace))
    host.processes.append(listener.process)
    daemons = {}
    for number, (name, address) in enumerate(NODES.items(), 2):
        one = lab.host(name, address, f"02:00:00:00:01:{number:02d}")
        one.run("ip", "route", "add", FAR, "via", "10.77.0.254")
        page = {"WEB_LISTEN": f"{address}:8787", "WEB_TOKEN": "long-enough-canary"}
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
