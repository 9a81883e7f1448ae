"""Executor of ``reload``: the configuration and the decisions are read again, and what needs no restart holds at once.

Rules

1. A configuration with a fault changes nothing; every fault is told. An entry of the decisions with one is left out.
2. One reload at a time. Whoever asks meanwhile is answered by one more, however many they are.
3. The environment is that of the start. No answer and no line of the log has a secret in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from txaio.tx import make_logger, set_global_log_level

from twisted_detector.config.differences import differences
from twisted_detector.config.running import RunningConfig
from twisted_detector.errors import ConfigError, RemoteError
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.sentences import told
from twisted_detector.operations.first_run.restart import RestartRequest, SoftRestart

T = TypeVar("T")

#: Who waits for the next reload; more are a fault of some program.
MAX_ASKING = 64


class InThread(Protocol):
    """Runs what touches the disk in another thread."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Reload:
    """What one reload did.

    :ivar changed: in sentences; ``restart``: the names of settings that need one; ``faults``: why something was not
        taken over.
    """

    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class Reloader:
    """Reader of the configuration and of the decisions, again and again.

    :param running: gets the configuration that holds from then on.
    :param restart: reads the configuration, and starts again where a person wants that.
    :param in_thread: runs what touches the disk in another thread.
    """

    log = make_logger()

    def __init__(
        self, running: RunningConfig, book: DecisionBook, *, restart: SoftRestart, in_thread: InThread
    ) -> None:
        self._running = running
        self._book = book
        self._restart = restart
        self._in_thread = in_thread
        self._asking: list[Deferred[Reload]] = []
        self._is_under_way = False

    async def execute(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read all again; with ``restart``, also start again where a setting needs that.

        :raises RemoteError: a field is refused, or too many ask.
        """
        wants_restart = fields.get("restart", False)
        if not isinstance(wants_restart, bool):
            raise RemoteError("restart: must be true or false")
        if len(self._asking) >= MAX_ASKING:
            raise RemoteError("too many reloads are waiting; try again in a moment")
        done = await self._ask()
        restarts = wants_restart and bool(done.restart)
        if restarts:
            self._restart.request(RestartRequest(done.restart))
        return {
            "changed": list(done.changed),
            "restart": list(done.restart),
            "faults": list(done.faults),
            "restarting": restarts,
        }

    def reload_soon(self) -> None:
        """A signal asks for it; nobody waits for the answer, which is in the log."""
        if not self._asking:
            self._ask()

    def _ask(self) -> Deferred[Reload]:
        asked: Deferred[Reload] = Deferred(lambda _: self._asking.remove(asked) if asked in self._asking else None)
        self._asking.append(asked)
        if not self._is_under_way:
            self._is_under_way = True
            Deferred.fromCoroutine(self._serve())
        return asked

    async def _serve(self) -> None:
        while self._asking:
            asking, self._asking = self._asking, []
            try:
                done = await self._reload()
            except Exception as error:
                self.log.failure("The configuration could not be read again")
                done = Reload(faults=(f"an internal error of camdetect: {type(error).__name__}; see its log",))
            for one in asking:
                if not one.called:
                    one.callback(done)
        self._is_under_way = False

    async def _reload(self) -> Reload:
        try:
            read = await self._in_thread(self._restart.load)
        except ConfigError as error:
            for fault in error.faults:
                self.log.error("Nothing was changed because the configuration has a fault: {fault}", fault=fault)
            return Reload(faults=error.faults)
        found = differences(self._running.current, read)
        decided = await self._book.reload()
        self._running.use(found.applied)
        done = Reload((*found.changed, *told(decided.before, decided.after)), found.restart, decided.faults)
        self._tell(done)
        set_global_log_level(found.applied.log_level)  # after that, or what is less would not be told
        return done

    def _tell(self, done: Reload) -> None:
        for line in done.changed:
            self.log.info("Reloaded: {line}", line=line)
        for fault in done.faults:
            self.log.error("{fault}", fault=fault)
        if done.restart:
            self.log.warn("A restart is needed for {names}", names=", ".join(done.restart))
        if not (done.changed or done.faults or done.restart):
            self.log.info("Reloaded: nothing has changed")
