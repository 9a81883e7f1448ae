"""Order in which makers are called: whatever one needs is made before it, and what it declares to come before comes so.

Pure. Where nothing is declared, built-in makers come first, and the alphabet decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from zope.interface.interface import InterfaceClass

from twisted_detector.errors import LocalError
from twisted_detector.interfaces import IMaker, OptionalNeed


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """One maker with what it declares (:class:`IMakerDeclarations`).

    :ivar needs: (class or interface, whether its ``make`` takes None for it).
    """

    maker: IMaker
    name: str
    needs: Sequence[tuple[type[Any], bool]] = ()
    provides: type[Any] | None = None
    before: Collection[str] = ()
    is_builtin: bool = False

    @property
    def rank(self) -> tuple[bool, str]:
        """Its place among those of which nothing else is declared."""
        return not self.is_builtin, self.name


def read_declaration(maker: Any, *, is_builtin: bool) -> Declaration:
    """What a maker declares.

    :raises LocalError: an attribute is not what it should be, or cannot be read.
    """
    try:
        needs, before = getattr(maker, "needs", ()), getattr(maker, "before", ())
        provides: Any = getattr(maker, "provides", None)
    except Exception as error:
        raise LocalError(f"what it declares cannot be read: {type(error).__name__}") from error
    if not all(isinstance(one, tuple | list) for one in (needs, before)):
        raise LocalError("needs and before of a maker are tuples")
    kinds = [(one.kind, True) if isinstance(one, OptionalNeed) else (one, False) for one in needs]
    if not all(isinstance(kind, type | InterfaceClass) for kind, _ in kinds):
        raise LocalError("what a maker needs are classes or interfaces")
    if not isinstance(provides, type | InterfaceClass | None):
        raise LocalError("what a maker provides is a class or an interface")
    return Declaration(maker, maker.name, tuple(kinds), provides, tuple(map(str, before)), is_builtin)


def order(declared: Collection[Declaration]) -> tuple[list[Declaration], dict[Declaration, str]]:
    """The makers in the order of their calls; and those that are left out, each with the reason in words.

    Left out is one maker of each circle, a user's if there is one: the others may then be made.
    """
    left_out: dict[Declaration, str] = {}
    while True:
        kept = [one for one in declared if one not in left_out]
        found = _sorted(kept)
        if len(found) == len(kept):
            return found, left_out
        circle = _circle([one for one in kept if one not in found])
        culprit = max(circle, key=lambda one: one.rank)
        at = circle.index(culprit)
        names = " comes after ".join(one.name for one in (*circle[at:], *circle[:at], culprit))
        left_out[culprit] = f"what it needs is made of what it makes: {names}"


def _comes_after(later: Declaration, among: Sequence[Declaration]) -> Iterator[Declaration]:
    """Those of ``among`` after which a maker comes, as one of them or itself declares."""
    wanted = [kind for kind, _ in later.needs]
    for one in among:
        if one is not later and (one.provides in wanted or later.name in one.before):
            yield one


def _sorted(declared: Sequence[Declaration]) -> list[Declaration]:
    """All that are in no circle and come after none (Kahn's algorithm), by rank where there is a choice."""
    waits = {one: set(_comes_after(one, declared)) for one in declared}
    ready = [(one.rank, number, one) for number, one in enumerate(declared) if not waits[one]]
    ready.sort()
    found: list[Declaration] = []
    while ready:
        *_, one = heappop(ready)
        found.append(one)
        for number, later in enumerate(declared):
            if one in waits[later]:
                waits[later].discard(one)
                if not waits[later]:
                    heappush(ready, (later.rank, number, later))
    return found


def _circle(stuck: Sequence[Declaration]) -> list[Declaration]:
    """A circle among makers of which each comes after another of them."""
    path = [stuck[0]]
    while True:
        before = next(_comes_after(path[-1], stuck))
        if before in path:
            return path[path.index(before) :]
        path.append(before)
