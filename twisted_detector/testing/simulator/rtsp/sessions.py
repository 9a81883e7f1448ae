"""A camera's streams and who watches them: what all of its RTSP connections share."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from twisted_detector.testing.simulator.access import SimulatedAccess
from twisted_detector.testing.simulator.camera import CameraSpec, StreamSpec
from twisted_detector.testing.simulator.rtsp.channels import InterleavedChannel, UdpChannel
from twisted_detector.testing.simulator.rtsp.description import TRACK
from twisted_detector.testing.simulator.rtsp.sender import RtpSender
from twisted_detector.wire.rtsp.parser import split_url

#: Sessions of one camera at once: real ones have 4 to 20; more are answered with 453.
MAX_SESSIONS = 8


class StreamSession:
    """One client's session on one stream: from SETUP to TEARDOWN."""

    def __init__(
        self, name: str, stream: StreamSpec, sender: RtpSender, channel: InterleavedChannel | UdpChannel
    ) -> None:
        self.id = name
        self.stream = stream
        self.sender = sender
        self.channel = channel

    def end(self) -> Deferred[None]:
        """Stop sending and close the ports; fires when they are closed."""
        self.sender.stop()
        return self.channel.close()


class RtspService:
    """What all RTSP connections of one camera share.

    :ivar sessions: those that are set up now.
    :ivar requests: how often each method was asked, for tests.
    """

    def __init__(self, spec: CameraSpec, guard: SimulatedAccess, *, reactor: Any, random: Random) -> None:
        self.spec = spec
        self.guard = guard
        self.reactor = reactor
        self.random = random
        self.sessions: set[StreamSession] = set()
        self.requests: dict[str, int] = {}

    def stream_of(self, url: str) -> StreamSpec | None:
        """The stream that a URL means, or one of its tracks; None when there is none at that path.

        :raises RemoteError: not an RTSP URL.
        """
        path = split_url(url).target.rstrip("/").removesuffix(TRACK).rstrip("/")
        return next((stream for stream in self.spec.streams if stream.path.rstrip("/") == path), None)
