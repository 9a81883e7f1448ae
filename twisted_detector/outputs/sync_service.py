"""Service that keeps Frigate and go2rtc in step with the registry: Frigate's topic, and files and APIs of both."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector import events
from twisted_detector.errors import CamdetectError, PublishError
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Login, Message, Priority
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.consumers import GO2RTC, CameraChoice
from twisted_detector.model.encoding import parse_object
from twisted_detector.outputs.follower import ConsumerSettings, EntryNames, Follower, Options
from twisted_detector.outputs.frigate import document as frigate
from twisted_detector.outputs.go2rtc import document as go2rtc
from twisted_detector.outputs.players import Player
from twisted_detector.outputs.stream_choice import CameraLogins, StreamDocument
from twisted_detector.outputs.sync.consumer import ConsumerTargets
from twisted_detector.outputs.sync.seams import ISyncStatus, TargetStatus
from twisted_detector.outputs.voice import Voice
from twisted_detector.seams import IStateStore

#: Seconds of quiet before a change is delivered: a move and what is learnt of it right after are one change.
QUIET = 0.25
#: A change waits no longer than this, however many follow: of the five seconds that a move may take, the most are for
#: finding the camera again.
LONGEST_WAIT = 1.0
#: When more cameras than this change within so many seconds, those are the seconds from one delivery to the next: each
#: delivers the whole document, and while a fleet is found, or comes back, that would be once a second for minutes.
MANY, MANY_INTERVAL = 20, 10.0
#: Seconds between two looks whether what may be told of a camera has changed without an event of it: which login it
#: lets in is decided by the budget and by where its MAC is seen.
RECHECK = 60.0
#: An update takes so many seconds of one turn of the reactor; the number of steps is for clocks that stand still.
SLICE_SECONDS, MAX_STEPS = 0.01, 100_000
#: Ids of cameras with changing URLs that are remembered.
_MAX_ROTATING = 10_000
#: Events that change nothing of what is delivered.
_IDLE = (events.PictureTaken, events.ClockSkewed, events.CredentialRefused, events.IdentityConflict)
#: Names on the disk: the table of small values, and in it, beside one value for each destination, the digest of the
#: configuration that was published last and one key for each camera with changing URLs (an older version kept all of
#: them in one value, ``rotating``).
_TABLE, _DIGEST, _ROTATING = "followers", "said", "rotating"
_ROTATING_KEY = "rotating "


@implementer(IEventListener, ISyncStatus)
class SyncService(Service):
    """Builds the documents of each Frigate and go2rtc after each change of the registry, and delivers them everywhere.

    Only the cameras that changed are worded anew (:class:`outputs.sync.blocks.CameraBlocks`); the documents are joined
    of what was worded before, in slices.

    :param consumers: each with a name of its own.
    :param cameras: all cameras.
    :param random: 0 to 1.
    :param voice: for which cameras this node speaks, where several nodes may tell one program of them.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        consumers: Sequence[ConsumerSettings],
        *,
        cameras: Callable[[], Sequence[Camera]],
        logins: CameraLogins,
        store: IStateStore,
        publish: Callable[[Message], Deferred[None]],
        random: Callable[[], float],
        voice: Voice = Voice(),  # noqa: B008  a frozen value
    ) -> None:
        self._clock = clock
        self._voice = voice
        self._unlisten: Callable[[], object] = lambda: None
        self._reconsiders = False
        self._consumers = tuple(consumers)
        self._cameras = cameras
        self._logins = logins
        #: Why cameras stand there without a login, as it was logged last; no more than there are cameras.
        self._reasons: dict[str, str] = {}
        self._store = store
        self._publish = publish
        self._random = random
        #: None of them before it is known what an earlier run left.
        self._followers: tuple[Follower, ...] = ()
        #: Cameras that have changed since they were worded; None: forgotten.
        self._changed: dict[str, Camera | None] = {}
        #: Each camera as it was worded last, and the login that it had then.
        self._worded: dict[str, tuple[Camera, Login | None]] = {}
        self._rotating: set[str] = set()
        self._published_digest = ""
        self._slices = TurnBudget(MAX_STEPS, SLICE_SECONDS, clock.seconds)
        #: What goes on in slices; beside what is under way at most one update and one recheck wait.
        self._under_way: deque[Iterator[None]] = deque()
        self._update_waits = self._recheck_waits = False
        self._turn_call: IDelayedCall | None = None
        self._update_call: IDelayedCall | None = None
        self._changed_at: float | None = None
        #: When cameras were worded last, and how many.
        self._updates: deque[tuple[float, int]] = deque(maxlen=MANY + 1)
        self._loaded = False
        self._rechecks = LoopingCall(self._recheck)
        self._rechecks.clock = clock

    def __repr__(self) -> str:
        return "Frigate and go2rtc"

    # --- starting and stopping -------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Load what an earlier run left everywhere, then deliver."""
        super().startService()  # type: ignore[no-untyped-call]
        loading = Deferred.fromCoroutine(self._load())
        loading.addErrback(lambda failure: self.log.failure("Frigate and go2rtc are not updated", failure=failure))

    async def _load(self) -> None:
        saved = await self._store.load_values(_TABLE)
        self._rotating = set(parse_object(saved.get(_ROTATING, "")) or {})
        self._rotating |= {key.removeprefix(_ROTATING_KEY) for key in saved if key.startswith(_ROTATING_KEY)}
        self._published_digest = saved.get(_DIGEST, "")
        self._followers = tuple(self._follower(one, saved) for one in self._consumers)
        self._changed = {camera.id: camera for camera in self._cameras()}
        self._loaded = True
        if self.running:
            self._update()
            self._rechecks.start(RECHECK, now=False)
            self._unlisten = self._voice.on_gain(self._reconsider_all)

    def _follower(self, consumer: ConsumerSettings, saved: Mapping[str, str]) -> Follower:
        prefix = consumer.options.prefix if isinstance(consumer.options, go2rtc.Go2rtcOptions) else ""
        names = EntryNames(self._voice, prefix)
        targets = ConsumerTargets(
            self._clock,
            consumer.destinations,
            saved=saved,
            save=self._save,
            random=self._random,
            dry=consumer.dry_run,
            sharing=names.sharing,
        )
        return Follower(consumer, targets, self._word, names)

    def _word(self, options: Options, camera: Camera, login: Login | None) -> StreamDocument:
        """The entries of one camera."""
        logins = {} if login is None else {camera.id: login}
        if isinstance(options, frigate.FrigateOptions):
            return frigate.build((camera,), logins, options, tags=self._logins.tags)
        return go2rtc.build((camera,), logins, options, tags=self._logins.tags, rotating=self._rotating)

    def _save(self, key: str, text: str) -> None:
        # A failing disk is the store's to report; what is lost is only which entries are ours.
        self._store.save_value(_TABLE, key, text).addErrback(lambda failure: failure.trap(CamdetectError) and None)

    def stopService(self) -> Deferred[Any]:
        """Cancel every delivery; nothing is delivered any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._unlisten()
        if self._rechecks.running:
            self._rechecks.stop()
        if self._update_call is not None and self._update_call.active():
            self._update_call.cancel()
        if self._turn_call is not None:
            self._turn_call.cancel()
        self._turn_call = None
        self._under_way.clear()
        return DeferredList([end for one in self._followers for end in one.targets.stop()], consumeErrors=True)

    def statuses(self) -> tuple[TargetStatus, ...]:
        """See :class:`ISyncStatus`."""
        return tuple(
            replace(
                target.status,
                consumer=one.settings.consumer,
                cameras=one.cameras,
                unknown=one.unknown,
                keepers=one.names.keepers(target.status.left),
            )
            for one in self._followers
            for target in one.targets.all
        )

    def players(self, camera: Camera) -> tuple[Player, ...]:
        """Pages on which programs that hold a camera show it live: go2rtc's first, which shows nothing else."""
        found = [player for one in self._followers if (player := one.player(camera)) is not None]
        return tuple(sorted(found, key=lambda one: one.consumer.program != GO2RTC.program))

    # --- events ----------------------------------------------------------------------------------------------------

    def handle(self, event: events.Event) -> None:
        """See :class:`IEventListener`."""
        if not isinstance(event, events.CameraEvent) or isinstance(event, _IDLE):
            return
        camera = event.camera
        if isinstance(event, events.StreamChanged) and go2rtc.rotates(event.old, event.new):
            self._record_rotating(camera.id)
        if self._followers:
            self._note(camera.id, None if isinstance(event, events.CameraForgotten) else camera)

    def _record_rotating(self, camera_id: str) -> None:
        if camera_id not in self._rotating and len(self._rotating) < _MAX_ROTATING:
            self._rotating.add(camera_id)
            self._save(_ROTATING_KEY + camera_id, "1")

    def _note(self, camera_id: str, camera: Camera | None) -> None:
        self._changed[camera_id] = camera
        self._schedule_update()

    def _reconsider_all(self) -> None:
        """This node speaks for other cameras than before: what stands everywhere is to be looked at."""
        self._reconsiders = True
        self._schedule_update()

    def _schedule_update(self) -> None:
        """Update after QUIET without another change, and after LONGEST_WAIT in any case; of MANY more rarely."""
        now = self._clock.seconds()
        if self._update_call is not None and self._update_call.active():
            self._update_call.cancel()
        if self._changed_at is None or not 0 <= now - self._changed_at <= LONGEST_WAIT:
            self._changed_at = now
        wait = min(QUIET, max(0.0, self._changed_at + LONGEST_WAIT - now))
        recent = sum(count for at, count in self._updates if now - MANY_INTERVAL < at <= now)
        if recent and recent + len(self._changed) > MANY:
            wait = max(wait, self._updates[-1][0] + MANY_INTERVAL - now)
        self._update_call = self._clock.callLater(wait, self._update)

    def _recheck(self) -> None:
        """See :data:`RECHECK`."""
        if not self._recheck_waits:
            self._recheck_waits = True
            self._begin(self._recheck_steps())

    def _recheck_steps(self) -> Iterator[None]:
        for camera_id in tuple(self._worded):
            if camera_id in self._worded and camera_id not in self._changed:
                camera, login = self._worded[camera_id]
                if login != self._logins.accepted(camera):
                    self._note(camera_id, camera)
            yield
        self._recheck_waits = False

    # --- deliveries ------------------------------------------------------------------------------------------------

    def _update(self) -> None:
        self._update_call = self._changed_at = None
        if self._loaded and self.running and not self._update_waits:
            self._update_waits = True
            self._begin(self._update_steps())

    def _begin(self, steps: Iterator[None]) -> None:
        """Go through ``steps`` when what is under way has ended: none overtakes another."""
        self._under_way.append(steps)
        if len(self._under_way) == 1:
            self._go_on()

    def _go_on(self) -> None:
        self._turn_call = None
        try:
            going_on = self._slices.advance(self._under_way[0])
        except Exception:
            self.log.failure("Frigate and go2rtc could not be notified of a change")
            self._recheck_waits = going_on = False
        if not going_on:
            self._under_way.popleft()
        if self._under_way:
            self._turn_call = self._clock.callLater(0, self._go_on)

    def _update_steps(self) -> Iterator[None]:
        """An update, step by step: of a thousand cameras it takes a tenth of a second."""
        self._update_waits = False
        if self._changed:
            self._updates.append((self._clock.seconds(), len(self._changed)))
        yield from self._word_changed()
        reconsiders, self._reconsiders = self._reconsiders, False
        for follower in self._followers:
            yield from self._follow(follower)
            if reconsiders:
                follower.targets.reconsider()

    def _word_changed(self) -> Iterator[None]:
        """Word every camera that has changed, a camera a step."""
        somewhere = [one.choice for one in self._consumers if one.destinations]
        for camera_id in tuple(self._changed):
            if camera_id not in self._changed:
                continue  # worded meanwhile for somebody who asked
            try:
                self._word_camera(camera_id, self._changed.pop(camera_id), somewhere)
            except Exception:
                self.log.failure("Frigate and go2rtc could not be notified of {camera}", camera=camera_id)
            yield

    def _word_camera(self, camera_id: str, camera: Camera | None, somewhere: Sequence[CameraChoice]) -> None:
        """Word one camera for every consumer. :param somewhere: which cameras any file or API holds."""
        login, reason = None, ""
        if camera is None:
            self._worded.pop(camera_id, None)
        else:
            login = self._logins.accepted(camera)
            self._worded[camera_id] = (camera, login)
            if any(choice.holds(camera) for choice in somewhere):
                reason = self._logins.withheld(camera)
        self._log_withheld(camera_id, reason)
        for follower in self._followers:
            follower.update(camera_id, camera, login)

    def _follow(self, one: Follower) -> Iterator[None]:
        """Bring one consumer up to date, where anything of it has changed."""
        topics, blocks, live = one.settings.topics, one.blocks, one.live
        if blocks is not None and blocks.changed:
            document = yield from blocks.join()
            if topics is not None:
                yield
                self._publish_configuration(topics, document.members)
            yield
            one.targets.update(document.entries, document.variables)
        if live is not None and live.changed:
            document = yield from live.join()
            one.targets.update_live(document.entries)

    def _log_withheld(self, camera_id: str, reason: str) -> None:
        """Log, once for each camera and reason, which cameras are delivered without their login."""
        if not reason:
            self._reasons.pop(camera_id, None)
        elif self._reasons.get(camera_id) != reason:
            self._reasons[camera_id] = reason
            self.log.warn(
                "Frigate and go2rtc are told the streams of {camera} without a login: {reason}",
                camera=camera_id,
                reason=reason,
            )

    def _publish_configuration(self, topics: frigate.FrigateTopics, members: bytes) -> None:
        """Publish the retained configuration, and the message that it changed."""
        if not members and not self._published_digest:
            return  # nothing was ever published, and there is nothing to publish
        payload = b'{"cameras":{%s}}' % members
        digest = hashlib.blake2b(payload, digest_size=12).hexdigest()
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
                self.log.warn("{topic} was not accepted: {error}", topic=message.topic, error=str(error))

    async def preview_frigate(self, name: str | None = None) -> list[str]:
        """Lines of what a delivery to the files and APIs of Frigate would change now.

        :param name: of one Frigate; None for all of them.
        :raises CamdetectError: none of them answers.
        """
        for _ in self._word_changed():
            pass
        lines: list[str] = []
        failed: list[CamdetectError] = []
        frigates = [one for one in self._followers if one.is_frigate and name in (None, one.settings.consumer.name)]
        targets = [(one, target) for one in frigates for target in one.targets.entries]
        for one, target in targets:
            try:
                result = await target.preview(one.entries())
            except CamdetectError as error:  # what another one would change is told all the same
                failed.append(error)
                lines.append(f"# {target.status.name}: {error}")
                continue
            lines += [*result.diff, *([f"# {target.status.name}: {result.remark}"] if result.remark else [])]
        if failed and len(failed) == len(targets):
            raise failed[0]
        return lines
