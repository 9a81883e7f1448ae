"""Plugins are found, chosen, given their settings, and cannot harm each other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from zope.interface import Interface

from tests.plugins.case import EXAMPLES, Site
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IListenerMaker,
    IServiceExtension,
)
from twisted_detector.service import plugin_loader


class Loading(Site):
    def load(self, source: str, name: str = "camdetect_mine") -> Path:
        """A folder with one plugin of the user."""
        folder = self.folder / "mine"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(source)
        plugin_loader.look_in([folder])
        self.addCleanup(sys.modules.pop, f"twisted_detector.plugins.{name}", None)
        return folder / f"{name}.py"

    def names(self, *wanted: str) -> set[str]:
        kinds = (IDiscovererMaker, IListenerMaker, IServiceExtension)
        return {maker.name for kind in kinds for maker in plugin_loader.makers(kind, wanted)}

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
            self.assertIsNone(self.maker(kinds.get(name, IServiceExtension), name).make(self.context()))

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
        made = plugin_loader.make_all(
            IServiceExtension, self.context(), settings=settings, wanted=["consensus", "actuator", "telemetry"]
        )
        self.assertEqual(["d/+"], [service.topic for service in made])

    def test_failing_maker(self) -> None:
        """A maker that fails is logged and left out; the others are made."""
        self.without_ours()
        settings = {
            "consensus": {"topic": "no plus sign", "decision": "d", "kinds": []},
            "telemetry": {"path": "/none", "topic": "t"},
        }
        made = plugin_loader.make_all(IServiceExtension, self.context(), settings=settings)
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
        made = plugin_loader.make_all(
            IServiceExtension, self.context(), settings={"mine": {"a": 1}, "other": {"b": 2}}, wanted=["mine"]
        )
        self.assertEqual([{"a": 1}], made)
