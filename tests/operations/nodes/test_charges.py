"""Who searches a network that several nodes reach."""

from __future__ import annotations

import itertools

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.nodes.charges import FORGIVEN, Outcomes, searcher_of
from twisted_detector.operations.nodes.values import NodeAbout, NodeDocument, Reached

NET = "10.9.0.0/24"


def node(name: str, reached: Reached | None) -> NodeDocument:
    return NodeDocument(name, name, 1, 1, about=NodeAbout(shared={NET: reached} if reached else {}))


class SearcherTest(SynchronousTestCase):
    """One of those that have it in their settings."""

    def test_best(self) -> None:
        """Who stands in it, then whom it answers, then who never tried; of equals the first by name."""
        ranked = (
            node("z", Reached.LINK), node("y", Reached.ANSWERED), node("b", Reached.UNTRIED),
            node("c", Reached.UNTRIED), node("a", Reached.SILENT), node("0", None),
        )  # fmt: skip
        for count in range(len(ranked) - 1):
            self.assertEqual(ranked[count].node_id, searcher_of(NET, ranked[count:]))
        self.assertEqual(("", ""), (searcher_of(NET, ()), searcher_of("10.8.0.0/24", ranked)))

    def test_all_agree(self) -> None:
        """In whatever order the documents come."""
        documents = [node(name, Reached(2 + number % 2)) for number, name in enumerate("dcba")]
        self.assertEqual({searcher_of(NET, order) for order in itertools.permutations(documents)}, {"a"})


class OutcomesTest(SynchronousTestCase):
    """What sweeps found."""

    def test_outcomes(self) -> None:
        """Each sweep counts once; silence is forgiven after a while, an answer is kept."""
        outcomes = Outcomes()
        self.assertIs(Reached.UNTRIED, outcomes.reached(NET, 0.0))
        outcomes.swept(NET, 1.0, 0, 100.0)
        self.assertIs(Reached.SILENT, outcomes.reached(NET, 100.0))
        outcomes.swept(NET, 1.0, 5, 200.0)  # the same sweep, told again
        self.assertIs(Reached.SILENT, outcomes.reached(NET, 100.0 + FORGIVEN))
        self.assertIs(Reached.UNTRIED, outcomes.reached(NET, 101.0 + FORGIVEN))
        outcomes.swept(NET, 2.0, 5, 300.0)
        self.assertIs(Reached.ANSWERED, outcomes.reached(NET, 1e9))

    def test_in_turn(self) -> None:
        """A network that answers nobody is tried by each once, and then left to the first."""
        nodes = {name: Outcomes() for name in "abc"}
        turns = []
        for turn in range(5):
            documents = [node(name, one.reached(NET, turn)) for name, one in nodes.items()]
            turns.append(searcher_of(NET, documents))
            nodes[turns[-1]].swept(NET, turn, 0, turn)
        self.assertEqual(["a", "b", "c", "a", "a"], turns)
