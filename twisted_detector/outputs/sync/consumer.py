"""Keeper of the targets of one consumer: delivers its entries everywhere, and before them the values they refer to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from twisted_detector.model import Secret
from twisted_detector.model.encoding import parse_object
from twisted_detector.outputs.sync.seams import ALONE, Entries, ISyncDestination, IVariablesDestination, Sharing
from twisted_detector.outputs.sync.target import SyncTarget

#: A variable of ours in an entry.
_REFERENCE = re.compile(r"\{((?:FRIGATE|CAMDETECT)_[A-Z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where one consumer has its entries.

    :ivar entries: files and APIs whose entries refer to variables; ``variables``: where the values of those stand.
    :ivar live: APIs that take logins as they are.
    :ivar topics: what several nodes keep together on the broker.
    """

    entries: Sequence[ISyncDestination] = ()
    variables: Sequence[ISyncDestination] = ()
    live: Sequence[ISyncDestination] = ()
    topics: Sequence[ISyncDestination] = ()

    def __bool__(self) -> bool:
        return bool(self.entries or self.variables or self.live)


class _WrittenText:
    """Cache of the JSON text of what stands in one destination, entry by entry.

    What stands there is saved after each delivery, and of ten thousand entries one has changed.

    :param saved: the text of an earlier run.
    :ivar references: the variables to which it refers.
    """

    def __init__(self, saved: str) -> None:
        self._texts: dict[str, tuple[Any, str, frozenset[str]]] = {}
        self.references = frozenset(_REFERENCE.findall(saved))

    def update(self, written: Entries) -> None:
        """Take over what stands there now."""
        before, self._texts = self._texts, {}
        #: One of all that are equal: most cameras have the same login.
        sets = {names: names for _, _, names in before.values()}
        for name in sorted(written):
            entry = written[name]
            known = before.get(name)
            if known is None or known[0] != entry:
                text = f"{json.dumps(name)}: {json.dumps(entry, sort_keys=True)}"
                names = frozenset(_REFERENCE.findall(text))
                known = (entry, text, sets.setdefault(names, names))
            self._texts[name] = known
        self.references = frozenset().union(*(names for _, _, names in self._texts.values()))

    def __str__(self) -> str:
        return "{" + ", ".join(text for _, text, _ in self._texts.values()) + "}"


class ConsumerTargets:
    """The targets of one consumer; they wait for each other, and for those of no other consumer.

    :param saved: what an earlier run left everywhere, by name of the destination.
    :param save: persists the same.
    :param random: 0 to 1, spreads retries.
    :param dry: change nothing, only log what would change; topics are published all the same.
    :param sharing: which of these entries other nodes may keep there too.
    """

    def __init__(
        self,
        clock: IReactorTime,
        destinations: Destinations,
        *,
        saved: Mapping[str, str],
        save: Callable[[str, str], object],
        random: Callable[[], float],
        dry: bool,
        sharing: Callable[[Collection[str]], Sharing] = lambda _: ALONE,
    ) -> None:
        def target(destination: ISyncDestination, *, dry: bool = dry) -> SyncTarget:
            return SyncTarget(
                clock,
                destination,
                base=parse_object(saved.get(destination.name, "")) or {},
                save=partial(self._record_written, destination.name),
                random=random,
                dry=dry,
                sharing=sharing,
            )

        self._destinations = destinations
        self._save = save
        self._texts = {
            one.name: _WrittenText(saved.get(one.name, ""))
            for one in (*destinations.entries, *destinations.live, *destinations.topics)
        }
        self.entries = tuple(map(target, destinations.entries))
        self._live = tuple(map(target, destinations.live))
        self._values = tuple(map(target, destinations.variables))
        self._topics = tuple(target(one, dry=False) for one in destinations.topics)
        #: The variables as they should be, None before the first delivery.
        self._variables: Mapping[str, Secret] | None = None

    @property
    def all(self) -> tuple[SyncTarget, ...]:
        return (*self._values, *self.entries, *self._live, *self._topics)

    def update(self, entries: Entries, variables: Mapping[str, Secret]) -> None:
        """Deliver entries, each after the values of the variables to which it refers."""
        for destination in self._destinations.entries:
            if IVariablesDestination.providedBy(destination):
                destination.set_variables(variables)
        self._update_variables(variables)
        for target in self.entries:
            waiting = DeferredList([one.delivered() for one in self._values])
            waiting.addCallback(lambda _, one: one.update(entries), target)
        for target in self._topics:
            target.update(entries)

    def update_live(self, entries: Entries) -> None:
        """Deliver entries that have logins as they are."""
        for target in self._live:
            target.update(entries)

    def reconsider(self) -> None:
        """Deliver the same once more: this node speaks for other cameras than before."""
        for target in (*self.entries, *self._live, *self._topics):
            target.reconsider()

    def stop(self) -> list[Deferred[None]]:
        """Cancel every delivery; each Deferred fires when one has ended."""
        return [one.stop() for one in self.all]

    def _update_variables(self, variables: Mapping[str, Secret]) -> None:
        """Deliver the variables, and leave those alone to which something that was written refers still."""
        self._variables = variables
        written = frozenset().union(*(self._texts[one.status.name].references for one in self.entries))
        kept = dict.fromkeys(sorted(written - variables.keys()))
        for target in self._values:
            target.update({**kept, **variables})

    def _record_written(self, name: str, written: Entries) -> None:
        if (text := self._texts.get(name)) is None:
            self._save(name, json.dumps(written, sort_keys=True))  # of variables there are as many as there are logins
        else:
            text.update(written)
            self._save(name, str(text))
        if self._variables is not None:
            self._update_variables(self._variables)  # what nothing refers to any more can go now
