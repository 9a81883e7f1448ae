"""Forwarder of an eye: sightings of its link go out as signed reports, as soon as its node has invited it.

A MAC is reported where this machine's kernel has it for that address. The same again is reported every ``REPEAT``
seconds, so that a node knows that it is not over. What is too much is dropped, counted, and comes with the next search.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from ipaddress import ip_address

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import PublishError, RemoteError
from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Mac, Message, Sighting
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.eyes import EyeKey
from twisted_detector.operations.eyes.quota import EYE_BURST, EYE_RATE, Quota
from twisted_detector.registry.text_bounds import bound_sighting
from twisted_detector.wire.eyes.envelope import MAX_BODY, Envelope, EnvelopeKind
from twisted_detector.wire.eyes.report import METHODS, Departure, SignOfLife, encode_report
from twisted_detector.wire.eyes.topics import EyeTopics

#: Seconds after which what was reported is reported once more.
REPEAT = 300.0
#: Reports that are remembered: three methods for each host of a /22, with a hundred octets each.
MAX_REMEMBERED = 3_072
#: Sightings whose MAC is being looked up; a look-up takes a third of a second.
MAX_LOOKUPS = 256
#: Seconds after which a report that could not be sent is not worth sending: a search will bring it again.
LIFETIME = 60.0

MacOf = Callable[[str], Awaitable[Mac | None]]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an eye is. :ivar instance: random name of this process, 32 hexadecimal digits."""

    key: EyeKey
    topics: EyeTopics
    instance: str


@implementer(ISightingSink)
class Forwarder:
    """Sink of an eye's discoverers and watchers.

    :param mac_of: as :meth:`INeighbours.mac_of`.
    :param publish: as :meth:`IPublisher.publish`.
    :param monotonic: seconds that never jump.
    :param invited: called when a node has invited this eye anew: it knows nothing of what was reported before.
    :ivar counts: ``reported``, ``repeated`` (not reported again), ``before_invitation``, ``link_local``, ``limited``,
        ``too_large``, ``busy`` and ``forged_invitations``.
    """

    log = make_logger()

    def __init__(
        self,
        identity: Identity,
        *,
        mac_of: MacOf,
        publish: Callable[[Message], Deferred[None]],
        monotonic: Callable[[], float],
        invited: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._mac_of = mac_of
        self._publish = publish
        self._monotonic = monotonic
        self._invited = invited
        self._session = ""
        self._counter = 0
        self._reported: BoundedDict[tuple[str, str, str], tuple[bytes, float]] = BoundedDict(MAX_REMEMBERED)
        self._quota = Quota(EYE_BURST, EYE_RATE, monotonic())
        self._lookups: set[Deferred[None]] = set()
        self.counts: Counter[str] = Counter()

    @property
    def is_invited(self) -> bool:
        """Whether a node wants the reports."""
        return bool(self._session)

    def stop(self) -> None:
        """Report no more."""
        self._session = ""
        for one in tuple(self._lookups):
            one.cancel()

    # --- what the node says

    def receive_invitation(self, _: str, payload: bytes) -> None:
        """Handler of the topic of invitations."""
        identity = self._identity
        try:
            said = Envelope.open(identity.key.octets, identity.topics.invitation, payload)
        except RemoteError:
            said = None
        if said is None or said.kind is not EnvelopeKind.INVITATION:
            self.counts["forged_invitations"] += 1
            if self.counts["forged_invitations"] == 1:
                self.log.warn(
                    "An invitation on {topic} is not signed with this eye's key: is the same line in EYE_KEYS of the"
                    " node?",
                    topic=identity.topics.invitation,
                )
            return
        if said.session == self._session:
            return
        self._session = said.session
        self._reported.clear()
        self.log.info("A node listens: the eye {name} reports what it hears", name=identity.key.name)
        self._invited()

    # --- ISightingSink

    def sighted(self, sighting: Sighting) -> None:
        """See :class:`ISightingSink`."""
        if not self._may_report(sighting.address):
            return
        if len(self._lookups) >= MAX_LOOKUPS:
            self.counts["busy"] += 1
            return
        looking = Deferred.fromCoroutine(self._look_up(sighting))
        if not looking.called:
            self._lookups.add(looking)
            looking.addBoth(self._looked_up, looking)
        looking.addErrback(self._failed)

    def departed(self, source: str, address: str, reference: str = "") -> None:
        """See :class:`ISightingSink`."""
        if self._may_report(address):
            self._report(Departure(source, address, reference))

    def say_alive(self, version: str) -> None:
        """A sign of life, which no quota holds up."""
        if self._session:
            self._send(encode_report(SignOfLife(version, dict(self.counts))))

    def _may_report(self, address: str) -> bool:
        """Whether an address means something beyond this link, and somebody wants to know of it."""
        if not self._session:
            self.counts["before_invitation"] += 1
            return False
        where = ip_address(address.partition("%")[0])
        if where.is_link_local or where.is_loopback:
            self.counts["link_local"] += 1
            return False
        return True

    def _looked_up(self, result: object, looking: Deferred[None]) -> object:
        self._lookups.discard(looking)
        return result

    async def _look_up(self, sighting: Sighting) -> None:
        mac = await self._mac_of(sighting.address)
        self._report(bound_sighting(replace(sighting, mac=mac)))

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("A sighting could not be reported", failure=failure)

    def _report(self, report: Sighting | Departure) -> None:
        if not self._session:
            return
        method = report.method if isinstance(report, Sighting) else report.source
        body = encode_report(report)
        if len(body) > MAX_BODY or method not in METHODS:
            self.counts["too_large"] += 1
            return
        now = self._monotonic()
        key, digest = _key_of(report), blake2b(body, digest_size=16).digest()
        before = self._reported.get(key)
        if before is not None and before[0] == digest and now - before[1] < REPEAT:
            self.counts["repeated"] += 1
            return
        if not self._quota.take(now):
            self.counts["limited"] += 1
            return
        self._reported[key] = digest, now
        self.counts["reported"] += 1
        self._send(body)

    def _send(self, body: bytes) -> None:
        identity = self._identity
        self._counter += 1
        said = Envelope(EnvelopeKind.REPORT, self._session, identity.instance, self._counter, body)
        topic = identity.topics.report
        message = Message(topic, said.seal(identity.key.octets, topic), expires_after=LIFETIME, durable=False)
        try:
            self._publish(message).addErrback(lambda failure: failure.trap(PublishError) and None)
        except PublishError as error:
            self.log.debug("A report was not accepted: {error}", error=str(error))


def _key_of(report: Sighting | Departure) -> tuple[str, str, str]:
    """What a report is about: the next one of that key replaces it."""
    if isinstance(report, Sighting):
        return report.method, report.address, report.endpoint_reference
    return report.source, report.address, f"gone {report.reference}"
