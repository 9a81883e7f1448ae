"""Server of the control socket, over which the command line talks to the running daemon.

The protocol is one JSON object in one line each way, and then the end of the connection. A request is
``{"command": NAME, …}``; its answer has ``"ok": true`` and the fields of the handler's answer, or ``"ok": false`` and
``"error"``. No secret is ever in an answer.

The socket is in the state directory, which belongs to one user (0700), and has mode 0600 itself: only those may connect
who may read the state anyway.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.operations.requests import Handler

NAME = "control.sock"

#: A request is a command with a few fields; what a person pastes into one of them is refused at the field.
MAX_REQUEST = 16_384
#: 10 000 cameras with all that is known of them.
MAX_ANSWER = 64 * 1024 * 1024
#: Connections at one time; a person has one.
MAX_CONNECTIONS = 8
#: Seconds for a request to come in, and for its answer: a look at an address takes some seconds.
TIMEOUT = 30.0
#: Seconds until it is tried again to listen, as the store tries its disk.
RETRY_SECONDS = 30.0
#: unix(7): sun_path has 108 bytes with its end.
_MAX_PATH = 107


class ControlSocket:
    """Listener in a state directory, with at most ``MAX_CONNECTIONS`` connections at one time.

    :param reactor: IReactorUNIX and IReactorTime.
    :param handlers: handler by command.
    """

    log = make_logger()

    def __init__(self, reactor: Any, directory: Path, handlers: Mapping[str, Handler]) -> None:
        self._reactor = reactor
        self._path = directory / NAME
        self._handlers = handlers
        self._port: Any = None
        self._connections: set[_ControlProtocol] = set()
        self._failed = False
        self._retry: IDelayedCall | None = None

    def start(self) -> None:
        """Listen; where that is not possible, the daemon goes on without it, and the log says why.

        A disk that is full or read-only is tried again.
        """
        self._retry = None
        path = str(self._path)
        if len(os.fsencode(path)) > _MAX_PATH:
            self.log.warn("{path} is too long for a socket: the command line cannot ask this daemon", path=path)
            return
        # A link that stands there was planted: nothing behind it is asked, or touched.
        if not self._path.is_symlink() and _is_served(path):
            self.log.warn("Another camdetect uses this STATE_DIR ({path}): the command line asks that one", path=path)
            return
        factory = Factory.forProtocol(partial(_ControlProtocol, self, self._reactor))
        before = os.umask(0o177)  # so that the file never has another mode, not even for a moment
        try:
            self._path.unlink(missing_ok=True)  # left behind by a daemon that was killed
            self._port = self._reactor.listenUNIX(path, factory, mode=0o600)
        except Exception as problem:
            if not self._failed:
                self.log.warn("{path} cannot be listened on: {problem}", path=path, problem=problem)
            self._failed = True
            self._retry = self._reactor.callLater(RETRY_SECONDS, self.start)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and abort every connection; the handlers that still run are cancelled."""
        port, self._port = self._port, None
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for one in tuple(self._connections):
            one.abort()
        if port is not None:
            await maybeDeferred(port.stopListening)
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def admit(self, connection: _ControlProtocol) -> bool:
        """Count one more connection; False when there is no room for it."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._connections.add(connection)
        return True

    def discard(self, connection: _ControlProtocol) -> None:
        """The connection was lost; one that was not admitted counts for nothing."""
        self._connections.discard(connection)

    async def respond(self, line: bytes) -> bytes:
        """The line that answers ``line``, whatever is in it and whatever fails."""
        try:
            request = parse_line(line)
            handler = self._handlers.get(str(request.get("command")))
            if handler is None:
                raise RemoteError("no such command", shown=repr(request.get("command")))
            answer: dict[str, Any] = {"ok": True, **await handler(request)}
        except CamdetectError as error:
            answer = {"ok": False, "error": str(error)}
        except CancelledError:
            raise
        except Exception:
            self.log.failure("A request over the control socket failed")
            answer = {"ok": False, "error": "an internal error of camdetect; see its log"}
        data = json.dumps(answer, sort_keys=True).encode()
        if len(data) > MAX_ANSWER:
            data = json.dumps({"ok": False, "error": f"the answer has {len(data)} bytes, too many"}).encode()
        return data


def parse_line(line: bytes) -> dict[str, Any]:
    """A line of the protocol, of either side.

    :raises RemoteError: it is no JSON object.
    """
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RemoteError("a request is one JSON object") from None  # not shown: it may have a password in it
    if not isinstance(request, dict):
        raise RemoteError("a request is one JSON object", shown=type(request).__name__)
    return request


class _ControlProtocol(LineReceiver):
    """One connection: one request, one answer, the end."""

    transport: Any
    delimiter = b"\n"
    MAX_LENGTH = MAX_REQUEST

    def __init__(self, control: ControlSocket, clock: IReactorTime) -> None:
        self._control = control
        self._clock = clock
        self._response: Deferred[bytes] | None = None
        self._requested = False
        self._timeout: IDelayedCall | None = None

    def connectionMade(self) -> None:
        if self._control.admit(self):
            self._timeout = self._clock.callLater(TIMEOUT, self.abort)
        else:
            self.abort()

    def lineReceived(self, line: bytes) -> None:
        if self._requested:
            return  # one request, one answer
        self._requested = True
        self._response = response = Deferred.fromCoroutine(self._control.respond(line))
        response.addCallbacks(self._send, lambda failure: failure.trap(CancelledError))

    def _send(self, data: bytes) -> None:
        self._response = None
        self.transport.write(data + self.delimiter)
        self.transport.loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        self.abort()

    def abort(self) -> None:
        """End the connection now."""
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()
        self._control.discard(self)
        if self._response is not None:
            self._response.cancel()


def _is_served(path: str) -> bool:
    """Whether a process listens on the socket at ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
