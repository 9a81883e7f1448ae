"""A real Home Assistant core consumes what the daemon says of a camera through its whole life."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.homeassistant import CORES, Core
from tests.lan.farm import Farm, plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import PORT, Site, cid
from tests.processes import Process, wait_until
from twisted_detector.model.encoding import encode
from twisted_detector.model.notices import EVENTS, Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.document import told_document

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]
SETTINGS = {
    "HOMEASSISTANT_PICTURES": "true",
    "HEALTH_REPORT_INTERVAL": "1",
    "HEALTH_CHECK_INTERVAL": "1",
    "OFFLINE_THRESHOLD": "2",
}
NODE = "camdetect_node_node1"
STATUS = "homeassistant/status"


def test_there_is_a_core() -> None:
    """At least one core was made, so that the tests below are not of nothing."""
    assert CORES, "run .ci/homeassistant .make"


@contextmanager
def home(folder: Path, version: str) -> Iterator[tuple[Site, Farm, Core]]:
    """A network with one camera, and a core that starts."""
    with Lab(folder) as lab:
        farm = plant(lab, "farm", "10.77.0.0/24", 1)
        farm.start()
        site = Site(lab)
        yield site, farm, Core(site.host, version, folder / "core", PORT)


def ids_of(made: dict[str, Any]) -> dict[str, str]:
    return {unique_id: entity["entity_id"] for unique_id, entity in made["entities"].items()}


def present(farm: Farm, there: bool) -> None:
    farm.alter(lambda camera: replace(camera, present=there))


def say(site: Site, topic: str, payload: str, *options: str) -> None:
    site.host.run("mosquitto_pub", "-p", str(PORT), "-t", topic, "-m", payload, *options)


def stop(daemon: Process) -> None:
    daemon.signal(signal.SIGTERM)
    daemon.wait()


def happened(core: Core, device: str, kind: str, entity: str = "event") -> None:
    event = f"{device}_{entity}"
    core.wait(lambda made: made["entities"][event]["attributes"].get("event_type") == kind, f"the event {kind}")


def emptied(site: Site, topic: str) -> None:
    wait_until(lambda: not site.listener.on(topic)[-1].payload, 40, f"{topic} is emptied")


def notices(site: Site, core: Core) -> None:
    """Each notice is an event of the daemon's device: one word for an automation, and words for people, as they are."""
    evil = NoticeSubject("cam9", "{{ 1 / 0 }} '\"<b>", "10.0.0.9")
    told = Notice("5-1", NoticeKind.OFFLINE, 1000.0, cameras=(evil,), network="10.0.0.0/24", reason="gone")
    for notice in (told, replace(told, until=1720.0), Notice("5-2", NoticeKind.BROKER, 1000.0)):
        document = told_document(notice, str, node_id="node1", now=2000.0)
        say(site, "camera/notice", encode(document).decode())
        happened(core, NODE, notice.event, "notice")
        attributes = core.snapshot()["entities"][f"{NODE}_notice"]["attributes"]
        assert (attributes["title"], attributes["text"]) == (document["title"], document["text"])
        assert attributes["cameras"] == [one["name"] for one in document["cameras"]]
    assert attributes["event_types"] == list(EVENTS)


@pytest.mark.parametrize("version", sorted(CORES))
def test_a_life_in_home_assistant(tmp_path: Path, version: str) -> None:
    """Discovered, moved, offline, back, said again at the birth message, forgotten: devices and entities follow; and
    each notice is an event of the daemon's device.
    """
    discovery = CORES[version]
    with home(tmp_path, version) as (site, farm, core):
        camera_id = cid(farm.cameras[0].mac)
        device = f"camdetect_{camera_id}"
        daemon = site.daemon(HOMEASSISTANT_DISCOVERY=discovery, **SETTINGS)
        config = f"homeassistant/device/{device}/config"
        if discovery == "component":
            config = f"homeassistant/sensor/{device}/ip/config"
        core.ready()

        # Discovered.
        core.state(f"{device}_connectivity", "on", 30)
        address = farm.cameras[0].address
        core.state(f"{device}_ip", address)
        assert core.state(f"{device}_codec", "H264")["category"] == "diagnostic"
        core.state(f"{device}_status", "online")
        core.state(f"{device}_problem", "off")
        made = core.snapshot()
        assert made["devices"][device]["connections"] == [["mac", farm.cameras[0].mac]]
        assert made["devices"][device]["via"] == [NODE]
        assert "x" in made["entities"][f"{device}_size"]["state"]
        assert made["entities"][f"{device}_last_seen"]["device_class"] == "timestamp"
        assert made["entities"][f"{device}_forget"]["disabled"]
        core.state(f"{NODE}_mqtt", "connected")
        core.state(f"{NODE}_online", "1")
        core.state(f"{NODE}_queue", "0")
        assert "None" not in {entity["state"] for entity in made["entities"].values()}

        # Moved.
        farm.alter(lambda camera: replace(camera, address="10.77.0.99"))
        core.state(f"{device}_ip", "10.77.0.99", 30)
        core.wait(
            lambda made: "10.77.0.99" in str(made["devices"][device]["configuration_url"]), "the new address as link"
        )

        happened(core, device, "moved")
        core.state(f"{device}_attention", "off")

        # A button and a picture.
        core.press(f"{device}_check")
        result = site.listener.wait("system/camera_detector/node1/command/result").json
        assert (result["command"], result["camera_id"], result["ok"]) == ("check", camera_id, True)
        say(site, f"camera/picture/{camera_id}", "\xff\xd8\xff")
        core.wait(lambda made: made["entities"][f"{device}_picture"]["state"] not in ("unknown", None), "a picture")

        # Offline and back.
        present(farm, False)
        assert core.state(f"{device}_connectivity", "off", 40)["device_class"] == "connectivity"
        assert core.state(f"{device}_status", "offline")["attributes"]["reason"]
        core.state(f"{device}_ip", "unavailable")
        core.state(f"{device}_problem", "on")
        present(farm, True)
        core.state(f"{device}_status", "online", 60)
        core.state(f"{device}_ip", "10.77.0.99")
        happened(core, device, "back")

        # Born again: everything is said again though nothing changed.
        before = len(site.listener.on(config))
        say(site, STATUS, "online")
        wait_until(lambda: len(site.listener.on(config)) > before, 15, "the configuration once more")

        # Killed: all of it is unavailable, and the daemon is told to be away. What an earlier run left is removed.
        daemon.kill_group()
        core.state(f"{NODE}_connectivity", "off", 60)
        core.state(f"{device}_connectivity", "unavailable")
        left = json.dumps(site.listener.on(config)[-1].json).replace(farm.cameras[0].mac, "01:23:45:67:89:ab")
        say(site, config.replace(camera_id, "0123456789ab"), left.replace(camera_id, "0123456789ab"), "-r")
        core.wait(lambda made: any("0123456789ab" in one for one in made["entities"]), "what is left of an earlier run")
        site.daemon(HOMEASSISTANT_DISCOVERY=discovery, **SETTINGS)
        core.state(f"{device}_connectivity", "on", 30)
        core.wait(
            lambda made: not any("0123456789ab" in one for one in (*made["devices"], *made["entities"])),
            "what is left of an earlier run is removed",
        )

        # Forgotten.
        command = {"command": "forget", "camera_id": camera_id}
        present(farm, False)
        say(site, "system/camera_detector/node1/command", json.dumps(command))
        made = core.wait(
            lambda made: not any(camera_id in one for one in (*made["devices"], *made["entities"])), "it is forgotten"
        )
        assert NODE in made["devices"]
        notices(site, core)
        assert core.complaints() == []
        removed = sorted([device, device.replace(camera_id, "0123456789ab")]) if discovery == "device" else []
        wait_until(lambda: core.cleanups() == removed, 10, lambda: f"each emptied once: {core.cleanups()}")
        retained = {heard.topic: heard.payload for heard in site.listener.heard() if camera_id in heard.topic}
        assert [topic for topic, payload in retained.items() if payload and "/config" in topic] == []


@pytest.mark.parametrize("version", sorted(CORES))
def test_another_form_and_a_deletion(tmp_path: Path, version: str) -> None:
    """A change of HOMEASSISTANT_DISCOVERY keeps every entity of a running core; what a person deletes stays away.

    A core before device discovery has one form alone.
    """
    discovery = CORES[version]
    with home(tmp_path, version) as (site, farm, core):
        camera_id = cid(farm.cameras[0].mac)
        device = f"camdetect_{camera_id}"
        core.ready()
        daemon, before = site.daemon(HOMEASSISTANT_DISCOVERY=discovery, **SETTINGS), {}
        core.state(f"{device}_status", "online", 60)
        for form in ("component", "device") if discovery == "device" else ():
            for unique_id in (f"{device}_connectivity", f"{NODE}_connectivity", f"{NODE}_mqtt"):
                core.state(unique_id, "connected" if unique_id.endswith("mqtt") else "on", 60)
            # A platform that the core loads last makes its entity last.
            made = core.wait(lambda made: f"{device}_picture" in made["entities"], "the picture's entity")
            assert before in ({}, ids_of(made))
            before = ids_of(made)
            stop(daemon)
            core.state(f"{NODE}_connectivity", "off")
            since = len(list(core.states()))
            daemon = site.daemon(HOMEASSISTANT_DISCOVERY=form, **SETTINGS)
            old = (f"device/{device}", f"device/{NODE}")
            if form == "device":
                old = (f"sensor/{device}/ip", f"sensor/{NODE}/mqtt")
            for topic in old:
                emptied(site, f"homeassistant/{topic}/config")
            core.state(f"{NODE}_mqtt", "connected", 30)
            core.state(f"{device}_status", "online", 30)
            assert since < len(list(core.states()))
            assert ids_of(core.snapshot()) == before
        assert [line for line in core.complaints() if "conflicting" not in line] == []

        # Deleted by a person, and asked for again.
        core.delete(device)
        gone = lambda made: device not in made["devices"]  # noqa: E731
        core.wait(gone, "the device is deleted")
        emptied(
            site,
            f"homeassistant/device/{device}/config"
            if discovery == "device"
            else f"homeassistant/sensor/{device}/ip/config",
        )
        farm.alter(lambda camera: replace(camera, address="10.77.0.77"))
        site.listener.wait(f"camera/event/{camera_id}", lambda said: said.json["event"] == "moved", 30)
        stop(daemon)
        daemon = site.daemon(HOMEASSISTANT_DISCOVERY=discovery, **SETTINGS)
        core.state(f"{NODE}_mqtt", "connected", 30)
        say(site, STATUS, "online")
        site.online(farm.cameras[0].mac)
        time.sleep(3)
        assert gone(core.snapshot())
        say(site, "system/camera_detector/node1/command", json.dumps({"command": "check", "camera_id": camera_id}))
        core.state(f"{device}_ip", "10.77.0.77", 30)
