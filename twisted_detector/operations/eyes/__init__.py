"""Eyes: what one forwards of its link, and what its node believes of it (``docs/operations/eye.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Attribute

from twisted_detector.interfaces import IWatcher

if TYPE_CHECKING:
    from twisted_detector.operations.eyes.gate import EyeAtGate, EyeGate


class IEyes(IWatcher):
    """The watcher of what eyes report: :class:`.watcher.EyeWatcher`, which is loaded where there are eyes only."""

    gate: EyeGate = Attribute("What the node knows of its eyes.")

    def invite(eye: EyeAtGate) -> None:
        """Invite an eye to report, unless that was done just now."""
