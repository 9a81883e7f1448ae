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
from twisted_detector.service.extensions import loader
from twisted_detector.service.extensions.assembly import PluginAssembly

KINDS = (IDiscovererMaker, IInspectorMaker, IListenerMaker, IOutputMaker, IServiceExtension, IWatcherMaker)

#: The beginning of a file with a maker, up to what is in its class.
HEAD = (
    "from twisted.plugin import IPlugin\n"
    "from zope.interface import implementer\n"
    "from twisted_detector.interfaces import IListenerMaker\n"
    "@implementer(IPlugin, IListenerMaker)\n"
    "class Maker:\n"
)


def record(lines: list[Any], text: str, **fields: Any) -> None:
    """A line of the log with its fields."""
    lines.append((text, fields))


class Loading(Site):
    def load(self, source: str, name: str = "camdetect_mine") -> Path:
        """A folder with one plugin of the user."""
        folder = self.folder / "mine"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(source)
        loader.look_in([folder])
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
        return {maker.name for kind in kinds for maker in loader.makers(kind, wanted)}

    def make(self, kind: type[Interface], settings: Any, *wanted: str, path: tuple[Path, ...] = ()) -> list[Any]:
        """What the plugins make that are ``wanted``, none: all."""
        config = SimpleNamespace(plugin_path=path, plugins=wanted, plugin_settings=settings, state_dir=self.folder)
        (made,) = PluginAssembly(replace(self.context(), config=config)).make(kind)
        return made

    def without_ours(self) -> None:
        """What the built-in makers make wants a whole daemon around it: here only those of users are made."""
        all_makers = loader.makers

        def makers_of_users(kind: type[Interface], wanted: Any = ()) -> list[Any]:
            found = all_makers(kind, wanted)
            return [maker for maker in found if not loader.is_builtin(maker)]

        self.patch(loader, "makers", makers_of_users)

    def test_found(self) -> None:
        """All examples are found where they lie, none is broken, and each asks for its settings by its name."""
        self.assertEqual({}, loader.broken())
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
        self.assertEqual({str(path): "ModuleNotFoundError: No module named 'nothing_of_that_name'"}, loader.broken())
        self.assertLessEqual(EXAMPLES, self.names())
        self.flushLoggedErrors(ModuleNotFoundError)

    def test_only_what_is_named_is_imported(self) -> None:
        """With PLUGINS, a file that is not named is not even imported, neither by the search nor by its check."""
        wanted, other = self.touching("camdetect_one", "wanted"), self.touching("camdetect_two", "other")
        self.load("1/0\n", "camdetect_three")
        self.assertEqual({}, loader.broken(["wanted"]))
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
            self.patch(loader, "log", SimpleNamespace(error=partial(record, lines)))
            self.assertNotIn("mine", self.names())
            self.assertEqual({}, loader.broken())
            self.assertFalse(trace.exists())
            ((text, fields),) = lines
            self.assertIn("not loaded", text)
            self.assertEqual("may be written by everybody", fields["reason"])
            folder.chmod(0o755)

    def test_folder_above(self) -> None:
        """Nor from a closed folder that stands in one that everybody may write; which that is, is said."""
        trace = self.touching("camdetect_one", "mine")
        above = self.folder.resolve()
        above.chmod(0o777)
        self.addCleanup(above.chmod, 0o755)
        ours = above.parent / "elsewhere" / "ours"
        ours.mkdir(parents=True)
        self.patch(loader, "_BUILTIN_FOLDER", ours)
        self.patch(loader, "log", SimpleNamespace(error=lambda *a, **b: None))
        folder = str(self.folder / "mine")
        self.assertEqual(f"stands in {above}, which may be written by everybody", loader.untrusted_folders()[folder])
        self.assertFalse(trace.exists())

    def test_file_of_everybody(self) -> None:
        """A file that everybody may write is not imported, and named with what to do."""
        trace = self.touching("camdetect_one", "mine")
        file = self.folder / "mine" / "camdetect_one.py"
        file.chmod(0o666)
        self.assertNotIn("mine", self.names())
        self.assertFalse(trace.exists())
        self.assertIn("may be written by everybody", loader.broken()[str(file)])

    def test_checkout(self) -> None:
        """The folder beside the package counts where the project file is ours, and nowhere else."""
        self.assertTrue(loader.is_checkout(loader.CHECKOUT_PLUGINS.parent))
        site = self.folder
        self.assertFalse(loader.is_checkout(site))
        for text in ("", "[project]\nname = 'other'\n", "project = 1\n", "\0"):
            (site / "pyproject.toml").write_text(text)
            self.assertFalse(loader.is_checkout(site), text)

    def test_plugin_path(self) -> None:
        """PLUGIN_PATH is searched as well; one that is not there is said."""
        self.without_ours()
        self.load(
            "from twisted.plugin import IPlugin\n"
            "from zope.interface import implementer\n"
            "from twisted_detector.interfaces import IServiceExtension\n"
            "class Made:\n"
            "    startService = stopService = print\n"
            "    __repr__ = lambda self: 'made'\n"
            "@implementer(IPlugin, IServiceExtension)\n"
            "class Maker:\n"
            "    name = 'elsewhere'\n"
            "    def make(self, context):\n"
            "        return Made()\n"
            "maker = Maker()\n",
            "camdetect_elsewhere",
        )
        plugins.__path__.remove(str(self.folder / "mine"))
        lines: list[Any] = []
        self.patch(loader, "log", SimpleNamespace(error=partial(record, lines)))
        for path, expected in ((self.folder / "mine", ["made"]), (self.folder / "none", [])):
            plugins.__path__ = [one for one in plugins.__path__ if not one.endswith("mine")]
            sys.modules.pop("twisted_detector.plugins.camdetect_elsewhere", None)
            self.assertEqual(expected, [*map(repr, self.make(IServiceExtension, {}, "elsewhere", path=(path,)))])
        self.assertEqual(1, len(lines))

    def test_several_folders(self) -> None:
        """PLUGIN_PATH may have several folders; without it, the machine's is searched where it is there."""
        for number in ("one", "two"):
            self.touching(f"camdetect_{number}", number)
            there = self.folder / number
            there.mkdir()
            (self.folder / "mine" / f"camdetect_{number}.py").rename(there / f"camdetect_{number}.py")
        folders = self.folder / "one", self.folder / "two"
        loader.look_for_plugins(folders)
        self.assertLessEqual({"one", "two"}, self.names())
        machine = self.folder / "machine"
        self.patch(loader, "MACHINE_PLUGINS", machine)
        loader.look_for_plugins(())
        self.assertNotIn(str(machine), plugins.__path__)
        machine.mkdir()
        loader.look_for_plugins(folders)
        self.assertNotIn(str(machine), plugins.__path__)
        loader.look_for_plugins(())
        self.assertIn(str(machine), plugins.__path__)

    def test_two_of_one_name(self) -> None:
        """Of two makers of one name in two files, or of ours and the user's, the first counts; the other is named."""
        first = self.touching("camdetect_a", "twice").with_name("mine") / "camdetect_a.py"
        self.touching("camdetect_b", "twice")
        self.touching("camdetect_c", "onvif")
        makers = [one for one in loader.makers(IServiceExtension) if one.name in ("twice", "onvif")]
        self.assertEqual(["twisted_detector.plugins.camdetect_a"], [type(one).__module__ for one in makers])
        doubled = {type(one).__module__.rpartition(".")[2]: where for one, where in loader.doubled()}
        self.assertEqual({"camdetect_b": str(first), "camdetect_c": "camdetect itself"}, doubled)

    def test_several_in_one_file(self) -> None:
        """Makers of one name in one file are one plugin: a discoverer and an inspector of one manufacturer, say."""
        self.load(
            "from twisted.plugin import IPlugin\n"
            "from zope.interface import implementer\n"
            "from twisted_detector.interfaces import IDiscovererMaker, IListenerMaker\n"
            "@implementer(IPlugin, IDiscovererMaker)\n"
            "class One:\n"
            "    name = 'both'\n"
            "@implementer(IPlugin, IListenerMaker)\n"
            "class Two:\n"
            "    name = 'both'\n"
            "one, two = One(), Two()\n"
        )
        self.assertEqual([], loader.doubled())
        for kind in (IDiscovererMaker, IListenerMaker):
            self.assertIn("both", [one.name for one in loader.makers(kind)])

    def test_two_files_of_one_name(self) -> None:
        """Of two files of one name in two folders the first is loaded, and the other is named."""
        self.touching("camdetect_one", "first")
        other = self.folder / "other"
        other.mkdir()
        (other / "camdetect_one.py").write_text("1/0\n")
        loader.look_in([other])
        self.assertIn("first", self.names())
        ((file, reason),) = loader.broken().items()
        self.assertEqual(str(other / "camdetect_one.py"), file)
        self.assertIn("has the same name, and comes first", reason)
        self.assertEqual({}, loader.broken(["jsonl"]))

    def test_without_a_maker(self) -> None:
        """A file with no maker, or with a class instead of one, is named with what a maker is."""
        for source in ("x = 1\n", "from twisted_detector.plugins.builtin import OnvifMaker as Maker\n"):
            file = self.load(source, "camdetect_hollow")
            sys.modules.pop("twisted_detector.plugins.camdetect_hollow", None)
            self.assertIn("an object at module level, not a class", loader.broken()[str(file)])

    def test_script(self) -> None:
        """A file that ends the program as it is imported is left out, and ends nothing; no maker does either."""
        self.without_ours()
        file = self.load("import sys\nsys.exit(3)\n", "camdetect_script")
        self.assertEqual("SystemExit: 3", loader.broken()[str(file)])
        self.load(f"{HEAD}    name = 'exits'\n    def make(self, context):\n        raise SystemExit\none = Maker()\n")
        self.assertEqual([], self.make(IListenerMaker, {}, "exits"))
        self.flushLoggedErrors(SystemExit)

    def test_makers_without_a_name(self) -> None:
        """A maker without a name that people can be told leaves itself out, and nobody else."""
        for body in (
            "    pass",
            "    name = None",
            "    name = ['a']",
            "    name = ''",
            "    name = ' a'",
            "    name = 'a\\u202eb'",
            "    name = 'a' * 65",
            "    name = property(lambda self: 1 / 0)",
        ):
            file = self.load(f"{HEAD}{body}\nmaker = Maker()\n", "camdetect_nameless")
            sys.modules.pop("twisted_detector.plugins.camdetect_nameless", None)
            self.assertIn("a maker in it has no name", loader.broken().get(str(file), ""), body)
            self.assertLessEqual(EXAMPLES, self.names())
            self.assertEqual([], loader.doubled())

    def test_what_cannot_be_asked(self) -> None:
        """A file may have things in it that raise whatever is asked of them; its maker is found all the same."""
        self.load(
            f"{HEAD}    name = 'proxied'\nmaker = Maker()\n"
            "class Proxy:\n"
            "    def __getattribute__(self, name):\n"
            "        raise RuntimeError('nothing is behind it')\n"
            "request = Proxy()\n"
        )
        self.assertEqual({}, loader.broken())
        self.assertIn("proxied", self.names())

    def test_declarations_that_raise(self) -> None:
        """A maker of which cannot be read what it needs is left out."""
        self.without_ours()
        self.load(f"{HEAD}    name = 'raises'\n    needs = property(lambda self: 1 / 0)\nmaker = Maker()\n")
        self.assertEqual([], self.make(IListenerMaker, {}, "raises"))

    def test_names_of_files(self) -> None:
        """A file that cannot be imported under its name is named, unless PLUGINS leaves it out."""
        file = self.load("x = 1\n", "my-doorbell")
        self.assertIn("its name is none that Python imports", loader.broken()[str(file)])
        self.assertEqual({}, loader.broken(["jsonl"]))

    def test_as_ours(self) -> None:
        """Neither a file that is called as ours are, nor a maker of a class of ours, is built in; an import of ours is
        no plugin of the user.
        """
        self.load(f"{HEAD}    name = 'disguised'\nmaker = Maker()\n", "builtin_mine")
        self.load(
            "from twisted_detector.plugins.builtin import PacketCaptureMaker, arp\n"
            "mine = PacketCaptureMaker('borrowed')\n"
        )
        makers = {one.name: one for kind in (IListenerMaker, IWatcherMaker) for one in loader.makers(kind)}
        self.assertEqual(
            [False, False, True], [loader.is_builtin(makers[name]) for name in ("disguised", "borrowed", "arp")]
        )
        self.assertEqual([], loader.doubled())

    def test_what_belongs_to_a_plugin(self) -> None:
        """A test beside a plugin, and a helper whose name begins with ``_``, are not searched, nor run."""
        traces = [self.touching(name, name) for name in ("test_acme", "_acme_bytes")]
        self.assertEqual({}, loader.broken())
        self.names()
        self.assertEqual([False, False], [trace.exists() for trace in traces])

    def test_names_of_ours(self) -> None:
        """The names of the built-in makers are known without importing one."""
        found = {maker.name for kind in KINDS for maker in loader.makers(kind) if loader.is_builtin(maker)}
        self.assertEqual(set(), found - loader.builtin_names())

    def test_no_maker_of_ours_is_missed(self) -> None:
        """Built-in files that do not name an interface have no maker of that kind: not to import them loses nothing."""
        files = sorted(Path(plugins.__path__[0]).glob("builtin*.py"))
        ours = [importlib.import_module(f"{plugins.__name__}.{file.stem}") for file in files]
        every = [value for one in ours for value in vars(one).values()]
        for kind in KINDS:
            expected = {value.name for value in every if IMaker.providedBy(value) and kind.providedBy(value)}
            found = {maker.name for maker in loader.makers(kind) if loader.is_builtin(maker)}
            self.assertEqual(expected, found, kind)

    def test_user_folder(self) -> None:
        """A file in another folder is a plugin like any other, after the built-in ones."""
        self.without_ours()
        self.load(
            "from twisted.plugin import IPlugin\n"
            "from zope.interface import implementer\n"
            "from twisted_detector.interfaces import IServiceExtension\n"
            "class Made(dict):\n"
            "    startService = stopService = print\n"
            "@implementer(IPlugin, IServiceExtension)\n"
            "class Maker:\n"
            "    name = 'mine'\n"
            "    def make(self, context):\n"
            "        return Made(context.settings)\n"
            "mine = Maker()\n"
        )
        made = self.make(IServiceExtension, {"mine": {"a": 1}, "other": {"b": 2}}, "mine")
        self.assertEqual([{"a": 1}], [one.copy() for one in made])
