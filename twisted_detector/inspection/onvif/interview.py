"""A session with a device goes in; the questions are asked in order, and what was learnt comes out as an Inspection.

What needs no login comes first: with it a camera has name, model and identity even where nobody gave us one. It is kept
as a :class:`Greeting`, so that the interview with a login, which follows at once, begins where that one was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twisted_detector.errors import InspectionError, Malformed, RemoteError, Unreachable
from twisted_detector.inspection.onvif.clock import DeviceClock, read_clock
from twisted_detector.inspection.onvif.findings import Findings
from twisted_detector.inspection.onvif.optional import OptionalOperations
from twisted_detector.inspection.onvif.session import LoginRefusal, NotAnOnvifAnswer, OnvifSession, OperationRefused
from twisted_detector.inspection.onvif.streams import StreamQuestions
from twisted_detector.model import Candidate, Inspection, Login, Status
from twisted_detector.wire.http.device_url import device_url
from twisted_detector.wire.onvif import answers as onvif, requests
from twisted_detector.wire.onvif.scopes import read_scopes
from twisted_detector.wire.soap.envelope import SoapFault

#: A device that sends us from HTTP to HTTPS does so once; more is a loop.
MAX_REDIRECTS = 1


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a device told without a login.

    :ivar entry: address of its device service.
    :ivar open: whether it refused nothing that needs no login: then ``services`` and the rest are all there is.
    :ivar refusal: how it refused what needs one, None when it refused nothing.
    :ivar at: when it ended, on a clock that never jumps.
    """

    entry: str
    open: bool
    services: Mapping[str, str]
    endpoint_reference: str
    hostname: str
    clock: DeviceClock
    refusal: LoginRefusal | None
    at: float


class Interview:
    """One inspection.

    :param now: wall time in seconds since the epoch.
    :param monotonic: a clock that never jumps, seconds.
    :param brief: whether a refusal of what hardly any device refuses, or of who it is, is enough: a login follows that
        asks for the rest.
    """

    def __init__(
        self,
        session: OnvifSession,
        candidate: Candidate,
        login: Login | None,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        brief: bool = False,
    ) -> None:
        self._session = session
        self._candidate = candidate
        self._login = login
        self._now = now
        self._monotonic = monotonic
        self._brief = brief
        self._asking = OptionalOperations(session, candidate, login)
        self._found = Findings(candidate)
        self._open = True
        self._closed = False

    async def run(self, entries: Sequence[tuple[str, bool]], greeting: Greeting | None = None) -> Inspection | None:
        """Ask everything.

        :param entries: addresses of the device service to try, each with whether the device announced it.
        :param greeting: of the interview without a login that ended just now.
        :returns: None when nothing there speaks ONVIF, or it has no pictures.
        :raises errors.Unauthorized: the login was refused, or may not be sent.
        :raises errors.Unreachable, errors.Malformed, errors.Busy: as of the entry, or of what came after.
        """
        found = self._found
        if greeting is not None:
            self._take(greeting)
        elif not await self._find_entry(entries):
            return None
        try:
            if greeting is None or not greeting.open:
                await self._ask_without_login()
            await self._ask_who_it_is()
            if not await StreamQuestions(self._asking, found).ask():
                return None
        except OperationRefused as refused:
            if refused.attempted or (self._login is not None and not self._session.accepted):
                raise
            found.status, found.reason = Status.AUTH_REQUIRED, str(refused)
        await self._ask_more()
        found.doubted = self._session.doubted
        found.certificate = self._session.certificate
        found.clock = self._session.clock
        accepted = self._login.name if self._login is not None and self._session.accepted else ""
        return found.inspection(at=self._now(), entry=self._asking.entry, login=accepted)

    @property
    def greeting(self) -> Greeting | None:
        """What was told without a login; None before an entry was found, and after a login was let in."""
        if not self._asking.entry or self._session.accepted:
            return None
        return Greeting(
            entry=self._asking.entry,
            open=self._open,
            services=self._found.services,
            endpoint_reference=self._found.endpoint_reference,
            hostname=self._found.hostname,
            clock=self._session.clock,
            refusal=self._session.refusal,
            at=self._monotonic(),
        )

    def _take(self, greeting: Greeting) -> None:
        self._asking.entry = greeting.entry
        self._open = greeting.open
        self._found.services = greeting.services
        self._found.endpoint_reference = greeting.endpoint_reference
        self._found.hostname = greeting.hostname
        self._session.clock = greeting.clock
        if greeting.refusal is not None:
            self._session.begin_at(greeting.refusal)

    async def _find_entry(self, entries: Sequence[tuple[str, bool]]) -> bool:
        """Find the device service by asking for the clock; False: nothing speaks ONVIF here."""
        trouble: InspectionError | None = None
        silent: set[str] = set()
        waiting = list(entries)
        redirects = MAX_REDIRECTS
        while waiting:
            url, announced = waiting.pop(0)
            place = url.partition("://")[2].partition("/")[0]
            if place in silent:
                continue
            try:
                await self._ask_clock(url)
            except Unreachable as error:
                silent.add(place)
                trouble = trouble or (error if announced else None)
                continue
            except OperationRefused as refused:
                if not (announced or refused.soap):
                    continue  # any web server may want a login
            except SoapFault:
                pass  # it has no clock to show, but it speaks SOAP
            except (RemoteError, Malformed) as error:
                elsewhere = self._sent_to(error, url)
                if elsewhere and redirects:
                    redirects -= 1
                    waiting.insert(0, (elsewhere, announced))
                if announced:
                    trouble = error if isinstance(error, Malformed) else _unreadable(error)
                continue
            self._asking.entry = url
            return True
        if trouble is not None:
            raise trouble
        return False

    def _sent_to(self, error: Exception, url: str) -> str:
        """Where a device sends us for the same service, at another port or scheme of its own; else ""."""
        if not isinstance(error, NotAnOnvifAnswer) or not error.location:
            return ""
        try:
            elsewhere = device_url(error.location, self._candidate.address, base=url)
        except RemoteError:
            return ""
        return elsewhere if elsewhere != url and _path(elsewhere) == _path(url) else ""

    async def _ask_clock(self, url: str) -> None:
        before = self._monotonic()
        body = await self._session.ask(
            url, onvif.NS_DEVICE, "GetSystemDateAndTime", requests.get_system_date_and_time(), with_login=False
        )
        round_trip = self._monotonic() - before
        said = onvif.parse_system_date_and_time(body)
        self._session.clock = read_clock(said, ours=self._now() - round_trip / 2, date=self._session.date)

    async def _ask_without_login(self) -> None:
        """What is PRE_AUTH by the specification (Core, annex on access classes); some refuse even that."""
        found, asking = self._found, self._asking
        body = await asking.device("GetServices", requests.get_services())
        if self._brief:
            asking.raise_refusal()
        services = onvif.parse_services(body) if body is not None else {}
        if not asking.refusals and not {onvif.NS_MEDIA, onvif.NS_MEDIA2} & services.keys():
            body = await asking.device("GetCapabilities", requests.get_capabilities())
            if body is not None:
                services = onvif.services_of(onvif.parse_capabilities(body)) | services
        found.services = services
        body = await asking.device("GetEndpointReference", requests.get_endpoint_reference())
        if body is not None:
            found.endpoint_reference = onvif.parse_endpoint_reference(body)
        if self._login is None:  # with one the scopes will tell, as a rule
            await self._ask_hostname()
        self._open = not asking.refusals

    async def _ask_hostname(self) -> None:
        """Where no scope names it, the host name is all that it is called."""
        if self._found.hostname or read_scopes(self._found.scopes).name:
            return
        body = await self._asking.device("GetHostname", requests.get_hostname())
        if body is not None:
            self._found.hostname = onvif.parse_hostname(body)

    async def _ask_who_it_is(self) -> None:
        """The first question that may want a login.

        :raises Refused: it does, and that is all that is to be known.
        """
        found, asking = self._found, self._asking
        asking.begin()
        body = await asking.device("GetDeviceInformation", requests.get_device_information())
        if body is not None:
            found.information = onvif.parse_device_information(body)
        self._closed = self._login is None and bool(asking.refusals)
        if self._closed and self._brief:
            asking.raise_refusal()

    async def _ask_more(self) -> None:
        """What a user may have no right to ask comes last, for it may be that nothing can be asked after a refusal.

        Without a login the first refusal was enough to know that these would be refused too.
        """
        if self._closed:
            return
        found, asking = self._found, self._asking
        body = await asking.device("GetNetworkInterfaces", requests.get_network_interfaces())
        if body is not None:
            found.interfaces = onvif.parse_network_interfaces(body)
        if not found.scopes:
            body = await asking.device("GetScopes", requests.get_scopes())
            if body is not None:
                found.scopes = onvif.parse_scopes(body)
        await self._ask_hostname()


def _unreadable(error: RemoteError) -> Malformed:
    return Malformed("an answer that cannot be read", shown=str(error), code="not_onvif")


def _path(url: str) -> str:
    return url.partition("://")[2].partition("/")[2]
