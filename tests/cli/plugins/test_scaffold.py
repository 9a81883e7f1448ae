"""``camdetect new-plugin`` writes a plugin that is loaded, and a test that passes, of every kind."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.service.test_plugin_inventory import InventoryCase
from twisted_detector.cli.plugins import scaffold
from twisted_detector.cli.plugins.grammar import PLUGIN_KINDS
from twisted_detector.cli.plugins.scaffold import new_plugin, written
from twisted_detector.config.config import Config
from twisted_detector.service.extensions.entries import PluginState

ROOT = Path(__file__).resolve().parents[3]


def names_in(folder: Path) -> list[str]:
    """The files of a folder."""
    return sorted(file.name for file in folder.iterdir())


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A test as a user runs it."""
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


class ScaffoldCase(InventoryCase):
    def new(self, name: str, kind: str = "listener", *, folder: Path | None = None, **settings: Any) -> tuple[int, str]:
        """Exit status, and what was written to either stream."""
        out, err = io.StringIO(), io.StringIO()
        where = str(folder) if folder is not None else None
        status = new_plugin(name, kind, folder=where, config=Config(**settings), out=out, err=err)
        return status, out.getvalue() + err.getvalue()


class EveryKind(ScaffoldCase):
    def test_loaded(self) -> None:
        """The file of each kind is loaded as it stands, as what it was to be."""
        for kind in PLUGIN_KINDS:
            status, said = self.new(f"my_{kind}", kind, folder=self.mine)
            self.assertEqual(0, status, said)
            self.addCleanup(sys.modules.pop, f"twisted_detector.plugins.my_{kind}", None)
        found = self.entries()
        for kind in PLUGIN_KINDS:
            entry = found[f"my_{kind}"]
            self.assertEqual((PluginState.LOADED, ""), (entry.state, entry.why))
            self.assertIn(kind, entry.kinds)

    def test_its_test_passes(self) -> None:
        """The test of each kind passes in a process of its own, as the command says to run it; it has the contract."""
        for kind in PLUGIN_KINDS:
            _, said = self.new(f"my_{kind}", kind, folder=self.mine)
            (line,) = re.findall(rf"^  (\S+ \S+test_my_{kind}\.py)$", said, re.MULTILINE)
            ran = run(*line.split())
            self.assertEqual(0, ran.returncode, ran.stderr)
            self.assertGreater(int(re.findall(r"Ran (\d+) tests", ran.stderr)[0]), 4)
            self.assertIn(f"{kind}_contract(", (self.mine / f"test_my_{kind}.py").read_text())

    def test_it_can_fail(self) -> None:
        """The test of each kind fails when the plugin breaks its contract."""
        breaches = {
            "discoverer": ("if len(words) < WORDS:", "if len(words) < 0:"),
            "watcher": ("return listening.stopListening() if listening is not None else None", "return None"),
            "inspector": ("            await login.acquire_permit", "            #"),
            "output": ('yield Message(topic, b"", retain=True)', "return"),
            "listener": ("if not isinstance(event, CameraEvent):", "if False:"),
            "service": ("            self._loop.stop()", "            pass"),
        }
        for kind, (well, broken) in breaches.items():
            self.new(f"my_{kind}", kind, folder=self.mine)
            file = self.mine / f"my_{kind}.py"
            source = file.read_text()
            self.assertIn(well, source)
            file.write_text(source.replace(well, broken))
            ran = run(sys.executable, str(self.mine / f"test_my_{kind}.py"))
            self.assertEqual(1, ran.returncode, kind)
            self.assertIn("FAILED", ran.stderr)


class Writing(ScaffoldCase):
    def test_nothing_is_overwritten(self) -> None:
        """Where one of the two files is there already, neither is written."""
        for name in ("acme.py", "test_acme.py"):
            folder = self.folder / name
            folder.mkdir()
            (folder / name).write_text("mine")
            status, said = self.new("acme", folder=folder)
            self.assertEqual((1, "mine", [name]), (status, (folder / name).read_text(), names_in(folder)))
            self.assertIn("is there already: nothing is overwritten", said)

    def test_names(self) -> None:
        """A name is one of a module; none that Python, camdetect or its tests have."""
        for name in ("Acme", "a-b", "", "1a", "../a", "a" * 41, "class", "test_acme", "a.b", "é"):
            status, said = self.new(name, folder=self.mine)
            self.assertEqual(1, status, name)
            self.assertIn("is no name", said)
        for name, words in (("onvif", "camdetect itself"), ("json", "Python itself"), ("twisted", "is installed here")):
            status, said = self.new(name, folder=self.mine)
            self.assertEqual(1, status)
            self.assertIn(words, said)
        self.assertEqual([], names_in(self.mine))

    def test_ambiguous_names(self) -> None:
        """A name whose class would be a word of Python, or what the file has already, is refused for that kind."""
        for kind, name in (
            ("listener", "none"),
            ("listener", "exception"),
            ("output", "message"),
            ("service", "service"),
            ("inspector", "evidence"),
            ("watcher", "maker"),
            ("watcher", "i_watcher"),
            ("service", "contract"),
        ):
            status, said = self.new(name, kind, folder=self.mine)
            self.assertEqual(1, status, name)
            self.assertIn("means something else in the file already", said)
        self.assertEqual([], names_in(self.mine))
        self.assertEqual(0, self.new("message", "discoverer", folder=self.mine)[0])

    def test_where(self) -> None:
        """The first folder of PLUGIN_PATH, else the checkout's, else the machine's; one that is not there is made."""
        first, other, machine = self.folder / "a" / "b", self.folder / "c", self.folder / "machine"
        before = os.umask(0o002)  # of a group that shares its files: nothing would be loaded
        try:
            self.assertEqual(0, self.new("acme", plugin_path=(first, other))[0])
        finally:
            os.umask(before)
        self.assertEqual({"acme.py", "test_acme.py"}, set(names_in(first)))
        self.assertEqual((0o755, 0o644), (first.stat().st_mode & 0o777, (first / "acme.py").stat().st_mode & 0o777))
        self.patch(scaffold, "MACHINE_PLUGINS", machine)
        self.patch(scaffold, "is_checkout", lambda folder: False)
        self.assertEqual(0, self.new("acme")[0])
        self.assertEqual({"acme.py", "test_acme.py"}, set(names_in(machine)))
        self.patch(scaffold, "is_checkout", lambda folder: True)
        self.patch(scaffold, "CHECKOUT_PLUGINS", other)
        self.assertEqual(0, self.new("acme")[0])
        self.assertEqual({"acme.py", "test_acme.py"}, set(names_in(other)))

    def test_not_searched(self) -> None:
        """Of a folder in which the daemon does not look it is told which setting makes it."""
        _, said = self.new("acme", folder=self.mine)
        self.assertIn(f"PLUGIN_PATH={self.mine}", said)
        _, said = self.new("other", plugin_path=(self.mine,))
        self.assertNotIn("PLUGIN_PATH=", said)
        self.assertIn("camdetect plugins", said)

    def test_cannot_be_written(self) -> None:
        """A folder that cannot be written is named."""
        (self.folder / "file").write_text("")
        status, said = self.new("acme", folder=self.folder / "file" / "below")
        self.assertEqual(1, status)
        self.assertIn("cannot be written: Not a directory", said)


class Templates(SynchronousTestCase):
    def test_whole(self) -> None:
        """There is a plugin and a test for each kind, and nothing is left to be filled in."""
        for kind in PLUGIN_KINDS:
            for template in (f"{kind}.template", f"{kind}_test.template"):
                text = written(template, "acme_bell")
                self.assertNotIn("$", text)
                self.assertTrue("acme_bell" in text and "AcmeBell" in text)
                compile(text, template, "exec")
