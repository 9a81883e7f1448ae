"""A candidate and perhaps a login go in; what ONVIF says of the device comes out as an Inspection.

The order keeps failed logins and packets few: what needs no login is asked first, then one protected question shows
which login scheme the device wants. A camera with two profiles is asked at most twelve questions. One device is asked
by one inspection at a time, and whoever fetches pictures from it takes the same lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import Malformed, RemoteError
from twisted_detector.inspection.device_locks import DeviceLocks, web_lane
from twisted_detector.inspection.http.client import HttpClient, HttpTransport
from twisted_detector.inspection.onvif.findings import NAME
from twisted_detector.inspection.onvif.interview import Greeting, Interview
from twisted_detector.inspection.onvif.session import OnvifSession
from twisted_detector.inspection.yielding import CooperativeQueue
from twisted_detector.interfaces import IInspector
from twisted_detector.model import Candidate, Inspection, Login, host_for_url
from twisted_detector.model.addresses import RTSP_PORTS, SILENT_PORTS
from twisted_detector.wire.http.device_url import device_url

T = TypeVar("T")

#: Where device services live by guess; 8000 is Reolink's and others', 2020 TP-Link's, 8899 Xiongmai's.
DEFAULT_PORTS = (80, 8000, 8080, 2020, 8899)
#: Where they were met beside those.
LESS_LIKELY_PORTS = (5000, 8081, 6688, 8999, 81, 85, 8090, 443, 8443)
_TLS_PORTS = (443, 8443)
#: RFC 6335, 6: below are other services' own. Above, what is open and not of RTSP kind comes last.
_USER_PORTS = 1024
#: Ports that are guessed at: each costs a connection, or a time-out where something else listens.
MAX_GUESSES = 8
DEVICE_PATH = "/onvif/device_service"
#: Seconds for which what a device told without a login is good for the interview with one that follows at once: its
#: challenge is answered as soon as any client would.
GREETING_SECONDS = 2.0
#: Devices of which greetings, and the manners of their nonces, are kept: several times as many as are asked at once.
MAX_GREETINGS = 256
#: Announced addresses that are tried: each may cost one time-out.
MAX_XADDRS = 4


@implementer(IInspector)
class OnvifInspector:
    """Asks a device by ONVIF.

    :param timeout: seconds for one question and its answer.
    :param onvif_ports: ports that are guessed at first. Only ports that were seen open are, and none of RTSP kind.
    :param random: gives so many fresh random bytes, for nonces.
    :param monotonic: a clock that never jumps, seconds, for the round trip.
    :param allow_basic: whether this device may be told a password in clear, if it knows nothing better.
    :param login_follows: whether a login may be tried on this device if it wants one.
    :param turns: spreads the work over turns of the reactor when many devices are asked at once.
    :param lanes: one lane per device for whoever speaks HTTP with it (:func:`lanes.web_lane`).
    :param open_transport: opens the HTTP connection of one inspection.
    """

    name = NAME
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float,
        random: Callable[[int], bytes],
        monotonic: Callable[[], float],
        onvif_ports: Sequence[int] = DEFAULT_PORTS,
        allow_basic: Callable[[Candidate], bool] = lambda candidate: False,
        login_follows: Callable[[Candidate], bool] = lambda candidate: False,
        turns: CooperativeQueue | None = None,
        lanes: DeviceLocks | None = None,
        open_transport: Callable[[], HttpTransport] | None = None,
    ) -> None:
        self._reactor = reactor
        self._random = random
        self._monotonic = monotonic
        self._ports = tuple(onvif_ports)
        self._allow_basic = allow_basic
        self._login_follows = login_follows
        self._turns = turns
        self._lanes = DeviceLocks() if lanes is None else lanes
        self._greetings: dict[tuple[str, str], Greeting] = {}
        self._short_lived: dict[tuple[str, str], None] = {}
        self._open_transport = open_transport or (lambda: HttpClient(reactor, timeout=timeout, turns=turns))

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        """See :class:`IInspector`. ``auth_required`` with all that is known without a login, when that is needed."""
        async with self._lanes.hold(web_lane(candidate.address)):
            if self._turns is not None:
                await self._turns.wait()
            return await self._inspect(candidate, login)

    async def _inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        key = (candidate.device_id, candidate.address)
        greeting = self._greeting_for(candidate) if login is not None else None
        transport = self._open_transport()
        session = OnvifSession(
            transport,
            candidate.address,
            login,
            allow_basic=self._allow_basic(candidate),
            random=self._random,
            now=self._reactor.seconds,
            fresh=key in self._short_lived,
        )
        interview = Interview(
            session,
            candidate,
            login,
            now=self._reactor.seconds,
            monotonic=self._monotonic,
            brief=login is None and self._login_follows(candidate),
        )
        try:
            return await interview.run(self.entries(candidate), greeting)
        except RemoteError as error:
            raise Malformed("an answer that cannot be read", shown=str(error), code="not_onvif") from error
        finally:
            self._keep(key, interview.greeting)
            if session.unsaid:
                _remember(self._short_lived, key, None)
            await transport.close()

    def _greeting_for(self, candidate: Candidate) -> Greeting | None:
        """What the device told just now without a login; taken, so that no challenge is answered twice."""
        greeting = self._greetings.pop((candidate.device_id, candidate.address), None)
        fresh = greeting is not None and self._monotonic() - greeting.at <= GREETING_SECONDS
        return greeting if fresh else None

    def _keep(self, key: tuple[str, str], greeting: Greeting | None) -> None:
        """For the next login, when there is one: after a refused one its refusal has the newer challenge."""
        self._greetings.pop(key, None)
        if greeting is not None and greeting.refusal is not None:
            _remember(self._greetings, key, greeting)

    def entries(self, candidate: Candidate) -> list[tuple[str, bool]]:
        """Device services to try, each with whether it was announced (else it is a guess)."""
        announced: list[str] = []
        for xaddr in candidate.xaddrs:
            try:
                announced.append(device_url(xaddr, candidate.address))
            except RemoteError:
                self.log.debug("{device}: an announced address is no URL", device=candidate.device_id)
        announced = list(dict.fromkeys(announced))[:MAX_XADDRS]
        host = host_for_url(candidate.address)
        guessed = [
            f"https://{host}{'' if port == 443 else f':{port}'}{DEVICE_PATH}"
            if port in _TLS_PORTS
            else f"http://{host}{'' if port == 80 else f':{port}'}{DEVICE_PATH}"
            for port in self._guesses(candidate)
        ]
        return [(url, True) for url in announced] + [(url, False) for url in guessed if url not in announced]

    def _guesses(self, candidate: Candidate) -> list[int]:
        """The open ports that may be of HTTP kind, likely ones first."""
        closed = SILENT_PORTS.union({*candidate.rtsp_ports, *RTSP_PORTS}.difference(self._ports))
        usual = (*self._ports, *LESS_LIKELY_PORTS)
        likely = [port for port in dict.fromkeys(usual) if port in candidate.open_ports]
        others = [port for port in dict.fromkeys(candidate.open_ports) if port not in usual and port >= _USER_PORTS]
        return [port for port in (*likely, *others) if port not in closed][:MAX_GUESSES]


def _remember(memory: dict[tuple[str, str], T], key: tuple[str, str], value: T) -> None:
    """The youngest from now on; the oldest goes when there are too many."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > MAX_GREETINGS:
        del memory[next(iter(memory))]
