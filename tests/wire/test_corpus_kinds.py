"""Every kind of case in the corpus is read by some test: a kind that nobody reads proves nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.corpus import ROOT, SKIP

HERE = Path(__file__).resolve().parent


class Kinds(SynchronousTestCase):
    skip = SKIP or None

    def test_all_are_read(self) -> None:
        """Each kind is named in a corpus test, whole or by the part after its protocol."""
        kinds = {entry["kind"] for entry in json.loads((ROOT / "index.json").read_text())}
        tests = "".join(path.read_text() for path in HERE.glob("test_corpus_*.py") if path.name != Path(__file__).name)
        named = set(re.findall(r'"([\w.-]+)"', tests))
        unread = {kind for kind in kinds if kind not in named and kind.removeprefix("onvif.") not in named}
        self.assertEqual(unread, set())
