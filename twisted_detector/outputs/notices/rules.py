"""Rules of notices: what happens to cameras and to the daemon goes in, notices at their beginning and end come out.

Rules

1. A condition is told when it has lasted: NOTICE_OFFLINE_MINUTES for what comes and goes by itself, a minute for the
   rest. What ends before that is never told.
2. What was told is told no second time before its end was; the end of what was told is always told, once.
3. What begins together (``grouping``) is one notice. Its end is told when the last camera's came; where others take
   longer than :data:`PARTIAL` after it, the ends so far are told, and those that remain get an end of their own.
4. A condition that comes back before its end was told has not ended.

``now`` is wall seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.grouping import WINDOW, Gathering, Group, Member

#: Seconds before what does not come and go by itself is told, so that what has one cause comes together.
SETTLE = 60.0
#: Kinds that are told after NOTICE_OFFLINE_MINUTES: a restart, an update, a cable plugged elsewhere are no news.
PATIENT = (NoticeKind.OFFLINE, NoticeKind.STREAM, NoticeKind.BROKER)
#: Seconds after the latest end in a notice of several in which the others may follow: switches and recorders start, and
#: cameras behind them, within minutes.
PARTIAL = 600.0
#: Notices that last at one time. Of more nobody reads a list; what finds no room is told when there is some.
MAX_OPEN = 500
#: Notices that are over and kept for the list: a week of a lively site.
MAX_KEPT = 200

#: The subject of what happens to the daemon itself.
DAEMON = NoticeSubject("", "", "")


@dataclass(frozen=True, slots=True)
class Lasting:
    """One member of a notice that lasts; ``ended``: when it ended, None while it has not."""

    subject: NoticeSubject
    ended: float | None = None
    removed: bool = False


class OpenNotice:
    """A notice that was told and lasts, with the state of each of its cameras by id.

    :ivar missing: how many have not ended; ``partial_at``: when the ends so far are told though some are missing,
        infinite while there is none. Both are kept, and not counted each time: there may be thousands.
    """

    __slots__ = ("members", "missing", "notice", "partial_at")

    def __init__(self, notice: Notice, members: dict[str, Lasting]) -> None:
        self.notice = notice
        self.members = members
        self._count()

    def _count(self) -> None:
        ends = [one.ended for one in self.members.values() if one.ended is not None]
        self.missing = len(self.members) - len(ends)
        self.partial_at = max(ends) + PARTIAL if ends else inf

    def end(self, lasting: Lasting, ended: float) -> None:
        """One of its cameras, which had not, has ended."""
        self.members[lasting.subject.id] = lasting
        self.missing -= 1
        latest = -inf if self.partial_at == inf else self.partial_at
        self.partial_at = max(latest, ended + PARTIAL)

    def resume(self, subject: NoticeSubject) -> None:
        """One of its cameras is in that state, still or again."""
        if self.members[subject.id].ended is not None:
            self.members[subject.id] = Lasting(subject)
            self._count()

    def shift(self, seconds: float) -> None:
        """The wall's clock was set by so much."""
        self.notice = replace(self.notice, since=self.notice.since + seconds)
        for key, one in self.members.items():
            if one.ended is not None:
                self.members[key] = replace(one, ended=one.ended + seconds)
        self._count()


class NoticeRules:
    """Rules of notices, with what they remember.

    :param patience: seconds before what comes and goes by itself is told (NOTICE_OFFLINE_MINUTES).
    :param kinds: those that are wanted; of others, what began before is still ended.
    :ivar kept: notices that are over, the oldest first, by id.
    :ivar last_number: number of the latest notice, as in its id.
    """

    def __init__(self, *, patience: float, kinds: Collection[NoticeKind]) -> None:
        self._patience = max(SETTLE, patience)
        self._kinds = frozenset(kinds)
        self.gathering = Gathering()
        self.open: dict[str, OpenNotice] = {}
        self._open_of: dict[tuple[NoticeKind, str], str] = {}
        self.kept: BoundedDict[str, Notice] = BoundedDict(MAX_KEPT)
        self.last_number = 0
        self._ended: list[Notice] = []

    # --- what happens ----------------------------------------------------------------------------------------------

    def known(self, camera_id: str) -> frozenset[NoticeKind]:
        """The conditions that a camera (or the daemon, "") is known to have."""
        return frozenset(
            kind
            for kind in NoticeKind
            if self.gathering.find(kind, camera_id) is not None or self._lasts(kind, camera_id)
        )

    def _lasts(self, kind: NoticeKind, camera_id: str) -> bool:
        notice_id = self._open_of.get((kind, camera_id))
        return notice_id is not None and self.open[notice_id].members[camera_id].ended is None

    def observe(
        self,
        subject: NoticeSubject,
        conditions: Mapping[NoticeKind, str],
        now: float,
        *,
        since: Mapping[NoticeKind, float] | None = None,
    ) -> None:
        """These are all conditions of ``subject`` now, each with its reason.

        :param since: when they began, where that was not now.
        """
        for kind, reason in conditions.items():
            began = min(now, (since or {}).get(kind, now))
            member = Member(subject, began, reason)
            if self.gathering.find(kind, subject.id) is not None:
                self.gathering.update(kind, member)
            elif (kind, subject.id) in self._open_of:
                self.open[self._open_of[kind, subject.id]].resume(subject)
            elif kind in self._kinds:
                self.gathering.add(kind, member, min(WINDOW, self.delay(kind)))
        for kind in self.known(subject.id):
            if kind not in conditions and not kind.is_moment:
                self._end(kind, subject.id, now)

    def happened(
        self, kind: NoticeKind, subject: NoticeSubject, now: float, *, reason: str = "", origin: str = ""
    ) -> None:
        """Something happened that has no end. ``origin``: the former address of what moved."""
        if kind not in self._kinds:
            return
        before = self.gathering.find(kind, subject.id)
        if before is None:
            self.gathering.add(kind, Member(subject, now, reason, origin), SETTLE)
        elif kind is NoticeKind.MOVED and before.origin == subject.address:
            self.gathering.discard(kind, subject.id)  # it is back before anybody was told
        else:
            self.gathering.update(kind, Member(subject, now, reason, before.origin))

    def forget(self, camera_id: str, now: float) -> None:
        """A camera is not known any more."""
        for kind in self.known(camera_id):
            self._end(kind, camera_id, now, removed=True)

    def retain(self, camera_ids: Collection[str], now: float) -> None:
        """These are all cameras that are known: others are forgotten."""
        told = {camera_id for _, camera_id in self._open_of}
        gathered = {camera_id for group in self.gathering for camera_id in group.members}
        for camera_id in (told | gathered) - {*camera_ids, DAEMON.id}:
            self.forget(camera_id, now)

    def shift(self, seconds: float) -> None:
        """The wall's clock was set by so much: what lasts has not lasted longer for that."""
        self.gathering.shift(seconds)
        for one in self.open.values():
            one.shift(seconds)

    # --- what is told ----------------------------------------------------------------------------------------------

    def due(self, now: float) -> list[Notice]:
        """What is to be told now, in order; it is then told."""
        told, self._ended = self._ended, []
        for one in list(self.open.values()):
            if now >= one.partial_at:
                told.append(self._split(one))
        while (group := self._next_group()) is not None and now >= self._due_at(group):
            told.append(self._begin(self.gathering.take(group)))
        return told

    def next_at(self) -> float:
        """When :meth:`due` is to be called again if nothing happens; infinite for never."""
        if self._ended:
            return -inf
        group = self._next_group()
        return min(
            inf if group is None else self._due_at(group),
            min((one.partial_at for one in self.open.values()), default=inf),
        )

    def delay(self, kind: NoticeKind) -> float:
        """Seconds that a condition must last."""
        return self._patience if kind in PATIENT else SETTLE

    def next_id(self, at: float) -> str:
        """An id that no notice of this site ever had, even if the state on disk was lost."""
        self.last_number += 1
        return f"{int(at)}-{self.last_number}"

    def recent(self) -> Iterator[Notice]:
        """Those that last, the latest first, then those that are over, likewise."""
        yield from reversed([one.notice for one in self.open.values()])
        yield from reversed(self.kept.values())

    def _next_group(self) -> Group | None:
        groups = (one for one in self.gathering if one.kind.is_moment or len(self.open) < MAX_OPEN)
        return min(groups, key=self._due_at, default=None)

    def _due_at(self, group: Group) -> float:
        return group.first + self.delay(group.kind)

    def _begin(self, group: Group) -> Notice:
        members = sorted(group.members.values(), key=lambda one: one.since)
        notice = Notice(
            self.next_id(group.first),
            group.kind,
            group.first,
            until=group.first if group.kind.is_moment else None,
            cameras=tuple(one.subject for one in members if one.subject != DAEMON),
            network=group.network,
            reason=members[0].reason,
        )
        if group.kind.is_moment:
            self.kept[notice.id] = notice
        else:
            self.keep_open(OpenNotice(notice, {one.subject.id: Lasting(one.subject) for one in members}))
        return notice

    def keep_open(self, one: OpenNotice) -> None:
        """Remember a notice that was told and lasts."""
        self.open[one.notice.id] = one
        for camera_id in one.members:
            self._open_of[one.notice.kind, camera_id] = one.notice.id

    def _end(self, kind: NoticeKind, camera_id: str, now: float, *, removed: bool = False) -> None:
        self.gathering.discard(kind, camera_id)
        notice_id = self._open_of.get((kind, camera_id))
        if notice_id is None:
            return
        one = self.open[notice_id]
        ended = max(now, one.notice.since)
        if one.members[camera_id].ended is None:
            one.end(Lasting(one.members[camera_id].subject, ended, removed), ended)
        if not one.missing:
            self._ended.append(self._close(one, one.members))

    def _split(self, one: OpenNotice) -> Notice:
        """Close ``one`` with the cameras that have ended; the others go on under a new id."""
        ended = {key: each for key, each in one.members.items() if each.ended is not None}
        rest = {key: each for key, each in one.members.items() if each.ended is None}
        closed = self._close(one, ended, tuple(each.subject for each in rest.values()))
        others = tuple(each.subject for each in rest.values())
        self.keep_open(OpenNotice(replace(one.notice, id=self.next_id(one.notice.since), cameras=others), rest))
        return closed

    def _close(
        self, one: OpenNotice, ended: Mapping[str, Lasting], remaining: tuple[NoticeSubject, ...] = ()
    ) -> Notice:
        del self.open[one.notice.id]
        for camera_id in one.members:
            del self._open_of[one.notice.kind, camera_id]
        closed = replace(
            one.notice,
            until=max(each.ended or 0.0 for each in ended.values()),
            cameras=tuple(each.subject for each in ended.values() if each.subject != DAEMON),
            remaining=remaining,
            removed=all(each.removed for each in ended.values()),
        )
        self.kept[closed.id] = closed
        return closed
