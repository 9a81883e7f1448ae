"""Memory of the WS-Discovery dialects that each device answered, and the fewest that reach all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from twisted_detector.model.bounds import MAX_HOSTS, BoundedDict
from twisted_detector.wire.lan.wsdiscovery import Dialect, normalize_reference

#: Devices that are remembered.
MAX_DEVICES = MAX_HOSTS
#: Of these so many are kept on disk; a forger that invents references cannot fill it. The others are probed in all
#: dialects by the next sweep anyway.
MAX_SAVED = 1024


class Dialects:
    """The dialects that each device answered, by normalised EndpointReference.

    :param save: keeps one pair (reference, names of dialects with blanks between) over a restart.
    """

    def __init__(self, save: Callable[[str, str], object] = lambda reference, names: None) -> None:
        self._save = save
        self._known: BoundedDict[str, frozenset[Dialect]] = BoundedDict(MAX_DEVICES)
        self._saved: set[str] = set()

    def restore(self, values: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; names that mean nothing any more are left out."""
        for reference, names in list(values.items())[:MAX_SAVED]:
            known = frozenset(one for one in Dialect if one.name in names.split())
            if known:
                self._known[reference] = known
                self._saved.add(reference)

    def record_answer(self, reference: str, dialect: Dialect) -> None:
        """Remember that a device answered a probe in ``dialect``."""
        reference = normalize_reference(reference)
        before = self._known.get(reference, frozenset())
        if not reference or dialect in before:
            return
        self._known[reference] = known = before | {dialect}
        if reference in self._saved or len(self._saved) < MAX_SAVED:
            self._saved.add(reference)
            self._save(reference, " ".join(sorted(one.name for one in known)))

    def of(self, reference: str) -> tuple[Dialect, ...]:
        """The dialects that a device answered; all when it is not known."""
        known = self._known.get(normalize_reference(reference), frozenset(Dialect))
        return tuple(one for one in Dialect if one in known)

    def cover(self) -> tuple[Dialect, ...]:
        """Few dialects of which every known device answers one (the greedy choice); what cameras announce when none is.

        A new camera of the same makes is found with them as well; of others, by the next sweep.
        """
        left = Counter(self._known.values())  # few sets, of many devices each
        chosen: list[Dialect] = []
        while left:
            best = max(Dialect, key=lambda one: sum(count for known, count in left.items() if one in known))
            chosen.append(best)
            left = Counter({known: count for known, count in left.items() if best not in known})
        return tuple(chosen) or (Dialect.TRANSMITTER,)
