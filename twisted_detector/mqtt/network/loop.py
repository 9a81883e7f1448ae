"""One attempt's job and commands go in; acknowledgements and messages in batches, and at last its ending, come out.

:meth:`NetworkLoop.run` is the network thread: the only code that touches the socket and paho while it runs. The reactor
appends commands to a deque and writes one byte to wake it; everything that one turn of the loop brought goes back in
one report. ``select.poll`` and not ``select``: the latter ends at file descriptor 1023, which a subnet scan passes.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from twisted_detector.errors import LocalError
from twisted_detector.mqtt.network.buffered_socket import AttemptFailed, BatchedSocket
from twisted_detector.mqtt.network.connect import ConnectInterrupted, Connector
from twisted_detector.mqtt.network.paho_session import FIVE, Accepted, Ending, Job, PahoSession, accepted_from
from twisted_detector.mqtt.network.watchdog import Watchdog
from twisted_detector.mqtt.seams import OutboxItem

#: A broker that accepts TCP and then says nothing for so long, in seconds, is not answering.
CONNACK_TIMEOUT = 5.0

#: The first octet of anything that a broker says first (MQTT 3.1.1, 3.2). What begins otherwise is not read on.
CONNACK = 0x20

#: Messages that were read but not handled: beyond this the socket is left unread until half of them are done, and TCP
#: holds the broker back. A thousand commands are more than any person sends and less than a megabyte, mostly.
MAX_UNHANDLED = 1_000


@dataclass(slots=True)
class LoopReport:
    """What one turn of the loop brought."""

    accepted: Accepted | None = None
    acknowledged: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)  #: topic, payload, retained
    malformed: int = 0
    subscriptions_refused: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.acknowledged
            or self.messages
            or self.refused
            or self.accepted
            or self.malformed
            or self.subscriptions_refused
        )


class NetworkLoop:
    """One attempt, and the connection that it may become.

    :param deliver: gets each report, in the network thread; must hand it to the reactor's.
    """

    def __init__(
        self,
        job: Job,
        *,
        deliver: Callable[[LoopReport], None],
        monotonic: Callable[[], float],
        client_factory: Callable[[Job, BatchedSocket], PahoSession] = PahoSession,
    ) -> None:
        self._job = job
        self._deliver = deliver
        self._monotonic = monotonic
        self._client_factory = client_factory
        self._commands: deque[Callable[[], None]] = deque()
        self._awake = False
        self._ears, self._mouth = socket.socketpair()
        self._ears.setblocking(False)
        self._mouth.setblocking(False)
        # Two counters, each written by one thread only: their difference is what was read and not handled.
        self._read_messages = 0
        self._handled_messages = 0
        self._paused = False
        self._accepted: Accepted | None = None
        self._closing = False
        self._report = LoopReport()
        self._flying: dict[int, tuple[int, float, int, int]] = {}  # mid → token, sent at, size, backlog
        self._flying_bytes = 0
        self._subscribing: dict[int, int] = {}
        self._unsent_qos0: list[int] = []

    # --- the reactor's thread ---

    def send(self, items: Sequence[OutboxItem]) -> None:
        """Send these, in order, as soon as possible."""
        self._post(lambda: self._publish(items))

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe to these, QoS 1."""
        if filters:
            self._post(lambda: self._subscribe(filters))

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End subscriptions."""
        self._post(lambda: self._client.unsubscribe(filters))

    def handled(self, total: int) -> None:
        """So many of the delivered messages, in all, have been handled."""
        self._handled_messages = total
        if self._paused:
            self._wake()

    def close(self) -> None:
        """End it: with DISCONNECT when it is connected."""
        self._post(self._close)

    def dispose(self) -> None:
        """Free the wake sockets; after :meth:`run` has returned."""
        self._ears.close()
        self._mouth.close()

    def _post(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._wake()

    def _wake(self) -> None:
        # One byte per turn of the loop, not per command. The loop lowers the flag before it looks at the deque.
        if not self._awake:
            self._awake = True
            self._mouth.send(b"!")

    # --- the network thread ---

    def run(self) -> Ending:
        """Connect and serve until it ends. What it raises is a fault of ours (or of paho's), and ends it too."""
        try:
            sock = Connector(self._ears, self._monotonic).open(self._job.addresses, self._job.settings)
        except AttemptFailed as failed:
            return Ending(failed.reason, failed.terminal)
        except ConnectInterrupted:
            # Before the broker is reached there is only one thing that the reactor has to say.
            return Ending("abandoned")
        try:
            return self._serve(sock)
        finally:
            sock.close()

    def _serve(self, sock: BatchedSocket) -> Ending:
        now = self._monotonic()
        self._sock = sock
        self._client = client = self._client_factory(self._job, sock)
        self._watchdog = Watchdog(now)
        started = misc_at = now
        client.begin()
        poller = select.poll()
        poller.register(self._ears, select.POLLIN)
        poller.register(sock.fileno(), select.POLLIN)
        interest = select.POLLIN
        while True:
            client.write()
            self._note(now)
            sock.flush()
            self._hand_over()
            if not client.is_alive():
                return self._end()
            wanted = (0 if self._paused else select.POLLIN) | (select.POLLOUT if sock.unsent else 0)
            if wanted != interest:
                interest = wanted
                poller.modify(sock.fileno(), interest)
            pending = not self._paused and (sock.readable or sock.hidden)
            timeout = 0.0 if pending else self._watchdog.next_look(now, bool(self._flying))
            ready = dict(poller.poll(timeout * 1000))
            now = self._monotonic()
            self._listen(ready.get(sock.fileno(), 0), now)
            if not client.is_alive():
                continue
            if self._ears.fileno() in ready:
                self._obey()
            if self._closing:
                return Ending("closed by this program", accepted=self._accepted is not None)
            reason = self._judge(started, now)
            if reason:
                accepted = self._accepted is not None
                return Ending(reason, accepted=accepted, fallback=self._job.protocol == FIVE and not accepted)
            if now - misc_at >= 1.0 and not self._paused:
                misc_at = now
                client.misc()

    def _listen(self, bits: int, now: float) -> None:
        """Read what came and take note of it."""
        sock, client = self._sock, self._client
        if self._paused:
            if self._read_messages - self._handled_messages > MAX_UNHANDLED // 2:
                if bits & (select.POLLHUP | select.POLLERR):
                    sock.error = ConnectionResetError()  # nothing more comes, and poll would say so without end
                return
            self._paused = False
            self._watchdog.heard(now)
        if (bits or sock.hidden) and sock.fill():
            self._watchdog.heard(now)
            if sock.first[0] != CONNACK:
                sock.error = AttemptFailed("whoever listens there does not speak MQTT")
        broken = sock.eof or sock.error is not None
        while (sock.readable or broken) and client.is_alive() and not self._paused:
            client.read()
            self._note(now)
            # The count is at most 1000 too high: by the messages of one loop_read, bounded by the window.
            self._paused = self._read_messages - self._handled_messages > MAX_UNHANDLED
            if not sock.readable and not broken:
                break
        self._note(now)

    def _note(self, now: float) -> None:
        report = self._report
        for identifier, code in self._client.acknowledgements():
            flying = self._flying.pop(identifier, None)
            if flying is None:
                continue
            token, sent_at, size, _ = flying
            self._flying_bytes -= size
            if code >= 0x80:
                report.refused.append((token, self._client.denial(code)))
            elif size:
                report.acknowledged.append(token)
                report.latencies.append(now - sent_at)
            else:
                self._unsent_qos0.append(token)
        events = self._client.events
        while events:
            event = events[0]
            kind = event[0]
            if kind == "gone" or (kind == "connack" and event[1].is_failure):
                return  # left for the ending
            events.popleft()
            if kind == "message":
                self._message(event[1])
            elif kind == "connack":
                self._accepted = report.accepted = accepted_from(event[2], self._job.protocol)
            elif kind == "suback":
                count = self._subscribing.pop(event[1], 0)
                report.subscriptions_refused += min(count, sum(code.is_failure for code in event[2]))

    def _message(self, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._report.malformed += 1
            return
        self._read_messages += 1
        self._report.messages.append((topic, bytes(message.payload), bool(message.retain)))

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            self._ears.recv(64)
        self._awake = False
        commands = self._commands
        while commands:
            commands.popleft()()

    def _publish(self, items: Sequence[OutboxItem]) -> None:
        now = self._monotonic()
        limit = self._accepted.maximum_packet if self._accepted else 0
        for item in items:
            message = item.message
            size = len(message.topic) + len(message.payload) + 16  # headers: 2 to 5, identifiers, properties
            if limit and size > limit:
                self._report.refused.append((item.token, f"larger than the broker allows ({limit} bytes)"))
                continue
            try:
                mid = self._client.publish(message)
            except LocalError as error:
                self._report.refused.append((item.token, str(error)))
                continue
            if message.qos == 0:
                size = 0
            self._flying_bytes += size
            self._flying[mid] = (item.token, now, size, self._flying_bytes)

    def _subscribe(self, filters: Sequence[str]) -> None:
        self._subscribing[self._client.subscribe(filters)] = len(filters)

    def _close(self) -> None:
        self._closing = True
        self._hand_over()
        if self._accepted:
            self._client.disconnect()
        else:
            self._client.close()

    def _hand_over(self) -> None:
        """Give the turn's report to the reactor. QoS 0 counts as sent when the kernel has it all."""
        if self._unsent_qos0 and not self._sock.unsent and not self._sock.error:
            self._report.acknowledged.extend(self._unsent_qos0)
            self._unsent_qos0 = []
        report = self._report
        if report:
            self._report = LoopReport()
            self._deliver(report)

    def _judge(self, started: float, now: float) -> str:
        if self._accepted is None:
            if now - started > CONNACK_TIMEOUT:
                return f"the broker did not answer CONNECT within {CONNACK_TIMEOUT:g} s"
            return ""
        if self._paused:
            return ""  # its answers may lie unread
        watchdog = self._watchdog
        oldest = next(iter(self._flying.values()), None)
        if oldest is not None or self._sock.unsent:
            watchdog.unsent(self._sock.unsent + self._sock.in_kernel(), now)
        reason = watchdog.verdict(now, None if oldest is None else oldest[1:])
        if not reason and watchdog.wants_ping(now, oldest is not None):
            self._client.ping()
            watchdog.pinged(now)
        return reason

    def _end(self) -> Ending:
        """What it was, after all that the peer had said is read: acknowledgements, and perhaps the reason."""
        while self._sock.readable and self._client.holds():
            self._client.read()
            self._note(self._monotonic())
        self._hand_over()
        for event in self._client.events:
            if event[0] == "connack":
                return self._client.refusal(event[1])
        return self._client.ending(self._accepted is not None)
