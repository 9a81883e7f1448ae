"""An address goes in; whether a password may be sent there in clear (HTTP or RTSP Basic) comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network

from twisted_detector.model import Candidate, Mac, parse_address

POLICIES = ("never", "known", "always")


class ClearTextPolicy:
    """The operator's ``ALLOW_BASIC_AUTH``.

    :param policy: ``never``; ``known``: where this machine sees the MAC, or the operator named the network; ``always``.
    :param confirmed: the networks that the operator named.
    :param neighbours: the addresses whose MAC is known now.
    """

    def __init__(
        self,
        policy: str,
        *,
        confirmed: Iterable[IPv4Network | IPv6Network] = (),
        neighbours: Callable[[], Mapping[str, Mac]],
    ) -> None:
        self._policy = policy
        self._confirmed = tuple(confirmed)
        self._neighbours = neighbours

    def allows(self, address: str) -> bool:
        """Whether a password may go to ``address`` as it is."""
        if self._policy != "known":
            return self._policy == "always"
        if address in self._neighbours():
            return True
        given = parse_address(address)
        return any(given.version == network.version and given in network for network in self._confirmed)

    def allows_candidate(self, candidate: Candidate) -> bool:
        """As :meth:`allows`, for a device."""
        return self.allows(candidate.address)
