"""A folder with a Dockerfile goes in; running containers, which end with the test, come out.

Podman runs in namespaces of its own: of this machine's containers, cgroups and ``/run`` it sees nothing, and with the
first process of its pid namespace all that it started ends. Its storage (``.make/containers``) stays, so that a layer
is built once.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.processes import ROOT, wait_until

TOOL = ROOT / ".ci" / "containers"
#: Exit status of the tool: it cannot be done on this machine.
_CANNOT = 77
#: Seconds: a base by debootstrap, packages of Debian and of Python.
_BUILD = 1500
#: crun takes control groups that are all of one version.
_SET_UP = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
mkdir /run/lock
[ "$(stat --file-system --format=%T /sys/fs/cgroup)" = cgroup2fs ] || {
    umount -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
}
mkdir -p /var/lib/cni
mount -t tmpfs tmpfs /var/lib/cni
echo ready
exec sleep infinity
"""


def tool(*arguments: str | Path, seconds: float = _BUILD) -> str:
    """What the tool printed; the test is skipped where it cannot be had."""
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=seconds, cwd=ROOT)
    if done.returncode == _CANNOT:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def build(context: Path, *tags: str) -> None:
    tool("build", context, *tags)


class Engine:
    """Podman on a host of the lab.

    :param network: name of its network namespace.
    """

    def __init__(self, network: str, output: Path) -> None:
        storage, settings = tool("settings").split()
        self.environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "CONTAINERS_STORAGE_CONF": storage,
            "CONTAINERS_CONF": settings,
            "HOME": str(output.parent),
        }
        self._network = network
        self._output = output
        self._first: subprocess.Popen[bytes] | None = None
        self._inside: list[str] = []

    def __enter__(self) -> Engine:
        command = [
            *("nsenter", f"--net=/run/netns/{self._network}"),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-euc", _SET_UP),
        ]
        with self._output.open("wb") as output:
            self._first = subprocess.Popen(command, stdout=output, stderr=output, env=self.environment)
        try:
            self._furnish(self._first.pid)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _furnish(self, pid: int) -> None:
        wait_until(lambda: b"ready" in self._output.read_bytes(), 20, lambda: self._output.read_text())
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        self._inside = ["nsenter", "--target", child, "--mount", "--pid", "--net", f"--wd={ROOT}"]
        for kind in ("pod", "container", "container", "volume"):  # of a test before; twice, for some need others
            self.run("podman", kind, "rm", "--all", "--force", check=False)
        assert self.podman("ps", "--all", "--quiet") == ""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self._first is not None
        self._first.kill()
        self._first.wait(20)

    def run(self, *command: str, seconds: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command beside podman, to its end."""
        done = subprocess.run(
            [*self._inside, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=self.environment,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done

    def shell(self, commands: str, folder: Path, path: Path, seconds: float = 180) -> str:
        """Commands as a user types them, in a folder; ``path`` has programs that go before others."""
        environment = {**self.environment, "PATH": f"{path}:{self.environment['PATH']}"}
        done = subprocess.run(
            [*self._inside, "env", f"--chdir={folder}", "sh", "-eu"],
            input=commands,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=environment,
        )
        assert done.returncode == 0, f"{commands}: {done.stdout}{done.stderr}"
        return done.stdout

    def podman(self, *words: str, seconds: float = 60) -> str:
        return self.run("podman", *words, seconds=seconds).stdout

    def log(self, container: str) -> str:
        """What a container said: the volumes of its standard output and error, in their order."""
        done = self.run("podman", "logs", container)
        return done.stdout + done.stderr

    def inspected(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = json.loads(self.podman(kind, "inspect", name))
        return dict(found)

    def status(self, container: str) -> Mapping[str, str]:
        """``/proc/PID/status`` of a container's first process."""
        text = self.run("cat", f"/proc/{self.inspected('container', container)['State']['Pid']}/status").stdout
        return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}

    def python(self, container: str, code: str, *arguments: str) -> str:
        """What Python's code prints in a container of ours, which has no shell and no ``cat``."""
        return self.podman("exec", container, "python", "-c", code, *arguments)

    def pushed_bytes(self, image: str, folder: Path) -> int:
        """What a registry keeps of an image, and who pulls it fetches: its layers, compressed."""
        self.podman("push", "--quiet", "--compress", image, f"dir:{folder}", seconds=300)
        return sum(path.stat().st_size for path in folder.iterdir())
