"""What is heard on our own will topic goes in; will, birth and goodbye, with the number of the session, come out.

Will and birth carry a session counter (Sparkplug's bdSeq). A broker that notices late that an old session is dead fires
its will over the new birth; whoever reads the topic then believes that we are away. So the topic is listened to, and an
``offline`` that is not our goodbye is answered with a new ``online``.
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


def presence(
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
Wording = Callable[[str, int, str | None], bytes]


class Presence:
    """Says whether we are here.

    :param topic: of the retained messages; "" for none.
    :param say: sends a message before all others; its Deferred fires, without failure, when it is settled.
    :ivar session: number of the latest attempt.
    :ivar healed: wills of old sessions that were answered.
    """

    log = make_logger()

    def __init__(self, topic: str, wording: Wording, say: Callable[[Message], Deferred[None]], session: int) -> None:
        self.topic = topic
        self.session = session
        self.healed = 0
        self._wording = wording
        self._say = say
        self._healing: Deferred[None] | None = None
        self._leaving = False

    def will(self) -> bytes | None:
        """The next session's will."""
        self.session += 1
        self._healing = None
        self._leaving = False
        return self._wording("offline", self.session, None) if self.topic else None

    def birth(self) -> Deferred[None] | None:
        """Say that we are here."""
        return self._tell("online", None)

    def goodbye(self) -> Deferred[None] | None:
        """Say that we leave: a clean DISCONNECT makes the broker drop the will."""
        self._leaving = True
        return self._tell("offline", "shutdown")

    def heard(self, payload: bytes) -> None:
        """Something was said on our topic. At most one answer is under way, whatever is said."""
        if self._leaving or self._healing is not None:
            return
        try:
            said = json.loads(payload)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict) or said.get("status") != "offline":
            return
        self.healed += 1
        self.log.warn(
            "Session {old} was said to be offline; session {session} says that it is online",
            old=said.get("session"),
            session=self.session,
        )
        self._healing = healing = self.birth()
        if healing is not None:
            healing.addBoth(self._settled, healing)

    def _settled(self, _result: object, healing: Deferred[None]) -> None:
        if self._healing is healing:
            self._healing = None

    def _tell(self, status: str, reason: str | None) -> Deferred[None] | None:
        if not self.topic:
            return None
        payload = self._wording(status, self.session, reason)
        return self._say(Message(self.topic, payload, 1, True, Priority.CRITICAL))
