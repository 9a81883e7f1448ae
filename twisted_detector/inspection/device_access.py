"""Rules that everything keeps to which asks a device: one at a time, when a login may be sent, and how."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.seams import ILoginBudget


@dataclass(frozen=True, slots=True)
class DeviceAccess:
    """What inspectors, proofs of streams and pictures share, so that a device sees one careful visitor.

    :ivar locks: one at a time at one device and protocol.
    :ivar clear_text: whether a password may go there in clear.
    :ivar budget: whether one may go there at all.
    """

    locks: DeviceLocks
    clear_text: ClearTextPolicy
    budget: ILoginBudget
