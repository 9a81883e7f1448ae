"""The service of the page: how many connections there are, that a stop ends them, and a port that is taken."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import Line, WebSite, camera, frames, parsed
from twisted_detector.events import CameraOnline
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Interface
from twisted_detector.web.entry.page_links import PageLinks
from twisted_detector.web.history import INTERVAL
from twisted_detector.web.service import MAX_OTHERS, SWEEP_INTERVAL, PageEndpoint, WebService

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class ServiceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.web = WebSite(camera())
        self.listeners: list[IEventListener] = []
        self.service = self.make("127.0.0.1")

    def make(self, host: str) -> WebService:
        def subscribe(listener: IEventListener) -> object:
            self.listeners.append(listener)
            return lambda: self.listeners.remove(listener)

        return WebService(
            self.web.clock,
            endpoint=PageEndpoint(self.reactor, (host, 8787), links=self.links(host)),
            site=self.web.site,
            facade=self.web.facade,
            hub=self.web.hub,
            activity=self.web.activity,
            history=self.web.history,
            subscribe=subscribe,  # type: ignore[arg-type]
        )

    def links(self, host: str) -> PageLinks:
        async def interfaces() -> list[Interface]:
            return []

        return PageLinks((host, 8787), interfaces, codes=None, token_file=None)

    def visit(self) -> Line | None:
        """A connection; None where it was refused."""
        address = IPv4Address("TCP", "127.0.0.1", 50000)
        protocol = self.reactor.tcpServers[-1][1].buildProtocol(address)
        if protocol is None:
            return None
        line = Line()
        line.protocol = protocol
        protocol.makeConnection(line)
        return line


class ServiceTests(ServiceCase):
    def test_listening(self) -> None:
        """It listens where it was told to, IPv4 or IPv6, and serves the page."""
        for host in ("127.0.0.1", "::1"):
            service = self.make(host)
            service.startService()
            port, _, backlog, interface = self.reactor.tcpServers[-1]
            self.assertEqual((8787, 512, host), (port, backlog, interface))
            line = self.visit()
            assert line is not None
            line.protocol.dataReceived(GET)
            self.assertEqual(200, parsed(line.value()).status)
            self.successResultOf(service.stopService())

    def test_capacity(self) -> None:
        """Connections are counted, those of open pages too; where all are let in, one more is refused."""
        self.service.startService()
        capacity = self.web.hub.capacity + MAX_OTHERS
        lines: list[Line] = []
        while (line := self.visit()) is not None:
            line.protocol.dataReceived(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            lines.append(line)
        self.assertEqual(capacity, len(lines))
        lines[0].lost()
        self.assertIsNotNone(self.visit())

    def test_stop(self) -> None:
        """A stop ends every connection and every open page, and leaves no timer and no listener behind."""
        self.service.startService()
        self.assertEqual([self.web.activity, self.web.history], self.listeners)
        idle, page = self.visit(), self.visit()
        assert idle is not None
        assert page is not None
        page.protocol.dataReceived(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.successResultOf(self.service.stopService())
        self.assertEqual((True, True, []), (idle.aborted, page.aborted, self.listeners))
        for line in (idle, page):
            line.lost()
        self.assertEqual((0, []), (len(self.web.hub), self.web.clock.getDelayedCalls()))

    def test_taken_port(self) -> None:
        """Where the port is taken, there is no page; the log says so in one line, and nothing else fails."""

        def taken(*_: object, **__: object) -> None:
            raise CannotListenError("127.0.0.1", 8787, OSError(98, "in use"))

        logged: list[str | None] = []

        def observe(event: LogEvent) -> None:
            logged.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.reactor.listenTCP = taken
        self.service.startService()
        [line] = [one for one in logged if one and "no web page" in one]
        self.assertIn("cannot listen on http://127.0.0.1:8787/: in use (WEB_LISTEN sets another", line)
        self.assertTrue(all(isinstance(one, Service) and one.running for one in self.service))
        self.successResultOf(self.service.stopService())
        self.assertEqual([], self.flushLoggedErrors())


class TimerTests(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        self.service.startService()
        self.addCleanup(lambda: self.successResultOf(self.service.stopService()))

    def open_page(self) -> Line:
        line = self.visit()
        assert line is not None
        line.protocol.dataReceived(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return line

    def events(self, line: Line) -> list[str]:
        return [event for event, _, _ in frames(line)]

    def test_figures(self) -> None:
        """An open page gets a row of the series every few seconds."""
        line = self.open_page()
        self.web.clock.pump([INTERVAL, 1, INTERVAL - 1, 1])
        self.assertEqual(2, self.events(line).count("mqtt"))
        self.assertEqual(3, len(self.web.history.document()["rows"]))

    def test_sweep(self) -> None:
        """An open page is sent the state of the sweep when it changed, and not each time that it is looked at."""
        line = self.open_page()
        self.web.clock.pump([SWEEP_INTERVAL] * 3)
        self.assertEqual(1, self.events(line).count("discovery"))
        self.web.found["sweeping"] = True
        self.web.clock.pump([SWEEP_INTERVAL] * 3)
        self.assertEqual(2, self.events(line).count("discovery"))

    def test_faults(self) -> None:
        """Figures that cannot be taken are logged, and are taken again the next time."""
        self.open_page()
        self.web.found = None  # type: ignore[assignment]
        self.web.clock.pump([SWEEP_INTERVAL] * 2)
        self.assertEqual(2, len(self.flushLoggedErrors(TypeError)))

    def test_events(self) -> None:
        """What happens reaches an open page through the listeners."""
        line = self.open_page()
        for listener in self.listeners:
            listener.handle(CameraOnline(2000.0, camera()))
        self.web.clock.advance(1)
        self.assertIn("camera", self.events(line))
