"""One JSON line comes in over a Unix socket; one JSON line goes out. How the command line talks to the running daemon.

The socket is in the state directory, which belongs to one user (0700), and has mode 0600 itself: who may connect is who
may read the state anyway. No secret is ever in an answer.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError, RemoteError

NAME = "control.sock"

#: A request is a command and an address.
MAX_REQUEST = 4096
#: 10 000 cameras with all that is known of them.
MAX_ANSWER = 64 * 1024 * 1024
#: Connections at one time; a person has one.
MAX_CONNECTIONS = 8
#: Seconds for a request to come in, and for its answer: a look at an address takes some seconds.
TIMEOUT = 30.0
#: unix(7): sun_path has 108 bytes with its end.
_MAX_PATH = 107

#: Obeys one request: its fields but ``command`` come in, the fields of the answer come out.
Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class ControlSocket:
    """Listens in a state directory.

    :param reactor: IReactorUNIX and IReactorTime.
    :param handlers: what obeys each command.
    """

    log = make_logger()

    def __init__(self, reactor: Any, directory: Path, handlers: Mapping[str, Handler]) -> None:
        self._reactor = reactor
        self._path = directory / NAME
        self._handlers = handlers
        self._port: Any = None
        self._connections: set[_Conversation] = set()

    def start(self) -> None:
        """Listen; where that cannot be, the daemon goes on without, and the log says why."""
        path = str(self._path)
        if len(os.fsencode(path)) > _MAX_PATH:
            self.log.warn("{path} is too long for a socket: the command line cannot ask this daemon", path=path)
            return
        if _somebody_listens(path):
            self.log.warn("Another daemon listens on {path}: the command line asks that one", path=path)
            return
        self._path.unlink(missing_ok=True)  # left behind by a daemon that was killed
        factory = _Conversations(self)
        before = os.umask(0o177)  # so that the file never has another mode, not even for a moment
        try:
            self._port = self._reactor.listenUNIX(path, factory, mode=0o600)
        except Exception as problem:
            self.log.warn("{path} cannot be listened on: {problem}", path=path, problem=problem)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Listen no more; who waits for an answer is hung up on."""
        port, self._port = self._port, None
        for one in tuple(self._connections):
            one.hang_up()
        if port is not None:
            await maybeDeferred(port.stopListening)
            self._path.unlink(missing_ok=True)

    def admits(self, conversation: _Conversation) -> bool:
        """Whether there is room for one more."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._connections.add(conversation)
        return True

    def ended(self, conversation: _Conversation) -> None:
        """It is over."""
        self._connections.discard(conversation)

    async def answer(self, line: bytes) -> bytes:
        """The line that answers ``line``; whatever came in, and whatever goes wrong, it is one."""
        try:
            request = _read(line)
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
            answer = {"ok": False, "error": "it failed by a fault of this program; see its log"}
        data = json.dumps(answer, sort_keys=True).encode()
        if len(data) > MAX_ANSWER:
            data = json.dumps({"ok": False, "error": f"the answer has {len(data)} bytes, too many"}).encode()
        return data


def _read(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RemoteError("a request is one JSON object", shown=ascii(line[:60])) from None
    if not isinstance(request, dict):
        raise RemoteError("a request is one JSON object", shown=type(request).__name__)
    return request


class _Conversation(LineReceiver):
    """One request, one answer, the end."""

    transport: Any
    delimiter = b"\n"
    MAX_LENGTH = MAX_REQUEST

    def __init__(self, control: ControlSocket, clock: IReactorTime) -> None:
        self._control = control
        self._clock = clock
        self._answering: Deferred[bytes] | None = None
        self._asked = False
        self._patience: IDelayedCall | None = None

    def connectionMade(self) -> None:
        if self._control.admits(self):
            self._patience = self._clock.callLater(TIMEOUT, self.hang_up)
        else:
            self.transport.abortConnection()

    def lineReceived(self, line: bytes) -> None:
        if self._asked:
            return  # one question, one answer
        self._asked = True
        self._answering = answering = Deferred.fromCoroutine(self._control.answer(line))
        answering.addCallbacks(self._answered, lambda failure: failure.trap(CancelledError))

    def _answered(self, data: bytes) -> None:
        self._answering = None
        self.transport.write(data + self.delimiter)
        self.transport.loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """End it now."""
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._control.ended(self)
        if self._answering is not None:
            self._answering.cancel()


class _Conversations(Factory):
    noisy = False

    def __init__(self, control: ControlSocket) -> None:
        self._control = control

    def buildProtocol(self, addr: object) -> _Conversation:
        return _Conversation(self._control, self._control._reactor)


def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


class NotRunning(CamdetectError):
    """No daemon answers on the control socket."""


def ask(directory: Path, request: Mapping[str, Any], *, timeout: float = TIMEOUT + 5) -> dict[str, Any]:
    """Ask the daemon of a state directory, and wait for its answer: for a command line, which has nothing else to do.

    :raises NotRunning: nobody listens there.
    :raises RemoteError: it hung up, was too slow, or answered nonsense.
    """
    path = directory / NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout)
        try:
            line.connect(str(path))
        except PermissionError:
            raise RemoteError("the daemon runs as another user", shown=str(path)) from None
        except (OSError, ValueError):
            raise NotRunning("no daemon answers", shown=str(path)) from None
        try:
            line.sendall(json.dumps(request).encode() + b"\n")
            answer = _receive(line)
        except OSError as problem:
            raise RemoteError("the daemon did not answer", shown=str(problem)) from None
    found = _read(answer)
    if not found.get("ok"):
        raise RemoteError(str(found.get("error", "the daemon gave no reason")))
    return found


def _receive(line: socket.socket) -> bytes:
    parts: list[bytes] = []
    length = 0
    while part := line.recv(65_536):
        parts.append(part)
        length += len(part)
        if part.endswith(b"\n") or length > MAX_ANSWER:
            break
    return b"".join(parts)
