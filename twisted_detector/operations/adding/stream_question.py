"""Question to an RTSP server whether it has a stream at one path: without a login, over a connection of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from twisted_detector.errors import Busy, InspectionError, Malformed, Unauthorized
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.client import ACCEPT_SDP, RtspClient
from twisted_detector.inspection.rtsp.connection import (
    RtspConnect,
    RtspConnectionClosed,
    RtspEndpoint,
    RtspTimeouts,
)
from twisted_detector.inspection.rtsp.description import DescribeRefusal, read_description, request_url
from twisted_detector.model.addresses import masked
from twisted_detector.model.decisions import StreamAddress
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtsp.url import split_url

#: Seconds for the connection, and for the answer: a person waits.
PATIENCE = 4.0


class Finding(Enum):
    """What a server said to the question."""

    THERE = auto()  #: it describes the stream, or wants a login before it tells
    NOT_THERE = auto()  #: it refuses that path
    NOT_RTSP = auto()  #: something else listens there
    SILENT = auto()  #: no connection, or no answer


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """The finding, in words."""

    finding: Finding
    text: str
    wants_login: bool = False


#: Asks the device at an address.
AskStream = Callable[[str, StreamAddress], Awaitable[StreamAnswer]]


class StreamQuestion:
    """Asker for one path.

    :param connect: opens connections.
    :param locks: shared with everything else that speaks RTSP with the same devices.
    """

    def __init__(self, connect: RtspConnect, locks: DeviceLocks) -> None:
        self._connect = connect
        self._locks = locks

    async def ask(self, address: str, stream: StreamAddress) -> StreamAnswer:
        """Ask the device at ``address`` for a stream."""
        client = RtspClient(
            self._connect,
            RtspEndpoint(address, stream.port, tls=stream.scheme == "rtsps"),
            timeouts=RtspTimeouts(PATIENCE, response=PATIENCE),
        )
        url = request_url(split_url(stream.url(address)))
        shown = masked(stream.target)
        async with self._locks.acquire(address):
            try:
                response = await client.request_without_login("DESCRIBE", url, ACCEPT_SDP)
            except (Malformed, RtspConnectionClosed) as error:
                return StreamAnswer(
                    Finding.NOT_RTSP, f"what listens at port {stream.port} does not speak RTSP: {error}"
                )
            except Unauthorized as error:  # it says that it locks
                return StreamAnswer(Finding.THERE, str(error), wants_login=True)
            except InspectionError as error:
                return StreamAnswer(Finding.SILENT, f"port {stream.port} does not answer: {error}")
            finally:
                client.close()
        if response.status == 401:
            return StreamAnswer(Finding.THERE, f"the server needs a login for {shown}", wants_login=True)
        try:
            described = read_description(response)
        except Busy as error:
            return StreamAnswer(Finding.THERE, str(error))
        except DescribeRefusal as refusal:
            if refusal.code is ReasonCode.REDIRECTED:
                return StreamAnswer(Finding.THERE, f"the server has {shown} at another path")
            if refusal.code is ReasonCode.NOT_FOUND:
                text = f"the camera has no stream at {shown} ({response.status}): check the path"
                return StreamAnswer(Finding.NOT_THERE, text)
            return StreamAnswer(Finding.NOT_THERE, f"the camera shows no stream at {shown}: {refusal}")
        size = f" {described.width}x{described.height}" if described.width else ""
        return StreamAnswer(Finding.THERE, f"the server has a stream at {shown}: {described.codec}{size}")
