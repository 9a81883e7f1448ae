"""Relocator: a missed camera is searched for at once, by the cheapest means first, once for each loss."""

from __future__ import annotations

from tests.detector.case import HERE, MOVED, XADDR, LossCase
from tests.facts import A, sighting
from twisted_detector.model import Status
from twisted_detector.testing.doubles import Gate


class LossTests(LossCase):
    def test_found_among_the_neighbours(self) -> None:
        """Its MAC at another address is enough: nobody is asked, and no sweep is made."""
        sweeps = self.method.sweeps
        self.neighbours.macs[MOVED] = A
        self.lose()
        self.assertEqual(([MOVED], [], sweeps), (self.moves(), self.method.searched, self.method.sweeps))
        self.assertIs(Status.ONLINE, self.registry.cameras()[0].status)

    def test_an_old_entry_is_not_believed(self) -> None:
        """Where it stood before, the kernel may still have its MAC from then."""
        self.neighbours.macs[MOVED] = A
        self.watcher.report(sighting(MOVED, A))
        self.watcher.report(sighting(HERE, A, xaddrs=XADDR))
        self.listener.take()
        self.lose()
        self.assertEqual(([], [HERE]), (self.moves(), self.method.searched))

    def test_found_by_asking(self) -> None:
        """A finder that sees it elsewhere is enough: no sweep is made."""
        sweeps = self.method.sweeps
        self.method.found = [sighting(MOVED, A)]
        self.lose()
        self.assertEqual(([MOVED], [HERE], sweeps), (self.moves(), self.method.searched, self.method.sweeps))

    def test_a_sweep_comes_last(self) -> None:
        """When nobody finds it a sweep is made, once for each loss, and not for each missed check."""
        sweeps = self.method.sweeps
        self.method.problem = OSError("no route")
        self.lose()
        self.clock.pump([1] * 200)
        self.assertEqual(([HERE], sweeps + 1), (self.method.searched, self.method.sweeps))
        told = [text for _, source, text in self.observed if source == "re-find"]
        self.assertEqual(["it does not answer: it is looked for", "not found: a sweep is made"], told)
        self.assertIs(Status.OFFLINE, self.registry.cameras()[0].status)

    def test_a_second_loss(self) -> None:
        """When it was back meanwhile, the next loss is searched for again."""
        self.lose()
        self.validator.answers.clear()
        self.clock.pump([1] * 60)
        self.lose(60)
        self.assertEqual(2, len(self.method.searched))

    def test_stopped_while_searching(self) -> None:
        """A stop ends the search."""
        self.method.slow = Gate()
        self.lose()
        self.assertEqual(1, self.method.slow.waiting)
        self.stop()
        self.assertEqual(0, self.method.slow.waiting)

    def test_a_finder_that_hangs(self) -> None:
        """It is given up after some seconds, and the sweep is made."""
        sweeps = self.method.sweeps
        self.method.slow = Gate()
        self.lose()
        self.clock.pump([1] * 11)
        self.assertEqual((0, sweeps + 1), (self.method.slow.waiting, self.method.sweeps))
