"""Monitor of one stream's media: it ends when the packet or the keyframe that is waited for has come."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from twisted_detector.errors import RemoteError
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtsp.messages import InterleavedFrame

#: A keyframe comes within the first seconds of media: 64 MiB are 50 s of a 4K stream of 10 Mbit/s, and 20 000 packets
#: 20 s of it.
MAX_MEDIA, MAX_PACKETS = 64 * 1024 * 1024, 20_000
#: What to do where no keyframe came.
SHORTER = "; set a shorter interval between keyframes in the device's settings"
ENCRYPTED = "; the device encrypts this stream (SRTP), which is not read here: choose an address of it without that"


class MediaMonitor:
    """Receiver of the media of one stream.

    :param keyframe: wait for a keyframe; else for an RTP packet. Of a codec whose keyframes cannot be told the first
        packet ends the wait: nothing that comes later would show more.
    :param on_first_packet: called once, at the first RTP packet.
    :param encrypted: the description says so (SRTP, RFC 3711); some firmware says it and sends in clear.
    :ivar reason: why what came is not enough yet, for people; ``code`` is the same for programs.
    :ivar advice: what to do about it, where more than waiting can be done.
    """

    def __init__(
        self,
        finder: KeyframeFinder,
        *,
        keyframe: bool,
        on_first_packet: Callable[[], None],
        encrypted: bool = False,
    ) -> None:
        self.reason = self.advice = ""
        self.code = ReasonCode.NONE
        self.channel = 0
        self._arrived = False
        self._way = "over UDP, which the device insists on and a firewall may hold back, "
        self._finder = finder
        self._keyframe = keyframe
        self._encrypted = encrypted
        self._on_first_packet = on_first_packet
        self._bytes = 0
        self._packets = 0
        self._done: Deferred[None] = Deferred()

    def interleaved(self, channel: int) -> None:
        """The media come over TCP, on this channel as the device says."""
        self.channel, self._way = channel, ""
        self._finder.nothing_is_lost()

    def receive(self, frame: InterleavedFrame) -> None:
        """Take the next interleaved frame; those of other channels and broken packets are ignored.

        No other media were set up, so until any come on their channel, those with the video's payload type are its on
        whichever they come: some firmware counts channels otherwise than it says.
        """
        self._bytes += len(frame.data)
        self._packets += 1
        if self._bytes > MAX_MEDIA or self._packets > MAX_PACKETS:
            code = ReasonCode.NO_KEYFRAME if self._finder.packets else ReasonCode.NO_RTP
            bound = f"{MAX_MEDIA // 1_048_576} MiB" if self._bytes > MAX_MEDIA else f"{MAX_PACKETS} packets"
            missing = "keyframe" if self._finder.packets else "RTP packet of the video"
            self.finish(f"no {missing} within {bound} of media", code)
        right = frame.channel == self.channel
        if self._done.called or (self._arrived and not right):
            return
        try:
            packet = rtp.parse(frame.data)
        except RemoteError:
            return
        before = self._finder.packets
        if not right and packet.payload_type not in self._finder.own:
            return
        found = self._finder.packet(packet)
        self._arrived = self._arrived or (right and self._finder.packets > before)
        if not before and self._finder.packets:
            self.reason, self.code = "RTP packets came, but no keyframe", ReasonCode.NO_KEYFRAME
            self.advice = ENCRYPTED if self._encrypted else SHORTER
            if not self._finder.codec:
                self.reason = "RTP packets came of a codec that has no name, but no keyframe of H.264 or H.265"
                self.code = ReasonCode.UNKNOWN_CODEC
            self._on_first_packet()
            if self._keyframe and not self._finder.decidable:
                self.finish(_unknown(self._finder.codec), ReasonCode.UNKNOWN_CODEC)
        if self._finder.lacks_parameters and self._finder.codec and not self._done.called:
            self.reason, self.advice = "keyframes came, but nothing that tells how to decode them", ""
            self.code = ReasonCode.NO_PARAMETERS
        if found or (self._finder.packets and not self._keyframe):
            self.finish("")

    @property
    def finished(self) -> bool:
        """Whether enough came, or :meth:`finish` was called."""
        return self._done.called

    def finish(self, reason: str, code: ReasonCode = ReasonCode.NONE) -> None:
        """Stop waiting; ``reason`` says why, "" when enough came."""
        if not self._done.called:
            self.reason, self.code, self.advice = reason, code, ""
            self._done.callback(None)

    async def wait(self) -> None:
        """Wait, after the response to PLAY, until enough came or :meth:`finish` was called; without a time limit."""
        if not self._done.called and not self.reason:
            self.reason, self.code = f"PLAY was answered, but {self._way}no RTP packet came", ReasonCode.NO_RTP
        await self._done


def _unknown(codec: str) -> str:
    return (
        f"it sends media, but whether there are pictures in its {codec} cannot be judged here: other players may show"
        " it; to have it proved, choose H.264, H.265, MJPEG or MPEG-4 in its settings"
    )
