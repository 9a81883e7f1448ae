"""Who listens on a port of loopback: a broker that some camdetect embeds, or another program. Linux's /proc tells."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from twisted_detector.mqtt.broker.programs import AMQTT, HOST, MOSQUITTO

_LISTENS = "0A"
#: The configuration of an embedded broker, as its command line has it (``programs``, ``die_with_parent``).
_CONFIG_ENDS, _CONFIG_BEGINS = ("/broker/mosquitto.conf", "/broker/amqtt.yaml"), "/proc/self/fd/"


def is_embedded_broker(port: int, proc: Path = Path("/proc")) -> bool:
    """Whether a camdetect's embedded broker listens there: another's, or one that an earlier run left.

    Such a one ends with its daemon. Where the files of a process may not be seen, its user must be the socket's.
    """
    sockets = _listening(port, proc)
    if not sockets:
        return False
    for folder in proc.iterdir():
        if folder.name.isdecimal():
            try:
                arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if _is_embedded(arguments) and _holds(folder, sockets):
                    return True
            except OSError:  # it has ended
                continue
    return False


def _listening(port: int, proc: Path) -> dict[str, int]:
    """User by inode of the sockets that listen there; embedded brokers listen on this address and on no other."""
    address = int.from_bytes(socket.inet_aton(HOST), sys.byteorder)
    try:
        lines = (proc / "net" / "tcp").read_text().splitlines()[1:]
    except OSError:
        return {}
    rows = [line.split() for line in lines]
    wanted = (f"{address:08X}:{port:04X}", _LISTENS)
    return {row[9]: int(row[7]) for row in rows if len(row) > 9 and (row[1], row[3]) == wanted}


def _is_embedded(arguments: Sequence[str]) -> bool:
    if "-c" not in arguments[:-1]:
        return False
    option = arguments.index("-c")
    config = arguments[option + 1]
    is_broker = any(name in argument for name in (MOSQUITTO, AMQTT) for argument in arguments[:option])
    return is_broker and (config.endswith(_CONFIG_ENDS) or config.startswith(_CONFIG_BEGINS))


def _holds(folder: Path, sockets: dict[str, int]) -> bool:
    try:
        files = [str(file.readlink()) for file in (folder / "fd").iterdir()]
    except PermissionError:
        return folder.stat().st_uid in sockets.values()
    return any(f"socket:[{inode}]" in files for inode in sockets)
