"""Decoder of keyframes to JPEG, and of pictures to smaller ones, in a child process that may do nothing else.

The bytes are hostile and the decoder is native: it runs in a process of its own (``decoder_child.py``), one picture at
a time, and is started anew after a crash, a time-out, a number of pictures, or a while without work. Where the kernel
lets it, a filter of system calls stands around it; where not, that is said once in the log. It needs the extra
``[decode]``.
"""

from __future__ import annotations

import struct
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, TimeoutError as DeferredTimeout
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.errors import LocalError, Malformed

CHILD = Path(__file__).with_name("decoder_child.py")
#: As in the child: what comes in decides what comes out, a picture of up to 1280 pixels or a thumbnail.
CODES = {"H264": 1, "H265": 2, "JPEG": 3}
#: What the child takes, in bytes.
MAX_INPUT = 5 * 1024 * 1024
#: Seconds for one picture, the start of the process (0.3 s) with it; an 8K keyframe takes about one.
TIMEOUT = 10.0
#: Seconds without work after which the process ends: it holds some 60 MB.
IDLE = 60.0
#: Pictures of one process: whatever one of them did to it does not last.
MAX_PICTURES = 64
#: Of one answer: a JPEG of 1280 x 1280 at its best has below 1 MB.
MAX_ANSWER = 4 * 1024 * 1024
_HEAD = struct.Struct("!BI")


def available() -> bool:
    """Whether the extra ``[decode]`` is installed; it is not loaded for that."""
    return find_spec("av") is not None


class _Child(ProcessProtocol):
    """The parent's end of one process."""

    transport: Any

    def __init__(self) -> None:
        self.ready: Deferred[bytes] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.alive = True
        self.pictures = 0
        self.stderr = b""
        self._waiting: Deferred[bytes] | None = self.ready
        self._buffer = bytearray()

    def decode(self, codec: int, data: bytes) -> Deferred[bytes]:
        """Send one keyframe; fires with the JPEG, or fails with Malformed."""
        self.pictures += 1
        answer: Deferred[bytes] = Deferred()
        self._waiting = answer
        self.transport.write(_HEAD.pack(codec, len(data)) + data)
        return answer

    def outReceived(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < _HEAD.size:
            return
        status, length = _HEAD.unpack_from(self._buffer)
        if length > MAX_ANSWER or self._waiting is None:
            self.kill()
        elif len(self._buffer) >= _HEAD.size + length:
            content = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            self._buffer.clear()
            waiting, self._waiting = self._waiting, None
            if status:
                shown = "".join(one for one in content.decode("ascii", "replace") if one.isprintable())
                waiting.errback(Malformed("the keyframe cannot be decoded", shown=shown))
            else:
                waiting.callback(content)

    def errReceived(self, data: bytes) -> None:
        self.stderr = (self.stderr + data)[-500:]

    def processEnded(self, reason: Failure) -> None:
        self.alive = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            problem: Exception = Malformed("the decoder died of the keyframe", shown=str(reason.value))
            if waiting is self.ready:
                problem = LocalError("the decoder does not start", shown=self.stderr.decode("utf-8", "replace"))
            waiting.errback(problem)
        self.ended.callback(None)

    def kill(self) -> None:
        """End the process at once; its output is ignored from now on."""
        self.alive = False
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return


class Decoder:
    """Decoder of one keyframe at a time.

    :param reactor: spawns the process and measures time-outs.
    :ivar started: how many processes were started.
    """

    log = make_logger()

    def __init__(self, reactor: Any) -> None:
        self.started = 0
        self._warned = False
        self._reactor = reactor
        self._lock = DeferredLock()
        self._child: _Child | None = None
        self._idle: IDelayedCall | None = None

    async def decode(self, codec: str, data: bytes) -> bytes:
        """The JPEG of one keyframe (see :mod:`wire.rtp.keyframe`), at most 1280 pixels wide and high; of a JPEG its
        thumbnail.

        :raises Malformed: it cannot be decoded.
        :raises LocalError: the decoder does not start.
        """
        if len(data) > MAX_INPUT:
            raise Malformed("the picture is too large to be decoded")
        async with self._lock:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            work = Deferred.fromCoroutine(self._decode(CODES[codec], data))
            try:
                return await work.addTimeout(TIMEOUT, self._reactor)
            except (DeferredTimeout, CancelledError) as error:
                self._end()  # its present work would be taken for the answer to the next request
                if isinstance(error, CancelledError):
                    raise
                raise Malformed(f"the keyframe was not decoded within {TIMEOUT:g} seconds") from None
            finally:
                if self._child is not None:
                    if self._child.alive and self._child.pictures < MAX_PICTURES:
                        self._idle = self._reactor.callLater(IDLE, self._end_idle)
                    else:
                        self._end()

    async def _decode(self, codec: int, data: bytes) -> bytes:
        if self._child is None or not self._child.alive:
            self._child = _Child()
            self.started += 1
            # Isolated: no variable, no folder of the user decides what it loads.
            self._reactor.spawnProcess(
                self._child, sys.executable, [sys.executable, "-I", "-B", str(CHILD)], env={}, path="/"
            )
            self._warn_once((await self._child.ready).decode("ascii", "replace"))
        return await self._child.decode(codec, data)

    def _warn_once(self, remark: str) -> None:
        """Say that the decoder runs with fewer bounds than elsewhere; ``remark``: its reason, "" when all is well."""
        if remark and not self._warned:
            self._warned = True
            self.log.warn(
                "Pictures are decoded without a filter of system calls ({remark}): keep this machine's software up to "
                "date, or leave the extra [decode] out; its other bounds hold",
                remark=remark,
            )

    def _end_idle(self) -> None:
        self._idle = None
        self._end()

    def _end(self) -> Deferred[None] | None:
        child, self._child = self._child, None
        if child is None:
            return None
        child.kill()
        return child.ended

    async def stop(self) -> None:
        """End the process; returns when it has ended."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        ended = self._end()
        if ended is not None:
            await ended
