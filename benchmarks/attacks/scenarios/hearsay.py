"""Attacks by what is said in another's name: where a forged announcement leads requests, and what a forged Bye does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.attacks.bed import GENUINE, GENUINE_MAC, ROGUE, ROGUE_MAC, Bed
from benchmarks.attacks.figures import Figure
from tests.lan.lab import run
from tests.processes import wait_until


def deputy(checkout: Path, *, after: float = 25.0, known: Sequence[bool] = (False, True)) -> Iterator[Figure]:
    """Forged Hellos from the genuine camera's address whose XAddr is an administrator's action on it.

    In the name of a device that nobody knows; before the camera is known, and after.
    """
    steered = 0
    asked = 0
    for is_known in known:
        with Bed(checkout) as bed:
            genuine = bed.genuine()
            forger = bed.plug("rogue", ROGUE, ROGUE_MAC)
            if is_known:
                bed.daemon()
                bed.wait_for_status(GENUINE_MAC)
                bed.first_run_is_over()
                count = 6
            else:
                bed.daemon(NETWORK_SCAN_ENABLED="false")
                count = 15
            for number, port in enumerate(("", ":80")):
                bed.rogue(
                    forger,
                    "frames",
                    what="hello",
                    source=GENUINE,
                    xaddr=f"http://{GENUINE}{port}/cgi-bin/magicBox.cgi?action=reboot",
                    reference=f"urn:uuid:0d0d0d0d-0000-4000-8000-00000000000{number}",
                    count=count,
                    every=0.5,
                )
            time.sleep(after)
            wait_until(partial(genuine.events, "granted"), 60, "the genuine camera lets the login in")
            steered += len([one for one in genuine.events("granted") if "action=" in one["target"]])
            asked += len([one for one in genuine.events("asked") if "action=" in one["target"]])
    yield Figure(
        "forged Hello with an action on the genuine camera for its XAddr",
        "authenticated requests to a target of the forger's choice",
        steered,
        0,
        remark=f"{asked} requests to it without a login",
    )


def bye(checkout: Path, *, count: int = 20) -> Iterator[Figure]:
    """Forged Byes of a camera that is well; then a true one, of the same camera without its cable."""
    with Bed(checkout) as bed:
        genuine = bed.genuine()
        forger = bed.plug("rogue", ROGUE, ROGUE_MAC)
        bed.daemon()
        bed.wait_for_status(GENUINE_MAC, "online")
        bed.first_run_is_over()
        found = bed.listener.on(f"camera/discovery/{GENUINE_MAC.replace(':', '')}")[-1].json["camera"]
        reference = next(one["value"] for one in found["evidence"] if one["kind"] == "epr")
        began = time.time()
        bed.rogue(
            forger,
            "frames",
            what="bye",
            source=GENUINE,
            reference=reference if reference.startswith("urn:") else f"urn:uuid:{reference}",
            count=count,
            every=1.5,
        )
        time.sleep(10)
        flaps = [one for one in bed.statuses(GENUINE_MAC) if one["at"] > began and one["status"] == "offline"]
        first = {"first": flaps[0]["reason"]} if flaps else {}
        # The control: a Bye is believed of a camera that has really left.
        genuine.host.plug(False)
        bed.rogue(
            forger,
            "frames",
            what="bye",
            source=GENUINE,
            reference=reference if reference.startswith("urn:") else f"urn:uuid:{reference}",
            count=1,
            every=0,
        )
        left = time.time()
        void = ""
        try:
            wait_until(lambda: bed.status_of(GENUINE_MAC) == "offline", 60, "offline after a true Bye", interval=0.2)
        except AssertionError:
            void = "not even a true Bye is believed within a minute"
        yield Figure(
            f"{count} forged Byes of a camera that is well",
            "times that it was said to be offline",
            len(flaps),
            0,
            remark="; ".join((f"a true one: offline after {time.time() - left:.1f} s", *first.values())),
            void=void,
        )


def off_link(checkout: Path, *, after: float = 20.0) -> Iterator[Figure]:
    """Hellos with a source that is on no network of ours, and an XAddr there; a host stands there and counts."""
    with Bed(checkout) as bed:
        bed.genuine()
        outside = "203.0.113.9"
        host = bed.plug("rogue", ROGUE, ROGUE_MAC)
        run("ip", "-n", host.namespace, "addr", "add", f"{outside}/32", "dev", "eth0")
        # The router of this network is the rogue: what leads astray arrives.
        run("ip", "-n", bed.host.namespace, "route", "replace", "default", "via", ROGUE, "dev", "eth0")
        ears = bed.rogue(host, "ears", address=outside, ports=[80, 554, 8123, 8080, 8000, 2020, 8554, 8899])
        bed.daemon()
        bed.wait_for_status(GENUINE_MAC)
        bed.first_run_is_over()
        for number in range(3):
            bed.rogue(
                host,
                "frames",
                what="hello",
                source=outside,
                xaddr=f"http://{outside}:8123/api/evil?x=1",
                reference=f"urn:uuid:0d0d0d0d-0000-4000-8000-00000000001{number}",
                count=3,
                every=0.5,
            )
        time.sleep(after)
        got = ears.events("connected")
        lines = {one["line"] for one in ears.events("request")}
        yield Figure(
            "Hello from an address off the link",
            "connections to the host that it names",
            len(got),
            0,
            remark=", ".join(sorted(lines)[:2]),
        )


def probe(checkout: Path, *, after: float = 15.0) -> Iterator[Figure]:
    """The command `probe` for loopback and the metadata address: services stand there."""
    with Bed(checkout) as bed:
        bed.genuine()
        ports = [80, 2020, 8080, 8000, 554, 8554]
        own = bed.rogue(bed.host, "ears", address="127.0.0.1", ports=ports)
        metadata = "169.254.169.254"
        # It stands behind the router, as in a cloud.
        router = bed.plug("rogue", ROGUE, ROGUE_MAC)
        run("ip", "-n", router.namespace, "addr", "add", f"{metadata}/32", "dev", "eth0")
        run("ip", "-n", bed.host.namespace, "route", "replace", "default", "via", ROGUE, "dev", "eth0")
        cloud = bed.rogue(router, "ears", address=metadata, ports=ports)
        bed.daemon()
        bed.wait_for_status(GENUINE_MAC)
        bed.first_run_is_over()
        before = len(own.events("connected")) + len(cloud.events("connected"))
        for address in ("127.0.0.1", metadata, "::1", "0.0.0.0", "127.0.0.53", "::ffff:127.0.0.1"):
            bed.command(command="probe", address=address)
        time.sleep(after)
        results = [one.json for one in bed.heard("system/camera_detector/") if one.topic.endswith("/result")]
        got = len(own.events("connected")) + len(cloud.events("connected")) - before
        yield Figure(
            "`probe` of loopback and of the metadata address",
            "connections to them",
            got,
            0,
            remark=f"{len([one for one in results if not one['ok']])} of {len(results)} commands refused",
            void="" if results else "no command was answered",
        )
