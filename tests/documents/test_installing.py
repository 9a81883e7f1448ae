"""The ways to install it, and what keeps it: wheel, unit, upgrade, backup, from an empty machine on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.documents.typist import read
from tests.lan.lab import REASON

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto"),
]


def test_installing(tmp_path: Path) -> None:
    """packages.md, then keeping.md on the machine that it has installed: no error is in the unit's log."""
    read("docs/operations/packages.md", tmp_path)
