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
    """Connected and with its first sweep behind it, the daemon has at most 70 MiB resident.

    On Python 3.14 it weighs 10 MiB more (of that 5.6 MB are the libraries' imports alone).
    """
    with Lab(tmp_path) as lab:
        site = Site(lab)
        daemon = site.daemon()
        site.listener.wait("system/camera_detector_health/node1/lwt", lambda heard: heard.json["status"] == "online")
        time.sleep(8)  # the first sweep
        status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
        assert "twistd" in status  # and not the `ip` that started it
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        assert found is not None
        print(f"resident: {int(found[1])} kB")
        assert int(found[1]) <= (70 if sys.version_info < (3, 14) else 80) * 1024
