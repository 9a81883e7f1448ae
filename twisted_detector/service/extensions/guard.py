"""Guard of one plugin that is not ours: what it raises, how long it holds the reactor and what it publishes is counted
and bounded, whoever calls it.

A part is called through :class:`GuardedPart`, which provides what the part provides. The context of its maker has the
reactor, ``publish`` and ``subscribe`` through the guard too: so its timers, its connections and the handlers of its
subscriptions are counted as calls. A plugin that raised too often is called no more: its watchers and services are
stopped, its sweeps fail with the reason, its inspectors are "not mine".

What an interface allows to be raised is no fault: :class:`OSError` and CamdetectError by a search, an InspectionError
by an inspector.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import replace
from functools import partial
from inspect import iscoroutine
from itertools import islice
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.errors import CamdetectError, Dropped, LocalError, QueueFull
from twisted_detector.interfaces import ISightingSink, MakerContext
from twisted_detector.model import Inspection, Message, Priority, Sighting
from twisted_detector.mqtt.outbox.receipt import Receipt
from twisted_detector.service.extensions.guarded_reactor import GuardedReactor
from twisted_detector.service.extensions.quota import MessageQuota
from twisted_detector.service.extensions.record import PluginRecord
from twisted_detector.service.extensions.stalls import StallWatchdog
from twisted_detector.service.extensions.stand_ins import Delegate, GuardedBus, GuardedMqtt

#: Messages that an output may make of one event: of a camera with 64 streams Home Assistant's makes less than half.
MAX_MESSAGES = 500
#: Seconds between two lines of the log that say that a plugin is limited.
_LIMIT_LOG_SECONDS = 3600.0

_SEARCHES = ("sweep", "sweep_quickly", "sweep_network", "probe", "find")
_STARTS = ("startWatching", "startService")
_STOPS = ("stopWatching", "stopService")
#: A part that has one of these is one of a plugin.
_PARTS = ("sweep", "startWatching", "inspect", "messages", "handle", "startService")

Handler = Callable[[str, bytes], Awaitable[None] | None]


class PluginGuard:
    """Guard of the parts of one plugin.

    :param monotonic: seconds that never jump.
    :ivar has_ended: it was disabled, and what it ran has been stopped.
    """

    log = make_logger()

    def __init__(self, record: PluginRecord, stalls: StallWatchdog, monotonic: Callable[[], float]) -> None:
        self.record = record
        self._stalls = stalls
        self._monotonic = monotonic
        self._quota = MessageQuota(monotonic)
        self._limit_told_at = float("-inf")
        #: What ends it when it is disabled: watchers, services, subscriptions.
        self._ends: list[Callable[[], Any]] = []
        self.has_ended = False

    # --- calls -----------------------------------------------------------------------------------------------------

    def run(self, call: Callable[..., Any], *args: Any, allowed: tuple[type[BaseException], ...] = ()) -> Any:
        """Call it; what it raises is counted, unless it is of an ``allowed`` kind, and raised."""
        self.record.counts["calls"] += 1
        before = self._stalls.enter(self.record)
        try:
            return call(*args)
        except Exception as error:
            self.fault(error, allowed)
            raise
        except SystemExit as wish:
            raise self._refused(wish) from wish
        finally:
            self._stalls.leave(before)

    async def run_coroutine(self, work: Any, allowed: tuple[type[BaseException], ...] = ()) -> Any:
        """Await ``work``; each of its steps is a call."""
        try:
            return await (_Steps(work, self._stalls, self.record) if iscoroutine(work) else work)
        except Exception as error:
            self.fault(error, allowed)
            raise
        except SystemExit as wish:
            raise self._refused(wish) from wish

    def _refused(self, wish: SystemExit) -> RuntimeError:
        """The fault of a plugin that called sys.exit: it is not its place to end the daemon."""
        error = RuntimeError("a plugin cannot end camdetect (sys.exit)").with_traceback(wish.__traceback__)
        self.fault(error)
        return error

    def fault(self, error: Exception, allowed: tuple[type[BaseException], ...] = ()) -> None:
        """Count an error that it raised; one too many disables it."""
        if isinstance(error, (CancelledError, *allowed)):
            return
        if self.record.note_fault(error, self._monotonic()):
            self.log.error(
                "Plugin {name} is disabled until the next start: {reason}",
                name=self.record.name,
                reason=self.record.disabled,
            )
            ending = [maybeDeferred(end).addErrback(self._cannot_end) for end in self._ends]
            DeferredList(ending).addCallback(self._set_ended)

    def _set_ended(self, _: object) -> None:
        self.has_ended = True

    def make(self, make: Callable[..., Any], context: MakerContext, needed: Iterable[Any]) -> Any:
        """What its maker makes, guarded; None when it is switched off."""
        before = self._stalls.enter(self.record)
        try:
            made = make(self.context(context), *map(self.need, needed))
        finally:
            self._stalls.leave(before)
        self.record.made |= made is not None
        return made

    def fire(self, call: Callable[[], Any]) -> None:
        """Call what one of its timers is for; what it raises is logged. Nothing is called once the plugin has ended."""
        if self.has_ended:
            return
        try:
            self.run(call)
        except Exception:
            if not self.record.disabled:
                self.log.failure("Plugin {name} failed in a timer", name=self.record.name)

    def _cannot_end(self, failure: Any) -> None:
        self.log.failure("Plugin {name} did not end cleanly", failure=failure, name=self.record.name)

    def at_end(self, end: Callable[[], Any]) -> Callable[[], Any]:
        """Call ``end`` when the plugin is disabled; returns it."""
        self._ends.append(end)
        return end

    def forget_end(self, end: Callable[[], Any]) -> None:
        """It has ended by itself."""
        self._ends = [one for one in self._ends if one is not end]

    # --- what it gets ----------------------------------------------------------------------------------------------

    def context(self, context: MakerContext) -> MakerContext:
        """The context, with what the plugin calls and is called by guarded."""
        return replace(
            context,
            reactor=GuardedReactor(context.reactor, self),
            publish=self.publishing(context.publish),
            subscribe=self.subscribing(context.subscribe),
        )

    def publishing(self, publish: Callable[[Message], Deferred[None]]) -> Callable[[Message], Deferred[None]]:
        """``publish`` within the plugin's quota: what is beyond it is dropped, and told."""

        def publish_within(message: Message) -> Deferred[None]:
            if self.record.disabled:
                return _dropped("the plugin is disabled")
            if self._quota.take(len(message.payload)):
                self.record.counts["published"] += 1
                return publish(message)
            self.limited(1)
            if message.priority is Priority.CRITICAL:
                raise QueueFull("the plugin publishes more than its quota")
            return _dropped("the plugin publishes more than its quota")

        return publish_within

    def limited(self, messages: int) -> None:
        """So many messages were more than it may publish."""
        self.record.counts["limited"] += messages
        if (now := self._monotonic()) - self._limit_told_at >= _LIMIT_LOG_SECONDS:
            self._limit_told_at = now
            self.log.warn(
                "Plugin {name} publishes more than it may; what is too much is dropped (camdetect plugins counts it)",
                name=self.record.name,
            )

    def subscribing(self, subscribe: Callable[..., Callable[[], None]]) -> Callable[..., Callable[[], None]]:
        """``subscribe`` whose handlers are guarded."""

        def guarded(topic_filter: str, handler: Handler, **more: Handler | None) -> Callable[[], None]:
            others = {name: partial(self._handle, one) for name, one in more.items() if one is not None}
            end = self.at_end(subscribe(topic_filter, partial(self._handle, handler), **others))

            def unsubscribe() -> None:
                self.forget_end(end)
                end()

            return unsubscribe

        return guarded

    def _handle(self, handler: Handler, topic: str, payload: bytes) -> Awaitable[None] | None:
        handling: Awaitable[None] | None = self.run(handler, topic, payload)
        return self.run_coroutine(handling) if iscoroutine(handling) else handling

    def need(self, part: Any) -> Any:
        """A part of the daemon that the plugin needs: what it publishes by one, and hears by one, is guarded."""
        if isinstance(part, Bus):
            return GuardedBus(part, self)
        return GuardedMqtt(part, self) if hasattr(part, "publish") and hasattr(part, "subscribe") else part

    # --- what it makes ---------------------------------------------------------------------------------------------

    def part(self, part: Any) -> Any:
        """A part that it made, guarded; what is none of a plugin's is returned as it is."""
        return GuardedPart(part, self) if any(hasattr(part, name) for name in _PARTS) else part


def _dropped(why: str) -> Deferred[None]:
    """What a publisher gets of a message that is not taken; nobody need look at it."""
    receipt = Receipt()
    receipt.fail(lambda: Dropped(why))
    return receipt.acknowledged


class _Steps:
    """A coroutine of a plugin as an awaitable; from each await to the next is one call of the watchdog."""

    def __init__(self, work: Any, stalls: StallWatchdog, record: PluginRecord) -> None:
        self._work = work
        self._stalls = stalls
        self._record = record

    def __await__(self) -> Generator[Any, Any, Any]:
        work, value, error = self._work, None, None
        while True:
            before = self._stalls.enter(self._record)
            try:
                wanted = work.send(value) if error is None else work.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                self._stalls.leave(before)
            try:
                value, error = (yield wanted), None
            except GeneratorExit:
                work.close()
                raise
            except BaseException as thrown:
                value, error = None, thrown


async def _inspected(work: Awaitable[Any]) -> Inspection | None:
    found = await work
    if not isinstance(found, Inspection | None):
        raise TypeError("what an inspector gives is an Inspection, or None")
    return found


@implementer(ISightingSink)
class GuardedSink:
    """Sink for one plugin: counts what it reports, until it is disabled.

    What it says of a MAC is passed on as it is: the detector believes the table of neighbours only.
    """

    def __init__(self, sink: ISightingSink, record: PluginRecord) -> None:
        self._sink = sink
        self._record = record

    def sighted(self, sighting: Sighting) -> None:
        """See :class:`ISightingSink`."""
        if not self._record.disabled:
            self._record.counts["sightings"] += 1
            self._sink.sighted(sighting)

    def departed(self, source: str, address: str, reference: str = "") -> None:
        """See :class:`ISightingSink`."""
        if not self._record.disabled:
            self._sink.departed(source, address, reference)


class GuardedPart(Delegate):
    """A part of a plugin, for the daemon: discoverer, watcher, inspector, output, listener or service."""

    _guard: PluginGuard

    def __init__(self, part: Any, guard: PluginGuard) -> None:
        super().__init__(part, guard)
        self._stopping: Any = None
        self._stop: Callable[[], Any] | None = None
        for names, form in (
            (_SEARCHES, self._search),
            (("inspect",), self._inspect),
            (("messages",), self._messages),
            (("handle",), self._handle),
            (_STARTS, self._start),
            (_STOPS, self._end),
        ):
            for name in names:
                if hasattr(part, name):
                    call = partial(form, name)
                    vars(call)["__qualname__"] = f"Plugin {guard.record.name} ({name})"  # as the log names who failed
                    setattr(self, name, call)

    async def _search(self, name: str, *args: Any) -> Any:
        self._refuse_disabled()
        guard, allowed = self._guard, (OSError, CamdetectError)
        *others, sink = args
        work = guard.run(getattr(self._other, name), *others, GuardedSink(sink, guard.record), allowed=allowed)
        return await guard.run_coroutine(work, allowed)

    async def _inspect(self, name: str, *args: Any) -> Any:
        if self._guard.record.disabled:
            return None
        work = self._guard.run(self._other.inspect, *args, allowed=(CamdetectError,))
        return await self._guard.run_coroutine(_inspected(work), (CamdetectError,))

    def _messages(self, name: str, event: Any) -> Iterable[Message]:
        """What the output makes of an event; it is made to its end at once, so that no other's work lies between."""
        if self._guard.record.disabled:
            return ()
        found: list[Message] = []

        def make() -> None:
            found.extend(islice(self._other.messages(event), MAX_MESSAGES + 1))
            if not all(isinstance(one, Message) for one in found):
                raise TypeError("what an output makes are Messages")

        self._guard.run(make)
        if len(found) > MAX_MESSAGES:
            found.pop()
            self._guard.limited(1)
        self._guard.record.counts["messages"] += len(found)
        return found

    def _handle(self, name: str, event: Any) -> None:
        if not self._guard.record.disabled:
            self._guard.run(self._other.handle, event)

    def _start(self, name: str, *args: Any) -> Any:
        self._refuse_disabled()
        given = [GuardedSink(one, self._guard.record) if ISightingSink.providedBy(one) else one for one in args]
        result = self._guard.run(getattr(self._other, name), *given)
        stop = getattr(self._other, name.replace("start", "stop"), None)
        if stop is not None:
            self._stop = self._guard.at_end(partial(self._end_now, stop))
        return result

    def _end(self, name: str) -> Any:
        """Stop it, unless it was stopped because it is disabled: that is waited for then."""
        if self._stopping is not None:
            return self._stopping
        if self._stop is not None:
            self._guard.forget_end(self._stop)
            self._stop = None
        return self._guard.run(getattr(self._other, name))

    def _end_now(self, stop: Callable[[], Any]) -> Any:
        self._stopping = maybeDeferred(self._guard.run, stop)
        return self._stopping

    def _refuse_disabled(self) -> None:
        if reason := self._guard.record.disabled:
            raise LocalError(f"the plugin is disabled: {reason}")
