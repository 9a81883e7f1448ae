"""The networks of this site, as the configuration and the decisions of people have them at this moment."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_network

from twisted_detector.config.config import Config
from twisted_detector.config.running import RunningConfig
from twisted_detector.model.decisions import Decisions
from twisted_detector.model.login_rules import networks_with_logins
from twisted_detector.model.observers import Observers
from twisted_detector.model.reach import Network
from twisted_detector.operations.decisions.book import DecisionBook

#: The word in SCAN_NETWORKS for the networks of this machine's interfaces.
INTERFACES = "interfaces"


class SiteNetworks:
    """Holder of the networks that are searched, and of those whose cameras are known to be the operator's.

    :ivar changed: called with the networks that are searched from now on; ``narrowed``: whether somewhere nothing is
        searched any more; ``widened``: whether something is searched that no network names.
    :ivar confirmed_changed: called when cameras of a person are in other networks than before.
    """

    def __init__(self, running: RunningConfig, book: DecisionBook) -> None:
        self._running = running
        self._book = book
        self._taken: frozenset[Network] | None = None
        self.changed: Observers[[tuple[Network, ...], bool, bool]] = Observers("a change of the networks")
        self.confirmed_changed: Observers[[]] = Observers("a change of the networks with logins")
        self._read()
        running.changed.add(self._reloaded)
        book.changed.add(self._decided)

    def _read(self) -> None:
        config, decisions = self._running.current, self._book.current
        configured = config.discovery.named_networks
        self._named = tuple(dict.fromkeys((*configured, *decisions.networks)))
        logins = networks_with_logins((*config.inspection.credentials, *decisions.logins))
        self._confirmed = tuple(dict.fromkeys((*self._named, *logins)))
        own = set(config.discovery.scan_networks)
        more = (*map(str, decisions.networks), *config.discovery.shared_networks)
        self._searched = (*config.discovery.scan_networks, *dict.fromkeys(one for one in more if one not in own))

    @property
    def current(self) -> Config:
        """The configuration in use."""
        return self._running.current

    @property
    def logins(self) -> int:
        """How many logins there are for cameras, of the configuration and typed."""
        decided = self._book.current
        own = sum(one.login is not None for one in decided.cameras.values())
        return len(self.current.inspection.credentials) + len(decided.logins) + own

    def named(self) -> tuple[Network, ...]:
        """Those that SCAN_NETWORKS or a person names; what stands there is meant."""
        return self._named

    def searched(self) -> tuple[str, ...]:
        """The same in CIDR notation, as SCAN_NETWORKS has them, with its word ``interfaces``."""
        return self._searched

    def shared(self) -> tuple[Network, ...]:
        """Those that several nodes could search: NODES_NETWORKS, unless this node is to search them anyhow."""
        own = {*self.current.discovery.scan_networks, *map(str, self._book.current.networks)}
        return tuple(ip_network(text) for text in self.current.discovery.shared_networks if text not in own)

    def take(self, networks: Collection[Network]) -> None:
        """From now on this node searches these of the shared networks, and no others; all until this is called."""
        before = frozenset(self.shared()) if self._taken is None else self._taken
        self._taken = frozenset(networks)
        added = tuple(sorted(self._taken - before, key=str))
        if added or before - self._taken:
            self.changed.notify(added, bool(before - self._taken), False)

    def left(self) -> tuple[Network, ...]:
        """Those of the shared networks that another node searches."""
        taken = self._taken
        return () if taken is None else tuple(one for one in self.shared() if one not in taken)

    def swept(self) -> tuple[str, ...]:
        """As :meth:`searched`, without those that another node searches."""
        left = set(map(str, self.left()))
        return tuple(one for one in self._searched if one not in left)

    def asked(self) -> tuple[Network, ...]:
        """As :meth:`named`, without those that another node searches."""
        left = self.left()
        return tuple(one for one in self._named if one not in left)

    def confirmed(self) -> tuple[Network, ...]:
        """Where devices may be given a secret though no MAC is seen: those, and the networks that have logins."""
        return self._confirmed

    def has_loopback(self) -> bool:
        """Whether one that is named is this machine itself: simulated cameras."""
        return any(network.is_loopback for network in self._named)

    def _decided(self, before: Decisions, after: Decisions) -> None:
        if (before.networks, before.logins) != (after.networks, after.logins):
            self._update(widened=False, narrowed=False)

    def _reloaded(self, before: Config, after: Config) -> None:
        excluded, excludes = set(before.discovery.scan_exclude), set(after.discovery.scan_exclude)
        self._update(widened=bool(excluded - excludes), narrowed=bool(excludes - excluded))

    def _update(self, *, widened: bool, narrowed: bool) -> None:
        named, searched, confirmed = self._named, set(self._searched), self._confirmed
        self._read()
        if self._confirmed != confirmed:
            self.confirmed_changed.notify()
        added = tuple(one for one in self._named if one not in named)
        widened |= INTERFACES in self._searched and INTERFACES not in searched
        narrowed |= bool(searched - set(self._searched))
        if added or widened or narrowed:
            self.changed.notify(added, narrowed, widened)
