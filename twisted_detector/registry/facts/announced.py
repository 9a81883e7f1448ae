"""Record of what one device says of itself unasked, or in its manufacturer's protocol. Hearsay, all of it.

It fills in what no inspection found, and explains why streams do not play. It never takes the place of what the device
answered when it was inspected, it is no evidence of layer 2, and nothing of which a login is part goes by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from twisted_detector.model import Announced, Camera, Evidence, EvidenceKind, Sighting
from twisted_detector.model.announced import FRESH, Condition, DeviceKind

#: Methods whose words are kept of one device: a camera speaks its manufacturer's protocol, an older one, and mDNS.
MAX_METHODS = 4
#: Seconds for which the word of a device stands against another's who speaks in its place, and a whole answer against
#: one that says less: two of the slowest sweeps.
HOLDS = 3600.0
#: Changes of what one device says that are told within :data:`HOLDS`: who is set up changes some times. Several who
#: speak by turns from one address, in earnest or not, would make each answer an event.
MAX_CHANGES = 16
#: Devices that are counted at one address beside the first one: as many as one host may be.
MAX_OTHERS = 64
#: Facts of a camera that an announcement may fill in.
FACTS = ("manufacturer", "model", "serial_number", "firmware_version", "name")
#: Product lines that are sold with a battery, by the names under which they announce themselves. A wrong guess costs
#: little: see :data:`registry.facts.verdict.AWAKE_AT_MOST`.
_BATTERY_MODEL = re.compile(
    r"\bbattery\b|\bargus\b|\baltas\b|\bkeen ranger\b|\breolink go\b|\beufycam\b"
    r"|\b(?:tapo )?(?:C4[0-6]\d|D230)(?:\(|\b)|\bCS-(?:BC|CB|EB|HB)\d",
    re.IGNORECASE,
)

_NOTHING = Announced()


class AnnouncementRecord:
    """What a device said, by the method that heard it, the first one first; bounded.

    :ivar merged: all of it as one; None: it said nothing.
    :ivar disowned: an inspection showed that it is something else than a camera, whatever it says.
    """

    __slots__ = ("_changed_at", "_others", "_said", "disowned", "merged")

    def __init__(self) -> None:
        self._said: dict[str, tuple[Announced, float]] = {}
        self._changed_at: tuple[float, ...] = ()
        self._others: dict[str, float] = {}  # when each was heard last, by serial number
        self.merged: Announced | None = None
        self.disowned = False

    @property
    def is_camera(self) -> bool:
        """Whether it says that it is a camera, or may be one, and nothing is known against that."""
        return self.merged is not None and self.merged.may_be_camera and not self.disowned

    def judge(self, *, other: bool) -> None:
        """An inspection found no camera there; ``other``: but something else."""
        self.disowned = other

    def restore(self, announced: Announced | None) -> None:
        """Take over what an earlier run heard: it holds until the device is heard for the first time."""
        if announced is not None:
            self._set({"": (replace(announced, others=0), float("-inf"))})

    def is_of_another(self, method: str, announced: Announced, now: float) -> bool:
        """Whether what a method heard is the word of another device that speaks from the same address by turns."""
        before, at = self._said.get(method, (_NOTHING, float("-inf")))
        return abs(now - at) <= HOLDS and _is_other(announced, before)

    def record(self, method: str, announced: Announced, now: float = 0.0) -> None:
        """A method heard the device.

        Of one method the latest counts, but an answer to an older search that says less than the whole one does not.
        Where it names another serial number, another device has taken the place of the one that was heard so far, and
        all that was heard is dropped; as long as that one is heard too, several have the address (new ones come with
        that of their factory), and the first one stays.
        """
        self._others = {one: heard for one, heard in self._others.items() if abs(now - heard) <= HOLDS}
        before, at = self._said.get(method, (_NOTHING, float("-inf")))
        said = {name: one for name, one in self._said.items() if name}
        if self.is_of_another(method, announced, now):
            self._record_other(announced, now)
            return
        if abs(now - at) <= HOLDS:
            if _says_less(announced, before):
                announced = before
        elif _is_other(announced, before):
            said = {}
            self._others.clear()
        if method not in said and len(said) >= MAX_METHODS:
            del said[min(said, key=lambda name: said[name][1])]
        said[method] = announced, now
        if self._merge(said) != self.merged:
            self._changed_at = (*(one for one in self._changed_at if abs(now - one) <= HOLDS), now)
            if len(self._changed_at) > MAX_CHANGES:
                self._changed_at = self._changed_at[:-1]
                return
        self._set(said)

    def absorb(self, other: AnnouncementRecord) -> None:
        """The device is one with another: what was heard of either is of both."""
        both = self._said | {name: one for name, one in other._said.items() if name not in self._said}
        self._set(dict(islice(both.items(), MAX_METHODS)))

    def forget(self) -> None:
        """It is not known of which device that was heard."""
        self._others.clear()
        self._set({})

    def _record_other(self, announced: Announced, now: float) -> None:
        """Another device speaks from the address. New ones are counted, and told in powers of two: seven changes."""
        serial = announced.serial_number
        is_new = not {*FRESH}.isdisjoint(announced.conditions)
        if serial in self._others or (is_new and len(self._others) < MAX_OTHERS):
            self._others[serial] = now
        self._set(self._said)

    def _merge(self, said: dict[str, tuple[Announced, float]]) -> Announced:
        others = 1 << len(self._others).bit_length() >> 1
        return replace(merge([one for one, _ in said.values()]), others=others)

    def _set(self, said: dict[str, tuple[Announced, float]]) -> None:
        self._said = said
        self.merged = self._merge(said) if said else None


def _is_other(announced: Announced, before: Announced) -> bool:
    """Whether both name a serial number, and not the same."""
    return bool(before.serial_number) and announced.serial_number not in ("", before.serial_number)


def _says_less(announced: Announced, before: Announced) -> bool:
    """Whether it says nothing new, and leaves out or shortens a fact: the older of two forms of an answer."""
    facts = [(getattr(announced, name), getattr(before, name)) for name in (*FACTS, "managed_by", "address")]
    is_part = (
        announced.kind in (DeviceKind.UNKNOWN, before.kind)
        and announced.channels in (0, before.channels)
        and {*announced.conditions} <= {*before.conditions}
        and all(old.startswith(new) for new, old in facts)
    )
    return is_part and any(old != new for new, old in facts)


def merge(said: Iterable[Announced]) -> Announced:
    """Several announcements of one device as one: of each fact the first that was given, and all conditions."""
    whole = _NOTHING
    for one in said:
        facts = {name: getattr(whole, name) or getattr(one, name) for name in (*FACTS, "managed_by", "address")}
        both = {*whole.conditions, *one.conditions}
        whole = replace(
            whole,
            **facts,
            kind=one.kind if whole.kind is DeviceKind.UNKNOWN else whole.kind,
            channels=max(whole.channels, one.channels),
            others=max(whole.others, one.others),
            conditions=tuple(condition for condition in Condition if condition in both),
        )
    return whole


def proper_evidence(sighting: Sighting) -> tuple[Evidence, ...]:
    """The evidence of a sighting that may be kept: a manufacturer's name that a datagram claims is no more than
    :class:`Announced` has, for logins are chosen by the names that stand among the evidence.
    """
    if sighting.announced is None:
        return sighting.evidence
    return tuple(one for one in sighting.evidence if one.kind != EvidenceKind.VENDOR)


def without_hearsay(camera: Camera) -> Camera:
    """A camera with nothing but the facts that inspections found."""
    if not camera.hearsay:
        return camera
    bare: dict[str, str] = dict.fromkeys(camera.hearsay, "")
    if "name" in bare:
        bare["name_source"] = ""
    return replace(camera, hearsay=(), **bare)  # type: ignore[arg-type]


def filled_in(camera: Camera, announced: Announced | None) -> Camera:
    """A camera whose missing facts are those that it announces."""
    bare = without_hearsay(camera)
    given = {name: getattr(announced or _NOTHING, name) for name in FACTS if not getattr(bare, name)}
    given = {name: value for name, value in given.items() if value}
    if "name" in given:
        given["name_source"] = "device"
    model = bare.model or given.get("model", "")
    if _BATTERY_MODEL.search(model) and Condition.SLEEPS not in (announced or _NOTHING).conditions:
        announced = merge((announced or _NOTHING, Announced(conditions=(Condition.SLEEPS,))))
    filled = replace(bare, announced=announced, hearsay=tuple(name for name in FACTS if name in given), **given)
    return camera if filled == camera else filled
