"""What is seen, asked and answered goes in; the latest of it, address by address, comes out for whoever asks why.

Nothing in it is secret: of a login there is the name only, and URLs come without it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from zope.interface import implementer

from twisted_detector.events import (
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
)
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Inspection, Login, Sighting
from twisted_detector.model.addresses import without_login

#: Addresses of either kind: a /21 full of devices, 0.5 kB for each fact.
MAX_ADDRESSES = 2048
#: Different facts of one address: an hour in the life of a troubled camera. The oldest goes first.
MAX_FACTS = 40
#: Characters of one fact: a device may say a name of any length.
MAX_TEXT = 300

#: Who says what was only heard and may be forged; whatever else is said, we asked for.
_HEARSAY = frozenset({"wsdiscovery", "mdns", "ssdp", "dhcp", "arp", "neighbours"})


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that was said of one address, ``times`` times, first and last at these wall seconds."""

    first_at: float
    last_at: float
    source: str
    text: str
    times: int = 1


@implementer(IEventListener)
class ObservationLog:
    """The facts, bounded. A flood of what is merely heard cannot push out what answered when it was asked.

    :param max_addresses: of those that were only heard of, and as many of those that were asked.
    """

    def __init__(self, *, max_addresses: int = MAX_ADDRESSES, max_facts: int = MAX_FACTS) -> None:
        self._max_addresses = max_addresses
        self._max_facts = max_facts
        self._heard: OrderedDict[str, dict[tuple[str, str], Observation]] = OrderedDict()
        self._asked: OrderedDict[str, dict[tuple[str, str], Observation]] = OrderedDict()

    def record(self, at: float, address: str, source: str, what: str) -> None:
        """Write one fact down; the same again is counted."""
        text = "".join(one for one in what if one.isprintable())[:MAX_TEXT]
        facts = self._page(address, heard=source in _HEARSAY)
        before = facts.pop((source, text), None)
        facts[source, text] = (
            Observation(at, at, source, text) if before is None else replace(before, last_at=at, times=before.times + 1)
        )
        if len(facts) > self._max_facts:
            del facts[next(iter(facts))]

    def _page(self, address: str, *, heard: bool) -> dict[tuple[str, str], Observation]:
        if heard and address not in self._asked:
            book, facts = self._heard, self._heard.pop(address, {})
        else:
            book = self._asked
            facts = self._asked.pop(address, {}) or self._heard.pop(address, {})
        book[address] = facts
        if len(book) > self._max_addresses:
            book.popitem(last=False)
        return facts

    def facts(self, address: str) -> Sequence[Observation]:
        """What is known of one address, in the order in which it was said last."""
        facts = self._asked.get(address) or self._heard.get(address) or {}
        return sorted(facts.values(), key=lambda fact: fact.last_at)

    def __len__(self) -> int:
        return len(self._heard) + len(self._asked)

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraEvent):
            for address, text in _told(event):
                self.record(event.at, address, "camera", f"{event.camera.id} {text}")


def _told(event: CameraEvent) -> Iterator[tuple[str, str]]:
    """What an event says of which address."""
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
    elif isinstance(event, CameraTrouble):
        yield here, f"is {event.camera.status.value}: {event.reason}"
    elif isinstance(event, ClockSkewed):
        yield here, f"has a clock that is {event.offset:+.0f} s off ours"
    elif isinstance(event, IdentityConflict):
        yield here, f"claims {event.kind} {event.value}, and so does {event.other_device_id}"
    elif isinstance(event, CameraForgotten):
        yield here, "was forgotten on command"


def seen_text(sighting: Sighting) -> str:
    """A sighting in words."""
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
    return "seen: " + ("; ".join(words) or "it is there")


def inspected_text(inspection: Inspection) -> str:
    """What an inspector found, in words; streams are proved afterwards."""
    what = " ".join(filter(None, (inspection.manufacturer, inspection.model))) or "a device that says not what"
    words = f"a camera: {what}, {len(inspection.streams)} streams, {inspection.status.value}"
    return f"{words} ({inspection.reason})" if inspection.reason else words


def login_texts(login: Login | None, refused: Sequence[str], reason: str) -> Iterator[str]:
    """How logins went, in words; names only."""
    if refused:
        yield f"refused {', '.join(refused)}: {reason}"
    if login is not None:
        yield f"accepted {login.name}"
