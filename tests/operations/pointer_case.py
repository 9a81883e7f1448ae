"""Folders and sockets of daemons that run, as pointers lead to them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.control_socket import NAME

NOBODY = 65_534
#: Processes that are there besides this one.
OTHERS = (os.getppid(), 1)


class PointerCase(SynchronousTestCase):
    """A short path below the system's temporary folder: a socket's may have 107 bytes."""

    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="camdetect-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.folder = self.root / "run" / "camdetect"
        self.folder.parent.mkdir()

    def serve(self, name: str, *, user: int | None = None) -> Path:
        """A state directory in which somebody listens; ``user``: another one, as the kernel sees it."""
        directory = self.root / name
        directory.mkdir(mode=0o700)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(directory / NAME))
        (directory / NAME).chmod(0o600)
        if user is not None:
            os.seteuid(user)
        try:
            listener.listen()
        finally:
            if user is not None:
                os.seteuid(0)
        return directory

    def point(self, name: str, text: str) -> Path:
        """A pointer, written by hand."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.write_text(text)
        return path
