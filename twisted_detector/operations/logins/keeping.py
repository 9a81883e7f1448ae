"""Keeper of typed logins: for one device, a network, a manufacturer or all, in the decisions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera, Interface, Login
from twisted_detector.model.decisions import Decisions, device_of
from twisted_detector.model.login_rules import Audience, LoginRule, in_networks
from twisted_detector.model.reach import networks_of
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.document import MAX_LOGINS
from twisted_detector.operations.decisions.verdicts import VerdictCarrier

#: For whom a login can be kept.
CHOICES = ("camera", "network", "vendor", "all", "no")
#: What a heading of a manufacturer may have (``config.logins``): letters, digits and a few signs between words.
_NOT_IN_VENDOR = re.compile(r"[^A-Za-z0-9 .&+-]+")
_MAX_VENDOR = 40


@dataclass(frozen=True, slots=True)
class Audienced:
    """For whom a login is to be kept.

    :ivar kept: in words, "" for nobody.
    """

    choice: str
    value: str = ""

    @property
    def kept(self) -> str:
        return "" if self.choice == "no" else f"{self.choice} {self.value}".strip()


class LoginKeeper:
    """Keeper of typed logins.

    :param interfaces: those of this machine.
    """

    def __init__(
        self,
        book: DecisionBook,
        verdicts: VerdictCarrier,
        *,
        interfaces: Callable[[], Awaitable[Sequence[Interface]]],
    ) -> None:
        self._book = book
        self._verdicts = verdicts
        self._interfaces = interfaces

    async def audience_of(self, camera: Camera, choice: object) -> Audienced:
        """For whom a login that is typed for this camera would be kept.

        :raises RemoteError: the choice is none, or nothing is known that it needs.
        """
        if choice not in CHOICES:
            raise RemoteError(f"keep: must be one of {', '.join(CHOICES)}")
        if choice == "network":
            return Audienced("network", await self._network_of(camera))
        if choice == "vendor":
            vendor = _NOT_IN_VENDOR.sub(" ", camera.proved_manufacturer)
            vendor = " ".join(vendor.split())[:_MAX_VENDOR].strip()
            if not re.search(r"[A-Za-z0-9]{2}", vendor):
                raise RemoteError(
                    "keep: this camera does not report its manufacturer; keep the login for this camera only"
                )
            return Audienced("vendor", vendor)
        return Audienced(str(choice))

    async def _network_of(self, camera: Camera) -> str:
        decided = self._book.current
        expected = (one.network for key, one in decided.cameras.items() if device_of(key) == camera.device_id)
        networks = [*(one for one in expected if one is not None), *networks_of(await self._interfaces())]
        for network in networks:
            if in_networks(camera.address, (network,)):
                return str(network)
        raise RemoteError(
            f"keep: {camera.address} is on none of this machine's networks; first set the camera's expected network"
        )

    async def keep(self, camera: Camera, login: Login, audience: Audienced) -> None:
        """Keep a login; one of the same user for the same audience is replaced.

        :raises RemoteError: there is no room for another.
        :raises NotSaved: the disk did not take it.
        """
        if audience.choice == "no":
            return
        if audience.choice == "camera":
            await self._verdicts.adopt([camera.id], login)
            return
        kept = _rule(login, audience)

        def change(decisions: Decisions) -> Decisions:
            logins = [one for one in decisions.logins if not _same_place(one, kept)]
            if len(logins) >= MAX_LOGINS:
                raise RemoteError(f"keep: {MAX_LOGINS} logins are saved already, and there is no room for more")
            return replace(decisions, logins=(*logins, kept))

        await self._book.change(change)


def _rule(login: Login, audience: Audienced) -> Login:
    if audience.choice == "all":
        return Login(login.name, login.password)
    kind = Audience.NETWORK if audience.choice == "network" else Audience.VENDOR
    return LoginRule(login.name, login.password, kind, audience.value)


def _same_place(one: Login, other: Login) -> bool:
    def place(login: Login) -> object:
        rule = (login.audience, login.value.lower()) if isinstance(login, LoginRule) else None
        return login.name, rule

    return place(one) == place(other)
