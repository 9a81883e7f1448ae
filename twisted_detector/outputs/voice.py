"""Part of this node in what is published: of which cameras it speaks, where several nodes share them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from twisted_detector.events import Event


class Admission(Enum):
    """What is published of an event."""

    ALL = "all"
    NEWS = "news"  #: what is not retained: the state is published later, or by another node
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Voice:
    """Which events and cameras this node publishes; by default all, as a daemon that shares nothing.

    :ivar admit: what is published of an event.
    :ivar owns: whether this node publishes a camera, by its id.
    :ivar leaves: whether another node publishes it, as far as is known; a camera of which nobody knows yet whose it is,
        is neither owned nor left.
    :ivar is_shared: whether other nodes publish the others, so that nobody else speaks of what it owns.
    :ivar keeps: whether this node keeps a camera's entries in other programs: it publishes it, or no other knows it.
    :ivar met: whether another node knows a camera, or knew it when it went.
    :ivar owner: the node that publishes a camera, "" where that is not known.
    :ivar on_gain: has a listener called whenever this node begins to publish cameras; returns how to end that.
    """

    admit: Callable[[Event], Admission] = lambda _: Admission.ALL
    owns: Callable[[str], bool] = lambda _: True
    leaves: Callable[[str], bool] = lambda _: False
    is_shared: bool = False
    keeps: Callable[[str], bool] = lambda _: True
    met: Callable[[str], bool] = lambda _: False
    owner: Callable[[str], str] = lambda _: ""
    on_gain: Callable[[Callable[[], object]], Callable[[], object]] = lambda _: lambda: None
