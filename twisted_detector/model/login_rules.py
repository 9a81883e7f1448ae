"""Rules by which a device may be given configured logins, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from ipaddress import ip_network

from twisted_detector.model.addresses import parse_address
from twisted_detector.model.devices import Candidate
from twisted_detector.model.logins import Login
from twisted_detector.model.reach import Network

_WORDS = re.compile(r"[a-z0-9]+")
_WILD = re.compile(r"[*?]")
#: An id that is a MAC, perhaps with the number of a second device that had it.
_MAC_ID = re.compile(r"[0-9a-f]{12}(?:-[0-9]+)?")


class Audience(IntEnum):
    """Which devices a login is for; the most specific audience comes first."""

    DEVICE = 0  #: one device, by its very id, as long as it is adopted: what a person typed for it
    CAMERA = 1  #: whoever has a MAC or an id that fits a pattern
    NETWORK = 2
    VENDOR = 3
    ANY = 4


@dataclass(frozen=True, slots=True)
class LoginRule(Login):
    """A login for some devices; a plain :class:`Login` is for all.

    :ivar value: a device's id, a network in CIDR notation, a manufacturer's name, or a pattern of a MAC or a camera id
        (``*``, ``?``).
    """

    audience: Audience = Audience.ANY
    value: str = ""

    def fits(self, candidate: Candidate) -> bool:
        """Whether the login is for this device, as far as the device is known now."""
        if self.audience is Audience.NETWORK:
            return in_networks(candidate.address, (ip_network(self.value),))
        if self.audience is Audience.VENDOR:
            return any(names_manufacturer(self.value, text) for text in candidate.vendors)
        if self.audience is Audience.CAMERA:
            return any(fnmatchcase(name, self.value) for name in _names(candidate))
        if self.audience is Audience.DEVICE:
            return candidate.is_bound and candidate.device_id == self.value
        return True

    @property
    def rank(self) -> tuple[int, int]:
        """Sort key: the narrower audience first, of two networks the smaller, of two patterns the more exact."""
        if self.audience is Audience.NETWORK:
            return self.audience, -ip_network(self.value).prefixlen
        if self.audience is Audience.CAMERA:
            return self.audience, -len(_WILD.sub("", self.value)) + 1000 * bool(_WILD.search(self.value))
        return self.audience, 0


def logins_for(logins: Iterable[Login], candidate: Candidate) -> tuple[Login, ...]:
    """The logins that are for this device, the most specific first, of one audience in their order; each once."""
    fitting: list[tuple[tuple[int, int], Login]] = []
    for login in logins:
        if not isinstance(login, LoginRule):
            fitting.append(((Audience.ANY, 0), login))
        elif login.fits(candidate):
            fitting.append((login.rank, Login(login.name, login.password)))
    fitting.sort(key=lambda one: one[0])
    return tuple(dict.fromkeys(login for _, login in fitting))


def networks_with_logins(logins: Iterable[Login]) -> tuple[Network, ...]:
    """The networks that logins are for: the operator says thereby that cameras of his are there."""
    return tuple(
        ip_network(login.value)
        for login in logins
        if isinstance(login, LoginRule) and login.audience is Audience.NETWORK
    )


def has_own_login(logins: Iterable[Login], candidate: Candidate) -> bool:
    """Whether a login names this very device in a list of logins; one that was typed for it alone does not list it."""
    return any(
        isinstance(login, LoginRule) and login.audience is Audience.CAMERA and login.fits(candidate) for login in logins
    )


def names_device(login: Login) -> bool:
    """Whether a login is for a network or for a camera that the operator named: those are his.

    What a device calls its manufacturer is its own word.
    """
    return isinstance(login, LoginRule) and login.audience in (Audience.NETWORK, Audience.CAMERA)


def in_networks(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address (link-local IPv6 with ``%scope``) is in one of the networks."""
    given = parse_address(address)
    return any(given.version == network.version and given in network for network in networks)


def names_manufacturer(vendor: str, text: str) -> bool:
    """Whether ``text``, as devices and registries write it, names this manufacturer: ``tplink``, ``TP-Link Corp.``.

    Whole words only, and several of them together: ``axis`` is not in ``Maxis``.
    """
    wanted = "".join(_WORDS.findall(vendor.lower()))
    words = _WORDS.findall(text.lower())
    return bool(wanted) and any(wanted in _runs(words[start:], len(wanted)) for start in range(len(words)))


def _runs(words: list[str], longest: int) -> Iterator[str]:
    run = ""
    for word in words:
        run += word
        if len(run) > longest:
            return
        yield run


def normalise_pattern(text: str) -> str:
    """A pattern of a MAC or of a camera id in the form that is compared: in lower case, a MAC without its colons.

    The channels of a recorder share its login, so the number of one (``_2``) is dropped.
    """
    text = re.sub(r"_[0-9]+$", "", text.lower())
    bare = re.sub(r"[:-]", "", text)
    return bare if re.fullmatch(r"[0-9a-f*?]{1,12}", bare) else text


def _names(candidate: Candidate) -> Iterator[str]:
    """MAC and id; an id that is another MAC than it has now was given when it had that one, or it poses as that one."""
    if candidate.mac is not None:
        yield candidate.mac.compact
    device_id = candidate.device_id.lower()
    other = candidate.mac is not None and not device_id.startswith(candidate.mac.compact)
    if device_id and not (other and _MAC_ID.fullmatch(device_id)):
        yield device_id
