"""Nothing goes in; a TCP port of loopback that nobody has comes out."""

from __future__ import annotations

import itertools
import os
import socket
from contextlib import suppress

#: Below the ports that the kernel gives to connections (``ip_local_port_range``), which come and go while a server
#: starts; and none of them is a port that camdetect never asks.
_PORTS = range(20_000, 32_768)
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # noqa: TID251  pytest-xdist: gw0, gw1 …
#: Each worker of a run has ports of its own, and so have runs beside it: one whose server is down for a while is not
#: given to anybody else.
_PORTS = _PORTS[int(_worker.removeprefix("gw")) % 8 if _worker else 8 + os.getpid() % 8 :: 16]
#: Several runs at one time begin at different ports.
_numbers = itertools.count(os.getpid() * 61)


def free_port() -> int:
    """Another one each time."""
    for number in itertools.islice(_numbers, len(_PORTS)):
        port = _PORTS[number % len(_PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("every port is taken")
