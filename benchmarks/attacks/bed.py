"""LAN with a daemon, a broker and a listener on one host, and room for rogues and genuine cameras beside it.

The daemon may be that of another checkout, so that an attack can be tried on the code as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.lan.lab import Host, Lab, python
from tests.listener import Heard, Listener
from tests.processes import ROOT, Process, wait_until

PORT = 1883
NODE = "node1"
HEALTH = f"system/camera_detector_health/{NODE}"
COMMANDS = f"system/camera_detector/{NODE}/command"
#: The operator's one login. Its password is one that nobody has by chance.
LOGIN = "viewer:attack-canary-3f9c"
WRONG = "viewer:attack-canary-wrong"
DAEMON = "10.98.0.10"
DAEMON_MAC = "02:00:00:00:00:10"
GENUINE, GENUINE_MAC = "10.98.0.50", "02:00:00:00:00:50"
ROGUE, ROGUE_MAC = "10.98.0.66", "02:00:00:00:00:66"


def cid(mac: str) -> str:
    return mac.replace(":", "")


class Rogue:
    """A rogue process and what it printed."""

    def __init__(self, host: Host, process: Process) -> None:
        self.host = host
        self.process = process

    def events(self, event: str = "") -> list[dict[str, Any]]:
        """What it printed so far, of one kind when it is named."""
        found = []
        for line in self.process.lines():
            with suppress(ValueError):
                one = json.loads(line)
                if not event or one["event"] == event:
                    found.append(one)
        return found

    def logins(self, kind: str = "") -> list[dict[str, Any]]:
        return [one for one in self.events("login") if not kind or one["kind"] == kind]


class Bed:
    """Use as a context manager.

    :param checkout: whose daemon it is; the rogues are always ours.
    """

    def __init__(self, checkout: Path = ROOT, *, prefix_length: int = 24, verbose_broker: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="attack-")
        self.directory = Path(self._folder.name)
        self.checkout = checkout
        self.prefix_length = prefix_length
        self.lab = Lab(self.directory)
        self.state = self.directory / "state"
        self._verbose = ("-v",) if verbose_broker else ()
        self._turns = 0
        self.started_at = 0.0

    def __enter__(self) -> Bed:
        self.lab.__enter__()
        try:
            self.host = self.lab.host("daemon", DAEMON, DAEMON_MAC, self.prefix_length)
            self.broker = self.start_broker()
            self.listener = self._listen()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if keep := os.environ.get("ATTACKS_KEEP"):
            target = Path(keep) / self.directory.name
            shutil.copytree(self.directory, target, ignore=shutil.ignore_patterns("*.sock"), dirs_exist_ok=True)
        self.lab.__exit__()
        self._folder.cleanup()

    # --- the daemon's host -----------------------------------------------------------------------------------------

    def start_broker(self) -> Process:
        return self.host.start("mosquitto", *self._verbose, "-p", str(PORT))

    def _listen(self) -> Listener:
        deadline = time.monotonic() + 15
        while True:
            prefix = ("ip", "netns", "exec", self.host.namespace)
            listener = Listener(self.directory / f"heard-{time.monotonic_ns()}.log", PORT, prefix=prefix)
            time.sleep(0.5)
            if listener.process.process.poll() is None:
                self.host.processes.append(listener.process)
                return listener
            listener.end()
            assert time.monotonic() < deadline, "mosquitto does not come up"

    def daemon(self, **settings: str) -> Process:
        """Start it with the defaults, one login, and what is given beside."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.checkout),
            "PYTHONUNBUFFERED": "1",
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory),
            "STATE_DIR": str(self.state),
            "MQTT_BROKER": "127.0.0.1",
            "MQTT_PORT": str(PORT),
            "NODE_ID": NODE,
            # Pace only: how soon the bench knows what is.
            "INITIAL_DISCOVERY_COUNT": "1",
            "HEALTH_REPORT_INTERVAL": "2",
            "CAMERA_USERNAME": LOGIN.partition(":")[0],
            "CAMERA_PASSWORD": LOGIN.partition(":")[2],
            **settings,
        }
        self._turns += 1
        watched = str(Path(__file__).with_name("watched_daemon.py"))
        arguments = (watched, str(self._turns_file), "-n", "--pidfile=", "-y", "camdetect.tac")
        self.started_at = time.time()
        self.process = self.host.start("env", "-C", str(self.checkout), *python(*arguments), environment=environment)
        return self.process

    @property
    def _turns_file(self) -> Path:
        return self.directory / f"turns-{self._turns}.jsonl"

    def stalls(self) -> list[float]:
        """Milliseconds of each long turn of the latest daemon's reactor, longest first; see ``watched_daemon``.

        The turn in which it loads its plugins, before it does anything, is left out: nobody waits for it.
        """
        turns = [json.loads(line) for line in self._turns_file.read_text("utf-8").split("\n")[:-1]]
        worked = [one for one in turns if not one["loading"]]
        return sorted((1000 * max(one["cpu"], one["turn"] - one["waited"]) for one in worked), reverse=True)

    def longest_stall(self) -> float:
        return next(iter(self.stalls()), 0.0)

    def health(self, accept: Callable[[Any], bool] = lambda _: True, seconds: float = 60.0) -> Any:
        """The latest health document, once it is accepted."""
        last: list[Any] = []

        def look() -> bool:
            last[:] = [heard.json for heard in self.listener.on(HEALTH)[-1:]]
            return bool(last) and accept(last[0])

        wait_until(look, seconds, lambda: f"a health document; the last: {str(last)[:2000]}", interval=0.2)
        return last[0]

    def first_run_is_over(self, seconds: float = 90.0) -> None:
        """Until the latest daemon has swept, asked everything that it found, and adopts nobody any more."""

        def is_over() -> bool:
            said = self.process.text()
            if "First run:" in said and "The first run has ended" not in said:
                return False
            told = [one.json for one in self.listener.on(HEALTH)[-1:] if one.at > self.started_at]
            return any(
                one["discovery"]["sweeps"]
                and not one["discovery"]["sweeping"]
                and not one["stats"]["inspections_waiting"]
                for one in told
            )

        wait_until(is_over, seconds, lambda: f"the end of the first run: {self.process.text()[-2000:]}", interval=0.3)

    def command(self, **fields: object) -> None:
        self.host.run("mosquitto_pub", "-t", COMMANDS, "-m", json.dumps({"id": 1, **fields}))

    def status_of(self, mac: str) -> str:
        """The status that was published last, "" before the first."""
        return next((one["status"] for one in reversed(self.statuses(mac))), "")

    def statuses(self, mac: str) -> list[dict[str, Any]]:
        """All retained states of a camera that were published, in their order, with ``at``."""
        return [
            one.json | {"at": one.at}
            for one in self.listener.on(f"camera/status/{cid(mac)}")
            if one.payload and one.json["status"] != "ip_changed"
        ]

    def wait_for_status(self, mac: str, *wanted: str, seconds: float = 60.0) -> None:
        """Until a camera is published, in one of these states where some are given."""
        wait_until(
            lambda: (status := self.status_of(mac)) and (not wanted or status in wanted),
            seconds,
            lambda: f"{mac} published as {wanted or 'anything'}; it is {self.status_of(mac)!r}",
            interval=0.2,
        )

    def heard(self, prefix: str) -> Iterable[Heard]:
        return (one for one in self.listener.heard() if one.topic.startswith(prefix))

    # --- others ----------------------------------------------------------------------------------------------------

    def rogue(self, host: Host, module: str, /, *, login: str = "", **settings: object) -> Rogue:
        """Run a rogue there; returns when it is ready.

        :param login: for the genuine camera: in its environment, for a command line can be read by everybody.
        """
        # From the checkout of this file: each rogue is a module of it.
        command = python("-m", f"benchmarks.attacks.rogues.{module}", json.dumps(settings))
        process = host.start(*command, environment={"PATH": os.environ["PATH"], "SIMULATOR_LOGIN": login})
        rogue = Rogue(host, process)
        wait_until(
            lambda: rogue.events("ready") or rogue.events("done"),
            90,
            lambda: f"{module}: {process.text()[-2000:]}",
            interval=0.1,
        )
        return rogue

    def plug(self, name: str, address: str, mac: str) -> Host:
        return self.lab.host(name, address, mac, self.prefix_length)

    def genuine(self) -> Rogue:
        """The genuine camera with an administrator's web server; it takes the operator's login."""
        host = self.plug("genuine", GENUINE, GENUINE_MAC)
        stream = self.stream(host)
        return self.rogue(host, "genuine", login=LOGIN, address=GENUINE, mac=GENUINE_MAC, stream=stream)

    def stream(self, host: Host) -> str:
        """A working RTSP stream on a host, without a login: the camera is seen to work. Its URL."""
        self.simulate(host, "--no-onvif", auth="none")
        return f"rtsp://{host.address}:554/stream1"

    def simulate(self, host: Host, *options: str, auth: str = "digest") -> None:
        """The product's own simulated camera on a host."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.checkout), "SIMULATOR_LOGIN": LOGIN}
        words = ("--bind", host.address, "--rtsp-port", "554", "--auth", auth, *options)
        command = python("-m", "twisted_detector.cli", "simulate", *words)
        host.start("env", "-C", str(self.checkout), *command, environment=environment)


# --- measures -------------------------------------------------------------------------------------------------------


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB (proc(5), VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def folder_mb(folder: Path) -> float:
    """Megabytes of the files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total / 1_000_000
