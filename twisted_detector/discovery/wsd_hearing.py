"""WS-Discovery datagrams with their senders go in; Sightings and departures come out, each once and all within bounds.

What is heard is hearsay: anybody on the network can forge it. It is never more than a reason to look closer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from twisted_detector.discovery.multicast import Received
from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Evidence, EvidenceKind, Interface, Sighting
from twisted_detector.wire import wsdiscovery as wire

METHOD = "wsdiscovery"

#: Per socket: 500 cameras answer four dialects four times within two seconds.
MAX_PER_SECOND = 4000
#: Per socket and second: seconds of reading. A usual datagram takes 0.5 ms; one of 64 kB that was made for it, 80 ms.
MAX_READING = 0.25
#: Per sender: 64 channels of an NVR that answer four dialects come to 256 different datagrams.
MAX_DATAGRAMS_PER_SENDER, MAX_SIGHTINGS_PER_SENDER = 256, wire.MAX_MATCHES
#: Per sender: who says so much nonsense says nothing else. Four dialects, twice.
MAX_MALFORMED_PER_SENDER = 8
#: A /20 full of cameras; or all that a forger gets.
MAX_SENDERS, MAX_SIGHTINGS = 4096, 4096

#: Stands among what was reported of a sender for its Bye.
_GONE = "bye"

#: What an answer relates to (WS-Addressing), for those whose body was read before.
_RELATES_TO = re.compile(rb"RelatesTo[^<>]{0,300}>\s*([^<>\s]{1,256})")

#: Called with the EndpointReference of a camera that answered, and the message id that it answered to.
Answered = Callable[[str, str], None]
#: Called with what a fault is about and the fault; logs each only once.
Complain = Callable[[str, Exception], None]


@dataclass(slots=True)
class _Memory:
    """What was heard and reported since ``began``."""

    began: float
    bodies: dict[str, dict[int, tuple[str, ...]]] = field(default_factory=dict)
    malformed: Counter[str] = field(default_factory=Counter)
    reported: dict[str, set[str]] = field(default_factory=dict)
    sightings: int = 0

    def admits(self, sender: str) -> bool:
        """Whether one more datagram of ``sender`` may be worth reading."""
        if sender not in self.bodies and len(self.bodies) >= MAX_SENDERS:
            return False
        bodies = self.bodies.setdefault(sender, {})
        return len(bodies) < MAX_DATAGRAMS_PER_SENDER and self.malformed[sender] < MAX_MALFORMED_PER_SENDER

    def is_repetition(self, sender: str, body: int) -> bool:
        """Whether ``sender`` has sent this before, but for the ids in its header."""
        if body in self.bodies[sender]:
            return True
        self.bodies[sender][body] = ()
        return False

    def is_news(self, sender: str, what: str) -> bool:
        """Whether ``what`` has not been reported of ``sender`` yet, and may be."""
        reported = self.reported.setdefault(sender, set())
        if what in reported or len(reported) >= MAX_SIGHTINGS_PER_SENDER or self.sightings >= MAX_SIGHTINGS:
            return False
        reported.add(what)
        reported.discard(_GONE)  # if it is back, its next goodbye is news
        self.sightings += 1
        return True

    def is_farewell(self, sender: str) -> bool:
        """Whether it is the first time that ``sender`` says goodbye since it was there; what it says next is news."""
        if _GONE in self.reported.get(sender, ()) or not self.is_news(sender, _GONE):
            return False
        self.reported[sender] = {_GONE}
        return True


class Hearing:
    """All that is heard in one sweep, or all the time by a watcher, on any number of sockets.

    :param clock: stamps sightings.
    :param monotonic: seconds that never jump.
    :param counts: where to count ``datagrams``, ``dropped``, ``repeated``, ``malformed``, ``non_cameras``,
        ``unrelated``, ``sightings`` and ``departures``.
    :param asked: message ids of our probes. An answer to none of them is counted and still taken: some devices mangle
        them. None: a watcher, and only a watcher hears Hello and Bye, which are said to the group.
    :param answered: is told which camera answered to which of ``asked``.
    :param lasting: seconds after which everything is news again and the bounds start anew; None: for ever.
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
        self._sink = sink
        self._clock = clock
        self._monotonic = monotonic
        self._counts = counts
        self._complain = complain
        self._asked = asked
        self._lasting = lasting
        self._answered = answered
        self._memory = _Memory(monotonic())

    def ear(self, interface: str, addresses: Sequence[Interface]) -> Received:
        """What a socket on ``interface`` is to call; ``addresses`` are those of the interface."""
        second = self._monotonic()
        heard = 0
        reading = 0.0

        def received(data: bytes, sender: str) -> None:
            nonlocal second, heard, reading
            now = self._monotonic()
            if now - second >= 1:
                second, heard, reading = now, 0, 0.0
            if self._lasting is not None and now - self._memory.began >= self._lasting:
                self._memory = _Memory(now)
            heard += 1
            self._counts["datagrams"] += 1
            if heard > MAX_PER_SECOND or reading > MAX_READING or not self._memory.admits(sender):
                self._counts["dropped"] += 1
                return
            body = hash(data[max(data.find(b"Body"), 0) :])
            if self._memory.is_repetition(sender, body) and self._asked is not None:
                self._counts["repeated"] += 1
                self._note_repetition(data, self._memory.bodies[sender][body])
            else:
                self._memory.bodies[sender][body] = self._read(data, sender, interface, addresses)
                reading += self._monotonic() - now

        return received

    def _note_repetition(self, data: bytes, references: tuple[str, ...]) -> None:
        """The same words to another probe: that it answers that dialect too is all that is new."""
        found = _RELATES_TO.search(data)
        if found is not None and references:
            related = found[1].decode("ascii", "replace")
            for reference in references:
                self._answered(reference, related)

    def _read(self, data: bytes, sender: str, interface: str, addresses: Sequence[Interface]) -> tuple[str, ...]:
        """Report what a datagram tells; returns the EndpointReferences of the cameras in it."""
        try:
            said = wire.parse(data)
        except RemoteError as problem:
            self._counts["malformed"] += 1
            self._memory.malformed[sender] += 1
            self._complain(f"a datagram of {sender}", problem)
            return ()
        if said.kind == "bye" and self._asked is None:
            if self._memory.is_farewell(sender):
                self._counts["departures"] += 1
                self._sink.departed(METHOD, sender)
            return ()
        if said.kind not in (("hello",) if self._asked is None else ("probe_matches", "resolve_matches")):
            return ()
        if self._asked is not None and said.relates_to not in self._asked:
            self._counts["unrelated"] += 1
        cameras = []
        for match in said.matches:
            if not wire.is_camera(match):
                self._counts["non_cameras"] += 1
                continue
            reference = wire.normalize_reference(match.endpoint_reference)
            cameras.append(reference)
            self._answered(reference, said.relates_to)
            if self._memory.is_news(sender, "match " + reference):
                self._counts["sightings"] += 1
                self._sink.sighted(make_sighting(match, sender, interface, addresses, self._clock.seconds()))
        return tuple(cameras)


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
