"""Event loop of one connection in the network thread, with its queue of commands and its reports.

:meth:`NetworkLoop.run` is the only code that touches the socket and paho while it runs. The reactor appends commands to
a deque and writes one byte to wake it; the results of one turn of the loop go back in one report. ``select.poll`` and
not ``select``: the latter ends at file descriptor 1023, which a subnet scan passes.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from twisted_detector.errors import LocalError
from twisted_detector.model import Message
from twisted_detector.mqtt.network.buffered_socket import AttemptFailed, BufferedSocket
from twisted_detector.mqtt.network.connect import ConnectInterrupted, Connector
from twisted_detector.mqtt.network.paho_session import MQTT_5, PASSING, Connack, Ending, Job, PahoSession, connack_from
from twisted_detector.mqtt.network.patience import PING_ANSWER
from twisted_detector.mqtt.network.watchdog import Watchdog
from twisted_detector.mqtt.network.will import WillLimits
from twisted_detector.mqtt.seams import Cause, OutboxItem

#: The first octet of a broker's first packet (MQTT 3.1.1, 3.2). What begins otherwise is not read on.
CONNACK = 0x20

#: Messages that were read but not handled: beyond this the socket is left unread until half of them are done, and TCP
#: holds the broker back. A thousand commands are more than any person sends and less than a megabyte, mostly.
MAX_UNHANDLED = 1_000


@dataclass(slots=True)
class LoopReport:
    """The results of one turn of the loop.

    :ivar latencies: seconds that each of ``acknowledged`` took.
    :ivar refused: token and reason; ``postponed``: the same of what the broker does not take for now.
    :ivar messages: topic, payload, retained.
    :ivar too_large: topics of messages that were passed over for their size.
    :ivar subscribed: filters for which the broker has answered; ``filters_refused``: of these, those that it refused.
    """

    connack: Connack | None = None
    acknowledged: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    postponed: list[tuple[int, str]] = field(default_factory=list)
    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)
    malformed: int = 0
    too_large: list[str] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)
    filters_refused: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self != _NOTHING


_NOTHING = LoopReport()


def within_limits(message: Message, broker: Connack | None, will: WillLimits) -> Message:
    """``message`` as this broker takes it: where it retains nothing, those who listen now hear it all the same.

    With MQTT 5 the broker has told what it takes; before, what it takes of a will is all that is known.
    """
    if broker is not None and broker.protocol == MQTT_5:
        qos, retains = broker.maximum_qos, broker.retains
    else:
        qos, retains = will.qos, will.retain
    if message.qos <= qos and (retains or not message.retain):
        return message
    return replace(message, qos=min(message.qos, qos), retain=message.retain and retains)


class NetworkLoop:
    """One attempt, and the connection that it may become.

    :param deliver: called in the network thread with this loop and each report; it must pass both to the reactor's.
    :param session_factory: makes the MQTT session on the connected socket.
    """

    def __init__(
        self,
        job: Job,
        *,
        deliver: Callable[[NetworkLoop, LoopReport], None],
        monotonic: Callable[[], float],
        session_factory: Callable[[Job, BufferedSocket], PahoSession] = PahoSession,
    ) -> None:
        self._job = job
        self._deliver = deliver
        self._monotonic = monotonic
        self._session_factory = session_factory
        self._commands: deque[Callable[[], None]] = deque()
        self._awake = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        # Two counters, each written by one thread only: their difference is what was read and not handled.
        self._read_messages = 0
        self._handled_messages = 0
        self._paused = False
        self._connack: Connack | None = None
        self._closing = False
        self._report = LoopReport()
        self._in_flight: dict[int, tuple[int, float, int, int]] = {}  # mid → token, sent at, size, backlog
        self._in_flight_octets = 0
        self._subscribing: dict[int, Sequence[str]] = {}
        self._unsent_qos0: list[int] = []
        self._passed_over_at = float("-inf")
        self._connector = Connector(self._wake_reader, monotonic)

    # --- the reactor's thread ---

    def send(self, items: Sequence[OutboxItem]) -> None:
        """Publish these, in order, as soon as possible."""
        self._post(lambda: self._publish(items))

    def subscribe(self, filters: Sequence[str], qos: int) -> None:
        """Subscribe to these."""
        if filters:
            self._post(lambda: self._subscribe(filters, qos))

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End subscriptions."""
        if filters:
            self._post(lambda: self._session.unsubscribe(filters))

    def handled(self, total: int) -> None:
        """``total`` of the delivered messages have been handled."""
        self._handled_messages = total
        if self._paused:
            self._wake()

    def close(self) -> None:
        """End the attempt, or the connection, the latter with DISCONNECT."""
        self._post(self._close)

    def dispose(self) -> None:
        """Free the wake sockets; after :meth:`run` has returned."""
        self._wake_reader.close()
        self._wake_writer.close()

    def _post(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._wake()

    def _wake(self) -> None:
        # One byte per turn of the loop, not per command. The loop lowers the flag before it empties the deque.
        if not self._awake:
            self._awake = True
            self._wake_writer.send(b"!")

    # --- the network thread ---

    def run(self) -> Ending:
        """Connect, and serve the connection until it ends. What it raises is a fault of ours, or of paho's."""
        try:
            sock = self._connector.open(self._job.addresses, self._job.settings)
        except AttemptFailed as failed:
            cause = Cause.TERMS if failed.terminal else Cause.OTHER
            return Ending(failed.reason, failed.terminal, cause=cause, address=self._connector.reached)
        except ConnectInterrupted:
            # Before the broker is reached there is only one command: close.
            return Ending("abandoned")
        try:
            return replace(self._serve(sock), address=self._connector.reached)
        finally:
            sock.close()

    def _serve(self, sock: BufferedSocket) -> Ending:
        now = self._monotonic()
        self._sock = sock
        self._session = session = self._session_factory(self._job, sock)
        self._watchdog = Watchdog(now, self._job.patience)
        self._started = misc_at = now
        session.connect()
        poller = select.poll()
        poller.register(self._wake_reader, select.POLLIN)
        poller.register(sock.fileno(), select.POLLIN)
        interest = select.POLLIN
        while True:
            session.write()
            self._collect(now)
            sock.flush()
            self._send_report()
            if not session.is_alive():
                return self._ending()
            wanted = (0 if self._paused else select.POLLIN) | (select.POLLOUT if sock.unsent else 0)
            if wanted != interest:
                interest = wanted
                poller.modify(sock.fileno(), interest)
            pending = not self._paused and (sock.readable or sock.tls_pending)
            timeout = 0.0 if pending else self._watchdog.next_check(now, bool(self._in_flight))
            ready = dict(poller.poll(timeout * 1000))
            now = self._monotonic()
            self._receive(ready.get(sock.fileno(), 0), now)
            if not session.is_alive():
                continue
            if self._wake_reader.fileno() in ready:
                self._run_commands()
            if self._closing:
                return Ending("closed by this program", accepted=self._connack is not None)
            reason = self._check_peer(now)
            if reason:
                accepted = self._connack is not None
                return Ending(reason, accepted=accepted, fallback=self._job.protocol == MQTT_5 and not accepted)
            if now - misc_at >= 1.0 and not self._paused:
                misc_at = now
                self._keep_alive(now)

    def _keep_alive(self, now: float) -> None:
        """Have paho keep its keepalive, but for a message that is passed over: paho would take that for silence.

        We tell the broker ourselves that we are there, until its answer, which comes behind that message, had its time.
        """
        if self._sock.passing_over:
            self._passed_over_at = now
            self._session.ping()
        elif now - self._passed_over_at > PING_ANSWER:
            self._session.keepalive()

    def _receive(self, bits: int, now: float) -> None:
        """Read what has arrived, and process it."""
        sock, session = self._sock, self._session
        if self._paused:
            if self._read_messages - self._handled_messages > MAX_UNHANDLED // 2:
                if bits & (select.POLLHUP | select.POLLERR):
                    sock.error = ConnectionResetError()  # nothing more comes, and poll would report it without end
                return
            self._paused = False
            self._watchdog.received(now)
        if (bits or sock.tls_pending) and sock.fill():
            self._watchdog.received(now, within_packet=sock.within_packet)
            if sock.first_octets[0] != CONNACK:
                sock.error = AttemptFailed("whoever listens there does not speak MQTT")
        broken = sock.eof or sock.error is not None
        while (sock.readable or broken) and session.is_alive() and not self._paused:
            session.read()
            self._collect(now)
            # The count is at most 1000 too high: by the messages of one loop_read, bounded by the window.
            self._paused = self._read_messages - self._handled_messages > MAX_UNHANDLED
            if not sock.readable and not broken:
                break
        self._collect(now)

    def _collect(self, now: float) -> None:
        report = self._report
        known = len(report.latencies)
        for identifier, code in self._session.acknowledgements():
            sent = self._in_flight.pop(identifier, None)
            if sent is None:
                continue
            token, sent_at, size, _ = sent
            self._in_flight_octets -= size
            if code >= 0x80:
                answer = (token, self._session.puback_reason(code))
                (report.postponed if code in PASSING else report.refused).append(answer)
            elif size:
                report.acknowledged.append(token)
                report.latencies.append(now - sent_at)
            else:
                self._unsent_qos0.append(token)
        if len(report.latencies) > known:
            self._watchdog.acknowledged(max(report.latencies[known:]))
        if self._sock.passed_over:
            report.too_large += [message.topic for message in self._sock.passed_over]
            self._sock.passed_over.clear()
        events = self._session.events
        while events:
            event = events[0]
            kind = event[0]
            if kind == "gone" or (kind == "connack" and event[1].is_failure):
                return  # left for the ending
            events.popleft()
            if kind == "message":
                self._message(event[1])
            elif kind == "connack":
                self._job.patience.connect.answered(now - self._started)
                self._connack = report.connack = connack_from(event[2], self._job.protocol)
            elif kind == "suback":
                filters = self._subscribing.pop(event[1], ())
                report.subscribed += filters
                report.filters_refused += [one for one, code in zip(filters, event[2], strict=False) if code.is_failure]

    def _message(self, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._report.malformed += 1
            return
        self._read_messages += 1
        self._report.messages.append((topic, bytes(message.payload), bool(message.retain)))

    def _run_commands(self) -> None:
        with suppress(BlockingIOError):
            self._wake_reader.recv(64)
        self._awake = False
        commands = self._commands
        while commands:
            commands.popleft()()

    def _publish(self, items: Sequence[OutboxItem]) -> None:
        now = self._monotonic()
        limit = self._connack.maximum_packet if self._connack else 0
        for item in items:
            message = within_limits(item.message, self._connack, self._job.will_limits)
            size = len(message.topic) + len(message.payload) + 16  # headers: 2 to 5, identifiers, properties
            if limit and size > limit:
                self._report.refused.append((item.token, f"larger than the broker allows ({limit} bytes)"))
                continue
            try:
                mid = self._session.publish(message)
            except LocalError as error:
                self._report.refused.append((item.token, str(error)))
                continue
            if message.qos == 0:
                size = 0
            self._in_flight_octets += size
            self._in_flight[mid] = (item.token, now, size, self._in_flight_octets)

    def _subscribe(self, filters: Sequence[str], qos: int) -> None:
        self._subscribing[self._session.subscribe(filters, qos)] = filters

    def _close(self) -> None:
        self._closing = True
        self._send_report()
        if self._connack:
            self._session.disconnect()
        else:
            self._session.close()

    def _send_report(self) -> None:
        """Deliver the turn's report. QoS 0 counts as acknowledged when the kernel has all of it."""
        if self._unsent_qos0 and not self._sock.unsent and not self._sock.error:
            self._report.acknowledged.extend(self._unsent_qos0)
            self._unsent_qos0 = []
        report = self._report
        if report:
            self._report = LoopReport()
            self._deliver(self, report)

    def _check_peer(self, now: float) -> str:
        if self._connack is None:
            patience = self._job.patience.connect
            limit = patience.limit
            if now - self._started <= limit:
                return ""
            patience.gave_up()
            return f"the broker did not answer CONNECT within {limit:g} s"
        if self._paused:
            return ""  # its answers may be unread
        watchdog = self._watchdog
        oldest = next(iter(self._in_flight.values()), None)
        if oldest is not None or self._sock.unsent:
            watchdog.unacknowledged(self._sock.unsent + self._sock.unacknowledged_octets(), now)
        reason = watchdog.verdict(now, None if oldest is None else oldest[1:])
        if not reason and watchdog.wants_ping(now, oldest is not None):
            self._session.ping()
            watchdog.ping_sent(now)
        return reason

    def _ending(self) -> Ending:
        """How the connection ended, after all that the peer had sent is read: acknowledgements, and perhaps why."""
        while self._sock.readable and self._session.has_socket():
            self._session.read()
            self._collect(self._monotonic())
        self._send_report()
        for event in self._session.events:
            if event[0] == "connack":
                return self._session.connack_ending(event[1])
        return self._session.ending(self._connack is not None)
