"""What the daemon knows goes in as callables; one value by which page and API ask for it comes out.

The web is a hand: it asks through these, and never looks into the registry or the MQTT client itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted_detector.model import Camera
from twisted_detector.seams import IPictures


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom the web asks.

    :ivar node_id: which daemon this is, for the page's title.
    :ivar wall: wall seconds; ``monotonic``: seconds that never jump.
    :ivar cameras: all of them; ``camera``: one by id.
    :ivar document: the public camera object of the contract; no login in it.
    :ivar mqtt: the ``mqtt`` block of the health document; ``discovery``: the ``discovery`` block.
    :ivar ask: the desk; raises RemoteError for what it refuses; ``seated``: whether somebody answers a name.
    :ivar pictures: who has pictures, None while nobody does.
    :ivar metrics: figures for Prometheus, with their media type.
    """

    node_id: str
    version: str
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    cameras: Callable[[], Sequence[Camera]]
    camera: Callable[[str], Camera | None]
    document: Callable[[Camera], dict[str, Any]]
    mqtt: Callable[[], Mapping[str, Any]]
    discovery: Callable[[], Mapping[str, Any]]
    ask: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    seated: Callable[[str], bool]
    pictures: Callable[[], IPictures | None]
    metrics: Callable[[], tuple[bytes, str]]
