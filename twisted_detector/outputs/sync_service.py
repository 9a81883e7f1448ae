"""The registry's cameras go in; the Frigate topic, files and APIs that follow every change of them come out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import CamdetectError, PublishError
from twisted_detector.events import (
    CameraEvent,
    ClockSkewed,
    CredentialRefused,
    Event,
    IdentityConflict,
    PictureTaken,
    StreamChanged,
)
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Login, Message, Priority, Secret
from twisted_detector.model.encoding import encode
from twisted_detector.outputs.frigate import document as frigate
from twisted_detector.outputs.go2rtc import document as go2rtc
from twisted_detector.outputs.sync.seams import Entries, IDelivery, ISyncStatus, TargetStatus
from twisted_detector.outputs.sync.target import SyncTarget
from twisted_detector.seams import IStateStore

#: Seconds of quiet before a change is told: a move and what is learnt of it right after are one change.
QUIET = 0.25
#: A change waits no longer than this, however much goes on: of the five seconds that a move may take, the most are for
#: finding the camera again.
LONGEST_WAIT = 1.0
#: Ids of cameras with changing URLs that are remembered.
_MAX_ROTATING = 10_000
#: Events that change nothing of what is told.
_IDLE = (PictureTaken, ClockSkewed, CredentialRefused, IdentityConflict)
_TABLE = "followers"


@implementer(IEventListener, ISyncStatus)
class SyncService(Service):
    """Words what the registry knows whenever it changed, and lets each place have it.

    :param cameras: all cameras.
    :param login_of: the login that a camera lets in, None where it wants none (or none is known).
    :param frigate_options: None: Frigate is told nothing.
    :param topics: of the configuration and of the word that it changed.
    :param deliveries: by sort: ``frigate``, ``frigate_env``, ``go2rtc``, ``go2rtc_env``, ``go2rtc_live``.
    :param random: 0 to 1.
    :param dry: change nothing of Frigate's, only log what would change.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        *,
        cameras: Callable[[], Sequence[Camera]],
        login_of: Callable[[Camera], Login | None],
        store: IStateStore,
        publish: Callable[[Message], Deferred[None]],
        random: Callable[[], float],
        frigate_options: frigate.FrigateOptions | None,
        go2rtc_options: go2rtc.Go2rtcOptions,
        topics: tuple[str, str],
        deliveries: Mapping[str, Sequence[IDelivery]],
        dry: bool = False,
    ) -> None:
        self._clock = clock
        self._cameras = cameras
        self._login_of = login_of
        self._store = store
        self._publish = publish
        self._random = random
        self._frigate = frigate_options
        self._go2rtc = go2rtc_options
        self._topics = topics
        self._deliveries = deliveries
        self._dry = dry
        self._followers: dict[str, list[SyncTarget]] = {}
        self._rotating: frozenset[str] = frozenset()
        self._said = ""
        self._soon: IDelayedCall | None = None
        self._since: float | None = None
        self._ready = False

    def __repr__(self) -> str:
        return "Frigate and go2rtc"

    # --- starting and stopping -------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Begin: what an earlier run left everywhere is read first."""
        super().startService()  # type: ignore[no-untyped-call]
        begun = Deferred.fromCoroutine(self._begin())
        begun.addErrback(lambda failure: self.log.failure("Frigate and go2rtc are told nothing", failure=failure))

    async def _begin(self) -> None:
        saved = await self._store.load_values(_TABLE)
        self._rotating = frozenset(_table(saved.get("rotating", "")))
        self._said = saved.get("said", "")
        for sort, deliveries in self._deliveries.items():
            dry = self._dry and sort.startswith("frigate")
            self._followers[sort] = [self._follower(one, saved.get(one.name, ""), dry) for one in deliveries]
        self._ready = True
        if self.running:
            self._tell()

    def _follower(self, delivery: IDelivery, saved: str, dry: bool) -> SyncTarget:
        key = delivery.name
        return SyncTarget(
            self._clock,
            delivery,
            base=_table(saved),
            save=lambda written: self._keep(key, json.dumps(written, sort_keys=True)),
            random=self._random,
            dry=dry,
        )

    def _keep(self, key: str, text: str) -> None:
        # A disk that does not take it is the store's to tell; what is lost is only which entries are ours.
        self._store.save_value(_TABLE, key, text).addErrback(lambda failure: failure.trap(CamdetectError) and None)

    def stopService(self) -> Deferred[Any]:
        """End: nothing is told any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._soon is not None and self._soon.active():
            self._soon.cancel()
        return DeferredList([one.stop() for one in self._all()], consumeErrors=True)

    def _all(self) -> list[SyncTarget]:
        return [one for followers in self._followers.values() for one in followers]

    def statuses(self) -> tuple[TargetStatus, ...]:
        """See :class:`ISyncStatus`."""
        return tuple(one.status for one in self._all())

    # --- hearing ---------------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if not isinstance(event, CameraEvent) or isinstance(event, _IDLE):
            return
        if isinstance(event, StreamChanged) and go2rtc.rotates(event.old, event.new):
            self._note_rotating(event.camera.id)
        self._change()

    def _note_rotating(self, camera_id: str) -> None:
        if camera_id not in self._rotating and len(self._rotating) < _MAX_ROTATING:
            self._rotating |= {camera_id}
            self._keep("rotating", json.dumps(dict.fromkeys(sorted(self._rotating), "")))

    def _change(self) -> None:
        """Tell when it is quiet, or when it was not for too long."""
        now = self._clock.seconds()
        if self._soon is not None and self._soon.active():
            self._soon.cancel()
        if self._since is None or not 0 <= now - self._since <= LONGEST_WAIT:
            self._since = now
        wait = min(QUIET, max(0.0, self._since + LONGEST_WAIT - now))
        self._soon = self._clock.callLater(wait, self._tell)

    # --- telling ---------------------------------------------------------------------------------------------------

    def worded(self) -> tuple[frigate.Worded, frigate.Worded, frigate.Worded]:
        """What Frigate, go2rtc's file and go2rtc's API should have now."""
        cameras = self._cameras()
        logins = {one.id: login for one in cameras if (login := self._login_of(one)) is not None}
        live = go2rtc.Go2rtcOptions(self._go2rtc.prefix, self._go2rtc.onvif, publish_credentials=True)
        return (
            frigate.word(cameras, logins, self._frigate or frigate.FrigateOptions()),
            go2rtc.word(cameras, logins, self._go2rtc, rotating=self._rotating),
            go2rtc.word(cameras, logins, live, rotating=self._rotating),
        )

    def _tell(self) -> None:
        self._soon = self._since = None
        if not self._ready or not self.running:
            return
        for_frigate, for_go2rtc, live = self.worded()
        if self._frigate is not None:
            self._say(for_frigate.entries)
            self._let_follow("frigate_env", for_frigate.variables)
            self._let_follow("frigate", for_frigate.entries, after="frigate_env")
        self._let_follow("go2rtc_env", for_go2rtc.variables)
        self._let_follow("go2rtc", for_go2rtc.entries, after="go2rtc_env")
        self._let_follow("go2rtc_live", live.entries)

    def _let_follow(self, sort: str, wanted: Entries | Mapping[str, Secret], *, after: str = "") -> None:
        """``after``: the sort that comes first: who refers to a value must find it."""
        for follower in self._followers.get(sort, ()):
            waiting = DeferredList([one.settled() for one in self._followers.get(after, ())])
            waiting.addCallback(_wish(follower, wanted))

    def _say(self, entries: Entries) -> None:
        """The retained topic, and the word that it changed."""
        payload = encode(frigate.document(entries))
        mark = hashlib.blake2b(payload, digest_size=12).hexdigest()
        if not entries and not self._said:
            return  # nothing was ever said, and there is nothing to say
        configuration, reload = self._topics
        messages = [Message(configuration, payload, retain=True, priority=Priority.STATE)]
        if mark != self._said:
            messages.append(Message(reload, b"", priority=Priority.STATE))
            self._said = mark
            self._keep("said", mark)
        for message in messages:
            try:
                # What happens to it later is the outbox's to count and to tell.
                self._publish(message).addErrback(lambda failure: failure.trap(PublishError) and None)
            except PublishError as error:
                self.log.warn("{topic} was not taken: {error}", topic=message.topic, error=str(error))

    # --- answering -------------------------------------------------------------------------------------------------

    async def what_would_change(self) -> list[str]:
        """Lines of what a delivery to Frigate's file and API would change now.

        :raises CamdetectError: one of them does not answer.
        """
        wanted = self.worded()[0].entries
        lines: list[str] = []
        for follower in self._followers.get("frigate", ()):
            told = await follower.what_would_change(wanted)
            lines += [*told.diff, *([f"# {follower.status.name}: {told.remark}"] if told.remark else [])]
        return lines


def _wish(follower: SyncTarget, wanted: Entries) -> Callable[[object], None]:
    return lambda _: follower.want(wanted)


def _table(text: str) -> dict[str, Any]:
    """A table as it was saved; one that cannot be read is forgotten."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
