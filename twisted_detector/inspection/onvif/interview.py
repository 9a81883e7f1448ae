"""Interview: the ONVIF calls of one inspection, in their order, and the Inspection that they add up to.

What needs no login comes first: with it a camera has name, model and identity even where no login is configured. It is
kept as :class:`AnonymousFindings`, so that the interview with a login, which follows at once, resumes where that one
was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twisted_detector.errors import InspectionError, Malformed, RemoteError, Unreachable
from twisted_detector.inspection.onvif.clock import DeviceClock, read_clock
from twisted_detector.inspection.onvif.findings import Findings
from twisted_detector.inspection.onvif.login_schemes import TOKEN
from twisted_detector.inspection.onvif.optional import OptionalOperations
from twisted_detector.inspection.onvif.responses import LoginRefusal, NotAnOnvifAnswer
from twisted_detector.inspection.onvif.service_paths import DEVICE_PATH, path_of
from twisted_detector.inspection.onvif.session import Known, OnvifSession, OperationRefused
from twisted_detector.inspection.onvif.streams import MediaQuery
from twisted_detector.model import Candidate, Inspection, Login, Status
from twisted_detector.wire.http.device_url import device_url
from twisted_detector.wire.onvif import answers as onvif, requests
from twisted_detector.wire.onvif.scopes import read_scopes
from twisted_detector.wire.soap.envelope import SoapFault

#: A device that redirects from HTTP to HTTPS does so once; more is a loop.
MAX_REDIRECTS = 1


@dataclass(frozen=True, slots=True)
class AnonymousFindings:
    """Findings of an interview without a login.

    :ivar entry: address of its device service.
    :ivar complete: nothing that needs no login was refused: then ``services`` and the rest are all there is.
    :ivar refusal: how it refused what needs one, None when it refused nothing; ``known``: what else it showed.
    :ivar monotonic_time: when the interview ended, on a clock that never jumps.
    """

    entry: str
    complete: bool
    services: Mapping[str, str]
    endpoint_reference: str
    hostname: str
    clock: DeviceClock
    refusal: LoginRefusal | None
    known: Known
    monotonic_time: float


class Interview:
    """One inspection.

    :param now: wall time in seconds since the epoch.
    :param monotonic: a clock that never jumps, seconds.
    :param brief: whether a refusal of what hardly any device refuses, or of its identity, ends the interview: one with
        a login follows and asks for the rest.
    """

    def __init__(
        self,
        session: OnvifSession,
        candidate: Candidate,
        *,
        login: Login | None,
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
        self._device = OptionalOperations(session, candidate, login=login)
        self._found = Findings(candidate)
        self._complete = True
        self._login_required = False

    async def run(
        self, entries: Sequence[tuple[str, bool]], previous: AnonymousFindings | None = None
    ) -> Inspection | None:
        """Make all calls.

        :param entries: addresses of the device service to try, each with whether the device announced it.
        :param previous: findings of the interview without a login that ended just now.
        :returns: None when nothing there speaks ONVIF, or it has no pictures.
        :raises errors.Unauthorized: the login was refused, or may not be sent.
        :raises errors.Unreachable, errors.Malformed, errors.Busy: as of the entry, or of what came after.
        """
        found = self._found
        if previous is not None:
            await self._resume(previous)
        elif not await self._find_entry(entries):
            return None
        try:
            if previous is None:
                await self._read_without_login()
            await self._read_identity()
            if self._session.accepted and not self._complete:
                await self._read_without_login()  # it refuses even that to strangers
            if not await MediaQuery(self._device, found).fetch():
                return None
        except OperationRefused as refused:
            if refused.attempted or refused.locked or (self._login is not None and not self._session.accepted):
                raise
            found.status, found.reason = Status.AUTH_REQUIRED, str(refused)
            self._login_required = self._login_required or self._brief
        await self._read_rest()
        found.doubted = self._session.doubted
        found.takes_token = self._session.took == TOKEN or self._session.refusal is None
        found.certificate = self._session.certificate
        found.clock = self._session.clock
        accepted = self._login.name if self._login is not None and self._session.accepted else ""
        return found.to_inspection(at=self._now(), entry=self._device.entry, login=accepted)

    @property
    def anonymous_findings(self) -> AnonymousFindings | None:
        """What is known without a login; None before an entry was found, and after a login was accepted."""
        if not self._device.entry or self._session.accepted:
            return None
        return AnonymousFindings(
            entry=self._device.entry,
            complete=self._complete,
            services=self._found.services,
            endpoint_reference=self._found.endpoint_reference,
            hostname=self._found.hostname,
            clock=self._session.clock,
            refusal=self._session.refusal,
            known=self._session.known,
            monotonic_time=self._monotonic(),
        )

    async def _resume(self, previous: AnonymousFindings) -> None:
        self._device.entry = previous.entry
        self._complete = previous.complete
        self._found.services = previous.services
        self._found.endpoint_reference = previous.endpoint_reference
        self._found.hostname = previous.hostname
        await self._session.resume(previous.known, previous.clock, previous.refusal, previous.entry)

    async def _find_entry(self, entries: Sequence[tuple[str, bool]]) -> bool:
        """Find the device service by reading its clock; False: nothing speaks ONVIF here.

        An announcement can be anybody's, so it makes no address an entry: SOAP does, in an answer without a login.
        Where an announced address does not speak it, the one that the specification fixes is tried at the same port;
        there a bare 401 will do.
        """
        failure: InspectionError | None = None
        silent: set[str] = set()
        waiting = _with_fixed_paths(entries)
        redirects = MAX_REDIRECTS
        while waiting:
            url, announced = waiting.pop(0)
            place = url.partition("://")[2].partition("/")[0]
            if place in silent:
                continue
            try:
                await self._read_clock(url)
            except Unreachable as error:
                silent.add(place)
                failure = failure or (error if announced else None)
                continue
            except OperationRefused as refused:
                if not refused.soap and not (announced and path_of(url) == DEVICE_PATH):
                    continue  # any web server may want a login
            except SoapFault:
                pass  # it has no clock to show, but it speaks SOAP
            except (RemoteError, Malformed) as error:
                elsewhere = self._redirect_of(error, url)
                if elsewhere and redirects:
                    redirects -= 1
                    waiting.insert(0, (elsewhere, announced))
                if announced:
                    failure = error if isinstance(error, Malformed) else _unreadable(error)
                continue
            self._device.entry = url
            return True
        if failure is not None:
            raise failure
        return False

    def _redirect_of(self, error: Exception, url: str) -> str:
        """Where a device redirects to for the same service, at another port or scheme of its own; else ""."""
        if not isinstance(error, NotAnOnvifAnswer) or not error.location:
            return ""
        try:
            elsewhere = device_url(error.location, self._candidate.address, base=url)
        except RemoteError:
            return ""
        if "?" not in url:
            elsewhere = elsewhere.partition("?")[0]  # Hikvision adds a number (maciej-or/hikvision_next #231)
        return elsewhere if elsewhere != url and _path(elsewhere) == _path(url) else ""

    async def _read_clock(self, url: str) -> None:
        before = self._monotonic()
        body = await self._session.call(url, requests.get_system_date_and_time(), with_login=False)
        round_trip = self._monotonic() - before
        time = onvif.parse_system_date_and_time(body)
        self._session.set_clock(read_clock(time, ours=self._now() - round_trip / 2, date=self._session.date))

    async def _read_without_login(self) -> None:
        """What is PRE_AUTH by the specification (Core, annex on access classes); some refuse even that."""
        found, device = self._found, self._device
        services: dict[str, str] = await device.read(requests.get_services(), onvif.parse_services, {})
        self._complete = not device.refusals
        if self._brief:
            device.raise_refusal()
        if not device.refusals and not {onvif.NS_MEDIA, onvif.NS_MEDIA2} & services.keys():
            older: dict[str, str] = await device.read(requests.get_capabilities(), onvif.parse_capabilities, {})
            services = onvif.services_of(older) | services
        found.services = services
        found.endpoint_reference = await device.read(
            requests.get_endpoint_reference(), onvif.parse_endpoint_reference, found.endpoint_reference
        )
        if self._login is None:  # with one the scopes have the name, as a rule
            await self._read_hostname()
        self._complete = not device.refusals

    async def _read_hostname(self) -> None:
        """Where no scope has a name, the host name is the only one."""
        found = self._found
        if not found.hostname and not read_scopes(found.scopes).name:
            found.hostname = await self._device.read(requests.get_hostname(), onvif.parse_hostname, "")

    async def _read_identity(self) -> None:
        """The first call that may want a login.

        :raises OperationRefused: it does, and that is all that is to be known.
        """
        found, device = self._found, self._device
        device.start_section()
        found.information = await device.read(
            requests.get_device_information(), onvif.parse_device_information, found.information
        )
        self._login_required = self._login is None and bool(device.refusals)
        if self._login_required and self._brief:
            device.raise_refusal()

    async def _read_rest(self) -> None:
        """What a user may have no right to ask comes last, for it may be that nothing can be asked after a refusal.

        Without a login the first refusal was enough to know that these would be refused too.
        """
        if self._login_required:
            return
        found, device = self._found, self._device
        found.interfaces = await device.read(
            requests.get_network_interfaces(), onvif.parse_network_interfaces, found.interfaces
        )
        if not found.scopes:
            found.scopes = await device.read(requests.get_scopes(), onvif.parse_scopes, ())
        await self._read_hostname()


def _with_fixed_paths(entries: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """The entries, each that was announced at another path followed by the fixed one at its port.

    One with a query comes after that: it is never given a login.
    """
    ordered: dict[str, bool] = {}
    for url, announced in entries:
        path = path_of(url)
        fixed = url.removesuffix(path) + DEVICE_PATH
        both = (url,) if not announced or path == DEVICE_PATH else (fixed, url) if "?" in path else (url, fixed)
        for one in both:
            ordered.setdefault(one, announced)
    return list(ordered.items())


def _unreadable(error: RemoteError) -> Malformed:
    return Malformed("an answer that cannot be read", shown=str(error), code="not_onvif")


def _path(url: str) -> str:
    """The path without the slash at its end, which Axis adds when it redirects (agsh/onvif #307)."""
    return url.partition("://")[2].partition("/")[2].rstrip("/")
