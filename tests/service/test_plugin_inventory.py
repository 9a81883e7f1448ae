"""The list of plugins: each file and each maker is in it, with the reason for which the daemon leaves it out."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from tests.plugins.case import EXAMPLES, Site
from twisted_detector.cli.plugins.listing import list_plugins
from twisted_detector.config.config import Config
from twisted_detector.service.extensions import loader
from twisted_detector.service.extensions.assembly import PluginAssembly
from twisted_detector.service.extensions.entries import PluginEntry, PluginState
from twisted_detector.service.plugin_inventory import inventory

MAKER = """
from pathlib import Path
Path({trace!r}).touch()
from twisted.plugin import IPlugin
from zope.interface import implementer
from twisted_detector.interfaces import IListenerMaker, IServiceExtension
class Missing:
    pass
@implementer(IPlugin, IServiceExtension, IListenerMaker)
class Maker:
    name = {name!r}
    needs = {needs}
    def make(self, context, *needed):
        raise ZeroDivisionError("made")
maker = Maker()
"""


class InventoryCase(Site):
    def setUp(self) -> None:
        super().setUp()
        self.mine = self.folder.resolve() / "mine"
        self.mine.mkdir()
        self.config = Config(plugin_path=(self.mine,))
        self.patch(loader, "log", SimpleNamespace(error=lambda *a, **b: None, debug=lambda *a, **b: None))

    def write(self, stem: str, source: str = "", *, name: str = "", needs: str = "()") -> Path:
        """A file of the user; with ``name``, that of a maker, which leaves a trace when it is imported."""
        path = self.mine / f"{stem}.py"
        path.write_text(source or MAKER.format(trace=str(self.trace(stem)), name=name, needs=needs))
        self.addCleanup(sys.modules.pop, f"twisted_detector.plugins.{stem}", None)
        return path

    def trace(self, stem: str) -> Path:
        return self.folder.resolve() / f"{stem}.imported"

    def entries(self, *wanted: str) -> dict[str, PluginEntry]:
        return {one.name: one for one in self.entries_list(*wanted)}

    def entries_list(self, *wanted: str) -> list[PluginEntry]:
        return inventory(replace(self.config, plugins=wanted))


class InventoryTests(InventoryCase):
    def test_well(self) -> None:
        """Ours and the examples are all loaded; a maker of two kinds is one plugin, and nothing is made."""
        file = self.write("camdetect_acme", name="acme")
        found = self.entries()
        self.assertEqual(PluginEntry("acme", ("listener", "service"), str(file), PluginState.LOADED), found["acme"])
        self.assertLessEqual(EXAMPLES | {"wsdiscovery", "onvif", "topics", "web"}, set(found))
        self.assertEqual([], [one for one in found.values() if one.state is not PluginState.LOADED])
        self.assertTrue(found["onvif"].is_builtin)
        self.assertFalse(found["jsonl"].is_builtin)

    def test_not_wanted(self) -> None:
        """What PLUGINS does not name is off, and not imported; ours are loaded all the same."""
        file = self.write("camdetect_acme", name="acme")
        found = self.entries("jsonl")
        self.assertEqual(
            PluginEntry("camdetect_acme", (), str(file), PluginState.OFF, "PLUGINS does not name it"),
            found["camdetect_acme"],
        )
        self.assertFalse(self.trace("camdetect_acme").exists())
        self.assertEqual({PluginState.LOADED}, {found["jsonl"].state, found["onvif"].state})

    def test_left_out(self) -> None:
        """Broken, without what it needs, or writable by others: each is left out with its reason."""
        self.write("camdetect_broken", "import nothing_of_that_name\n")
        self.write("camdetect_needy", name="needy", needs="(Missing,)")
        self.write("camdetect_open", name="open").chmod(0o666)
        found = self.entries()
        for name, why in (
            ("camdetect_broken", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
            ("needy", "it needs Missing, which nobody provides before it is made"),
            ("camdetect_open", "it may be written by everybody"),
        ):
            self.assertEqual(PluginState.LEFT_OUT, found[name].state)
            self.assertIn(why, found[name].why)
        self.assertFalse(self.trace("camdetect_open").exists())

    def test_of_a_class_of_ours(self) -> None:
        """A user's maker of a class of ours, or of another file of his, is where it stands; an import of it is not."""
        ours = "from twisted_detector.plugins.builtin import PacketCaptureMaker, arp\n"
        file = self.write("camdetect_mine", f"{ours}mine = PacketCaptureMaker('borrowed')\n")
        kind = self.write("camdetect_kind", name="kind")
        kinds = "from twisted_detector.plugins.camdetect_kind import Maker, maker as theirs\n"
        one = self.write("camdetect_one", f"{kinds}class Mine(Maker):\n    name = 'one'\nmaker = Mine()\n")
        two = self.write("camdetect_two", f"{kinds}maker = Maker()\nmaker.name = 'two'\n")
        self.addCleanup(sys.modules.pop, "twisted_detector.plugins.camdetect_kind", None)
        found = self.entries()
        files = {name: found[name].file for name in ("borrowed", "kind", "one", "two")}
        self.assertEqual({"borrowed": str(file), "kind": str(kind), "one": str(one), "two": str(two)}, files)
        self.assertEqual((False, True), (found["borrowed"].is_builtin, found["arp"].is_builtin))
        self.assertEqual("builtin.py", Path(found["arp"].file).name)

    def test_untrusted_folder(self) -> None:
        """A folder that everybody may write is one line, and nothing in it is imported."""
        self.write("camdetect_acme", name="acme")
        self.mine.chmod(0o777)
        (entry,) = [one for one in inventory(self.config) if one.state is not PluginState.LOADED]
        self.assertEqual((str(self.mine), PluginState.LEFT_OUT), (entry.file, entry.state))
        self.assertIn("may be written by everybody", entry.why)
        self.assertFalse(self.trace("camdetect_acme").exists())

    def test_command(self) -> None:
        """camdetect plugins ends with status 1 when one that is wanted is not loaded, or when nobody has it."""
        for wanted, broken, status in (((), False, 0), (("jsonl",), False, 0), (("nosuch",), False, 1), ((), True, 1)):
            if broken:
                self.write("camdetect_broken", "1/0\n")
            out, err = io.StringIO(), io.StringIO()
            config = replace(self.config, plugins=wanted)
            self.assertEqual(status, list_plugins(config, None, use_json=True, out=out, err=err), wanted)
            self.assertEqual("nosuch" in wanted, "PLUGINS names nosuch, but no plugin has that name" in err.getvalue())
            self.assertIn("wsdiscovery", {one["name"] for one in json.loads(out.getvalue())})
            list_plugins(config, None, use_json=False, out=out, err=err)
            self.assertIn("jsonl", out.getvalue())

    def test_unknown_names(self) -> None:
        """The daemon warns at its start of each name in PLUGINS that neither a file nor a maker has."""
        self.write("camdetect_acme", name="acme")
        loader.look_in([self.mine])
        wanted = ("acme", "camdetect_acme", "jsonl", "web", "nosuch", "other")
        self.assertEqual(["nosuch", "other"], loader.unknown_names(wanted))
        self.assertEqual([], loader.unknown_names(()))
        told: list[str] = []
        self.patch(PluginAssembly, "log", SimpleNamespace(warn=lambda text, **named: told.append(text.format(**named))))
        config = SimpleNamespace(plugin_path=(), plugins=wanted, plugin_settings={})
        PluginAssembly(replace(self.context(), config=config))
        self.assertEqual(2, len(told))
        self.assertIn("PLUGINS names nosuch, but no plugin has that name", told[0])
