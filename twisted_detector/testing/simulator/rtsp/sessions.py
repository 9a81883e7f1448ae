"""The RTSP service of one camera: its streams and sessions, shared by all connections."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from twisted_detector.testing.simulator.access import SimulatedAccess
from twisted_detector.testing.simulator.camera import CameraSpec, StreamSpec
from twisted_detector.testing.simulator.rtsp.channels import InterleavedChannel, UdpChannel
from twisted_detector.testing.simulator.rtsp.description import TRACK
from twisted_detector.testing.simulator.rtsp.sender import RtpSender
from twisted_detector.wire.rtsp.url import split_url

#: Sessions of one camera at once: real ones have 4 to 20; more are answered with 453.
MAX_SESSIONS = 8


@dataclass(eq=False)
class StreamSession:
    """One client's session on one stream: from SETUP to TEARDOWN."""

    id: str
    stream: StreamSpec
    sender: RtpSender
    channel: InterleavedChannel | UdpChannel

    def end(self) -> Deferred[None]:
        """Stop sending and close the ports; fires when they are closed."""
        self.sender.stop()
        return self.channel.close()


class RtspService:
    """State that all RTSP connections of one camera share.

    :ivar sessions: those that are set up now.
    :ivar requests: requests of each method, for tests.
    """

    def __init__(self, spec: CameraSpec, access: SimulatedAccess, *, reactor: Any, random: Random) -> None:
        self.spec = spec
        self.access = access
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
