"""Facade of the daemon for the page and the API, which never use the registry or the MQTT client themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted_detector.model import Camera
from twisted_detector.seams import IHistory, IPictures


@dataclass(frozen=True, slots=True)
class DaemonFacade:
    """The daemon as callables.

    :ivar node_id: which daemon this is, for the page's title.
    :ivar cameras: all of them; ``camera``: one by id.
    :ivar document: the public camera object of the contract; no login in it.
    :ivar wall: seconds of the wall's clock.
    :ivar mqtt: the ``mqtt`` block of the health document; ``discovery``: the ``discovery`` block.
    :ivar dispatch: gives an operator's request to its handler; raises RemoteError for what is refused; ``handles``:
        whether a request of that name has a handler.
    :ivar pictures: the pictures of cameras, None where none are taken.
    :ivar history: the cameras' states in the past, None where it is not kept.
    :ivar metrics: figures for Prometheus, with their media type.
    """

    node_id: str
    version: str
    cameras: Callable[[], Sequence[Camera]]
    camera: Callable[[str], Camera | None]
    document: Callable[[Camera], dict[str, Any]]
    wall: Callable[[], float]
    mqtt: Callable[[], Mapping[str, Any]]
    discovery: Callable[[], Mapping[str, Any]]
    dispatch: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    handles: Callable[[str], bool]
    pictures: IPictures | None
    history: IHistory | None
    metrics: Callable[[], tuple[bytes, str]]
