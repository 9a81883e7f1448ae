"""Cameras without a stream on real sockets: one that drops every connection, and one that sleeps most of the time."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab
from tests.lan.site import HEALTH, Site, cid
from tests.lan.test_vendors import peer
from tests.lan.test_why import camdetect, why
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="needs nftables to drop connections"),
]

#: Nothing of TCP is answered, not even by a reset: an inspection waits for its time-outs.
DROP = "table inet shut { chain input { type filter hook input priority 0; meta l4proto tcp drop; }; }"
MAC = "02:00:00:00:00:31"
SETTINGS = {
    "HEALTH_REPORT_INTERVAL": "1",
    "HEALTH_CHECK_INTERVAL": "2",
    "OFFLINE_THRESHOLD": "6",
    "SMART_DISCOVERY_ENABLED": "false",
    "DISCOVERY_INTERVAL": "3600",
    "NOTICE_OFFLINE_MINUTES": "1",
    "NOTICE_KINDS": "offline,back,stream",
}


def comes(lab: Lab, protocol: str, model: str) -> tuple[Host, float]:
    """A host that answers one manufacturer's search and nothing else comes to the network, as ARP shows; and when."""
    host = lab.host("camera", "10.77.0.31", MAC)
    host.run("nft", DROP)
    peer(host, "vendor_device", f"{host.address}={protocol}={MAC}={model}").wait_for("ready")
    began = time.monotonic()
    host.run("ping", "-c", "1", "-W", "1", "10.77.0.1")
    return host, began


def started(lab: Lab) -> Site:
    site = Site(lab)
    site.daemon(**SETTINGS)
    swept = site.health(lambda health: health["discovery"]["sweeps"] and not health["discovery"]["sweeping"], 90)
    assert not ended(swept), swept["stats"]["inspections"]
    return site


def ended(health: Any) -> int:
    """Inspections that have ended, of whom and how ever."""
    return sum(health["stats"]["inspections"].values())


def statuses(site: Site) -> list[str]:
    found: list[str] = []
    for heard in site.listener.on(f"camera/status/{cid(MAC)}"):
        if found[-1:] != [heard.json["status"]]:
            found.append(heard.json["status"])
    return found


@pytest.mark.alone  # it measures seconds
def test_one_that_drops_every_connection(lab: Lab) -> None:
    """It is told of within three seconds."""
    site = started(lab)
    _, began = comes(lab, "sadp", "DS-2CD2")
    heard = site.listener.wait(f"camera/status/{cid(MAC)}", lambda _: True, 10)
    took = time.monotonic() - began
    print(f"on MQTT after {took:.2f} s, while it is inspected")
    assert took <= 3, took
    assert (heard.json["reason_code"], heard.json["camera"]["model"]) == ("not-activated", "DS-2CD2")


def test_one_that_drops_every_connection_stays_what_it_is(lab: Lab) -> None:
    """It is told of before its inspection ends, stays what it is round after round, and is offline when it is gone."""
    site = started(lab)
    host, _ = comes(lab, "sadp", "DS-2CD2")
    heard = site.listener.wait(f"camera/status/{cid(MAC)}", lambda _: True, 30)
    assert (heard.json["reason_code"], heard.json["camera"]["model"]) == ("not-activated", "DS-2CD2")
    time.sleep(20)  # ten rounds
    site.health(ended, 60)
    first = next(told for told in site.listener.on(HEALTH) if ended(told.json))
    assert heard.at < first.at, "it was told of when its inspection had ended"
    assert statuses(site) == ["stream_error"]
    assert why(site, host.address)["reason"]["word"] == "not-activated"
    host.plug(plugged=False)
    site.listener.wait(f"camera/status/{cid(MAC)}", lambda told: told.json["status"] == "offline", 60)
    host.plug(plugged=True)
    host.run("ping", "-c", "1", "-W", "1", "10.77.0.1")
    wait_until(lambda: statuses(site)[-1] == "stream_error", 30, lambda: str(statuses(site)))


def test_one_that_sleeps(lab: Lab) -> None:
    """A battery camera that comes and goes sleeps all the time: no state changes, nobody is told, nothing is asked."""
    site = started(lab)
    host, _ = comes(lab, "sadp", "Argus-Battery")
    heard = site.listener.wait(f"camera/status/{cid(MAC)}", lambda _: True, 10)
    assert (heard.json["status"], heard.json["reason_code"]) == ("sleeps", "sleeps")
    site.health(ended, 60)
    host.run("nft", "insert rule inet shut input meta l4proto tcp counter")
    for _ in range(2):
        host.plug(plugged=False)
        time.sleep(8)  # four rounds, of which three make others offline
        host.plug(plugged=True)
        host.run("ping", "-c", "1", "-W", "1", "10.77.0.1")
        time.sleep(2)
    assert statuses(site) == ["sleeps"]
    assert site.listener.on("camera/notice") == []
    assert "packets 0 bytes 0" in host.run("nft", "list", "ruleset")
    reason = why(site, host.address)["reason"]
    assert reason["word"] == "sleeps"
    assert "It was awake last at " in reason["text"]
    assert "sleeps" in camdetect(site, "list")
