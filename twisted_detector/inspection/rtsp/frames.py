"""Interleaved frames of one stream go in; "enough was seen" comes out."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from twisted_detector.errors import RemoteError
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtsp import parser as rtsp

#: A keyframe comes within the first seconds of media: 64 MiB are 50 s of a 4K stream of 10 Mbit/s.
MAX_MEDIA = 64 * 1024 * 1024


class FrameWatch:
    """Looks at the media of one stream until a packet, or a keyframe, has come.

    :param keyframe: wait for a keyframe, where the codec lets us tell one.
    :param saw_packet: is called once, at the first RTP packet.
    :ivar reason: why it is not enough yet, in plain words; ``code`` is the same for programs.
    """

    def __init__(self, finder: KeyframeFinder, *, keyframe: bool, saw_packet: Callable[[], None]) -> None:
        self.reason = ""
        self.code = ReasonCode.NONE
        self.channel = 0
        self._finder = finder
        self._keyframe = keyframe and finder.decidable
        self._saw_packet = saw_packet
        self._bytes = 0
        self._over: Deferred[None] = Deferred()

    def frame(self, frame: rtsp.Interleaved) -> None:
        """Take the next interleaved frame; those of other channels and broken packets are passed over."""
        self._bytes += len(frame.data)
        if self._bytes > MAX_MEDIA:
            code = ReasonCode.NO_KEYFRAME if self._finder.packets else ReasonCode.NO_RTP
            self.end(f"no keyframe within {MAX_MEDIA // 1_048_576} MiB of media", code)
        if frame.channel != self.channel or self._over.called:
            return
        try:
            packet = rtp.parse(frame.data)
        except RemoteError:
            return
        before = self._finder.packets
        found = self._finder.packet(packet)
        if not before and self._finder.packets:
            self.reason, self.code = "RTP packets came, but no keyframe", ReasonCode.NO_KEYFRAME
            self._saw_packet()
        if self._finder.lacks_parameters:
            self.reason = "keyframes came, but nothing that tells how to decode them"
            self.code = ReasonCode.NO_PARAMETERS
        if found or (self._finder.packets and not self._keyframe):
            self.end("")

    @property
    def over(self) -> bool:
        """Whether enough was seen, or :meth:`end` was called."""
        return self._over.called

    def end(self, reason: str, code: ReasonCode = ReasonCode.NONE) -> None:
        """Nothing more comes; ``reason`` says why, "" when enough was seen."""
        if not self._over.called:
            self.reason, self.code = reason, code
            self._over.callback(None)

    async def wait(self) -> None:
        """PLAY was answered: until enough was seen or :meth:`end` was called. Without a time limit: cancel it."""
        if not self._over.called and not self.reason:
            self.reason, self.code = "PLAY was answered, but no RTP packet came", ReasonCode.NO_RTP
        await self._over
