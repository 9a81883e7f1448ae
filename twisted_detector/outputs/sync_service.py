"""Service that keeps Frigate and go2rtc in step with the registry: Frigate's topic, and files and APIs of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
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
    :param accepted_login: the login that a camera lets in, None where it wants none (or none is known).
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
        store: IStateStore,
        publish: Callable[[Message], Deferred[None]],
        random: Callable[[], float],
        destinations: Mapping[str, Sequence[ISyncDestination]],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._cameras = cameras
        self._accepted_login = accepted_login
        self._store = store
        self._publish = publish
        self._random = random
        self._destinations = destinations
        self._targets: dict[str, list[SyncTarget]] = {}
        self._rotating: frozenset[str] = frozenset()
        self._published_digest = ""
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

    def build_documents(self) -> tuple[StreamDocument, StreamDocument, StreamDocument]:
        """What Frigate, go2rtc's file and go2rtc's API should hold now."""
        cameras, options = self._cameras(), self._settings.go2rtc
        logins = {one.id: login for one in cameras if (login := self._accepted_login(one)) is not None}
        live = replace(options, publish_credentials=True)
        return (
            frigate.build(cameras, logins, self._settings.frigate or frigate.FrigateOptions()),
            go2rtc.build(cameras, logins, options, rotating=self._rotating),
            go2rtc.build(cameras, logins, live, rotating=self._rotating),
        )

    def _update(self) -> None:
        self._update_call = self._changed_at = None
        if not self._loaded or not self.running:
            return
        for_frigate, for_go2rtc, live = self.build_documents()
        if self._settings.frigate is not None:
            self._publish_configuration(for_frigate.entries)
            self._update_targets("frigate_env", for_frigate.variables)
            self._update_targets("frigate", for_frigate.entries, after="frigate_env")
        self._update_targets("go2rtc_env", for_go2rtc.variables)
        self._update_targets("go2rtc", for_go2rtc.entries, after="go2rtc_env")
        self._update_targets("go2rtc_live", live.entries)

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
        wanted = self.build_documents()[0].entries
        lines: list[str] = []
        for target in self._targets.get("frigate", ()):
            result = await target.preview(wanted)
            lines += [*result.diff, *([f"# {target.status.name}: {result.remark}"] if result.remark else [])]
        return lines
