"""What people decide about cameras and sites, on the page, over MQTT, by the command line or in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from zlib import crc32

from twisted_detector.model.addresses import host_for_url
from twisted_detector.model.cameras import MAIN, SUB, Stream
from twisted_detector.model.logins import Login
from twisted_detector.model.reach import Network

#: Source of a value that a person gave on the page, by the command line or over MQTT.
PAGE = "page"


class Verdict(StrEnum):
    """Whether a person lets a device in. Files carry the value; it never changes its meaning."""

    ADOPTED = "yes"
    UNADOPTED = "no"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Address of a stream on a camera, whatever address the camera has: scheme, port, path with query.

    :ivar scheme: ``rtsp`` or ``rtsps``.
    :ivar target: path and query as they are requested, beginning with ``/``.
    """

    scheme: str
    port: int
    target: str

    def url(self, address: str) -> str:
        """The stream's URL on the camera at ``address``, without a login."""
        return f"{self.scheme}://{host_for_url(address)}:{self.port}{self.target}"


@dataclass(frozen=True, slots=True)
class OwnStreams:
    """The streams that a person gave for one camera, each None where it is left to camdetect."""

    main: StreamAddress | None = None
    sub: StreamAddress | None = None

    def __bool__(self) -> bool:
        return self.main is not None or self.sub is not None

    def urls(self, address: str) -> tuple[str, ...]:
        """The URLs at ``address``, the main stream's first; none where that one is left to camdetect."""
        if self.main is None:
            return ()
        return tuple(one.url(address) for one in (self.main, self.sub) if one is not None)

    def replace_in(self, found: Sequence[Stream], address: str, source: str) -> tuple[Stream, ...]:
        """The streams of the camera: these, and of those that were ``found`` what they leave.

        The main one takes the place of the largest that was found, the sub one that of all the others.
        """
        largest = max(found, key=lambda one: one.width * one.height, default=None)
        others = [one for one in found if one is not largest]
        first, rest = ([largest] if largest is not None else []), others
        if self.main is not None:
            first = [Stream(self.main.url(address), MAIN, source=source, own=True)]
        if self.sub is not None:
            rest = [Stream(self.sub.url(address), SUB, source=source, own=True)]
        streams: dict[str, Stream] = {}
        for one in (*first, *rest):
            streams.setdefault(one.url, one)
        return tuple(streams.values())


NOT_GIVEN = OwnStreams()


@dataclass(frozen=True, slots=True)
class Description:
    """What a person calls a camera; "" for what was not given.

    :ivar area: where it hangs; Home Assistant's suggested area.
    """

    name: str = ""
    area: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CameraDecisions:
    """What a person decided about one camera; everything may be left to camdetect.

    :ivar verdict: whether its device is let in; of the first camera of a device.
    :ivar login: for its device alone, and only while that is adopted.
    :ivar main: the stream to be used; ``sub``: the smaller one beside it.
    :ivar network: the one that it is expected on.
    """

    description: Description = Description()
    verdict: Verdict | None = None
    login: Login | None = None
    main: StreamAddress | None = None
    sub: StreamAddress | None = None
    network: Network | None = None

    @property
    def streams(self) -> OwnStreams:
        """The streams that were given."""
        return OwnStreams(self.main, self.sub)

    @property
    def version(self) -> int:
        """Number by which a change is noticed: equal decisions have the same. 0: nothing is decided.

        It is shown, so nothing of a password is in it.
        """
        if self == NOTHING_DECIDED:
            return 0
        user = self.login.name if self.login is not None else None
        return crc32(repr(replace(self, login=None)).encode("utf-8", "replace") + repr(user).encode()) or 1


NOTHING_DECIDED = CameraDecisions()


def device_of(camera_id: str) -> str:
    """The id of a camera's device, without the number of the channel: those of a recorder are one device."""
    return camera_id.partition("_")[0]


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions.

    :ivar cameras: by camera id.
    :ivar networks: to be searched besides SCAN_NETWORKS.
    :ivar logins: for a network, a manufacturer or all; for one camera: :attr:`CameraDecisions.login`.
    :ivar settings: values of settings by name (``MQTT_BROKER``), as texts.
    """

    cameras: Mapping[str, CameraDecisions] = field(default_factory=lambda: MappingProxyType({}))
    networks: tuple[Network, ...] = ()
    logins: tuple[Login, ...] = ()
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def of(self, camera_id: str) -> CameraDecisions:
        """What was decided about one camera."""
        return self.cameras.get(camera_id, NOTHING_DECIDED)
