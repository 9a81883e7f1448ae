"""Judge of RTSP servers that are no camera: media servers that pass on other cameras' streams.

Several signs decide together, never one: cameras with two-way audio offer ANNOUNCE and RECORD too, many have paths that
nobody knows, and a camera's firmware may be built of a media server's parts. So each sign has a weight, and what is
known to be a camera by other means is not judged: one that announces ONVIF, that played before, that a person names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import InspectionError, NotACamera, RemoteError
from twisted_detector.inspection.http.client import HttpClient, HttpResponse
from twisted_detector.inspection.rtsp.catalog import rules
from twisted_detector.model import Adoption, Candidate, host_for_url
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.devices import BY_HAND
from twisted_detector.model.login_rules import names_manufacturer
from twisted_detector.wire.http import digest

#: Seconds for one question to a program's page: it is on the local network, and a closed port answers at once.
DOOR_TIMEOUT = 2.0
#: Seconds for each try to resolve the name of a host in the configuration.
RESOLVE_TIMEOUTS = (1, 3)
#: Bytes of its answer: Frigate's page has 4 kB.
MAX_PAGE = 65_536
#: Seconds for which it is remembered whether a page answered: for the two judgements of one inspection.
REMEMBERED_SECONDS = 120.0
#: Pages of which that is remembered: those of several times as many addresses as show signs at once.
MAX_REMEMBERED = 256
#: Weights. ``ENOUGH`` needs two signs at least, whichever they are.
ENOUGH = 3
STRONG, WEAK = 2, 1
#: What the MAC of a maker of cameras weighs against it: firmware is rebuilt around go2rtc, and network cards have such
#: MACs, too.
BY_MAKER = 2

Sign = tuple[int, str]


@dataclass(frozen=True, slots=True)
class RtspAnswers:
    """What an RTSP server said of itself.

    :ivar server, realm: of its answers; ``public``: the methods that it offers; ``session``: what it calls a stream.
    :ivar guarded: it wanted a login for OPTIONS already.
    :ivar no_path: none of the known paths exists, and all were refused as one that cannot exist.
    """

    server: str = ""
    realm: str = ""
    public: str = ""
    session: str = ""
    guarded: bool = False
    no_path: bool = False

    @property
    def takes_streams(self) -> bool:
        """Whether clients may send it streams (RFC 2326, 10.3 and 10.11)."""
        return {"ANNOUNCE", "RECORD"} <= {method.strip().upper() for method in self.public.split(",")}


@dataclass(frozen=True, slots=True)
class Door:
    """A port of a program's own, and how an answer from there is known to be its."""

    url: str
    port: int
    is_its: Callable[[HttpResponse], bool]


@dataclass(frozen=True, slots=True)
class Program:
    """A media server.

    :ivar words: how it begins to name itself, in small letters; ``library``: what others are built of, too.
    :ivar public: what it answers to OPTIONS, word for word: nobody else has this order.
    """

    name: str
    doors: tuple[Door, ...]
    words: tuple[str, ...] = ()
    library: str = ""
    public: str = ""

    def signs(self, answers: RtspAnswers) -> Iterator[Sign]:
        """The signs of this very program."""
        for text in (answers.server, answers.realm, answers.session):
            if self.words and text.lower().startswith(self.words):
                yield STRONG, f"it calls itself {self.name}"
                break
        if self.library and answers.server.lower().startswith(self.library):
            yield WEAK, f"it is built of {self.library}, as {self.name} is"
        if self.public and answers.public == self.public:
            yield WEAK, f"it answers OPTIONS as {self.name} does"


def _is_go2rtc(response: HttpResponse) -> bool:
    if response.status == 401:
        return any(one.realm == "go2rtc" for one in digest.parse_challenges(response.values("WWW-Authenticate")))
    try:
        said = json.loads(response.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("version"), str) and isinstance(said.get("rtsp"), dict)


def _is_mediamtx(response: HttpResponse) -> bool:
    return any(value.lower().startswith(("mediamtx", "rtsp-simple-server")) for value in response.values("Server"))


_FRIGATE = re.compile(rb"<title>\s*Frigate\s*</title>", re.IGNORECASE)


def _is_frigate(response: HttpResponse) -> bool:
    return response.status == 200 and _FRIGATE.search(response.body) is not None


#: go2rtc 1.9 (pkg/rtsp/server.go, internal/api); MediaMTX 1 (its HLS and WebRTC servers); Frigate 0.14 to 0.18, whose
#: RTSP is go2rtc's: 8971 is open by default, 5000 within the house.
PROGRAMS = (
    Program(
        "go2rtc",
        (Door("http://{host}:1984/api", 1984, _is_go2rtc),),
        words=("go2rtc",),
        public="OPTIONS, SETUP, TEARDOWN, DESCRIBE, PLAY, PAUSE, ANNOUNCE, RECORD",
    ),
    Program(
        "Frigate",
        (Door("https://{host}:8971/", 8971, _is_frigate), Door("http://{host}:5000/", 5000, _is_frigate)),
        public="OPTIONS, SETUP, TEARDOWN, DESCRIBE, PLAY, PAUSE, ANNOUNCE, RECORD",
    ),
    Program(
        "MediaMTX",
        (Door("http://{host}:8888/", 8888, _is_mediamtx), Door("http://{host}:8889/", 8889, _is_mediamtx)),
        words=("mediamtx", "rtsp-simple-server"),
        library="gortsplib",
    ),
    # These have no page that is theirs alone; the first is within some devices, too.
    Program("ZLMediaKit", (), library="zlmediakit"),
    Program("Wowza", (), words=("wowza",)),
)


class _Client(Protocol):
    async def get(self, url: str, headers: Mapping[str, str]) -> HttpResponse: ...

    async def close(self) -> None: ...


class MediaServerJudge:
    """Judge of one RTSP server at a time; where it shows signs, the pages of media servers are asked, without a login.

    :param configured: hosts at which the configuration has a Frigate or a go2rtc → which: the streams there are ours.
    :param resolve: looks the address of a host's name up.
    :param vouched_for: whether the operator named this very device as a camera of his.
    :param open_client: makes the HTTP client of one question.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        configured: Mapping[str, str] | None = None,
        resolve: Callable[[str], Awaitable[str]] | None = None,
        vouched_for: Callable[[Candidate], bool] = lambda candidate: False,
        open_client: Callable[[], _Client] | None = None,
    ) -> None:
        self._clock: IReactorTime = reactor
        self._configured = configured or {}
        self._resolve = resolve or (lambda name: reactor.resolve(name, timeout=RESOLVE_TIMEOUTS))
        self._vouched_for = vouched_for
        self._open_client = open_client or partial(HttpClient, reactor, timeout=DOOR_TIMEOUT, max_answer=MAX_PAGE)
        self._answered: BoundedDict[tuple[str, str], tuple[float, bool]] = BoundedDict(MAX_REMEMBERED)

    async def judge(self, candidate: Candidate, answers: RtspAnswers) -> None:
        """Return where the server may be a camera.

        :raises NotACamera: it is a media server; the text says which, and by which signs.
        """
        if self._is_known_camera(candidate):
            return
        signs = list(_general_signs(answers))
        ranked = sorted(
            ((list(program.signs(answers)), program) for program in PROGRAMS), key=lambda one: -_weight(one[0])
        )
        named, program = ranked[0]
        if not named and not (answers.takes_streams and answers.no_path):
            return  # what else is known of the host says nothing of this server
        configured = await self._configured_at(candidate.address)
        if configured:
            signs.append((STRONG, f"the configuration names it as {configured}, so that its streams are our own"))
        name = configured or (program.name if named else "")
        enough = ENOUGH + BY_MAKER * _is_by_maker(candidate)
        if _weight(signs + named) < enough or not name:
            for found, one in ranked:
                if (found or not named) and (door := await self._answering_door(candidate.address, one)):
                    name, named = one.name, found
                    signs.append((STRONG, f"{one.name} answers at its port {door.port}"))
                    break
        signs += named
        if name and len(signs) > 1 and _weight(signs) >= enough:
            told = ", ".join(text for _, text in signs)
            raise NotACamera(f"a media server ({name}) that passes on other cameras' streams: {told}")

    def _is_known_camera(self, candidate: Candidate) -> bool:
        """Whether other means say that it is a camera: ONVIF, streams that played, a person."""
        by_person = candidate.by_hand or BY_HAND in candidate.methods or candidate.adoption is Adoption.PERSON
        announced = candidate.xaddrs or candidate.scopes
        return bool(by_person or announced or candidate.known_urls) or self._vouched_for(candidate)

    async def _configured_at(self, address: str) -> str:
        """Which program the configuration has at an address, or ""; a name that cannot be resolved is at none."""
        for host, program in self._configured.items():
            if host == address:
                return program
        for host, program in self._configured.items():
            if isIPAddress(host) or isIPv6Address(host):
                continue
            try:
                if await self._resolve(host) == address:
                    return program
            except CancelledError:
                raise
            except Exception as error:  # of whichever resolver is installed
                self.log.debug("{host} cannot be resolved: {error}", host=host, error=error)
        return ""

    async def _answering_door(self, address: str, program: Program) -> Door | None:
        """The first port of a program at which it answers; None: it answers at none."""
        for door in program.doors:
            if await self._answers(address, door):
                return door
        return None

    async def _answers(self, address: str, door: Door) -> bool:
        key, now = (address, door.url), self._clock.seconds()
        at, answered = self._answered.get(key, (float("-inf"), False))
        if not 0 <= now - at < REMEMBERED_SECONDS:
            answered = await self._ask(door.url.format(host=host_for_url(address)), door)
            self._answered.pop(key, None)
            self._answered[key] = now, answered
        return answered

    async def _ask(self, url: str, door: Door) -> bool:
        client = self._open_client()
        try:
            with suppress(InspectionError, RemoteError):
                return door.is_its(await client.get(url, {}))
        finally:
            await client.close()
        return False


def _general_signs(answers: RtspAnswers) -> Iterator[Sign]:
    if answers.takes_streams:
        yield WEAK, "it takes streams (ANNOUNCE, RECORD)"
    if answers.guarded:
        yield WEAK, "it wants a login for OPTIONS"
    if answers.no_path:
        yield WEAK, "it has none of the known paths"


def _weight(signs: list[Sign]) -> int:
    return sum(weight for weight, _ in signs)


def _is_by_maker(candidate: Candidate) -> bool:
    """Whether its MAC is of a maker of cameras."""
    makers = {vendor for rule in rules() for vendor in rule.vendors}
    return any(names_manufacturer(maker, vendor) for maker in makers for vendor in candidate.vendors)
