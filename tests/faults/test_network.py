"""A network that resets, swallows, delays, throttles, cuts and disappears: nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.faults.account import Ledger
from tests.faults.proxy import Mode, cut_points
from tests.faults.waiting import run, sleep, until
from tests.listener import Listener
from tests.processes import Process


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("mode", "busy"),
    [
        (Mode.SWALLOW, True),
        pytest.param(Mode.BLACKHOLE, False, marks=pytest.mark.long),
        pytest.param(Mode.SWALLOW, False, marks=pytest.mark.long),
        pytest.param(Mode.BLACKHOLE, True, marks=pytest.mark.long),
    ],
)
async def test_silence(broker: Any, station: Any, proxy: Any, mode: Mode, busy: bool) -> None:
    """A half-open connection, or one that takes nothing, is noticed within 5 s and loses nothing."""
    mosquitto = broker()
    await mosquitto.start()
    between = proxy(mosquitto.port)
    one = await station(between.port).start()
    await one.connects()
    one.say(300)
    await one.settled()
    await sleep(0.2)
    fault = time.monotonic()
    between.turn(mode)
    if busy:
        one.say(300, size=2000)
    await until(lambda: not one.connected, 8)
    noticed = one.since(fault, "disconnected")
    one.say(100)
    back = time.monotonic()
    between.turn(Mode.OPEN)
    await one.settled()
    name = "half-open: swallowed" if mode is Mode.SWALLOW else "black hole: nothing taken"
    one.balance(
        f"{name}, {'busy' if busy else 'idle'}",
        mosquitto.arrivals(),
        noticed=noticed,
        back=one.first_acknowledgement(back),
    )
    assert noticed <= 5
    one.check_pairs()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("how", ["reset", pytest.param("half_close", marks=pytest.mark.long)])
async def test_reset(broker: Any, station: Any, proxy: Any, how: str) -> None:
    """A connection that is reset, or half-closed, in full flow is replaced and loses nothing."""
    mosquitto = broker()
    await mosquitto.start()
    between = proxy(mosquitto.port)
    one = await station(between.port).start()
    await one.connects()
    one.say(3000)
    for round_ in (1, 2, 3):
        await until(lambda round_=round_: len(one.acknowledged_at) > 500 * round_)
        await until(lambda: one.connected)
        fault = time.monotonic()
        getattr(between, how)()
        await until(lambda: not one.connected, 3)
    noticed = one.since(fault, "disconnected")
    await one.settled()
    one.balance(
        f"connection {how.replace('_', '-')} 3 times in full flow",
        mosquitto.arrivals(),
        noticed=noticed,
        back=one.first_acknowledgement(fault),
    )
    assert noticed < 1
    one.check_pairs()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("count", [20, pytest.param(3000, marks=pytest.mark.long)])
async def test_latency(broker: Any, station: Any, proxy: Any, count: int) -> None:
    """With 500 ms there and 500 ms back everything arrives over one connection."""
    mosquitto = broker()
    await mosquitto.start()
    between = proxy(mosquitto.port)
    between.latency = 0.5
    one = await station(between.port).start()
    await one.connects()
    began = time.monotonic()
    one.say(count)
    await one.settled(200)
    seconds = time.monotonic() - began
    one.balance(
        f"latency 500 ms each way, {count} messages",
        mosquitto.arrivals(),
        back=one.first_acknowledgement(began),
        remark=f"{count / seconds:.0f} msg/s, one connection",
    )
    assert between.connections == 1, [change.reason for _, change in one.changes]


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("count", "size"),
    [(80, 150), pytest.param(3000, 150, marks=pytest.mark.long), pytest.param(8, 60_000, marks=pytest.mark.long)],
)
async def test_bandwidth(broker: Any, station: Any, proxy: Any, count: int, size: int) -> None:
    """At 10 kB/s everything arrives over one connection, large messages too: slow is not silent."""
    mosquitto = broker()
    await mosquitto.start()
    between = proxy(mosquitto.port)
    one = await station(between.port).start()
    await one.connects()
    between.bandwidth = 10_000
    began = time.monotonic()
    one.say(count, size=size)
    await one.settled(400)
    seconds = time.monotonic() - began
    one.balance(
        f"10 kB/s, {count} messages of {size} B",
        mosquitto.arrivals(),
        remark=f"{count * size / seconds / 1000:.1f} kB/s, {between.connections} connection(s)",
    )
    assert between.connections == 1, [change.reason for _, change in one.changes]


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("cuts", [15, pytest.param(300, marks=pytest.mark.long)])
async def test_cut_inside_a_packet(broker: Any, station: Any, proxy: Any, tmp_path: Path, cuts: int) -> None:
    """Connections cut at random bytes lose nothing, and no payload arrives mixed with another."""
    mosquitto = broker()
    await mosquitto.start()
    listener = Listener(tmp_path / "heard.txt", mosquitto.port)
    between = proxy(mosquitto.port)
    seed = random.randrange(1 << 30)
    # No wait between attempts: the machine is not asked how it paces here, but how often it can be cut.
    one = await station(between.port, reconnect_min=0.05, reconnect_max=0.05).start()
    await one.connects()
    points = cut_points(seed, 1, 30_000)
    between.cut_after(points(), points)
    try:
        while between.cuts < cuts:
            if one.service.outbox.depth() < 5000:  # a full outbox drops: that is another test
                one.say(150, size=random.Random(seed + between.cuts).randrange(400))
            await sleep(0.05)
        between.cut_after(None)
        await one.settled(60)
        await until(
            lambda: one.ledger.accepted <= {each.topic for each in listener.heard()}, 10, lambda: f"seed {seed}"
        )
        for each in listener.heard():
            if each.topic.startswith("f/"):
                number, dots = each.payload.split(" ")
                assert each.topic.endswith(f"/{number}"), (seed, each)
                assert not dots.strip("."), (seed, each)
        one.balance(f"cut at {between.cuts} random bytes", mosquitto.arrivals(), remark="every payload intact")
        one.check_pairs()
    finally:
        listener.end()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.long)])
async def test_flapping_network(broker: Any, station: Any, proxy: Any, seconds: int) -> None:
    """A connection that breaks every second loses nothing, and the broker is not hammered with attempts."""
    mosquitto = broker()
    await mosquitto.start()
    between = proxy(mosquitto.port)
    one = await station(between.port).start()
    await one.connects()
    between.flap(1.0)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        one.say(50)
        await sleep(0.1)
    between.flap(0)
    back = time.monotonic()
    await one.settled()
    one.balance(
        f"flapping every second for {seconds} s",
        mosquitto.arrivals(),
        remark=f"{between.connections} connections, the last queue empty after {time.monotonic() - back:.1f} s",
    )
    assert between.connections <= seconds + 2
    one.check_pairs()


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace of its own with nothing but a loopback."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"):
        pytest.skip("network namespaces and packet filters need root, iproute2 and nftables")
    name = f"faults-{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        run("ip", "netns", "delete", name)


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_dead_network(broker: Any, child: Any, namespace: str, tmp_path: Path) -> None:
    """Packets that vanish in both directions, the acknowledgements of TCP too, are noticed within 5 s."""
    mosquitto = broker()
    inside = ["ip", "netns", "exec", namespace]
    daemon = Process([*inside, "mosquitto", "-c", str(tmp_path / f"mosquitto-{mosquitto.port}.conf")], mosquitto.log)
    filters = (
        "add table inet f; add chain inet f in { type filter hook input priority 0; }; "
        f"add rule inet f in tcp dport {mosquitto.port} drop; add rule inet f in tcp sport {mosquitto.port} drop"
    )
    try:
        one = child(mosquitto.port, "stream", "0", "500", prefix=inside)
        await one.tells("ready")
        await until(lambda: len(one.accepted()) > 500)
        fault = time.monotonic()
        run(*inside, "nft", filters)
        await until(lambda: any(line.get("change") == "disconnected" for line in one.lines()), 8)
        noticed = next(line for line in one.lines() if line.get("change") == "disconnected")
        back = time.monotonic()
        run(*inside, "nft", "delete table inet f")
        await until(lambda: [line.get("change") for line in one.lines()].count("connected") == 2, 12)
        again = next(line["at"] for line in one.lines()[::-1] if line.get("change") == "connected")
        await sleep(0.5)
        one.kill()
        rest = child(mosquitto.port, "drain", prefix=inside)
        await rest.ends()
        ledger = Ledger(set(one.accepted()))
        ledger.balance(
            "network dead (every packet dropped)",
            mosquitto.arrivals(),
            noticed=noticed["at"] - fault,
            back=again - back,
            remark=f"“{noticed['reason']}”; then kill -9",
        )
        assert noticed["at"] - fault <= 5
    finally:
        daemon.end()
