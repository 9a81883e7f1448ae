"""The store on a real thread and a real disk: locked, full, cut off; and the reactor's thread never waits for it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import LoopingCall, deferLater

from twisted_detector.model import Camera, JournalRecord, Message
from twisted_detector.store.store import Store


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path, None, None]:
    """A disk of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk is not possible here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def records(first: int, last: int, size: int = 256) -> list[JournalRecord]:
    return [
        JournalRecord(number, Message("camera/event/x", str(number).encode().ljust(size)), 1.7e9)
        for number in range(first, last + 1)
    ]


async def until(reactor: Any, true: Any, seconds: float) -> None:
    for _ in range(round(seconds / 0.02)):
        if true():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError(f"not within {seconds} s")


CAMDETECT = ("-m", "twisted_detector.cli")
TWISTD = (str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=")


@pytest.mark.parametrize(
    "words",
    [
        (*CAMDETECT, "run"), (*CAMDETECT, "list"), (*CAMDETECT, "export", "csv"),
        (*TWISTD, "--python=camdetect.tac"), (*TWISTD, "camdetect"),
    ],
)  # fmt: skip
def test_directory_that_others_may_write(words: tuple[str, ...], tmp_path: Path) -> None:
    """Every command that would use such a directory ends with status 2 and a sentence; nothing is made in it."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "state.db").touch()
    state.chmod(0o777)
    done = subprocess.run(
        [sys.executable, *words],
        env={"PATH": os.environ["PATH"], "STATE_DIR": str(state), "MQTT_BROKER": "127.0.0.1", "MQTT_PORT": "1"},
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{state} may be written by everybody" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert [path.name for path in state.iterdir()] == ["state.db"]


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


async def saved_ids(reactor: Any, directory: Path) -> list[int]:
    store = Store(reactor, directory)
    await store.open()
    found = await store.load_outbox()
    await store.close()
    return [record.id for record in found]


@pytest_twisted.ensureDeferred
async def test_next_life(reactor: Any, tmp_path: Path) -> None:
    """What was closed in order is all there in the next life; the file is one file then."""
    camera = Camera(id="a", device_id="b", address="192.0.2.1")
    store = Store(reactor, tmp_path / "state", synchronous="FULL")
    await store.open()
    for record in records(1, 250):
        store.append(record)
    await store.save_camera(camera)
    await store.close()
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["lock", "state.db"]
    assert await saved_ids(reactor, tmp_path / "state") == list(range(1, 251))
    store = Store(reactor, tmp_path / "state")
    await store.open()
    assert await store.load_cameras() == [camera]
    await store.close()


@pytest.mark.last  # how long the reactor does not come round
@pytest_twisted.ensureDeferred
async def test_locked(reactor: Any, tmp_path: Path) -> None:
    """A file that another program locks makes the store degraded, not slow; all is written when the lock is gone."""
    store = Store(reactor, tmp_path)
    await store.open()
    ticks: list[float] = []
    beat = LoopingCall(lambda: ticks.append(reactor.seconds()))
    beat.clock = reactor
    beat.start(0.01)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for record in records(1, 10):
        store.append(record)
    await until(reactor, lambda: store.degraded, 5)
    assert "locked" in store.degraded
    other.execute("COMMIT")
    other.close()
    await until(reactor, lambda: not store.degraded, 5)
    beat.stop()
    await store.close()
    gaps = [later - earlier for earlier, later in pairwise(ticks)]
    assert max(gaps) < 0.5, "the reactor waited for the lock"  # the lock was waited for during 2 s
    assert await saved_ids(reactor, tmp_path) == list(range(1, 11))


@pytest_twisted.ensureDeferred
async def test_full(reactor: Any, small_disk: Path) -> None:
    """A full disk makes the store degraded; what gathered meanwhile is written when there is room again."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 700_000)
    store = Store(reactor, small_disk / "state")
    told: list[str] = []
    store.degraded_changed.add(told.append)
    await store.open()
    for record in records(1, 2_000):
        store.append(record)
    await until(reactor, lambda: store.degraded, 5)
    assert "full" in store.degraded
    store.remove([number for number in range(1, 2_001) if number % 2])
    ballast.unlink()
    await until(reactor, lambda: not store.degraded, 8)
    await store.close()
    assert told[-1] == ""
    assert await saved_ids(reactor, small_disk / "state") == list(range(2, 2_001, 2))


@pytest_twisted.ensureDeferred
async def test_full_from_the_start(reactor: Any, small_disk: Path) -> None:
    """A disk without room for the first byte does not keep the store from starting."""
    ballast = small_disk / "ballast"
    fill(ballast)
    store = Store(reactor, small_disk / "state")
    await store.open()
    assert store.degraded
    assert await store.load_outbox() == []
    for record in records(1, 3):
        store.append(record)
    ballast.unlink()
    await until(reactor, lambda: not store.degraded, 8)
    await store.close()
    assert await saved_ids(reactor, small_disk / "state") == [1, 2, 3]


@pytest_twisted.ensureDeferred
async def test_cannot_be_made(reactor: Any, tmp_path: Path) -> None:
    """A state directory that cannot be made degrades the store and nothing else."""
    (tmp_path / "file").write_text("")
    store = Store(reactor, tmp_path / "file" / "state")
    await store.open()
    assert store.degraded
    await store.save_value("a", "b", "c")
    assert await store.load_values("a") == {"b": "c"}
    await store.close()
