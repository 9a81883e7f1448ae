"""A history of deeds goes in; a network that has really seen them, and what the registry made of it, come out.

The world knows which device is which; the registry is told only what a detector would see. Each chapter of a history
ends with rest: everything that lives announces itself and is asked some times, with every MAC. Then each device that
lives must be one, where it is, under the id that it always had.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from tests.facts import inspection, stream
from twisted_detector.events import CameraDiscovered, CameraEvent, CameraForgotten, CameraMoved, DevicesMerged, Event
from twisted_detector.model import Camera, Evidence, EvidenceKind, Inspection, Mac, Sighting
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

REPEATER = Mac.parse("02:00:00:00:ff:ff")
SHARED_HARDWARE = "00:30:1b:ba:02:db"
NAT = "203.0.113.1"
POOL = [f"10.0.0.{number}" for number in range(10, 24)]
KINDS = ("plain", "clone", "dual", "proxied", "nat", "recorder", "junk", "mute")
DEEDS = (
    "announce", "announce", "announce", "scan", "scan", "check", "check", "move", "swap", "power", "flip", "bye",
    "restart", "forge",
)  # fmt: skip
#: Where somebody lies from, sometimes over this MAC.
FORGER, FORGERS_MAC = "10.0.0.66", Mac.parse("02:00:00:00:66:66")
#: Seconds that pass before a deed.
PAUSES = (1.0, 1.0, 3.0, 20.0, 70.0, 400.0, 4000.0)

Deed = tuple[str, int, int, bool, int]


@dataclass
class Thing:
    """A real device."""

    name: str
    kind: str
    macs: list[Mac]
    reference: str
    serial: str
    address: str
    door: str = ""
    link: int = 0
    on: bool = True
    id: str = ""
    changed_link: float = field(default=float("-inf"))

    @property
    def mac(self) -> Mac | None:
        """What a look at the neighbours shows."""
        if self.kind == "proxied":
            return REPEATER
        return self.macs[self.link] if self.macs else None

    def evidence(self, source: str, now: float) -> tuple[Evidence, ...]:
        said = [(EvidenceKind.ENDPOINT_REFERENCE, self.reference), (EvidenceKind.VENDOR, "Acme")]
        if self.kind == "junk":
            said += [(EvidenceKind.SERIAL, "0000000"), (EvidenceKind.HARDWARE_ADDRESS, SHARED_HARDWARE)]
        elif source == "asked" and self.serial:
            said += [(EvidenceKind.SERIAL, self.serial)]
        return tuple(Evidence(kind, value, source, now) for kind, value in said if value)


class Violation(AssertionError):
    """Two living devices are one, or one is two."""


class World:
    """Things, addresses, and a registry that watches them."""

    def __init__(self, kinds: Iterable[str], *, late_lookups: bool = False) -> None:
        self.now = 1_000_000.0
        self._late_lookups = late_lookups
        self._looked_up_late: list[Thing] = []
        self.saved: dict[str, Camera] = {}
        self.registry = Registry(self.heard, missed_limit=3)
        self.things: list[Thing] = []
        self.merges: list[DevicesMerged] = []
        self.doubtful = 0
        self.nameless: set[str] = set()
        self._numbers = count(1)
        free = list(POOL)
        for kind in kinds:
            number = next(self._numbers)
            macs = [Mac.parse(f"02:00:00:00:00:{number:02x}")] if kind not in ("proxied", "nat") else []
            if kind == "dual":
                macs.append(Mac.parse(f"02:00:00:00:01:{number:02x}"))
            reference = {"clone": "clone", "mute": ""}.get(kind, f"epr-of-{number}")
            serial = {"clone": "CLONE00", "mute": ""}.get(kind, f"SN{number:05}")
            address = NAT if kind == "nat" else free.pop()
            door = f"http://{address}:{8000 + number}/onvif" if kind == "nat" else ""
            self.things.append(Thing(f"{kind}{number}", kind, macs, reference, serial, address, door))

    # --- what the registry is told ---------------------------------------------------------------------------------

    def heard(self, event: Event) -> None:
        if isinstance(event, DevicesMerged):
            self.merges.append(event)
            known = {thing.id: thing for thing in self.things if thing.id and thing.on}
            one, other = known.get(event.camera.device_id), known.get(event.merged_device_id)
            if one is not None and other is not None:
                raise Violation(f"{one.name} and {other.name} live and were merged: {event.reason}")
        if isinstance(event, CameraMoved) and event.new_address == FORGER:
            lives = [each for each in self.things if each.on and each.macs and each.id == event.camera.device_id]
            if any(each.address == event.old_address for each in lives):
                raise Violation(f"{lives[0].name} lives, and was moved by a forger")
        if isinstance(event, CameraDiscovered) and event.camera.id in self.saved:
            raise Violation(f"{event.camera.id} was discovered twice")
        if isinstance(event, CameraForgotten):
            self.saved.pop(event.camera.id, None)
        elif isinstance(event, CameraEvent):
            self.saved[event.camera.id] = event.camera

    def see(self, thing: Thing, *, words: bool, looked_up: bool, ask: bool = True) -> int:
        """A watcher or a sweep sees a thing that is on; what is due is asked at once, or not yet."""
        self.now += 0.1
        words = words and bool(thing.reference)
        if thing.kind in ("mute", "clone") and not looked_up:
            self.nameless.add(thing.address)
        port = thing.door or f"http://{thing.address}:80/onvif"
        seen = self.registry.record_sighting(
            Sighting(
                method="words" if words else "scan",
                address=thing.address,
                seen_at=self.now,
                mac=thing.mac if looked_up else None,
                endpoint_reference=thing.reference if words else "",
                xaddrs=(port,) if words else (),
                rtsp_ports=() if words else (554,),
                evidence=thing.evidence("said", self.now) if words else (),
            ),
            self.now,
        )
        assert seen is not None
        if (looked_up and thing.macs) or (words and thing.kind != "clone"):
            for camera in self.registry.cameras_of(seen.key):
                for other in self.things:
                    if other.on and other is not thing and other.id == camera.device_id:
                        raise Violation(f"{thing.name} was taken for {other.name}, which lives")
        if self._late_lookups and not looked_up:
            self._looked_up_late.append(thing)
        if seen.needs_inspection and ask:
            self.ask(seen.key)
        return seen.key

    def learn_late(self) -> None:
        """The kernel's answer to look-ups that took too long: who stands at the address by now.

        As of all its news, only what is of a known device is taken in.
        """
        for thing in self._looked_up_late:
            seen = Sighting("neighbours", thing.address, self.now, mac=thing.mac)
            if thing.on and thing.mac is not None and self.registry.key_of(seen) is not None:
                self.registry.record_sighting(seen, self.now)
        self._looked_up_late.clear()

    def ask(self, key: int) -> None:
        """Inspect a device of the registry at the address where the registry believes it to be."""
        self.now += 0.1
        registry = self.registry
        if not registry.knows(key):
            return
        candidate = registry.candidate(key)
        if not registry.is_at(key, candidate.address):
            registry.record_no_answer(key, "another device answers at its address", self.now)
            return
        there = [thing for thing in self.things if thing.on and thing.address == candidate.address]
        if candidate.xaddrs and there and there[0].door:
            there = [thing for thing in there if thing.door in candidate.xaddrs]
        registry.begin_inspection(key, self.now)
        if there:
            registry.record_inspection(key, self.answer(there[0]), self.now)
        else:
            registry.record_no_answer(key, "no answer", self.now)

    def answer(self, thing: Thing) -> Inspection:
        sources = ("a", "b", "c") if thing.kind == "recorder" else ("a",)
        streams = [stream(thing.address, f"{thing.name}-{source}", source) for source in sources]
        evidence = thing.evidence("asked", self.now)
        return inspection(thing.address, *streams, evidence=evidence, onvif_url=thing.door, model="M")

    # --- what happens in the world ---------------------------------------------------------------------------------

    def do(self, deed: Deed) -> None:
        name, first, second, flag, pause = deed
        self.now += PAUSES[pause % len(PAUSES)]
        self.learn_late()
        one, other = self.things[first % len(self.things)], self.things[second % len(self.things)]
        if name == "restart":
            self.restart()
        elif name == "check":
            keys = self.registry.devices()
            if keys:
                self.ask(keys[first % len(keys)])
        elif name in ("announce", "scan"):
            if one.on:
                self.see(one, words=name == "announce", looked_up=flag or second % 3 == 0, ask=second % 2 == 0)
        elif name == "bye":
            if one.on and one.kind not in ("nat", "mute"):
                self.registry.record_departure(one.address, self.now, reference=one.reference)
                one.on = False
        elif name == "power":
            one.on = not one.on
            if one.on and one.kind != "nat":
                one.address = self.free(one.address if flag else "")
        elif name == "move":
            if one.kind != "nat":
                one.address = self.free("")
        elif name == "swap":
            if one.on and other.on and "nat" not in (one.kind, other.kind):
                one.address, other.address = other.address, one.address
        elif name == "forge" and one.on and one.reference:
            self.forge(one, over=FORGERS_MAC if flag else None)
        elif name == "flip" and one.kind == "dual" and self.now - one.changed_link > 3600.0:
            one.link, one.changed_link = 1 - one.link, self.now
            one.address = self.free(one.address if flag else "")

    def forge(self, victim: Thing, *, over: Mac | None) -> None:
        """Somebody says at his own address what another is known by; nobody answers there when he is asked."""
        lives = {
            camera.device_id
            for key in self.registry.devices()
            for camera in self.registry.cameras_of(key)
            if self.registry.phase(key) is not Phase.OFFLINE and camera.mac in victim.macs
        }
        if victim.id not in lives:
            return  # who says so when it is away, or has no MAC of its own, is believed: nobody can know better
        seen = self.registry.record_sighting(
            Sighting(
                method="words",
                address=FORGER,
                seen_at=self.now,
                mac=over,
                endpoint_reference=victim.reference,
                xaddrs=(f"http://{FORGER}/onvif",),
                evidence=victim.evidence("said", self.now),
            ),
            self.now,
        )
        if seen is not None and seen.needs_inspection:
            self.ask(seen.key)

    def free(self, wanted: str) -> str:
        taken = {thing.address for thing in self.things if thing.on and thing.address != wanted}
        taken |= {thing.address for thing in self.things if thing.on and thing.address == wanted and thing.address}
        if wanted and sum(1 for thing in self.things if thing.on and thing.address == wanted) <= 1:
            return wanted
        candidates = [address for address in POOL if address not in taken]
        return candidates[int(self.now) % len(candidates)]

    def restart(self) -> None:
        known = set(self.saved)
        self.registry = Registry(self.heard, missed_limit=3)
        self.registry.restore(tuple(self.saved.values()))
        if {camera.id for camera in self.registry.cameras()} != known:
            raise Violation("a restart forgot a camera")

    # --- rest, and the judgement -----------------------------------------------------------------------------------

    def rest(self) -> None:
        """Everything that lives is seen with its MAC and asked, until nothing new can come of it."""
        for _ in range(6):
            for thing in self.things:
                if thing.on:
                    self.see(thing, words=True, looked_up=True)
            self.now += 20.0
            for key in self.registry.devices():
                self.ask(key)
            self.now += 40.0

    def judge(self) -> None:
        holders: dict[int, Thing] = {}
        for thing in self.things:
            if not thing.on:
                continue
            key = self.see(thing, words=True, looked_up=True)
            if key in holders:
                raise Violation(f"{holders[key].name} and {thing.name} live and are one")
            holders[key] = thing
            cameras = self.registry.cameras_of(key)
            if not cameras:
                raise Violation(f"{thing.name} lives and is not published ({self.registry.phase(key)})")
            if thing.id and cameras[0].device_id != thing.id:
                raise Violation(f"{thing.name} was {thing.id} and is {cameras[0].device_id}")
            thing.id = cameras[0].device_id
            if cameras[0].address != thing.address:
                raise Violation(f"{thing.name} is at {thing.address}, not {cameras[0].address}")
            if len(cameras) != (3 if thing.kind == "recorder" else 1):
                raise Violation(f"{thing.name} has {len(cameras)} cameras")
            several = sum(each.kind == "proxied" for each in self.things) > 1
            if thing.kind == "proxied" and several and cameras[0].mac is not None:
                raise Violation(f"{thing.name} is believed to have the MAC of the repeater")
        for key in self.registry.devices():
            if self.registry.cameras_of(key) and key not in holders:
                self.judge_absent(self.registry.cameras_of(key)[0], self.registry.phase(key))

    def judge_absent(self, camera: Camera, phase: Phase) -> None:
        """A published device that nothing living is must be one that was switched off, and known to be away.

        One that went before it was told by its MAC (over its other link, at an address where the look-up failed) may
        stand there under a second name until it comes back, and by the forger's MAC when he spoke in its name then; one
        that says no word, or only what clones say too, and whose look-ups all failed at an address, for ever: nobody
        can know better.
        """
        if phase is not Phase.OFFLINE:
            raise Violation(f"{camera.id} lives, and nobody is it")
        absent = [thing for thing in self.things if not thing.on]
        if not any(camera.device_id == thing.id for thing in self.things):
            says_who = camera.endpoint_reference not in ("", "clone")
            nameless = camera.mac is None and not says_who and camera.address in self.nameless
            nameless = nameless or camera.mac == FORGERS_MAC
            if not nameless and not any(self.may_be(thing, camera) for thing in absent):
                raise Violation(f"nobody is {camera.device_id}")
            self.doubtful += 1

    @staticmethod
    def may_be(thing: Thing, camera: Camera) -> bool:
        """Whether a camera can have been that thing, unrecognised."""
        if camera.mac is not None:
            return camera.mac in thing.macs[1:]
        return camera.endpoint_reference in ("", thing.reference)


def live_through(kinds: Iterable[str], chapters: Iterable[Iterable[Deed]], *, late_lookups: bool = False) -> World:
    """A whole history; raises :class:`Violation` where the registry was wrong.

    :param late_lookups: look-ups that failed bring the MAC later; otherwise they are lost.
    """
    world = World(kinds, late_lookups=late_lookups)
    world.rest()
    world.judge()
    for chapter in chapters:
        for deed in chapter:
            world.do(deed)
        world.rest()
        world.judge()
    return world


def a_history(seed: int) -> tuple[list[str], list[list[Deed]]]:
    """One history of many: the same for the same seed."""
    chance = random.Random(seed)
    kinds = [chance.choice(KINDS) for _ in range(chance.randint(1, 7))]
    return kinds, [
        [
            (
                chance.choice(DEEDS),
                chance.randint(0, 29),
                chance.randint(0, 29),
                chance.random() < 0.5,
                chance.randint(0, 6),
            )
            for _ in range(chance.randint(0, 30))
        ]
        for _ in range(chance.randint(1, 3))
    ]


def main(first: int, last: int) -> int:
    """Live through the histories from ``first`` to before ``last``; tell the violations and how much was done."""
    violations = deeds = doubtful = 0
    for seed in range(first, last):
        kinds, chapters = a_history(seed)
        deeds += sum(len(chapter) for chapter in chapters)
        try:
            doubtful += live_through(kinds, chapters).doubtful
        except Violation as violation:
            violations += 1
            print(f"history {seed}: {violation}")
    print(
        f"{last - first} histories, {deeds} deeds: {violations} violations; {doubtful} second names of absent devices"
    )
    return min(violations, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
