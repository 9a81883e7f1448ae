"""Reasons to inspect a device again: what it shows for the first time, that it is not well, and time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from twisted_detector.model import Sighting, Stream
from twisted_detector.registry.lifecycle import Phase

#: Different details (addresses of services, scopes, ports) for which one device is inspected again at one address: many
#: times what the most talkative recorder has, and an end for one that shows something else every time.
MAX_DETAILS = 256

#: A device that was no camera is inspected again after that many seconds, or when it shows something new.
FOREIGN_HOLD = 3600.0
#: A device in trouble is inspected again by the next sweep that sees it, but not for each of an announcement's repeats.
#: Each time that this was in vain the hold is doubled: routine checks ask it all the same.
TROUBLED_HOLD, MAX_TROUBLED_HOLD = 8.0, 900.0
#: A device that is away or new is inspected whenever it is seen. After so many times in vain it has to wait: whoever
#: forges its announcements would have us knock at a dead address for each. At most a minute, the time of a check.
PROMPTS_TO_SPARE, MAX_AWAY_HOLD = 3, 60.0
#: A device that is well is inspected again for what may have changed unnoticed (names, profiles, firmware).
REFRESH_HOLD = 6 * 3600.0

_RTSP_PORT = re.compile(r"rtsps?://(?:\[[^\]]*\]|[^/?#:]*)(?::([0-9]{1,5}))?(?:[/?#]|$)", re.IGNORECASE)


class ShownDetails:
    """Details that a device shows of itself at its address. Each is news once, until the next inspection.

    What an inspection finds out for itself is no news when a discovery method tells it too, then or later: each method
    would bring another inspection of every new camera.
    """

    def __init__(self) -> None:
        #: Only hashes: a device may show 256 details of a kilobyte each.
        self._seen: set[int] = set()
        #: Kinds, with the ports that they name.
        self._news: set[tuple[str, frozenset[int]]] = set()

    @property
    def has_news(self) -> bool:
        """Whether something was shown that no inspection had the benefit of."""
        return bool(self._news)

    def record(self, sighting: Sighting, reference: str) -> None:
        """The device was seen.

        :param reference: its EndpointReference as far as it is known; another one is news in any case.
        """
        for kind, value, ports in _details_of(sighting, reference):
            detail = hash((kind, value))
            if detail not in self._seen and len(self._seen) < MAX_DETAILS:
                self._seen.add(detail)
                self._news.add((kind, ports))

    def found_well(self, onvif_urls: Iterable[str], streams: Iterable[Stream]) -> None:
        """The device is well: what it was asked for, and answered, is no news.

        A camera that ONVIF described has nothing to add but a service where it was not asked. One that is known by its
        streams alone may have all but their ports.
        """
        if not self._news:
            return
        services, played = frozenset(map(_port_of, onvif_urls)), frozenset(ports_of(streams))
        self._news = {one for one in self._news if not _is_covered(*one, services, played)}

    def inspection_began(self) -> None:
        """An inspection begins: it has the benefit of all that was shown."""
        self._news.clear()

    def moved(self) -> None:
        """The device is at another address: everything there is new."""
        self._seen.clear()


class InspectionReasons:
    """Reasons to inspect one device again; ``now`` is wall seconds.

    :ivar began_at: when an inspection began last; None: never.
    :ivar details: what it shows of itself at its address.
    """

    def __init__(self) -> None:
        self.began_at: float | None = None
        self.details = ShownDetails()
        self._changed = True
        self._prompted = False
        #: Inspections for which a sighting was the reason, since a stream of it played.
        self._in_vain = 0

    def changed(self) -> None:
        """It moved, was merged or split, or a person accepted it."""
        self._changed = True

    def moved(self) -> None:
        """It is at another address."""
        self.details.moved()
        self.changed()

    def stream_proved(self) -> None:
        """It is well."""
        self._in_vain = 0

    def inspection_began(self, now: float) -> None:
        """An inspection begins."""
        self.began_at = now
        self._changed = False
        self.details.inspection_began()
        self._in_vain += self._prompted
        self._prompted = False

    def prompt(self, phase: Phase, now: float) -> bool:
        """The device was seen: :meth:`are_due`, and if so the next inspection counts as caused by that."""
        due = self.are_due(phase, now)
        self._prompted = self._prompted or due
        return due

    def are_due(self, phase: Phase, now: float) -> bool:
        """Whether to inspect a device in that phase now."""
        hold = REFRESH_HOLD
        if phase is Phase.FOREIGN:
            hold = FOREIGN_HOLD
        elif phase in (Phase.CANDIDATE, Phase.OFFLINE, Phase.SUSPECT):
            hold = _backed_off(1.0, self._in_vain - PROMPTS_TO_SPARE, MAX_AWAY_HOLD)
        elif phase in (Phase.TROUBLED, Phase.REFUSED):
            hold = _backed_off(TROUBLED_HOLD, max(1, self._in_vain), MAX_TROUBLED_HOLD)
        return self._changed or self.details.has_news or self._since_inspection(now) >= hold

    def _since_inspection(self, now: float) -> float:
        """Seconds since its last inspection began; infinite when never, or when the clock has jumped back since."""
        elapsed = float("inf") if self.began_at is None else now - self.began_at
        return elapsed if elapsed >= 0 else float("inf")


def _backed_off(first: float, times: int, longest: float) -> float:
    """``first`` seconds, doubled each time from the second on, at most ``longest``; 0 before the first time."""
    return min(first * 2.0 ** min(times - 1, 30), longest) if times > 0 else 0.0


def _is_covered(kind: str, ports: frozenset[int], services: frozenset[int], played: frozenset[int]) -> bool:
    if kind == "xaddr":
        return not services.isdisjoint(ports)
    if kind in ("rtsp", "open") and ports <= played:
        return True
    return kind != "other epr" and bool(services)


def _details_of(sighting: Sighting, reference: str) -> Iterator[tuple[str, str, frozenset[int]]]:
    """Kind, value and ports of each; of several addresses for one service any will do."""
    none: frozenset[int] = frozenset()
    if sighting.mac is not None:
        yield "mac", sighting.mac.text, none
    if sighting.endpoint_reference not in ("", reference):
        yield "other epr" if reference else "epr", sighting.endpoint_reference, none
    services = frozenset(map(_port_of, sighting.xaddrs))
    for url in sighting.xaddrs:
        yield "xaddr", url, services
    for scope in sighting.scopes:
        yield "scope", scope, none
    if sighting.announced is not None:
        # Who activates a camera, or sets its password, does so to see it.
        yield "conditions", " ".join(sighting.announced.conditions), none
    for kind, ports in (("rtsp", sighting.rtsp_ports), ("open", sighting.open_ports)):
        for port in ports:
            yield kind, str(port), frozenset((port,))


def _port_of(url: str) -> int:
    """The port of an http or https URL; 0 of one that cannot be read."""
    try:
        parts = urlsplit(url)
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return 0


def ports_of(streams: Iterable[Stream]) -> tuple[int, ...]:
    """The ports that stream URLs name (RFC 7826, 4.2: 554 and 322 when they name none)."""
    found = []
    for stream in streams:
        match = _RTSP_PORT.match(stream.url)
        if match is not None:
            found.append(int(match[1] or (322 if stream.url.lower().startswith("rtsps") else 554)))
    return tuple(port for port in found if 0 < port < 65_536)
