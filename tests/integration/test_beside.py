"""Two commands at one time (``.ci/beside``): both run, either can fail, and Ctrl-C ends both."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT, wait_until

BESIDE = str(ROOT / ".ci" / "beside")


def beside(first: str, second: str) -> subprocess.CompletedProcess[str]:
    words = (BESIDE, "sh", "-c", first, "--", "sh", "-c", second)
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("first", "second", "status"), [(0, 0, 0), (3, 0, 3), (0, 4, 4)])
def test_either_can_fail(first: int, second: int, status: int) -> None:
    """What the first says comes last, whole."""
    done = beside(f"echo one; echo fault >&2; exit {first}", f"sleep 0.3; echo two; exit {second}")
    assert (done.returncode, done.stdout) == (status, "two\none\nfault\n"), done.stderr


def test_at_one_time(tmp_path: Path) -> None:
    """Each waits for what the other does."""
    ways = tmp_path / "there", tmp_path / "back"
    for way in ways:
        os.mkfifo(way)
    there, back = ways
    done = beside(f"echo hello >{there}; cat {back}", f"cat {there}; echo yes >{back}")
    assert (done.returncode, done.stdout) == (0, "hello\nyes\n"), done.stderr


def test_signals_are_heard() -> None:
    """What a shell puts behind itself is deaf to SIGINT, with all that it starts: daemons that a test ends so."""
    done = beside("kill -INT $$; echo deaf", "true")
    assert done.returncode != 0
    assert done.stdout == ""


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C, as a terminal has it."""
    pids = tmp_path / "first", tmp_path / "second"
    write = [f"echo $$ >{path}; exec sleep 600" for path in pids]
    process = subprocess.Popen((BESIDE, "sh", "-c", write[0], "--", "sh", "-c", write[1]), start_new_session=True)
    try:
        wait_until(lambda: all(path.exists() and path.read_text().strip() for path in pids), 20, "both have begun")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
        begun = [path.read_text().strip() for path in pids]
        wait_until(lambda: not any(map(alive, begun)), 20, "both have ended")
    finally:
        process.kill()
        process.wait()


def alive(pid: str) -> bool:
    """Whether it runs; who adopts an orphan may let it stand as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
