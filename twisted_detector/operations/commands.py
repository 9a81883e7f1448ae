"""Commands over MQTT: each message of the command topic is executed, and its result published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.detector.detector import Detector
from twisted_detector.errors import CamdetectError, LocalError, PublishError, RemoteError
from twisted_detector.model import Camera, Message, Sighting, parse_address
from twisted_detector.model.devices import BY_HAND
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.operations.paging import page_of
from twisted_detector.operations.requests import Handler
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.registry.registry import Registry

#: Gives a command's answer where other nodes have it, by its name, its fields, and what carries it out here.
Diversion = Callable[
    [str, Mapping[str, Any], Callable[[], Awaitable[Mapping[str, Any]]]], Awaitable[Mapping[str, Any]] | None
]
#: A command is a few words; more is not one.
MAX_COMMAND_BYTES = 4096
#: An answer that nobody fetched within ten minutes is not waited for any more.
RESULT_LIFETIME = 600.0
#: Ports at which a device that is named by hand is asked, beside those that it shows itself.
PROBE_RTSP_PORTS = (554, 8554)
PROBE_HTTP_PORTS = (80, 8000, 8080, 2020, 8899)


class MqttCommands:
    """Executor of ``rescan``, ``probe``, ``check`` and ``state``, and of all others by their handlers.

    :param topic: where results are published.
    :param publish: publishes each result.
    :param excluded: addresses that are never probed.
    :param handlers: of further commands, which may take their time.
    :ivar counts: commands by name, ``refused``, ``retained``, and ``diverted`` to other nodes.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        detector: Detector,
        registry: Registry,
        node_id: str,
        topic: str,
        publish: Callable[[Message], Deferred[None]],
        excluded: Container[str] = (),
        handlers: Mapping[str, Handler] | None = None,
    ) -> None:
        self._clock = clock
        self._detector = detector
        self._registry = registry
        self._node_id = node_id
        self._topic = topic
        self._publish = publish
        self._excluded = excluded
        self.counts: Counter[str] = Counter()
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "rescan": self._rescan,
            "probe": self._probe,
            "check": self._check,
            "state": self._state,
        }
        self._handlers = dict(handlers or {})
        self._diversion: Diversion | None = None

    def add(self, name: str, handler: Handler) -> None:
        """From now on there is this command too.

        :raises LocalError: there is one of that name.
        """
        if name in self.names:
            raise LocalError("two commands of one name", shown=name)
        self._handlers[name] = handler

    def divert(self, whom: Diversion) -> None:
        """From now on other nodes answer what concerns them."""
        self._diversion = whom

    def handle(self, topic: str, payload: bytes) -> None:
        """Execute one message of the command topic, and publish one result, whatever the message is.

        An empty one is none: it is how a retained one is removed.
        """
        if payload:
            Deferred.fromCoroutine(self._answer(payload, self._dispatch))

    def handle_retained(self, topic: str, payload: bytes) -> None:
        """Refuse, in a result, a message that the broker had retained, and remove it.

        It would come again with every connection, long after whoever sent it. The first time it came as an ordinary
        message and was executed.
        """
        self.counts["retained"] += 1
        self.log.warn("A retained command was ignored and removed; publish commands without the retain flag")
        Deferred.fromCoroutine(self._answer(payload, _refuse_retained))
        self._send(Message(topic, b"", retain=True))

    async def _answer(self, payload: bytes, execute: Handler) -> None:
        answer: dict[str, Any] = {"id": None, "command": None, "ok": False}
        try:
            command = _parse(payload)
            answer |= {"id": command.get("id"), "command": command.get("command")}
            answer |= await execute(command)
            answer["ok"] = True
        except CamdetectError as error:
            self.counts["refused"] += 1
            answer["error"] = str(error)
        except Exception:
            self.log.failure("A command failed")
            answer["error"] = "an internal error of camdetect; see its log"
        answer |= {"node_id": self._node_id, "timestamp": rfc3339(self._clock.seconds())}
        self._send(Message(self._topic, encode(answer), expires_after=RESULT_LIFETIME))

    def _send(self, message: Message) -> None:
        try:
            sending = self._publish(message)
        except PublishError as error:
            self.log.warn("{topic} was not accepted: {error}", topic=message.topic, error=str(error))
            return
        # What happens to it later is the outbox's to count and to report.
        sending.addErrback(lambda failure: failure.trap(PublishError) and None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the commands."""
        return (*self._actions, *self._handlers)

    async def _dispatch(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        name = command.get("command")
        fields = {key: value for key, value in command.items() if key not in ("command", "id")}
        if self._diversion is not None and isinstance(name, str):
            diverted = self._diversion(name, fields, partial(self._execute, name, fields))
            if diverted is not None:
                self.counts["diverted"] += 1
                return await diverted
        return await self._execute(name, fields)

    async def _execute(self, name: object, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            return self.execute({**fields, "command": name})
        self.counts[str(name)] += 1
        return await handler(fields)

    async def run(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Execute the command of that name; returns the fields of its result.

        :raises CamdetectError: as its handler.
        """
        return await self._dispatch({**fields, "command": name})

    def execute(self, command: dict[str, Any]) -> dict[str, Any]:
        """Execute the command named ``command["command"]``, with its other fields; returns the fields of the result.

        :raises RemoteError: there is no such command, or a field is missing or wrong.
        """
        name = command.get("command")
        action = self._actions.get(name) if isinstance(name, str) else None
        if action is None:
            raise RemoteError(f"no such command; there are {', '.join(self.names)}", shown=repr(name)[:60])
        self.counts[str(name)] += 1
        return action(command)

    def _rescan(self, _: dict[str, Any]) -> dict[str, Any]:
        already = self._detector.sweeping
        self._detector.rescan()
        return {"already_sweeping": already}

    def _probe(self, command: dict[str, Any]) -> dict[str, Any]:
        address = str(parse_address(_text(command, "address")))
        if address in self._excluded:
            raise RemoteError("SCAN_EXCLUDE has that address: it is asked nothing", shown=address)
        if refusal := self._detector.explain_refusal(address):
            raise RemoteError(refusal, shown=address)
        self._detector.sighted(
            Sighting(
                method=BY_HAND,
                address=address,
                seen_at=self._clock.seconds(),
                rtsp_ports=PROBE_RTSP_PORTS,
                open_ports=(*PROBE_RTSP_PORTS, *PROBE_HTTP_PORTS),
            )
        )
        return {"address": address}

    def _check(self, command: dict[str, Any]) -> dict[str, Any]:
        camera_id = _text(command, "camera_id")
        if not self._detector.check(camera_id):
            raise RemoteError("no camera with that id", shown=camera_id)
        return {"camera_id": camera_id}

    def _state(self, command: dict[str, Any]) -> dict[str, Any]:
        page, written = page_of(self._registry.cameras(), command).fill(_state_of)
        return {
            "cameras": {camera.id: json.loads(text) for camera, text in zip(page.cameras, written, strict=True)},
            "total": page.total,
            "next": page.next,
            "phase": self._detector.phase,
            "sweeping": self._detector.sweeping,
        }


def _state_of(camera: Camera) -> bytes:
    return encode(
        camera_document(camera) | {"status": camera.status.value, "reason": camera.reason, "reason_code": camera.code}
    )


async def _refuse_retained(_: Mapping[str, Any]) -> Mapping[str, Any]:
    raise RemoteError("a retained command is not obeyed, it would come again with every connection; do not retain it")


def _parse(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_COMMAND_BYTES:
        raise RemoteError("a command has at most 4096 bytes", shown=f"{len(payload)} bytes")
    try:
        command = json.loads(payload)
    except (ValueError, RecursionError):
        raise RemoteError("a command is a JSON object") from None  # not shown: it may have a password in it
    if not isinstance(command, dict):
        raise RemoteError("a command is a JSON object", shown=type(command).__name__)
    identifier = command.get("id")
    if identifier is not None and not isinstance(identifier, str | int):
        raise RemoteError("the id of a command is a text or a number")
    return command


def _text(command: dict[str, Any], name: str) -> str:
    value = command.get(name)
    if not isinstance(value, str) or not value:
        raise RemoteError(f"this command needs {name!r}")
    return value


class CommandInbox:
    """Inbox of the command topic, subscribed before the first connection; what comes before :meth:`open` waits.

    The daemon says that it is online in its first connection, while plugins are still loaded. Whoever answers that with
    a command is to be heard.
    """

    def __init__(self) -> None:
        self._commands: MqttCommands | None = None
        self._waiting: list[Deferred[MqttCommands]] = []

    def open(self, commands: MqttCommands) -> None:
        """Have ``commands`` execute what waits, and all later ones."""
        self._commands = commands
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(commands)

    async def receive(self, topic: str, payload: bytes) -> None:
        """See :meth:`MqttCommands.handle`."""
        (await self._executor()).handle(topic, payload)

    async def receive_retained(self, topic: str, payload: bytes) -> None:
        """See :meth:`MqttCommands.handle_retained`."""
        (await self._executor()).handle_retained(topic, payload)

    async def _executor(self) -> MqttCommands:
        if self._commands is not None:
            return self._commands
        self._waiting.append(Deferred())
        return await self._waiting[-1]
