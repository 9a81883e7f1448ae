"""The decoder's process as a double: what it is told, and what becomes of it when it crashes, hangs, or lies."""

from __future__ import annotations

import struct
import sys
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, Malformed
from twisted_detector.inspection.pictures import decoder_child
from twisted_detector.inspection.pictures.decoder import CODES, IDLE, MAX_ANSWER, MAX_PICTURES, TIMEOUT, Decoder
from twisted_detector.wire.rtp.h26x_pictures import MAX_UNIT


def answer(content: bytes, status: int = 0) -> bytes:
    return struct.pack("!BI", status, len(content)) + content


class Process:
    """One process: what was written to it, whether it was killed."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.written: list[bytes] = []
        self.ended = False
        protocol.transport = self

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def signalProcess(self, name: str) -> None:
        if self.ended:
            raise ProcessExitedAlready
        self.end()

    def say(self, data: bytes) -> None:
        self.protocol.outReceived(data)

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            self.protocol.processEnded(Failure(ProcessTerminated(1)))


class Spawning(Clock):
    """A reactor that starts no process."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.commands: list[tuple[Any, ...]] = []

    def spawnProcess(self, protocol: Any, executable: str, args: list[str], env: Any, path: str) -> Process:
        self.commands.append((executable, args, env, path))
        self.processes.append(Process(protocol))
        return self.processes[-1]


class Decoding(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Spawning()
        self.decoder = Decoder(self.reactor)
        self.addCleanup(self.nothing_is_left)

    def nothing_is_left(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.decoder.stop()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertTrue(all(process.ended for process in self.reactor.processes))

    @property
    def process(self) -> Process:
        return self.reactor.processes[-1]

    def decode(self, data: bytes = b"unit", codec: str = "H264") -> Deferred[bytes]:
        return Deferred.fromCoroutine(self.decoder.decode(codec, data))

    def test_picture(self) -> None:
        """The process is started isolated, told the keyframe when it is ready, and used again."""
        first = self.decode()
        executable, args, env, path = self.reactor.commands[0]
        self.assertEqual((executable, args[1], env, path), (sys.executable, "-I", {}, "/"))
        self.assertEqual(self.process.written, [])
        self.process.say(answer(b""))
        self.assertEqual(self.process.written, [struct.pack("!BI", 1, 4) + b"unit"])
        for octet in answer(b"jpeg"):
            self.process.say(bytes((octet,)))
        self.assertEqual(self.successResultOf(first), b"jpeg")
        second = self.decode(b"x", "H265")
        self.process.say(answer(b"again"))
        self.assertEqual(self.successResultOf(second), b"again")
        self.assertEqual(self.process.written[1][:1], b"\2")
        self.assertEqual(self.decoder.started, 1)

    def test_without_a_filter(self) -> None:
        """A process that could not put its filter up says why; that is warned of once, and pictures come as ever."""
        lines: list[str] = []
        self.patch(self.decoder, "log", SimpleNamespace(warn=lambda text, **more: lines.append(text.format(**more))))
        for _ in range(2):
            asked = self.decode()
            self.process.say(answer(b"no list of system calls for riscv64"))
            self.process.say(answer(b"jpeg"))
            self.assertEqual(self.successResultOf(asked), b"jpeg")
            self.reactor.advance(IDLE)
        self.assertEqual((self.decoder.started, len(lines)), (2, 1))
        self.assertIn("no list of system calls for riscv64", lines[0])

    def test_one_at_a_time(self) -> None:
        """The second keyframe waits for the first."""
        first, second = self.decode(b"1"), self.decode(b"2")
        self.process.say(answer(b""))
        self.assertEqual(len(self.process.written), 1)
        self.process.say(answer(b"one"))
        self.process.say(answer(b"two"))
        self.assertEqual([self.successResultOf(one) for one in (first, second)], [b"one", b"two"])

    def test_refused(self) -> None:
        """What it cannot decode is the device's fault; its words are shown without control characters."""
        asked = self.decode()
        self.process.say(answer(b""))
        self.process.say(answer(b"no\x1b[2J picture\xff", 1))
        problem = str(self.failureResultOf(asked, Malformed).value)
        self.assertIn("the keyframe cannot be decoded: no[2J picture", problem)

    def test_crash(self) -> None:
        """A keyframe of which it dies is the device's fault; the next one gets a new process."""
        asked = self.decode()
        self.process.say(answer(b""))
        self.process.end()
        self.assertIn("the decoder died of the keyframe", str(self.failureResultOf(asked, Malformed).value))
        again = self.decode()
        self.assertEqual(self.decoder.started, 2)
        self.process.say(answer(b""))
        self.process.say(answer(b"jpeg"))
        self.assertEqual(self.successResultOf(again), b"jpeg")

    def test_does_not_start(self) -> None:
        """A process that ends before it is ready is our fault, with its own words."""
        asked = self.decode()
        self.process.protocol.errReceived(b"No module named 'av'")
        self.process.end()
        self.assertIn("No module", str(self.failureResultOf(asked, LocalError).value))

    def test_too_slow(self) -> None:
        """One that takes too long is ended, and the next keyframe does not get its answer."""
        asked = self.decode()
        self.process.say(answer(b""))
        slow = self.process
        self.reactor.advance(TIMEOUT)
        problem = self.failureResultOf(asked, Malformed).value
        self.assertEqual(f"the keyframe was not decoded within {TIMEOUT:g} seconds", str(problem))
        self.assertTrue(slow.ended)

    def test_given_up(self) -> None:
        """Who does not wait ends the process with it, while another keyframe waits for its turn."""
        asked, other = self.decode(b"1"), self.decode(b"2")
        self.process.say(answer(b""))
        asked.addErrback(lambda failure: None)
        asked.cancel()
        self.assertEqual(self.decoder.started, 2)
        self.process.say(answer(b""))
        self.process.say(answer(b"two"))
        self.assertEqual(self.successResultOf(other), b"two")

    def test_too_much(self) -> None:
        """An answer over the bound, or one that nobody asked for, ends it."""
        asked = self.decode()
        self.process.say(answer(b""))
        self.process.say(struct.pack("!BI", 0, MAX_ANSWER + 1))
        self.failureResultOf(asked, Malformed)
        asked = self.decode()
        self.process.say(answer(b""))
        self.process.say(answer(b"jpeg"))
        self.successResultOf(asked)
        self.process.say(answer(b"another"))
        self.assertTrue(self.process.ended)

    def test_not_for_ever(self) -> None:
        """After a number of pictures, or a while without work, the process ends."""
        for _ in range(MAX_PICTURES):
            asked = self.decode()
            if not self.process.written:
                self.process.say(answer(b""))
            self.process.say(answer(b"jpeg"))
            self.successResultOf(asked)
        self.assertEqual((self.decoder.started, self.process.ended), (1, True))
        asked = self.decode()
        self.process.say(answer(b""))
        self.process.say(answer(b"jpeg"))
        self.successResultOf(asked)
        self.reactor.advance(IDLE - 1)
        self.assertFalse(self.process.ended)
        self.reactor.advance(1)
        self.assertTrue(self.process.ended)

    def test_both_sides_agree(self) -> None:
        """The process knows the same codecs, and takes the largest keyframe that is collected."""
        self.assertEqual(set(CODES.values()), set(decoder_child.CODECS))
        self.assertGreater(decoder_child.MAX_INPUT, MAX_UNIT)
