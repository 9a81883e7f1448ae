"""Destination that is a running Frigate: our cameras are merged into its configuration, and told to what runs.

The API of Frigate 0.14 to 0.18, by the version that is asked first (``versions.py``): the file is saved whole
(``saving.py``), then what the version can take up without a restart is told (``live.py``); the rest is in force after
Frigate's next start, which we may ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zope.interface import implementer

from twisted_detector.model import Secret
from twisted_detector.model.consumers import FRIGATE, Consumer
from twisted_detector.outputs.frigate.document import fit_version
from twisted_detector.outputs.frigate.live import LiveUpdates
from twisted_detector.outputs.frigate.merging import STREAMS
from twisted_detector.outputs.frigate.saving import UNKNOWN, ConfigSaver, Merged, Saved, read_configuration
from twisted_detector.outputs.frigate.session import FrigateSession
from twisted_detector.outputs.frigate.versions import Abilities, minor_of
from twisted_detector.outputs.sync.documents import delivery_result, some
from twisted_detector.outputs.sync.http import HttpClient, HttpRequest
from twisted_detector.outputs.sync.merging import mask_logins
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    InThread,
    ISharedDestination,
    IVariablesDestination,
    Sharing,
    TargetUnavailable,
)

#: How often a configuration that changes under our hands is read anew before we come back later.
_ROUNDS = 3
_NONE = Secret("")
#: Seconds between two restarts of Frigate that we request: one takes it up to a minute.
RESTART_PAUSE = 120.0
_NEXT_START = (
    "in Frigate's file, and in force after its next start ({} lets it restart; docs/operations/frigate.md has the"
    " layout that needs none)"
)


@implementer(IVariablesDestination, ISharedDestination)
class FrigateApi:
    """Our cameras in a running Frigate.

    :param restart: let Frigate restart, where its version does not take up what was changed.
    """

    refresh = 300.0  # somebody may have restored an older configuration; a read costs Frigate nothing

    def __init__(
        self,
        http: HttpClient,
        *,
        in_thread: InThread,
        monotonic: Callable[[], float],
        consumer: Consumer = FRIGATE,
        user: str = "",
        password: Secret = _NONE,
        token: Secret = _NONE,
        restart: bool = False,
    ) -> None:
        self.name = consumer.destination("api")
        self.where = http.base
        self._consumer = consumer
        self._session = FrigateSession(http, consumer=consumer, user=user, password=password, token=token)
        self._in_thread = in_thread
        self._saver = ConfigSaver(self._session, in_thread=in_thread)
        self._live = LiveUpdates(self._session)
        self._monotonic = monotonic
        self._restart = restart
        self._restarted_at: float | None = None
        self._variables: Mapping[str, Secret] = {}
        #: Variables for which Frigate was restarted: what it does not know after that it was never given.
        self._taught: set[str] = set()

    def set_variables(self, variables: Mapping[str, Secret]) -> None:
        """See :class:`IVariablesDestination`: until 0.17 the go2rtc inside Frigate takes sources as they are."""
        self._variables = variables

    def share(self, sharing: Sharing) -> None:
        """See :class:`ISharedDestination`."""
        self._saver.share(sharing)

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`IVariablesDestination`."""
        version = (await self._session.get("/api/version")).strip()
        if not version[:1].isdigit() or len(version) > 80:
            raise TargetUnavailable("what answers there is no Frigate", shown=mask_logins(version[:60]))
        abilities = Abilities(minor_of(version))
        fitting = fit_version(wanted, version)
        before = await self._read()
        for _ in range(_ROUNDS):
            merged = await self._saver.merge(before, base, fitting, values=self._live.is_due)
            if dry:
                return delivery_result("Frigate's configuration", before, merged.text, merged.result, dry=True)
            now = await self._read() if merged.text != before else before
            if now == before:
                break
            before = now
        else:
            raise TargetUnavailable("somebody else is just changing its configuration")
        saved = Saved(merged) if merged.text == before else await self._save(before, merged, base, fitting, abilities)
        result = delivery_result("Frigate's configuration", before, saved.merged.text, saved.merged.result, dry=False)
        return await self._apply(saved, result, abilities)

    async def _read(self) -> str:
        return await read_configuration(self._session)

    async def _save(
        self, before: str, merged: Merged, base: Entries, wanted: Mapping[str, Any], abilities: Abilities
    ) -> Saved:
        running = await self._live.cameras() if abilities.adds else frozenset()
        proof = await self._saver.prove(before, merged, wanted)
        if proof.refused:
            merged = await self._saver.merge_without(before, base, wanted, proof.refused)
        saved = Saved(merged, dict(proof.refused))
        if merged.text != before:
            saved = await self._saver.save(before, merged, base, wanted, proof.refused)
        saved.unknown |= proof.unknown
        self._live.plan(saved.merged, abilities, running)
        return saved

    async def _apply(self, saved: Saved, result: DeliveryResult, abilities: Abilities) -> DeliveryResult:
        """Tell what runs of the file that stands there, or let Frigate restart; and say what is left to be done."""
        remarks = [result.remark]
        text = saved.merged.text
        if await self._live.tell(abilities, saved.merged.result.document) and await self._read() != text:
            # It was written anew by Frigate, in Frigate's style: comments stay, quotes and long lines do not.
            await self._saver.post(text)
        streams: Mapping[str, str] = saved.merged.result.written.get(STREAMS, {})
        remarks.append(await self._live.tell_streams(streams, self._variables, abilities))
        refused, again = self._teach(saved), 0.0
        if self._live.waiting or saved.unknown - self._taught:
            if not self._restart:
                waiting = tuple(sorted(self._live.waiting))
                next_start = _NEXT_START.format(self._consumer.settings("restart"))
                remarks += [f"{some(waiting)}: {next_start}"] if waiting else []
                self._live.waiting.clear()
            elif again := self._pause():
                remarks.append(f"Frigate was restarted a moment ago, and is restarted again in {again:.0f} s")
            else:
                await self._restart_now(saved.unknown)
                again = 1.0
        left = tuple(name for name in result.left if name not in refused)
        return replace(result, remark="; ".join(filter(None, remarks)), refused=refused, again=again, left=left)

    def _teach(self, saved: Saved) -> dict[str, str]:
        """The reasons of what was refused, with what is to be done about variables that Frigate does not know."""
        if not saved.unknown:
            return saved.refused
        place = self._consumer.settings("env_path")
        hint = f": give it {place} and start it anew"
        if self._restart and saved.unknown - self._taught:
            hint = ": it is restarted to read them"
        elif self._restart:
            hint = f", after a restart neither: is the place of {place} where Frigate looks (/run/secrets)?"
        return {name: reason + (hint if reason == UNKNOWN else "") for name, reason in saved.refused.items()}

    def _pause(self) -> float:
        """Seconds until Frigate may be restarted again, 0.0 for now."""
        if self._restarted_at is None:
            return 0.0
        return max(0.0, self._restarted_at + RESTART_PAUSE - self._monotonic())

    async def _restart_now(self, unknown: set[str]) -> None:
        self._restarted_at = self._monotonic()
        self._taught |= unknown
        answer = await self._session.request(HttpRequest("POST", "/api/restart"))
        if answer.status != 200:
            raise TargetUnavailable("Frigate does not restart", shown=f"status {answer.status}")
        self._live.forget()
