"""Scheduler of the tests that run side by side, by file (pytest-xdist): what takes longest begins first.

The tests of a file share a browser or servers, and are run by one process; those of ``APART`` share nothing and take
minutes together, so that any process may take the next of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

APART = (
    "tests/integration/test_homeassistant.py",
    "tests/lan/test_attacks.py",
    "tests/lan/test_conditions.py",
    "tests/documents/test_operations.py",
    "tests/documents/test_front.py",
)
#: What takes half a minute and more; a file that is missing here costs some seconds in the end, and nothing else.
LONG = (
    *APART,
    "tests/lan/test_notices.py",
    "tests/lan/test_lab_hostile.py",
    "tests/lan/test_lab_networks.py",
    "tests/lan/test_bad_disks.py",
    "tests/lan/test_why.py",
    "tests/lan/test_adding.py",
    "tests/lan/test_upgrades.py",
    "tests/lan/test_vendors.py",
    "tests/lan/test_lab_devices.py",
    "tests/lan/test_logins.py",
    "tests/lan/test_quirks.py",
    "tests/lan/test_followers.py",
    "tests/lan/test_restart.py",
    "tests/documents/test_installing.py",
    "tests/faults/test_broker.py",
    "tests/integration/test_simulator.py",
    "tests/integration/test_mqtt.py",
    "tests/integration/test_lockout.py",
    "tests/integration/test_rtsp_peers.py",
    "tests/integration/test_gstreamer.py",
    "tests/lan/test_eye.py",
    "tests/lan/test_counts.py",
    "tests/lan/test_soft_restart.py",
    "tests/lan/test_pictures.py",
)
_PLACES = {file: place for place, file in enumerate(LONG)}


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """Put what takes longest first; the tests of a file stay together, in their order."""
    items.sort(key=lambda item: _PLACES.get(file_of(item.nodeid), len(LONG)))


class ByFile(LoadScopeScheduling):
    """Gives files to processes in the order in which they were collected; of some files single tests."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return nodeid if file in APART else file
