"""State of notices as texts of the store, and back. What cannot be read is left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from twisted_detector.model.encoding import parse_object
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.grouping import Member
from twisted_detector.outputs.notices.quiet_hours import Holder
from twisted_detector.outputs.notices.rules import Lasting, NoticeRules, OpenNotice

#: Wall seconds of a year (5138) that no clock shows, and that the C library turns into no date.
_NO_TIME = 1e11


def dump_rules(rules: NoticeRules, holder: Holder) -> str:
    """All that the rules remember, and what is held back."""
    return _dump(
        {
            "number": rules.last_number,
            "open": [
                [dump_notice(one.notice), [[*_subject(each.subject), each.ended] for each in one.members.values()]]
                for one in rules.open.values()
            ],
            "gathered": [
                [group.kind.value, [[*_subject(one.subject), one.since, one.reason, one.origin] for one in
                                    group.members.values()]]
                for group in rules.gathering
            ],
            "kept": [dump_notice(one) for one in rules.kept.values()],
            "held": [dump_notice(one) for one in holder.held.values()],
            "dropped": holder.dropped,
        }
    )  # fmt: skip


def load_rules(text: str, rules: NoticeRules, holder: Holder) -> None:
    """Take over what :func:`dump_rules` wrote, into rules that know nothing yet."""
    saved = parse_object(text) or {}
    number = saved.get("number")
    rules.last_number = number if isinstance(number, int) else 0
    for notice in _notices(saved.get("kept")):
        rules.kept[notice.id] = notice
    for notice, members in _pairs(saved.get("open")):
        if (read := read_notice(notice)) is not None:
            lasting = {one[0]: Lasting(NoticeSubject(*one[:3]), one[3]) for one in _rows(members, _LASTING)}
            if lasting:
                rules.keep_open(OpenNotice(read, lasting))
    for kind, members in _pairs(saved.get("gathered")):
        if kind in tuple(NoticeKind):
            rules.gathering.restore(
                NoticeKind(kind),
                [Member(NoticeSubject(*one[:3]), *one[3:]) for one in _rows(members, _GATHERED)],
            )
    holder.hold(_notices(saved.get("held")))
    dropped = saved.get("dropped")
    holder.dropped += dropped if isinstance(dropped, int) else 0


def dump_waiting(notices: Iterable[Notice], dropped: int) -> str:
    """What waits to be sent by one way."""
    return _dump({"waiting": [dump_notice(one) for one in notices], "dropped": dropped})


def load_waiting(text: str) -> tuple[list[Notice], int]:
    """As :func:`dump_waiting` wrote it."""
    saved = parse_object(text) or {}
    dropped = saved.get("dropped")
    return _notices(saved.get("waiting")), dropped if isinstance(dropped, int) else 0


def dump_notice(notice: Notice) -> Mapping[str, Any]:
    """A notice as JSON types."""
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "since": notice.since,
        "until": notice.until,
        "cameras": [_subject(one) for one in notice.cameras],
        "remaining": [_subject(one) for one in notice.remaining],
        "network": notice.network,
        "reason": notice.reason,
        "removed": notice.removed,
        "parts": [dump_notice(one) for one in notice.parts],
        "more": notice.more,
    }


def read_notice(saved: Any) -> Notice | None:
    """The notice that :func:`dump_notice` wrote; None for anything else."""
    try:
        return Notice(
            id=str(saved["id"]),
            kind=NoticeKind(saved["kind"]),
            since=_stamp(saved["since"]),
            until=None if saved["until"] is None else _stamp(saved["until"]),
            cameras=_subjects(saved["cameras"]),
            remaining=_subjects(saved["remaining"]),
            network=str(saved["network"]),
            reason=str(saved["reason"]),
            removed=bool(saved["removed"]),
            parts=tuple(_notices(saved["parts"])),
            more=int(saved["more"]),
        )
    except (TypeError, ValueError, LookupError, OverflowError, RecursionError):
        return None


_SUBJECT = ((str,), (str,), (str,))
_LASTING = (*_SUBJECT, (int, float, type(None)))
_GATHERED = (*_SUBJECT, (int, float), (str,), (str,))


def _rows(saved: Any, wanted: tuple[tuple[type, ...], ...]) -> list[list[Any]]:
    """Rows of values of these types; others are left out."""
    return [
        one
        for one in (saved if isinstance(saved, list) else [])
        if isinstance(one, list)
        and len(one) == len(wanted)
        and all(map(isinstance, one, wanted))
        and all(abs(value) < _NO_TIME for value in one if isinstance(value, int | float))
    ]


def _stamp(saved: Any) -> float:
    at = float(saved)
    if not abs(at) < _NO_TIME:
        raise ValueError("no time")
    return at


def _pairs(saved: Any) -> list[list[Any]]:
    return [one for one in (saved if isinstance(saved, list) else []) if isinstance(one, list) and len(one) == 2]


def _notices(saved: Any) -> list[Notice]:
    read = (read_notice(one) for one in (saved if isinstance(saved, list) else []))
    return [one for one in read if one is not None]


def _subject(subject: NoticeSubject) -> list[Any]:
    return [subject.id, subject.name, subject.address]


def _subjects(saved: Any) -> tuple[NoticeSubject, ...]:
    return tuple(NoticeSubject(str(one[0]), str(one[1]), str(one[2])) for one in saved)


def _dump(document: Mapping[str, Any]) -> str:
    # All beyond ASCII is written as escapes: half a surrogate pair in a name is no text that the disk takes.
    return json.dumps(document, separators=(",", ":"))
