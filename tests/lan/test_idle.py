"""The daemon with a broker and no camera: what it costs to have it."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.lan.lab import REASON, Lab
from tests.lan.site import Site

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto"),
]


def test_resident_memory(tmp_path: Path) -> None:
    """Connected and with its first sweep behind it, the daemon holds at most 50 MiB of memory of its own.

    Beside it the kernel counts the pages of libraries as resident, 20.0 MB of them, and up to 1.2 MB more where those
    happen to be in the page cache around a page that was touched, as they are where all was just installed: the same
    daemon has 65.7 to 67 MiB together. On Python 3.14 it weighs 10 MiB more (of that 5.6 MB are the libraries'
    imports alone).
    """
    with Lab(tmp_path) as lab:
        site = Site(lab)
        daemon = site.daemon()
        site.listener.wait("system/camera_detector_health/node1/lwt", lambda heard: heard.json["status"] == "online")
        time.sleep(8)  # the first sweep
        status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
        assert "twistd" in status  # and not the `ip` that started it
        own, of_files = (int(size) for size in re.findall(r"Rss(?:Anon|File):\s*(\d+) kB", status))
        print(f"resident: {own} kB of its own, {of_files} kB of files")
        assert own <= (50 if sys.version_info < (3, 14) else 60) * 1024
        assert own + of_files <= (70 if sys.version_info < (3, 14) else 80) * 1024
