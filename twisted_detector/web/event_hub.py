"""Broadcaster of small JSON deltas to the streams of open pages, in order; a page that reconnects gets what it missed.

One ring of frames serves all streams; a stream has a position in it, and no buffer of its own. A stream that falls out
of the ring, or does not read, is ended: its browser reconnects and requests everything.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.encoding import encode

#: Seconds in which deltas of one thing become one: half of what a person notices, a tenth of what they wait for.
COALESCE = 0.05
#: Deltas of one such moment, and seconds until the next ones: more at a time would hold up both ends, the browser's
#: page for longer; a thousand cameras that change at once are sent within a third of a second.
BATCH, BATCH_PAUSE = 128, 0.015
#: Seconds that making the deltas of one moment may take: cards with long texts take longer than those of a sane LAN.
TURN = 0.02
#: Frames that are kept for pages that reconnect: some minutes of a busy LAN; a page that was away longer starts anew.
MAX_FRAMES, MAX_BYTES = 4096, 2 * 1024 * 1024
#: Seconds between beats: a proxy ends what is silent for a minute, and a page takes a line for dead after half of one.
HEARTBEAT = 15.0
#: Seconds that a stream may read nothing while there is something for it.
READER_TIMEOUT = 30.0
#: Seconds after the last stream ended in which frames are still kept: a page that reconnects misses nothing.
LINGER = 60.0


class EventSink(Protocol):
    """One stream.

    :ivar ready: it can take more.
    """

    ready: bool

    def send(self, data: bytes) -> None:
        """Give these bytes to the browser."""

    def end(self) -> None:
        """End it now."""


@dataclass(slots=True)
class _Reading:
    """How far one stream is.

    :ivar position: number of its next frame. :ivar stalled_since: monotonic seconds.
    """

    position: int
    stalled_since: float


class EventHub:
    """Ring of frames, and the streams that it is sent to.

    :param capacity: streams at one time.
    :param boot: differs between runs of the daemon, so that numbers of an earlier run are not taken for ours.
    :ivar dropped: streams that were ended because they did not read.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, monotonic: Callable[[], float], *, capacity: int, boot: str) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self.capacity = capacity
        self._boot = boot
        self._sinks: dict[EventSink, _Reading] = {}
        self._ring: deque[bytes] = deque()
        self._first = 1  # number of the ring's first frame
        self._bytes = 0
        self._pending: OrderedDict[tuple[str, str], Callable[[], Mapping[str, Any]]] = OrderedDict()
        self._due: IDelayedCall | None = None
        self._left_at = float("-inf")
        self.dropped = 0
        self._heart = LoopingCall(self._send_heartbeat)
        self._heart.clock = clock

    # --- streams ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._sinks)

    @property
    def full(self) -> bool:
        """No room for another stream."""
        return len(self._sinks) >= self.capacity

    def subscribe(self, sink: EventSink, last_id: str) -> None:
        """Send ``sink`` all frames from now on, and first those that it missed since ``last_id`` ("" for none)."""
        if not self.has_listeners:
            self._clear()
        position = self._position(last_id) if last_id else self._next
        start = self._next if position is None else position
        self._sinks[sink] = _Reading(start, self._monotonic())
        sink.send(b"retry: 1000\n\n")
        name = b"hello" if last_id and position is not None else b"reset"
        # Its number lets a browser that loses the connection at once come back without missing anything.
        sink.send(b"event: %s\nid: %s\ndata: {}\n\n" % (name, self._id(start - 1)))
        if not self._heart.running:
            self._heart.start(HEARTBEAT, now=False)
        self._send_frames(sink)

    def unsubscribe(self, sink: EventSink) -> None:
        """The stream ended."""
        if sink in self._sinks:
            del self._sinks[sink]
            self._left_at = self._monotonic()
            if not self._sinks and self._heart.running:
                self._heart.stop()

    def resume(self, sink: EventSink) -> None:
        """The stream can take more."""
        self._send_frames(sink)

    def stop(self) -> None:
        """End all streams."""
        if self._due is not None and self._due.active():
            self._due.cancel()
        self._due = None
        self._pending.clear()
        for sink in tuple(self._sinks):
            sink.end()
            self.unsubscribe(sink)

    # --- deltas ------------------------------------------------------------------------------------------------------

    @property
    def has_listeners(self) -> bool:
        """Whether there is a stream, or one may reconnect in a moment."""
        return bool(self._sinks) or self._monotonic() - self._left_at < LINGER

    def publish(self, event: str, key: str, document: Callable[[], Mapping[str, Any]]) -> None:
        """Send an event about ``key`` soon; ``document`` is called then, so of many changes only the newest is sent."""
        if not self.has_listeners:
            if self._ring:
                self._clear()
            return
        self._pending.pop((event, key), None)
        self._pending[event, key] = document
        if self._due is None:
            self._due = self._clock.callLater(COALESCE, self._flush)

    def _flush(self) -> None:
        self._due = None
        for _ in TurnBudget(BATCH, TURN, self._monotonic).turn():
            if not self._pending:
                break
            (event, _), document = self._pending.popitem(last=False)
            try:
                data = encode(document())
            except Exception:
                self.log.failure("A delta for the page could not be made")
                continue
            self._append(b"event: %s\nid: %s\ndata: %s\n\n" % (event.encode(), self._id(self._next), data))
        if self._pending and self._due is None:
            self._due = self._clock.callLater(BATCH_PAUSE, self._flush)
        for sink in tuple(self._sinks):
            self._send_frames(sink)

    def _append(self, frame: bytes) -> None:
        self._ring.append(frame)
        self._bytes += len(frame)
        while len(self._ring) > MAX_FRAMES or (self._bytes > MAX_BYTES and len(self._ring) > 1):
            self._bytes -= len(self._ring.popleft())
            self._first += 1

    def _clear(self) -> None:
        self._first = self._next + 1  # a gap: no number that was given before leads here
        self._ring.clear()
        self._bytes = 0

    # --- bytes -----------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> int:
        return self._first + len(self._ring)

    def _id(self, number: int) -> bytes:
        return f"{self._boot}-{number}".encode()

    def _position(self, last_id: str) -> int | None:
        boot, _, number = last_id.rpartition("-")
        if boot != self._boot or not number.isdecimal() or len(number) > 15:
            return None
        position = int(number) + 1
        return position if self._first <= position <= self._next else None

    def _send_frames(self, sink: EventSink) -> None:
        reading = self._sinks.get(sink)
        if reading is None:
            return  # It has ended.
        if reading.position < self._first:
            self._drop(sink)
            return
        while sink.ready and reading.position < self._next:
            # Some at a time: a stream that is full turns unready after each.
            start = reading.position - self._first
            frames = [self._ring[n] for n in range(start, min(start + 16, len(self._ring)))]
            reading.position += len(frames)
            sink.send(b"".join(frames))
        if sink.ready:
            reading.stalled_since = self._monotonic()

    def _send_heartbeat(self) -> None:
        now = self._monotonic()
        for sink, reading in tuple(self._sinks.items()):
            if sink.ready:
                reading.stalled_since = now
                sink.send(b"event: beat\ndata: {}\n\n")
            elif now - reading.stalled_since > READER_TIMEOUT:
                self._drop(sink)

    def _drop(self, sink: EventSink) -> None:
        self.dropped += 1
        self.unsubscribe(sink)
        sink.end()
