"""Opening of each connection: SUBSCRIBE and the birth message, and which of them a broker does not take.

MQTT 3.1.1 has no answer to a PUBLISH that is not allowed, and some brokers give none to a SUBSCRIBE either: they close
the connection, with the next one again, and nothing else ever arrives. For what is queued there is the outbox's
quarantine. What a connection begins with is not queued; so when it broke several times with some of that unanswered, it
is sent one thing at a time, before all else. What was under way at two such losses is left out, which is told, and is
tried again from time to time; soon, when one of them is taken after all, or when connections stand that had not before.
A connection that only fell silent accuses nothing: that is a broker, or a network, that is not well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

if TYPE_CHECKING:
    from twisted_detector.mqtt.network.loop import NetworkLoop
    from twisted_detector.mqtt.subscriptions import Subscriptions

#: After so many losses in a row with something unanswered, one thing is sent at a time: two may be chance.
FRUITLESS = 3
#: What was alone under way at so many losses is left out.
STRIKES = 2
#: Seconds for which it is, first and at most; each time twice as long.
HOLD, LONGEST_HOLD = 5.0, 3600.0
#: Seconds after which a connection stands: what was left out while none did may have been left out for nothing.
STANDS = 30.0
#: Seconds until what a broker refused (SUBACK) is asked for once more: whoever decides about rights may not be up yet.
ASK_AGAIN = 30.0
#: Seconds for an answer to one thing: a broker that never gives one must not hold up all else.
STEP_TIMEOUT = 10.0
#: Filters that are named at once, and characters of each; refused ones that are known to have been told.
_MAX_NAMED, _MAX_SHOWN, _MAX_TOLD = 5, 120, 1000

#: One thing that is sent: the filter of a SUBSCRIBE, or the birth message.
Step = str
BIRTH: Step = ""


@dataclass(slots=True)
class _Suspect:
    """What is known against a step. :ivar until: when it may be tried again; :ivar times: how often it was left out."""

    strikes: int = 0
    until: float = 0.0
    times: int = 0


class Opening:
    """Sends what a connection begins with. On the reactor's thread only.

    :param birth: publishes the birth message; its Deferred fires when it is answered, or void.
    :param birth_topic: of that message, for people; "" when there is none.
    :param flow: called once for each connection, when all else may be sent.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        subscriptions: Subscriptions,
        *,
        birth: Callable[[], Deferred[None] | None],
        birth_topic: str,
        flow: Callable[[NetworkLoop], None],
    ) -> None:
        self._clock = clock
        self._subscriptions = subscriptions
        self._birth = birth
        self._birth_topic = birth_topic
        self._flow = flow
        self._loop: NetworkLoop | None = None
        self._takes_wildcards = True
        self._is_flowing = False
        self._flows_since = 0.0
        self._unanswered: dict[Step, None] = {}
        #: Whether what is unanswered was sent by itself.
        self._is_alone = False
        self._waiting: deque[Step] = deque()
        self._fruitless = 0
        #: Whether a connection has stood since the last that was lost sooner, and not for one thing alone.
        self._is_settled = False
        self._suspects: dict[Step, _Suspect] = {}
        #: Filters that the broker refused, and after how many seconds they are asked for again.
        self._refused: dict[str, float] = {}
        #: What the log has already; of topics that are wanted one by one no more than there are.
        self._named: set[Step] = set()
        self._told_refused: set[str] = set()
        self._calls: dict[str, Any] = {}

    @property
    def is_cautious(self) -> bool:
        """Whether the next connection begins one thing at a time, and all else waits for that."""
        return self._fruitless >= FRUITLESS

    @property
    def warning(self) -> str:
        """What is left out, in plain words; "" for nothing."""
        held = [step for step, one in self._suspects.items() if one.times]
        told = []
        if held:
            told.append(f"the broker closes the connection when we {_some(map(self._words, held))}; that is left out")
        if self._refused:
            told.append(f"the broker does not let us {_some(map(self._words, self._refused))}")
        if told:
            told.append("its rights for this login, or its log, tell more")
        return "; ".join(told)

    def begin(self, loop: NetworkLoop, *, takes_wildcards: bool = True) -> None:
        """The broker let us in.

        The subscriptions come first, for what stands on our own topic tells who was there before our birth replaces it.
        """
        self._loop, self._takes_wildcards, self._is_flowing = loop, takes_wildcards, False
        self._unanswered.clear()
        self._refused.clear()
        self._is_alone = self.is_cautious
        steps = self._allowed([*self._subscriptions.broker_filters, BIRTH])
        if self.is_cautious:
            self._waiting.extend(steps)
            self._go_on()
            return
        self._send(steps)

    def change(self, added: Iterable[str], removed: list[str]) -> None:
        """Other filters are wanted than before."""
        if self._loop is None:
            return
        new = self._allowed(added)
        if self._is_flowing:
            self._subscribe(new)
        else:
            self._waiting.extend(new)
        self._waiting = deque(one for one in self._waiting if one not in removed)
        for one in removed:
            self._refused.pop(one, None)
        self._loop.unsubscribe(removed)

    def answered(self, filters: Iterable[str], refused: Iterable[str]) -> None:
        """The broker has answered SUBSCRIBE for these; of them it refused some."""
        waits = {one: self._refused.pop(one, 0.0) for one in filters}
        for one in waits:
            self._acquit(one)
        new, wanted = [], set(self._subscriptions.broker_filters)
        for one in refused:
            if one in wanted:
                self._refused[one] = min(LONGEST_HOLD, max(ASK_AGAIN, 2 * waits.get(one, 0.0)))
            if one not in self._told_refused and len(self._told_refused) < _MAX_TOLD:
                self._told_refused.add(one)
                new.append(one)
        if new:
            self.log.warn("The broker does not let us {what}", what=_some(map(self._words, new)))
        if self._refused:
            self._later("refused", max(self._refused.values()), self._ask_again)
        else:
            self._cancel("refused")
        self._step_ended()

    def lost(self, *, closed: bool) -> None:
        """The connection is gone. To be called before what was sent is given up. ``closed``: the broker closed it."""
        stood = self._is_flowing and self._clock.seconds() - self._flows_since >= STANDS
        for name in tuple(self._calls):
            self._cancel(name)
        if self._loop is None:
            return
        self._loop = None
        self._waiting.clear()
        pending = list(self._unanswered)
        self._unanswered.clear()
        if closed and pending:
            self._fruitless += 1
        elif not pending:
            self._fruitless = 0
        if closed and self._is_alone and len(pending) == 1:
            self._strike(pending[0])
        else:
            self._is_settled = stood

    # --- one thing after the other ---

    def _allowed(self, steps: Iterable[Step]) -> list[Step]:
        """Those that are to be sent now. What was left out is when all goes one at a time, as the last; or later."""
        now = self._clock.seconds()
        found = []
        for one in steps:
            suspect = self._suspects.get(one)
            if suspect is not None and suspect.times and (suspect.until > now or not self._is_alone):
                continue
            if not self._takes_wildcards and ("+" in one or "#" in one):
                self._name(one, "The broker takes no wildcards, so we do not {what}")
                continue
            found.append(one)
        return sorted(found, key=lambda one: one in self._suspects)

    def _send(self, steps: list[Step]) -> None:
        """Send these at once, and all else behind them."""
        self._is_alone = False
        self._subscribe([one for one in steps if one != BIRTH])
        if BIRTH in steps:
            self._publish_birth()
        self._start_flow()

    def _go_on(self) -> None:
        """Send the next thing by itself; behind the last one all else."""
        if self._loop is None or self._unanswered:
            return
        if not self._waiting:
            self._start_flow()
            return
        step = self._waiting.popleft()
        self._later("step", STEP_TIMEOUT, self._step_timed_out)
        if step == BIRTH:
            self._publish_birth()
        else:
            self._subscribe([step])

    def _step_ended(self) -> None:
        if self._unanswered:
            return
        if self._is_alone:
            self._cancel("step")
            self._go_on()
        elif self._is_flowing:
            self._fruitless = 0  # the broker took all that a connection begins with

    def _step_timed_out(self) -> None:
        """Send the rest at once: a broker that does not answer one SUBSCRIBE may answer none."""
        self._unanswered.clear()
        self._fruitless = 0
        rest = list(self._waiting)
        self._waiting.clear()
        self._send(rest)

    def _start_flow(self) -> None:
        if (loop := self._loop) is None:
            return
        if not self._is_flowing:
            self._is_flowing = True
            if self._is_alone:  # all that was sent is answered
                self._fruitless = 0
            self._flows_since = self._clock.seconds()
            self._flow(loop)
        self._is_alone = False
        self._time_trial()

    def _time_trial(self) -> None:
        """Try what is left out again when its time is over; one at a time."""
        due = [one.until for one in self._suspects.values() if one.times]
        if due and "trial" not in self._calls:
            now = self._clock.seconds()
            self._later("trial", max(0.0, min(due) - now), self._try)
            if not self._is_settled:
                self._later("stands", max(0.0, self._flows_since + STANDS - now), self._stands)

    def _stands(self) -> None:
        self._is_settled = True
        self._relent()

    def _relent(self) -> None:
        """Try all that is left out again soon."""
        soon = self._clock.seconds() + HOLD
        for one in self._suspects.values():
            one.until = min(one.until, soon)
        if "trial" in self._calls:
            self._cancel("trial")
            self._time_trial()

    def _try(self) -> None:
        now = self._clock.seconds()
        due = [step for step, one in self._suspects.items() if one.times and one.until <= now]
        wanted = {*self._subscriptions.broker_filters, BIRTH}
        for step in due:
            if step not in wanted:
                del self._suspects[step]
        if self._unanswered:
            self._later("trial", HOLD, self._try)
            return
        self._is_alone = True
        self._waiting.extend([step for step in due if step in wanted][:1])
        self._go_on()

    def _subscribe(self, filters: list[str]) -> None:
        if self._loop is not None and filters:
            self._unanswered.update(dict.fromkeys(filters))
            self._loop.subscribe(filters, 1)

    def _publish_birth(self) -> None:
        loop, self._unanswered[BIRTH] = self._loop, None

        def done(_: object) -> None:
            if self._loop is loop:  # else it is void, for the connection broke
                self._acquit(BIRTH)
                self._step_ended()

        published = self._birth()
        if published is None:
            done(None)
        else:
            published.addCallback(done)

    def _ask_again(self) -> None:
        """Ask once more for what was refused."""
        if self._loop is not None and self._refused:
            self._loop.subscribe(list(self._refused), 1)

    # --- suspicion ---

    def _strike(self, step: Step) -> None:
        suspect = self._suspects.setdefault(step, _Suspect())
        suspect.strikes += 1
        if suspect.strikes < STRIKES:
            return
        suspect.until = self._clock.seconds() + min(LONGEST_HOLD, HOLD * 2.0 ** min(suspect.times, 16))
        suspect.times += 1
        self._name(step, "The broker closes the connection when we {what}; that is left out, and tried at times")

    def _acquit(self, step: Step) -> None:
        self._unanswered.pop(step, None)
        suspect = self._suspects.pop(step, None)
        if suspect is not None and suspect.times:
            self._relent()

    def _name(self, step: Step, told: str) -> None:
        """Tell of a step once."""
        if step not in self._named:
            self._named.add(step)
            self.log.warn(told, what=self._words(step))

    def _words(self, step: Step) -> str:
        what = f"publish on {self._birth_topic}" if step == BIRTH else f"subscribe to {step}"
        return "".join(one if one.isprintable() else "?" for one in what)[:_MAX_SHOWN]

    def _later(self, name: str, delay: float, call: Callable[[], None]) -> None:
        self._cancel(name)

        def run() -> None:
            del self._calls[name]
            call()

        self._calls[name] = self._clock.callLater(delay, run)

    def _cancel(self, name: str) -> None:
        call = self._calls.pop(name, None)
        if call is not None:
            call.cancel()


def _some(words: Iterable[str]) -> str:
    """The first of many."""
    every = list(words)
    more = f" and {len(every) - _MAX_NAMED} more" if len(every) > _MAX_NAMED else ""
    return ", ".join(every[:_MAX_NAMED]) + more
