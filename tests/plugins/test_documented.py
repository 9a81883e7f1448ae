"""The worked vendor plugin of docs/plugins.md: from an empty file to loaded and tested in four commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.documents.pages import blocks
from tests.processes import ROOT
from tests.service.test_plugin_inventory import InventoryCase
from twisted_detector.service.extensions import loader
from twisted_detector.service.extensions.entries import PluginState

PAGE = ROOT / "docs" / "plugins.md"
#: "cat > FILE <<'END'", the file, and "END".
_FILE = re.compile(r"cat > plugins/(\w+\.py) <<'END'\n(.*)\nEND", re.DOTALL)


class WorkedVendorPlugin(InventoryCase):
    def setUp(self) -> None:
        super().setUp()
        (block,) = [one for one in blocks(PAGE) if "halo.py" in one.text]
        self.commands = [one.text for one in block.commands()]
        for command in self.commands:
            if found := _FILE.fullmatch(command):
                (self.mine / found[1]).write_text(found[2] + "\n")
        self.addCleanup(sys.modules.pop, "twisted_detector.plugins.halo", None)

    def test_four_commands(self) -> None:
        """Two files, the test, and the list that shows it: no other command."""
        written = [bool(_FILE.fullmatch(one)) for one in self.commands]
        self.assertEqual([True, True, False, False], written)
        self.assertEqual(["python plugins/test_halo.py", 'camdetect plugins | grep "halo .*loaded"'], self.commands[2:])
        self.assertEqual({"halo.py", "test_halo.py"}, {file.name for file in self.mine.glob("*.py")})

    def test_its_test_passes(self) -> None:
        """It runs the contract of discoverers and the parser's tests."""
        environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, str(self.mine / "test_halo.py")]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(0, ran.returncode, ran.stderr)
        self.assertGreaterEqual(int(re.findall(r"Ran (\d+) tests", ran.stderr)[0]), 10)

    def test_loaded(self) -> None:
        """It is loaded as it stands."""
        loader.look_in([self.mine])
        entry = self.entries()["halo"]
        self.assertEqual((("discoverer",), PluginState.LOADED, ""), (entry.kinds, entry.state, entry.why))


class Seams(InventoryCase):
    def test_all_are_there(self) -> None:
        """The page names each maker interface with its contract, and every contract that it names is there."""
        from twisted_detector.service.plugin_inventory import KINDS
        from twisted_detector.testing import contracts

        text = PAGE.read_text()
        for kind, word in KINDS.items():
            self.assertIn(f"`{kind.__name__}`", text)
            self.assertIn(f"`{word}_contract`", text)
        for name in re.findall(r"`(\w+_contract)`", text):
            self.assertTrue(callable(getattr(contracts, name)), name)

    def test_types(self) -> None:
        """Each type of the shared parts can be imported from where the page says."""
        import importlib

        rows = re.findall(r"^\| [a-zA-Z ]+ \| `((?:\w+\.)+[A-Z]\w+)", PAGE.read_text(), re.MULTILINE)
        self.assertGreater(len(rows), 6)
        for row in rows:
            module, _, name = row.rpartition(".")
            self.assertTrue(hasattr(importlib.import_module(f"twisted_detector.{module}"), name), row)

    def test_figures(self) -> None:
        """The bounds on the page are those of the program."""
        from twisted_detector.detector.detector import MAX_LOOKUPS
        from twisted_detector.detector.inspection_runner import MAX_SECONDS
        from twisted_detector.service.extensions import guard, quota, record, stalls

        text = " ".join(PAGE.read_text().split())
        for words in (
            f"more than {quota.RATE:.0f} messages a second, {quota.BURST:,.0f} at once".replace(",000", " 000"),
            f"({quota.OCTETS // 1024} KiB of a payload",
            f"more than {guard.MAX_MESSAGES} of one event",
            f"{MAX_LOOKUPS:,}".replace(",", " "),
        ):
            self.assertIn(words, text)
        self.assertEqual((10, 86_400.0, 1.0), (record.MAX_FAULTS, record.FAULT_SECONDS, stalls.STALL_SECONDS))
        self.assertEqual(120, MAX_SECONDS)
