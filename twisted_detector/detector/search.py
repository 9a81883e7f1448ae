"""What looks for devices, and the network in which it looks, as the detector gets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted_detector.detector.checks.presence import PresenceCheck
from twisted_detector.detector.relocator import Relocator
from twisted_detector.detector.sweeper import Sweeper
from twisted_detector.interfaces import ILiveness, INeighbours, IWatcher


@dataclass(frozen=True, slots=True)
class Search:
    """Sweeps for all devices, for those that are known, and for one that went; the detector starts and stops them."""

    sweeper: Sweeper
    presence: PresenceCheck
    relocator: Relocator


@dataclass(frozen=True, slots=True)
class Network:
    """The network as this machine sees it.

    :ivar neighbours: looks up MACs; None: no MAC is looked up or believed (MAC_TRACKING_ENABLED is off).
    :ivar watchers: report what announces itself.
    :ivar liveness: for the checks of moves and of goodbyes; None: every move and every goodbye is believed.
    """

    neighbours: INeighbours | None
    watchers: Sequence[IWatcher]
    liveness: ILiveness | None
