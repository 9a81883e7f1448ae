"""The command ``consumers``: Home Assistant, Frigate, go2rtc and a broker, found where one may expect them.

Asked are this machine, the broker's host, hosts that the kernel knows as neighbours, and those that announce Home
Assistant; by one request each to the ports that these programs have, without a login. That one is found is hearsay:
anybody can answer like that. It changes nothing until a person who sees its address switches it on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol

from twisted.internet.defer import DeferredList, DeferredSemaphore, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.model import host_for_url
from twisted_detector.model.addresses import is_sent_in_clear
from twisted_detector.outputs.sync.http import HttpRequest, HttpResponse
from twisted_detector.outputs.sync.seams import TargetUnavailable

#: Hosts that are asked: a home has fewer; on a large network the program is on this machine, or has announced itself.
MAX_HOSTS = 128
#: Requests at one time, seconds for each, and for all of them.
AT_ONCE, REQUEST_SECONDS, SEARCH_SECONDS = 32, 2.0, 12.0
#: Bytes of an answer; the longest of them, Home Assistant's manifest, has two thousand.
MAX_ANSWER = 65_536
#: SYN, ACK, request, ACK of the answer, FIN, ACK.
_PACKETS = 6
_BY = "consumers"
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,3}(?:\.[0-9]{1,3})?(?:-[0-9A-Za-z.]{1,40})?")
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was found.

    :ivar name: ``homeassistant``, ``frigate`` or ``go2rtc``.
    :ivar url: where it answered; ``version``: what it says, "" where it does not.
    :ivar login: whether it wants a login of its own.
    :ivar settings: what switches it on, values by name.
    """

    name: str
    url: str
    version: str = ""
    login: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON values. ``clear``: the cameras' logins would go there over the network in clear."""
        return {
            "program": self.name,
            "url": self.url,
            "version": self.version,
            "login": self.login,
            "clear": self.name != "homeassistant" and is_sent_in_clear(self.url),
            "settings": dict(self.settings),
        }


class Fetch(Protocol):
    """Fetches what a path below a base (``http://host:port``) answers; raises TargetUnavailable."""

    def __call__(self, base: str, request: HttpRequest, *, insecure: bool = False) -> Awaitable[HttpResponse]: ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look.

    :ivar neighbours: addresses whose MAC the kernel knows; ``announced``: those that announce Home Assistant.
    :ivar broker: address of the broker's host, "" where it is this machine's, or not known.
    :ivar excluded: addresses that are asked nothing; ``cameras``: those of cameras, of which none is such a program.
    """

    neighbours: Callable[[], Iterable[str]]
    announced: Callable[[], Awaitable[Sequence[str]]]
    broker: Callable[[], Awaitable[str]]
    excluded: Container[str] = ()
    cameras: Callable[[], Iterable[str]] = tuple

    async def hosts(self) -> list[str]:
        """The addresses to be asked, likely ones first."""
        try:
            announced = await self.announced()
        except CamdetectError:
            announced = ()
        cameras = set(self.cameras())
        found: dict[str, None] = {_LOOPBACK: None}
        for address in (await self.broker(), *announced, *self.neighbours()):
            if _is_home(address) and address not in self.excluded and address not in cameras:
                found[address] = None
        return list(found)[:MAX_HOSTS]


def _is_home(address: str) -> bool:
    """Whether it is an address of a site; not link-local IPv6, which makes no URL that others can use."""
    try:
        where = ip_address(address)
    except ValueError:
        return False
    return where.is_private and not where.is_link_local and not where.is_multicast and not where.is_unspecified


class ConsumerSearch:
    """Handler of ``consumers``.

    :param acquire: permission to send, awaited before each request (``PacketRateLimiter.acquire``).
    :param brokers: brokers on this machine, as JSON values.
    """

    def __init__(
        self,
        clock: IReactorTime,
        places: Places,
        fetch: Fetch,
        *,
        acquire: Callable[..., Awaitable[object]],
        brokers: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
    ) -> None:
        self._clock = clock
        self._places = places
        self._fetch = fetch
        self._acquire = acquire
        self._brokers = brokers
        self._is_searching = False

    async def answer(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """Search, which takes some seconds.

        :raises RemoteError: a search runs already.
        """
        if self._is_searching:
            raise RemoteError("another search is still running; try again in a few seconds")
        self._is_searching = True
        try:
            brokers = await self._brokers()
            hosts = await self._places.hosts()
            programs = await self._search(hosts)
        finally:
            self._is_searching = False
        return {"consumers": [one.document() for one in programs], "brokers": list(brokers), "hosts": len(hosts)}

    async def _search(self, hosts: Sequence[str]) -> list[Program]:
        found: dict[tuple[str, int], Program] = {}
        room = DeferredSemaphore(AT_ONCE)

        async def ask(number: int, host: str, look: Look) -> None:
            program = await look(self, host)
            if program is not None:
                found[program.name, number] = program

        waits = [room.run(ask, number, host, look) for number, host in enumerate(hosts) for look in LOOKS]
        everything = DeferredList(waits, consumeErrors=True)
        everything.addTimeout(SEARCH_SECONDS, self._clock)
        try:
            await everything
        except DeferredTimeout:
            for wait in waits:
                wait.cancel()
        # Of each program the likeliest place first: this machine, the broker's, …
        return [found[key] for key in sorted(found)]

    async def get(self, base: str, path: str, *, insecure: bool = False) -> HttpResponse | None:
        """What a host answers; None where it does not."""
        await self._acquire(by=_BY, packets=_PACKETS)
        try:
            return await self._fetch(base, HttpRequest("GET", path), insecure=insecure)
        except TargetUnavailable:
            return None


Look = Callable[[ConsumerSearch, str], Awaitable[Program | None]]


async def find_go2rtc(search: ConsumerSearch, host: str) -> Program | None:
    """go2rtc at its port: ``GET /api``, which tells version and RTSP; with a login: 401 of its own realm."""
    base = f"http://{host_for_url(host)}:1984"
    answer = await search.get(base, "/api")
    if answer is None:
        return None
    settings = {"GO2RTC_URL": base}
    if answer.status == 401 and 'realm="go2rtc"' in answer.challenge:
        return Program("go2rtc", base, login=True, settings=settings)
    told = _json(answer)
    version = told.get("version")
    if isinstance(version, str) and isinstance(told.get("rtsp"), dict):
        return Program("go2rtc", base, _version(version), settings=settings)
    return None


async def find_frigate(search: ConsumerSearch, host: str) -> Program | None:
    """Frigate at the port that wants no login, else at the one that does, whose certificate it made for itself."""
    base = f"http://{host_for_url(host)}:5000"
    answer = await search.get(base, "/api/version")
    if answer is not None and answer.status == 200 and _version(answer.text):
        return Program("frigate", base, _version(answer.text), settings={"FRIGATE_URL": base})
    base = f"https://{host_for_url(host)}:8971"
    answer = await search.get(base, "/api/version", insecure=True)
    if answer is None:
        return None
    settings = {"FRIGATE_URL": base, "FRIGATE_TLS_INSECURE": "true"}
    if answer.status == 200 and _version(answer.text):
        return Program("frigate", base, _version(answer.text), login=True, settings=settings)
    # Its nginx answers so before anything of Frigate is asked; no other program is known to have that port.
    if answer.status == 401 and "401 Authorization Required" in answer.text and "nginx" in answer.text:
        return Program("frigate", base, login=True, settings=settings)
    return None


async def find_home_assistant(search: ConsumerSearch, host: str) -> Program | None:
    """Home Assistant at its port: the manifest of its web app (``frontend/__init__.py`` of its source) names it."""
    base = f"http://{host_for_url(host)}:8123"
    answer = await search.get(base, "/manifest.json")
    if answer is None or answer.status != 200 or _json(answer).get("name") != "Home Assistant":
        return None
    return Program("homeassistant", base, settings={"HOMEASSISTANT_ENABLED": "true"})


LOOKS: tuple[Look, ...] = (find_go2rtc, find_frigate, find_home_assistant)


def _json(answer: HttpResponse) -> dict[str, Any]:
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return told if answer.status == 200 and isinstance(told, dict) else {}


def _version(text: str) -> str:
    """A version, "" for what is none: it stands on the page."""
    found = _VERSION.fullmatch(text.strip()[:64])
    return found[0] if found else ""
