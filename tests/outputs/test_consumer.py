"""The targets of one consumer: what is saved of what stands there costs what has changed."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import Place
from twisted_detector.model import Secret
from twisted_detector.outputs.sync import consumer
from twisted_detector.outputs.sync.consumer import ConsumerTargets, Destinations

COUNT = 1000


class Saving(SynchronousTestCase):
    def setUp(self) -> None:
        self.place, self.values = Place("frigate-file"), Place("frigate-env")
        self.saved: dict[str, str] = {}
        self.dumped = 0
        original = json.dumps

        def dumps(*arguments: Any, **more: Any) -> str:
            self.dumped += 1
            return original(*arguments, **more)

        self.patch(consumer.json, "dumps", dumps)

    def make(self) -> ConsumerTargets:
        targets = ConsumerTargets(
            Clock(),
            Destinations(entries=[self.place], variables=[self.values]),
            saved=dict(self.saved),
            save=self.saved.__setitem__,
            random=lambda: 0.5,
            dry=False,
        )
        self.addCleanup(targets.stop)
        return targets

    def test_one_of_a_thousand(self) -> None:
        """One entry has changed: no other is serialised again, and the text is that of all."""
        entries = {f"c{number}": {"z": [number], "a": "{FRIGATE_LOGIN_X_USER}"} for number in range(COUNT)}
        targets = self.make()
        targets.update(entries, {"FRIGATE_LOGIN_X_USER": Secret("admin")})
        self.dumped = 0
        entries = {**entries, "c7": {"z": ["é", 7.5, None]}}
        del entries["c9"]
        targets.update(entries, {"FRIGATE_LOGIN_X_USER": Secret("admin")})
        self.assertLessEqual(self.dumped, 2)
        self.assertEqual(json.dumps(entries, sort_keys=True), self.saved["frigate-file"])

    def test_references_of_an_earlier_run(self) -> None:
        """What was written before a restart refers to a variable: it stays until that is written anew."""
        self.make().update({"c": "{FRIGATE_LOGIN_X_USER}"}, {"FRIGATE_LOGIN_X_USER": Secret("admin")})
        targets = self.make()
        self.place.hangs = True
        targets.update({"c": "none"}, {})
        self.assertEqual({"FRIGATE_LOGIN_X_USER": ""}, dict(self.values.delivered[-1][1]))
        self.assertIn("FRIGATE_LOGIN_X_USER", self.values.delivered[-1][0])
