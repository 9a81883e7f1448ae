"""Service that keeps Frigate and go2rtc in step with the registry: Frigate's topic, and files and APIs of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector import events
from twisted_detector.errors import CamdetectError, PublishError
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Login, Message, Priority, Secret
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.encoding import encode, parse_object
from twisted_detector.outputs.frigate import document as frigate
from twisted_detector.outputs.go2rtc import document as go2rtc
from twisted_detector.outputs.stream_choice import StreamDocument
from twisted_detector.outputs.sync.seams import Entries, ISyncDestination, ISyncStatus, TargetStatus
from twisted_detector.outputs.sync.target import SyncTarget
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
class SyncSettings:
    """What the operator decided.

    :ivar frigate: None: Frigate gets nothing.
    :ivar configuration_topic: holds Frigate's configuration, retained; ``reload_topic``: gets an empty message when
        that changed.
    :ivar dry_run: change nothing of Frigate's, only log what would change.
    """

    frigate: frigate.FrigateOptions | None
    go2rtc: go2rtc.Go2rtcOptions
    configuration_topic: str
    reload_topic: str
    dry_run: bool = False


@implementer(IEventListener, ISyncStatus)
class SyncService(Service):
    """Builds the documents of Frigate and go2rtc after each change of the registry, and delivers them everywhere.

    :param cameras: all cameras.
    :param accepted_login: the login that a camera lets in, None where it wants none, none is known or none may be told:
        Frigate and go2rtc send what they have to whoever asks at its address, in clear if that is what is asked for.
    :param withheld: why a camera stands there without a login that it accepts; "" when it does not.
    :param destinations: by kind: ``frigate``, ``frigate_env``, ``go2rtc``, ``go2rtc_env``, ``go2rtc_live``.
    :param random: 0 to 1.
    """

    log = make_logger()

    def __init__(
        self,
        clock: Any,
        settings: SyncSettings,
        *,
        cameras: Callable[[], Sequence[Camera]],
        accepted_login: Callable[[Camera], Login | None],
        withheld: Callable[[Camera], str] = lambda camera: "",
        store: IStateStore,
        publish: Callable[[Message], Deferred[None]],
        random: Callable[[], float],
        destinations: Mapping[str, Sequence[ISyncDestination]],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._cameras = cameras
        self._accepted_login = accepted_login
        self._withheld = withheld
        #: Why cameras stand there without a login, as it was logged last; no more than there are cameras.
        self._reasons: dict[str, str] = {}
        self._store = store
        self._publish = publish
        self._random = random
        self._destinations = destinations
        self._targets: dict[str, list[SyncTarget]] = {}
        self._rotating: frozenset[str] = frozenset()
        self._published_digest = ""
        self._has_destinations = any(destinations.values())
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
        for kind, destinations in self._destinations.items():
            dry = self._settings.dry_run and kind.startswith("frigate")
            self._targets[kind] = [self._target(one, saved.get(one.name, ""), dry) for one in destinations]
        self._loaded = True
        if self.running:
            self._update()

    def _target(self, destination: ISyncDestination, saved: str, dry: bool) -> SyncTarget:
        return SyncTarget(
            self._clock,
            destination,
            base=parse_object(saved) or {},
            save=lambda written: self._save(destination.name, json.dumps(written, sort_keys=True)),
            random=self._random,
            dry=dry,
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
        return DeferredList([one.stop() for one in self._all_targets()], consumeErrors=True)

    def _all_targets(self) -> list[SyncTarget]:
        return [one for targets in self._targets.values() for one in targets]

    def statuses(self) -> tuple[TargetStatus, ...]:
        """See :class:`ISyncStatus`."""
        return tuple(one.status for one in self._all_targets())

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

    def _build_frigate(self, cameras: Sequence[Camera], logins: Mapping[str, Login]) -> StreamDocument:
        return frigate.build(cameras, logins, self._settings.frigate or frigate.FrigateOptions())

    def _build_go2rtc(self, cameras: Sequence[Camera], logins: Mapping[str, Login], *, live: bool) -> StreamDocument:
        options = self._settings.go2rtc
        if live:
            options = replace(options, publish_credentials=True)
        return go2rtc.build(cameras, logins, options, rotating=self._rotating)

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
        for camera in cameras:
            if (login := self._accepted_login(camera)) is not None:
                logins[camera.id] = login
            if self._has_destinations and (reason := self._withheld(camera)):
                reasons[camera.id] = reason
            yield
        self._log_withheld(reasons)
        # Only what somebody is given.
        if self._settings.frigate is not None:
            for_frigate = self._build_frigate(cameras, logins)
            yield
            self._publish_configuration(for_frigate.entries)
            yield
            self._update_targets("frigate_env", for_frigate.variables)
            self._update_targets("frigate", for_frigate.entries, after="frigate_env")
        if self._targets.get("go2rtc") or self._targets.get("go2rtc_env"):
            yield
            for_go2rtc = self._build_go2rtc(cameras, logins, live=False)
            self._update_targets("go2rtc_env", for_go2rtc.variables)
            self._update_targets("go2rtc", for_go2rtc.entries, after="go2rtc_env")
        if self._targets.get("go2rtc_live"):
            yield
            self._update_targets("go2rtc_live", self._build_go2rtc(cameras, logins, live=True).entries)

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

    def _update_targets(self, kind: str, wanted: Entries | Mapping[str, Secret], *, after: str = "") -> None:
        """``after``: the kind that is delivered first: a reference must find its value."""
        for target in self._targets.get(kind, ()):
            waiting = DeferredList([one.delivered() for one in self._targets.get(after, ())])
            waiting.addCallback(lambda _, one: one.update(wanted), target)

    def _publish_configuration(self, entries: Entries) -> None:
        """Publish the retained configuration, and the message that it changed."""
        payload = encode(frigate.configuration(entries))
        digest = hashlib.blake2b(payload, digest_size=12).hexdigest()
        if not entries and not self._published_digest:
            return  # nothing was ever published, and there is nothing to publish
        messages = [Message(self._settings.configuration_topic, payload, retain=True, priority=Priority.STATE)]
        if digest != self._published_digest:
            messages.append(Message(self._settings.reload_topic, b"", priority=Priority.STATE))
            self._published_digest = digest
            self._save(_DIGEST, digest)
        for message in messages:
            try:
                # What happens to it later is the outbox's to count and to report.
                self._publish(message).addErrback(lambda failure: failure.trap(PublishError) and None)
            except PublishError as error:
                self.log.warn("{topic} was not taken: {error}", topic=message.topic, error=str(error))

    async def preview_frigate(self) -> list[str]:
        """Lines of what a delivery to Frigate's file and API would change now.

        :raises CamdetectError: one of them does not answer.
        """
        cameras = self._cameras()
        logins = {one.id: login for one in cameras if (login := self._accepted_login(one)) is not None}
        wanted = self._build_frigate(cameras, logins).entries
        lines: list[str] = []
        for target in self._targets.get("frigate", ()):
            result = await target.preview(wanted)
            lines += [*result.diff, *([f"# {target.status.name}: {result.remark}"] if result.remark else [])]
        return lines
