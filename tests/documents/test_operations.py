"""The pages for who runs it: each command of each does what the page says, as it stands there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.documents.typist import RUN, followers, read
from tests.lan.lab import REASON

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto"),
]


FIRST = "docs/operations/packages.md"  # test_installing.py has it, and what follows
PAGES = [page for page in RUN if page.startswith("docs/operations/") and page != FIRST and page not in followers(FIRST)]


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, tmp_path: Path) -> None:
    read(page, tmp_path)
