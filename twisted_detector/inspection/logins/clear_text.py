"""Policy of passwords in clear: to which devices one may be sent by HTTP or RTSP Basic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted_detector.model import Adoption, Candidate, Mac
from twisted_detector.model.login_rules import in_networks
from twisted_detector.model.reach import NetworksNow, no_networks


class ClearTextPolicy:
    """The operator's ``ALLOW_BASIC_AUTH``.

    Any device that has just come could offer nothing but Basic and so obtain the password. So ``known`` means a device
    for which a person vouches: one that is listed in the configuration (its network, or itself) or that was accepted by
    hand. What was merely there in the first run is given none. Whoever took Digest once is never sent a password in
    clear: something else may answer in its place, which cannot compute what Digest wants.

    :param policy: ``never``, ``known`` or ``always``, which is the operator's word for all devices.
    :param confirmed: the networks that the operator named, as they are now.
    :param neighbours: the addresses whose MAC is known now.
    :param candidates_at: the devices at an address: each of them must be one that may have it.
    :param took_digest: whether a device ever took a login by Digest.
    """

    def __init__(
        self,
        policy: str,
        *,
        confirmed: NetworksNow = no_networks,
        neighbours: Callable[[], Mapping[str, Mac]],
        candidates_at: Callable[[str], Sequence[Candidate]],
        took_digest: Callable[[Candidate], bool],
    ) -> None:
        self._policy = policy
        self._confirmed = confirmed
        self._neighbours = neighbours
        self._candidates_at = candidates_at
        self._took_digest = took_digest

    def allows(self, address: str) -> bool:
        """Whether a password may go to ``address`` as it is."""
        if self._policy != "known":
            return self._policy == "always"
        return all(map(self._allows, self._candidates_at(address) or (Candidate("", address),)))

    def allows_candidate(self, candidate: Candidate) -> bool:
        """As :meth:`allows`, for a device."""
        return self._allows(candidate) if self._policy == "known" else self._policy == "always"

    def _allows(self, candidate: Candidate) -> bool:
        if candidate.adoption is Adoption.BLOCKED or self._took_digest(candidate):
            return False
        if in_networks(candidate.address, self._confirmed()):
            return True
        if not candidate.adoption.is_trusted:
            return False
        if not candidate.at_layer2:
            return candidate.adoption is Adoption.PERSON  # accepted as it is, where no MAC is seen
        mac = self._neighbours().get(candidate.address)
        return mac is not None and candidate.mac in (mac, None)
