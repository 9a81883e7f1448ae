"""Router of commands about a camera to the node that publishes it, over that node's topic of commands.

What a node may be told over MQTT is the broker's to decide, as ever: a node that passes a command on is one more that
publishes there. Logins never go this way: they stay on the node where a person enters them.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_detector.errors import CamdetectError, PublishError, RemoteError
from twisted_detector.model import Message
from twisted_detector.model.addresses import masked
from twisted_detector.model.encoding import encode, parse_object
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.commands import MAX_COMMAND_BYTES
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.outputs.topics import Topics

#: Seconds for which another node is waited for: what is passed on needs no camera that answers slowly.
WAIT = 10.0
#: Commands that wait at once.
MAX_WAITING = 32
#: Member of a command that another node has passed on: it is carried out where it arrives, and goes no further.
VIA = "via"
#: What the node does that publishes the camera; what it is called goes from there to all (:mod:`.handover`).
OF_OWNER = frozenset({"check", "decided", "name"})
#: What a person decides is so on every node that knows the camera: any of them may publish it one day.
OF_ALL = frozenset({"adopt", "block", "forget", "stream", "unadopt"})
#: Of these, what the publishing node does last: it empties the topics when nobody else knows the camera any more.
ENDING = frozenset({"block", "forget"})

#: Carries a command out here.
Local = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    topic: str
    answered: Deferred[Mapping[str, Any]]


class CommandRouting:
    """Router of commands between the nodes of one prefix.

    :param node_id: ours.
    :param is_connected: whether there is a connection to the broker.
    """

    def __init__(
        self,
        clock: IReactorTime,
        record: SiteRecord,
        *,
        mqtt: MqttService,
        topics: Topics,
        is_connected: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._record = record
        self._mqtt = mqtt
        self._topics = topics
        self._is_connected = is_connected
        self._waiting: dict[str, _Waiting] = {}
        # Unlike what another process of this name asks, as a program's own ids are likely to be.
        self._mark = f"{topics.node_id}-{secrets.token_hex(4)}"
        self._number = 0
        mqtt.subscribe(topics.every_command_result, self._receive)

    def divert(self, name: str, fields: Mapping[str, Any], local: Local) -> Awaitable[Mapping[str, Any]] | None:
        """The answer of whom a command concerns; None: it is carried out here.

        :param local: carries it out here, if it concerns this node, too.
        """
        camera_id = fields.get("camera_id")
        if VIA in fields or not isinstance(camera_id, str) or name not in OF_OWNER | OF_ALL | {"login"}:
            return None
        here, known_to = self._topics.node_id, self._record.known_to(camera_id)
        owner = self._record.owner_of(camera_id)
        if not known_to:
            left_by = self._record.last_owner_of(camera_id)
            away = f"node {left_by}, which knows this camera, is away: start it again"
            return self._refuse(away) if left_by else None
        if name == "login" or _has_login(fields):
            # Where this node knows the camera, too, it may have to publish it one day, and has its own logins for that.
            is_ours = owner in ("", here) or (name == "login" and here in known_to)
            return None if is_ours else self._refuse(self._where_logins_go(name, owner))
        # Where a camera is expected says where its login goes: each node has to know it before it publishes the camera.
        is_of_all = name in OF_ALL or (name == "name" and fields.get("network") is not None)
        if is_of_all and known_to != [here]:
            return self._of_all(known_to, owner, name, fields, local)
        return self.ask(owner, name, fields) if owner not in ("", here) else None

    async def _refuse(self, reason: str) -> Mapping[str, Any]:
        raise RemoteError(reason)

    def _where_logins_go(self, name: str, owner: str) -> str:
        page = self._record.page_of(owner)
        where = f"on its page, {page}," if page else "on its page"
        return (
            f"{name}: node {owner} publishes this camera, and a login never crosses the broker: enter it {where} or"
            " with the command line of its machine"
        )

    async def _of_all(
        self, node_ids: list[str], owner: str, name: str, fields: Mapping[str, Any], local: Local
    ) -> Mapping[str, Any]:
        """Have all these nodes carry a command out; the answer is that of the node that publishes the camera.

        It comes first, unless the command is the camera's end: what it refuses nobody does. What others refuse or
        miss is told in ``missed``.

        :raises RemoteError: it refuses; or, at the end of a camera, one does that will publish it then.
        """
        is_end = name in ENDING
        answer: Mapping[str, Any] | None = None
        done: list[str] = []
        missed: list[str] = []
        for node_id in sorted(node_ids, key=lambda one: ((one == owner) is is_end, one)):
            asked = fields if node_id == owner or not owner else {k: v for k, v in fields.items() if k != "version"}
            try:
                got = await (local() if node_id == self._topics.node_id else self.ask(node_id, name, asked))
            except CamdetectError as error:
                if node_id == owner and not is_end:
                    raise
                missed.append(f"{node_id}: {error}")
                continue
            done.append(node_id)
            answer = got if answer is None or node_id == owner else answer
        if answer is None or (missed and is_end):
            raise RemoteError("; ".join(missed) + (f"; carried out by {', '.join(done)}" if done else ""))
        more = {"missed": missed} if missed else {}
        return {**answer, "carried_out_by": ", ".join(done), **more}

    async def ask(self, node_id: str, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a command to a node, and wait for its answer.

        :raises RemoteError: it refuses, does not answer, or there is no connection.
        """
        if not self._is_connected():
            raise RemoteError(f"{name}: node {node_id} has this camera, and the broker cannot be reached now")
        if len(self._waiting) >= MAX_WAITING:
            raise RemoteError(f"{name}: {MAX_WAITING} commands wait for other nodes; try again in {WAIT:.0f} s")
        self._number += 1
        token = f"{self._mark}-{self._number}"
        command = encode({**fields, "command": name, "id": token, VIA: self._topics.node_id})
        if len(command) > MAX_COMMAND_BYTES:
            raise RemoteError(f"{name}: longer than the {MAX_COMMAND_BYTES} bytes that node {node_id} takes")
        topic = self._topics.command_to(node_id)
        answered: Deferred[Mapping[str, Any]] = Deferred()
        self._waiting[token] = _Waiting(f"{topic}/result", answered)
        late = self._clock.callLater(WAIT, self._give_up, token, node_id, name)
        try:
            self._mqtt.publish(Message(topic, command, expires_after=WAIT, durable=False)).addErrback(
                lambda failure: failure.trap(PublishError) and None  # nobody answers, then, and that is told
            )
            answer = await answered
        except PublishError as error:
            raise RemoteError(f"{name}: it could not be sent to node {node_id}: {error}") from None
        finally:
            self._waiting.pop(token, None)
            if late.active():
                late.cancel()
        if not answer.get("ok"):
            raise RemoteError(str(answer.get("error") or f"node {node_id} refused {name} and gave no reason")[:500])
        whose = ("ok", "id", "command", "node_id", "timestamp", "error")
        return {**{key: one for key, one in answer.items() if key not in whose}, "carried_out_by": node_id}

    def _give_up(self, token: str, node_id: str, name: str) -> None:
        if (waiting := self._waiting.pop(token, None)) is not None:
            text = (
                f"{name}: node {node_id} did not answer within {WAIT:.0f} s; it may have been carried out. See whether"
                f" it is there (camdetect status --fleet), takes commands, and may publish on {waiting.topic}"
            )
            waiting.answered.errback(RemoteError(text))

    def _receive(self, topic: str, payload: bytes) -> None:
        if not self._waiting or self._mark.encode() not in payload:
            return  # somebody else's, and perhaps long: it is not parsed
        document = parse_object(payload) or {}
        token = document.get("id")
        waiting = self._waiting.get(token) if isinstance(token, str) else None
        if waiting is not None and waiting.topic == topic:
            del self._waiting[str(token)]
            waiting.answered.callback(document)


def _has_login(fields: Mapping[str, Any]) -> bool:
    """Whether one of the fields is a URL with a login in it, or may be one."""
    texts = [one for one in fields.values() if isinstance(one, str)]
    return any("://" in text and ("@" in text or masked(text) != text) for text in texts)
