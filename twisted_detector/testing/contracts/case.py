"""Test case that contracts are derived from, and the permit by which they count how often a login is sent."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import Unauthorized
from twisted_detector.model import Login, Secret

#: At so many moments something is cancelled or stopped.
MOMENTS = 16
#: Seconds that what was cancelled, or stopped, may take to close what is open.
CLOSING = 1.0
#: Seconds of one step of time.
STEP = 0.01


def moments(longest: float) -> Iterator[float]:
    """Moments within so many seconds, most of them near the beginning, where most happens."""
    return (longest * (number / MOMENTS) ** 3 for number in range(MOMENTS))


class Contract(SynchronousTestCase):
    """Time that passes in small steps, and results that come within it."""

    #: Lets so many seconds pass for the stage.
    advance: Callable[[float], None]

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass; none is one turn of the reactor."""
        for _ in range(steps := max(1, round(seconds / STEP))):
            self.advance(seconds / steps)

    def begin(self, work: Coroutine[Any, Any, Any] | Deferred[Any]) -> Deferred[Any]:
        """Begin ``work``."""
        return work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)

    def finish(self, work: Coroutine[Any, Any, Any] | Deferred[Any], within: float) -> Deferred[Any]:
        """Let ``work`` end within so many seconds."""
        working, left = self.begin(work), within
        while not working.called and left > -STEP:
            self.advance(STEP)
            left -= STEP
        assert working.called, f"it did not end within {within:g} seconds"
        return working

    def result_of(self, work: Coroutine[Any, Any, Any] | Deferred[Any], within: float = 0.0) -> Any:
        """What ``work`` gives within so many seconds."""
        return self.successResultOf(self.finish(work, within))

    def error_of(self, work: Coroutine[Any, Any, Any] | Deferred[Any], kind: Any, within: float = 0.0) -> Any:
        """The error of this kind, or of these, by which ``work`` ends within so many seconds."""
        kinds = kind if isinstance(kind, tuple) else (kind,)
        trial: Any = self
        return trial.failureResultOf(self.finish(work, within), *kinds).value

    def assert_waiting(self, working: Deferred[Any]) -> None:
        """``working`` has not ended."""
        assert not working.called, "it has ended"

    def assert_raises(self, kind: type[Exception], call: Callable[[], object]) -> None:
        """``call`` raises an error of this kind, and no other."""
        try:
            call()
        except kind:
            return
        raise AssertionError(f"it did not raise {kind.__name__}")

    def logged_errors(self) -> list[Any]:
        """The errors that were logged since the last call; they are no fault of the test then."""
        trial: Any = self
        logged: list[Any] = trial.flushLoggedErrors()
        return logged

    def cancel_after(self, work: Coroutine[Any, Any, Any], seconds: float) -> None:
        """Cancel ``work`` after so many seconds: it ends with CancelledError, unless it had ended by itself."""
        working = self.begin(work)
        if seconds:
            self.pass_time(seconds)
        had_ended = working.called
        working.cancel()
        if not working.called:
            self.pass_time(CLOSING)
        if had_ended:
            working.addErrback(lambda _: None)
        else:
            self.error_of(working, CancelledError)


class CountingPermit:
    """Permit that counts, and grants or refuses.

    :ivar acquired: how often it was granted; ``accepted``: how often the login was reported as accepted.
    """

    def __init__(self, *, grants: bool = True, foreign: bool = False) -> None:
        self._grants = grants
        self._foreign = foreign
        self.acquired = 0
        self.accepted_times = 0

    async def acquire(self, realm: str = "") -> bool:
        """See :class:`Permit`."""
        if self._foreign:
            raise Unauthorized("it shows the realm of another camera", attempted=False)
        self.acquired += self._grants
        return self._grants

    def accepted(self, scheme: str = "") -> None:
        """See :class:`Permit`."""
        self.accepted_times += 1

    def unanswered(self) -> None:
        """See :class:`Permit`."""

    def on(self, login: Login) -> Login:
        """``login`` with this permit."""
        return Login(login.name, login.password, permit=self)


def wrong(login: Login) -> Login:
    """A login of the same name with another password."""
    return Login(login.name, Secret(f"not {login.password.reveal()}"))
