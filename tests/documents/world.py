"""A host of the lab goes in; a machine to type on comes out, with all files of this one, none of which changes.

Its root is an overlay over this machine's: what a command writes, anywhere, is in memory and goes with the test. The
processes have a process namespace of their own, so that none of them stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.lan.lab import Host
from tests.processes import ROOT, Process

#: Seconds that a command of a document may take: pip installs 25 wheels, a daemon stops in ten.
LONGEST = 120.0
_SET_UP = """
set -e
hostname camdetect
mount -t tmpfs world "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
cd root
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs run run
rm -rf var/lib/camdetect var/lib/private/camdetect etc/camdetect opt/camdetect
mkdir -p home/you/stand-ins var/backups usr/local/python
case $2 in
/usr | /usr/*) ;;
*)
    mount --bind "$2" usr/local/python
    echo /usr/local/python/lib >etc/ld.so.conf.d/000-python.conf
    chroot . ldconfig
    ;;
esac
exec chroot . bash -c 'echo ready; while :; do sleep 3600 & wait; done'
"""


@dataclass(frozen=True)
class Typed:
    """What came of a command."""

    status: int
    output: str


class World:
    """Use as a context manager."""

    def __init__(self, host: Host, environment: Mapping[str, str]) -> None:
        self._host = host
        self.environment = dict(environment)
        self._place = host.lab.directory / f"world-{host.name}"
        self._holder: Process | None = None

    def __enter__(self) -> World:
        self._place.mkdir()
        self._holder = self._host.start(
            *("unshare", "--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--kill-child"),
            *("bash", "-c", _SET_UP, "-", str(self._place), sys.base_prefix),
        )
        self._holder.wait_for("ready", 20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._holder is not None
        self._holder.kill_group()  # the first of a process namespace is deaf to all but this
        self._holder.end()

    def command(self, script: str) -> list[str]:
        """A command line that has ``script`` run there, with nothing but the world's own environment."""
        assert self._holder is not None
        (inside,) = self._children(self._holder.pid)
        enter = ["nsenter", f"--target={inside}", "--mount", "--uts", "--pid", "--net", "--root", f"--wdns={ROOT}"]
        words = [f"{name}={value}" for name, value in self.environment.items()]
        return [*enter, "env", "--ignore-environment", *words, "bash", "-c", script]

    @staticmethod
    def below(pid: int) -> list[int]:
        """The processes below one, however deep."""
        children = World._children(pid)
        return [*children, *(one for child in children for one in World.below(child))]

    @staticmethod
    def _children(pid: int) -> list[int]:
        """Of `ip netns exec`, which becomes `unshare`, the one child is the world's first process."""
        try:
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
        except FileNotFoundError:
            return []

    def type(self, script: str, *, typed: str = "") -> Typed:
        """Until it has ended; ``typed`` is on its standard input."""
        done = subprocess.run(
            self.command(script),
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST,
            env={"PATH": os.environ["PATH"]},
        )
        return Typed(done.returncode, done.stdout)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of this world."""
        done = self.type(f'mkdir -p "$(dirname {path})" && cat > {path} && chmod {mode:o} {path}', typed=text)
        assert done.status == 0, done.output

    def start(self, script: str) -> Process:
        """What does not end by itself."""
        output = self._host.lab.directory / f"{self._host.name}-typed-{len(self._host.processes)}.log"
        process = Process(self.command(f"exec 2>&1; {script}"), output, {"PATH": os.environ["PATH"]})
        self._host.processes.append(process)
        return process
