"""Inspector of devices that speak ONVIF.

The order of calls keeps failed logins and packets few: what needs no login comes first, then one protected call shows
which login schemes the device may want. A camera with two profiles gets at most twelve calls, fifteen with Digest. A
device has one inspection at a time, and fetching snapshots from it takes the same lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import Malformed, RemoteError
from twisted_detector.inspection.cooperative_queue import CooperativeQueue
from twisted_detector.inspection.device_locks import DeviceLocks, http_key
from twisted_detector.inspection.http.client import HttpTransport
from twisted_detector.inspection.onvif.findings import NAME
from twisted_detector.inspection.onvif.interview import AnonymousFindings, Interview
from twisted_detector.inspection.onvif.service_paths import DEVICE_PATH
from twisted_detector.inspection.onvif.session import EarlierLogins, Elsewhere, OnvifSession
from twisted_detector.interfaces import IInspector
from twisted_detector.model import Candidate, Inspection, Login, host_for_url
from twisted_detector.model.addresses import RTSP_PORTS, SILENT_PORTS
from twisted_detector.model.bounds import BoundedDict, BoundedSet
from twisted_detector.wire.http.device_url import device_url
from twisted_detector.wire.onvif.scopes import is_onvif_scope

#: Ports at which device services are guessed to be; 8000 is Reolink's and others', 2020 TP-Link's, 8899 Xiongmai's.
DEFAULT_PORTS = (80, 8000, 8080, 2020, 8899)
#: Ports at which some were met beside those.
LESS_LIKELY_PORTS = (5000, 8081, 6688, 8999, 81, 85, 8090, 443, 8443)
#: Ports at which devices that announce nothing were met: the first five and 5000.
UNANNOUNCED_PORTS = (*DEFAULT_PORTS, 5000)
_TLS_PORTS = (443, 8443)
#: Where a device service is whose device names no address (Core, 5.1.1).
_ANNOUNCED_PORT = 80
#: RFC 6335, 6: below are other services' own. Above, what is open and not of RTSP kind comes last.
_USER_PORTS = 1024
#: Seconds in which ports that nobody saw open are not asked again, after they were in vain.
UNSWEPT_AGAIN = 21_600.0
#: Ports that are guessed at: each costs a connection, or a time-out where something else listens.
MAX_GUESSES = 8
#: Seconds for which findings without a login are good for the interview with one that follows at once: the device's
#: challenge is answered as soon as any client would.
FINDINGS_SECONDS = 2.0
#: Devices of which anonymous findings, and short-lived nonces, are remembered: several times as many as are inspected
#: at once.
MAX_REMEMBERED = 256
#: Devices of which it is remembered that ports were asked in vain: as many as a network of 4 096 addresses has.
MAX_IN_VAIN = 4_096
#: Operations that an inspection can do without: those of them that were refused to an accepted login are not asked with
#: one for so many seconds. Each refusal may count at the device, and is repeated at every inspection otherwise.
_DISPENSABLE = frozenset(
    {"GetServices", "GetCapabilities", "GetEndpointReference", "GetHostname", "GetScopes", "GetNetworkInterfaces",
     "GetSnapshotUri"}
)  # fmt: skip
DENIED_SECONDS = 86_400.0
#: Announced addresses that are tried: each may cost one time-out.
MAX_XADDRS = 4


@dataclass(frozen=True, slots=True)
class GuessedPorts:
    """Ports at which a device service is guessed to be.

    :ivar first: these come first, where they were seen open; none of RTSP kind is.
    :ivar unswept: ports that no sweep tries. They are guessed at last, where a device that announced no service
        answered at a port for RTSP or HTTP.
    """

    first: tuple[int, ...] = DEFAULT_PORTS
    unswept: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """Rules for the logins of a device.

    :ivar allow_basic: whether a password may be sent to this device in clear, if it knows nothing better.
    :ivar login_follows: whether a login may be tried on this device if it wants one.
    """

    allow_basic: Callable[[Candidate], bool] = lambda candidate: False
    login_follows: Callable[[Candidate], bool] = lambda candidate: False


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Where the work is done when many devices are asked at once.

    :ivar queue: spreads it over turns of the reactor; None: all is done at once.
    :ivar elsewhere: reads long answers, see :class:`OnvifSession`; None: they are read here.
    """

    queue: CooperativeQueue | None = None
    elsewhere: Elsewhere | None = None


@implementer(IInspector)
class OnvifInspector:
    """See :class:`IInspector`.

    :param clock: wall time.
    :param open_transport: opens the HTTP connection of one inspection.
    :param random: returns so many fresh random bytes, for nonces.
    :param monotonic: a clock that never jumps, seconds, for the round trip.
    :param device_locks: shared with everything else that interviews the same devices (:func:`http_key`).
    """

    name = NAME
    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        open_transport: Callable[[], HttpTransport],
        *,
        random: Callable[[int], bytes],
        monotonic: Callable[[], float],
        ports: GuessedPorts = GuessedPorts(),
        logins: LoginPolicy = LoginPolicy(),
        scheduling: Scheduling = Scheduling(),
        device_locks: DeviceLocks | None = None,
    ) -> None:
        self._clock = clock
        self._open_transport = open_transport
        self._random = random
        self._monotonic = monotonic
        self._ports = ports
        self._logins = logins
        self._scheduling = scheduling
        self._in_vain: BoundedDict[tuple[str, str], float] = BoundedDict(MAX_IN_VAIN)
        self._device_locks = DeviceLocks() if device_locks is None else device_locks
        self._anonymous: BoundedDict[tuple[str, str], AnonymousFindings] = BoundedDict(MAX_REMEMBERED)
        self._short_lived_nonces: BoundedSet[tuple[str, str]] = BoundedSet(MAX_REMEMBERED)
        self._took: BoundedDict[tuple[str, str], str] = BoundedDict(MAX_REMEMBERED)
        self._denied: BoundedDict[tuple[str, str], dict[tuple[str, str], float]] = BoundedDict(MAX_REMEMBERED)

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        """See :class:`IInspector`. ``auth_required`` with all that is known without a login, when that is needed."""
        async with self._device_locks.acquire(http_key(candidate.address)):
            if self._scheduling.queue is not None:
                await self._scheduling.queue.wait()
            return await self._inspect(candidate, login)

    async def _inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        key = (candidate.device_id, candidate.address)
        findings = self._findings_for(candidate) if login is not None else None
        transport = self._open_transport()
        session = OnvifSession(
            transport,
            candidate.address,
            login=login,
            allow_basic=self._logins.allow_basic(candidate),
            random=self._random,
            now=self._clock.seconds,
            earlier=EarlierLogins(
                denied=self._denied_to(key),
                took=self._took.get(key, "") if login is not None else "",
                nonces_are_short_lived=key in self._short_lived_nonces,
            ),
            elsewhere=self._scheduling.elsewhere,
        )
        interview = Interview(
            session,
            candidate,
            login=login,
            now=self._clock.seconds,
            monotonic=self._monotonic,
            brief=login is None and self._logins.login_follows(candidate),
        )
        try:
            inspection = await interview.run(self.entries(candidate), findings)
            if inspection is None and not self._were_in_vain(candidate):
                self._in_vain.pop(key, None)
                self._in_vain[key] = self._monotonic()
            return inspection
        except RemoteError as error:
            raise Malformed("an answer that cannot be read", shown=str(error), code="not_onvif") from error
        finally:
            self._remember(key, interview.anonymous_findings)
            if session.accepted:
                self._took[key] = session.took
            if session.nonces_are_short_lived:
                self._short_lived_nonces.discard(key)  # the youngest from now on
                self._short_lived_nonces.add(key)
            if session.denied_now is not None and session.denied_now[1] in _DISPENSABLE:
                self._denied.setdefault(key, {})[session.denied_now] = self._monotonic()
            await transport.close()

    def _denied_to(self, key: tuple[str, str]) -> frozenset[tuple[str, str]]:
        """The operations that a device refused lately to a login that it accepts."""
        now = self._monotonic()
        return frozenset(one for one, at in self._denied.get(key, {}).items() if now - at < DENIED_SECONDS)

    def _findings_for(self, candidate: Candidate) -> AnonymousFindings | None:
        """Take the findings of just now without a login, so that no challenge is answered twice."""
        findings = self._anonymous.pop((candidate.device_id, candidate.address), None)
        fresh = findings is not None and self._monotonic() - findings.monotonic_time <= FINDINGS_SECONDS
        return findings if fresh else None

    def _remember(self, key: tuple[str, str], findings: AnonymousFindings | None) -> None:
        """Remember findings for the next login: after a refused one its refusal has the newer challenge."""
        self._anonymous.pop(key, None)
        if findings is not None and findings.refusal is not None:
            self._anonymous[key] = findings

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
        """The open ports that may be of HTTP kind, likely ones first; then those of ONVIF that no sweep tries."""
        closed = SILENT_PORTS.union({*candidate.rtsp_ports, *RTSP_PORTS}.difference(self._ports.first))
        usual = (*self._ports.first, *LESS_LIKELY_PORTS)
        likely = [port for port in dict.fromkeys(usual) if port in candidate.open_ports]
        others = [port for port in dict.fromkeys(candidate.open_ports) if port not in usual and port >= _USER_PORTS]
        guesses = [port for port in (*likely, *others) if port not in closed]
        if not (guesses or candidate.xaddrs) and any(map(is_onvif_scope, candidate.scopes)):
            guesses = [_ANNOUNCED_PORT]  # it says that it is there, not where
        if (guesses or candidate.rtsp_ports) and not candidate.xaddrs and not self._were_in_vain(candidate):
            guesses += [port for port in self._ports.unswept if port not in closed and port not in guesses]
        return guesses[:MAX_GUESSES]

    def _were_in_vain(self, candidate: Candidate) -> bool:
        """Whether the ports that nobody saw open were asked lately, and nothing there spoke ONVIF."""
        at = self._in_vain.get((candidate.device_id, candidate.address))
        return at is not None and self._monotonic() - at < UNSWEPT_AGAIN and not candidate.by_hand
