"""Generator of scenarios: a seed, a length and a fleet give the deeds of a soak, each with its time; pure.

The same seed gives the same deeds. What they are about is had by one of them at a time: a camera that has just moved is
left alone until its truth must be on MQTT, the broker has time to be found again before the next thing happens to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

#: Seconds that a camera is left alone after a deed: as long as its truth may take (judge.py), and some more.
CAMERA_REST = 100.0
#: Seconds until a camera's password changes again: two refusals within half an hour are all that there may be, and with
#: one more the daemon would have to wait, and would be right.
DOOR_REST = 2000.0
#: Seconds that everything else is left alone.
REST = 15.0
#: A run of up to so many seconds is a compressed one: the deeds come twice as fast.
COMPRESSED = 1800.0


@dataclass(frozen=True)
class Deed:
    """Something that is done to the daemon's world.

    :ivar at: seconds from the start of the scenario; ``until`` when it is over, the same for what takes no time.
    :ivar cameras: numbers of the cameras that it is done to.
    :ivar amount: what it is measured by, if anything: per cent lost, datagrams a second, seconds that the clock is set.
    """

    kind: str
    at: float
    until: float
    cameras: tuple[int, ...] = ()
    amount: float = 0.0

    def __str__(self) -> str:
        of = f" {', '.join(str(number) for number in self.cameras)}" if self.cameras else ""
        lasting = f" for {self.until - self.at:.0f} s" if self.until > self.at else ""
        amount = f" ({self.amount:+g} {KINDS[self.kind].unit})" if self.amount else ""
        return f"{clock(self.at)}  {KINDS[self.kind].words}{of}{lasting}{amount}"


@dataclass(frozen=True)
class Kind:
    """One kind of deed.

    :ivar thing: what it takes for itself; "camera" and "door" are as many as there are.
    :ivar lasts: the least and the most seconds. :ivar cameras: how many it is done to at most.
    :ivar amounts: what it may be measured by.
    """

    words: str
    thing: str
    lasts: tuple[float, float] = (0.0, 0.0)
    cameras: int = 0
    amounts: tuple[float, ...] = (0.0,)
    unit: str = ""


KINDS: dict[str, Kind] = {
    "move": Kind("new addresses (DHCP) of cameras", "camera", cameras=4),
    "power": Kind("power cut of cameras", "camera", (110, 160), cameras=5),
    "wifi": Kind("Wi-Fi loss at cameras", "wifi", (40, 90), cameras=6, amounts=(10, 25, 40), unit="% of frames lost"),
    "password": Kind("another password at camera", "door", (60, 90), cameras=1),
    "broker-restart": Kind("broker restarted (SIGTERM)", "broker", (0.5, 8)),
    "broker-kill": Kind("broker killed (SIGKILL)", "broker", (0.5, 8)),
    "broker-freeze": Kind("broker frozen (SIGSTOP)", "broker", (5, 40)),
    "broker-cable": Kind("cable of the broker pulled", "broker", (5, 60)),
    "flood": Kind("flood of Hellos of devices that are none", "network", (8, 25), amounts=(300, 1000, 3000), unit="/s"),
    "rubbish": Kind("rubbish at the ports of discovery", "network", (5, 10)),
    "clock": Kind(
        "wall clock stepped, then put right", "clock", (15, 45), amounts=(3600, -3600, -7200, 86_400, -600), unit="s"
    ),
    "frigate": Kind("Frigate restarted", "frigate", (3, 30)),
    "go2rtc": Kind("go2rtc restarted", "go2rtc", (3, 30)),
    "visit": Kind("browsers at the page", "page", (10, 40), amounts=(1, 2, 4), unit="of them"),
    "disk": Kind("disk full", "disk", (10, 30)),
}


@dataclass(frozen=True)
class Plan:
    """Deeds in the order of their times, and the calm before and after them.

    :ivar calm: seconds at the start without a deed; ``cool``: likewise at the end.
    """

    seed: int
    seconds: float
    calm: float
    cool: float
    deeds: tuple[Deed, ...]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, {clock(self.seconds)}, {len(self.deeds)} deeds"]
        return "\n".join([*lines, *map(str, self.deeds)])

    @property
    def warm(self) -> float:
        """When a tenth is over and each kind of deed has been done once: from then on a process has met everything."""
        first = {deed.kind: deed.until for deed in reversed(self.deeds)}
        return max(self.seconds / 10, *first.values())

    @property
    def moments(self) -> tuple[tuple[float, Deed, bool], ...]:
        """(time, deed, whether it begins then): in order, each beginning, and each end of what takes time."""
        begins = [(deed.at, deed, True) for deed in self.deeds]
        ends = [(deed.until, deed, False) for deed in self.deeds if deed.until > deed.at]
        return tuple(sorted([*begins, *ends], key=lambda one: (one[0], one[2])))


def clock(seconds: float) -> str:
    """As hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


@dataclass
class _Things:
    """What is free from when on."""

    free: dict[str, float] = field(default_factory=dict)

    def is_free(self, thing: str, at: float) -> bool:
        return self.free.get(thing, 0.0) <= at

    def take(self, thing: str, until: float) -> None:
        self.free[thing] = until


def plan(seed: int, seconds: float, *, cameras: int, doors: int) -> Plan:
    """A scenario.

    :param cameras: of the fleet, numbered from 0; ``doors`` more of them after these have passwords that change.
    """
    chance, things = Random(seed), _Things()
    calm = min(120.0, max(30.0, seconds / 20))
    cool = min(240.0, max(120.0, seconds / 10))
    pace = 12.0 if seconds <= COMPRESSED else 25.0
    deeds: list[Deed] = []
    at, deck = calm, list[str]()
    while at < seconds - cool:
        if not deck:  # each kind once before any comes again
            deck = list(KINDS)
            chance.shuffle(deck)
        for kind in deck:
            deed = _deed(kind, at, chance, things, range(cameras), range(cameras, cameras + doors))
            if deed is not None and deed.until <= seconds - cool:
                deeds.append(deed)
                deck.remove(kind)
                _take(deed, things)
                break
        else:  # nothing of it is free
            deck = []
        at += pace * chance.uniform(0.5, 1.5)
    return Plan(seed, seconds, calm, cool, tuple(deeds))


def _deed(
    kind: str, at: float, chance: Random, things: _Things, fleet: Sequence[int], doors: Sequence[int]
) -> Deed | None:
    """One of that kind; None while what it needs is taken. Chance is asked as often either way."""
    facts = KINDS[kind]
    lasts, amount, many = chance.uniform(*facts.lasts), chance.choice(facts.amounts), chance.random()
    until = round(at + lasts, 1)
    if not facts.cameras:
        return Deed(kind, round(at, 1), until, (), amount) if things.is_free(facts.thing, at) else None
    free = [n for n in (doors if facts.thing == "door" else fleet) if things.is_free(f"camera {n}", at)]
    if not free or not things.is_free(facts.thing, at):
        return None
    chosen = chance.sample(free, min(len(free), 1 + int(many * facts.cameras)))
    return Deed(kind, round(at, 1), until, tuple(sorted(chosen)), amount)


def _take(deed: Deed, things: _Things) -> None:
    thing = KINDS[deed.kind].thing
    if thing not in ("camera", "door"):
        things.take(thing, deed.until + REST)
    for number in deed.cameras:
        things.take(f"camera {number}", deed.until + (DOOR_REST if thing == "door" else CAMERA_REST))
