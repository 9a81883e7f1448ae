"""Policy of passwords in clear: to which addresses one may be sent by HTTP or RTSP Basic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network

from twisted_detector.model import Candidate, Mac
from twisted_detector.model.login_rules import in_networks


class ClearTextPolicy:
    """The operator's ``ALLOW_BASIC_AUTH``.

    Any device that has just come could offer nothing but Basic and so obtain the password. So ``known`` means a device
    that was published before this inspection and whose MAC this machine sees, or one that the operator listed: its
    network, or itself.

    :param policy: ``never``, ``known`` or ``always``.
    :param confirmed: the networks that the operator named.
    :param neighbours: the addresses whose MAC is known now.
    :param identified: whether the device at an address was published before, or has a login of its own.
    """

    def __init__(
        self,
        policy: str,
        *,
        confirmed: Iterable[IPv4Network | IPv6Network] = (),
        neighbours: Callable[[], Mapping[str, Mac]],
        identified: Callable[[str], bool],
    ) -> None:
        self._policy = policy
        self._confirmed = tuple(confirmed)
        self._neighbours = neighbours
        self._identified = identified

    def allows(self, address: str) -> bool:
        """Whether a password may go to ``address`` as it is."""
        if self._policy != "known":
            return self._policy == "always"
        if in_networks(address, self._confirmed):
            return True
        return address in self._neighbours() and self._identified(address)

    def allows_candidate(self, candidate: Candidate) -> bool:
        """As :meth:`allows`, for a device."""
        return self.allows(candidate.address)
