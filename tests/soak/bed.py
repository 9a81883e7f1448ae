"""Bed of a soak: a LAN with a fleet, a broker on a host of its own, Frigate, go2rtc and the daemon; and the deeds.

``deed`` begins what the scenario wants, ``undo`` ends it. What must then be true on MQTT, and since when, is written
down as :class:`Expectation`; whose fault a lost connection is, as :class:`Outage`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from random import Random

from tests.faults.disk import fill, small_disk
from tests.lan.farm import Grown, plant
from tests.lan.lab import Host, Lab, python
from tests.lan.site import LOGIN, PORT, Site, cid
from tests.listener import Listener
from tests.processes import ROOT, Process
from tests.soak.launcher import set_wall
from tests.soak.scenario import KINDS, Deed
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.operations.control_client import send_request

BROKER, NETWORK = "10.77.0.2", "10.77.0.0/24"
#: Addresses of the farm begin here; those that a lease may give are above.
FIRST, LEASES = 10, range(110, 200)
OTHER_LOGIN = "viewer:ch4nged-canary"
WITNESS = "soak-witness"
#: Addresses that the rogue has.
ROGUE = [f"10.77.0.{number}" for number in range(230, 240)]
#: Megabytes of the state directory's disk.
DISK = 64

#: What is set beside a camera's login. Everything comes round a few times in twenty minutes; the times in which a truth
#: must be told (judge.py) follow from these.
SETTINGS = {
    "HEALTH_CHECK_INTERVAL": "15",
    "OFFLINE_THRESHOLD": "45",
    "HEALTH_REPORT_INTERVAL": "10",
    "QUICK_CHECK_INTERVAL": "30",
    "INITIAL_DISCOVERY_COUNT": "2",
    "STEADY_STATE_INTERVAL": "300",
    "FULL_PROOF_INTERVAL": "300",
    "SNAPSHOT_INTERVAL": "300",
}

#: Our listener is told of everything by hundreds of cameras, and no message may be missing in the account.
_BROKER_LINES = """\
listener {port} 0.0.0.0
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 20
max_queued_messages 0
log_dest stderr
log_type all
"""


@dataclass(frozen=True)
class Expectation:
    """What an independent client must have been told.

    :ivar status: one of a camera, ``ip_changed``, ``well`` (online, and may have been all the time) or ``refused``.
    :ivar since: when it became so, in seconds since the epoch. :ivar address: "" for any.
    """

    deed: Deed
    mac: str
    status: str
    since: float
    address: str = ""


@dataclass
class Outage:
    """When the broker could not be reached, in seconds since the epoch; ``end`` is 0 while it lasts."""

    deed: Deed
    begin: float
    end: float = 0.0


@dataclass(frozen=True)
class Touch:
    """A deed to one camera, and when it began, in seconds since the epoch."""

    deed: Deed
    mac: str
    begin: float


class SoakBed(Site):
    """Site whose broker has a host of its own; use :func:`soak_bed`.

    :ivar expected: what must have been told; ``outages``: of the broker; ``touches``: deeds to cameras.
    :ivar broken: deeds that could not be done.
    """

    def __init__(self, lab: Lab, seed: int, cameras: int, doors: int, disk: Path) -> None:
        self.folder = lab.directory
        self.broker_host = lab.host("broker", BROKER, "02:00:00:00:00:02")
        (self.folder / "broker").mkdir()
        self._broker_file = self.folder / "broker.conf"
        lines = _BROKER_LINES.format(port=PORT, folder=self.folder / "broker")
        user = "user root\n" if os.geteuid() == 0 else ""
        self._broker_file.write_text(user + lines)
        self.brokers: list[Process] = []
        super().__init__(lab)
        self.state = disk / "state"
        self._disk_folder = disk
        self._chance = Random(seed)
        self.expected: list[Expectation] = []
        self.outages: list[Outage] = []
        self.touches: list[Touch] = []
        self.broken: list[str] = []
        self._free = list(LEASES)
        self._wall = 0.0
        self._peers: dict[str, Process] = {}
        self.visits: list[Process] = []
        self.farm = plant(lab, "farm", NETWORK, cameras, first=FIRST)
        # As in a house: every other camera wants a login.
        self.farm.cameras = [replace(one, auth="digest" if one.number % 2 else "none") for one in self.farm.cameras]
        self.farm.start(login=LOGIN)
        self.doors = [lab.host(f"door{n}", f"10.77.0.{220 + n}", f"02:d0:00:00:00:{n:02x}") for n in range(doors)]
        for door in self.doors:
            self._open(door, LOGIN)
        self._rogue = lab.host("rogue", ROGUE[0], "02:ba:00:00:00:01")
        for address in ROGUE[1:]:
            self._rogue.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self._cameras_yml = self.folder / "frigate.yml"
        self._cameras_yml.write_text("# mine\nmqtt:\n  host: broker\n")
        for name in ("frigate", "go2rtc"):
            self._start_peer(name)

    # --- processes -------------------------------------------------------------------------------------------------

    def start_broker(self) -> Process:
        self.brokers.append(self.broker_host.start("mosquitto", "-c", str(self._broker_file)))
        return self.brokers[-1]

    def listen(self, host: Host | None = None, session: str = WITNESS) -> Listener:
        """The witness: on the broker's own host, with a session that the broker keeps."""
        return super().listen(host or self.broker_host, session)

    def start(self) -> Process:
        """Run the daemon; returns when the whole fleet is online and its first run is over."""
        inside = self.folder / "inside"
        inside.mkdir()
        launcher = python(str(Path(__file__).with_name("launcher.py")), str(inside))
        settings = {
            "MQTT_BROKER": BROKER,
            "CAMERA_CREDENTIALS": LOGIN,
            "FRIGATE_URL": "http://127.0.0.1:5000",
            "GO2RTC_URL": "http://127.0.0.1:1984",
            **SETTINGS,
        }
        self.process = self.run_daemon(launcher, settings)
        self.inside = inside
        self.process.wait_for("camdetect", 30)
        for mac in self.fleet():
            self.online(mac, 120)
        self.process.wait_for("The first run has ended", 240)
        # So that a broker that is killed knows the witness again, and keeps for it what comes meanwhile.
        self.brokers[-1].signal(signal.SIGUSR1)
        return self.process

    def fleet(self) -> dict[str, str]:
        """MAC → address of every camera, as it is now."""
        found = {one.mac: one.address for one in self.farm.cameras}
        return found | {door.mac: door.address for door in self.doors}

    def _open(self, door: Host, login: str) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": login}
        options = ("simulate", "--bind", door.address, "--rtsp-port", "554", "--auth", "digest")
        door.start(*python("-m", "twisted_detector.cli", *options), environment=environment)
        door.processes[-1].wait_for("camera", 30)

    def _start_peer(self, name: str) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        options = {
            "frigate": (
                "5000",
                str(self._cameras_yml),
                "version=0.18.0-e3fa701",
                f"env={self.state}/frigate.env",
                "live=1",
            ),
            "go2rtc": ("1984", f"path={self.folder / 'go2rtc.yaml'}"),
        }[name]
        self._peers[name] = self.host.start(*python("-m", f"tests.peers.{name}", *options), environment=environment)
        self._peers[name].wait_for("ready", 30)

    # --- deeds -----------------------------------------------------------------------------------------------------

    def deed(self, deed: Deed) -> None:
        """Do it, or begin it."""
        act: Callable[[Deed], None] = getattr(self, f"_{deed.kind.replace('-', '_')}")
        if KINDS[deed.kind].thing == "broker":
            self.outages.append(Outage(deed, time.time()))
        macs = list(self.fleet())
        self.touches += [Touch(deed, macs[number], time.time()) for number in deed.cameras]
        act(deed)

    def undo(self, deed: Deed) -> None:
        """End it."""
        act: Callable[[Deed], None] | None = getattr(self, f"_end_{deed.kind.replace('-', '_')}", None)
        if act is not None:
            act(deed)
        if KINDS[deed.kind].thing == "broker":
            self.outages[-1].end = time.time()

    def _expect(self, deed: Deed, mac: str, status: str, address: str = "", later: float = 0.0) -> None:
        self.expected.append(Expectation(deed, mac, status, time.time() + later, address))

    def _move(self, deed: Deed) -> None:
        before = [self.farm.cameras[number].address for number in deed.cameras]
        leases = dict(zip(deed.cameras, self._chance.sample(self._free, len(deed.cameras)), strict=True))

        def lease(camera: Grown) -> Grown:
            return replace(camera, address=f"10.77.0.{leases[camera.number]}")

        self.farm.alter(lease, deed.cameras)
        # An address is given to another camera only when all others have been.
        self._free = [number for number in self._free if number not in leases.values()]
        self._free += [number for number in (int(ip_address(one)) & 255 for one in before) if number in LEASES]
        for number in deed.cameras:
            camera = self.farm.cameras[number]
            self._expect(deed, camera.mac, "ip_changed", camera.address)
            self._expect(deed, camera.mac, "online", camera.address)

    def _power(self, deed: Deed) -> None:
        self.farm.power(False, deed.cameras)
        for number in deed.cameras:
            self._expect(deed, self.farm.cameras[number].mac, "offline")

    def _end_power(self, deed: Deed) -> None:
        self.farm.power(True, deed.cameras)
        for number in deed.cameras:
            self._expect(deed, self.farm.cameras[number].mac, "online")

    def _wifi(self, deed: Deed) -> None:
        """Drop frames of either direction where they arrive. (netem is not in every kernel; nftables' numgen is.)"""
        macs = ", ".join(self.farm.cameras[number].mac for number in deed.cameras)
        rate = int(deed.amount * 10)
        for host, side in ((self.farm.host, "daddr"), (self.host, "saddr")):
            host.run("nft", _LOSS.format(side=side, macs=macs, rate=rate))

    def _end_wifi(self, deed: Deed) -> None:
        for host in (self.farm.host, self.host):
            host.run("nft", "delete table netdev wifi")
        for number in deed.cameras:
            self._expect(deed, self.farm.cameras[number].mac, "well", self.farm.cameras[number].address)

    def _password(self, deed: Deed) -> None:
        door = self._new_password(deed, OTHER_LOGIN)
        self._expect(deed, door.mac, "refused")

    def _end_password(self, deed: Deed) -> None:
        door = self._new_password(deed, LOGIN)
        # At the control socket, as a person would: the broker may be away just now.
        answer = send_request(self.state, {"command": "login", "action": "retry", "camera_id": cid(door.mac)})
        # Where the login was sent in two ways, both failed, and the daemon says until when it has to wait, as it must.
        self._expect(deed, door.mac, "online", later=WINDOW if answer["waits"] else 0.0)

    def _new_password(self, deed: Deed, login: str) -> Host:
        """The camera restarts with another password."""
        door = self.doors[deed.cameras[0] - len(self.farm.cameras)]
        door.processes[-1].end()
        self._open(door, login)
        return door

    def _broker_restart(self, _: Deed) -> None:
        self.brokers[-1].signal(signal.SIGTERM)
        self.brokers[-1].wait()

    def _broker_kill(self, _: Deed) -> None:
        self.brokers[-1].signal(signal.SIGKILL)
        self.brokers[-1].wait()

    def _end_broker_restart(self, _: Deed) -> None:
        self.start_broker()

    _end_broker_kill = _end_broker_restart

    def _broker_freeze(self, _: Deed) -> None:
        self.brokers[-1].signal(signal.SIGSTOP)

    def _end_broker_freeze(self, _: Deed) -> None:
        self.brokers[-1].signal(signal.SIGCONT)

    def _broker_cable(self, _: Deed) -> None:
        self.broker_host.plug(False)

    def _end_broker_cable(self, _: Deed) -> None:
        self.broker_host.plug(True)

    def _flood(self, deed: Deed) -> None:
        words = ("flood", f"{deed.until - deed.at:.1f}", f"{deed.amount:g}", *ROGUE)
        self._rogue.start(*python("-m", "tests.lan.forger", *words), environment=_bare())

    def _rubbish(self, deed: Deed) -> None:
        count = int((deed.until - deed.at) * 500)
        words = ("rubbish", str(count), self.host.address)
        self._rogue.start(*python("-m", "tests.lan.forger", *words), environment=_bare())

    def _clock(self, deed: Deed) -> None:
        self._wall += deed.amount
        set_wall(self.inside, self._wall)

    def _end_clock(self, deed: Deed) -> None:
        self._wall -= deed.amount
        set_wall(self.inside, self._wall)

    def _frigate(self, deed: Deed) -> None:
        self._peers[deed.kind].end()

    _go2rtc = _frigate

    def _end_frigate(self, deed: Deed) -> None:
        self._start_peer(deed.kind)

    _end_go2rtc = _end_frigate

    def _visit(self, deed: Deed) -> None:
        words = (str(int(deed.amount)), f"{deed.until - deed.at:.1f}")
        visit = self.host.start(*python("-m", "tests.soak.visitor", *words), environment=_bare())
        self.visits.append(visit)

    def _disk(self, _: Deed) -> None:
        fill(self._disk_folder / "filler")

    def _end_disk(self, _: Deed) -> None:
        (self._disk_folder / "filler").unlink()

    # --- the end ---------------------------------------------------------------------------------------------------

    def retained(self) -> dict[str, str]:
        """What the broker has retained, by topic, in hexadecimal digits."""
        words = ("-p", str(PORT), "-t", "#", "--retained-only", "-W", "3", "-F", "%t %x")
        command = ("sh", "-c", 'mosquitto_sub "$@" || true', "sh", *words)
        return dict(line.split(" ", 1) for line in self.broker_host.run(*command).splitlines())


HEALTH_TOPIC = "system/camera_detector_health/node1"
_LOSS = """
table netdev wifi {{
    chain lossy {{
        type filter hook ingress device eth0 priority 0;
        ether {side} {{ {macs} }} numgen random mod 1000 < {rate} drop
    }}
}}
"""


def _bare() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


@contextmanager
def soak_bed(folder: Path, seed: int, *, cameras: int, doors: int) -> Iterator[SoakBed]:
    """The bed, with all of it running but the daemon."""
    disk = folder / "disk"
    with small_disk(disk, DISK), Lab(folder) as lab:
        (disk / "state").mkdir(mode=0o700)
        yield SoakBed(lab, seed, cameras, doors, disk)
