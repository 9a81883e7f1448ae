"""The states of all targets stand on one board."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.outputs.sync.board import SyncBoard
from twisted_detector.outputs.sync.seams import ISyncStatus, TargetStatus


class Board(SynchronousTestCase):
    def test_all_services(self) -> None:
        """Every target of every service that was added is there, as it is now, in the order of adding."""
        board = SyncBoard()
        self.assertTrue(verifyObject(ISyncStatus, board))
        self.assertEqual((), board.statuses())
        targets = {name: [TargetStatus(name, "here")] for name in ("frigate-file", "mine")}
        for name in targets:
            service: Any = SimpleNamespace(statuses=lambda name=name: tuple(targets[name]))
            board.add(service)
        targets["mine"].append(TargetStatus("other", "there"))
        self.assertEqual(["frigate-file", "mine", "other"], [one.name for one in board.statuses()])
