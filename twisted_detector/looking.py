"""Seams of a discoverer that can do more than sweep: look cheaply, look at one address, find one known device again.

Each is optional. The conductor asks a discoverer for what it offers; what it sees goes to the sink, as in a sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zope.interface import Interface

from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Candidate

#: Writes something down of an address: (wall seconds, address, who says it, what). Never a secret.
Note = Callable[[float, str, str, str], None]


def no_note(at: float, address: str, source: str, what: str) -> None:
    """Nobody keeps a casebook."""


class IQuickLook(Interface):
    """Looks for what is known already, at a tenth of the packets of a sweep or less."""

    async def look_quickly(sink: ISightingSink) -> None:
        """Look once. Raises like :meth:`IDiscoverer.sweep`; may be cancelled."""


class ILookAt(Interface):
    """Looks at one address."""

    async def look_at(address: str, sink: ISightingSink) -> None:
        """Look whether a camera is at ``address``, where somebody is; a few packets, and an end within seconds."""


class IKnock(Interface):
    """Tells whether anybody answers at an address."""

    async def answers(address: str, ports: Sequence[int]) -> bool:
        """Whether somebody does at this moment; a few packets without data, and an end within a second.

        :param ports: TCP ports at which somebody answered before, likely ones first.
        """


class IFinder(Interface):
    """Finds one known device again that does not answer where it was."""

    async def find(candidate: Candidate, sink: ISightingSink) -> None:
        """Look for the device wherever it may be now; a few packets, and an end within seconds."""
