"""Names of the programs that are kept in step, and the choice of the cameras that each holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from unicodedata import normalize

from twisted_detector.model.cameras import Camera
from twisted_detector.model.login_rules import in_networks
from twisted_detector.model.naming import title
from twisted_detector.model.reach import Network

#: A consumer's name: it stands in names of files, of keys on the disk and of metrics.
NAME_OF_CONSUMER = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MAC = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Consumer:
    """One program that is told of cameras.

    :ivar program: ``frigate`` or ``go2rtc``.
    :ivar name: of its table in the configuration file; "" for the one of the plain settings.
    """

    program: str
    name: str = ""

    def destination(self, way: str) -> str:
        """Name of one of its destinations: ``frigate-api``, ``frigate-api.north``."""
        return f"{self.program}-{way}" + (f".{self.name}" if self.name else "")

    def settings(self, *keys: str) -> str:
        """Its settings as people know them: ``FRIGATE_USER and FRIGATE_PASSWORD``, ``[frigate.north] user``."""
        if self.name:
            return f"[{self.program}.{self.name}] {' and '.join(keys)}"
        return " and ".join(f"{self.program}_{key}".upper() for key in keys)


FRIGATE, GO2RTC = Consumer("frigate"), Consumer("go2rtc")


@dataclass(frozen=True, slots=True)
class CameraChoice:
    """Which cameras a consumer holds: by default all.

    :ivar names: ids or names of cameras, or MACs with colons for all cameras of a device; empty: whatever they are
        called.
    :ivar networks: in CIDR notation, where a camera has its address now; empty: wherever it is.
    :ivar areas: where people say that a camera hangs; empty: wherever that is.
    """

    names: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    _names: frozenset[str] = field(init=False, repr=False, compare=False)
    _networks: tuple[Network, ...] = field(init=False, repr=False, compare=False)
    _areas: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Read once: a thousand cameras are judged at every change.
        object.__setattr__(self, "_names", frozenset(map(_folded, self.names)))
        object.__setattr__(self, "_networks", tuple(map(ip_network, self.networks)))
        object.__setattr__(self, "_areas", frozenset(map(_spelt, self.areas)))

    def holds(self, camera: Camera) -> bool:
        """Whether the camera, as it is called and where it is now, is one of them."""
        if self._names and self._names.isdisjoint(_names_of(camera)):
            return False
        if self._areas and _spelt(camera.area) not in self._areas:
            return False
        return not self._networks or in_networks(camera.address, self._networks)

    def names_of(self, camera: Camera) -> frozenset[str]:
        """Those of the names that the camera has, folded."""
        return self._names.intersection(_names_of(camera)) if self._names else self._names

    def others_than(self, known: frozenset[str]) -> tuple[str, ...]:
        """Those of the names that are not among these, which :meth:`names_of` gave."""
        return tuple(name for name in self.names if _folded(name) not in known)


def _spelt(area: str) -> str:
    """An area as it is compared: letters with accents have one spelling, whoever wrote them."""
    return normalize("NFC", area).casefold()


def _folded(name: str) -> str:
    folded = name.casefold()
    return folded.replace("-", ":") if _MAC.fullmatch(folded) else folded


def _names_of(camera: Camera) -> Iterator[str]:
    yield camera.id.casefold()
    yield title(camera).casefold()
    if camera.name:
        yield camera.name.casefold()
    if camera.mac is not None:
        yield camera.mac.text
