"""Record of what other daemons announced on this broker, and of which of those daemons are alive.

Two daemons may know the same camera. The one that announced it last keeps it, and the others do not announce it as
long as that one is alive. The announcer records what it receives; the output checks it before each announcement.
"""

from __future__ import annotations

#: Topics and daemons that are recorded; more are none of a sane broker's.
MAX_TOPICS, MAX_DAEMONS = 10_000, 64


class OtherDaemons:
    """Announcements of others by topic, and the daemons that made them by the topic of their will."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._alive: dict[str, bool] = {}

    def holds(self, topic: str) -> bool:
        """Whether another daemon, which is alive, announced last on this topic."""
        return self._alive.get(self._owners.get(topic, ""), False)

    def record(self, topic: str, owner: str) -> None:
        """``owner`` announced on ``topic``; not recorded when there are too many."""
        if topic in self._owners or len(self._owners) < MAX_TOPICS:
            self._owners[topic] = owner

    def forget(self, topic: str) -> None:
        """The topic is empty, or ours."""
        self._owners.pop(topic, None)

    def knows(self, owner: str) -> bool:
        """Whether this daemon is recorded."""
        return owner in self._alive

    def admit(self, owner: str) -> bool:
        """Record a daemon, as dead until its will topic shows otherwise.

        False when ``owner`` is no will topic, or when there are too many.
        """
        if len(self._alive) >= MAX_DAEMONS or not owner.endswith("/lwt") or "+" in owner or "#" in owner:
            return False
        self._alive[owner] = False
        return True

    def is_alive(self, owner: str) -> bool:
        """What its will topic showed last."""
        return self._alive.get(owner, False)

    def set_alive(self, owner: str, alive: bool) -> None:
        """What its will topic shows now."""
        self._alive[owner] = alive

    def topics_of(self, owner: str) -> set[str]:
        """All topics on which this daemon announced last."""
        return {topic for topic, by in self._owners.items() if by == owner}


class NoOtherHolds(OtherDaemons):
    """The same for a daemon that takes part in the election of nodes: what it owns nobody else announces."""

    def holds(self, topic: str) -> bool:
        """Whatever was announced by whom: this daemon is asked only about cameras that it owns."""
        return False
