"""Client of the control socket, for the command line: blocking, since a command line has nothing else to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.operations.control_socket import MAX_ANSWER, NAME, TIMEOUT, parse_line


class NotRunning(CamdetectError):
    """No daemon answers on the control socket."""


def send_request(directory: Path, request: Mapping[str, Any], *, timeout: float = TIMEOUT + 5) -> dict[str, Any]:
    """Send ``request`` to the daemon that uses the state directory ``directory``, and wait for its answer.

    :param timeout: seconds.
    :raises NotRunning: no process listens on the socket.
    :raises RemoteError: the request was refused, the connection was lost, or the answer was late or not readable.
    """
    path = directory / NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
        except PermissionError:
            raise RemoteError("the daemon runs as another user", shown=str(path)) from None
        except (OSError, ValueError):
            raise NotRunning("no daemon answers", shown=str(path)) from None
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = _read_line(connection)
        except OSError as problem:
            raise RemoteError("the daemon did not answer", shown=str(problem)) from None
    answer = parse_line(line)
    if not answer.get("ok"):
        raise RemoteError(str(answer.get("error", "the daemon gave no reason")))
    return answer


def _read_line(connection: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n") and len(data) <= MAX_ANSWER and (part := connection.recv(65_536)):
        data += part
    return bytes(data)
