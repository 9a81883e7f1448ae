"""Plugins are found, chosen, given their settings, and cannot harm each other."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from zope.interface import Interface

from tests.plugins.case import EXAMPLES, Site
from twisted_detector import plugins
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IInspectorMaker,
    IListenerMaker,
    IMaker,
    IOutputMaker,
    IServiceExtension,
    IWatcherMaker,
)
from twisted_detector.service import plugin_loader
from twisted_detector.service.plugin_assembly import PluginAssembly

KINDS = (IDiscovererMaker, IInspectorMaker, IListenerMaker, IOutputMaker, IServiceExtension, IWatcherMaker)


def record(lines: list[Any], text: str, **fields: Any) -> None:
    """A line of the log with its fields."""
    lines.append((text, fields))


class Loading(Site):
    def load(self, source: str, name: str = "camdetect_mine") -> Path:
        """A folder with one plugin of the user."""
        folder = self.folder / "mine"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(source)
        plugin_loader.look_in([folder])
        self.addCleanup(sys.modules.pop, f"twisted_detector.plugins.{name}", None)
        return folder / f"{name}.py"

    def touching(self, name: str, makes: str, kind: str = "IServiceExtension") -> Path:
        """A plugin file that leaves a trace when it is imported; its maker is called ``makes``."""
        trace = self.folder / f"{name}.imported"
        self.load(
            "from pathlib import Path\n"
            f"Path({str(trace.resolve())!r}).touch()\n"
            "from twisted.plugin import IPlugin\n"
            "from zope.interface import implementer\n"
            f"from twisted_detector.interfaces import {kind}\n"
            f"@implementer(IPlugin, {kind})\n"
            "class Maker:\n"
            f"    name = {makes!r}\n"
            "    def make(self, context):\n"
            "        return None\n"
            "maker = Maker()\n",
            name,
        )
        return trace

    def names(self, *wanted: str) -> set[str]:
        kinds = (IDiscovererMaker, IListenerMaker, IServiceExtension)
        return {maker.name for kind in kinds for maker in plugin_loader.makers(kind, wanted)}

    def make(self, kind: type[Interface], settings: Any, *wanted: str, path: Path | None = None) -> list[Any]:
        """What the plugins make that are ``wanted``, none: all."""
        config = SimpleNamespace(plugin_path=path, plugins=wanted, plugin_settings=settings, state_dir=self.folder)
        (made,) = PluginAssembly(replace(self.context(), config=config)).make(kind)
        return made

    def without_ours(self) -> None:
        """What the built-in makers make wants a whole daemon around it: here only those of users are made."""
        all_makers = plugin_loader.makers

        def makers_of_users(kind: type[Interface], wanted: Any = ()) -> list[Any]:
            found = all_makers(kind, wanted)
            return [maker for maker in found if not type(maker).__module__.startswith(plugin_loader.BUILTIN)]

        self.patch(plugin_loader, "makers", makers_of_users)

    def test_found(self) -> None:
        """All examples are found where they lie, none is broken, and each asks for its settings by its name."""
        self.assertEqual({}, plugin_loader.broken())
        self.assertLessEqual(EXAMPLES, self.names())

    def test_off_without_settings(self) -> None:
        """An example without settings makes nothing."""
        kinds = {"addresses": IDiscovererMaker, "jsonl": IListenerMaker}
        for name in EXAMPLES:
            maker = self.maker(kinds.get(name, IServiceExtension), name)
            self.assertIsNone(maker.make(self.context(), *(None for _ in getattr(maker, "needs", ()))))

    def test_wanted(self) -> None:
        """PLUGINS chooses among the user's plugins; built-in ones are always there."""
        chosen = self.names("jsonl")
        self.assertIn("jsonl", chosen)
        self.assertEqual(set(), chosen & (EXAMPLES - {"jsonl"}))
        self.assertLessEqual({"wsdiscovery", "neighboursweep"}, chosen)

    def test_settings(self) -> None:
        """Each plugin gets its own table of the configuration file and no other's."""
        self.without_ours()
        settings = {"consensus": {"topic": "d/+", "decision": "d", "kinds": ["fire"]}, "actuator": {}}
        made = self.make(IServiceExtension, settings, "consensus", "actuator", "telemetry")
        self.assertEqual(["d/+"], [service.topic for service in made])

    def test_failing_maker(self) -> None:
        """A maker that fails is logged and left out; the others are made."""
        self.without_ours()
        settings = {
            "consensus": {"topic": "no plus sign", "decision": "d", "kinds": []},
            "telemetry": {"path": "/none", "topic": "t"},
        }
        made = self.make(IServiceExtension, settings)
        self.assertEqual(["t"], [service.topic for service in made])
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_broken_file(self) -> None:
        """A file that cannot be imported is named with the reason; the others are found all the same."""
        path = self.load("import nothing_of_that_name\n", "camdetect_broken")
        self.assertEqual(
            {str(path): "ModuleNotFoundError: No module named 'nothing_of_that_name'"}, plugin_loader.broken()
        )
        self.assertLessEqual(EXAMPLES, self.names())
        self.flushLoggedErrors(ModuleNotFoundError)

    def test_only_what_is_named_is_imported(self) -> None:
        """With PLUGINS, a file that is not named is not even imported, neither by the search nor by its check."""
        wanted, other = self.touching("camdetect_one", "wanted"), self.touching("camdetect_two", "other")
        self.load("1/0\n", "camdetect_three")
        self.assertEqual({}, plugin_loader.broken(["wanted"]))
        self.assertIn("wanted", self.names("wanted"))
        self.assertEqual((True, False), (wanted.exists(), other.exists()))
        self.assertIn("other", self.names("camdetect_two"))
        self.assertTrue(other.exists())

    def test_cache_beside_it_is_not_believed(self) -> None:
        """The pickle that twisted.plugin keeps beside plugins is not read: whoever wrote it would run code."""
        trace = self.folder.resolve() / "unpickled"
        file = self.load("", "camdetect_empty")
        pickled = f"cposix\nsystem\n(S'touch {trace}'\ntR.".encode()
        file.with_name("dropin.cache").write_bytes(pickled)
        self.names()
        self.assertFalse(trace.exists())

    def test_folder_of_everybody(self) -> None:
        """From a folder, or a folder of compiled files, that everybody may write nothing is imported, loudly."""
        for place in ("mine", "mine/__pycache__"):
            trace = self.touching("camdetect_one", "mine")
            folder = self.folder / place
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
            lines: list[Any] = []
            self.patch(plugin_loader, "log", SimpleNamespace(error=partial(record, lines)))
            self.assertNotIn("mine", self.names())
            self.assertEqual({}, plugin_loader.broken())
            self.assertFalse(trace.exists())
            ((text, fields),) = lines
            self.assertIn("not loaded", text)
            self.assertEqual("may be written by everybody", fields["reason"])
            folder.chmod(0o755)

    def test_file_of_everybody(self) -> None:
        """A file that everybody may write is not imported, and named with what to do."""
        trace = self.touching("camdetect_one", "mine")
        file = self.folder / "mine" / "camdetect_one.py"
        file.chmod(0o666)
        self.assertNotIn("mine", self.names())
        self.assertFalse(trace.exists())
        self.assertIn("may be written by everybody", plugin_loader.broken()[str(file)])

    def test_checkout(self) -> None:
        """The folder beside the package counts where the project file is ours, and nowhere else."""
        self.assertTrue(plugin_loader.is_checkout(plugin_loader.CHECKOUT_PLUGINS.parent))
        site = self.folder
        self.assertFalse(plugin_loader.is_checkout(site))
        for text in ("", "[project]\nname = 'other'\n", "project = 1\n", "\0"):
            (site / "pyproject.toml").write_text(text)
            self.assertFalse(plugin_loader.is_checkout(site), text)

    def test_plugin_path(self) -> None:
        """PLUGIN_PATH is searched as well; one that is not there is said."""
        self.without_ours()
        self.load(
            "from twisted.plugin import IPlugin\n"
            "from zope.interface import implementer\n"
            "from twisted_detector.interfaces import IServiceExtension\n"
            "@implementer(IPlugin, IServiceExtension)\n"
            "class Maker:\n"
            "    name = 'elsewhere'\n"
            "    def make(self, context):\n"
            "        return 'made'\n"
            "maker = Maker()\n",
            "camdetect_elsewhere",
        )
        plugins.__path__.remove(str(self.folder / "mine"))
        lines: list[Any] = []
        self.patch(plugin_loader, "log", SimpleNamespace(error=partial(record, lines)))
        for path, expected in ((self.folder / "mine", ["made"]), (self.folder / "none", [])):
            plugins.__path__ = [one for one in plugins.__path__ if not one.endswith("mine")]
            sys.modules.pop("twisted_detector.plugins.camdetect_elsewhere", None)
            self.assertEqual(expected, self.make(IServiceExtension, {}, "elsewhere", path=path))
        self.assertEqual(1, len(lines))

    def test_no_maker_of_ours_is_missed(self) -> None:
        """Built-in files that do not name an interface have no maker of that kind: not to import them loses nothing."""
        for file in sorted(Path(plugins.__path__[0]).glob("builtin*.py")):
            importlib.import_module(f"{plugins.__name__}.{file.stem}")
        ours = [one for name, one in list(sys.modules.items()) if name.startswith(plugin_loader.BUILTIN)]
        every = [value for one in ours for value in vars(one).values()]
        for kind in KINDS:
            expected = {value.name for value in every if IMaker.providedBy(value) and kind.providedBy(value)}
            found = {maker.name for maker in plugin_loader.makers(kind) if plugin_loader.is_builtin(maker)}
            self.assertEqual(expected, found, kind)

    def test_user_folder(self) -> None:
        """A file in another folder is a plugin like any other, after the built-in ones."""
        self.without_ours()
        self.load(
            "from twisted.plugin import IPlugin\n"
            "from zope.interface import implementer\n"
            "from twisted_detector.interfaces import IServiceExtension\n"
            "@implementer(IPlugin, IServiceExtension)\n"
            "class Maker:\n"
            "    name = 'mine'\n"
            "    def make(self, context):\n"
            "        return dict(context.settings)\n"
            "mine = Maker()\n"
        )
        made = self.make(IServiceExtension, {"mine": {"a": 1}, "other": {"b": 2}}, "mine")
        self.assertEqual([{"a": 1}], made)
