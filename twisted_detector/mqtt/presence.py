"""Presence on the will topic: will, birth and goodbye, and the repair of a stale will.

Will and birth carry a session counter (Sparkplug's bdSeq). A broker that notices late that an old session is dead fires
its will over the new birth, and every reader of the topic then believes that this program is away. So the topic is
subscribed, and an ``offline`` that is not our goodbye is answered with a new ``online``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from txaio.tx import make_logger

from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, rfc3339

SERVICE = "camera_detector"


def presence_payload(
    node_id: str, status: str, *, at: float, session: int, reason: str | None = None, service: str = SERVICE
) -> bytes:
    """The payload of will, birth and clean end; ``session`` tells a stale will from a fresh one."""
    document: dict[str, Any] = {
        "node_id": node_id,
        "service": service,
        "status": status,
        "session": session,
        "timestamp": rfc3339(at),
    }
    if reason is not None:
        document["reason"] = reason
    return encode(document)


#: ``(status, session, reason) → payload``; status is ``online`` or ``offline``, reason ``shutdown`` or None.
PresenceEncoder = Callable[[str, int, str | None], bytes]


class Presence:
    """Publishes whether this program is online.

    :param topic: of the retained messages; "" for none.
    :param publish: sends a message before all others; its Deferred fires, without failure, when it is answered or void.
    :ivar session: number of the latest attempt.
    :ivar healed: wills of old sessions that were answered.
    """

    log = make_logger()

    def __init__(self, topic: str, encode: PresenceEncoder, publish: Callable[[Message], Deferred[None]]) -> None:
        self.topic = topic
        self.session = 0
        self.healed = 0
        self._encode = encode
        self._publish_first = publish
        self._healing: Deferred[None] | None = None
        self._leaving = False

    def next_will(self) -> bytes | None:
        """Begin the next session; returns its will."""
        self.session += 1
        self._healing = None
        self._leaving = False
        return self._encode("offline", self.session, None) if self.topic else None

    def publish_birth(self) -> Deferred[None] | None:
        """Publish ``online``."""
        return self._publish("online", None)

    def publish_goodbye(self) -> Deferred[None] | None:
        """Publish ``offline``: a clean DISCONNECT makes the broker drop the will."""
        self._leaving = True
        return self._publish("offline", "shutdown")

    def receive(self, payload: bytes) -> None:
        """A message arrived on our topic. At most one answer is under way, however many arrive."""
        if self._leaving or self._healing is not None:
            return
        try:
            status = json.loads(payload)
        except (ValueError, RecursionError):
            return
        if not isinstance(status, dict) or status.get("status") != "offline":
            return
        self.healed += 1
        self.log.warn(
            "Session {old} was said to be offline; session {session} says that it is online",
            old=status.get("session"),
            session=self.session,
        )
        self._healing = healing = self.publish_birth()
        if healing is not None:
            healing.addBoth(self._healed, healing)

    def _healed(self, _result: object, healing: Deferred[None]) -> None:
        if self._healing is healing:
            self._healing = None

    def _publish(self, status: str, reason: str | None) -> Deferred[None] | None:
        if not self.topic:
            return None
        payload = self._encode(status, self.session, reason)
        return self._publish_first(Message(self.topic, payload, 1, True, Priority.CRITICAL))
