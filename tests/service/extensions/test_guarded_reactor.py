"""Whatever the reactor calls a plugin back for is a call of it: connections, processes, threads, descriptors."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

from twisted.internet import reactor as real_reactor  # noqa: TID251 - endpoints, TLS and processes as Twisted has them
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ProcessExitedAlready
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProcessTransport,
    IReactorFDSet,
    IReactorMulticast,
    IReactorProcess,
    IReactorSocket,
    IReactorSSL,
    IReactorTCP,
    IReactorUDP,
    IReactorUNIX,
    IReactorUNIXDatagram,
)
from twisted.internet.protocol import ClientFactory, Factory, ProcessProtocol, Protocol
from twisted.internet.ssl import CertificateOptions, KeyPair
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.internet.threads import deferToThreadPool
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tests.service.extensions.test_guard import GuardCase
from twisted_detector.service.extensions.guarded_reactor import CALLED_BACK, GuardedReactor
from twisted_detector.service.extensions.record import MAX_FAULTS, PluginRecord
from twisted_detector.service.extensions.supervision import Supervision


class Told(Protocol):
    """Notes what it is told; raises at a word."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def connectionMade(self) -> None:
        self.told.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.told.append(data)
        if data == b"raise":
            raise ValueError("no")

    def connectionLost(self, reason: Any = None) -> None:
        self.told.append("lost")


@implementer(IHalfCloseableProtocol)
class HalfClosed(Told):
    def readConnectionLost(self) -> None:
        self.told.append("half")

    def writeConnectionLost(self) -> None:
        """Nothing."""


class ToldFactory(ClientFactory):
    """Makes one protocol, and notes what became of the connecting."""

    protocol: Any = Told

    def __init__(self) -> None:
        self.made: list[Told] = []
        self.failed = 0

    def buildProtocol(self, addr: Any) -> Any:
        self.made.append(self.protocol())
        return self.made[-1]

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.failed += 1
        raise ValueError("no")


class Aborting(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class MemoryTests(GuardCase):
    def setUp(self) -> None:
        super().setUp()
        self.memory = MemoryReactorClock()
        self.reactor = GuardedReactor(self.memory, self.guard)

    def connected(self, factory: ToldFactory) -> tuple[Any, Aborting]:
        """A connection to it, as the reactor has it."""
        self.reactor.listenTCP(80, factory)
        protocol = self.memory.tcpServers[-1][1].buildProtocol(IPv4Address("TCP", "10.0.0.9", 50000))
        transport = Aborting()
        protocol.makeConnection(transport)
        return protocol, transport

    def test_table(self) -> None:
        """What the reactor calls back is where Twisted's interfaces have it; there is no method more of that kind."""
        kinds = (IReactorTCP, IReactorSSL, IReactorUNIX, IReactorUDP, IReactorMulticast, IReactorUNIXDatagram,
                 IReactorProcess, IReactorSocket)  # fmt: skip
        found: dict[str, tuple[int, str]] = {}
        for kind in kinds:
            for name in kind.names(all=True):
                words = kind[name].getSignatureInfo()["positional"]  # type: ignore[attr-defined]
                for place, word in enumerate(words):
                    if word in ("factory", "protocol", "processProtocol"):
                        found[name] = (place, word)
        self.assertEqual(found, {name: (place, word) for name, (place, word, _) in CALLED_BACK.items()})

    def test_connection(self) -> None:
        """What a protocol is told is told it, as one call each, and what it raises is a fault of the plugin."""
        factory = ToldFactory()
        protocol, _ = self.connected(factory)
        calls = self.record.counts["calls"]
        protocol.dataReceived(b"one")
        self.assertRaises(ValueError, protocol.dataReceived, b"raise")
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(["made", b"one", b"raise", "lost"], factory.made[0].told)
        self.assertEqual((3, 1), (self.record.counts["calls"] - calls, self.record.faults))

    def test_what_it_provides(self) -> None:
        """The transport learns from the stand-in what it would from the protocol: that it takes a half-closed line."""
        factory = ToldFactory()
        factory.protocol = HalfClosed
        protocol, _ = self.connected(factory)
        self.assertTrue(IHalfCloseableProtocol.providedBy(protocol))
        self.assertFalse(hasattr(protocol, "fileDescriptorReceived"))
        IHalfCloseableProtocol(protocol).readConnectionLost()
        self.assertEqual(["made", "half"], factory.made[0].told)
        other, _ = self.connected(ToldFactory())
        self.assertFalse(IHalfCloseableProtocol.providedBy(other))

    def test_client(self) -> None:
        """What a client's factory is told of a connection that fails is watched, named or not."""
        factory = ToldFactory()
        self.reactor.connectTCP("10.0.0.5", 554, factory, timeout=3)
        self.reactor.connectTCP(host="10.0.0.5", port=554, factory=factory)
        self.assertEqual([("10.0.0.5", 554)] * 2, [client[:2] for client in self.memory.tcpClients])
        self.assertEqual(3, self.memory.tcpClients[0][3])
        for client in self.memory.tcpClients:
            self.assertRaises(ValueError, client[2].clientConnectionFailed, None, Failure(ConnectionDone()))
        self.assertEqual((2, 2), (factory.failed, self.record.faults))

    def test_no_protocol(self) -> None:
        """A factory may refuse a connection."""
        factory = Factory.forProtocol(Told)
        factory.buildProtocol = lambda addr: None  # type: ignore[method-assign]
        self.reactor.listenTCP(80, factory)
        self.assertIsNone(self.memory.tcpServers[-1][1].buildProtocol(None))

    def test_ended(self) -> None:
        """A plugin that was disabled is told nothing more: its connections end, new ones are refused."""
        factory = ToldFactory()
        protocol, transport = self.connected(factory)
        for _ in range(MAX_FAULTS):
            self.assertRaises(ValueError, protocol.dataReceived, b"raise")
        told = [*factory.made[0].told]
        self.assertTrue(self.record.disabled)
        self.assertFalse(transport.aborted)
        protocol.dataReceived(b"more")
        self.assertTrue(transport.aborted)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(told, factory.made[0].told)
        self.assertTrue(self.connected(factory)[1].aborted)
        self.assertEqual(1, len(factory.made))

    def test_ended_below_tls(self) -> None:
        """A connection that comes after the end is closed below TLS, too."""
        self.guard.has_ended = True
        options = KeyPair.generate(size=2048).selfSignedCert(1, CN="camera").options()  # type: ignore[no-untyped-call]
        factory: Any = ToldFactory()
        self.reactor.listenTCP(80, factory)
        guarded = self.memory.tcpServers[-1][1]
        protocol: Any = TLSMemoryBIOFactory(options, False, guarded).buildProtocol(None)  # as an endpoint of TLS has it
        transport = Aborting()
        protocol.makeConnection(transport)
        self.assertEqual((True, []), (transport.aborted, factory.made))

    def test_ended_process(self) -> None:
        """A process that says something after the end is killed, if it is there yet."""

        @implementer(IProcessTransport)
        class Running:
            signals: ClassVar[list[str]] = []

            def signalProcess(self, name: str) -> None:
                self.signals.append(name)
                if len(self.signals) > 1:
                    raise ProcessExitedAlready

        started: list[Any] = []
        GuardedReactor(SimpleNamespace(spawnProcess=started.append), self.guard).spawnProcess(ProcessProtocol())
        (protocol,) = started
        protocol.makeConnection(Running())
        self.guard.has_ended = True
        protocol.childDataReceived(1, b"x")
        protocol.processExited(Failure(ConnectionDone()))
        self.assertEqual(["KILL"] * 2, Running.signals)

    def test_descriptors(self) -> None:
        """What a descriptor raises is counted; once the plugin has ended the reactor watches it no more."""

        class Descriptor:
            def doRead(self) -> None:
                raise ValueError("no")

            doWrite = doRead

        own = Descriptor()
        self.reactor.addReader(own)
        self.reactor.addWriter(own)
        (reader,), (writer,) = self.memory.getReaders(), self.memory.getWriters()
        self.assertIs(reader, writer)
        self.assertRaises(ValueError, reader.doRead)
        self.assertRaises(ValueError, writer.doWrite)
        self.assertEqual(2, self.record.faults)
        for _ in range(MAX_FAULTS - 2):
            self.assertRaises(ValueError, reader.doRead)
        reader.doRead()
        self.assertEqual(([], []), (self.memory.getReaders(), self.memory.getWriters()))
        self.assertTrue(IReactorFDSet.providedBy(self.reactor))

    def test_when_running(self) -> None:
        """What it wants done at the start is a call of it."""
        calls: list[Any] = []
        self.memory.running = False
        self.reactor.callWhenRunning(calls.append, 1)
        self.memory.run()
        self.assertEqual(([1], 1), (calls, self.record.counts["calls"]))


class RealTests(TestCase):
    """Over Twisted's own reactor, on loopback."""

    def setUp(self) -> None:
        self.supervision = Supervision(real_reactor.seconds)  # type: ignore[attr-defined]
        self.addCleanup(self.supervision.stop)
        self.guard = self.supervision.guard("acme")
        self.record: PluginRecord = self.guard.record
        self.reactor = GuardedReactor(real_reactor, self.guard)

    async def listening(self, factory: Any) -> int:
        port = await TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def test_both_ends(self) -> None:
        """Endpoints work by it, both ways; who connects gets his own protocol, and each end is called."""
        heard: Deferred[bytes] = Deferred()
        server, client = Echo(), Hearing(heard)
        number = await self.listening(Same(server))
        found = await TCP4ClientEndpoint(self.reactor, "127.0.0.1", number).connect(Same(client))
        self.assertIs(client, found)
        client.transport.write(b"there and back")
        self.assertEqual(b"there and back", await heard)
        self.assertGreater(self.record.counts["calls"], 4)
        client.transport.loseConnection()
        await client.lost
        await server.lost

    async def test_a_fault(self) -> None:
        """What a protocol raises ends its connection, as Twisted has it, and is counted."""
        server, client = Echo(ValueError("no")), Hearing(Deferred())
        number = await self.listening(Same(server))
        await TCP4ClientEndpoint(self.reactor, "127.0.0.1", number).connect(Same(client))
        client.transport.write(b"x")
        await client.lost
        await server.lost
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))
        self.assertEqual((1, "ValueError"), (self.record.faults, self.record.last_fault.split(" ")[0]))

    async def test_tls(self) -> None:
        """TLS works by it, from the beginning of a connection and later; what is heard through it is a call."""
        options = KeyPair.generate(size=2048).selfSignedCert(1, CN="camera").options()  # type: ignore[no-untyped-call]
        for begins_later in (False, True):
            heard: Deferred[bytes] = Deferred()
            server = Later(options) if begins_later else Echo()
            number = await self.listening(
                Same(server) if begins_later else TLSMemoryBIOFactory(options, False, Same(server))
            )
            client = LaterHearing(heard) if begins_later else Hearing(heard)
            endpoint: Any = TCP4ClientEndpoint(self.reactor, "127.0.0.1", number)
            if not begins_later:
                endpoint = wrapClientTLS(CertificateOptions(), endpoint)
            await endpoint.connect(Same(client))
            if begins_later:
                await client.begun
            calls = self.record.counts["calls"]
            client.transport.write(b"there and back")
            self.assertEqual(b"there and back", await heard)
            self.assertGreater(self.record.counts["calls"], calls + 1)
            client.transport.loseConnection()
            await client.lost
            await server.lost

    def watching(self, one: Watched) -> set[str]:
        """The directions in which Twisted's own reactor watches it."""
        reactor: Any = real_reactor
        both = {"read": reactor.getReaders(), "write": reactor.getWriters()}
        return {word for word, found in both.items() if any(getattr(other, "_other", None) is one for other in found)}

    def watched(self) -> Watched:
        """What is watched for both directions, and has octets to read and room to write."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        theirs.send(b"x")
        own = Watched(ours)
        self.reactor.addReader(own)
        self.reactor.addWriter(own)
        self.assertEqual({"read", "write"}, self.watching(own))
        return own

    async def test_a_descriptor(self) -> None:
        """It is called for both directions, and for each as long as it is asked for."""
        own = self.watched()
        await self.turns()
        self.assertLessEqual({"read", "write"}, own.called)
        self.reactor.removeReader(own)
        self.assertEqual({"write"}, self.watching(own))
        self.reactor.removeWriter(own)
        self.assertEqual(set(), self.watching(own))

    async def test_a_descriptor_at_the_end(self) -> None:
        """Once the plugin has ended neither direction is watched any more: the reactor would turn for nothing."""
        own = self.watched()
        self.guard.has_ended = True
        await self.turns()
        self.assertEqual((set(), set()), (own.called, self.watching(own)))

    async def turns(self) -> None:
        """The reactor looks once at least at what it watches."""
        for _ in range(3):
            await deferLater(real_reactor, 0, lambda: None)  # type: ignore[arg-type]

    async def test_a_process(self) -> None:
        """A process is started, heard and ended by it."""
        ended: Deferred[None] = Deferred()

        class Running(ProcessProtocol):
            heard = b""

            def outReceived(self, data: bytes) -> None:
                self.heard += data
                raise ValueError("no")

            def processEnded(self, reason: Any) -> None:
                ended.callback(None)

        own = Running()
        self.reactor.spawnProcess(own, sys.executable, (sys.executable, "-c", "print('here')"), {})
        await ended
        self.assertEqual((b"here\n", 1), (own.heard, self.record.faults))
        self.flushLoggedErrors(ValueError)

    async def test_a_thread(self) -> None:
        """What comes back from a thread is a call, and comes once the plugin has ended, too: a thread may wait."""
        asked: Callable[[], Any] = lambda: 7  # noqa: E731
        self.assertEqual(7, await deferToThreadPool(self.reactor, self.reactor.getThreadPool(), asked))
        calls = self.record.counts["calls"]
        self.assertGreater(calls, 0)
        self.guard.has_ended = True
        self.assertEqual(7, await deferToThreadPool(self.reactor, self.reactor.getThreadPool(), asked))
        self.assertGreater(self.record.counts["calls"], calls)


class Watched:
    """A file descriptor that notes what it is called for, and is not done with it."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.called: set[str] = set()

    def fileno(self) -> int:
        return self.line.fileno()

    def doRead(self) -> None:
        self.called.add("read")

    def doWrite(self) -> None:
        self.called.add("write")

    def logPrefix(self) -> str:
        return "watched"


class Echo(Protocol):
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        assert self.transport is not None
        self.transport.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class Hearing(Echo):
    transport: Any

    def __init__(self, heard: Deferred[bytes]) -> None:
        super().__init__()
        self.heard = heard

    def dataReceived(self, data: bytes) -> None:
        self.heard.callback(data)


class Later(Echo):
    """Begins TLS when it is asked to."""

    def __init__(self, options: Any) -> None:
        super().__init__()
        self.options = options

    def dataReceived(self, data: bytes) -> None:
        if data != b"STARTTLS":
            super().dataReceived(data)
            return
        transport: Any = self.transport
        transport.write(b"OK")
        transport.startTLS(self.options)


class LaterHearing(Hearing):
    def __init__(self, heard: Deferred[bytes]) -> None:
        super().__init__(heard)
        self.begun: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(b"STARTTLS")

    def dataReceived(self, data: bytes) -> None:
        if self.begun.called:
            super().dataReceived(data)
        else:
            self.transport.startTLS(CertificateOptions())
            self.begun.callback(None)


class Same(Factory):
    """Factory of one protocol that is there already."""

    noisy = False

    def __init__(self, one: Protocol) -> None:
        self.one = one

    def buildProtocol(self, addr: Any) -> Protocol:
        return self.one
