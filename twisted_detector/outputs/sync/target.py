"""Reconciler of one destination: delivers what is wanted, one delivery at a time, and retries what failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.outputs.sync.documents import some
from twisted_detector.outputs.sync.seams import (
    ALONE,
    DeliveryResult,
    Entries,
    ISharedDestination,
    ISyncDestination,
    IWatchedDestination,
    Sharing,
    TargetPhase,
    TargetRefused,
    TargetStarting,
    TargetStatus,
    TargetUnavailable,
)

#: Seconds until the first try after a failure; doubled with each, up to the second figure: a Frigate that restarts is
#: back within a minute, one that is away for a night is asked every five.
FIRST_RETRY, LAST_RETRY = 1.0, 300.0
#: Seconds between two looks at a program that is just starting, and how many of them are made before it is away like
#: any other: Frigate takes up to a minute, more on a small machine.
STARTING_RETRY, STARTING_LOOKS = 5.0, 36
#: Seconds for which an entry that another node may be about to add has been missing when we add it: longer than that
#: node takes to see that it is missing (:attr:`Go2rtcApi.refresh`).
PATIENCE = 40.0
#: Seconds until a place in which something else stands is looked at: who else writes there may not have ended. Doubled
#: with each time that it had to be put right, up to the second figure, until there is quiet for the third.
RECONSIDER, LAST_RECONSIDER, QUIET = 0.25, 60.0, 60.0
#: Seconds for one delivery in all: a few requests of 15 s, or the YAML of a thousand cameras on a small machine.
DELIVERY_SECONDS = 120.0
#: Different reasons for what was left out that are told at once.
_MAX_REASONS = 5


class SyncTarget:
    """One destination and what it should hold; newer entries replace older ones that were not delivered yet.

    :param base: what an earlier run left there.
    :param save: persists what was written, for the next run.
    :param random: 0 to 1, spreads retries.
    :param dry: change nothing, only log what would change.
    :param sharing: which of these entries other nodes may keep there too.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        destination: ISyncDestination,
        *,
        base: Entries,
        save: Callable[[Entries], object],
        random: Callable[[], float],
        dry: bool = False,
        sharing: Callable[[Collection[str]], Sharing] = lambda _: ALONE,
    ) -> None:
        self._clock = clock
        self._destination = destination
        self._base = base
        self._save = save
        self._random = random
        self._dry = dry
        self._sharing = sharing
        #: Since when entries are missing that another node may be about to add.
        self._missing: dict[str, float] = {}
        self._reconsiders = False
        #: When something else that stands there is looked at; times that it had to be put right, and when the last was.
        self._soon: IDelayedCall | None = None
        self._is_repair = False
        self._repairs = 0
        self._repaired_at = 0.0
        self._wanted: Entries | None = None
        self._delivered: Entries | None = None
        self._running: Deferred[None] | None = None
        self._retry: IDelayedCall | None = None
        self._stopped = False
        self.status = TargetStatus(destination.name, destination.where)
        if IWatchedDestination.providedBy(destination):
            destination.watch(self._reconsider_soon)

    @property
    def written(self) -> Entries:
        """What the last delivery left there, or that of an earlier run."""
        return self._base

    def update(self, wanted: Entries) -> None:
        """Deliver ``wanted`` from now on; the same entries again do not change when they are retried."""
        if self._stopped or wanted == self._wanted:
            return
        self._wanted = wanted
        self._start()

    def reconsider(self) -> None:
        """Deliver the same once more: for whom this node speaks has changed, or what stands there."""
        self._reconsiders = True
        self._start()

    def _reconsider_soon(self) -> None:
        """Look at it in a moment; whoever writes there all the time does not put that off."""
        if not self._stopped and self._soon is None:
            wait = min(LAST_RECONSIDER, RECONSIDER * 2.0 ** min(self._repairs, 10))
            if not 0 <= self._clock.seconds() - self._repaired_at <= wait + QUIET:
                self._repairs, wait = 0, RECONSIDER
            self._soon = self._clock.callLater(wait, self._repair)

    def _repair(self) -> None:
        self._soon = None
        self._is_repair = True
        self.reconsider()

    def delivered(self) -> Deferred[None]:
        """Fires when no delivery is under way, however the last one ended."""
        waiter: Deferred[None] = Deferred()
        (self._running or succeed(None)).addCallback(lambda _: waiter.callback(None))
        return waiter

    def stop(self) -> Deferred[None]:
        """Cancel the delivery that is under way; the Deferred fires when it has ended."""
        self._stopped = True
        self._cancel_retry()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        running = self._running
        if running is None:
            return succeed(None)
        running.cancel()
        return running

    async def preview(self, wanted: Entries) -> DeliveryResult:
        """What a delivery would change now; changes nothing."""
        self._share(wanted)
        return await self._destination.deliver(wanted, self._base, True)

    # --- one delivery after the other ------------------------------------------------------------------------------

    def _cancel_retry(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None

    def _schedule(self, seconds: float) -> None:
        self._cancel_retry()
        self._retry = self._clock.callLater(seconds, self._start)

    def _start(self) -> None:
        self._cancel_retry()
        if self._running is not None or self._wanted is None or self._stopped:
            return
        wanted, self._reconsiders = self._wanted, False
        self._share(wanted)
        work = Deferred.fromCoroutine(self._destination.deliver(wanted, self._base, self._dry))
        work.addTimeout(DELIVERY_SECONDS, self._clock, _too_long)
        # Set before the callbacks: they may be called at once, and another delivery may begin in them.
        running: Deferred[None] = Deferred(lambda _: work.cancel())
        self._running = running
        work.addCallbacks(
            lambda result: self._record_success(wanted, result), lambda failure: self._record_failure(wanted, failure)
        )
        work.addErrback(lambda failure: self.log.failure("A target failed", failure=failure))
        work.addBoth(lambda _: self._finish(running))

    def _share(self, wanted: Entries) -> None:
        if ISharedDestination.providedBy(self._destination):
            now = self._clock.seconds()
            # A clock that was set makes nobody wait for ever.
            due = frozenset(name for name, since in self._missing.items() if not 0 <= now - since < PATIENCE)
            self._destination.share(replace(self._sharing({*wanted, *self._base}), due=due))

    def _finish(self, running: Deferred[None]) -> None:
        self._running = None
        if not running.called:
            running.callback(None)
        if self._reconsiders or (self._retry is None and self._wanted != self._delivered):
            self._start()

    def _record_success(self, wanted: Entries, result: DeliveryResult) -> None:
        before = self.status
        self._delivered = wanted
        if not self._dry and result.written != self._base:
            self._base = result.written
            self._save(result.written)
        phase = TargetPhase.DRY if self._dry else TargetPhase.REFUSED if result.refused else TargetPhase.DONE
        told = [one for one in (_left_out(result.refused), result.remark) if one]
        reason = "; ".join(told)
        if result.waits_for:
            phase, reason = TargetPhase.AWAY, result.waits_for
        self.status = replace(before, phase=phase, reason=reason, tries=0, left=result.left)
        now = self._clock.seconds()
        if result.changed and self._is_repair:
            self._repairs, self._repaired_at = self._repairs + 1, now
        self._is_repair = False
        self._missing = {name: self._missing.get(name, now) for name in result.waiting}
        if before.tries:
            self.log.info("{name}: {where} can be updated again", name=before.name, where=before.where)
        if self._dry and result.diff:
            self.log.info(
                "{name}: this would change in {where}:\n{diff}",
                name=before.name,
                where=before.where,
                diff="\n".join(result.diff),
            )
        elif result.changed:
            self.log.info("{name}: {where} updated", name=before.name, where=before.where)
        new = "; ".join(one for one in told if one not in before.reason)
        if new:
            self.log.warn("{name}: {where}: {reason}", name=before.name, where=before.where, reason=new)
        if wanted == self._wanted and not self._stopped:
            waits = (
                self._destination.refresh,
                result.again,
                LAST_RETRY if result.refused else 0.0,
                PATIENCE if result.waiting else 0.0,
            )
            if any(waits):
                self._schedule(min(filter(None, waits)))

    def _record_failure(self, wanted: Entries, failure: Failure) -> None:
        if self._stopped:
            return
        before = self.status
        tries = before.tries + 1
        theirs = failure.check(TargetUnavailable, TargetRefused)
        reason = str(failure.value) if theirs else "a fault of ours; the log has it"
        if not theirs:
            self.log.failure("{name} failed", failure=failure, name=before.name)
        elif not before.tries or reason != before.reason:
            self.log.warn("{name}: {where}: {reason}", name=before.name, where=before.where, reason=reason)
        refused = failure.check(TargetUnavailable) is None
        phase = TargetPhase.REFUSED if refused else TargetPhase.AWAY
        self.status = replace(before, phase=phase, reason=reason, tries=tries)
        if wanted != self._wanted:
            return  # something newer is wanted, and tried at once
        # What was refused is retried seldom: somebody may have put it right there.
        wait = LAST_RETRY if refused else min(LAST_RETRY, FIRST_RETRY * 2 ** min(tries - 1, 10))
        if failure.check(TargetStarting) and tries <= STARTING_LOOKS:
            wait = STARTING_RETRY
        self._schedule(wait * (0.8 + 0.4 * self._random()))


def _left_out(refused: Mapping[str, str]) -> str:
    """Which entries were not taken, and why: those of one reason together."""
    names: dict[str, list[str]] = {}
    for name, reason in refused.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"left out: {some(tuple(ones))}: {reason}" for reason, ones in list(names.items())[:_MAX_REASONS])


def _too_long(_: Any, seconds: float) -> None:
    raise TargetUnavailable("it does not come to an end", shown=f"{seconds:g} s")
