"""Control socket: one request, one answer, whatever comes in."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.operations.control_socket import (
    MAX_CONNECTIONS,
    MAX_REQUEST,
    RETRY_SECONDS,
    TIMEOUT,
    ControlSocket,
    _ControlProtocol,
)


class Line(StringTransport):
    """A transport that notes how it ended."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.protocol.connectionLost()

    def loseConnection(self) -> None:
        super().loseConnection()
        self.protocol.connectionLost()

    protocol: Any = None


class ControlCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.later: Deferred[Mapping[str, Any]] = Deferred()
        self.control = ControlSocket(
            self.clock, Path("state"), {"echo": self.echo, "slow": self.slow, "bad": self.bad, "no": self.no}
        )

    def tearDown(self) -> None:
        self.assertEqual([], self.clock.getDelayedCalls())

    async def echo(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"said": request.get("word")}

    async def slow(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.later

    async def bad(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ZeroDivisionError("canary")

    async def no(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RemoteError("I will not")

    def connect(self) -> Line:
        line = Line()
        line.protocol = _ControlProtocol(self.control, self.clock)
        line.protocol.makeConnection(line)
        return line

    def ask(self, data: bytes) -> Any:
        line = self.connect()
        line.protocol.dataReceived(data)
        return json.loads(line.value()) if line.value() else line

    def test_planted_link(self) -> None:
        """A link in the place of the socket is removed; what it leads to is neither connected to nor touched."""
        folder = Path(self.mktemp())
        folder.mkdir()
        target = folder / "other.sock"
        link = folder / "control.sock"
        link.symlink_to(target.resolve())
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(target))
            other.listen()
            other.setblocking(False)
            self.listened: list[str] = []
            self.clock.listenUNIX = lambda path, factory, mode: self.listened.append(path)  # type: ignore[attr-defined]
            ControlSocket(self.clock, folder, {}).start()
            self.assertRaises(BlockingIOError, other.accept)
        self.assertEqual(([str(link)], False, True), (self.listened, link.is_symlink(), target.exists()))

    def test_read_only(self) -> None:
        """On a disk that takes nothing it is said once, and tried again; a stop ends that."""
        folder = Path(self.mktemp())
        (folder / "control.sock").mkdir(parents=True)  # cannot be removed, as all on such a disk
        listened: list[str] = []
        self.clock.listenUNIX = lambda path, factory, mode: listened.append(path)  # type: ignore[attr-defined]
        control = ControlSocket(self.clock, folder, {})
        said: list[str] = []
        self.patch(control.log, "warn", lambda text, **more: said.append(text))
        control.start()
        self.clock.pump([RETRY_SECONDS] * 3)
        self.assertEqual((1, []), (len(said), listened))
        (folder / "control.sock").rmdir()
        self.clock.advance(RETRY_SECONDS)
        self.assertEqual(([str(folder / "control.sock")], []), (listened, self.clock.getDelayedCalls()))
        (folder / "control.sock").mkdir()
        again = ControlSocket(self.clock, folder, {})
        again.start()
        self.successResultOf(Deferred.fromCoroutine(again.stop()))

    def test_answers(self) -> None:
        """A command is obeyed, a refusal told, and rubbish is answered in plain words."""
        self.assertEqual({"ok": True, "said": "a"}, self.ask(b'{"command": "echo", "word": "a"}\n'))
        self.assertEqual({"ok": False, "error": "I will not"}, self.ask(b'{"command": "no"}\n'))
        for rubbish in (b"\n", b"[]\n", b"\xff\xfe\n", b'{"command": ["echo"]}\n', b"{}\n", b"[" * 4000 + b"\n"):
            answer = self.ask(rubbish)
            self.assertFalse(answer["ok"])
            self.assertTrue(answer["error"])

    def test_a_fault_of_ours(self) -> None:
        """A handler that fails is logged, and its exception is told to nobody."""
        answer = self.ask(b'{"command": "bad"}\n')
        self.assertNotIn("canary", answer["error"])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_too_long(self) -> None:
        """A request without an end is hung up on."""
        self.assertTrue(self.ask(b"x" * (MAX_REQUEST + 2)).aborted)

    def test_one_question(self) -> None:
        """What comes after the question is not obeyed."""
        line = self.connect()
        line.protocol.dataReceived(b'{"command": "echo"}\n{"command": "echo"}\n')
        self.assertEqual(1, line.value().count(b"\n"))

    def test_silence(self) -> None:
        """Who asks nothing is hung up on, and so is who is not answered in time; the handler is cancelled."""
        silent, waiting = self.connect(), self.connect()
        waiting.protocol.dataReceived(b'{"command": "slow"}\n')
        self.clock.advance(TIMEOUT)
        self.assertTrue(silent.aborted and waiting.aborted)
        self.assertTrue(self.later.called)

    def test_too_many(self) -> None:
        """One more than there is room for is hung up on at once; when one ends, there is room again."""
        lines = [self.connect() for _ in range(MAX_CONNECTIONS)]
        self.assertTrue(self.connect().aborted)
        lines[0].loseConnection()
        extra = self.connect()
        self.assertFalse(extra.aborted)
        for line in (*lines[1:], extra):
            line.abortConnection()

    def test_stop(self) -> None:
        """A stop hangs up on everybody."""
        line = self.connect()
        self.successResultOf(Deferred.fromCoroutine(self.control.stop()))
        self.assertTrue(line.aborted)

    def test_a_path_too_long(self) -> None:
        """Where no socket can be, the daemon goes on without."""
        ControlSocket(self.clock, Path("/x" * 80), {}).start()
