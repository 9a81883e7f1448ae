"""Secrets that tests gave to processes go in; every place where one of them can be read comes out.

Every value that a process is given as a secret is a canary: what stands in the environment of a daemon or a simulator
under the name of a secret setting, and what stands in the files that such a setting names. Nobody has to plant them. A
test that gives a secret in another way says so with :meth:`Canaries.plant`.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from twisted_detector.config.config import Config
from twisted_detector.operations.control_socket import NAME

#: Settings of ours that are secret, and the simulator's.
SECRET_SETTINGS = (*(name.upper() for name, one in Config.settings().items() if one.secret), "SIMULATOR_LOGIN")
#: A shorter one stands in every log by chance.
SHORTEST = 8
#: What is said at the control socket of a daemon that is about to end.
QUESTIONS: tuple[Mapping[str, str], ...] = (
    {"command": "list"},
    {"command": "status"},
    {"command": "doctor"},
    {"command": "state"},
)
#: A file of a test that is larger is read up to here.
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Leak:
    """A canary that was found, and where. It does not show the canary."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} can be read in {self.where}"


#: Files of a state directory that hold logins on purpose (CONTRACT: "a separate env file, mode 0600").
LOGIN_FILES = frozenset({"frigate.env", "go2rtc.env", "overrides", "overrides.last-good"})


@dataclass
class Canaries:
    """What is watched for, and what is to be looked through.

    :ivar looked: how many texts, and how many bytes of them, were looked through.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    outputs: set[Path] = field(default_factory=set)
    states: set[Path] = field(default_factory=set)
    leaks: list[Leak] = field(default_factory=list)
    looked: list[int] = field(default_factory=lambda: [0, 0])

    # --- what is secret ----------------------------------------------------------------------------------------------

    def plant(self, secret: str, what: str) -> None:
        """``secret`` must not be seen anywhere from now on; ``what`` is its name in a fault."""
        if len(secret) >= SHORTEST:
            self.secrets.setdefault(secret, what)

    def started(self, environment: Mapping[str, str], output: Path | None) -> None:
        """A process was started with this environment, and writes to this file."""
        for name in SECRET_SETTINGS:
            texts = [environment.get(name, "")]
            file = environment.get(f"{name}_FILE", "")
            if file and Path(file).is_file():
                texts += Path(file).read_text("utf-8", "replace").splitlines()
            for text in texts:
                for entry in text.split(",") if name == "CAMERA_CREDENTIALS" else [text]:
                    if name == "CAMERA_CREDENTIALS" and entry.strip()[:1] in ("", "#", "["):
                        continue  # a comment or a heading is no secret, and headings stand in messages
                    user, colon, password = entry.partition(":")
                    self.plant(password if colon else entry, f"{name}{' of ' + user if colon else ''}")
                    if colon and password:
                        self.plant(base64.b64encode(entry.encode()).decode(), f"{name} of {user}, as Basic sends it")
        if output is not None:
            self.outputs.add(output)
        if environment.get("STATE_DIR"):
            self.states.add(Path(environment["STATE_DIR"]))

    def _spellings(self) -> Iterator[tuple[bytes, str]]:
        for secret, what in self.secrets.items():
            for spelling in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
                yield spelling.encode(), what

    # --- looking -----------------------------------------------------------------------------------------------------

    def look(self, data: bytes, where: str) -> None:
        """Look through a text."""
        self.looked[0] += 1
        self.looked[1] += len(data)
        for spelling, what in self._spellings():
            if spelling in data:
                leak = Leak(where, what)
                if leak not in self.leaks:
                    self.leaks.append(leak)

    def look_at_processes(self) -> None:
        """The command line of every process that tests have started; an environment belongs to its user alone."""
        if not self.secrets:
            return
        for pid in _descendants(os.getpid()):
            try:
                self.look(Path(f"/proc/{pid}/cmdline").read_bytes(), f"the command line of process {pid}")
            except OSError:
                continue  # it has ended

    def look_at_daemon(self, environment: Mapping[str, str]) -> None:
        """What a daemon that runs answers at its control socket."""
        path = Path(environment.get("STATE_DIR", "")) / NAME
        if not self.secrets or not environment.get("STATE_DIR") or not path.exists():
            return
        for question in QUESTIONS:
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(2)
                    connection.connect(str(path))
                    connection.sendall(json.dumps(question).encode() + b"\r\n")
                    answer = b""
                    while b"\n" not in answer and (piece := connection.recv(65_536)):
                        answer += piece
            except OSError:
                return  # it was killed, or is too busy: that is another test's affair
            self.look(answer, f"the answer to {question['command']} at the control socket")

    def look_at_files(self) -> None:
        """Outputs of processes (what a listener heard from the broker is one), and all files of state directories."""
        if not self.secrets:
            return
        for output in self.outputs:
            if output.is_file():
                self.look(_read(output), f"the output {output.name}")
        for directory in self.states:
            for file in _files(directory):
                if file.name in LOGIN_FILES:
                    # What it is for; but then it is its owner's alone, whatever stands around it.
                    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                        self.leaks.append(Leak(f"{file.name}, which others may read", "the logins"))
                    continue
                self.look(_read(file), f"the state file {file.name}")
                if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) and directory.stat().st_mode & 0o077:
                    leak = Leak(f"{file.name} of the state directory", "the state")
                    if leak not in self.leaks:
                        self.leaks.append(leak)

    def forget_files(self) -> None:
        """The files of a test were looked through and may go."""
        self.outputs.clear()
        self.states.clear()


def _descendants(pid: int) -> Iterator[int]:
    """Children, grandchildren and so on; other tests on this machine have secrets of their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # proc(5): the name may have blanks and parentheses; state and parent follow the last ")".
                parent = int((entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    waiting = list(children.get(pid, ()))
    while waiting:
        found = waiting.pop()
        yield found
        waiting += children.get(found, ())


def _files(directory: Path) -> Iterable[Path]:
    return [path for path in directory.rglob("*") if path.is_file()] if directory.is_dir() else []


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES)
    except OSError:
        return b""


#: The canaries of this run of the tests: :class:`tests.processes.Process` tells them what it starts.
CANARIES = Canaries()
