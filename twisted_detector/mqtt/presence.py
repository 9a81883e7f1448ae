"""Presence on the will topic: will, birth and goodbye, and the repair of a stale will.

Will and birth carry a session counter (Sparkplug's bdSeq). A broker that notices late that an old session is dead fires
its will over the new birth, and every reader of the topic then believes that this program is away. So the topic is
subscribed, and an ``offline`` that is not our goodbye is answered with a new ``online``.

They also carry the *instance*, a random name of this process, so two daemons that an operator gave one NODE_ID see each
other here. With one client id, too, each throws the other off by connecting, and neither is there to hear the other's
birth; but the broker publishes the will of the one that it throws off, and that is what the other finds retained. So
the topic is subscribed before the birth is published, and what is found there tells more:

- In our first session it is what somebody left who was there before us: a predecessor who is dead, or an elder.
- Later it cannot be older than our last birth, which it replaced: somebody has connected since. He is *later* than we
  are, unless he was there in our first session.

The elder yields to the later one. It is he who notices first, no clocks are compared, and where a daemon was moved to
another machine and the old one forgotten, the later one is what the operator wants.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from txaio.tx import make_logger

from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, rfc3339

SERVICE = "camera_detector"

#: Others with our NODE_ID that are remembered; whoever may publish on the topic can invent as many as he likes.
MAX_RIVALS = 16

#: Characters of a name of an instance; ours have 12.
MAX_INSTANCE = 64

#: Seconds for which another one is believed to be there of whom only a will was found. He answers our birth if he is.
UNCONFIRMED = 120.0


def presence_payload(
    node_id: str,
    status: str,
    *,
    at: float,
    session: int,
    reason: str | None = None,
    service: str = SERVICE,
    instance: str = "",
) -> bytes:
    """The payload of will, birth and clean end; ``session`` tells a stale will from a fresh one.

    :param instance: name of this process, the same for its life; "" for none.
    """
    document: dict[str, Any] = {
        "node_id": node_id,
        "service": service,
        "status": status,
        "session": session,
        "timestamp": rfc3339(at),
    }
    if instance:
        document["instance"] = instance
    if reason is not None:
        document["reason"] = reason
    return encode(document)


#: ``(status, session, reason) → payload``; status is ``online`` or ``offline``, reason ``shutdown`` or None.
PresenceEncoder = Callable[[str, int, str | None], bytes]


@dataclass(frozen=True, slots=True)
class PresenceIdentity:
    """Who it is that is present.

    :ivar encode: words will, birth and clean end.
    :ivar instance: random name of this process, which ``encode`` writes into them; "" when it does not.
    :ivar save_session: called with the number of each new session.
    """

    encode: PresenceEncoder
    instance: str = ""
    save_session: Callable[[int], object] = lambda _number: None


@dataclass(slots=True)
class _Rival:
    """Another instance with our NODE_ID. :ivar live: it said so itself while we listened."""

    session: object
    later: bool
    live: bool
    heard: float


class Presence:
    """Publishes whether this program is online, and recognises another one with its NODE_ID.

    ``now`` is monotonic seconds.

    :param topic: of the retained messages; "" for none.
    :param publish: sends a message before all others; its Deferred fires, without failure, when it is answered or void.
    :param instance: random name of this process, as ``encode`` writes it; "" when it writes none.
    :ivar session: number of the latest attempt.
    :ivar healed: wills of old sessions that were answered.
    """

    log = make_logger()

    def __init__(
        self,
        topic: str,
        encode: PresenceEncoder,
        publish: Callable[[Message], Deferred[None]],
        *,
        instance: str = "",
    ) -> None:
        self.topic = topic
        self.instance = instance
        self.session = 0
        self.healed = 0
        self._encode = encode
        self._publish_first = publish
        self._healing: Deferred[None] | None = None
        self._leaving = False
        self._begun = 0
        self._elders: dict[str, object] = {}
        self._rivals: dict[str, _Rival] = {}
        self._named: set[str] = set()

    def resume(self, session: int) -> None:
        """Continue after session number ``session`` of an earlier run."""
        self.session = session

    def next_will(self, now: float) -> bytes | None:
        """Begin the next session; returns its will."""
        self.session += 1
        for rival in self._rivals.values():
            rival.live, rival.heard = False, now  # what it says while we are away is not heard
        self._healing = None
        self._leaving = False
        return self._encode("offline", self.session, None) if self.topic else None

    def begin(self) -> Deferred[None] | None:
        """The broker let us in, and the topic is subscribed: publish ``online``."""
        self._begun += 1
        return self._publish("online", None)

    def rival(self, now: float) -> str:
        """Name of another instance that is there with our NODE_ID, the later one first; "" for none."""
        there = [
            (rival.later, name) for name, rival in self._rivals.items() if rival.live or now - rival.heard < UNCONFIRMED
        ]
        return max(there)[1] if there else ""

    def yields(self, now: float) -> bool:
        """Whether that one came up later than we did, so that it is we who make room."""
        name = self.rival(now)
        return bool(name) and self._rivals[name].later

    def publish_goodbye(self) -> Deferred[None] | None:
        """Publish ``offline``: a clean DISCONNECT makes the broker drop the will."""
        self._leaving = True
        return self._publish("offline", "shutdown")

    def receive(self, payload: bytes, *, retained: bool, now: float) -> None:
        """A message arrived on our topic. At most one answer is under way, however many arrive.

        :param retained: it stood there when we subscribed, so our birth has replaced it.
        """
        try:
            status = json.loads(payload)
        except (ValueError, RecursionError):
            return
        if not isinstance(status, dict):
            return
        instance = status.get("instance")
        if self.instance and isinstance(instance, str) and instance not in ("", self.instance):
            self._observe(instance[:MAX_INSTANCE], status, retained, now)
        if retained or self._leaving or self._healing is not None or status.get("status") != "offline":
            return
        self.healed += 1
        self.log.warn(
            "The broker delivered an old last will (of session {old}); status corrected to online (session {session})",
            old=status.get("session"),
            session=self.session,
        )
        self._answer()

    def _answer(self) -> None:
        """Say that we are online, again."""
        self._healing = healing = self._publish("online", None)
        if healing is not None:
            healing.addBoth(self._healed, healing)

    def _observe(self, name: str, status: dict[str, Any], retained: bool, now: float) -> None:
        """Another instance has said something, or a broker that it has lost it."""
        session, said = status.get("session"), status.get("status")
        if said == "offline" and (not retained or status.get("reason") is not None):
            self._rivals.pop(name, None)
            return
        if retained and self._begun < 2:
            if len(self._elders) < MAX_RIVALS:
                self._elders[name] = session
            return
        known = self._rivals.get(name)
        if retained and (known is None and self._elders.get(name) == session and name in self._elders):
            return  # what a predecessor left, once more
        if known is None and len(self._rivals) >= MAX_RIVALS:
            return
        new = known is None or known.session != session
        if retained and not new:
            return  # its will, once more: it has not connected since
        self._rivals[name] = _Rival(session, later=name not in self._elders, live=not retained, heard=now)
        if name not in self._named and len(self._named) < MAX_RIVALS:
            self._named.add(name)
            self.log.warn(
                "Another daemon with our NODE_ID is at this broker: its instance is {other!r}, ours {ours!r}, and both"
                " say on {topic} that they are there; give each its own NODE_ID",
                other=name,
                ours=self.instance,
                topic=self.topic,
            )
        if new and not retained and not self._leaving and self._healing is None:
            self._answer()  # it may not know of us yet; known sessions are not answered, so this ends

    def _healed(self, _result: object, healing: Deferred[None]) -> None:
        if self._healing is healing:
            self._healing = None

    def _publish(self, status: str, reason: str | None) -> Deferred[None] | None:
        if not self.topic:
            return None
        payload = self._encode(status, self.session, reason)
        return self._publish_first(Message(self.topic, payload, 1, True, Priority.CRITICAL))
