"""Report of the plugins of the running daemon, for the control socket, the page, the health document and the doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from twisted_detector.operations.host_checks import FAIL, OK, WARN, Finding
from twisted_detector.service.extensions.entries import PluginEntry, PluginState
from twisted_detector.service.extensions.record import PluginRecord, Stall

#: Plugins that the health document names, with those first that are not well: it stays small.
_MAX_NAMED = 20
#: Which of them come first; who is off is not named.
_RANK = {PluginState.DISABLED: 0, PluginState.LEFT_OUT: 1, PluginState.LOADED: 2}
_ADVICE = "camdetect plugins lists them; docs/plugins.md"


class PluginReport:
    """Report of the entries as they were found at the start, with what became of each since.

    :param entries: of :func:`plugin_inventory.inventory`. :param problems: of :func:`plugin_inventory.problems`.
    :param records: by the name of the plugin.
    """

    def __init__(
        self, entries: Sequence[PluginEntry], problems: Sequence[str], records: Mapping[str, PluginRecord]
    ) -> None:
        self._entries = tuple(entries)
        self._problems = tuple(problems)
        self._records = records

    async def answer(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handler of ``plugins``: all of them, and what the settings name and nobody has."""
        return {"plugins": [self._document(one) for one in self._entries], "problems": list(self._problems)}

    def block(self) -> Mapping[str, Any]:
        """For the health document: how many are in which state, and those that are not ours."""
        states = [self._now(one) for one in self._entries]
        users = [(state, why, one) for one, (state, why) in zip(self._entries, states, strict=True)
                 if not one.is_builtin and state in _RANK]  # fmt: skip
        named: dict[str, Any] = {}
        for state, why, one in sorted(users, key=lambda user: (_RANK[user[0]], user[2].name)):
            # Why one is left out has paths of this machine in it, which are nobody's affair.
            told = why if state is PluginState.DISABLED else ""
            named.setdefault(one.name or "a folder", {"state": state.value, "why": told, **self._figures(one)})
        return {
            **{state.name.lower(): sum(now is state for now, _ in states) for state in PluginState},
            "named": dict(islice(named.items(), _MAX_NAMED)),
        }

    def findings(self) -> Iterator[Finding]:
        """For the doctor: what is not well with plugins; one line when all are."""
        found = [Finding("plugins", WARN, text, "camdetect plugins lists the names that there are")
                 for text in self._problems]  # fmt: skip
        for one in self._entries:
            state, why = self._now(one)
            name = f"plugin {one.name or one.file}"
            if state in (PluginState.LEFT_OUT, PluginState.DISABLED):
                found.append(Finding(name, FAIL, f"{state.value}: {why}", _ADVICE))
            elif (record := self._record(one)) is not None and (record.faults or record.stalls or _limited(record)):
                found.append(Finding(name, WARN, _troubles(record), _ADVICE))
        users = sum(not one.is_builtin and self._now(one)[0] is PluginState.LOADED for one in self._entries)
        yield from found or [Finding("plugins", OK, f"{users} beside those of camdetect")]

    def _record(self, entry: PluginEntry) -> PluginRecord | None:
        return self._records.get(entry.name) if entry.state is PluginState.LOADED else None

    def _now(self, entry: PluginEntry) -> tuple[PluginState, str]:
        record = self._record(entry)
        if record is None:
            return entry.state, entry.why
        if record.disabled:
            return PluginState.DISABLED, record.disabled
        if record.why:  # of several makers of one name it is told of the one that is missing
            return PluginState.LEFT_OUT, record.why
        if record.made:
            return PluginState.LOADED, ""
        return PluginState.OFF, "its settings switch it off, or it has none"

    def _figures(self, entry: PluginEntry) -> dict[str, Any]:
        record = self._record(entry)
        if record is None:
            return {"faults": 0, "stalls": 0, "counts": {}}
        return {"faults": record.faults, "stalls": record.stalls, "counts": dict(record.counts)}

    def _document(self, entry: PluginEntry) -> dict[str, Any]:
        record = self._record(entry)
        state, why = self._now(entry)
        stall = (record.last_stall if record is not None else None) or Stall(0.0, "")
        return {
            **asdict(entry),
            "kinds": list(entry.kinds),
            "state": state.value,
            "why": why,
            **self._figures(entry),
            "last_fault": record.last_fault if record is not None else "",
            "last_stall": asdict(stall),
        }


def _limited(record: PluginRecord) -> int:
    return record.counts.get("limited", 0)


def _troubles(record: PluginRecord) -> str:
    texts = []
    if record.faults:
        texts.append(f"{record.faults} faults, the last one: {record.last_fault}")
    if record.stalls and record.last_stall is not None:
        texts.append(f"it held everything up {record.stalls} times, last for {record.last_stall.seconds:g} s")
    if limited := _limited(record):
        texts.append(f"{limited} messages were more than it may publish")
    return "; ".join(texts)
