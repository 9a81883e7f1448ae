"""Which daemon is asked where the user did not say which."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

from tests.operations.pointer_case import OTHERS, PointerCase
from twisted_detector.cli.asking import located
from twisted_detector.config.config import Config
from twisted_detector.errors import LocalError
from twisted_detector.operations import daemon_pointer


class LocatedTests(PointerCase):
    def setUp(self) -> None:
        super().setUp()
        self.config = Config(state_dir=self.root / "default", runtime_dirs=(self.folder,))

    def start(self, number: int) -> None:
        state_dir = self.serve(f"state{number}")
        self.point(f"{OTHERS[number - 1]}.json", json.dumps({"pid": number, "state_dir": str(state_dir)}))

    def test_found(self) -> None:
        """The one daemon that runs is asked; with none, the configuration stays as it is."""
        self.assertIs(self.config, located(self.config))
        self.start(1)
        self.assertEqual(replace(self.config, state_dir=self.root / "state1"), located(self.config))

    def test_given(self) -> None:
        """STATE_DIR decides where it is given, and the daemon of the default comes before all others."""
        self.start(1)
        given = replace(self.config, sources=MappingProxyType({"state_dir": "environment"}))
        self.assertIs(given, located(given))
        self.serve("default")
        self.assertIs(self.config, located(self.config))

    def test_several(self) -> None:
        """Of several, none is chosen for the user: he is told where they are."""
        self.start(1)
        self.start(2)
        with self.assertRaises(LocalError) as caught:
            located(self.config)
        self.assertIn(f"{self.root}/state1, {self.root}/state2", str(caught.exception))

    def test_of_another_user(self) -> None:
        """One that may not be asked is told of where there is nothing to read; else the own directory is read."""
        self.start(1)
        self.patch(daemon_pointer, "_peer", lambda directory: -1 if directory.name == "state1" else None)
        self.assertEqual(self.root / "state1", located(self.config).state_dir)
        self.config.state_dir.mkdir()
        self.assertIs(self.config, located(self.config))
