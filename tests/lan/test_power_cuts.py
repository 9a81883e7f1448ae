"""The power of a board goes, again and again: it starts each time, knows its cameras, and what people decided."""

from __future__ import annotations

import json
import random
import sqlite3
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.power import PowerDisk
from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, PORT, Site, cid, simulated
from tests.processes import Process

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

MACS = {f"10.77.0.{number}": f"02:00:00:00:00:{number}" for number in (21, 22, 23)}
COMMANDS = "system/camera_detector/node1/command"
RESULTS = f"{COMMANDS}/result"


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Iterator[PowerDisk]:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(PowerDisk(tmp_path / "disk"))
        except OSError as error:
            pytest.skip(str(error))
        yield disk


class Board:
    """The daemon and its broker on one board; :ivar named: what people were told is kept, by camera."""

    def __init__(self, lab: Lab, disk: PowerDisk) -> None:
        self.site = Site(lab)
        self.site.state = disk.folder / "state"
        self._disk = disk
        self.named: dict[str, str] = {}
        self.told: set[str] = set()
        self._daemon: Process | None = None

    def start(self) -> None:
        self._daemon = self.site.daemon(CAMERA_CREDENTIALS=LOGIN, HEALTH_REPORT_INTERVAL="1", SNAPSHOT_INTERVAL="0")
        self.site.health(seconds=30.0)  # it takes commands by now

    def answered(self, number: int) -> dict[str, Any] | None:
        """The answer to the command of that number, when it has come."""
        found = [one.json for one in self.site.listener.on(RESULTS)]
        return next((one for one in found if one.get("id") == number), None)

    def name(self, camera_id: str, text: str, number: int) -> None:
        """A person gives a name; it counts once he is told that it is kept."""
        asked = json.dumps({"id": number, "command": "name", "camera_id": camera_id, "name": text})
        self.site.host.run("mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", COMMANDS, "-m", asked)
        deadline = time.monotonic() + 10
        while (answer := self.answered(number)) is None:
            assert time.monotonic() < deadline, "no answer to `name`"
            time.sleep(0.01)
        if answer.get("ok", True):
            self.named[camera_id] = text

    def cut(self) -> None:
        """Everything on the board ends in one moment."""
        self.told |= self.site.ids()
        assert self._daemon is not None
        self._daemon.kill_group()
        self._disk.cut()
        self.site.broker.kill_group()
        self._daemon.wait()
        self.site.broker.wait()

    def power(self) -> None:
        self.site.broker = self.site.start_broker()
        self.site.listener = self.site.listen()


@pytest.mark.parametrize("cuts", [5, pytest.param(50, marks=pytest.mark.long)])
def test_power_cuts(lab: Lab, disk: PowerDisk, cuts: int) -> None:
    """0 starts fail, 0 cameras that were told are forgotten, 0 decisions that were acknowledged are lost."""
    for address, mac in MACS.items():
        simulated(lab, f"sim{mac[-2:]}", address, mac).processes[0].wait_for("camera", 20)
    wanted = {cid(mac) for mac in MACS.values()}
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    board = Board(lab, disk)
    number = 0
    for cut in range(cuts):
        board.start()
        for mac in MACS.values():
            board.site.online(mac, 30.0)
        for camera_id in chance.sample(sorted(wanted), chance.randrange(1, 4)):
            number += 1
            board.name(camera_id, f"name {number}", number)
        time.sleep(chance.uniform(0.0, 0.3))
        board.cut()
        with closing(sqlite3.connect(board.site.state / "state.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",), (cut, seed)
            known = {row[0] for row in database.execute("SELECT id FROM cameras")}
        assert board.told <= known, f"forgotten in cut {cut}: {board.told - known} (seed {seed})"
        kept = tomllib.loads((board.site.state / "overrides").read_text("utf-8"))["camera"]
        assert {one: kept.get(one, {}).get("name") for one in board.named} == board.named, (cut, seed)
        board.power()
    board.start()
    for mac in MACS.values():
        assert board.site.online(mac, 30.0)["camera_id"] == cid(mac)
    assert board.told == wanted
