"""A made-up outcome goes in; its table and its picture come out."""

from __future__ import annotations

from dataclasses import replace

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from tests.soak.judge import Account, Verdict
from tests.soak.report import picture, section
from tests.soak.run import Outcome
from tests.soak.sampler import Disconnection
from tests.soak.scenario import plan
from tests.soak.test_judge import SAMPLE


class ReportTests(SynchronousTestCase):
    def outcome(self, *verdicts: Verdict) -> Outcome:
        samples = [replace(SAMPLE, at=float(at)) for at in range(0, 1200, 3)]
        lost = [Disconnection(1100.0, "by the scenario"), Disconnection(1300.0, "by us")]
        account = Account(1, 1, (), 0, ())
        scenario = plan(7, 1200, cameras=27, doors=3)
        return Outcome(scenario, 30, samples, list(verdicts), lost, lost[1:], account, [], [], 1000.0)

    def test_table(self) -> None:
        """Each verdict is a row; one that fails is named, and then not everything holds."""
        good, bad = Verdict("lost", 0, 0), Verdict("growth", 2.5, 2, "%", "a | b")
        text = section(self.outcome(good, bad), "load 1")
        self.assertIn("| lost | 0 | 0 |  |", text)
        self.assertIn("| growth | 2.5 % | 2 | **fails**; a / b |", text)
        self.assertIn("**Not everything holds.**", text)
        self.assertIn("Everything holds.", section(self.outcome(good), ""))
        self.assertIn("seed 7", text)

    def test_picture(self) -> None:
        """It is drawn with every deed, and with our own disconnection in a colour of its own."""
        outcome = self.outcome()
        root = etree.fromstring(picture(outcome).encode())
        titles = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(sorted(map(str, outcome.plan.deeds)), sorted(titles))
        self.assertEqual(2, len({one.get("fill") for one in root.iter("{http://www.w3.org/2000/svg}circle")}))
