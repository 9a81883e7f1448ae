"""The text of a configuration and our part of it go in; the text as it should be comes out. YAML or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted_detector.outputs.sync.seams import Delivered, Differ, Entries, Merge, Merged, NotTaken

#: Bytes of one configuration: Frigate's of 1000 cameras has 1 MB.
MAX_DOCUMENT = 8 * 1024 * 1024
#: Names that are listed in a remark.
_MAX_NAMES = 5


def _read_json(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        raise NotTaken("it is no JSON") from None
    if not isinstance(values, dict):
        raise NotTaken("it is no table at its top")
    return values


def apply(text: str, *, yaml: bool, merge: Merge, base: Entries, wanted: Entries) -> tuple[str, Merged]:
    """The text with our entries in it; the same text when they are there already.

    :raises NotTaken: the text is not what it should be, or cannot be changed without touching what is not ours.
    """
    if not yaml:
        values = _read_json(text)
        merged = merge(values, base, wanted)
        if merged.document == values and text:
            return text, merged
        return json.dumps(merged.document, indent=2, ensure_ascii=False) + "\n", merged
    # It costs as much as the rest of the daemon's start; only who has YAML to change needs it.
    from twisted_detector.outputs.sync import yaml_edit

    document = yaml_edit.Document(text)
    merged = merge(document.values, base, wanted)
    return document.saying(dict(merged.document)), merged


def outcome(name: str, before: str, after: str, merged: Merged, differ: Differ, *, dry: bool) -> Delivered:
    """What a delivery of ``after`` came to, or would come to."""
    return Delivered(
        written=merged.written,
        changed=before != after,
        remark=remark(merged),
        diff=tuple(differ(name, before, after)) if dry else (),
    )


def remark(merged: Merged) -> str:
    """What a person should know of a merge."""
    told = []
    if merged.foreign:
        told.append(f"{_some(merged.foreign)} is there and not ours: left alone")
    if merged.kept:
        told.append(f"changed by hand and left so: {_some(merged.kept)}")
    return "; ".join(told)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def is_yaml(name: str) -> bool:
    """Whether a file of this name holds YAML."""
    return name.lower().endswith((".yml", ".yaml"))


def as_text(document: Mapping[str, Any], *, yaml: bool) -> str:
    """A document of ours alone."""
    if not yaml:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    from twisted_detector.outputs.sync.yaml_block import block

    return "\n".join([*block(document, 0), ""])
