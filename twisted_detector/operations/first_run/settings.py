"""The command ``settings``: what the page may set, where each value comes from, and a change of some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.config.declarations import MASKED, shown_value
from twisted_detector.config.page_settings import GROUP_OF, GROUPS, why_fixed
from twisted_detector.config.running import RunningConfig
from twisted_detector.errors import ConfigError, RemoteError
from twisted_detector.model.decisions import Decisions
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.first_run.restart import RestartRequest, SoftRestart

#: Characters of one value: a path, a URL or a password.
MAX_VALUE = 1024
_DEFAULT = "default"
#: A fault of the configuration: name, perhaps the value, and what is wrong.
_FAULT = re.compile(r"([A-Z][A-Z0-9_]*)(?: = .*?)?: (must .*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings as they would be.

    :ivar values: all that the page sets, by key.
    :ivar dropped: names of those that a change of the place took back: who says where a login goes gives it again.
    """

    config: Config
    values: Mapping[str, str]
    dropped: tuple[str, ...] = ()


class SettingsCommand:
    """Handler of ``settings``.

    Without fields it answers the settings of the page. Fields are settings by name, "" to take one back: they are
    saved, and the parts are started again when one of them is another then. Nothing is saved that the daemon could not
    start with.

    :param running: what the parts run with.
    """

    def __init__(self, book: DecisionBook, restart: SoftRestart, *, running: RunningConfig) -> None:
        self._book = book
        self._restart = restart
        self._running = running
        self._settings_at_start = book.current.settings

    async def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """See the class.

        :raises RemoteError: a value is refused; the text begins with the name of the setting.
        """
        if not fields:
            return self._document(self._running.current)
        found: list[Candidate] = []

        def apply(decisions: Decisions) -> Decisions:
            candidate = self._candidate(decisions, fields)
            found.append(candidate)
            settings = {key.upper(): text for key, text in candidate.values.items()}
            return replace(decisions, settings=MappingProxyType(settings))

        await self._book.change(apply)
        candidate = found[-1]
        names = tuple(
            key.upper() for key in GROUP_OF if candidate.config.value_of(key) != self._running.current.value_of(key)
        )
        if names:
            self._restart.request(RestartRequest(names, self._undo))
        document = self._document(candidate.config)
        return {**document, "restart": list(names), "dropped": list(candidate.dropped)}

    async def _undo(self) -> None:
        await self._book.change(lambda decisions: replace(decisions, settings=self._settings_at_start))

    def candidate(self, fields: Mapping[str, Any]) -> Candidate:
        """The settings with ``fields`` changed, which nobody saves.

        :raises RemoteError: as :meth:`answer`.
        """
        return self._candidate(self._book.current, fields)

    def _candidate(self, decisions: Decisions, fields: Mapping[str, Any]) -> Candidate:
        saved = {name.lower(): text for name, text in decisions.settings.items()}
        changes = self._read(fields)
        values = {**saved, **changes}
        dropped = []
        for group in GROUPS:
            moved = any(values.get(key, "") != saved.get(key, "") for key in group.place)
            secret = next((key for key in group.login if key in group.secrets), "")
            if moved and saved.get(secret) and secret not in changes:
                dropped += [key for key in group.login if key in saved and key not in changes]
        values = {key: text for key, text in values.items() if text and key not in dropped}
        try:
            config = self._restart.load(page=values)
        except ConfigError as error:
            raise RemoteError(_at_field(error.faults[0])) from None
        return Candidate(config, values, tuple(key.upper() for key in dropped))

    def _read(self, fields: Mapping[str, Any]) -> dict[str, str]:
        changes: dict[str, str] = {}
        for name, value in fields.items():
            key = name.lower()
            if key not in GROUP_OF:
                raise RemoteError(f"{ascii(name)[1:-1][:60]}: is not a setting of the page")
            if isinstance(value, bool):
                value = "true" if value else "false"
            if not isinstance(value, str) or len(value) > MAX_VALUE:
                raise RemoteError(f"{key.upper()}: must be text of at most {MAX_VALUE} characters")
            if value and (why := why_fixed(key, self._running.current.sources)):
                raise RemoteError(f"{key.upper()}: {why}")
            changes[key] = value
        return changes

    def _document(self, config: Config) -> dict[str, Any]:
        known = config.settings()
        return {
            "settings": {
                known[key].name: {
                    "value": shown_value(known[key], config.value_of(key)),
                    "source": config.sources.get(key, _DEFAULT),
                    "fixed": why_fixed(key, config.sources),
                    "help": known[key].help,
                }
                for key in GROUP_OF
            },
            "masked": MASKED,
            "restarting": self._restart.under_way,
            "fault": self._restart.fault,
        }


def _at_field(fault: str) -> str:
    """A fault of the configuration as one at a field: the name first, and not what was typed."""
    found = _FAULT.fullmatch(fault)
    return f"{found[1]}: {found[2]}" if found else fault
