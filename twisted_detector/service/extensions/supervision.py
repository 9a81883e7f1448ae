"""Supervision of the plugins that are not ours: a record and a guard for each, and one watchdog for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from txaio.tx import make_logger

from twisted_detector.service.extensions.guard import PluginGuard
from twisted_detector.service.extensions.record import PluginRecord, Stall
from twisted_detector.service.extensions.stalls import STALL_SECONDS, StallWatchdog

#: Seconds between two lines of the log that name one plugin's stalls; each is counted.
_STALL_LOG_SECONDS = 60.0


class Supervision:
    """Table of the records and guards of plugins, by name; a plugin of several makers has one of each.

    :param monotonic: seconds that never jump.
    """

    log = make_logger()

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._records: dict[str, PluginRecord] = {}
        self._guards: dict[str, PluginGuard] = {}
        self._told_at: dict[str, float] = {}
        self._stalls = StallWatchdog(monotonic, self._stalled)

    @property
    def records(self) -> Mapping[str, PluginRecord]:
        """All records, by the name of the plugin."""
        return self._records

    def record(self, name: str) -> PluginRecord:
        """The record of a plugin."""
        return self._records.setdefault(name, PluginRecord(name))

    def guard(self, name: str) -> PluginGuard:
        """The guard of a plugin."""
        if name not in self._guards:
            self._guards[name] = PluginGuard(self.record(name), self._stalls, self._monotonic)
        return self._guards[name]

    def stop(self) -> None:
        """End the watchdog's thread."""
        self._stalls.stop()

    def _stalled(self, record: PluginRecord, stall: Stall) -> None:
        """A plugin holds the reactor, or held it; this may be on the watchdog's thread."""
        record.note_stall(stall)
        now = self._monotonic()
        if now - self._told_at.get(record.name, float("-inf")) < _STALL_LOG_SECONDS:
            return
        self._told_at[record.name] = now
        self.log.error(
            "Plugin {name} held everything up for {seconds:.1f} s, and more than {bound:g} s are too long: what takes"
            " long belongs into a thread. It was here:\n{stack}",
            name=record.name,
            seconds=stall.seconds,
            bound=STALL_SECONDS,
            stack=stall.stack or "(no stack could be taken)",
        )
