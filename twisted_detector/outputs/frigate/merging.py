"""Merger of our cameras, and their streams, into a configuration of Frigate.

Where somebody let a camera of ours read from the go2rtc inside Frigate (``rtsp://127.0.0.1:8554/<camera>``, or
``<camera>_sub``), that path stays, and the address that it leads to in the end goes into ``go2rtc.streams``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted_detector.outputs.sync.merging import merge_section
from twisted_detector.outputs.sync.seams import ALONE, Entries, MergeResult, Sharing

#: Name under which what we wrote of the streams is kept beside the cameras; no camera can be called so.
STREAMS = "go2rtc.streams"
_INSIDE = re.compile(r"rtsp://(?:127\.0\.0\.1|localhost|\[::1\]):8554/([A-Za-z0-9_-]+)(?:[?#].*)?")
_SUB = "_sub"
_SOURCE = re.compile(r"rtsps?://[^/?#]*(?P<path>[/?#].*)?", re.DOTALL)
#: A variable of a login or a path, as a node names it.
_VARIABLE = re.compile(r"\{FRIGATE_(?:LOGIN|PATH)_[0-9A-F]{8}[_}]")


def merge_configuration(
    document: Mapping[str, Any], base: Entries, wanted: Entries, *, sharing: Sharing = ALONE
) -> MergeResult:
    """``document`` with ``wanted`` among its cameras.

    :raises TargetRefused: a section is there and is no table.
    """
    cameras = document.get("cameras")
    there = cameras if isinstance(cameras, Mapping) else {}
    as_led = {name: _led(block, there.get(name), name) for name, block in wanted.items()}
    led_base = {name: _led(one, there.get(name), name) for name, one in base.items() if name != STREAMS}
    merged = merge_section("cameras", document, led_base, as_led, sharing=sharing)
    written = {name: copy.deepcopy(wanted.get(name, base.get(name))) for name in merged.written}
    sources = _sources(merged.document, written)
    old = base.get(STREAMS)
    old = old if isinstance(old, Mapping) else {}
    if not sources and not old:
        return replace(merged, written=written)
    whole = dict(merged.document)
    section = whole.get("go2rtc")
    table = dict(section.get("streams") or {}) if isinstance(section, dict) else {}
    spoken_for = sharing.met - sharing.others
    for name, source in sources.items():
        is_met = name.removesuffix(_SUB) in spoken_for
        table[name] = _stream(table[name], source, old.get(name), is_met=is_met) if name in table else source
    for name, source in old.items():
        if name not in sources and table.get(name) == source and name.removesuffix(_SUB) not in merged.left:
            del table[name]
    if table or isinstance(section, dict):
        whole["go2rtc"] = {**(section if isinstance(section, dict) else {}), "streams": table}
    return replace(merged, document=whole, written={**written, **({STREAMS: sources} if sources else {})})


def stream_inside(path: Any, camera: str) -> str:
    """The stream of the go2rtc inside Frigate that a camera's path leads to, if it is one that we name; else ""."""
    match = _INSIDE.fullmatch(path) if isinstance(path, str) else None
    return match[1] if match is not None and match[1] in (camera, camera + _SUB) else ""


def _led(block: Any, there: Any, camera: str) -> Any:
    """A block of ours with the inputs that stand there, where one of them leads inside: that is meant so."""
    inputs = _inputs(there)
    if not any(stream_inside(one.get("path"), camera) for one in inputs):
        return block
    return {**block, "ffmpeg": {**block["ffmpeg"], "inputs": copy.deepcopy(inputs)}}


def _sources(document: Mapping[str, Any], written: Entries) -> dict[str, str]:
    """By the name of each stream of ours inside Frigate the address that it should have."""
    found: dict[str, str] = {}
    for camera, block in written.items():
        addresses = [one["path"] for one in _inputs(block) if isinstance(one.get("path"), str)]
        for one in _inputs(document["cameras"].get(camera)):
            name = stream_inside(one.get("path"), camera)
            if name and addresses:
                found[name] = addresses[-1] if name.endswith(_SUB) and name != camera else addresses[0]
    return {name: source for name, source in found.items() if not _INSIDE.fullmatch(source)}


def _inputs(block: Any) -> list[dict[str, Any]]:
    ffmpeg = block.get("ffmpeg") if isinstance(block, Mapping) else None
    inputs = ffmpeg.get("inputs") if isinstance(ffmpeg, Mapping) else None
    return [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []


def _stream(theirs: Any, ours: str, base: str | None, *, is_met: bool) -> Any:
    """A stream's source, or the first of its sources, where it is as we left it; what somebody changed stays.

    :param is_met: another node may have left it: that is replaced, too.
    """
    if isinstance(theirs, list) and theirs:
        return [_stream(theirs[0], ours, base, is_met=is_met), *copy.deepcopy(theirs[1:])]
    if is_met:
        return ours if theirs == base or _is_of_a_node(theirs, ours) else theirs
    return ours if theirs == base or (base is None and str(theirs).startswith(("rtsp:", "rtsps:"))) else theirs


def _is_of_a_node(theirs: Any, ours: str) -> bool:
    """Whether a node wrote a source: it has a variable that only nodes name so, or differs from ours by login and host.

    Nodes see one camera at different addresses, and each has its own login for it.
    """
    their, our = (_SOURCE.fullmatch(one) if isinstance(one, str) else None for one in (theirs, ours))
    return their is not None and (
        _VARIABLE.search(their[0]) is not None or (our is not None and their["path"] == our["path"])
    )
