"""Helpers for bounds on memory and on work: a dictionary, a set, and a budget for one turn of the reactor.

Every bound has its number, and the reason for that number, where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

#: Characters of a name, and of a token as it is shown: ONVIF Core, 5.2.1 (``tt:Name``, ``tt:ReferenceToken``).
MAX_NAME = 64
#: Characters of an address that a device names of itself: the longest that was seen has 150.
MAX_URL = 512
#: Hosts of which something small is remembered, beside the registry: a /18 full of them, so ten thousand cameras with
#: all that stands beside them. A few hundred bytes each.
MAX_HOSTS = 16_384

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedDict(dict[K, V]):
    """A dictionary that forgets its oldest entry when a new one finds no room.

    An entry is as old as its last insertion or :meth:`touch`; to replace its value does not make it younger.

    :param bound: entries at most, at least 1.
    """

    __slots__ = ("bound",)

    def __init__(self, bound: int) -> None:
        super().__init__()
        self.bound = bound

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self and len(self) >= self.bound:
            del self[next(iter(self))]
        super().__setitem__(key, value)

    def setdefault(self, key: K, default: V) -> V:
        """As of a dictionary; a new entry counts against the bound."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *others: Any, **named: Any) -> None:
        """As of a dictionary; each new entry counts against the bound."""
        for key, value in dict(*others, **named).items():
            self[key] = value

    def touch(self, key: K) -> None:
        """Make an entry the youngest.

        :raises KeyError: there is no such entry.
        """
        super().__setitem__(key, self.pop(key))


class BoundedSet(Generic[K]):
    """A set that forgets its oldest item when a new one finds no room."""

    __slots__ = ("_items",)

    def __init__(self, bound: int) -> None:
        self._items: BoundedDict[K, None] = BoundedDict(bound)

    def add(self, item: K) -> bool:
        """Remember ``item``; whether it is new."""
        if item in self._items:
            return False
        self._items[item] = None
        return True

    def discard(self, item: K) -> None:
        """Forget ``item``, if it is known."""
        self._items.pop(item, None)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


@dataclass(frozen=True, slots=True)
class TurnBudget:
    """Budget for the part of a burst that is handled in one turn of the reactor, before timers and other sockets.

    :ivar steps: steps of one turn at most.
    :ivar seconds: no step is begun after that; one step may take longer.
    :ivar monotonic: seconds of a clock that never jumps.
    """

    steps: int
    seconds: float
    monotonic: Callable[[], float]

    def advance(self, steps: Iterator[object]) -> bool:
        """Take of ``steps`` what one turn may have; whether more are left, for the next turn."""
        end = object()
        return all(next(steps, end) is not end for _ in self.turn())

    def turn(self) -> Iterator[int]:
        """Count the steps of one turn: ``for step in budget.turn(): …``, which ends when either bound is reached."""
        until = self.monotonic() + self.seconds
        for step in range(self.steps):
            yield step
            if self.monotonic() >= until:
                return
