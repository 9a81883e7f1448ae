"""What one place should hold goes in; deliveries, tried again as often as it takes, and how it stands come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.outputs.sync.seams import Away, Delivered, Entries, IDelivery, NotTaken, TargetPhase, TargetStatus

#: Seconds until the first try after a failure; doubled with each, up to the second figure: a Frigate that restarts is
#: back within a minute, one that is away for a night is asked every five.
FIRST_RETRY, LAST_RETRY = 1.0, 300.0
#: Seconds for one delivery in all: a few requests of 15 s, or the YAML of a thousand cameras on a small machine.
DELIVERY_SECONDS = 120.0


class SyncTarget:
    """Keeps one place as it should be; newer wishes replace older ones.

    :param base: what an earlier run left there.
    :param save: keeps what was written, for the next run.
    :param random: 0 to 1, spreads tries.
    :param dry: only tell what would change.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        delivery: IDelivery,
        *,
        base: Entries,
        save: Callable[[Entries], object],
        random: Callable[[], float],
        dry: bool = False,
    ) -> None:
        self._clock = clock
        self._delivery = delivery
        self._base = base
        self._save = save
        self._random = random
        self._dry = dry
        self._wanted: Entries | None = None
        self._done: Entries | None = None
        self._running: Deferred[None] | None = None
        self._later: IDelayedCall | None = None
        self._stopped = False
        self.status = TargetStatus(delivery.name, delivery.where)

    @property
    def base(self) -> Entries:
        """What was left there last."""
        return self._base

    def want(self, wanted: Entries) -> None:
        """This is what should stand there from now on; the same again changes nothing about when it is tried."""
        if self._stopped or wanted == self._wanted:
            return
        self._wanted = wanted
        self._go()

    def settled(self) -> Deferred[None]:
        """Fires when nothing is being delivered, however that went."""
        waiter: Deferred[None] = Deferred()

        def tell(result: None) -> None:
            waiter.callback(None)

        if self._running is None:
            waiter.callback(None)
        else:
            self._running.addCallback(tell)
        return waiter

    def stop(self) -> Deferred[None]:
        """End whatever goes on; the Deferred fires when it has ended."""
        self._stopped = True
        self._cancel()
        running = self._running
        if running is None:
            return succeed(None)
        running.cancel()
        return running

    async def what_would_change(self, wanted: Entries) -> Delivered:
        """What a delivery would do now; does nothing."""
        return await self._delivery.deliver(wanted, self._base, True)

    # --- one delivery after the other ------------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None

    def _after(self, seconds: float) -> None:
        self._cancel()
        self._later = self._clock.callLater(seconds, self._go)

    def _go(self) -> None:
        self._cancel()
        if self._running is not None or self._wanted is None or self._stopped:
            return
        wanted = self._wanted
        work = Deferred.fromCoroutine(self._delivery.deliver(wanted, self._base, self._dry))
        work.addTimeout(DELIVERY_SECONDS, self._clock, _too_long)
        # Set before the callbacks: they may be called at once, and another delivery may begin in them.
        running: Deferred[None] = Deferred(lambda _: work.cancel())
        self._running = running
        work.addCallbacks(lambda done: self._succeeded(wanted, done), lambda failure: self._failed(wanted, failure))
        work.addErrback(lambda failure: self.log.failure("A follower failed", failure=failure))
        work.addBoth(lambda _: self._ended(running))

    def _ended(self, running: Deferred[None]) -> None:
        self._running = None
        if not running.called:
            running.callback(None)
        if self._later is None and self._wanted != self._done:
            self._go()

    def _succeeded(self, wanted: Entries, done: Delivered) -> None:
        before = self.status
        self._done = wanted
        if not self._dry and done.written != self._base:
            self._base = done.written
            self._save(done.written)
        self.status = TargetStatus(
            before.name,
            before.where,
            TargetPhase.DRY if self._dry else TargetPhase.DONE,
            done.remark,
            0,
            self._clock.seconds(),
        )
        if before.tries:
            self.log.info("{name}: {where} follows again", name=before.name, where=before.where)
        if self._dry and done.diff:
            self.log.info(
                "{name}: this would change in {where}:\n{diff}",
                name=before.name,
                where=before.where,
                diff="\n".join(done.diff),
            )
        elif done.changed:
            self.log.info("{name}: {where} was brought up to date", name=before.name, where=before.where)
        if done.remark and done.remark != before.reason:
            self.log.warn("{name}: {where}: {remark}", name=before.name, where=before.where, remark=done.remark)
        if self._delivery.refresh and wanted == self._wanted and not self._stopped:
            self._after(self._delivery.refresh)

    def _failed(self, wanted: Entries, failure: Failure) -> None:
        if self._stopped:
            return
        before = self.status
        tries = before.tries + 1
        theirs = failure.check(Away, NotTaken)
        reason = str(failure.value) if theirs else "a fault of ours; the log has it"
        if not theirs:
            self.log.failure("{name} failed", failure=failure, name=before.name)
        elif not before.tries or reason != before.reason:
            self.log.warn("{name}: {where}: {reason}", name=before.name, where=before.where, reason=reason)
        refused = failure.check(Away) is None
        self.status = TargetStatus(
            before.name,
            before.where,
            TargetPhase.REFUSED if refused else TargetPhase.AWAY,
            reason,
            tries,
            before.done_at,
        )
        # What was refused is tried again seldom: somebody may have put it right there.
        if wanted != self._wanted:
            return  # something newer is wanted, and tried at once
        wait = LAST_RETRY if refused else min(LAST_RETRY, FIRST_RETRY * 2 ** min(tries - 1, 10))
        self._after(wait * (0.8 + 0.4 * self._random()))


def _too_long(_: Any, seconds: float) -> None:
    raise Away("it does not come to an end", shown=f"{seconds:g} s")
