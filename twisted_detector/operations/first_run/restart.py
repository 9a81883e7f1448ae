"""Requests to start all parts of the daemon again, in the same process, with settings that were changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from twisted_detector.config.config import Config
from twisted_detector.model.observers import Observers


class ConfigLoader(Protocol):
    """Reads the configuration as it is now."""

    def __call__(self, *, page: Mapping[str, str] | None = None) -> Config:
        """:param page: values of settings by key, in the place of those that are saved for the page.

        :raises ConfigError: with every fault.
        """


async def undo_nothing() -> None:
    """For a restart whose settings nobody saved: there is nothing to put back."""


@dataclass(frozen=True, slots=True)
class RestartRequest:
    """Why to start again, with the configuration as it is then.

    :ivar settings: names of those that were changed, for the log.
    :ivar undo: puts the former settings back where they are saved; called when the start with these fails.
    """

    settings: tuple[str, ...] = ()
    undo: Callable[[], Awaitable[object]] = undo_nothing


class SoftRestart:
    """Door to the daemon for whoever changes a setting that parts take at their start.

    The daemon has one for all its life, over restarts; it is the one that observes ``requested`` and tells the result.

    :param load: reads the configuration as it is now.
    :ivar under_way: whether the parts are being stopped, or started again.
    :ivar fault: why the settings of the last restart are not in use, in words; "" when they are.
    """

    def __init__(self, load: ConfigLoader) -> None:
        self.load = load
        self.requested: Observers[[RestartRequest]] = Observers("a restart")
        self.under_way = False
        self.fault = ""

    def request(self, request: RestartRequest) -> None:
        """Restart soon: whoever asks can be answered before."""
        self.requested.notify(request)

    def begin(self) -> None:
        """The parts are being stopped."""
        self.under_way = True
        self.fault = ""

    def end(self, fault: str = "") -> None:
        """They run again; with ``fault``: with the former settings."""
        self.under_way = False
        self.fault = fault
