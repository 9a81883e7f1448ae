"""Service of the page: a listening port with bounded connections, and two timers that keep open pages up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.internet import StreamServerEndpointService, TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime, IStreamServerEndpoint
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.interfaces import IEventListener
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.entry.page_links import PageLinks
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.facade import DaemonFacade
from twisted_detector.web.history import INTERVAL, MqttHistory
from twisted_detector.web.server import ConnectionLimiter

#: Connections of the kernel that wait to be accepted: a thousand pages come back at once after a restart.
BACKLOG = 512
#: Connections besides those of open pages; what bounds each peer's share of them is in ``server.py``.
MAX_OTHERS = 64
#: Seconds between looks at the sweep while a page is open.
SWEEP_INTERVAL = 1.0


@implementer(IStreamServerEndpoint)
class PageEndpoint:
    """TCP endpoint of the page. Where it cannot listen, the daemon goes on without a page, and the log says why.

    :param listen: address and port. :param links: the page's URLs, which the log tells once it listens.
    """

    log = make_logger()

    def __init__(self, reactor: Any, listen: tuple[str, int], *, links: PageLinks) -> None:
        host, port = listen
        endpoint = TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint
        self._endpoint = endpoint(reactor, port, BACKLOG, host)
        self._links = links

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort | None]:  # type: ignore[override]
        """Fires with None where it cannot listen: StreamServerEndpointService then has no port to stop."""
        listening: Deferred[IListeningPort | None] = self._endpoint.listen(factory)  # type: ignore[no-untyped-call]
        return listening.addCallbacks(self._log_listening, self._log_problem)

    def _log_listening(self, port: IListeningPort | None) -> IListeningPort | None:
        telling = Deferred.fromCoroutine(self._links.announcement())
        telling.addCallback(lambda text: self.log.info("{text}", text=text))
        telling.addErrback(lambda failure: self.log.failure("The page's URLs are not known", failure=failure))
        return port

    def _log_problem(self, failure: Failure) -> None:
        failure.trap(CannotListenError)
        why = getattr(getattr(failure.value, "socketError", None), "strerror", None) or str(failure.value)
        text = (
            f"There is no web page: cannot listen on {self._links.own_url}: {why.lower()}"
            " (WEB_LISTEN sets another address or port)"
        )
        self._links.record_problem(text)
        self.log.error("{text}", text=text)


class WebService(MultiService):
    """The page and its API.

    :param site: serves each connection. :param endpoint: where they come in.
    :param subscribe: adds a listener to the bus, and returns what removes it.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        endpoint: IStreamServerEndpoint,
        site: IProtocolFactory,
        facade: DaemonFacade,
        hub: EventHub,
        activity: ActivityFeed,
        history: MqttHistory,
        subscribe: Callable[[IEventListener], Callable[[], None]],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._facade = facade
        self._hub = hub
        self.activity = activity
        self.history = history
        self._subscribe = subscribe
        self._unsubscribe: list[Callable[[], None]] = []
        self._sweep: dict[str, Any] | None = None
        self._connections = ConnectionLimiter(site, hub.capacity + MAX_OTHERS)
        timers = (TimerService(INTERVAL, self._sample), TimerService(SWEEP_INTERVAL, self._publish_sweep))
        for timer in timers:
            timer.clock = clock
        for child in (StreamServerEndpointService(endpoint, self._connections), *timers):
            child.setServiceParent(self)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return "the web page"

    def startService(self) -> None:
        """Listen on the port and to the bus."""
        super().startService()  # type: ignore[no-untyped-call]
        self._unsubscribe = [self._subscribe(listener) for listener in (self.activity, self.history)]

    def stopService(self) -> Any:
        """Listen no more, and end every connection."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._hub.stop()
        self._connections.abort_connections()
        return super().stopService()  # type: ignore[no-untyped-call]

    def _sample(self) -> None:
        try:
            row = self.history.sample()
            self._hub.publish("mqtt", "", lambda: {"row": list(row), "now": dict(self._facade.mqtt())})
        except Exception:
            self.log.failure("The figures of MQTT could not be read")

    def _publish_sweep(self) -> None:
        """While a page is open: publish the state of the sweep when it changed."""
        if not len(self._hub):
            return
        try:
            found = self._facade.discovery()
        except Exception:
            self.log.failure("The scan's progress could not be read")
            return
        # Not the counters of packets: they change all the time, and no page shows them.
        sweep = {name: found.get(name) for name in ("phase", "sweeping", "sweeps", "last_sweep")}
        if sweep != self._sweep:
            self._sweep = sweep
            self._hub.publish("discovery", "", lambda: found)
