"""``kill -9`` of a process that accepts messages at full speed: whatever it called accepted is there afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT

#: Says "a N" when message N is accepted, and "d N" before it is acknowledged as by a broker; every third is.
CHILD = """
import os, sys, time
from pathlib import Path
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.queue import Limits
from twisted_detector.store.store import Store

async def main():
    store = Store(reactor, Path(sys.argv[1]))
    limits = Limits(messages=10_000_000, octets=10_000_000_000)  # a drop by overflow would appear as a loss
    outbox = Outbox(time.monotonic, wall=reactor.seconds, journal=store, limits=limits)
    await store.open()
    records = await store.load_outbox()
    await store.load_retained(outbox.restore_document)
    if sys.argv[2] == "read":
        for record in records:
            os.write(1, b"r %s\\n" % record.message.payload.strip())
        await store.close()
        reactor.stop()
        return
    outbox.restore(records)
    number = int(sys.argv[2])

    def accepted(_, n):
        os.write(1, b"a %d\\n" % n)

    while True:
        for _ in range(50):
            number += 1
            message = Message("camera/event/x", str(number).encode().ljust(256), priority=Priority(number % 2 * 2))
            outbox.put(message).accepted.addCallback(accepted, number)
        items = outbox.take(25)
        done = [item for item in items if int(item.message.payload) % 3 == 0]
        os.write(1, b"".join(b"d %s\\n" % item.message.payload.strip() for item in done))
        outbox.acknowledged([item.token for item in done])
        outbox.connection_lost()
        await deferLater(reactor, 0.001)

reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()).addErrback(lambda f: (f.printTraceback(), os._exit(1))))
reactor.run()
"""


def run(directory: Path, argument: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), argument],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    )


def life(directory: Path, first: int, seconds: float) -> tuple[set[int], set[int]]:
    """Accept messages for so long, then die; what was accepted, and what may have been acknowledged."""
    process = run(directory, str(first))
    assert process.stdout is not None
    said = bytearray()
    try:
        said += os.read(process.stdout.fileno(), 65536)  # it has begun
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            said += os.read(process.stdout.fileno(), 65536)
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    lines = [line.split() for line in said.decode().splitlines(keepends=True) if line.endswith("\n")]
    return {int(n) for kind, n in lines if kind == "a"}, {int(n) for kind, n in lines if kind == "d"}


def restored(directory: Path) -> list[int]:
    process = run(directory, "read")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return [int(line.split()[1]) for line in output.decode().splitlines()]


@pytest.mark.parametrize("kills", [int(os.environ.get("CAMDETECT_KILLS", "5"))])
def test_no_accepted_message_is_missing(tmp_path: Path, kills: int) -> None:
    """After kills at random instants every accepted message that was not acknowledged is there, once, in order."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    accepted: set[int] = set()
    acknowledged: set[int] = set()
    for kill in range(kills):
        first = (kill + 1) * 1_000_000
        now_accepted, now_acknowledged = life(tmp_path, first, chance.uniform(0.02, 0.5))
        assert now_accepted, f"nothing was accepted before kill {kill} (seed {seed})"
        accepted |= now_accepted
        acknowledged |= now_acknowledged
        found = restored(tmp_path)
        missing = accepted - acknowledged - set(found)
        assert not missing, f"{len(missing)} of {len(accepted)} accepted are missing after kill {kill} (seed {seed})"
        assert found == sorted(found), "order was lost"
        assert len(found) == len(set(found)), "something is there twice"
    print(f"{kills} kills, {len(accepted)} accepted, 0 missing")
