"""The control channel: one line in, one line out, whatever comes in; and what the command line makes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import ask as cli_ask
from twisted_detector.errors import RemoteError
from twisted_detector.model import Interface
from twisted_detector.operations.control_socket import (
    MAX_CONNECTIONS,
    MAX_REQUEST,
    TIMEOUT,
    ControlSocket,
    NotRunning,
    _Conversations,
    ask,
)
from twisted_detector.operations.host_checks import (
    FAIL,
    OK,
    WARN,
    bridge,
    check_capabilities,
    check_container,
    check_descriptors,
    check_interfaces,
    check_neighbour_table,
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
        line.protocol = _Conversations(self.control).buildProtocol(None)
        line.protocol.makeConnection(line)
        return line

    def ask(self, data: bytes) -> Any:
        line = self.connect()
        line.protocol.dataReceived(data)
        return json.loads(line.value()) if line.value() else line

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


class Asking(SynchronousTestCase):
    def test_nobody_there(self) -> None:
        """No daemon: doctor says so and checks this machine, why says so, both with exit status 1."""
        directory = Path(self.mktemp())
        with self.assertRaises(NotRunning):
            ask(directory, {"command": "list"})
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(1, cli_ask.why(directory, "10.0.0.5", use_json=False, out=out, err=err))
        self.assertIn("no daemon answers", err.getvalue())
        self.assertEqual("", out.getvalue())

    def test_lines(self) -> None:
        """People read the facts in order, then what is there now, then the reason; no control characters."""
        answer = {
            "address": "10.0.0.5",
            "network": "eth0 10.0.0.0/24",
            "mac": None,
            "ports": {"554": "open", "8554": "refused", "80": "refused"},
            "phase": "foreign",
            "facts": [{"first_at": "a", "last_at": "b", "source": "onvif", "text": "no\x1b[2J", "times": 3}],
            "cameras": [],
            "reason": {"word": "x", "text": "It is so.", "advice": "Do that."},
        }
        lines = cli_ask.why_lines(answer)
        self.assertIn("  b  onvif         no[2J  (3 times since a)", lines)
        self.assertIn("  ports        refused: 80, 8554", lines)
        self.assertEqual(["Likely reason: It is so.", "What to do:    Do that."], lines[-2:])


class TheMachine(SynchronousTestCase):
    def test_bridge(self) -> None:
        """A container with an address of a bridge alone; not one on the host's network, nor a host with Docker."""
        inside = lambda path: path == "/.dockerenv"  # noqa: E731
        outside = lambda path: False  # noqa: E731
        self.assertTrue(bridge(["127.0.0.1", "172.17.0.2"], exists=inside))
        self.assertEqual("", bridge(["192.168.1.5", "172.17.0.1"], exists=inside))
        self.assertEqual("", bridge(["172.17.0.1"], exists=outside))
        self.assertEqual(FAIL, check_container(["172.17.0.2"], exists=inside).level)
        self.assertEqual(OK, check_container(["10.0.0.1"], exists=inside).level)

    def test_interfaces(self) -> None:
        """One without multicast is a warning; none at all a failure."""
        eth0 = Interface("eth0", 2, "10.0.0.9", 24)
        wg0 = Interface("wg0", 3, "10.9.0.1", 24, multicast=False)
        self.assertEqual([OK, WARN], [one.level for one in check_interfaces([eth0, wg0])])
        lo = Interface("lo", 1, "127.0.0.1", 8, multicast=False, loopback=True)
        self.assertEqual([FAIL], [one.level for one in check_interfaces([lo])])

    def test_neighbour_table(self) -> None:
        """Full is a failure with the cure, small a warning, unreadable no alarm."""

        def reading(most: int, entries: int) -> Any:
            files = {f"/proc/sys/net/ipv4/neigh/default/gc_thresh{n}": f"{most // 2 ** (3 - n)}\n" for n in (1, 2, 3)}
            return check_neighbour_table((files | {"/proc/net/arp": "head\n" + "x\n" * entries}).get)

        self.assertEqual([OK, WARN, FAIL], [reading(*given).level for given in ((1024, 5), (512, 5), (1024, 900))])
        self.assertIn("gc_thresh3=8192", reading(1024, 900).advice)
        self.assertEqual(OK, check_neighbour_table(lambda path: "").level)

    def test_limits(self) -> None:
        """Few descriptors are a warning; without CAP_NET_RAW all is well, and it is said what is missing."""
        self.assertEqual([WARN, OK], [check_descriptors(one).level for one in ((256, 4096), (4096, 4096))])
        status = "Name:\tx\nCapEff:\t{}\n"
        having, lacking = (check_capabilities(lambda _, t=text: status.format(t)) for text in ("2000", "0"))
        self.assertEqual(
            (OK, OK, False, True), (having.level, lacking.level, bool(having.advice), bool(lacking.advice))
        )
        self.assertEqual(WARN, check_capabilities(lambda _: "").level)
