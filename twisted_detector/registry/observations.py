"""Log of the latest observations of each address, for ``camdetect why``.

Nothing in it is secret: of a login there is only the name, and URLs have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from zope.interface import implementer

from twisted_detector.events import (
    AdoptionChanged,
    CameraAsleep,
    CameraDiscovered,
    CameraEvent,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraOnline,
    CameraRestored,
    CameraTrouble,
    ClockSkewed,
    Event,
    IdentityConflict,
    QuotaReached,
)
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Announced, EvidenceKind, Inspection, Login, Sighting
from twisted_detector.model.addresses import without_login
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.devices import BY_HAND
from twisted_detector.model.encoding import pack, unpack

#: Addresses of either kind: a /21 full of devices, 0.5 kB for each observation while it is lively, then 0.07.
MAX_ADDRESSES = 2048
#: Different observations of one address: an hour in the life of a troubled camera. The oldest goes first.
MAX_OBSERVATIONS = 40
#: Characters of one observation: a device may have a name of any length.
MAX_TEXT = 300
#: Seconds without an observation of an address after which those that it has are packed, until the next: its camera
#: moved on, or it was a guest's telephone. What is checked is observed more often.
QUIET = 900.0
#: Addresses that are packed at one observation: more than come, and a millisecond at most.
MAX_PACKED_AT_ONCE = 2

#: Sources whose reports can be forged; other sources have connected to the address themselves.
_FORGEABLE = frozenset({"wsdiscovery", "mdns", "ssdp", "vendors", "dhcp", "arp", "neighbours", "eyes"})


@dataclass(frozen=True, slots=True)
class Observation:
    """One fact about one address; ``times`` counts how often it was observed, from ``first_at`` to ``last_at``."""

    first_at: float
    last_at: float
    source: str
    text: str
    times: int = 1


_row = attrgetter(*Observation.__slots__)
_Observations = BoundedDict[tuple[str, str], Observation]
#: As objects, or packed.
_Kept = _Observations | bytes


@implementer(IEventListener)
class ObservationLog:
    """Bounded log of observations. A flood of forged announcements cannot push out addresses that answered us.

    :param max_addresses: addresses with forgeable observations only, and as many with others.
    :param forgeable: more sources whose reports can be forged.
    """

    def __init__(
        self,
        *,
        max_addresses: int = MAX_ADDRESSES,
        max_observations: int = MAX_OBSERVATIONS,
        forgeable: Iterable[str] = (),
    ) -> None:
        self._forgeable = _FORGEABLE.union(forgeable)
        self._max_observations = max_observations
        self._announced: BoundedDict[str, _Kept] = BoundedDict(max_addresses)
        self._verified: BoundedDict[str, _Kept] = BoundedDict(max_addresses)
        self._lively: BoundedDict[str, float] = BoundedDict(2 * max_addresses)  # when each was observed last

    def distrust(self, sources: Iterable[str]) -> None:
        """The reports of these sources can be forged too."""
        self._forgeable |= {*sources}

    def record(self, at: float, address: str, source: str, what: str) -> None:
        """Record one observation; the same again is counted."""
        text = "".join(one for one in what if one.isprintable())[:MAX_TEXT]
        observations = self._touch(address, forgeable=source in self._forgeable)
        self._pack_quiet(address, at)
        before = observations.pop((source, text), None)
        observations[source, text] = (
            Observation(at, at, source, text) if before is None else replace(before, last_at=at, times=before.times + 1)
        )

    def _touch(self, address: str, *, forgeable: bool) -> _Observations:
        """The observations of an address, which becomes the youngest."""
        if forgeable and address not in self._verified:
            log, known = self._announced, self._announced.pop(address, None)
        else:
            log, known = self._verified, self._verified.pop(address, None) or self._announced.pop(address, None)
        log[address] = observations = self._unpacked(known)
        return observations

    def _unpacked(self, kept: _Kept | None) -> _Observations:
        if isinstance(kept, BoundedDict):
            return kept
        observations: _Observations = BoundedDict(self._max_observations)
        for one in (Observation(*row) for row in (unpack(kept) if kept else ())):
            observations[one.source, one.text] = one
        return observations

    def _pack_quiet(self, address: str, now: float) -> None:
        """Pack addresses of which nothing was observed for long, the quietest first; ``address`` is observed now.

        A wall clock that was set makes some look quiet that are not: they are unpacked when they are observed again.
        """
        self._lively.pop(address, None)
        self._lively[address] = now
        for _ in range(MAX_PACKED_AT_ONCE):
            quietest, at = next(iter(self._lively.items()))
            if abs(now - at) < QUIET:
                return
            del self._lively[quietest]
            for log in (self._announced, self._verified):
                if isinstance(kept := log.get(quietest), BoundedDict):
                    log[quietest] = pack(map(_row, kept.values()))

    def observations_of(self, address: str) -> Sequence[Observation]:
        """The observations of one address, in the order in which they were made last."""
        known = self._unpacked(self._verified.get(address) or self._announced.get(address))
        return sorted(known.values(), key=lambda one: one.last_at)

    def __len__(self) -> int:
        return len(self._announced) + len(self._verified)

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraEvent):
            for address, text in _describe_event(event):
                self.record(event.at, address, "camera", f"{event.camera.id} {text}")
        elif isinstance(event, QuotaReached):
            self.record(event.at, event.address, "quota", event.text)


def _describe_event(event: CameraEvent) -> Iterator[tuple[str, str]]:
    """(address, text) of each address that an event concerns."""
    here = event.camera.address
    if isinstance(event, CameraMoved):
        yield event.old_address, f"moved to {event.new_address}"
        yield event.new_address, f"moved here from {event.old_address}"
    elif isinstance(event, CameraDiscovered):
        yield here, "was found here"
    elif isinstance(event, CameraRestored):
        yield here, "was here in an earlier run"
    elif isinstance(event, CameraOnline):
        yield here, "is online"
    elif isinstance(event, CameraOffline):
        yield here, f"is offline: {event.reason}"
    elif isinstance(event, CameraAsleep):
        yield here, f"is asleep: {event.reason}"
    elif isinstance(event, CameraTrouble):
        yield here, f"is {event.camera.status.value}: {event.reason}"
    elif isinstance(event, AdoptionChanged):
        yield here, f"adoption: {event.adoption.value}, {event.reason}"
    elif isinstance(event, ClockSkewed):
        yield here, f"has a clock that is {event.offset:+.0f} s off ours"
    elif isinstance(event, IdentityConflict):
        yield here, f"claims {event.kind} {event.value}, and so does {event.other_device_id}"
    elif isinstance(event, CameraForgotten):
        yield here, "was forgotten on command"


def describe_sighting(sighting: Sighting) -> str:
    """A sighting in words; the ports of one that a person's command makes are to be tried, and were not seen."""
    if sighting.method == BY_HAND:
        return "asked by hand"
    words = [f"MAC {sighting.mac}"] if sighting.mac else []
    for name, values in (
        ("ports open", sighting.open_ports),
        ("types", sighting.types),
        ("service", tuple(without_login(url) for url in sighting.xaddrs[:2])),
    ):
        if values:
            words.append(f"{name} {', '.join(str(value) for value in values)}")
    if sighting.endpoint_reference:
        words.append(f"EndpointReference {sighting.endpoint_reference}")
    if sighting.name:
        words.append(f"calls itself {sighting.name}")
    if sighting.announced is not None:
        macs = [f"MAC {one.value}" for one in sighting.evidence if one.kind == EvidenceKind.ANNOUNCED_MAC]
        words.append(f"says of itself: {', '.join((_describe_announced(sighting.announced), *macs[:2]))}")
    return "seen: " + ("; ".join(words) or "it is there")


def _describe_announced(said: Announced) -> str:
    device = " ".join(filter(None, (said.manufacturer, said.model))) or said.kind.value or "a camera"
    parts = [device, *(one.value for one in said.conditions)]
    for name, value in (
        ("channels", said.channels),
        ("serial number", said.serial_number),
        ("firmware", said.firmware_version),
        ("address", said.address),
        ("managed by", said.managed_by),
    ):
        if value:
            parts.append(f"{name} {value}")
    return ", ".join(parts)


def describe_inspection(inspection: Inspection) -> str:
    """The result of an inspection in words; streams are proved afterwards."""
    device = " ".join(filter(None, (inspection.manufacturer, inspection.model))) or "an unidentified device"
    words = f"a camera: {device}, {len(inspection.streams)} streams, {inspection.status.value}"
    return f"{words} ({inspection.reason})" if inspection.reason else words


def describe_logins(login: Login | None, refused: Sequence[str], reason: str) -> Iterator[str]:
    """The results of logins in words; names only."""
    if refused:
        yield f"refused {', '.join(refused)}: {reason}"
    if login is not None:
        yield f"accepted {login.name}"
