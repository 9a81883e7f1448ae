"""Merge of our entries into the text of another program's configuration, YAML or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted_detector.outputs.sync.merging import diff_lines
from twisted_detector.outputs.sync.seams import DeliveryResult, Entries, Merge, MergeResult, TargetRefused
from twisted_detector.outputs.sync.yaml_block import block

#: Bytes of one configuration: Frigate's of 1000 cameras has 1 MB.
MAX_DOCUMENT = 8 * 1024 * 1024
#: Names that are listed in a remark.
_MAX_NAMES = 5


def _parse_json(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        raise TargetRefused("it is no JSON") from None
    if not isinstance(values, dict):
        raise TargetRefused("it is no table at its top")
    return values


def merge_text(text: str, *, yaml: bool, merge: Merge, base: Entries, wanted: Entries) -> tuple[str, MergeResult]:
    """The text with our entries in it; the same text when they are there already.

    :raises TargetRefused: the text is not what it should be, or cannot be changed without touching what is not ours.
    """
    if not yaml:
        values = _parse_json(text)
        merged = merge(values, base, wanted)
        if merged.document == values and text:
            return text, merged
        return serialise(merged.document, yaml=False), merged
    # ruamel costs as much as the rest of the daemon's start; only who has YAML to change needs it.
    from twisted_detector.outputs.sync.yaml_edit import YamlDocument

    document = YamlDocument(text)
    merged = merge(document.values, base, wanted)
    return document.with_values(dict(merged.document)), merged


def delivery_result(name: str, before: str, after: str, merged: MergeResult, *, dry: bool) -> DeliveryResult:
    """The result of a delivery that wrote ``after`` in the place of ``before``, or would write it."""
    return DeliveryResult(
        written=merged.written,
        changed=before != after,
        remark=_remark(merged),
        diff=tuple(diff_lines(name, before, after)) if dry else (),
        left=merged.left,
        waiting=merged.waiting,
    )


def _remark(merged: MergeResult) -> str:
    """What a person should know of a merge."""
    remarks = []
    if merged.foreign:
        remarks.append(f"{some(merged.foreign)} is there and not ours: left alone")
    if merged.kept:
        remarks.append(f"changed by hand and left so: {some(merged.kept)}")
    return "; ".join(remarks)


def some(names: tuple[str, ...]) -> str:
    """The first names of many."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def is_yaml(name: str) -> bool:
    """Whether a file of this name holds YAML."""
    return name.lower().endswith((".yml", ".yaml"))


def serialise(document: Mapping[str, Any], *, yaml: bool) -> str:
    """The text of a document of ours alone."""
    if not yaml:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return "\n".join([*block(document, 0), ""])
