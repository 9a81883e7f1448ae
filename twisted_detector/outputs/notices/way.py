"""Way by which notices are told: a mailbox, and a channel that sends what it gives out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import RemoteError
from twisted_detector.events import Event, NoticeTold
from twisted_detector.interfaces import IEventListener
from twisted_detector.model.notices import Notice, NoticeKind
from twisted_detector.outputs.notices.mailbox import Mailbox
from twisted_detector.outputs.notices.quiet_hours import summary
from twisted_detector.outputs.notices.saved import dump_waiting, load_waiting
from twisted_detector.outputs.notices.wording import duration
from twisted_detector.seams import IStateStore

#: Table of the store.
TABLE = "notices"
#: Seconds for one sending, whatever its channel does: who asks for a test waits no longer.
SEND_SECONDS = 25.0
#: Tests of one way within an hour: a person who sets it up tries a few times.
MAX_TESTS = 20


class DeliveryFailed(RemoteError):
    """The other end did not take a notice. The text has no token, and of the other end harmless words at most.

    :ivar asked: seconds that it asked to be left alone, None where it did not.
    :ivar final: it will not take it later either.
    """

    def __init__(self, what: str, *, asked: float | None = None, final: bool = False) -> None:
        super().__init__(what)
        self.asked = asked
        self.final = final


class Channel(Protocol):
    """What sends one notice."""

    async def send(self, notice: Notice) -> None:
        """Send it; returns when the other end has it. May be cancelled.

        :raises DeliveryFailed: it does not.
        """

    async def test(self, notice: Notice) -> str:
        """Send a test; who took it, in words.

        :raises DeliveryFailed: nobody did.
        """


@implementer(IEventListener)
class Way(Service):
    """One way: listener of what is told, and service that sends it.

    :param name: short name, as in ``camdetect notices test NAME``.
    :ivar sent: notices that arrived, by kind; ``failures``: sendings that did not.
    """

    log = make_logger()
    name: str

    def __init__(
        self,
        clock: IReactorTime,
        name: str,
        channel: Channel,
        *,
        per_hour: int,
        store: IStateStore,
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        self.name = name
        self._channel = channel
        self._store = store
        self._monotonic = monotonic
        self._saved = ""
        self.mailbox = Mailbox(per_hour=per_hour)
        self._tested: deque[float] = deque(maxlen=MAX_TESTS)
        self._timer: IDelayedCall | None = None
        self._loading: Deferred[None] | None = None
        self._sending: Deferred[None] | None = None
        self._is_sending = False
        self._ready = False
        self.sent: Counter[str] = Counter()
        self.failures = 0
        self._trouble = ""

    # --- start and stop --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Read what an earlier run did not send, and send it."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loading = Deferred.fromCoroutine(self._load())
        self._loading.addErrback(self._report_fault)

    async def _load(self) -> None:
        saved = (await self._store.load_values(TABLE)).get(self._key, "")
        self._saved = saved
        self.mailbox.restore(*load_waiting(saved))
        self._ready = True
        self._pump()

    def stopService(self) -> Deferred[None] | None:
        """Send no more; what was not sent is on the disk."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for one in (self._loading, self._sending):
            if one is not None:
                one.cancel()
        return None

    # --- what is told ----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, NoticeTold):
            self.mailbox.put(event.notice)
            self._pump()

    async def test(self) -> str:
        """Send a test, now and once; who took it, in words.

        :raises DeliveryFailed: nobody did.
        :raises RemoteError: there were too many tests.
        """
        now, at = self._monotonic(), self._clock.seconds()
        if len(self._tested) == MAX_TESTS and now < self._tested[0] + 3600:
            wait = duration(self._tested[0] + 3600 - now)
            raise RemoteError(f"way: {self.name} was tested {MAX_TESTS} times within an hour; try again in {wait}")
        self._tested.append(now)
        notice = Notice(f"test-{int(at)}", NoticeKind.TEST, at, until=at)
        try:
            text: str = await self._bounded(Deferred.fromCoroutine(self._channel.test(notice)))
        except DeliveryFailed:
            self.failures += 1
            raise
        self.sent[NoticeKind.TEST.value] += 1
        self._trouble = ""
        return text

    def state(self) -> str:
        """How it is, in words."""
        waiting = len(self.mailbox.unsent) + self.mailbox.unsent_dropped
        words = [self._trouble] if self._trouble else ["ready"]
        if waiting:
            words.append(f"{waiting} notice{'' if waiting == 1 else 's'} waiting")
        if self.mailbox.lost:
            words.append(f"{self.mailbox.lost} given up since the start")
        return "; ".join(words)

    # --- sending ---------------------------------------------------------------------------------------------------

    @property
    def _key(self) -> str:
        return f"way.{self.name}"

    def _pump(self) -> None:
        """Begin to send, or wait until something may be sent."""
        if self._is_sending or not (self._ready and self.running):
            self._save()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_sending = True
        self._sending = Deferred.fromCoroutine(self._send_waiting())
        self._sending.addErrback(self._report_fault)

    def _timer_ended(self) -> None:
        self._timer = None
        self._pump()

    async def _send_waiting(self) -> None:
        try:
            while (batch := self.mailbox.begin(self._monotonic()))[0]:
                self._save()
                await self._send(*batch)
        finally:
            self._is_sending = False
            self._save()
        now = self._monotonic()
        if (wait := self.mailbox.next_at(now) - now) < inf and self.running:
            self._timer = self._clock.callLater(max(0.0, wait), self._timer_ended)

    async def _send(self, notices: tuple[Notice, ...], more: int) -> None:
        whole = notices[0]
        if len(notices) > 1 or more:
            whole = summary(f"{whole.id}-late", notices, more, self._clock.seconds())
        try:
            await self._bounded(Deferred.fromCoroutine(self._channel.send(whole)))
        except DeliveryFailed as error:
            self._not_sent(error)
        except CancelledError:
            raise
        except Exception:
            self.log.failure("The way {way} failed", way=self.name)
            self._not_sent(DeliveryFailed("an internal error of camdetect; see its log"))
        else:
            if self._trouble:
                self.log.info("Notices by {way} are delivered again", way=self.name)
            self._trouble = ""
            self.sent.update(one.kind.value for one in notices)
            self.mailbox.sent()

    def _not_sent(self, error: DeliveryFailed) -> None:
        self.failures += 1
        now = self._monotonic()
        if error.final:
            self.mailbox.refused()
            text = f"{error}; camdetect gave up"
        elif self.mailbox.failed(now, error.asked):
            text = str(error)
        else:
            text = f"{error}; camdetect gave up after many tries"
        if text != self._trouble:  # a way that is away for hours is one line
            self.log.warn("A notice by {way} was not delivered: {text}", way=self.name, text=text)
        self._trouble = text

    def _bounded(self, sending: Deferred[Any]) -> Deferred[Any]:
        return sending.addTimeout(SEND_SECONDS, self._clock, _timed_out)

    def _save(self) -> None:
        if not self._ready:
            return
        text = dump_waiting(self.mailbox.unsent, self.mailbox.unsent_dropped)
        if text != self._saved:
            self._saved = text
            self._store.save_value(TABLE, self._key, text)

    def _report_fault(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            self.log.failure("The way {way} failed", way=self.name, failure=failure)


def _timed_out(_: Any, seconds: float) -> None:
    raise DeliveryFailed(f"no answer within {seconds:g} s")
