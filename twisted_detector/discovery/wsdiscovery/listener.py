"""Listener for WS-Discovery: reports cameras, their departures, and which of our probes they answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted_detector.discovery.multicast.listener import Bounds, ListenerContext, MulticastListener, Origin
from twisted_detector.model import Evidence, EvidenceKind, Interface, Sighting
from twisted_detector.model.bounds import MAX_HOSTS
from twisted_detector.wire.lan import wsdiscovery as wire
from twisted_detector.wire.onvif.scopes import read_scopes
from twisted_detector.wire.onvif.xaddrs import choose_xaddrs

METHOD = "wsdiscovery"

#: How the action of a probe to the group ends, ours among them. A watcher learns nothing from it: not worth an XML
#: parser.
_PROBE = b"/Probe<"

#: The message id that an answer relates to (WS-Addressing), for those whose body was read before.
_RELATES_TO = re.compile(rb"RelatesTo[^<>]{0,300}>\s*([^<>\s]{1,256})")

#: Called with the EndpointReference of a camera that answered, and the message id that it answered to.
Answered = Callable[[str, str], None]


class WSDiscoveryListener(MulticastListener):
    """Listener for WS-Discovery; it counts ``non_cameras`` and ``unrelated`` too.

    An answer to none of our probes is counted and still taken: some devices mangle the message id. Only a watcher reads
    Hello and Bye, which are sent to the group.

    :param answered: is called with the camera that answered and the probe that it answered to.
    """

    method = METHOD
    bounds = Bounds(
        reading=0.25,  # a usual datagram takes 0.5 ms; one of 64 kB that was made for it, 80 ms
        datagrams_per_sender=256,  # 64 channels of an NVR that answer four dialects
        sightings_per_sender=wire.MAX_MATCHES,
        malformed_per_sender=8,  # four dialects, twice
        senders=MAX_HOSTS,
        sightings=MAX_HOSTS,
    )

    def __init__(self, context: ListenerContext, *, answered: Answered = lambda reference, message_id: None) -> None:
        super().__init__(context)
        self._answered = answered
        #: The cameras in each answer that was read: so many as the base class lets be read.
        self._references: dict[tuple[str, int], tuple[str, ...]] = {}

    def fingerprint(self, data: bytes) -> bytes:
        """All but the ids in the header."""
        return data[max(data.find(b"Body"), 0) :]

    def handle(self, data: bytes, origin: Origin) -> None:
        """See :class:`MulticastListener`."""
        if self._watching and _PROBE in data:
            return
        message = wire.parse(data)
        if message.kind == "bye" and self._watching:
            reference = wire.normalize_reference(message.matches[0].endpoint_reference)
            self.report_departure(origin, reference=reference)
            return
        if message.kind not in (("hello",) if self._watching else ("probe_matches", "resolve_matches")):
            return
        if self._message_ids is not None and message.relates_to not in self._message_ids:
            self._counts["unrelated"] += 1
        cameras = [match for match in message.matches if wire.is_camera(match)]
        self._counts["non_cameras"] += len(message.matches) - len(cameras)
        for match in cameras:
            self._report(match, origin)
        if not self._watching and cameras and origin.on_link:
            references = tuple(wire.normalize_reference(match.endpoint_reference) for match in cameras)
            self._references[origin.sender, hash(self.fingerprint(data))] = references
            self._report_answer(references, message.relates_to)

    def handle_repetition(self, data: bytes, sender: str) -> None:
        """The same answer to another probe: that the device answers that dialect too is all that is new."""
        references = self._references.get((sender, hash(self.fingerprint(data))), ())
        found = _RELATES_TO.search(data) if references else None
        if found is not None:
            self._report_answer(references, found[1].decode("ascii", "replace"))

    def _report_answer(self, references: Sequence[str], message_id: str) -> None:
        for reference in references:
            self._answered(reference, message_id)

    def _report(self, match: wire.Match, origin: Origin) -> None:
        reference = wire.normalize_reference(match.endpoint_reference)
        self.report(
            origin,
            "match " + reference,
            lambda: make_sighting(match, origin.sender, origin.interface, origin.addresses, self._clock.seconds()),
            reference=reference,
        )


def make_sighting(
    match: wire.Match, sender: str, interface: str, addresses: Sequence[Interface], now: float
) -> Sighting:
    """What ``match`` claims, received from ``sender`` on an interface with ``addresses``."""
    reference = wire.normalize_reference(match.endpoint_reference)
    facts = read_scopes(match.scopes)
    claims = (
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
        xaddrs=choose_xaddrs(match.xaddrs, sender, addresses),
        scopes=match.scopes,
        types=match.local_types,
        name=facts.name or facts.hardware,
        interface=interface,
        evidence=tuple(Evidence(kind, value, METHOD, now) for kind, value in claims if value),
    )
