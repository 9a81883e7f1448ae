"""All that a real daemon says of a camera's life, as an independent client hears it, against the contract."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract import TOPICS, faults, known
from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import PORT, Site, cid
from tests.listener import Heard, Listener
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]
PREFIX = "site/north/"


class Client:
    """What a listener heard below the prefix."""

    def __init__(self, listener: Listener) -> None:
        self.heard = listener.heard

    def ours(self) -> list[Heard]:
        """With the prefix taken off."""
        found = [one for one in self.heard() if one.topic.startswith(PREFIX)]
        return [replace(one, topic=one.topic.removeprefix(PREFIX)) for one in found]

    def wait(self, topic: str, seconds: float = 20.0, **fields: Any) -> dict[str, Any]:
        """The first document on ``topic`` with these fields."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            documents = (json.loads(one.payload) for one in self.ours() if one.topic == topic and one.payload)
            found[:] = [one for one in documents if fields.items() <= one.items()]
            return bool(found)

        wait_until(look, seconds, lambda: f"{topic} {fields}: {[one.topic for one in self.heard()]}", interval=0.1)
        return found[0]


def test_the_life_of_a_camera(tmp_path: Path) -> None:
    """Discovered, moved, offline, online, a command, forgotten, and the end of the daemon: every message is sound."""
    with Lab(tmp_path) as lab:
        farm = plant(lab, "farm", "10.77.0.0/24", 1)
        farm.start()
        camera = cid(farm.cameras[0].mac)
        site = Site(lab)
        client = Client(site.listener)
        daemon = site.daemon(
            MQTT_TOPIC_PREFIX=PREFIX.rstrip("/"),
            HEALTH_REPORT_INTERVAL="1",
            HEALTH_CHECK_INTERVAL="1",
            OFFLINE_THRESHOLD="2",
        )
        status, event = f"camera/status/{camera}", f"camera/event/{camera}"
        first = farm.cameras[0].address
        client.wait(status, status="online")
        discovered = client.wait(f"camera/discovery/{camera}", event="discovered")
        assert (discovered["camera"]["ip"], discovered["camera"]["mac"]) == (first, farm.cameras[0].mac)
        farm.alter(lambda one: replace(one, address="10.77.0.99"))
        client.wait(status, status="ip_changed", old_ip=first, new_ip="10.77.0.99")
        client.wait(event, event="moved", old_ip=first, new_ip="10.77.0.99")
        farm.alter(lambda one: replace(one, present=False))
        assert client.wait(status, 40, status="offline")["reason"]
        client.wait(event, event="offline")
        farm.alter(lambda one: replace(one, present=True))
        back = lambda: json.loads([one for one in client.ours() if one.topic == status][-1].payload)  # noqa: E731
        wait_until(lambda: back()["status"] == "online", 60, "the camera is back", interval=0.2)
        health = client.wait("system/camera_detector_health/node1", status="online")
        assert health["service"] == "camera_detector"
        # What a client that comes later is given is what was retained, and nothing that only happened.
        late = Client(site.listen())
        kinds = {pattern for pattern, (retained, _) in TOPICS.items() if retained}
        wait_until(lambda: kinds <= {known(one.topic) for one in late.ours()}, 10, lambda: str(late.ours()))
        given = [one for one in late.ours() if one.retained]
        assert {known(one.topic) for one in given} - {""} == kinds
        assert "ip_changed" not in {json.loads(one.payload).get("status") for one in given}
        # Forgotten: nothing of it is left.
        farm.alter(lambda one: replace(one, present=False))
        command = json.dumps({"id": 7, "command": "forget", "camera_id": camera})
        topic = f"{PREFIX}system/camera_detector/node1/command"
        site.host.run("mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", topic, "-m", command)
        result = client.wait("system/camera_detector/node1/command/result", id=7)
        assert (result["command"], result["ok"]) == ("forget", True)
        client.wait(event, event="forgotten")
        last = lambda: [one.payload for one in client.ours() if one.topic == status][-1]  # noqa: E731
        wait_until(lambda: last() == "", 10, "the status is emptied")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0
        goodbye = client.wait("system/camera_detector_health/node1/lwt", status="offline")
        assert goodbye["reason"] == "shutdown"
        after = Client(site.listen())
        wait_until(lambda: any(one.topic.endswith("/lwt") for one in after.ours()), 10, "what is retained at the end")
        assert not [one for one in after.heard() if camera in one.topic]

        # Every single message, below the prefix, as its consumers read it. Home Assistant has its own places.
        mine = [one for one in client.ours() if known(one.topic)]
        assert {known(one.topic) for one in mine} == set(TOPICS)
        complaints = [
            fault for one in mine for fault in faults(one.topic, one.payload, retained=_should(one), qos=one.qos)
        ]
        assert complaints == []
        others = {one.topic for one in client.heard() if not one.topic.startswith(PREFIX)}
        assert all(topic.startswith(("homeassistant/", "frigate/")) for topic in others), others


def _should(one: Heard) -> bool:
    """A client that was there before is told of no message that it is retained; what is was looked at above."""
    if one.payload and json.loads(one.payload).get("status") == "ip_changed":
        return False
    return TOPICS[known(one.topic)][0]
