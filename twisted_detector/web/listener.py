"""Connections come in; the web site, which is loaded when the first of them comes, takes them over.

Twisted's web server, Klein and Werkzeug are 8 MB and a fifth of a second: a daemon that nobody looks at does without.
They are imported in a thread, so that the reactor goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from txaio.tx import make_logger

#: Connections of the kernel that wait to be accepted: a thousand pages come back at once after a restart.
BACKLOG = 512

#: Makes the protocol of one connection; what :func:`load` gives.
Build = Callable[[IAddress | None], Any]


class Door(Service):
    """Listens.

    :param reactor: IReactorTCP and IReactorThreads.
    :param load: imports what is heavy, on a thread; :param build: makes, on the reactor's, what builds protocols.
    :param capacity: connections at one time; one more is hung up on.
    :param closed: called when it listens no more, before connections are ended.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        listen: tuple[str, int],
        *,
        load: Callable[[], Any],
        build: Callable[[Any], Build],
        capacity: int,
        closed: Callable[[], None] = lambda: None,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        self._reactor = reactor
        self._listen = listen
        self._load = load
        self._build = build
        self.capacity = capacity
        self._closed = closed
        self._in_thread = in_thread
        self._port: Any = None
        self._builds: Build | None = None
        self._loading: Deferred[Any] | None = None
        self._waiting: list[_Visitor] = []
        self.connections: set[_Visitor] = set()

    def __repr__(self) -> str:
        return "the web page"

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        host, port = self._listen
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def startService(self) -> None:
        """Listen; where that cannot be, the daemon goes on without a page, and the log says why."""
        super().startService()  # type: ignore[no-untyped-call]
        host, port = self._listen
        try:
            self._port = self._reactor.listenTCP(port, _Visitors(self), backlog=BACKLOG, interface=host)
        except CannotListenError as problem:
            self.log.error("There is no web page: {url} cannot be listened on: {why}", url=self.url, why=problem)
            return
        self.log.info("The web page is at {url}", url=self.url)

    def stopService(self) -> Deferred[None]:
        """Listen no more and end every connection."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._closed()
        port, self._port = self._port, None
        for visitor in tuple(self.connections):
            visitor.hang_up()
        return maybeDeferred(port.stopListening) if port is not None else maybeDeferred(lambda: None)

    def admits(self, visitor: _Visitor) -> bool:
        """Whether there is room for one more; it waits until the site is there."""
        if len(self.connections) >= self.capacity:
            return False
        self.connections.add(visitor)
        if self._builds is not None:
            visitor.hand_over(self._builds)
            return True
        self._waiting.append(visitor)
        if self._loading is None:
            self._loading = self._in_thread(self._load)
            self._loading.addCallback(self._loaded)
            self._loading.addErrback(self._not_loaded)
        return True

    def left(self, visitor: _Visitor) -> None:
        """It is over."""
        self.connections.discard(visitor)

    def _loaded(self, made: Any) -> None:
        self._builds = self._build(made)
        waiting, self._waiting = self._waiting, []
        for visitor in waiting:
            if visitor in self.connections:
                visitor.hand_over(self._builds)

    def _not_loaded(self, failure: Failure) -> None:
        self.log.failure("The web page could not be loaded", failure=failure)
        self._loading = None
        waiting, self._waiting = self._waiting, []
        for visitor in waiting:
            visitor.hang_up()


class _Visitor(Protocol):
    """One connection: nothing is read before the site is there, then everything is the site's."""

    transport: Any

    def __init__(self, door: Door, address: IAddress | None) -> None:
        self._door = door
        self._address = address
        self._inner: Any = None

    def connectionMade(self) -> None:
        self.transport.pauseProducing()
        if not self._door.admits(self):
            self.transport.abortConnection()

    def hand_over(self, build: Build) -> None:
        """From now on a protocol of the site has the connection."""
        self._inner = build(self._address)
        self._inner.makeConnection(self.transport)
        self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._door.left(self)
        if self._inner is not None:
            self._inner.connectionLost(reason)

    def hang_up(self) -> None:
        """End it now."""
        self.transport.abortConnection()


class _Visitors(ServerFactory):
    noisy = False

    def __init__(self, door: Door) -> None:
        self._door = door

    def buildProtocol(self, addr: IAddress | None) -> _Visitor:
        return _Visitor(self._door, addr)
