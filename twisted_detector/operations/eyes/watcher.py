"""Watcher that takes what eyes report over the broker: sightings of links that this machine does not stand on.

What an eye says is hearsay, signed or not: the key shows who says it, not who is there. It is reported without a MAC
(one that stands alone is the detector's to look up), and of this machine's own links it is not reported at all: there
this machine's kernel would add the MAC that it sees itself, and an eye's words would pass for those of the device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import ip_address, ip_network

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import CamdetectError, PublishError
from twisted_detector.interfaces import INeighbours, ISeveralMethods, ISightingSink, RecordObservation
from twisted_detector.model import Message, Sighting
from twisted_detector.model.reach import Network, is_in, networks_of
from twisted_detector.operations.eyes import IEyes
from twisted_detector.operations.eyes.gate import EyeAtGate, EyeGate, Refusal
from twisted_detector.wire.eyes.report import METHODS, SignOfLife

NAME = "eyes"
#: Seconds between two invitations of one eye that are not due to a start: a forged message must not make us speak.
INVITE_INTERVAL = 5.0
#: Seconds after which an invitation that could not be sent is not worth sending: a silent eye gets another one.
LIFETIME = 30.0

Publish = Callable[[Message], Deferred[None]]
Subscribe = Callable[[str, Callable[[str, bytes], Awaitable[None] | None]], Callable[[], None]]


@implementer(IEyes, ISeveralMethods)
class EyeWatcher:
    """Watcher of what the eyes of this node report.

    :param publish, subscribe: of the connection to the broker.
    :param record: records for ``camdetect why`` which eye heard of an address.
    :ivar counts: of all eyes: ``accepted``, every :class:`Refusal`, ``own_link`` and ``elsewhere`` (addresses that an
        eye may not speak of).
    """

    name = NAME
    methods = tuple(sorted(METHODS))
    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        gate: EyeGate,
        *,
        neighbours: INeighbours,
        publish: Publish,
        subscribe: Subscribe,
        record: RecordObservation,
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        self.gate = gate
        self._neighbours = neighbours
        self._publish = publish
        self._subscribe = subscribe
        self._record = record
        self._monotonic = monotonic
        self._sink: ISightingSink | None = None
        self._ends: list[Callable[[], None]] = []
        self._looking: Deferred[None] | None = None
        #: Networks of our links; None while they are not known: then nothing is believed.
        self._own: Sequence[Network] | None = None
        self._allowed = {name: _networks(eye) for name, eye in gate.eyes.items()}
        self._invited_at: dict[str, float] = {}
        #: The sessions that the broker keeps, by eye: what has not changed would not be published again.
        self._kept: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    # --- IWatcher

    def startWatching(self, sink: ISightingSink) -> None:
        """Subscribe to the reports, and invite the eyes as soon as it is known which links are our own."""
        self._sink = sink
        for eye in self.gate.eyes.values():
            self._ends.append(self._subscribe(eye.topics.report, partial(self._received, eye)))
        self._ends.append(
            self._neighbours.watch(lambda _address, _mac: None, interfaces_changed=self._look_at_interfaces)
        )
        self._look_at_interfaces()

    def stopWatching(self) -> None:
        """Report no more."""
        self._sink = None
        for end in self._ends:
            end()
        self._ends.clear()
        if self._looking is not None:
            self._looking.cancel()

    def _look_at_interfaces(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        looking = Deferred.fromCoroutine(self._learn_interfaces())
        if not looking.called:
            self._looking = looking
        looking.addBoth(self._looked, looking)

    def _looked(self, _: object, looking: Deferred[None]) -> None:
        if self._looking is looking:
            self._looking = None

    async def _learn_interfaces(self) -> None:
        try:
            found = await self._neighbours.interfaces()
        except (OSError, CamdetectError) as problem:
            self.log.warn("The eyes are not believed yet, for our own links are not known: {problem}", problem=problem)
            return
        first = self._own is None
        # Without ARP (a tunnel) no MAC is seen: nothing can be added to what an eye says of it.
        self._own = networks_of(one for one in found if one.arp or one.loopback)
        if first and self._sink is not None:
            for eye in self.gate.eyes.values():
                self.invite(eye)

    # --- what is said to eyes

    def invite(self, eye: EyeAtGate) -> None:
        """Invite an eye to report, unless that was done just now, or our own links are not known yet."""
        now = self._monotonic()
        if self._own is None or now - self._invited_at.get(eye.key.name, float("-inf")) < INVITE_INTERVAL:
            return
        self._invited_at[eye.key.name] = now
        is_new = self._kept.get(eye.key.name) != eye.session
        self._kept[eye.key.name] = eye.session
        message = Message(eye.topics.invitation, eye.invitation(), retain=is_new, expires_after=LIFETIME, durable=False)
        try:
            self._publish(message).addErrback(lambda failure: failure.trap(PublishError) and None)
        except PublishError as error:
            self.log.debug("An eye could not be invited: {error}", error=str(error))

    # --- what eyes say

    def _received(self, eye: EyeAtGate, _: str, payload: bytes) -> None:
        if self._sink is None or self._own is None:
            return
        report = eye.admit(payload, self._clock.seconds(), self._monotonic())
        self.counts[report.value if isinstance(report, Refusal) else "accepted"] += 1
        if isinstance(report, Refusal):
            if report is Refusal.STALE:
                self.invite(eye)
            return
        if isinstance(report, SignOfLife):
            return
        if refusal := self._refusal(eye, report.address):
            self.counts[refusal] += 1
            return
        if isinstance(report, Sighting):
            self._record(report.seen_at, report.address, NAME, f"the eye {eye.key.name} heard it ({report.method})")
            self._sink.sighted(report)
        else:
            self._sink.departed(report.source, report.address, report.reference)

    def _refusal(self, eye: EyeAtGate, address: str) -> str:
        """The count of an address that an eye may not speak of; "" where it may."""
        if is_in(address, self._own or ()) or "%" in address or _is_link_local(address):
            return "own_link"
        allowed = self._allowed[eye.key.name]
        return "elsewhere" if allowed and not is_in(address, allowed) else ""


def _networks(eye: EyeAtGate) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in eye.key.networks)


def _is_link_local(address: str) -> bool:
    found = ip_address(address.partition("%")[0])
    return bool(found.is_link_local or found.is_loopback)
