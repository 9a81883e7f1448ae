"""The daemon with a broker and no camera: what it costs to have it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from tests.lan.lab import REASON, Lab
from tests.lan.site import Site

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto"),
]


def forget_libraries() -> None:
    """Drop the libraries of this environment from the page cache.

    Around each page of a file that a process touches the kernel maps those that happen to be in the cache, and counts
    them as resident: 1.1 MB more for the same daemon, beside the same 50.9 MB of its own, where all was just installed.
    """
    for library in Path(sysconfig.get_path("platlib")).rglob("*.so*"):
        descriptor = os.open(library, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def test_resident_memory(tmp_path: Path) -> None:
    """Connected and with its first sweep behind it, the daemon has at most 70 MiB resident.

    On Python 3.14 it weighs 10 MiB more (of that 5.6 MB are the libraries' imports alone).
    """
    forget_libraries()
    with Lab(tmp_path) as lab:
        site = Site(lab)
        daemon = site.daemon()
        site.listener.wait("system/camera_detector_health/node1/lwt", lambda heard: heard.json["status"] == "online")
        time.sleep(8)  # the first sweep
        status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
        assert "twistd" in status  # and not the `ip` that started it
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        assert found is not None
        print(f"resident: {int(found[1])} kB", re.findall(r"Rss\w+:\s*\d+ kB", status))
        assert int(found[1]) <= (70 if sys.version_info < (3, 14) else 80) * 1024
