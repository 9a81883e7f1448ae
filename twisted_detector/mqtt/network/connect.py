"""Interruptible connecting: TCP to the first address that answers, TLS if it is set, or the reason why not.

In the network thread. Only ``poll`` is used, so file descriptors above 1024 are fine, and every wait ends when the
reactor writes to the wake socket.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted_detector.mqtt.network.buffered_socket import MAX_UNSENT, AttemptFailed, BufferedSocket, describe_error
from twisted_detector.mqtt.settings import MqttSettings

Address = tuple[int, Any]

#: Longest TCP connect and TLS handshake, each, in seconds; with more addresses less for each but the last, and for that
#: too where another one refused: that machine is there, and its broker is to be found soon when it is back.
CONNECT_TIMEOUT = 5.0
CONNECT_TIMEOUT_MORE = 2.0

#: Unacknowledged bytes may wait this long, in ms, before the kernel gives the connection up (RFC 5482).
TCP_USER_TIMEOUT_MS = 4000


class ConnectInterrupted(Exception):
    """The reactor has a command for the thread."""


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """TLS context from the files as they are now: a certificate that was rotated is used at the next attempt.

    :raises AttemptFailed: a file cannot be read. Not terminal: it may be in the middle of being replaced.
    """
    what = settings.tls_ca_path or "the system's certificates"
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_path or None)
        if settings.tls_ca_path:
            # From 3.13 on Python asks for RFC 5280 to the letter: it refuses an authority without a key usage, which is
            # what mosquitto-tls(7) makes. Who signed a certificate, its dates and its name are checked all the same.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if settings.tls_cert_path:
            what = settings.tls_cert_path
            # An encrypted key would make OpenSSL ask on the terminal, from a thread: an empty passphrase fails instead.
            context.load_cert_chain(settings.tls_cert_path, settings.tls_key_path or None, password=lambda: b"")
    except (OSError, ValueError) as error:
        detail = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        raise AttemptFailed(f"TLS files: {what} cannot be used: {detail or error}") from None
    if settings.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Connector:
    """Connects, until the wake socket interrupts it.

    :param wake: readable when the reactor has a command for the thread.
    :param monotonic: seconds of a clock that never jumps.
    :ivar reached: the address at which somebody accepted TCP.
    """

    def __init__(self, wake: socket.socket, monotonic: Callable[[], float]) -> None:
        self._wake = wake
        self._monotonic = monotonic
        self.reached: Address | None = None

    def open(self, addresses: tuple[Address, ...], settings: MqttSettings) -> BufferedSocket:
        """Connect to the first address that answers; then TLS, if it is set.

        :raises AttemptFailed: none could be connected; the reason of the last.
        :raises ConnectInterrupted: the reactor has a command.
        """
        context = tls_context(settings) if settings.tls else None
        last = AttemptFailed("the broker has no address")
        is_refused = False
        for number, (family, where) in enumerate(addresses, 1):
            timeout = CONNECT_TIMEOUT if number == len(addresses) and not is_refused else CONNECT_TIMEOUT_MORE
            try:
                plain = self._connect(family, where, timeout)
            except AttemptFailed as failed:
                last = failed
                is_refused = is_refused or isinstance(failed.__cause__, ConnectionRefusedError)
                continue
            self.reached = (family, where)
            return BufferedSocket(plain if context is None else self._encrypt(plain, context, settings.host))
        raise last

    def _connect(self, family: int, where: Any, timeout: float) -> socket.socket:
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # no descriptor left, or a kernel without IPv6: the next address may do
            raise AttemptFailed(describe_error(error)[0]) from error
        with _closed_on_failure(sock):
            sock.setblocking(False)
            _tune(sock)
            code = sock.connect_ex(where)
            if code == errno.EINPROGRESS:
                self._wait(sock, select.POLLOUT, self._monotonic() + timeout, f"no answer within {timeout:g} s")
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
        return sock

    def _encrypt(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
        deadline = self._monotonic() + CONNECT_TIMEOUT
        try:
            secure = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        except (ValueError, OSError) as error:
            sock.close()
            raise AttemptFailed(f"TLS cannot begin: {error}") from None
        with _closed_on_failure(secure):
            while True:
                try:
                    secure.do_handshake()
                    return secure
                except ssl.SSLWantReadError:
                    wanted = select.POLLIN
                except ssl.SSLWantWriteError:
                    wanted = select.POLLOUT
                self._wait(secure, wanted, deadline, f"no TLS within {CONNECT_TIMEOUT:g} s")

    def _wait(self, sock: socket.socket, bits: int, deadline: float, late: str) -> None:
        poller = select.poll()
        poller.register(sock, bits)
        poller.register(self._wake, select.POLLIN)
        ready = dict(poller.poll(max(0.0, deadline - self._monotonic()) * 1000))
        if self._wake.fileno() in ready:
            raise ConnectInterrupted
        if not ready:
            raise AttemptFailed(late)


@contextmanager
def _closed_on_failure(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            raise AttemptFailed(*describe_error(error)) from error
        raise


def _tune(sock: socket.socket) -> None:
    for level, option, value in (
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_UNSENT),
    ):
        sock.setsockopt(level, option, value)
