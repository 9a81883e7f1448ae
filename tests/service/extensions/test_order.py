"""The order in which makers are called follows from what they declare, and from nothing else."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.interfaces import INeighbours, optional
from twisted_detector.service.extensions.order import Declaration, order, read_declaration


class A:
    pass


class B:
    pass


class C:
    pass


class Maker:
    """A maker that declares what it is told to."""

    def __init__(self, name: str, **declared: Any) -> None:
        self.name = name
        for key, value in declared.items():
            setattr(self, key, value)


def declared(name: str, *, builtin: bool = False, **more: Any) -> Declaration:
    return read_declaration(Maker(name, **more), is_builtin=builtin)


def names(*declarations: Declaration) -> list[str]:
    found, left_out = order(declarations)
    assert not left_out, left_out
    return [one.name for one in found]


class OrderTests(SynchronousTestCase):
    def test_needs(self) -> None:
        """Who needs something comes after who provides it, in whichever order they are found, needed or optional."""
        makers = (declared("a", needs=(B,)), declared("b", needs=(optional(C),), provides=B), declared("c", provides=C))
        for found in permutations(makers):
            self.assertEqual(["c", "b", "a"], names(*found))

    def test_before(self) -> None:
        """Who declares to come before another does; a name that is not there is no matter."""
        makers = (declared("a"), declared("z", before=("a", "nobody")), declared("m"))
        for found in permutations(makers):
            self.assertEqual(["m", "z", "a"], names(*found))

    def test_nothing_declared(self) -> None:
        """Where nothing is declared, ours come first, and the alphabet decides."""
        self.assertEqual(["b", "z", "a", "c"], names(*map(declared, "ca"), *(declared(n, builtin=True) for n in "zb")))

    def test_ours_may_need_theirs(self) -> None:
        """A maker of ours comes after a user's that provides what it would like to have."""
        self.assertEqual(
            ["mine", "web"], names(declared("web", builtin=True, needs=(optional(A),)), declared("mine", provides=A))
        )

    def test_circle(self) -> None:
        """Of a circle one is left out, with the circle in words; the rest is in its order."""
        makers = [
            declared("one", needs=(B,), provides=A),
            declared("two", needs=(A,), provides=B),
            declared("after", needs=(B,)),
            declared("other"),
        ]
        found, left_out = order(makers)
        self.assertEqual(["after", "one", "other"], [one.name for one in found])
        ((culprit, reason),) = left_out.items()
        self.assertEqual("two", culprit.name)
        self.assertIn("two comes after one comes after two", reason)

    def test_circle_with_ours(self) -> None:
        """Of a circle through ours, the user's plugin is left out."""
        ours = declared("web", builtin=True, needs=(optional(A),), provides=B)
        found, left_out = order([ours, declared("mine", needs=(B,), provides=A)])
        self.assertEqual(([ours], ["mine"]), (found, [one.name for one in left_out]))

    def test_needs_itself(self) -> None:
        """One that needs what it provides is no circle: nobody provides it before it."""
        self.assertEqual(["a"], names(declared("a", needs=(A,), provides=A)))

    @settings(max_examples=200)
    @given(st.lists(st.tuples(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7))), max_size=8))
    def test_whatever_is_declared(self, edges: list[tuple[set[int], set[int]]]) -> None:
        """Everybody is in the order once or left out, and whoever is in it comes after all that he declared to."""
        kinds = [type(f"K{number}", (), {}) for number in range(8)]
        makers = [
            declared(str(n), needs=tuple(kinds[k] for k in needs), provides=kinds[n], before=tuple(map(str, before)))
            for n, (needs, before) in enumerate(edges)
        ]
        found, left_out = order(makers)
        self.assertEqual(sorted(one.name for one in makers), sorted(one.name for one in (*found, *left_out)))
        place = {int(one.name): at for at, one in enumerate(found)}
        for number, (needs, before) in enumerate(edges):
            if number in place:
                self.assertTrue(all(place[one] < place[number] for one in needs - {number} if one in place))
                self.assertTrue(all(place[number] < place[one] for one in before - {number} if one in place))


class DeclarationTests(SynchronousTestCase):
    def test_read(self) -> None:
        """Classes and interfaces may be needed, each of them or none; all three attributes may be missing."""
        one = declared("a", needs=[INeighbours, optional(A)], provides=B, before=["x"])
        self.assertEqual((((INeighbours, False), (A, True)), B, ("x",)), (one.needs, one.provides, one.before))
        bare = declared("b")
        self.assertEqual(((), None, ()), (bare.needs, bare.provides, bare.before))

    def test_nonsense(self) -> None:
        """What is none of it is refused in words."""
        wrong: tuple[dict[str, Any], ...] = (
            {"needs": INeighbours},
            {"needs": "Registry"},
            {"needs": ("Registry",)},
            {"needs": ([],)},
            {"before": "topics"},
            {"provides": "IPictures"},
        )
        for one in wrong:
            self.assertRaises(LocalError, declared, "a", **one)
