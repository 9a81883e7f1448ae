"""What became of logins on one device goes in, with its time; which of them may be tried again comes out.

Logins are known by salted fingerprints. All stamps are wall seconds. Pure: :mod:`credentials` keeps the sheets.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

#: At most so many refusals of one device …
MAX_FAILURES = 2
#: … within so many seconds (the vendors' usual lock time).
WINDOW = 1800.0
#: Refused credentials that are remembered of one device: with two in 30 minutes, those of half a day of changing them.
MAX_MARKS = 48
#: A login that was sent so often without an answer, and never let in, counts as refused. The first time it may have
#: been the network, or the end of this program; the second time it is the device's way to refuse.
MAX_UNANSWERED = 2
#: A change of the device gives its refused logins another chance, at most once in so many seconds: one that shows a new
#: face at every look gets no more attempts than that.
LIFT_EVERY = 86_400.0
#: Texts of a device that are kept to see whether it changed.
MAX_FACE = 100

#: One failure: its kind and number, of which credential, when. The same under every name of the device.
Failure = tuple[str, str, float]


@dataclass
class Sheet:
    """What became of credentials under one name of a device.

    :ivar failures: when each was refused, the last few times: one may be tried again after a change of the device.
    :ivar spent: when each was sent, where it is not known what came of it: counts as a failure until it is.
    :ivar lifted: those of both that may be tried again, because the device changed since.
    :ivar locked_until: the device said that it locks.
    :ivar good: the one that was let in last.
    :ivar firmware, reference: what the device said of itself when a login was noted last; "" when it did not.
    :ivar closed: the doors of the device (inspectors, streams) that wanted a login.
    :ivar lifted_at: when it had changed last.
    :ivar address: where a device that is known by its MAC was given a login last, "" for others.
    :ivar proved: let in since this program runs; not kept.
    :ivar risked: sent for another purpose since then, and not refused; not kept.
    """

    failures: dict[str, list[float]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    lifted: set[str] = field(default_factory=set)
    locked_until: float = 0.0
    good: str = ""
    firmware: str = ""
    reference: str = ""
    closed: set[str] = field(default_factory=set)
    lifted_at: float = 0.0
    address: str = ""
    proved: str = ""
    risked: set[str] = field(default_factory=set)

    # --- judging ---------------------------------------------------------------------------------------------------

    def hold_clock(self, now: float) -> None:
        """A stamp from the future is a clock that was wrong then, or is now: it counts from now on, not for years."""
        self.locked_until = min(self.locked_until, now + WINDOW)
        for stamps in (*self.failures.values(), *self.spent.values()):
            stamps[:] = [min(at, now) for at in stamps]

    def bars(self, mark: str, now: float) -> bool:
        """Whether a credential may not be tried: it was refused, and nothing is known to have changed since.

        One that had been let in before is tried once more when the window is over: full connection tables answer like
        a wrong password (Dahua), and a device that took it once has changed. Refused again, it is barred. One whose
        answer was never seen is tried once more when the window is over.
        """
        if mark in self.lifted:
            return False
        refused = self.failures.get(mark)
        if refused and not (mark == self.good and now - refused[-1] >= WINDOW):
            return True
        stamps = self.spent.get(mark)
        if not stamps or mark == self.good:
            return False
        return len(stamps) >= MAX_UNANSWERED or now - stamps[-1] < WINDOW

    def recent(self, now: float) -> set[Failure]:
        """What counts as a failure in the window that ends now."""
        both = (("refused", self.failures), ("spent", self.spent))
        noted = ((kind, mark, stamps) for kind, of in both for mark, stamps in of.items())
        return {
            # A clock that was set back makes stamps equal (see hold_clock), and they count for two all the same.
            (f"{kind} {stamps[:place].count(at)}", mark, at)
            for kind, mark, stamps in noted
            for place, at in enumerate(stamps)
            if now - at < WINDOW
        }

    # --- noting ----------------------------------------------------------------------------------------------------

    def spend(self, mark: str, now: float) -> None:
        """It is about to be sent."""
        self.spent[mark] = [*self.spent.pop(mark, []), now][-MAX_UNANSWERED:]
        self.lifted.discard(mark)
        while len(self.spent) > MAX_MARKS:
            del self.spent[next(iter(self.spent))]

    def withdraw(self, mark: str) -> bool:
        """The last time it was not sent after all; whether anything had been noted."""
        stamps = self.spent.get(mark)
        if not stamps:
            return False
        stamps.pop()
        if not stamps:
            del self.spent[mark]
        return True

    def accept(self, mark: str) -> bool:
        """It was let in; whether that is news. The device counts from zero after a success; so do we for this one."""
        self.proved = mark
        if self.good == mark and mark not in self.failures and mark not in self.spent:
            return False
        self.good = mark
        self.failures.pop(mark, None)
        self.spent.pop(mark, None)
        self.lifted.discard(mark)
        return True

    def refuse(self, mark: str, now: float) -> bool:
        """It was refused: always news."""
        if mark == self.good and mark in self.failures:
            self.good = ""
        self.withdraw(mark)
        self.proved = ""
        self.lifted.discard(mark)
        # Put at the end: the oldest go first when there are too many.
        self.failures[mark] = [*self.failures.pop(mark, []), now][-MAX_FAILURES:]
        while len(self.failures) > MAX_MARKS:
            del self.failures[next(iter(self.failures))]
        self.lifted &= {*self.failures, *self.spent}
        self.risked.discard(mark)
        return True

    def lock(self, now: float) -> bool:
        """The device says that it locks: always news."""
        self.locked_until = now + WINDOW
        return True

    def dare(self, mark: str) -> bool:
        """It was not refused for its purpose; never news for the disk."""
        if len(self.risked) >= MAX_MARKS:
            self.risked.clear()  # what it costs is one write more for each
        self.risked.add(mark)
        return False

    def show(self, now: float, *, firmware: str, reference: str, door: str, wants_login: bool) -> bool:
        """What the device says of itself now, and whether ``door`` wants a login; True when this must be kept.

        Another firmware, another EndpointReference, or a door that is open now and wanted a login before (a factory
        reset): it is not what it was, and everything may be tried again, within the window's count. A lock is the
        device's own word, and stays.
        """
        before = (self.firmware, self.reference, frozenset(self.closed))
        firmware, reference = firmware[:MAX_FACE] or self.firmware, reference[:MAX_FACE] or self.reference
        changed = self.firmware not in ("", firmware) or self.reference not in ("", reference)
        self.firmware, self.reference = firmware, reference
        if door and wants_login:
            self.closed.add(door[:MAX_FACE])
        elif door in self.closed:
            self.closed.remove(door)
            changed = True
        if changed and not (self.lifted_at and 0 <= now - self.lifted_at < LIFT_EVERY):
            self.lifted_at = now
            self.lifted = {*self.failures, *self.spent}
        return before != (self.firmware, self.reference, frozenset(self.closed))

    # --- keeping ---------------------------------------------------------------------------------------------------

    def dump(self) -> str:
        """As it is kept; marks in the order of their time: the oldest go first after a restart too."""
        entry = {
            "failures": self.failures,
            "spent": self.spent,
            "lifted": sorted(self.lifted),
            "locked_until": self.locked_until,
            "good": self.good,
            "firmware": self.firmware,
            "reference": self.reference,
            "closed": sorted(self.closed),
            "lifted_at": self.lifted_at,
            "address": self.address,
        }
        return json.dumps({name: value for name, value in entry.items() if value})


def load(text: str) -> Sheet:
    """A sheet as it was kept.

    :raises ValueError: it is none.
    """
    try:
        entry = json.loads(text)
        sheet = Sheet(
            failures=_stamps(entry.get("failures", {}), MAX_FAILURES),
            spent=_stamps(entry.get("spent", {}), MAX_UNANSWERED),
            lifted={str(mark) for mark in entry.get("lifted", [])},
            locked_until=_stamp(entry.get("locked_until", 0.0)),
            good=str(entry.get("good", "")),
            firmware=str(entry.get("firmware", ""))[:MAX_FACE],
            reference=str(entry.get("reference", ""))[:MAX_FACE],
            closed={str(door)[:MAX_FACE] for door in entry.get("closed", [])},
            lifted_at=_stamp(entry.get("lifted_at", 0.0)),
            address=str(entry.get("address", ""))[:MAX_FACE],
        )
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise ValueError("no sheet") from None
    for marks in (sheet.failures, sheet.spent):
        while len(marks) > MAX_MARKS:
            del marks[next(iter(marks))]
    return sheet


def _stamps(saved: Any, most: int) -> dict[str, list[float]]:
    return {
        str(mark): [_stamp(at) for at in (stamps if isinstance(stamps, list) else [stamps])][-most:]
        for mark, stamps in saved.items()
        if stamps != []
    }


def _stamp(value: object) -> float:
    """A stamp as it was saved.

    :raises ValueError: when it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a stamp")
    return float(value)
