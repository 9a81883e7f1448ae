"""Command lines go in; running processes that are surely ended, by their pid, come out."""

from __future__ import annotations

import codecs
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.canaries import CANARIES

ROOT = Path(__file__).resolve().parents[1]
#: A process tells in its output what it does that will no longer be allowed; tests/conftest.py reads it there.
TOLD = "default::DeprecationWarning,default::FutureWarning"


class Tail:
    """Reader of a file that grows: what was read is not read again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def more(self) -> str:
        """What was written since the last call."""
        with self._file.open("rb") as stream:
            stream.seek(self._read)
            data = stream.read()
        self._read += len(data)
        return self._decoder.decode(data)

    def lines(self) -> list[str]:
        """The lines that were ended since the last call: while it is written, the last may be half of one."""
        *ended, self._rest = (self._rest + self.more()).split("\n")
        return ended


class Process:
    """A process of a test with its output in a file; ``end`` terminates it and everything it started."""

    def __init__(self, arguments: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> None:
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.output = output
        self._file = output.open("wb")
        self._tail = Tail(output)
        self._text = ""
        # Its own session: one signal reaches `ip netns exec`, the interpreter behind it, and their children.
        self.process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env={"PYTHONWARNINGS": TOLD, **environment} if environment is not None else None,
            cwd=ROOT,
            start_new_session=True,
        )
        CANARIES.started(self.environment, output)

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        """All of its output so far."""
        self._text += self._tail.more()
        return self._text

    def lines(self) -> list[str]:
        """The lines of its output that are ended: while it writes, the last may be half of one."""
        return self.text().split("\n")[:-1]

    def wait_for(self, words: str, seconds: float = 15.0) -> None:
        """Until its output contains ``words``."""
        wait_until(lambda: words in self.text(), seconds, lambda: f"{words!r} in the output of {self}:\n{self.text()}")
        CANARIES.look_at_processes()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill_group(self) -> None:
        """SIGKILL to all of it, as when a machine runs out of memory."""
        os.killpg(self.pid, signal.SIGKILL)

    def wait(self, seconds: float = 10.0) -> int:
        """Its exit status."""
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process.poll() is None:
            CANARIES.look_at_processes()
            CANARIES.look_at_daemon(self.environment)
            os.killpg(self.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.process.wait(5)
        self._file.close()

    def __str__(self) -> str:
        return " ".join(self.arguments[:6])


def run_to_end(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, *, seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself; no secret of its environment may stand on its command line or in what it says."""
    CANARIES.started(environment or {}, None)
    with subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment) if environment is not None else None,
        cwd=ROOT,
        text=True,
    ) as process:
        CANARIES.look_at_processes()
        try:
            said, complained = process.communicate(timeout=seconds)
        except BaseException:
            process.kill()
            raise
    CANARIES.look(f"{said}\n{complained}".encode(), f"what {' '.join(arguments[:6])} said")
    return subprocess.CompletedProcess(list(arguments), process.returncode, said, complained)


def wait_until(
    true: Callable[[], object], seconds: float, what: Callable[[], str] | str, *, interval: float = 0.02
) -> None:
    """Look again and again; AssertionError with ``what`` when the time is over."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(interval)
