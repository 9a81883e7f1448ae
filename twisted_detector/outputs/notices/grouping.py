"""Groups of what begins at one time in one network: candidates for one notice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from math import inf

from twisted_detector.errors import RemoteError
from twisted_detector.model.addresses import parse_address
from twisted_detector.model.notices import NoticeKind, NoticeSubject

#: Seconds in which what begins has one cause. Cameras that lose their power together are missed at their next checks,
#: a minute (HEALTH_CHECK_INTERVAL) and a time-out after each other.
WINDOW = 90.0
#: Of as many networks a notice of its own each; of more together, one: what they have in common is above them.
MAX_NETWORKS = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One camera in a group; ``since`` in wall seconds, ``origin``: of a moved one, the address that it had."""

    subject: NoticeSubject
    since: float
    reason: str = ""
    origin: str = ""


class Group:
    """What is gathered for one notice.

    :ivar members: by camera id. :ivar first: when the first of them began.
    """

    __slots__ = ("first", "kind", "members", "network")

    def __init__(self, kind: NoticeKind, network: str) -> None:
        self.kind = kind
        self.network = network
        self.members: dict[str, Member] = {}
        self.first = inf

    def put(self, member: Member) -> None:
        """Add a member."""
        self.members[member.subject.id] = member
        self.first = min(self.first, member.since)

    def discard(self, camera_id: str) -> None:
        """Take a member out; the time of the group is that of the first who is left."""
        if self.members.pop(camera_id).since <= self.first:  # looked for again only then: it may have thousands
            self.first = min((one.since for one in self.members.values()), default=inf)


class Gathering:
    """Groups that are not told yet, by kind and network."""

    def __init__(self) -> None:
        self._groups: dict[tuple[NoticeKind, str], list[Group]] = {}
        self._group_of: dict[tuple[NoticeKind, str], Group] = {}  # by kind and camera id

    def __iter__(self) -> Iterator[Group]:
        return (group for groups in self._groups.values() for group in groups)

    def find(self, kind: NoticeKind, camera_id: str) -> Member | None:
        """What is gathered of this camera."""
        group = self._group_of.get((kind, camera_id))
        return group.members[camera_id] if group is not None else None

    def add(self, kind: NoticeKind, member: Member, window: float) -> None:
        """Put a member that is in no group of that kind into the one that began within ``window`` of it, or a new."""
        network = network_of(member.subject.address)
        groups = self._groups.setdefault((kind, network), [])
        group = next((one for one in groups if abs(member.since - one.first) <= window), None)
        if group is None:
            group = Group(kind, network)
            groups.append(group)
        self._put(group, member)

    def restore(self, kind: NoticeKind, members: Iterable[Member]) -> None:
        """Take over a group that an earlier run had gathered."""
        group: Group | None = None
        for member in members:
            if group is None:
                group = Group(kind, network_of(member.subject.address))
                self._groups.setdefault((kind, group.network), []).append(group)
            self._put(group, member)

    def _put(self, group: Group, member: Member) -> None:
        group.put(member)
        self._group_of[group.kind, member.subject.id] = group

    def update(self, kind: NoticeKind, member: Member) -> None:
        """Replace what is known of a member that is gathered; its time stays."""
        group = self._group_of[kind, member.subject.id]
        group.members[member.subject.id] = replace(member, since=group.members[member.subject.id].since)

    def discard(self, kind: NoticeKind, camera_id: str) -> None:
        """Take a camera out: it ended before it was told."""
        group = self._group_of.pop((kind, camera_id), None)
        if group is not None:
            group.discard(camera_id)
            if not group.members:
                self._drop(group)

    def take(self, group: Group) -> Group:
        """Take ``group`` out, and with it the groups of its kind and time where these are of many networks."""
        together = [one for one in self if one.kind is group.kind and abs(one.first - group.first) <= WINDOW]
        if len({one.network for one in together}) <= MAX_NETWORKS:
            together = [group]
        whole = group if len(together) == 1 else Group(group.kind, "")
        for one in together:
            self._drop(one)
            for member in tuple(one.members.values()):
                del self._group_of[one.kind, member.subject.id]
                whole.put(member)
        return whole

    def _drop(self, group: Group) -> None:
        groups = self._groups[group.kind, group.network]
        groups.remove(group)
        if not groups:
            del self._groups[group.kind, group.network]

    def shift(self, seconds: float) -> None:
        """The wall's clock was set by so much."""
        for group in self:
            group.first += seconds
            for key, member in group.members.items():
                group.members[key] = replace(member, since=member.since + seconds)


def network_of(address: str) -> str:
    """The network in which cameras are taken to have their causes in common: a /24, in IPv6 a /64; "" for none."""
    try:
        parsed = parse_address(address)
    except RemoteError:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(IPv4Network((int(parsed), 24), strict=False))
    return str(IPv6Network((int(parsed), 64), strict=False))
