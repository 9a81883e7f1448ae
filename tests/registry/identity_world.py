"""A history of deeds goes in; a network that has really seen them, and what the registry made of it, come out.

The world knows which device is which; the registry is told only what a detector would see. Each chapter of a history
ends with rest: everything that lives announces itself and is asked some times, with every MAC. Then each device that
lives must be one, where it is, under the id that it always had.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from tests.facts import inspection, stream
from tests.registry.identity_audit import Auditor, Violation
from twisted_detector.events import CameraDiscovered, CameraEvent, CameraForgotten, CameraMoved, DevicesMerged, Event
from twisted_detector.model import Camera, Candidate, Evidence, EvidenceKind, Inspection, Mac, Sighting, Status
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry, SightingResult

REPEATER = Mac.parse("02:00:00:00:ff:ff")
SHARED_HARDWARE = "00:30:1b:ba:02:db"
NAT = "203.0.113.1"
POOL = [f"10.0.0.{number}" for number in range(10, 24)]
KINDS = ("plain", "clone", "dual", "proxied", "nat", "recorder", "junk", "mute")
DEEDS = (
    "announce", "announce", "announce", "scan", "scan", "check", "check", "move", "swap", "power", "flip", "bye",
    "restart", "crash", "configure", "forge", "claim", "pose", "mac", "forged bye", "begin", "end", "adopt", "unadopt",
    "block", "unblock", "rounds over", "channels",
)  # fmt: skip
#: Channels that a recorder names: its first one always.
CHANNELS = (("a", "b", "c"), ("a", "c"), ("c", "b", "a"), ("a", "b", "c", "d"))
#: Seconds of changes that are not saved when the daemon dies.
UNSAVED = 5.0
#: Seconds that one inspection may take.
INSPECTION_SECONDS = 100.0
#: Where somebody lies from, and how his MACs begin: one for each name that he speaks in, for who was known before the
#: camera and falls silent after speaking in its name gives it his id.
FORGER, FORGERS_MACS = "10.0.0.66", "02:00:00:00:66:"
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
    generation: int = 0  #: how often it was blocked, forgotten, and found again
    blocked_id: str = ""  #: the id that it had when it was blocked
    adopted: bool = False  #: by a person, and what it was adopted by has not changed since
    channels: tuple[str, ...] = ("a",)
    named: dict[str, str] = field(default_factory=dict)  #: ids by channel, of those that it ever named
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


class World:
    """Things, addresses, and a registry that watches them."""

    def __init__(self, kinds: Iterable[str], *, late_lookups: bool = False) -> None:
        self.now = 1_000_000.0
        self._late_lookups = late_lookups
        self._looked_up_late: list[Thing] = []
        self.saved: dict[str, Camera] = {}
        self.decisions: dict[str, str] = {}
        self.mode, self.listed = "first-run", False
        self.audit = Auditor()
        self._unsaved: list[tuple[str, Camera, float]] = []
        self._under_way: list[tuple[int, str, Inspection | None, float]] = []
        self._poses_as: Thing | None = None
        self._forgers: dict[tuple[str, str, int], int] = {}
        self._start()
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
            channels = CHANNELS[0] if kind == "recorder" else ("a",)
            thing = Thing(f"{kind}{number}", kind, macs, reference, serial, address, door, channels=channels)
            self.things.append(thing)

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
        self.audit.heard(self.registry, event)
        if isinstance(event, CameraForgotten):
            self.saved.pop(event.camera.id, None)
            self._unsaved.clear()  # removals and discoveries are saved at once
        elif isinstance(event, CameraEvent):
            before = self.saved.get(event.camera.id)
            if before is None:
                self._unsaved.clear()
            else:
                self._unsaved.append((event.camera.id, before, self.now))
            self.saved[event.camera.id] = event.camera

    def see(self, thing: Thing, *, words: bool, looked_up: bool, ask: bool = True) -> int | None:
        """A watcher or a sweep sees a thing that is on; what is due is asked at once, or not yet."""
        self.now += 0.1
        words = words and bool(thing.reference)
        if thing.kind in ("mute", "clone") and not looked_up:
            self.nameless.add(thing.address)
        port = thing.door or f"http://{thing.address}:80/onvif"
        sighting = Sighting(
            method="words" if words else "scan",
            address=thing.address,
            seen_at=self.now,
            mac=thing.mac if looked_up else None,
            endpoint_reference=thing.reference if words else "",
            xaddrs=(port,) if words else (),
            rtsp_ports=() if words else (554,),
            evidence=thing.evidence("said", self.now) if words else (),
        )
        seen = self.take_in(sighting)
        shown = {thing.mac.text if looked_up and thing.mac is not None else "", thing.reference if words else ""}
        if (seen is None) != (not self.blocked_values().isdisjoint(shown)):
            raise Violation(f"{self.blocked_values()} are blocked: the registry took in {seen} of {shown}")
        if seen is None:
            return None
        if (looked_up and thing.macs) or (words and thing.kind != "clone" and thing.id):
            for camera in self.registry.cameras_of(seen.key):
                for other in self.things:
                    if other.on and other is not thing and other.id == camera.device_id:
                        raise Violation(f"{thing.name} was taken for {other.name}, which lives")
        if self._late_lookups and not looked_up:
            self._looked_up_late.append(thing)
        if seen.needs_inspection and ask:
            self.ask(seen.key)
        return seen.key

    def take_in(self, sighting: Sighting) -> SightingResult | None:
        """Who is seen elsewhere over a MAC is knocked at where it was, if it is well, before it has moved."""
        moved = self.registry.device_moved_by(sighting, self.now) if sighting.mac is not None else None
        if moved is not None:
            device = self.registry.candidate(moved)
            if any(one.on and (one.address, one.mac) == (device.address, device.mac) for one in self.things):
                self.registry.confirm_address(moved, self.now)
        return self.registry.record_sighting(sighting, self.now)

    def learn_late(self) -> None:
        """The kernel's answer to look-ups that took too long: who stands at the address by now.

        As of all its news, only what is of a known device is taken in.
        """
        for thing in self._looked_up_late:
            seen = Sighting("neighbours", thing.address, self.now, mac=thing.mac)
            if thing.on and thing.mac is not None and self.registry.key_of(seen) is not None:
                self.take_in(seen)
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
        registry.begin_inspection(key, self.now)
        self.record(key, self.answer_at(candidate), self.now)

    def answer_at(self, candidate: Candidate) -> Inspection | None:
        """What answers where a device is asked; None: nothing."""
        if candidate.address == FORGER and self._poses_as is not None:
            return self.answer(replace(self._poses_as, address=FORGER, serial=""))
        there = [thing for thing in self.things if thing.on and thing.address == candidate.address]
        if candidate.xaddrs and there and there[0].door:
            there = [thing for thing in there if thing.door in candidate.xaddrs]
        return self.answer(there[0]) if there else None

    def record(self, key: int, answer: Inspection | None, now: float) -> None:
        """The end of an inspection."""
        if answer is None:
            self.registry.record_no_answer(key, "no answer", now)
        else:
            self.registry.record_inspection(key, answer, now)

    def answer(self, thing: Thing) -> Inspection:
        streams = [stream(thing.address, f"{thing.name}-{source}", source) for source in thing.channels]
        evidence = thing.evidence("asked", self.now)
        return inspection(thing.address, *streams, evidence=evidence, onvif_url=thing.door, model="M")

    def end_inspections(self, since: float = float("inf")) -> None:
        """The answers of those that began before ``since`` come in; who has left meanwhile did not give them."""
        for one in [each for each in self._under_way if each[3] <= since]:
            self._under_way.remove(one)
            key, address, answer, _ = one
            if self.registry.knows(key) and self.registry.is_at(key, address):
                self.record(key, answer, self.now)
            elif self.registry.knows(key):
                self.registry.abort_inspection(key)

    # --- what happens in the world ---------------------------------------------------------------------------------

    def do(self, deed: Deed) -> None:
        name, first, second, flag, pause = deed
        self.end_inspections(self.now + PAUSES[pause % len(PAUSES)] - INSPECTION_SECONDS)
        self.now += PAUSES[pause % len(PAUSES)]
        if self.now >= self.first_run_ends:
            self.end_first_run()
        self.learn_late()
        one, other = self.things[first % len(self.things)], self.things[second % len(self.things)]
        self.do_to_registry(name, one, first, flag=flag)
        if name in ("announce", "scan"):
            if one.on:
                self.see(one, words=name == "announce", looked_up=flag or second % 3 == 0, ask=second % 2 == 0)
        elif name == "bye":
            if one.on and one.kind not in ("nat", "mute"):
                self.switch(one, on=False)
                self.registry.record_departure(one.address, self.now, reference=one.reference)
        elif name == "power":
            self.switch(one, on=not one.on)
            if one.on and one.kind != "nat":
                one.address = self.free(one.address if flag else "")
        elif name == "move":
            if one.kind != "nat":
                one.address = self.free("")
        elif name == "swap":
            if one.on and other.on and "nat" not in (one.kind, other.kind):
                one.address, other.address = other.address, one.address
        elif name in ("forge", "claim", "pose", "mac") and one.on and one.reference and one.id:
            self.forge(one, name, over=self.forgers_mac(one) if flag else None)
        elif name == "channels" and one.kind == "recorder":
            one.channels = CHANNELS[second % len(CHANNELS)]
        elif name == "flip" and one.kind == "dual" and self.now - one.changed_link > 3600.0:
            one.link, one.changed_link = 1 - one.link, self.now
            one.address = self.free(one.address if flag else "")
        self.audit.check(self.registry)

    def switch(self, one: Thing, *, on: bool) -> None:
        one.on = on
        if one is self._poses_as:
            one.adopted = False  # who says so when it is away is believed, and what it was adopted by has changed then

    def do_to_registry(self, name: str, one: Thing, number: int, *, flag: bool) -> None:
        """What the detector and a person do with what the registry knows; ``one`` may be meant."""
        keys = self.registry.devices()
        key = keys[number % len(keys)] if keys else None
        if name in ("restart", "crash", "configure"):
            if name == "crash":
                for camera_id, before, at in reversed(self._unsaved):
                    if at >= self.now - UNSAVED:
                        self.saved[camera_id] = before
            elif name == "configure":
                self.mode, self.listed = ("ask", "all", "first-run")[number % 3], flag
            self.restart()
        elif name == "check" and key is not None:
            self.ask(key)
        elif name == "begin" and key is not None:
            candidate = self.registry.candidate(key)
            if self.registry.is_at(key, candidate.address):
                self.registry.begin_inspection(key, self.now)
                self._under_way.append((key, candidate.address, self.answer_at(candidate), self.now))
        elif name == "end":
            self.end_inspections()
        elif name == "forged bye":
            key = self.registry.device_departing(one.address, one.reference if flag else "")
            if key is not None and self.answer_at(self.registry.candidate(key)) is None:
                self.registry.record_departure(one.address, self.now, reference=one.reference if flag else "")
        elif name == "rounds over":
            self.end_first_run()
        elif name in ("adopt", "unadopt", "block", "unblock"):
            self.decide(name, one)

    def decide(self, name: str, one: Thing) -> None:
        """A person decides about the camera by whose id a thing goes."""
        if name == "unblock":
            if one.blocked_id and not self.registry.unblock(one.blocked_id, self.now):
                raise Violation(f"{one.name} is blocked, and cannot be unblocked")
            one.blocked_id = ""
            return
        camera = self.registry.camera(one.id)
        if camera is None:
            return
        if name == "adopt":
            self.audit.by_person.add(one.id)
            self.registry.adopt(one.id, self.now)
            here = one.on and one.address == camera.address
            one.adopted = here and one.kind not in ("dual", "nat") and (camera.mac is not None or one.kind == "proxied")
        elif name == "unadopt":
            self.audit.by_person.discard(one.id)
            self.registry.unadopt(one.id, self.now)
            one.adopted = False
        elif camera.mac is not None and one.kind not in ("proxied", "clone"):
            # By the MAC of a repeater all behind it would be blocked, by the reference of a clone all its like.
            self.audit.by_person.discard(one.id)
            self.registry.block(one.id, self.now)
            one.blocked_id, one.id, one.adopted = one.id, "", False
            for left in [each.id for each in self.registry.cameras() if each.address == FORGER]:
                self.registry.forget(left, self.now)  # who was known before the camera would give it his id
            one.generation += 1
            one.named.clear()

    def is_blocked(self, one: Thing) -> bool:
        """Whether what a thing shows now is that of a blocked one; over its other link nothing may tell."""
        return not self.blocked_values().isdisjoint((one.macs[one.link].text if one.macs else "", one.reference))

    def blocked_values(self) -> set[str]:
        """MACs and references."""
        return {value for one in self.registry.blocked().values() for value in (*one.macs, one.reference)} - {""}

    def end_first_run(self) -> None:
        if self.book.first_run:
            self.book.end_first_run()
            if self.mode == "first-run":
                self._no_longer_automatic()

    def _no_longer_automatic(self) -> None:
        if self.audit.automatic and self.audit.automatic[-1][1] == float("inf"):
            self.audit.automatic[-1] = (self.audit.automatic[-1][0], self.now)

    def forge(self, victim: Thing, how: str, *, over: Mac | None) -> None:
        """Somebody says at his own address what another is known by.

        :param how: ``forge``: nobody answers there when he is asked; ``pose``: he answers in the victim's name too;
            ``claim``: he claims its MAC; ``mac``: he answers for it at layer 2, while the victim answers where it was.
        """
        lives = {
            camera.device_id
            for key in self.registry.devices()
            for camera in self.registry.cameras_of(key)
            if self.registry.phase(key) is not Phase.OFFLINE and camera.mac in victim.macs
        }
        if victim.id not in lives:
            return  # who says so when it is away, or has no MAC of its own, is believed: nobody can know better
        self._poses_as = victim if how == "pose" else None
        key = self.registry.key_of_camera(victim.id)
        if over is not None and key is not None and over in self.registry._index.macs(key):
            victim.adopted = False  # it was believed once, for he fell silent: now it is seen over a MAC that is new
        sighting = Sighting(
            method="words",
            address=FORGER,
            seen_at=self.now,
            mac=over,
            endpoint_reference=victim.reference,
            xaddrs=(f"http://{FORGER}/onvif",),
            evidence=victim.evidence("said", self.now),
        )
        if how == "claim" and victim.mac is not None:
            # What somebody claims of a MAC is hearsay, unless this machine saw it there.
            claim = Evidence(EvidenceKind.ANNOUNCED_MAC, victim.mac.text, "arp", self.now)
            sighting = Sighting("arp", FORGER, self.now, mac=over, evidence=(claim,))
        elif how == "mac":
            sighting = Sighting("neighbours", FORGER, self.now, mac=victim.mac)
            moved = self.registry.device_moved_by(sighting, self.now)
            if moved is None:
                return  # it is not known to be well: nobody can know better
            device = self.registry.candidate(moved)
            if (device.address, device.mac) != (victim.address, victim.mac):
                return
        seen = self.take_in(sighting)
        if seen is not None and seen.needs_inspection:
            self.ask(seen.key)

    def forgers_mac(self, victim: Thing) -> Mac:
        number = self._forgers.setdefault((victim.name, victim.id, victim.generation), len(self._forgers))
        return Mac.parse(f"{FORGERS_MACS}{number:02x}")

    def free(self, wanted: str) -> str:
        taken = {thing.address for thing in self.things if thing.on and thing.address != wanted}
        taken |= {thing.address for thing in self.things if thing.on and thing.address == wanted and thing.address}
        if wanted and sum(1 for thing in self.things if thing.on and thing.address == wanted) <= 1:
            return wanted
        candidates = [address for address in POOL if address not in taken]
        return candidates[int(self.now) % len(candidates)]

    def _start(self) -> None:
        self.audit.restarted()
        self.book = AdoptionBook(mode=self.mode, is_listed=lambda candidate: self.listed, save=self._save)
        self.book.restore(self.decisions)
        self.first_run_ends = self.now + self.book.begin(known=bool(self.saved), now=self.now)
        self._no_longer_automatic()
        if self.mode == "all" or (self.mode == "first-run" and self.book.first_run):
            self.audit.automatic.append((self.now, float("inf")))
        self._under_way.clear()
        self._unsaved.clear()
        self.registry = Registry(self.heard, missed_limit=3, adoption=self.book)

    def _save(self, key: str, text: str) -> None:
        if text:
            self.decisions[key] = text
        else:
            self.decisions.pop(key, None)

    def restart(self) -> None:
        known = set(self.saved)
        self._start()
        self.registry.restore(tuple(self.saved.values()), self.now)
        if {camera.id for camera in self.registry.cameras()} != known:
            raise Violation("a restart forgot a camera")

    # --- rest, and the judgement -----------------------------------------------------------------------------------

    def rest(self) -> None:
        """Everything that lives is seen with its MAC and asked, until nothing new can come of it."""
        self.end_inspections()
        self._poses_as = None
        for _ in range(6):
            for thing in self.things:
                if thing.on:
                    self.see(thing, words=True, looked_up=True)
            self.now += 20.0
            for key in self.registry.devices():
                self.ask(key)
            self.audit.check(self.registry)
            self.now += 40.0

    def judge(self) -> None:
        holders: dict[int, Thing] = {}
        for thing in self.things:
            if not thing.on:
                continue
            if self.is_blocked(thing):
                self.see(thing, words=True, looked_up=True)
                continue
            key = self.see(thing, words=True, looked_up=True)
            if key is None:
                raise Violation(f"{thing.name} is not taken in")
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
            self.judge_channels(thing, cameras)
            if thing.adopted and not cameras[0].adopted.is_adopted:
                why = self.registry.candidate(key).not_adopted
                raise Violation(f"{thing.name} was adopted, and is not any more: {why}")
            several = sum(each.kind == "proxied" for each in self.things) > 1
            if thing.kind == "proxied" and several and cameras[0].mac is not None:
                raise Violation(f"{thing.name} is believed to have the MAC of the repeater")
        for key in self.registry.devices():
            if self.registry.cameras_of(key) and key not in holders:
                self.judge_absent(self.registry.cameras_of(key)[0], self.registry.phase(key))

    @staticmethod
    def judge_channels(thing: Thing, cameras: Iterable[Camera]) -> None:
        found = {camera.source: camera for camera in cameras}
        for source, camera_id in thing.named.items():
            if source not in found or found[source].id != camera_id:
                raise Violation(f"channel {source} of {thing.name} was {camera_id}")
        for source, camera in found.items():
            if (camera.status is Status.ONLINE) != (source in thing.channels):
                raise Violation(f"{camera.id}, channel {source} of {thing.name}, is {camera.status}")
        if not found.keys() >= set(thing.channels):
            raise Violation(f"{thing.name} has no more than the channels {sorted(found)}")
        if thing.kind != "recorder" and len(found) != 1:
            raise Violation(f"{thing.name} has {len(found)} cameras")
        thing.named = {source: camera.id for source, camera in found.items()}

    def judge_absent(self, camera: Camera, phase: Phase) -> None:
        """A published device that nothing living is must be one that was switched off, and known to be away.

        One that went before it was told by its MAC (over its other link, at an address where the look-up failed) may
        stand there under a second name until it comes back, and by the forger's MAC when he spoke in its name then; one
        that says no word, or only what clones say too, and whose look-ups all failed at an address, for ever: nobody
        can know better.
        """
        if phase is not Phase.OFFLINE:
            raise Violation(f"{camera.id} lives, and nobody is it")
        absent = [thing for thing in self.things if not thing.on or self.is_blocked(thing)]
        if not any(camera.device_id == thing.id for thing in self.things):
            says_who = camera.endpoint_reference not in ("", "clone")
            nameless = camera.mac is None and not says_who and camera.address in self.nameless
            nameless = nameless or camera.address == FORGER
            nameless = nameless or (camera.mac is not None and camera.mac.text.startswith(FORGERS_MACS))
            if not nameless and not any(self.may_be(thing, camera) for thing in absent):
                raise Violation(f"nobody is {camera.device_id}")
            self.doubtful += 1

    @staticmethod
    def may_be(thing: Thing, camera: Camera) -> bool:
        """Whether a camera can have been that thing, unrecognised."""
        if camera.mac is not None:
            return camera.mac in thing.macs[1 if thing.id else 0 :]
        return camera.endpoint_reference in ("", thing.reference)


def live_through(kinds: Iterable[str], chapters: Iterable[Iterable[Deed]], late_lookups: bool = False) -> World:
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


def a_history(seed: int) -> tuple[list[str], list[list[Deed]], bool]:
    """One history of many, and whether its look-ups are late: the same for the same seed."""
    chance = random.Random(seed)
    kinds = [chance.choice(KINDS) for _ in range(chance.randint(1, 7))]
    chapters = [
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
    return kinds, chapters, chance.random() < 0.5


def main(first: int, last: int) -> int:
    """Live through the histories from ``first`` to before ``last``; tell the violations and how much was done."""
    violations = deeds = doubtful = 0
    for seed in range(first, last):
        kinds, chapters, late = a_history(seed)
        deeds += sum(len(chapter) for chapter in chapters)
        try:
            doubtful += live_through(kinds, chapters, late).doubtful
        except Violation as violation:
            violations += 1
            print(f"history {seed}: {violation}")
    print(
        f"{last - first} histories, {deeds} deeds: {violations} violations; {doubtful} second names of absent devices"
    )
    return min(violations, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
