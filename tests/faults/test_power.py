"""The power cut at random instants, publisher and broker alike: what was accepted arrives, and it always starts."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.faults.account import Ledger
from tests.faults.power import PowerDisk
from tests.faults.waiting import sleep


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Iterator[PowerDisk]:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(PowerDisk(tmp_path / "disk"))
        except OSError as error:
            pytest.skip(str(error))
        yield disk


def test_the_disk_loses_what_was_not_synced(disk: PowerDisk) -> None:
    """The instrument itself: of two files the one that was synced is there after the cut, and of it what was synced."""
    for name in ("synced", "lost"):
        descriptor = os.open(disk.folder / name, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"first")
        if name == "synced":
            os.fsync(descriptor)
        os.write(descriptor, b"second")
        os.close(descriptor)
    disk.cut()
    assert [one.name for one in disk.folder.iterdir() if one.is_file()] == ["synced"]
    assert (disk.folder / "synced").read_bytes() == b"first"


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("cuts", [5, pytest.param(50, marks=pytest.mark.long)])
async def test_power_cuts(broker: Any, child: Any, disk: PowerDisk, cuts: int) -> None:
    """In full flow the power goes, for publisher and broker at once: nothing that was accepted is lost."""
    mosquitto = broker()
    state = disk.folder / "state"
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    ledger, newest_state, first, waiting = Ledger(), -1, 0, 0
    for cut in range(cuts):
        up = cut > 0 and chance.random() < 0.7
        if up:
            await mosquitto.start()
        one = child(mosquitto.port, "stream", first, chance.choice((300, 2000, 6000)), state=state)
        await one.tells("ready")
        await sleep(chance.uniform(0.02 if up else 0.2, 0.6))
        one.kill()
        disk.cut()
        if up:
            mosquitto.kill()
        first += 100_000  # numbers that were sent and not on the disk may have arrived as well
        ledger.accepted |= set(one.accepted())
        newest_state = max(one.states(), default=newest_state)
        if not (state / "state.db").exists():
            continue  # the power went before anything had to be there: what was accepted, the broker had
        with closing(sqlite3.connect(state / "state.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",), seed
            waiting += database.execute("SELECT count(*) FROM outbox").fetchone()[0] > 0
    await mosquitto.start()
    rest = child(mosquitto.port, "drain", state=state)
    result = await rest.tells("result")
    await rest.ends()
    ledger.balance(
        f"power cut, publisher and broker, {cuts} times at random",
        mosquitto.arrivals(),
        rss_mb=result["rss_mb"],
        remark=f"ext4 that loses what was not synced; {result['left']} left for the last life; seed {seed}",
    )
    assert waiting, "no cut came while messages waited"
    if newest_state >= 0:
        assert int(mosquitto.retained("state/p")["state/p"]) >= newest_state, seed
