"""Random histories: two living devices are never merged, and none is split by a move, whatever happens in between.

``make identity-histories`` lives through 10 000 of them.
"""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.registry.identity_audit import Violation
from tests.registry.identity_world import DEEDS, KINDS, Deed, a_history, live_through

NUMBERS = st.integers(0, 29)
CHAPTERS = st.lists(
    st.lists(st.tuples(st.sampled_from(DEEDS), NUMBERS, NUMBERS, st.booleans(), st.integers(0, 6)), max_size=30),
    min_size=1,
    max_size=3,
)


class HistoryTests(SynchronousTestCase):
    @given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=7), CHAPTERS)
    @settings(max_examples=50)
    def test_any_history(self, kinds: list[str], chapters: list[list[Deed]]) -> None:
        """After any history each device that lives is one, where it is, by the id that it always had."""
        live_through(kinds, chapters)

    @given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=7), CHAPTERS)
    @settings(max_examples=25)
    def test_any_history_with_late_look_ups(self, kinds: list[str], chapters: list[list[Deed]]) -> None:
        """The same holds where a MAC that was not seen in time is the kernel's news later."""
        live_through(kinds, chapters, late_lookups=True)

    def test_there_and_back(self) -> None:
        """Two that swap addresses and swap them back within seconds are two, by the names that they had."""
        swap, scan = ("swap", 0, 25, False, 0), ("scan", 11, 1, True, 0)
        live_through(["plain"] * 7, [[swap, scan, swap], [swap, scan, swap]])

    def test_the_first_of_the_many(self) -> None:
        """The same holds for the first of those that make identity-histories lives through."""
        for seed in range(25):
            live_through(*a_history(seed))

    def test_clones_that_swap_again(self) -> None:
        """Of clones that swapped twice no value counts: they are not merged with who comes to their address."""
        swap, again = ("swap", 1, 8, False, 0), ("announce", 0, 0, False, 0)
        try:
            live_through(["plain", "clone", "clone"], [[again, swap], [again, swap], [again, ("swap", 0, 8, False, 0)]])
        except Violation as violation:  # a second name, offline, may remain: nobody can know better
            self.assertNotIn("were merged", str(violation))
