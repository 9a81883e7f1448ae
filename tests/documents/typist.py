"""Reader of a page: its commands are typed as they stand there, in their order, on a machine of a lab with cameras."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.documents.index import make_index
from tests.documents.pages import Command, blocks, pages
from tests.documents.stand_ins import HOME, LOGIN, NAMES, PROOFS, SCENES, Scene
from tests.documents.world import World
from tests.lan.farm import plant
from tests.lan.lab import Host, Lab, python
from tests.processes import ROOT, Process, wait_until

PAGES = {str(path.relative_to(ROOT)): blocks(path) for path in pages()}
#: Those with something to be run.
RUN = [page for page, found in PAGES.items() if any(one.is_shell and not one.mark for one in found)]


def followers(page: str) -> list[str]:
    """The pages that are read after this one, at the same machine."""
    return [one for one in RUN if one in SCENES and SCENES[one].after == page]


def commands(page: str) -> list[Command]:
    """Those of a page that are run here."""
    return [one for block in PAGES.get(page, ()) if block.is_shell and not block.mark for one in block.commands()]


class Typist:
    """Reader of a page who types what it says, on a machine of a lab."""

    def __init__(self, lab: Lab, page: str) -> None:
        self._page, self._scene = page, SCENES.get(page, Scene())
        self._folder = lab.directory / "wheels"
        self._world = World(_around(lab, self._scene), self._environment())
        self._daemon: Process | None = None
        self._settings: Mapping[str, str] = {}

    def _environment(self) -> dict[str, str]:
        path = [f"{HOME}/stand-ins", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        if not self._scene.installed:
            path.insert(1, f"{ROOT}/.venv/bin")
        return {
            "HOME": HOME,
            "LANG": "C.UTF-8",
            "PATH": ":".join(path),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self._folder),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "CAMERA_CREDENTIALS": LOGIN,
            "PYTHONWARNINGS": "ignore",
            **self._scene.settings,
        }

    @contextmanager
    def at_the_machine(self) -> Iterator[None]:
        with self._world:
            self._furnish()
            try:
                yield
            finally:
                self._stop_daemon()

    def _furnish(self) -> None:
        world, script = self._world, Path(__file__).with_name("systemctl.py")
        names = "".join(f"{address} {name}\n" for name, address in NAMES.items())
        world.put("/etc/hosts", f"127.0.0.1 localhost\n{names}")
        world.put(f"{HOME}/stand-ins/systemctl", f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n', 0o755)
        interpreter = Path(sys._base_executable)  # type: ignore[attr-defined]  that of the index
        if not interpreter.is_relative_to("/usr"):
            interpreter = Path("/usr/local/python") / interpreter.relative_to(sys.base_prefix)
        world.put(f"{HOME}/stand-ins/python3", f'#!/bin/sh\nexec {interpreter} "$@"\n', 0o755)
        world.put(f"{HOME}/.curlrc", "fail\nno-progress-meter\n")
        world.put("url.txt", "rtsp://10.0.0.20:5566/live/1\n")
        self._must(f"touch {ROOT}/.venv/.made {ROOT}/.venv/.run {ROOT}/.venv/.test")
        if self._scene.configuration:
            text = next(one.text for one in PAGES[self._page] if one.language == "toml")
            world.put("/etc/camdetect.toml", text)
            world.put("/run/secrets/frigate-north", "made-up-password\n", 0o600)
            world.put("/yard/config.yml", "cameras: {}\n")
            world.environment["CAMDETECT_CONFIG"] = "/etc/camdetect.toml"
        if self._scene.installed:
            self._folder.mkdir()
            make_index(self._folder)

    def _must(self, text: str) -> str:
        done = self._world.type(text)
        assert done.status == 0, f"before {self._page}: {text}: {done.output}"
        return done.output

    # --- what it types ---

    def type(self, command: Command) -> None:
        """One command, until it has ended with status 0, or is proved to work when it never ends."""
        proof = next((proof for words, proof in PROOFS.items() if words in command.text), "")
        starts = bool(proof) and "make" in command.text
        if starts:
            self._stop_daemon()
        else:
            self._have_daemon(self._settings_of(command))
        if proof:
            self._prove(command, proof)
            return
        began = time.monotonic()
        done = self._world.type(f"set -eo pipefail; {command.text}", typed=f"{LOGIN.partition(':')[2]}\n")
        print(f"{command}\n{done.output}\n({time.monotonic() - began:.1f} s)")
        assert done.status == 0, f"{command}\nended with status {done.status}:\n{done.output}"

    def _prove(self, command: Command, proof: str) -> None:
        text = command.text
        if "--watch" in text:
            text = f"python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' bash -c {shlex.quote(text)}"
        process = self._world.start(text)
        try:
            process.wait_for(proof, 40)
        except AssertionError as error:
            raise AssertionError(f"{command}\n{error}") from None
        print(f"{command}\n{process.text()}")
        self._end(process)

    def _end(self, process: Process) -> None:
        """Ctrl-C, as a terminal has it: to all but the one that leads into the world, which tells the status."""
        for pid in World.below(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        process.wait(20)

    def look_at_log(self) -> None:
        """The unit's: a daemon that cannot have its state says that it is ready, too."""
        said = self._world.type("cat /run/stand-ins/log 2>/dev/null || true").output
        wrong = [line for line in said.splitlines() if re.search(r" (error|critical) ", line)]
        assert not wrong, f"{self._page}: the unit says:\n{said}"

    # --- the daemon that they ask ---

    def _settings_of(self, command: Command) -> Mapping[str, str]:
        return next((one for words, one in self._scene.when.items() if words in command.text), {})

    def _have_daemon(self, settings: Mapping[str, str]) -> None:
        if not self._scene.daemon or (self._daemon is not None and self._settings == settings):
            return
        self._stop_daemon()
        self._settings = settings
        words = " ".join(f"{name}={value}" for name, value in settings.items())
        self._daemon = daemon = self._world.start(f"{words} camdetect run")
        daemon.wait_for("The web page is at ", 30)
        count = lambda: self._world.type("camdetect list").output.count("  online  ")  # noqa: E731
        wait_until(lambda: count() >= 2, 40, lambda: f"two cameras:\n{daemon.text()}", interval=0.5)
        self._must("camdetect name 192.168.1.20 front-door && camdetect name 10.0.0.20 garden")
        token = self._world.type("cat /var/lib/camdetect/web_token 2>/dev/null || true").output
        self._world.environment["TOKEN"] = token.strip()

    def _stop_daemon(self) -> None:
        if self._daemon is not None:
            self._end(self._daemon)
            assert self._daemon.process.returncode == 0, self._daemon.text()
            self._daemon = None


def _around(lab: Lab, scene: Scene) -> Host:
    """The cameras and the broker; the host on which the page is read."""
    host = lab.host("you", "192.168.1.5", "02:00:00:00:00:05")
    host.run("ip", "addr", "add", "10.0.0.2/24", "dev", "eth0")
    if not (scene.daemon or scene.installed):
        return host
    broker = lab.host("broker", "192.168.1.6", "02:00:00:00:00:06")
    settings = lab.directory / "mosquitto.conf"
    settings.write_text("listener 1883 0.0.0.0\nallow_anonymous true\n", "ascii")
    broker.start("mosquitto", "-c", str(settings))
    door = lab.host("door", "192.168.1.20", "02:00:00:00:00:20")
    _simulate(door, "--rtsp-port", "554", "--auth", "digest")
    other = lab.host("other", "10.0.0.20", "02:00:00:00:00:66")
    _simulate(other, "--rtsp-port", "554")
    _simulate(other, "--rtsp-port", "5566", "--no-onvif", "--quirk", "secret_path=/live/1")
    if not scene.far:
        return host
    router = lab.host("router", "192.168.1.1", "02:00:00:00:00:01")
    lab.another_bridge("br1", router, "10.20.0.1")
    plant(lab, "far", "10.20.0.0/24", 1, first=20, bridge="br1", gateway="10.20.0.1").start()
    host.run("ip", "route", "add", "10.20.0.0/24", "via", "192.168.1.1")
    return host


def _simulate(host: Host, *options: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": LOGIN}
    host.start(
        *python("-m", "twisted_detector.cli", "simulate", "--bind", host.address, *options), environment=environment
    )


def read(first: str, directory: Path) -> None:
    """Each command of a page, and of those that are read after it, ends with status 0, or works until it is ended."""
    with Lab(directory) as lab:
        typist = Typist(lab, first)
        with typist.at_the_machine():
            for page in (first, *followers(first)):
                for command in commands(page):
                    typist.type(command)
            typist.look_at_log()
