"""Socket as paho sees it: reads come from a buffer, packets gather in another and are sent together.

Also what the errors of sockets mean in plain words. In the network thread only.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import ssl
import struct
import termios
from contextlib import suppress

from twisted_detector.errors import RemoteError
from twisted_detector.wire.mqtt import AcknowledgementFilter, PassedOver

#: Octets that one poll turn reads at most, and octets of packets that may wait unsent: a window of large documents.
MAX_READ = 262_144
MAX_UNSENT = 262_144
_CHUNK = 65_536

#: Nothing that is meant for us is near that; a message that is longer is passed over and does not get the memory.
MAX_INBOUND_PACKET = 1_048_576

#: A closing socket waits so long, in seconds, for the peer to take the last bytes; then they are lost.
LINGER = 0.3


class AttemptFailed(Exception):
    """A connection attempt failed; ``terminal``: trying again soon will not help."""

    def __init__(self, reason: str, terminal: bool = False) -> None:
        self.reason = reason
        self.terminal = terminal
        super().__init__(reason)


#: TLS alerts with which a broker rejects our certificate, or the lack of one (RFC 8446, 6.2).
_CERTIFICATE_ALERTS = (
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "UNSUPPORTED_CERTIFICATE",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "HANDSHAKE_FAILURE",
)


def describe_error(error: BaseException) -> tuple[str, bool]:
    """The meaning of a socket's exception in plain words, and whether it is terminal (see :class:`AttemptFailed`)."""
    if isinstance(error, AttemptFailed):
        return error.reason, error.terminal
    if isinstance(error, RemoteError):
        return f"the broker sent what MQTT does not allow: {error}", False
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not accepted: {error.verify_message.rstrip('.')}", True
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the broker closed the connection", False
    if isinstance(error, ssl.SSLError):
        reason = error.reason or str(error)
        if "ALERT" in reason and any(alert in reason for alert in _CERTIFICATE_ALERTS):
            return f"the broker does not accept our certificate: {reason.lower().replace('_', ' ')}", True
        return f"TLS failed: {reason.lower().replace('_', ' ')}", False
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)", False
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the connection was reset", False
    if isinstance(error, TimeoutError):
        return "the network went silent", False
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower(), False
    return f"the connection failed: {str(error) or 'no reason is given'}", False


class BufferedSocket:
    """Socket whose reads come from memory, and whose packets gather until :meth:`flush`.

    paho makes three ``recv`` calls for each acknowledgement and one ``send`` for each message; each would give up the
    interpreter lock to the reactor's thread and wait to get it back.

    :ivar first_octets: the first four octets that were received.
    :ivar acknowledged: ``(identifier, reason code)`` of PUBACKs; the reader removes them.
    :ivar passed_over: messages that were too large, answered already; the reader removes them.
    :ivar error: what broke it, if anything did; :ivar eof: whether the peer closed it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._in = b""
        self._at = 0
        self._out = bytearray()
        self._filter = AcknowledgementFilter(MAX_INBOUND_PACKET)
        self.acknowledged: list[tuple[int, int]] = []
        self.passed_over: list[PassedOver] = []
        self.first_octets = b""
        self.eof = False
        self.error: Exception | None = None
        self.closed = False

    # --- called by paho

    def recv(self, buffer_size: int) -> bytes:
        """Up to ``buffer_size`` bytes that :meth:`fill` has read.

        :raises BlockingIOError: none left; OSError: none will come.
        """
        start = self._at
        data = self._in[start : start + buffer_size]
        if data:
            self._at = start + len(data)
            return data
        if self.eof or self.error:
            return b""
        raise BlockingIOError

    def send(self, buffer: bytes | bytearray) -> int:
        """Buffer a whole packet for :meth:`flush`.

        :raises BlockingIOError: too much waits already.
        """
        if len(self._out) >= MAX_UNSENT:
            raise BlockingIOError
        self._out += buffer
        return len(buffer)

    def close(self) -> None:
        """Send what can be sent, and close so that the peer gets it."""
        if self.closed:
            return
        self.closed = True
        if not self.error and not self.eof:
            self.flush()
            self._linger()
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """Ignored: it never blocks."""

    # --- called by the loop

    @property
    def readable(self) -> bool:
        """Whether :meth:`recv` has something."""
        return self._at < len(self._in)

    @property
    def within_packet(self) -> bool:
        """Whether what was read ends in the middle of a packet."""
        return self._filter.within_packet

    @property
    def passing_over(self) -> bool:
        """Whether that is a message that is too large: paho sees nothing of it."""
        return self._filter.passing_over

    @property
    def unsent(self) -> int:
        """Bytes that wait for :meth:`flush`."""
        return len(self._out)

    @property
    def tls_pending(self) -> bool:
        """Whether TLS holds bytes that ``poll`` does not know of."""
        return isinstance(self._sock, ssl.SSLSocket) and not self.closed and self._sock.pending() > 0

    def fill(self) -> bool:
        """Read what has arrived, at most :data:`MAX_READ` bytes; whether anything has."""
        parts: list[bytes] = []
        got = 0
        try:
            while got < MAX_READ:
                data = self._sock.recv(_CHUNK)
                if not data:
                    self.eof = True
                    break
                parts.append(data)
                got += len(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self.error = error
        if got and not self.eof and not self.error:
            self._acknowledge_at_once()
        data = b"".join(parts)
        if len(self.first_octets) < 4:
            self.first_octets = (self.first_octets + data)[:4]
        try:
            others, acknowledged = self._filter.feed(data)
        except RemoteError as error:
            self.error = error
            return got > 0
        self.acknowledged += acknowledged
        for message in self._filter.take_passed_over():
            self._out += message.answer  # four octets, whatever waits already: the broker sent us a mebibyte for them
            self.passed_over.append(message)
        self._in = self._in[self._at :] + others
        self._at = 0
        return got > 0

    def _acknowledge_at_once(self) -> None:
        # Brokers leave Nagle's algorithm on (mosquitto does unless told otherwise): their second PUBACK waits until the
        # first is acknowledged, and our kernel delays that by 40 ms when we have nothing to send. The option is not
        # permanent (tcp(7)), hence after each read.
        with suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def flush(self) -> None:
        """Send what is buffered, as far as the kernel accepts it."""
        try:
            while self._out:
                sent = self._sock.send(memoryview(self._out)[:_CHUNK])
                del self._out[:sent]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            # Not cleared: the traceback may still hold a view of it.
            self._out = bytearray()
            # The reason may lie unread: a TLS alert, a refusal, a DISCONNECT.
            self.fill()
            self.error = self.error or error

    def unacknowledged_octets(self) -> int:
        """Bytes that the peer's kernel has not acknowledged (SIOCOUTQ, tcp(7))."""
        answer: bytes = fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def _linger(self) -> None:
        # Closing with unread bytes sends RST, which may overtake our DISCONNECT: then the broker fires the will.
        try:
            self._sock.shutdown(socket.SHUT_WR)
            poller = select.poll()
            poller.register(self._sock, select.POLLIN)
            for _ in range(16):
                if not poller.poll(LINGER * 1000) or not self._sock.recv(_CHUNK):
                    return
        except OSError:
            return
