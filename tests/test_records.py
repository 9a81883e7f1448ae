"""Records are dataclasses in every respect but the time at which their methods are written."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field, replace
from typing import Any, ClassVar

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import records


def _declare(dataclass: Any) -> dict[str, Any]:
    """The same classes, by the standard library or lazily."""

    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        hidden: int = field(default=0, repr=False, compare=False)
        tags: list[int] = field(default_factory=list)
        made: int = field(default=7, init=False)
        kind: ClassVar[str] = "point"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named(Point):
        name: str

    @dataclass(frozen=True, slots=True)
    class Checked:
        value: int

        def __post_init__(self) -> None:
            if self.value < 0:
                raise ValueError("negative")
            object.__setattr__(self, "value", self.value * 2)

    @dataclass(frozen=True, slots=True)
    class Own:
        value: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    @dataclass(frozen=True, slots=True, eq=False)
    class Identical:
        value: int

    @dataclass(slots=True)
    class Open:
        value: int = 3

    @dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    @dataclass(frozen=True, slots=True)
    class Follows:
        next: Any = None

    return {each.__name__: each for each in (Point, Named, Checked, Own, Identical, Open, Nothing, Follows)}


USUAL, LAZY = _declare(dataclasses.dataclass), _declare(records.dataclass)

#: What is done with each of both families; it must come to the same.
DEEDS = (
    lambda k: repr(k["Point"](1, 3, 4, [5])),
    lambda k: repr(k["Named"](1, name="n")),
    lambda k: repr(k["Nothing"]()),
    lambda k: repr(k["Own"](1)),
    lambda k: k["Point"](1) == k["Point"](1, hidden=9),
    lambda k: k["Point"](1) == k["Point"](2),
    lambda k: k["Point"](1) == k["Named"](1, name="n"),
    lambda k: k["Point"](1) == 1,
    lambda k: k["Checked"](1) == k["Checked"](1),
    lambda k: hash(k["Checked"](3)),
    lambda k: hash(k["Nothing"]()),
    lambda k: hash(k["Own"](3)),
    lambda k: hash(k["Open"]()),
    lambda k: hash(k["Point"](1)),
    lambda k: k["Identical"](1) == k["Identical"](1),
    lambda k: k["Own"](1) == k["Own"](2),
    lambda k: k["Nothing"]() == k["Nothing"](),
    lambda k: k["Point"](1).tags is k["Point"](1).tags,
    lambda k: (k["Point"](1).made, k["Point"].kind, k["Checked"](4).value),
    lambda k: k["Checked"](-1),
    lambda k: k["Point"](),
    lambda k: k["Point"](1, 2, 3, [], 5),
    lambda k: k["Point"](1, z=2),
    lambda k: k["Named"](1),
    lambda k: k["Named"](1, 2, 3, [], "name"),
    lambda k: setattr(k["Point"](1), "x", 2),
    lambda k: delattr(k["Point"](1), "x"),
    lambda k: setattr(k["Open"](), "other", 2),
    lambda k: repr(replace(k["Named"](1, name="n"), y=5)),
    lambda k: replace(k["Point"](1), made=5),
    lambda k: dataclasses.asdict(k["Named"](1, name="n")),
    lambda k: [each.name for each in dataclasses.fields(k["Named"])],
    lambda k: (k["Point"].__match_args__, k["Named"].__match_args__, k["Point"].__slots__),
    lambda k: repr(copy.deepcopy(k["Point"](1, tags=[2]))),
    lambda k: repr(copy.copy(k["Named"](1, name="n"))),
    lambda k: hasattr(k["Point"](1), "__dict__"),
)


def outcome(deed: Any, kinds: Any) -> Any:
    try:
        return deed(kinds)
    except Exception as error:
        # The words of a TypeError differ where an __init__ is called through another.
        return type(error), "" if isinstance(error, TypeError) else str(error).replace("_declare.<locals>.", "")


class RecordTests(SynchronousTestCase):
    def test_as_the_standard_library(self) -> None:
        """The same deeds come to the same, the first time and the second."""
        for number, deed in enumerate(DEEDS):
            expected = outcome(deed, USUAL)
            for _ in range(2):
                self.assertEqual(expected, outcome(deed, LAZY), number)

    def test_itself_within(self) -> None:
        """A record that holds itself is shown without end in no case."""
        ring: list[Any] = []
        ring.append(LAZY["Follows"](ring))
        self.assertIn("...", repr(ring))

    def test_a_call_like_the_others(self) -> None:
        """What is missing is named from the first call on."""
        with self.assertRaisesRegex(TypeError, "missing 1 required positional argument: 'value'"):
            _declare(records.dataclass)["Checked"]()

    def test_what_it_cannot(self) -> None:
        """Whatever else is asked for is the standard library's."""

        @records.dataclass(frozen=True, slots=True, order=True)
        class Ranked:
            rank: int

        self.assertLess(Ranked(1), Ranked(2))

    def test_patterns(self) -> None:
        """They match by position."""
        match LAZY["Checked"](2):
            case object(value=value):
                self.assertEqual(4, value)

    def test_of_the_daemon(self) -> None:
        """Records of the daemon survive pickling."""
        from twisted_detector.model import Mac

        mac = Mac.parse("02:00:00:00:00:0a")
        self.assertEqual(mac, pickle.loads(pickle.dumps(mac)))

    @given(st.lists(st.integers(), max_size=3), st.integers(), st.integers())
    def test_equality(self, tags: list[int], x: int, y: int) -> None:
        """Equal as the standard library's are, and then of one hash."""
        for kinds in (USUAL, LAZY):
            one, two = kinds["Point"](x, y, tags=tags), kinds["Point"](y, x, tags=list(tags))
            self.assertEqual(x == y, one == two)
        if x == y:
            self.assertEqual(hash(LAZY["Checked"](abs(x))), hash(LAZY["Checked"](abs(y))))
