"""Two nodes on a broker as mosquitto comes, where far more is retained than it queues for a client: nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import PORT, cid, fetched, listen, run_broker, simulated
from tests.lan.test_nodes import BROKER, node
from tests.processes import wait_until
from twisted_detector.model.decisions import Description
from twisted_detector.operations.nodes.handover.described import Described
from twisted_detector.operations.nodes.values import Bid, Claim, NodeDocument, Rank

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

ADDRESS, MAC = "10.77.0.21", "02:00:00:00:00:21"
ID = cid(MAC)
#: Cameras of a site that is away; mosquitto queues 1 000 messages for a client, and has 20 under way.
COUNT = 3_000
#: Octets that the broker's kernel takes for a client, at least, at first and at most: to the broker the nodes are slow.
BUFFER = "4096 16384 16384"
#: Generous: nothing here is measured in seconds.
LONG = 120.0

_STAND = """
import json, sys
from paho.mqtt import publish
publish.multiple(json.load(open(sys.argv[1])), port=int(sys.argv[2]))
"""


def stand(host: Host, documents: Mapping[str, str]) -> None:
    """Have documents stand on the broker of a host."""
    file = host.lab.directory / "standing.json"
    messages = [{"topic": one, "payload": said, "qos": 1, "retain": True} for one, said in documents.items()]
    file.write_text(json.dumps(messages))
    host.run(*python("-c", _STAND, str(file), str(PORT)))


def left_by_east() -> dict[str, str]:
    """What a node that is away has left: of each of its cameras the state and a name, and those of one that moved."""
    ids = [f"0211{number:08x}" for number in range(COUNT)]
    claims = {one: Claim(Rank.SEES_MAC, Bid(1, Rank.SEES_MAC, 0)) for one in ids}
    documents = {"system/camera_detector/east/node": NodeDocument("east", "e1", 1, 1, COUNT, claims).encode()}
    for one in ids:
        camera = {"id": one, "name": f"East {one}", "ip": "10.9.0.1", "rest": "x" * 1800}
        documents[f"camera/status/{one}"] = json.dumps({"status": "online", "camera": camera}).encode()
        name = Described(Description(f"East {one}", "Far"), 5, "east", "east")
        documents[f"system/camera_detector/described/{one}"] = name.encode(one)
    moved = Described(Description("Gate", "Yard"), 5, "east", "east")
    documents[f"system/camera_detector/described/{ID}"] = moved.encode(ID)
    return {topic: payload.decode() for topic, payload in documents.items()}


def test_thousands(lab: Lab) -> None:
    """Names, states, beats, commands and a takeover: all comes to whom it concerns, and the broker drops nothing."""
    host = lab.host("broker", BROKER, "02:00:00:00:00:01")
    host.run("sysctl", "-qw", f"net.ipv4.tcp_wmem={BUFFER}")
    run_broker(host)
    broker = host.processes[0]
    answers = "system/camera_detector/south/command/result"
    own = (
        f"camera/status/{ID}",
        f"system/camera_detector/described/{ID}",
        f"homeassistant/device/camdetect_{ID}/config",
    )
    listener = listen(host, *own, "system/camera_detector/+/node", "system/camera_detector/+/beat", answers)
    stand(host, left_by_east())
    simulated(lab, "sim21", ADDRESS, MAC, "--auth", "none").processes[0].wait_for("camera", 20)
    hosts = {
        name: lab.host(name, f"10.77.0.{number}", f"02:00:00:00:01:{number:02d}")
        for number, name in enumerate(("north", "south"), 2)
    }

    def state() -> Any:
        heard = listener.on(f"camera/status/{ID}")
        return heard[-1].json if heard else {"node_id": "", "camera": {"name": ""}}

    def is_said(node_id: str, name: str) -> None:
        """Wait until a node publishes the camera, by the name that people gave it."""
        wait_until(
            lambda: (state()["node_id"], state()["camera"]["name"]) == (node_id, name),
            LONG,
            lambda: f"{node_id} publishes {name}: {state()}\n{daemons[node_id].text()[-3000:]}",
            interval=0.3,
        )

    daemons = {"north": node(lab, hosts["north"], "north", BROKER)}
    is_said("north", "Gate")
    daemons["south"] = node(lab, hosts["south"], "south", BROKER)
    claims = lambda: listener.on("system/camera_detector/south/node")[-1:]  # noqa: E731
    wait_until(lambda: any(ID in one.json["claims"] for one in claims()), LONG, "south knows the camera", interval=0.3)

    for name in daemons:
        fleet = lambda name=name: fetched(hosts[name], "http://127.0.0.1:8787/api/v1/fleet")["cameras"]  # noqa: E731
        with_state = lambda fleet=fleet: sum(bool(one["status"]) for one in fleet().values())  # noqa: E731
        wait_until(
            lambda with_state=with_state: with_state() == COUNT + 1,
            LONG,
            lambda name=name, with_state=with_state: f"{name} shows all states: {with_state()}",
            interval=0.5,
        )
    beats = "system/camera_detector/north/beat"
    before = len(listener.on(beats))
    wait_until(lambda: len(listener.on(beats)) >= before + 2, LONG, "north beats", interval=0.3)

    command = json.dumps({"id": 1, "command": "name", "camera_id": ID, "name": "Barn"})
    host.run("mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", "system/camera_detector/south/command", "-m", command)
    answer = listener.wait(answers, seconds=LONG).json
    assert (answer["ok"], answer["carried_out_by"]) == (True, "north"), answer
    is_said("north", "Barn")

    daemons["north"].kill_group()
    is_said("south", "Barn")
    for one in own:
        assert all(heard.payload for heard in listener.on(one)), f"{one} is never emptied"
    assert "dropped" not in broker.text(), broker.text()
    assert "Traceback" not in daemons["south"].text()
