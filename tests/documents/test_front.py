"""The pages that are read first, and those for developers: each command does what the page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.documents.typist import RUN, read
from tests.lan.lab import REASON

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto"),
]


@pytest.mark.parametrize("page", [page for page in RUN if not page.startswith("docs/operations/")])
def test_page(page: str, tmp_path: Path) -> None:
    read(page, tmp_path)
