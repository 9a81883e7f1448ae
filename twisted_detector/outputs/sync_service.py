"""Service that keeps Frigate and go2rtc in step with the registry: Frigate's topic, and files and APIs of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector import events
from twisted_detector.errors import CamdetectError, PublishError
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Login, Message, Priority
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.consumers import CameraChoice, Consumer
from twisted_detector.model.encoding import encode, parse_object
from twisted_detector.outputs.frigate import document as frigate
from twisted_detector.outputs.go2rtc import document as go2rtc
from twisted_detector.outputs.stream_choice import SecretTags, StreamDocument
from twisted_detector.outputs.sync.consumer import ConsumerTargets, Destinations
from twisted_detector.outputs.sync.seams import Entries, ISyncStatus, TargetStatus
from twisted_detector.seams import IStateStore

#: Seconds of quiet before a change is delivered: a move and what is learnt of it right after are one change.
QUIET = 0.25
#: A change waits no longer than this, however many follow: of the five seconds that a move may take, the most are for
#: finding the camera again.
LONGEST_WAIT = 1.0
#: An update takes so many seconds of one turn of the reactor, and what one of its documents takes; the number of steps
#: is for clocks that stand still.
SLICE_SECONDS, MAX_STEPS = 0.01, 100_000
#: Ids of cameras with changing URLs that are remembered.
_MAX_ROTATING = 10_000
#: Events that change nothing of what is delivered.
_IDLE = (events.PictureTaken, events.ClockSkewed, events.CredentialRefused, events.IdentityConflict)
#: Names on the disk: the table of small values, and in it, beside one value for each destination, the digest of the
#: configuration that was published last and the ids of cameras with changing URLs.
_TABLE, _DIGEST, _ROTATING = "followers", "said", "rotating"


@dataclass(frozen=True, slots=True)
class FrigateTopics:
    """Topics of Frigate's configuration: ``configuration`` has it, retained; ``reload`` says that it changed."""

    configuration: str
    reload: str


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """What one consumer is to hold, and where.

    :ivar options: how its entries are worded; ``choice``: of which cameras.
    :ivar topics: set for the one whose configuration is published.
    :ivar dry_run: change nothing there, only log what would change.
    """

    consumer: Consumer
    options: frigate.FrigateOptions | go2rtc.Go2rtcOptions
    destinations: Destinations = field(default_factory=Destinations)
    choice: CameraChoice = field(default_factory=CameraChoice)
    topics: FrigateTopics | None = None
    dry_run: bool = False


@dataclass(slots=True)
class _Follower:
    """One consumer while the service runs.

    :ivar cameras: how many it is to hold; ``unknown``: names in its list that no camera has.
    """

    settings: ConsumerSettings
    targets: ConsumerTargets
    cameras: int = 0
    unknown: tuple[str, ...] = ()


@implementer(IEventListener, ISyncStatus)
class SyncService(Service):
    """Builds the documents of each Frigate and go2rtc after each change of the registry, and delivers them everywhere.

    :param consumers: each with a name of its own.
    :param cameras: all cameras.
    :param accepted_login: the login that a camera lets in, None where it wants none, none is known or none may be told:
        Frigate and go2rtc send what they have to whoever asks at its address, in clear if that is what is asked for.
    :param withheld: why a camera stands there without a login that it accepts; "" when it does not.
    :param random: 0 to 1.
    :param tags: for the names of variables.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        consumers: Sequence[ConsumerSettings],
        *,
        cameras: Callable[[], Sequence[Camera]],
        accepted_login: Callable[[Camera], Login | None],
        withheld: Callable[[Camera], str] = lambda camera: "",
        store: IStateStore,
        publish: Callable[[Message], Deferred[None]],
        random: Callable[[], float],
        tags: SecretTags,
    ) -> None:
        self._clock = clock
        self._consumers = tuple(consumers)
        self._cameras = cameras
        self._accepted_login = accepted_login
        self._withheld = withheld
        #: Why cameras stand there without a login, as it was logged last; no more than there are cameras.
        self._reasons: dict[str, str] = {}
        self._store = store
        self._publish = publish
        self._random = random
        self._tags = tags
        #: None of them before it is known what an earlier run left.
        self._followers: tuple[_Follower, ...] = ()
        self._turn = 0
        self._rotating: frozenset[str] = frozenset()
        self._published_digest = ""
        self._slices = TurnBudget(MAX_STEPS, SLICE_SECONDS, clock.seconds)
        self._under_way: IDelayedCall | None = None
        self._update_call: IDelayedCall | None = None
        self._changed_at: float | None = None
        self._loaded = False

    def __repr__(self) -> str:
        return "Frigate and go2rtc"

    # --- starting and stopping -------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Load what an earlier run left everywhere, then deliver."""
        super().startService()  # type: ignore[no-untyped-call]
        loading = Deferred.fromCoroutine(self._load())
        loading.addErrback(lambda failure: self.log.failure("Frigate and go2rtc are told nothing", failure=failure))

    async def _load(self) -> None:
        saved = await self._store.load_values(_TABLE)
        self._rotating = frozenset(parse_object(saved.get(_ROTATING, "")) or {})
        self._published_digest = saved.get(_DIGEST, "")
        self._followers = tuple(_Follower(one, self._targets(one, saved)) for one in self._consumers)
        self._loaded = True
        if self.running:
            self._update()

    def _targets(self, consumer: ConsumerSettings, saved: Mapping[str, str]) -> ConsumerTargets:
        return ConsumerTargets(
            self._clock,
            consumer.destinations,
            saved=saved,
            save=self._save,
            random=self._random,
            dry=consumer.dry_run,
        )

    def _save(self, key: str, text: str) -> None:
        # A failing disk is the store's to report; what is lost is only which entries are ours.
        self._store.save_value(_TABLE, key, text).addErrback(lambda failure: failure.trap(CamdetectError) and None)

    def stopService(self) -> Deferred[Any]:
        """Cancel every delivery; nothing is delivered any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._update_call is not None and self._update_call.active():
            self._update_call.cancel()
        if self._under_way is not None:
            self._under_way.cancel()
            self._under_way = None
        return DeferredList([end for one in self._followers for end in one.targets.stop()], consumeErrors=True)

    def statuses(self) -> tuple[TargetStatus, ...]:
        """See :class:`ISyncStatus`."""
        return tuple(
            replace(target.status, consumer=one.settings.consumer, cameras=one.cameras, unknown=one.unknown)
            for one in self._followers
            for target in one.targets.all
        )

    # --- events ----------------------------------------------------------------------------------------------------

    def handle(self, event: events.Event) -> None:
        """See :class:`IEventListener`."""
        if not isinstance(event, events.CameraEvent) or isinstance(event, _IDLE):
            return
        if isinstance(event, events.StreamChanged) and go2rtc.rotates(event.old, event.new):
            self._record_rotating(event.camera.id)
        self._schedule_update()

    def _record_rotating(self, camera_id: str) -> None:
        if camera_id not in self._rotating and len(self._rotating) < _MAX_ROTATING:
            self._rotating |= {camera_id}
            self._save(_ROTATING, json.dumps(dict.fromkeys(sorted(self._rotating), "")))

    def _schedule_update(self) -> None:
        """Update after QUIET without another change, and after LONGEST_WAIT in any case."""
        now = self._clock.seconds()
        if self._update_call is not None and self._update_call.active():
            self._update_call.cancel()
        if self._changed_at is None or not 0 <= now - self._changed_at <= LONGEST_WAIT:
            self._changed_at = now
        wait = min(QUIET, max(0.0, self._changed_at + LONGEST_WAIT - now))
        self._update_call = self._clock.callLater(wait, self._update)

    # --- deliveries ------------------------------------------------------------------------------------------------

    def _build(
        self, consumer: ConsumerSettings, cameras: Sequence[Camera], logins: Mapping[str, Login], *, live: bool = False
    ) -> StreamDocument:
        """What a consumer is to hold; ``live``: with logins as they are."""
        options = consumer.options
        held = [one for one in cameras if consumer.choice.holds(one)]
        if isinstance(options, frigate.FrigateOptions):
            return frigate.build(held, logins, options, tags=self._tags)
        options = replace(options, publish_credentials=True) if live else options
        return go2rtc.build(held, logins, options, tags=self._tags, rotating=self._rotating)

    def _update(self) -> None:
        self._update_call = self._changed_at = None
        if self._under_way is not None:
            self._under_way.cancel()  # of what has changed since
        if self._loaded and self.running:
            self._go_on(self._update_steps())

    def _go_on(self, steps: Iterator[None]) -> None:
        self._under_way = self._clock.callLater(0, self._go_on, steps) if self._slices.advance(steps) else None

    def _update_steps(self) -> Iterator[None]:
        """An update, step by step: of a thousand cameras it takes a tenth of a second."""
        cameras, logins, reasons = self._cameras(), {}, {}
        somewhere = [one.choice for one in self._consumers if one.destinations]
        for camera in cameras:
            if (login := self._accepted_login(camera)) is not None:
                logins[camera.id] = login
            if any(choice.holds(camera) for choice in somewhere) and (reason := self._withheld(camera)):
                reasons[camera.id] = reason
            yield
        self._log_withheld(reasons)
        for _ in self._followers:
            # Where the last update came to when it was cancelled: under constant change all have their turn.
            yield from self._follow(self._followers[self._turn], cameras, logins)
            self._turn = (self._turn + 1) % len(self._followers)

    def _follow(self, one: _Follower, cameras: Sequence[Camera], logins: Mapping[str, Login]) -> Iterator[None]:
        """Bring one consumer up to date: only what it is given is built."""
        settings, places = one.settings, one.settings.destinations
        one.unknown = settings.choice.unknown(cameras)
        if settings.topics is not None or places.entries or places.variables:
            yield
            document = self._build(settings, cameras, logins)
            one.cameras = document.cameras
            if settings.topics is not None:
                yield
                self._publish_configuration(settings.topics, document.entries)
            yield
            one.targets.update(document.entries, document.variables)
        if places.live:
            yield
            document = self._build(settings, cameras, logins, live=True)
            one.cameras = document.cameras
            one.targets.update_live(document.entries)

    def _log_withheld(self, reasons: dict[str, str]) -> None:
        """Log, once for each camera and reason, which cameras are delivered without their login."""
        known, self._reasons = self._reasons, reasons
        for camera_id, reason in reasons.items():
            if known.get(camera_id) != reason:
                self.log.warn(
                    "Frigate and go2rtc are told the streams of {camera} without a login: {reason}",
                    camera=camera_id,
                    reason=reason,
                )

    def _publish_configuration(self, topics: FrigateTopics, entries: Entries) -> None:
        """Publish the retained configuration, and the message that it changed."""
        payload = encode(frigate.configuration(entries))
        digest = hashlib.blake2b(payload, digest_size=12).hexdigest()
        if not entries and not self._published_digest:
            return  # nothing was ever published, and there is nothing to publish
        messages = [Message(topics.configuration, payload, retain=True, priority=Priority.STATE)]
        if digest != self._published_digest:
            messages.append(Message(topics.reload, b"", priority=Priority.STATE))
            self._published_digest = digest
            self._save(_DIGEST, digest)
        for message in messages:
            try:
                # What happens to it later is the outbox's to count and to report.
                self._publish(message).addErrback(lambda failure: failure.trap(PublishError) and None)
            except PublishError as error:
                self.log.warn("{topic} was not taken: {error}", topic=message.topic, error=str(error))

    async def preview_frigate(self) -> list[str]:
        """Lines of what a delivery to the files and APIs of Frigate would change now.

        :raises CamdetectError: none of them answers.
        """
        cameras = self._cameras()
        logins = {one.id: login for one in cameras if (login := self._accepted_login(one)) is not None}
        lines: list[str] = []
        failed: list[CamdetectError] = []
        targets = [(one, target) for one in self._followers for target in one.targets.entries if _is_frigate(one)]
        for one, target in targets:
            try:
                result = await target.preview(self._build(one.settings, cameras, logins).entries)
            except CamdetectError as error:  # what another one would change is told all the same
                failed.append(error)
                lines.append(f"# {target.status.name}: {error}")
                continue
            lines += [*result.diff, *([f"# {target.status.name}: {result.remark}"] if result.remark else [])]
        if failed and len(failed) == len(targets):
            raise failed[0]
        return lines


def _is_frigate(one: _Follower) -> bool:
    return isinstance(one.settings.options, frigate.FrigateOptions)
