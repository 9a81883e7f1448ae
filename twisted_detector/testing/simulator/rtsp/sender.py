"""Sender of a clip in real time: RTP packets with RTCP sender reports.

RFC 3550 (RTP, RTCP) and RFC 6184 (H.264 payload). The clip is played in a circle; timestamps and
sequence numbers run on.
"""

from __future__ import annotations

from random import Random
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.testing.simulator.media.clip import Clip
from twisted_detector.testing.simulator.wire.rtp import format_packet, goodbye, packetize, sender_report
from twisted_detector.wire.rtp.packets import RtpPacket

#: RTP clock of every video payload (RFC 6184, 8.2.1).
CLOCK_RATE = 90_000
#: First dynamic payload type (RFC 3551, table 5), what nearly every camera uses.
PAYLOAD_TYPE = 96
#: Bytes of one RTP payload: with RTP, UDP and IPv6 headers it stays below an Ethernet frame's 1500.
MTU = 1400
#: Seconds between sender reports: the least that RFC 3550, 6.2 recommends.
REPORT_SECONDS = 5.0
#: Variants of each keyframe; a live camera never sends the same twice.
_NOISE = 256
#: Pictures sent at once after a delay of the machine; beyond that the stream goes on from now, as a live one does.
MAX_CATCH_UP = 15


class Channel(Protocol):
    """Where the packets go: an interleaved TCP connection or a pair of UDP ports."""

    @property
    def ready(self) -> bool:
        """False while its buffer is full; pictures are left out until then."""

    def rtp(self, packet: bytes) -> None:
        """Send one RTP packet."""

    def rtcp(self, packet: bytes) -> None:
        """Send one RTCP compound packet."""


class RtpSender:
    """Sender of one stream to one client.

    :param frozen: the first keyframe again and again, as when the encoder's source hangs.
    :ivar sequence: sequence number of the next packet.
    :ivar timestamp: RTP time of the next picture.
    :ivar pictures: pictures sent. Those for which the channel was full are left out, without a gap in the numbers.
    """

    def __init__(
        self, clip: Clip, channel: Channel, *, clock: IReactorTime, random: Random, cname: str, frozen: bool = False
    ) -> None:
        self.ssrc = random.getrandbits(32)
        self.sequence = random.getrandbits(16)
        self.timestamp = random.getrandbits(32)
        self.pictures = 0
        self._packets = 0
        self._octets = 0
        self._random = random
        self._frozen = frozen
        self._clip = clip
        self._channel = channel
        self._clock = clock
        self._cname = cname
        self._position = 0
        self._due = 0.0
        self._next_report = 0.0
        self._needs_keyframe = True
        self._call: IDelayedCall | None = None

    @property
    def playing(self) -> bool:
        return self._call is not None

    def play(self) -> None:
        """Go on where it was paused, or begin; nothing when it plays already."""
        if self._call is None:
            self._due = self._next_report = self._clock.seconds()
            self._call = self._clock.callLater(0, self._tick)

    def pause(self) -> None:
        """Send no more until :meth:`play`."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def stop(self) -> None:
        """Send no more, and RTCP BYE if anything was sent."""
        self.pause()
        if self._packets:
            self._channel.rtcp(goodbye(self.ssrc, cname=self._cname))

    def _tick(self) -> None:
        now = self._clock.seconds()
        period = 1 / self._clip.fps
        if not 0 <= now - self._due <= MAX_CATCH_UP * period:
            self._due = now  # the clock jumped, or we were away: do not flood, and do not wait for ever
        while self._due <= now:
            self._send_picture(now)
            self._due += period
        self._call = self._clock.callLater(self._due - now, self._tick)

    def _send_picture(self, now: float) -> None:
        unit = self._clip.units[self._position]
        if not self._frozen:
            self._position = (self._position + 1) % len(self._clip.units)
        self._needs_keyframe = self._needs_keyframe or not self._channel.ready
        if not self._needs_keyframe or (unit.keyframe and self._channel.ready):
            self._needs_keyframe = False
            self.pictures += 1
            if now >= self._next_report:
                self._report(now)
            nals = unit.nals if self._frozen or not unit.keyframe else (*unit.nals[:-1], self._noisy(unit.nals[-1]))
            payloads = [payload for nal in nals for payload in packetize(nal, MTU)]
            for payload in payloads:
                self._send(payload, marker=payload is payloads[-1])
        self.timestamp = (self.timestamp + round(CLOCK_RATE / self._clip.fps)) & 0xFFFFFFFF

    def _noisy(self, nal: bytes) -> bytes:
        """A keyframe as a live sensor would give it: its bytes differ each time, though it shows the same.

        A slice may be followed by any number of ``cabac_zero_words`` (H.264 section 7.3.2.10), escaped.
        """
        return nal + b"\0\0\3" * self._random.randrange(_NOISE)

    def _send(self, payload: bytes, *, marker: bool) -> None:
        packet = RtpPacket(
            payload_type=PAYLOAD_TYPE,
            sequence=self.sequence,
            timestamp=self.timestamp,
            ssrc=self.ssrc,
            marker=marker,
            payload=payload,
        )
        self._channel.rtp(format_packet(packet))
        self.sequence = (self.sequence + 1) & 0xFFFF
        self._packets += 1
        self._octets += len(payload)

    def _report(self, now: float) -> None:
        self._next_report = now + REPORT_SECONDS
        self._channel.rtcp(
            sender_report(
                self.ssrc,
                seconds=now,
                timestamp=self.timestamp,
                packets=self._packets,
                octets=self._octets,
                cname=self._cname,
            )
        )
