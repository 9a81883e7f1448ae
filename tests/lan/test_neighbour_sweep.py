"""The neighbour sweep on a bed of namespaces: with and without privilege, with loss, silent hosts and exclusions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lan.bed import RARE, REASON, Bed, dwellers
from tests.processes import ROOT, run_to_end
from twisted_detector.discovery.sweep.ports import CAMERA_PORTS

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    # It fills the kernel's table of neighbours, one for all namespaces, nearly: sweeps beside it would miss cameras.
    pytest.mark.last,
]

ONCE = str(ROOT / "benchmarks" / "discovery_peers" / "sweep_once.py")
SMALL = "10.78.0.0/24"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with Bed(tmp_path_factory.mktemp("bed"), SMALL, dwellers(SMALL, 60, 20, ports=RARE, silent=5)) as made:
        yield made


def sweep(bed: Bed, *, privileged: bool, sweeps: int = 1) -> list[dict[str, Any]]:
    bed.forget()
    command = bed.command(sys.executable, ONCE, ",".join(map(str, CAMERA_PORTS)), str(sweeps), privileged=privileged)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run_to_end(command, environment, seconds=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def missed(bed: Bed, answer: dict[str, Any]) -> dict[str, Any]:
    """Hosts without their MAC or exactly their open ports, with what was found instead."""
    wanted = {address: [mac, ports] for address, (mac, ports) in bed.expected().items()}
    return {
        address: answer["found"].get(address) for address in wanted if answer["found"].get(address) != wanted[address]
    }


@pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "CAP_NET_RAW"])
def test_small(bed: Bed, privileged: bool) -> None:
    """Every living host of a /24 is found with its MAC and exactly its open ports; the counters tell the truth."""
    (answer,) = sweep(bed, privileged=privileged)
    assert missed(bed, answer) == {}
    assert len(answer["found"]) == 60
    sent = bed.sent()
    assert sent["never"] == 0
    # What is counted, with what it is known that the kernel will send yet, is never less than what was on the wire.
    assert sent["arp"] + sent["ip"] <= answer["counts"]["packets"] + answer["to_follow"]
    assert answer["counts"]["most_half_open"] <= 512
    assert answer["counts"]["most_per_host"] <= 16


@pytest.mark.long  # chance has its part in it
@pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "CAP_NET_RAW"])
def test_loss(bed: Bed, privileged: bool) -> None:
    """With 5 % lost each way the first sweep finds 95 % of the cameras, and two find all."""
    cameras = [address for address, (_, ports) in bed.expected().items() if ports]
    bed.lose(5)
    try:
        first, second = sweep(bed, privileged=privileged, sweeps=2)
    finally:
        bed.lose(0)
    assert len([address for address in cameras if address in missed(bed, first)]) <= 1
    assert not [address for address in cameras if address in missed(bed, first) and address in missed(bed, second)]


@pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "CAP_NET_RAW"])
def test_large(tmp_path: Path, privileged: bool) -> None:
    """A /20 with 100 cameras: none is missed, and without privilege the neighbour table is not filled."""
    network = "10.78.0.0/20"
    with Bed(tmp_path, network, dwellers(network, 100, 100, ports=RARE)) as bed:
        (answer,) = sweep(bed, privileged=privileged)
        assert missed(bed, answer) == {}
        assert answer["counts"].get("most_unanswered", 0) <= 800
        # The table is one for the whole machine: where something else fills it, the sweep waits and still misses none.
