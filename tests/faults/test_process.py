"""Our own process killed, its clock set, its descriptors and its disk used up: what was accepted arrives."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.faults.account import Ledger
from tests.faults.disk import fill, small_disk
from tests.faults.station import Station
from tests.faults.waiting import sleep, until


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.long)])
async def test_kill_9(broker: Any, child: Any, kills: int) -> None:
    """A publisher killed at random instants, with the broker there or not, has lost nothing that was on its disk."""
    mosquitto = broker()
    await mosquitto.start()
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    ledger, up, newest_state, first = Ledger(), True, -1, 0
    for _ in range(kills):
        if chance.random() < 0.3:
            if up:
                mosquitto.kill()
            else:
                await mosquitto.start()
            up = not up
        one = child(mosquitto.port, "stream", first, chance.choice((300, 2000, 6000)))
        await one.tells("ready")
        await sleep(chance.uniform(0.02, 0.6))
        one.kill()
        ledger.accepted |= set(one.accepted())
        newest_state = max(one.states(), default=newest_state)
        # Numbers that were sent and not on the disk may have arrived as well: the next life begins above them all.
        first = (first // 100_000 + 1) * 100_000
    if not up:
        await mosquitto.start()
    rest = child(mosquitto.port, "drain")
    result = await rest.tells("result")
    await rest.ends()
    ledger.balance(
        f"publisher kill -9, {kills} times at random",
        mosquitto.arrivals(),
        rss_mb=result["rss_mb"],
        remark=f"{result['left']} left for the last life; seed {seed}",
    )
    if newest_state >= 0:
        assert int(mosquitto.retained("state/p")["state/p"]) >= newest_state, seed


@pytest.mark.alone  # how soon a message is committed and acknowledged
@pytest_twisted.ensureDeferred
async def test_clock_jumps(broker: Any, child: Any) -> None:
    """The wall clock jumps by an hour, back by two, ahead by ten years and back: messages flow all the time."""
    mosquitto = broker()
    await mosquitto.start()
    years = 10 * 365 * 86_400
    one = child(mosquitto.port, "jump", "0.5:3600", "1:-7200", f"2:{years}", f"2.5:{-years}")
    result = await one.tells("result", 30)
    ledger = Ledger(set(one.accepted()))
    arrivals = mosquitto.arrivals()
    ledger.balance(
        "wall clock +1 h, -2 h, +10 a, -10 a",
        arrivals,
        stall_ms=result["stall_ms"],
        remark=f"slowest commit {result['slow_commit']:.3f} s, acknowledgement {result['slowest']:.3f} s",
    )
    assert result["unsent"] == 0, one.lines()
    assert len(set(arrivals)) == result["said"]
    assert result["slowest"] < 1
    assert result["slow_commit"] < 1
    assert result["stall_ms"] < 900
    assert not any(line.get("change") == "disconnected" for line in one.lines()[:-3])


@pytest_twisted.ensureDeferred
async def test_clock_jumps_back_in_an_outage(broker: Any, child: Any) -> None:
    """A clock that is set back while we wait to reconnect does not make the wait longer."""
    mosquitto = broker()
    one = child(mosquitto.port, "jump", "1:-3600", "2:0")
    await one.tells("jumped")
    back = await mosquitto.start()
    await until(lambda: any(line.get("change") == "connected" for line in one.lines()), 5, lambda: one.lines())
    again = next(line["at"] for line in one.lines() if line.get("change") == "connected")
    await one.tells("result", 30)
    ledger = Ledger(set(one.accepted()))
    ledger.balance("wall clock -1 h in an outage", mosquitto.arrivals(), back=again - back)


@pytest_twisted.ensureDeferred
async def test_many_descriptors(broker: Any, station: Any) -> None:
    """With more than 1 024 descriptors in use it connects, sends and reconnects."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    null = os.open(os.devnull, os.O_RDONLY)
    held = [os.dup(null) for _ in range(1200)]
    try:
        mosquitto = broker()
        await mosquitto.start()
        one = await station(mosquitto.port).start()
        await one.connects()
        one.say(500)
        mosquitto.kill()
        back = await mosquitto.start()
        await one.settled()
        one.balance("1 200 descriptors in use, restart", mosquitto.arrivals(), back=one.first_acknowledgement(back))
        await one.stop()
    finally:
        for descriptor in [*held, null]:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest_twisted.ensureDeferred
async def test_no_descriptor_left(broker: Any, station: Any) -> None:
    """Without a single free descriptor (RLIMIT_NOFILE) attempts fail with a reason; when some are free it goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port).start()
    await one.connects()
    one.say(200)
    await one.settled()
    null = os.open(os.devnull, os.O_RDONLY)
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        mosquitto.signal(9)
        await until(lambda: not one.connected)
        while True:
            held.append(os.dup(null))
    except OSError:
        one.say(200)
        failures = one.service.client.metrics.failures
        await until(lambda: one.service.client.metrics.failures > failures + 1, 8, lambda: one.changes[-1])
        reason = one.service.client.reason
    finally:
        for descriptor in [*held, null]:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    back = await mosquitto.start()
    await one.settled()
    one.balance(
        "no descriptor left (RLIMIT_NOFILE)",
        mosquitto.arrivals(),
        back=one.first_acknowledgement(back),
        remark=f"“{reason}”",
    )
    one.check_pairs()


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a small disk has to be mounted: that needs root")
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(tmp_path / "disk", 2))
        except OSError as error:
            pytest.skip(str(error))
        yield disk


@pytest_twisted.ensureDeferred
async def test_full_disk(broker: Any, small_disk: Path) -> None:
    """A full disk is said to be degraded; messages go on from memory; with room again they are on the disk again."""
    mosquitto = broker()
    one = await Station(small_disk / "state", mosquitto.port).start()
    try:
        filler = small_disk / "filler"
        fill(filler)
        one.say(3000, size=300)
        await until(lambda: one.service._store.degraded, 10)
        words = one.service.degraded
        assert "disk is full" in words or "full" in words, words
        await mosquitto.start()
        await one.settled()
        one.balance("disk full", mosquitto.arrivals(), remark=f"“{words}”; sent from memory")
        filler.unlink()
        one.ledger.accepted.clear()  # they are in the account above
        one.say(500)
        await until(lambda: not one.service._store.degraded, 40, lambda: one.service.degraded)
        await one.settled()
        one.balance("disk full, then with room again", mosquitto.arrivals())
    finally:
        await one.stop()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    "damage", ["middle", *(pytest.param(each, marks=pytest.mark.long) for each in ("header", "cut", "not a database"))]
)
async def test_corrupt_database(broker: Any, child: Any, tmp_path: Path, damage: str) -> None:
    """A damaged database file is set aside and said; what can be read of it is sent, and everything new is."""
    mosquitto = broker()
    state = tmp_path / "state"
    first = child(mosquitto.port, "stream", 0, 4000)
    await until(lambda: len(first.accepted()) > 1000)
    first.kill()
    file = state / "state.db"
    with closing(sqlite3.connect(file)) as database:  # all of it into the file itself, without a log beside it
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode=DELETE")
    content = file.read_bytes()
    if damage == "header":
        file.write_bytes(b"garbage!" * 4 + content[32:])
    elif damage == "middle":
        middle = len(content) // 2 // 4096 * 4096
        file.write_bytes(content[:middle] + os.urandom(8192) + content[middle + 8192 :])
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.write_bytes(b"This is not a database.\n" * 1000)
    await mosquitto.start()
    second = child(mosquitto.port, "stream", 100_000, 1000)
    await until(lambda: len(second.accepted()) > 500, 15, lambda: second.process.text()[-1500:])
    second.kill()
    rest = child(mosquitto.port, "drain")
    await rest.ends()
    ledger = Ledger(set(second.accepted()))
    arrivals = mosquitto.arrivals()
    saved = len(set(first.accepted()) & set(arrivals))
    aside = [each.name for each in state.iterdir() if "corrupt" in each.name]
    ledger.balance(
        f"database file damaged ({damage})",
        arrivals,
        remark=f"of {len(first.accepted())} in the damaged file {saved} could still be read",
    )
    assert aside
    if damage in ("middle", "cut"):
        assert saved


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_locked_database(broker: Any, station: Any) -> None:
    """While somebody else locks the database file, messages go on from memory; then they are on the disk again."""
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port).start()
    await one.connects()
    with closing(sqlite3.connect(one.folder / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        one.say(500)
        await until(lambda: "locked" in one.service.degraded, 5, lambda: one.service.degraded)
        await one.settled()
        words = one.service.degraded
        other.execute("ROLLBACK")
    one.say(500)
    await until(lambda: not one.service.degraded, 8)
    await one.settled()
    one.balance("database file locked by another", mosquitto.arrivals(), remark=f"“{words}”; sent from memory")


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_two_processes_with_one_state_directory(broker: Any, child: Any) -> None:
    """A second process with the same state directory is told so, and what it says arrives all the same."""
    mosquitto = broker()
    await mosquitto.start()
    first = child(mosquitto.port, "stream", 0, 200)
    await first.tells("ready")
    began = time.monotonic()
    second = child(mosquitto.port, "flood", 100)
    await second.tells("result", 40)
    await second.ends()
    first.kill()
    ledger = Ledger({f"f/publisher/x/{number}" for number in range(100)})
    ledger.balance(
        "state directory in use by another process",
        [topic for topic in mosquitto.arrivals() if "/x/" in topic],
        remark=f"the second goes on in memory; {time.monotonic() - began:.1f} s",
    )
