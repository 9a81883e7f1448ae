"""What a fleet costs, in counts and not in seconds: inspections of who is new, connections to who is well."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest

from benchmarks.lan.fleet import inspections_of
from benchmarks.lan.meters import Connects
from tests.lan.farm import plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import Site, cid
from tests.processes import wait_until
from twisted_detector.operations.control_client import NotRunning, send_request

pytestmark = [
    pytest.mark.skipif(bool(REASON or not shutil.which("nft")), reason=REASON or "needs nftables to count"),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]
COUNT = 24
#: Nothing else that connects to a camera may fall into what is counted: no full proof, no picture, no check.
QUIET = {"FULL_PROOF_INTERVAL": "604800", "SNAPSHOT_INTERVAL": "0", "HEALTH_CHECK_INTERVAL": "3600",
         "OFFLINE_THRESHOLD": "7200"}  # fmt: skip


def idle(site: Site, sweeps: int) -> Any:
    """The status, once so many sweeps have ended, all are online, and nobody waits to be inspected."""
    last: list[Any] = []

    def is_idle() -> bool:
        try:
            last[:] = [send_request(site.state, {"command": "status"})]
        except NotRunning:
            return False
        stats, discovery = last[0]["stats"], last[0]["discovery"]
        return (
            stats["online_cameras"] == COUNT
            and not stats["inspections_waiting"]
            and discovery["sweeps"] >= sweeps
            and not discovery["sweeping"]
        )

    wait_until(is_idle, 60, lambda: f"all online and nothing to do; {last}", interval=0.3)
    return last[0]


def test_each_is_inspected_once_and_a_sweep_connects_to_nobody_who_is_well(lab: Lab) -> None:
    """One inspection for each new camera, whatever else told of it; and two sweeps that find all of them well."""
    farm = plant(lab, "farm", "10.77.0.0/24", COUNT)
    farm.start()
    site = Site(lab)
    connects = Connects(site.host)
    site.daemon(SMART_DISCOVERY_ENABLED="false", DISCOVERY_INTERVAL="3600", **QUIET)
    for camera in farm.cameras:
        site.online(camera.mac, 60)
    idle(site, 1)
    time.sleep(3)  # for what would come after that
    status = idle(site, 1)
    assert inspections_of(status) == COUNT, status["stats"]
    assert site.ids() == {cid(camera.mac) for camera in farm.cameras}
    before, sweeps = connects.total(), status["discovery"]["sweeps"]
    assert before, "nothing was counted"
    for number in (1, 2):
        site.command("rescan")
        idle(site, sweeps + number)
    assert connects.total() == before


def test_a_restart_inspects_nobody_who_was_well(lab: Lab) -> None:
    """Who was well within a day is checked, by one connection: all are online again, and none is inspected in full."""
    farm = plant(lab, "farm", "10.77.0.0/24", COUNT)
    farm.start()
    site = Site(lab)
    settings = {"SMART_DISCOVERY_ENABLED": "false", "DISCOVERY_INTERVAL": "3600"} | QUIET
    daemon = site.daemon(**settings)
    for camera in farm.cameras:
        site.online(camera.mac, 60)
    assert inspections_of(idle(site, 1)) == COUNT
    daemon.end()
    connects = Connects(site.host)
    site.daemon(**settings)
    looked_at = lambda: sum(idle(site, 1)["stats"]["inspections"].values())  # noqa: E731
    wait_until(lambda: looked_at() >= COUNT, 60, lambda: f"{COUNT} checks; {looked_at()}", interval=0.5)
    time.sleep(3)  # for what would come after that
    status = idle(site, 1)
    counts = status["stats"]["inspections"]
    assert inspections_of(status) == 0, counts
    assert sum(counts.values()) == COUNT, counts
    # Each check proves one stream; the first sweep found their MACs where they were, and asked no ports.
    assert connects.total() == COUNT
    assert status["discovery"]["methods"]["neighboursweep"]["well"] == COUNT
