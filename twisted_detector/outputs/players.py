"""Addresses of the pages on which Frigate and go2rtc show a camera live."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from twisted_detector.model import Camera
from twisted_detector.model.consumers import Consumer
from twisted_detector.outputs.stream_choice import choose_streams, consumer_name

#: What every browser plays: of H.265 many play nothing.
_PLAYS_EVERYWHERE = "H264"


@dataclass(frozen=True, slots=True)
class Player:
    """Page that shows one camera live.

    :ivar url: of a program that the operator configured, at the configured place.
    """

    consumer: Consumer
    url: str


def go2rtc_player(base: str, camera: Camera, prefix: str) -> str:
    """The URL of go2rtc's player (``stream.html``) for a camera; "" where no stream of it can be held there.

    The main stream, or the other where only that one can be played in every browser.
    """
    choice = choose_streams(camera)
    if choice is None:
        return ""
    playable = {stream.codec.upper() == _PLAYS_EVERYWHERE: stream for stream in (choice.sub, choice.main)}
    shown = playable.get(True, choice.main)
    name = f"{prefix}{consumer_name(camera.id)}" + ("" if shown is choice.main else "_sub")
    return f"{base}/stream.html?src={quote(name, safe='')}"


def frigate_player(base: str, camera: Camera) -> str:
    """The URL of Frigate's live view of one camera: since 0.14 its name stands behind the ``#``.

    Its go2rtc has the cameras that a person restreams there and no others, so its player pages would be empty.
    """
    return f"{base}/#{quote(consumer_name(camera.id), safe='')}"
