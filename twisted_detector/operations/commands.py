"""Commands over MQTT: each message of the command topic is executed, and its result published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container
from typing import Any

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.detector.detector import Detector
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.model import Message, Sighting, parse_address
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.registry.registry import Registry

#: A command is a few words; more is not one.
MAX_COMMAND_BYTES = 4096
#: An answer that nobody fetched within ten minutes is not waited for any more.
RESULT_LIFETIME = 600.0
#: Ports at which a device that is named by hand is asked, beside those that it shows itself.
PROBE_RTSP_PORTS = (554, 8554)
PROBE_HTTP_PORTS = (80, 8000, 8080, 2020, 8899)


class MqttCommands:
    """Executor of ``rescan``, ``probe``, ``check``, ``forget`` and ``state``.

    :param topic: where results are published.
    :param publish: publishes each result.
    :param excluded: addresses that are never probed.
    :ivar counts: commands by name, and ``refused``.
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
        publish: Callable[[Message], object],
        excluded: Container[str] = (),
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
            "forget": self._forget,
            "state": self._state,
        }

    def handle(self, topic: str, payload: bytes) -> None:
        """Execute one message of the command topic, and publish one result, whatever the message is."""
        answer: dict[str, Any] = {"id": None, "command": None, "ok": False}
        try:
            command = _parse(payload)
            answer |= {"id": command.get("id"), "command": command.get("command")}
            answer |= self.execute(command)
            answer["ok"] = True
        except CamdetectError as error:
            self.counts["refused"] += 1
            answer["error"] = str(error)
        except Exception:
            self.log.failure("A command failed")
            answer["error"] = "it failed by a fault of this program; see its log"
        answer |= {"node_id": self._node_id, "timestamp": rfc3339(self._clock.seconds())}
        self._publish(Message(self._topic, encode(answer), expires_after=RESULT_LIFETIME))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the commands."""
        return tuple(self._actions)

    def execute(self, command: dict[str, Any]) -> dict[str, Any]:
        """Execute the command named ``command["command"]``, with its other fields; returns the fields of the result.

        :raises RemoteError: there is no such command, or a field is missing or wrong.
        """
        name = command.get("command")
        action = self._actions.get(name) if isinstance(name, str) else None
        if action is None:
            raise RemoteError("no such command; there are rescan, probe, check, forget and state", shown=repr(name))
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
        self._detector.sighted(
            Sighting(
                method="command",
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
            raise RemoteError("no camera of that id", shown=camera_id)
        return {"camera_id": camera_id}

    def _forget(self, command: dict[str, Any]) -> dict[str, Any]:
        camera_id = _text(command, "camera_id")
        if not self._registry.forget(camera_id, self._clock.seconds()):
            raise RemoteError("no camera of that id", shown=camera_id)
        return {"camera_id": camera_id}

    def _state(self, _: dict[str, Any]) -> dict[str, Any]:
        cameras = {
            camera.id: camera_document(camera) | {"status": camera.status.value, "reason": camera.reason}
            for camera in self._registry.cameras()
        }
        return {"cameras": cameras, "phase": self._detector.phase, "sweeping": self._detector.sweeping}


def _parse(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_COMMAND_BYTES:
        raise RemoteError("a command has at most 4096 bytes", shown=f"{len(payload)} bytes")
    try:
        command = json.loads(payload)
    except (ValueError, RecursionError):
        raise RemoteError("a command is a JSON object", shown=ascii(payload[:60])) from None
    if not isinstance(command, dict):
        raise RemoteError("a command is a JSON object", shown=type(command).__name__)
    identifier = command.get("id")
    if identifier is not None and not isinstance(identifier, str | int):
        raise RemoteError("the id of a command is a text or a number")
    return command


def _text(command: dict[str, Any], name: str) -> str:
    value = command.get(name)
    if not isinstance(value, str) or not value:
        raise RemoteError(f"this command wants {name!r}")
    return value
