"""Plugins of installed distributions: found by their entry points, chosen, checked and named like files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.service.test_plugin_inventory import InventoryCase
from twisted_detector.interfaces import IListenerMaker, IServiceExtension
from twisted_detector.service.extensions import entry_points, loader
from twisted_detector.service.extensions.entries import PluginState

MAKER = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from twisted_detector.interfaces import IListenerMaker
@implementer(IPlugin, IListenerMaker)
class Maker:
    name = {name!r}
    def make(self, context):
        return None
maker = Maker()
"""


class EntryPointTests(InventoryCase):
    def setUp(self) -> None:
        super().setUp()
        self.site = self.folder.resolve() / "site"
        self.site.mkdir()
        sys.path.insert(0, str(self.site))
        self.addCleanup(sys.path.remove, str(self.site))
        entry_points.declared_plugins.cache_clear()
        self.addCleanup(entry_points.declared_plugins.cache_clear)

    def install(self, name: str, source: str = "", *, value: str = "", maker: str = "") -> Path:
        """A distribution with one module, which is a plugin; its trace is there when it was imported."""
        module = f"camdetect_{name}"
        package = self.site / module
        package.mkdir()
        trace = f"from pathlib import Path\nPath({str(self.trace(module))!r}).touch()\n"
        (package / "__init__.py").write_text(trace + (source or MAKER.format(name=maker or name)))
        information = self.site / f"{module}-1.2.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
        (information / "entry_points.txt").write_text(f"[camdetect.plugins]\n{name} = {value or module}\n")
        self.addCleanup(sys.modules.pop, module, None)
        return package / "__init__.py"

    def names(self, *wanted: str, kind: Any = IListenerMaker) -> set[str]:
        return {maker.name for maker in loader.makers(kind, wanted)}

    def test_found(self) -> None:
        """A module, or one maker of it, is a plugin like any other; the list tells the package and its version."""
        file = self.install("acme")
        self.install("other", value="camdetect_other:maker")
        self.assertLessEqual({"acme", "other"}, self.names())
        self.assertNotIn("acme", self.names(kind=IServiceExtension))
        entry = self.entries()["acme"]
        self.assertEqual((str(file), "camdetect_acme 1.2"), (entry.file, entry.package))
        self.assertEqual((("listener",), PluginState.LOADED, False), (entry.kinds, entry.state, entry.is_builtin))

    def test_entry_not_wanted(self) -> None:
        """What PLUGINS does not name is off, and not imported."""
        self.install("acme")
        entry = self.entries("jsonl")["acme"]
        self.assertEqual((PluginState.OFF, "PLUGINS does not name it"), (entry.state, entry.why))
        self.assertFalse(self.trace("camdetect_acme").exists())
        self.assertEqual([], loader.unknown_names(["acme"]))
        self.assertIn("acme", self.names("acme"))

    def test_entry_left_out(self) -> None:
        """One that cannot be imported, has no maker, or can be written by others, is left out with the reason."""
        broken, empty = self.install("broken", "1/0\n"), self.install("empty", "x = 1\n")
        opened = self.install("open")
        opened.chmod(0o666)
        gone = self.install("gone", value="camdetect_gone.nowhere")
        found = {one.file: one for one in self.entries_list()}
        for file, why in (
            (broken, "ZeroDivisionError"),
            (empty, "no maker is in it"),
            (opened, "may be written by everybody"),
        ):
            self.assertEqual(PluginState.LEFT_OUT, found[str(file)].state)
            self.assertIn(why, found[str(file)].why)
        self.assertFalse(self.trace("camdetect_open").exists())
        self.assertIn("ModuleNotFoundError", found["camdetect_gone 1.2 (camdetect_gone.nowhere)"].why)
        self.assertTrue(gone.exists())

    def test_untrusted_package(self) -> None:
        """A package in a folder that everybody may write is not imported."""
        file = self.install("acme")
        file.parent.chmod(0o777)
        self.assertNotIn("acme", self.names())
        self.assertIn("may be written by everybody", loader.broken()[str(file)])
        self.assertFalse(self.trace("camdetect_acme").exists())

    def test_after_files(self) -> None:
        """Of a file and an entry point of one name the file counts, and the other is named."""
        self.write("camdetect_mine", name="acme")
        self.install("acme")
        loader.look_in([self.mine])
        ((maker, first),) = loader.doubled()
        self.assertEqual(("acme", str(self.mine / "camdetect_mine.py")), (maker.name, first))
        self.assertEqual(1, [one.name for one in loader.makers(IListenerMaker)].count("acme"))
