"""A file with addresses and their ports goes in; listening sockets come out, until the process is ended."""

from __future__ import annotations

import json
import resource
import signal
import socket
import sys
from pathlib import Path


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened = []
    for address, ports in json.loads(Path(sys.argv[1]).read_text()):
        for port in ports:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(16)
            opened.append(listener)
    print("listening", len(opened), flush=True)
    signal.pause()


main()
