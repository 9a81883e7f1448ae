"""``camdetect show``: all that is known of one camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.cameras import as_json, elsewhere, known_cameras, whereabouts_of
from twisted_detector.cli.screen import cell, pairs, screen, status_cell, table
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.errors import LocalError
from twisted_detector.model import Camera
from twisted_detector.model.encoding import rfc3339


def matching(cameras: Sequence[Camera], word: str) -> list[Camera]:
    """The cameras with that id (or MAC, as people write it), else all at that address, else all of that name.

    The name is the camera's own, or the one that a person gave it.
    """
    compact = word.lower().replace(":", "").replace("-", "")
    by_id = [one for one in cameras if one.id in (word, compact)]
    by_address = [one for one in cameras if one.address == word]
    name = word.lower()
    return by_id or by_address or [one for one in cameras if name in (one.name.lower(), one.given_name.lower())]


@subcommand("show")
def show(reactor: Any, directory: Path, word: str, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write what is known of one camera to ``out``; exit status 1 when there is none, or the store cannot be read."""
    found = matching(known_cameras(reactor, directory), word)
    if not found:
        raise LocalError(f"no camera has that id, address or name: {word!r}; `camdetect list` shows them all")
    if use_json:
        out.write(as_json(found) + "\n")
        return 0
    console = screen(out)
    for camera in found:
        _show(camera, console, elsewhere(whereabouts_of(directory, camera.id), camera.id))
    return 0


def _whole(text: str) -> Any:
    """A cell that is not cut: the end of a reason may be the part that matters."""
    return cell(text, limit=None)


def _stamp(at: float) -> str:
    return rfc3339(at) if at else ""


def _show(camera: Camera, console: Any, sites: Sequence[str]) -> None:
    console.print(cell(camera.called or camera.id, "bold"))
    console.print(
        pairs(
            (
                ("id", camera.id),
                ("status", status_cell(camera.status.value)),
                ("reason", _whole(camera.reason) if camera.reason else ""),
                ("since", _stamp(camera.since)),
                ("address", camera.address),
                ("MAC", camera.mac.text if camera.mac else ""),
                ("maker", camera.manufacturer),
                ("model", camera.model),
                ("firmware", camera.firmware_version),
                ("serial number", camera.serial_number),
                ("channel", camera.channel if camera.channel > 1 else ""),
                ("ONVIF", camera.onvif_url),
                ("page", camera.http_url),
                ("adopted", camera.adopted.value),
                ("sites", _whole("; ".join(sites)) if sites else ""),
                ("can", ", ".join(camera.capabilities)),
                ("seen by", ", ".join(camera.methods)),
                ("first seen", _stamp(camera.first_seen)),
                ("last seen", _stamp(camera.last_seen)),
                ("last proved", _stamp(camera.last_validated)),
            )
        )
    )
    if camera.streams:
        console.print()
        console.print(
            table(
                ("STREAM", "CODEC", "SIZE", "FPS", "AUDIO", "PROVED", "WHY NOT", "URL"),
                (
                    (
                        cell(stream.name),
                        cell(stream.codec),
                        cell(f"{stream.width}x{stream.height}" if stream.width else ""),
                        cell(f"{stream.fps:g}" if stream.fps else ""),
                        cell(stream.audio),
                        cell(stream.proof.value, "green" if stream.validated else "yellow"),
                        _whole(stream.reason),
                        _whole(stream.url),
                    )
                    for stream in camera.streams
                ),
            )
        )
    if len(camera.ip_history) > 1:
        moves = [(cell(_stamp(at)), cell(address)) for address, at in camera.ip_history]
        console.print(table(("SINCE", "ADDRESS"), moves))
    if camera.evidence:
        evidence = [
            (cell(one.kind), cell(one.value), cell(one.source), cell(_stamp(one.seen_at))) for one in camera.evidence
        ]
        console.print(table(("EVIDENCE", "VALUE", "SAID BY", "AT"), evidence))
