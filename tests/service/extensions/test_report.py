"""What is told of plugins: to the control socket, the page, the doctor and the health document."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.host_checks import FAIL, OK, WARN
from twisted_detector.service.extensions.entries import PluginEntry, PluginState
from twisted_detector.service.extensions.record import MAX_FAULTS, PluginRecord, Stall
from twisted_detector.service.extensions.report import PluginReport

FOLDER = "/etc/camdetect/plugins"
WELL = PluginEntry("acme", ("discoverer",), f"{FOLDER}/acme.py", PluginState.LOADED)
OURS = PluginEntry("onvif", ("inspector",), "/x/builtin.py", PluginState.LOADED, is_builtin=True)
BROKEN = PluginEntry("gone", (), f"{FOLDER}/gone.py", PluginState.LEFT_OUT, f"{FOLDER}/x.py has the same name")


class ReportTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.record = PluginRecord("acme", made=True)
        self.records = {"acme": self.record, "onvif": PluginRecord("onvif", made=True)}
        self.entries: list[PluginEntry] = [WELL, OURS]
        self.problems: list[str] = []

    @property
    def report(self) -> PluginReport:
        return PluginReport(self.entries, self.problems, self.records)

    def told(self) -> dict[str, Any]:
        answer = self.successResultOf(Deferred.fromCoroutine(self.report.answer({})))
        json.dumps(answer)
        self.assertEqual(self.problems, answer["problems"])
        return {one["name"]: one for one in answer["plugins"]}

    def raise_often(self) -> None:
        for _ in range(MAX_FAULTS):
            self.record.note_fault(ValueError("canary"), 0.0)

    def test_well(self) -> None:
        """A plugin that works is loaded, with what it did; the doctor has one line for all."""
        self.record.counts["sightings"] = 3
        found = self.told()["acme"]
        self.assertEqual(("loaded", "", {"sightings": 3}), (found["state"], found["why"], found["counts"]))
        ((finding),) = self.report.findings()
        self.assertEqual((OK, "1 beside those of camdetect"), (finding.level, finding.text))
        block = self.report.block()
        self.assertEqual((2, 0), (block["loaded"], block["disabled"]))
        self.assertEqual(["acme"], list(block["named"]))

    def test_disabled(self) -> None:
        """One that raised too often is disabled everywhere, with kind and place of the last error, not its text."""
        self.raise_often()
        found = self.told()["acme"]
        self.assertEqual("disabled", found["state"])
        self.assertIn("10 errors within a day, the last one: ValueError", found["why"])
        (finding,) = self.report.findings()
        self.assertEqual((FAIL, "plugin acme"), (finding.level, finding.name))
        named = self.report.block()["named"]["acme"]
        self.assertEqual(("disabled", MAX_FAULTS, found["why"]), (named["state"], named["faults"], named["why"]))
        self.assertNotIn("canary", json.dumps([found, finding.text, named]))

    def test_troubles(self) -> None:
        """Faults, stalls and messages beyond the quota of one that still runs are told."""
        self.record.note_fault(ValueError("no"), 0.0)
        self.record.note_stall(Stall(1.5, "in sweep"))
        self.record.counts["limited"] = 7
        (finding,) = self.report.findings()
        self.assertEqual(WARN, finding.level)
        for words in ("1 faults, the last one: ValueError", "held everything up 1 times, last for 1.5 s", "7 messages"):
            self.assertIn(words, finding.text)
        self.assertEqual({"seconds": 1.5, "stack": "in sweep"}, self.told()["acme"]["last_stall"])

    def test_switched_off(self) -> None:
        """One whose maker made nothing is off; one that could not be made is left out with the reason."""
        self.record.made = False
        found = self.told()["acme"]
        self.assertEqual(("off", "its settings switch it off, or it has none"), (found["state"], found["why"]))
        self.assertEqual({}, self.report.block()["named"])
        self.record.why = "it needs Thing, which nobody provides before it is made"
        self.assertEqual(("left out", self.record.why), (self.told()["acme"]["state"], self.told()["acme"]["why"]))
        self.record.made = True  # another maker of that name made something
        self.assertEqual(("left out", self.record.why), (self.told()["acme"]["state"], self.told()["acme"]["why"]))

    def test_left_out(self) -> None:
        """What was left out, and a name that nobody has, is in all; paths of this machine are not published."""
        self.entries.append(BROKEN)
        self.problems.append("PLUGINS names nosuch, but no plugin has that name")
        self.assertEqual("left out", self.told()["gone"]["state"])
        levels = {one.name: (one.level, one.text) for one in self.report.findings()}
        self.assertEqual((FAIL, f"left out: {BROKEN.why}"), levels["plugin gone"])
        self.assertEqual((WARN, self.problems[0]), levels["plugins"])
        block = self.report.block()
        self.assertEqual((1, "left out"), (block["left_out"], block["named"]["gone"]["state"]))
        self.assertNotIn(FOLDER, json.dumps(block))

    def test_of_one_name(self) -> None:
        """Of two of one name the one that runs has the figures, whichever comes first."""
        self.raise_often()
        self.entries.insert(0, PluginEntry("acme", (), f"{FOLDER}/other.py", PluginState.LEFT_OUT, "twice"))
        states = {one["file"]: (one["state"], one["faults"]) for one in self.told_all()}
        self.assertEqual(("left out", 0), states[f"{FOLDER}/other.py"])
        self.assertEqual(("disabled", MAX_FAULTS), states[WELL.file])
        self.assertEqual("disabled", self.report.block()["named"]["acme"]["state"])

    def told_all(self) -> list[dict[str, Any]]:
        answer = self.successResultOf(Deferred.fromCoroutine(self.report.answer({})))
        return list(answer["plugins"])

    def test_many(self) -> None:
        """A hundred plugins do not make the health document large; those that are not well come first."""
        self.entries = [
            PluginEntry(f"p{number:03}", ("listener",), "", PluginState.LOADED) for number in range(100)
        ] + [BROKEN]
        self.records = {one.name: PluginRecord(one.name, made=True) for one in self.entries}
        block = self.report.block()
        self.assertEqual((20, "gone"), (len(block["named"]), next(iter(block["named"]))))
        self.assertLess(len(json.dumps(block)), 4096)
