"""Service that notices when an eye falls silent, calls it, and tells of the eyes in the health document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

from twisted_detector.operations.eyes import IEyes

if TYPE_CHECKING:
    from twisted_detector.operations.eyes.gate import EyeAtGate

#: Seconds between two looks.
INTERVAL = 30.0
#: Seconds without a word after which an eye is silent: three of its signs of life.
SILENT = 190.0


class EyeAttendance(Service):
    """Attendance of the eyes of this node.

    :param monotonic: seconds that never jump.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, watcher: IEyes, *, monotonic: Callable[[], float]) -> None:
        self._watcher = watcher
        self._monotonic = monotonic
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock
        self._there: set[str] = set()

    def startService(self) -> None:
        """Look from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()

    def document(self) -> Mapping[str, Any]:
        """The ``eyes`` block of the health document, by name."""
        return {name: self._entry(eye) for name, eye in sorted(self._watcher.gate.eyes.items())}

    def _entry(self, eye: EyeAtGate) -> Mapping[str, Any]:
        ago = None if eye.heard is None else round(self._monotonic() - eye.heard)
        return {
            "state": self._state(eye),
            "heard_s_ago": ago,
            "version": eye.life.version,
            "counts": dict(eye.counts),
            "own_counts": dict(eye.life.counts),
        }

    def _state(self, eye: EyeAtGate) -> str:
        if eye.heard is None:
            return "never heard"
        return "silent" if self._monotonic() - eye.heard > SILENT else "there"

    def _look(self) -> None:
        for name, eye in self._watcher.gate.eyes.items():
            if self._state(eye) == "there":
                if name not in self._there:
                    self._there.add(name)
                    self.log.info("The eye {name} is there", name=name)
                continue
            if name in self._there:
                self._there.discard(name)
                self.log.warn(
                    "The eye {name} says nothing any more: what is on its link is seen by nobody until it does",
                    name=name,
                )
            # The broker may have lost the invitation, or somebody may have replaced it.
            self._watcher.invite(eye)
