"""WS-Discovery datagrams with their senders go in; Sightings and departures come out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from twisted.internet.interfaces import IReactorTime

from twisted_detector.discovery.multicast import listener as hearing
from twisted_detector.discovery.multicast.listener import Bounds, Complain, Spot
from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Evidence, EvidenceKind, Interface, Sighting
from twisted_detector.wire.lan import wsdiscovery as wire

METHOD = "wsdiscovery"

#: Of each second: seconds of reading. A usual datagram takes 0.5 ms; one of 64 kB that was made for it, 80 ms.
MAX_READING = 0.25
#: Per sender: 64 channels of an NVR that answer four dialects come to 256 different datagrams.
MAX_DATAGRAMS_PER_SENDER, MAX_SIGHTINGS_PER_SENDER = 256, wire.MAX_MATCHES
#: Per sender: who says so much nonsense says nothing else. Four dialects, twice.
MAX_MALFORMED_PER_SENDER = 8
#: A /20 full of cameras; or all that a forger gets.
MAX_SENDERS, MAX_SIGHTINGS = 4096, 4096

#: How the action of a question to the group ends, ours among them. It tells a watcher nothing: not worth an XML parser.
_PROBE = b"/Probe<"

#: What an answer relates to (WS-Addressing), for those whose body was read before.
_RELATES_TO = re.compile(rb"RelatesTo[^<>]{0,300}>\s*([^<>\s]{1,256})")

#: Called with the EndpointReference of a camera that answered, and the message id that it answered to.
Answered = Callable[[str, str], None]


class WSDiscoveryListener(hearing.MulticastListener):
    """Hears WS-Discovery; see :class:`WSDiscoveryListener`.

    :param clock: stamps sightings.
    :param counts: where to count ``non_cameras`` and ``unrelated`` too.
    :param asked: message ids of our probes. An answer to none of them is counted and still taken: some devices mangle
        them. None: a watcher, and only a watcher hears Hello and Bye, which are said to the group.
    :param answered: is told which camera answered to which of ``asked``.
    """

    def __init__(
        self,
        sink: ISightingSink,
        *,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        counts: Counter[str],
        complain: Complain,
        asked: Collection[str] | None = None,
        lasting: float | None = None,
        answered: Answered = lambda reference, message_id: None,
    ) -> None:
        super().__init__(
            sink,
            method=METHOD,
            bounds=Bounds(
                MAX_READING,
                MAX_DATAGRAMS_PER_SENDER,
                MAX_SIGHTINGS_PER_SENDER,
                MAX_MALFORMED_PER_SENDER,
                MAX_SENDERS,
                MAX_SIGHTINGS,
            ),
            clock=clock,
            monotonic=monotonic,
            counts=counts,
            complain=complain,
            watching=asked is None,
            lasting=lasting,
        )
        self._asked = asked
        self._answered = answered
        #: The cameras in each answer that was read: so many as the base class lets be read.
        self._references: dict[tuple[str, int], tuple[str, ...]] = {}

    def essence(self, data: bytes) -> bytes:
        """All but the ids in the header."""
        return data[max(data.find(b"Body"), 0) :]

    def read(self, data: bytes, spot: Spot) -> None:
        """See :class:`WSDiscoveryListener`."""
        if self._asked is None and _PROBE in data:
            return
        said = wire.parse(data)
        if said.kind == "bye" and self._asked is None:
            reference = wire.normalize_reference(said.matches[0].endpoint_reference)
            self.depart(spot.sender, reference=reference)
            return
        if said.kind not in (("hello",) if self._asked is None else ("probe_matches", "resolve_matches")):
            return
        if self._asked is not None and said.relates_to not in self._asked:
            self._counts["unrelated"] += 1
        cameras = [match for match in said.matches if wire.is_camera(match)]
        self._counts["non_cameras"] += len(said.matches) - len(cameras)
        for match in cameras:
            self._tell(match, spot)
        if self._asked is not None and cameras:
            references = tuple(wire.normalize_reference(match.endpoint_reference) for match in cameras)
            self._references[spot.sender, hash(self.essence(data))] = references
            self._tell_answered(references, said.relates_to)

    def repeated(self, data: bytes, sender: str) -> None:
        """The same words to another probe: that it answers that dialect too is all that is new."""
        references = self._references.get((sender, hash(self.essence(data))), ())
        found = _RELATES_TO.search(data) if references else None
        if found is not None:
            self._tell_answered(references, found[1].decode("ascii", "replace"))

    def _tell_answered(self, references: Sequence[str], message_id: str) -> None:
        for reference in references:
            self._answered(reference, message_id)

    def _tell(self, match: wire.Match, spot: Spot) -> None:
        reference = wire.normalize_reference(match.endpoint_reference)
        self.report(
            spot.sender,
            "match " + reference,
            lambda: make_sighting(match, spot.sender, spot.interface, spot.addresses, self._clock.seconds()),
            reference=reference,
        )


def make_sighting(
    match: wire.Match, sender: str, interface: str, addresses: Sequence[Interface], now: float
) -> Sighting:
    """What ``match`` says, heard from ``sender`` on an interface with ``addresses``."""
    reference = wire.normalize_reference(match.endpoint_reference)
    facts = wire.read_scopes(match.scopes)
    said = (
        (EvidenceKind.ENDPOINT_REFERENCE, reference),
        (EvidenceKind.SCOPE_MAC, str(facts.mac or "")),
        (EvidenceKind.SERIAL, facts.serial_number),
        (EvidenceKind.VENDOR, facts.manufacturer),
    )
    return Sighting(
        method=METHOD,
        address=sender,
        seen_at=now,
        endpoint_reference=reference,
        xaddrs=wire.choose_xaddrs(match.xaddrs, sender, addresses),
        scopes=match.scopes,
        types=match.local_types,
        name=facts.name or facts.hardware,
        interface=interface,
        evidence=tuple(Evidence(kind, value, METHOD, now) for kind, value in said if value),
    )
