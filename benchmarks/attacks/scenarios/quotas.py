"""Attacks by quantity: many devices, long texts, many connections; and the many cameras of an honest house."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.attacks.bed import DAEMON, Bed, folder_mb, rss_mb
from benchmarks.attacks.figures import Figure
from tests.lan.farm import plant
from tests.lan.lab import Host, python, run
from tests.processes import wait_until

#: Milliseconds that the reactor may be busy with one thing.
MAX_STALL = 50.0


def known_cameras(checkout: Path, *, count: int = 1000) -> Iterator[Figure]:
    """A start with 1 000 cameras in the state, announced on the broker by the run before."""
    with Bed(checkout, prefix_length=20) as bed:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout)}
        seed = Path(__file__).resolve().parents[1] / "seed.py"
        bed.state.mkdir(mode=0o700)
        said = subprocess.run(
            [*python(str(seed), str(bed.state), str(count), "10.98.0.0/20")],
            env=environment,
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        settings = {"SNAPSHOT_INTERVAL": "0"}
        daemon = bed.daemon(**settings)

        def announced() -> int:
            return len({one.topic for one in bed.heard("homeassistant/") if one.payload})

        def known() -> int:
            return len({one.topic for one in bed.heard("camera/status/")})

        with suppress(AssertionError):
            wait_until(lambda: min(announced(), known()) >= count, 150, "announcements", interval=2.0)
        at_broker, restored = announced(), known()
        first = bed.longest_stall()
        daemon.end()
        daemon = bed.daemon(**settings)
        time.sleep(45)
        worst = bed.stalls()[:5]
        yield Figure(
            f"start with {count} known cameras",
            "longest reactor stall in 45 s",
            round(bed.longest_stall()),
            MAX_STALL,
            "ms",
            remark=f"longest five: {', '.join(f'{one:.0f}' for one in worst)}; of the start before: {first:.0f};"
            f" {at_broker} announced to Home Assistant",
            void="" if restored >= 0.9 * count else f"only {restored} cameras were restored",
        )


def crowd(
    checkout: Path, *, devices: int = 10_000, addresses: int = 250, rate: float = 250.0, seconds: float = 150.0
) -> Iterator[Figure]:
    """One host that is 10 000 devices, with two genuine cameras: one is unplugged, another comes."""
    with Bed(checkout, prefix_length=21) as bed:
        macs = {name: f"02:00:00:00:01:0{number}" for number, name in enumerate(("stays", "leaves", "comes"))}
        hosts = {}
        for number, name in enumerate(("stays", "leaves")):
            hosts[name] = bed.plug(name, f"10.98.0.{50 + number}", macs[name])
            bed.simulate(hosts[name])
        flooder = bed.plug("rogue", "10.98.4.0", "02:00:00:00:00:66")
        # AnyIP: the whole network is this host.
        run("ip", "-n", flooder.namespace, "route", "add", "local", "10.98.4.0/24", "dev", "lo")
        daemon = bed.daemon(NETWORK_SCAN_ENABLED="false", SNAPSHOT_INTERVAL="0")
        for name in hosts:
            bed.wait_for_status(macs[name], "online")
        bed.first_run_is_over()
        time.sleep(5)
        before, files, messages = rss_mb(daemon.pid), folder_mb(bed.state), len(bed.listener.heard())
        rogue = bed.rogue(
            flooder,
            "crowd",
            addresses=[f"10.98.4.{number}" for number in range(1, addresses + 1)],
            devices=devices,
            rate=rate,
            mac=flooder.mac,
        )
        began = time.time()
        most = before
        gone_at = came_at = told_at = found_at = 0.0
        while time.time() - began < max(seconds, (gone_at - began + 330) if gone_at and not told_at else 0):
            time.sleep(0.5)
            with suppress(OSError):
                most = max(most, rss_mb(daemon.pid))
            now = time.time()
            if not gone_at and now - began > seconds * 0.3:
                hosts["leaves"].plug(False)
                gone_at = time.time()
            if not came_at and now - began > seconds * 0.3 + 5:
                bed.simulate(bed.plug("comes", "10.98.0.60", macs["comes"]))
                came_at = time.time()
            if gone_at and not told_at:
                told_at = next(
                    (
                        one["at"]
                        for one in bed.statuses(macs["leaves"])
                        if one["at"] > gone_at and one["status"] == "offline"
                    ),
                    0.0,
                )
            if came_at and not found_at:
                found_at = next((one["at"] for one in bed.statuses(macs["comes"])), 0.0)
        heard = bed.listener.heard()[messages:]
        health = bed.health(seconds=90)
        retained = {one.topic: len(one.payload) for one in heard if one.qos and one.topic.startswith("homeassistant")}
        cameras = {one.topic for one in heard if one.topic.startswith("camera/discovery/") and one.payload}
        octets = sum(len(one.payload) for one in heard) / 1e6
        rounds = rogue.events("round")
        title = f"{devices} EndpointReferences from one host, {rate:.0f} Hellos a second"
        datagrams = health["discovery"]["methods"]["wsdiscovery"]["datagrams"]
        void = "" if rounds else "the flood did not go through all of them once"
        void = void or ("" if datagrams > devices / 2 else f"the daemon heard {datagrams} datagrams only")
        yield Figure(title, "more memory, at most", round(most - before), 60, "MB", void=void)
        yield Figure(title, "state files", round(folder_mb(bed.state) - files, 1), 20, "MB", void=void)
        yield Figure(
            title,
            "cameras published",
            len(cameras),
            250,
            remark=f"{health['stats']['devices']} devices; {len(heard)} messages, {octets:.1f} MB;"
            f" {len(retained)} announced to Home Assistant",
            void=void,
        )
        waited = (told_at or time.time()) - gone_at
        yield Figure(
            title,
            "a genuine camera that was unplugged is said to be offline",
            round(waited),
            200,
            "s",
            remark="" if told_at else f"not told within {waited:.0f} s",
            void=void,
        )
        yield Figure(
            title,
            "a genuine camera that came is published (its simulator's start included)",
            round((found_at or time.time()) - came_at, 1),
            10,
            "s",
            remark="" if found_at else "never",
            void=void,
        )
        yield Figure(title, "flaps of the genuine camera that stayed", _flaps(bed, macs["stays"]), 0, void=void)
        yield Figure(title, "longest reactor stall", round(bed.longest_stall()), None, "ms")


def _flaps(bed: Bed, mac: str) -> int:
    seen_online = False
    flaps = 0
    for one in bed.statuses(mac):
        flaps += seen_online and one["status"] == "offline"
        seen_online = seen_online or one["status"] == "online"
    return flaps


def wordy(
    checkout: Path, *, count: int = 120, profiles: int = 256, name_length: int = 4000, uri_length: int = 2000
) -> Iterator[Figure]:
    """120 devices with 256 profiles each, names of 4 000 and URIs of 2 000 characters."""
    with Bed(checkout, prefix_length=23) as bed:
        farm = plant(bed.lab, "farm", "10.98.0.0/23", count, first=100)
        bed.rogue(
            farm.host,
            "wordy",
            cameras=[{"address": one.address, "mac": one.mac} for one in farm.cameras],
            profiles=profiles,
            name_length=name_length,
            uri_length=uri_length,
        )
        daemon = bed.daemon(SNAPSHOT_INTERVAL="0")
        most = 0.0
        deadline = time.time() + 120
        while time.time() < deadline:
            time.sleep(0.5)
            most = max(most, rss_mb(daemon.pid))
        published = len({one.topic for one in bed.heard("camera/discovery/")})
        for _ in range(6):
            bed.command(command="state")
        time.sleep(10)
        most = max(most, rss_mb(daemon.pid))
        largest = max((len(one.payload) for one in bed.heard("camera/discovery/")), default=0)
        answers = [len(one.payload) for one in bed.heard("system/camera_detector/") if one.topic.endswith("/result")]
        title = f"{count} devices with the longest texts"
        void = "" if published else "none of them was published"
        yield Figure(title, "memory", round(most), 200, "MB", remark=f"{published} published in 130 s", void=void)
        yield Figure(
            title,
            "longest reactor stall",
            round(bed.longest_stall()),
            MAX_STALL,
            "ms",
            remark=f"longest five: {', '.join(f'{one:.0f}' for one in bed.stalls()[:5])}",
            void=void,
        )
        yield Figure(title, "largest document of a camera", round(largest / 1024), 64, "KiB", void=void)
        yield Figure(
            title,
            "unhandled errors in the log",
            daemon.text().count("Unhandled error") + daemon.text().count("Traceback"),
            0,
            remark=f"`state` answered {len(answers)} times of 6, the largest {max(answers, default=0) / 1024:.0f} KiB",
            void=void,
        )


def page(checkout: Path, *, connections: int = 1088, rounds: int = 12) -> Iterator[Figure]:
    """One peer that takes the page's places with half a request each."""
    token = "page-token-canary-51c7"
    with Bed(checkout) as bed:
        peer = bed.plug("rogue", "10.98.0.66", "02:00:00:00:00:66")
        other = bed.plug("other", "10.98.0.77", "02:00:00:00:00:77")
        bed.daemon(WEB_LISTEN="0.0.0.0:8787", WEB_TOKEN=token)

        def served(host: Host, address: str) -> bool:
            return _served(host, f"http://{address}:8787/healthz")

        wait_until(lambda: served(other, DAEMON), 30, "the page", interval=0.5)
        rogue = bed.rogue(peer, "half_open", target=DAEMON, port=8787, connections=connections + 200)
        time.sleep(5)
        unserved: dict[str, int] = {"loopback": 0, "another peer": 0}
        for _ in range(rounds):
            unserved["loopback"] += not served(bed.host, "127.0.0.1")
            unserved["another peer"] += not served(other, DAEMON)
            time.sleep(1)
        held = max((one["count"] for one in rogue.events("held")), default=0)
        title = f"{connections + 200} half requests of one peer"
        for who, count in unserved.items():
            yield Figure(title, f"times of {rounds} that {who} is not served", count, 0, remark=f"at most {held} held")


def _served(host: Host, url: str) -> bool:
    """Whether a page answers within five seconds, whatever its status is."""
    with suppress(RuntimeError):
        said = host.run("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
        return said.strip() not in ("", "000")
    return False
