"""A session with a device goes in; the questions are asked in order, and what was learnt comes out as an Inspection.

Whatever one answer lacks costs that fact only: a device is told apart from a broken answer, and an operation that it
does not have, refuses or hangs on does not end the interview.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from txaio.tx import make_logger

from twisted_detector.errors import InspectionError, Malformed, RemoteError, Unreachable
from twisted_detector.inspection.onvif_findings import Findings
from twisted_detector.inspection.onvif_session import OnvifSession, Refused
from twisted_detector.model import Candidate, Inspection, Login, Status
from twisted_detector.wire import onvif, onvif_requests as requests
from twisted_detector.wire.device_url import device_url
from twisted_detector.wire.soap import SoapFault
from twisted_detector.wire.xml import Element

#: Where Media1 lives by guess when the device does not say; the first is the usual one.
MEDIA_PATHS = ("/onvif/media_service", "/onvif/Media", "/onvif/media")
#: Questions that may go unanswered before the device counts as gone: some firmware hangs on one operation.
SPARE_TIMEOUTS = 1


class Interview:
    """One inspection.

    :param now: wall time in seconds since the epoch.
    :param monotonic: a clock that never jumps, seconds.
    """

    log = make_logger()

    def __init__(
        self,
        session: OnvifSession,
        candidate: Candidate,
        login: Login | None,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._session = session
        self._candidate = candidate
        self._login = login
        self._now = now
        self._monotonic = monotonic
        self._spare = SPARE_TIMEOUTS
        self._entry = ""
        self._refusals: list[Refused] = []
        self._failure = ""
        self._found = Findings(candidate)

    async def run(self, entries: Sequence[tuple[str, bool]]) -> Inspection | None:
        """Ask everything.

        :param entries: addresses of the device service to try, each with whether the device announced it.
        :returns: None when nothing there speaks ONVIF, or it has no pictures.
        :raises errors.Unauthorized: the login was refused, or may not be sent.
        :raises errors.Unreachable, errors.Malformed, errors.Busy: as of the entry, or of what came after.
        """
        if not await self._find_entry(entries):
            return None
        found = self._found
        try:
            await self._ask_without_login()
            await self._ask_about_device()
            if not await self._ask_streams():
                return None
        except Refused as refused:
            if self._login is not None and not self._session.accepted:
                raise
            found.status, found.reason = Status.AUTH_REQUIRED, str(refused)
        accepted = self._login.name if self._login is not None and self._session.accepted else ""
        return found.inspection(at=self._now(), entry=self._entry, login=accepted)

    async def _find_entry(self, entries: Sequence[tuple[str, bool]]) -> bool:
        """Find the device service by asking for the clock; False: nothing speaks ONVIF here."""
        trouble: InspectionError | None = None
        silent: set[str] = set()
        for url, announced in entries:
            place = url.partition("://")[2].partition("/")[0]
            if place in silent:
                continue
            try:
                await self._ask_clock(url)
            except Unreachable as error:
                silent.add(place)
                trouble = trouble or (error if announced else None)
                continue
            except Refused as refused:
                if not (announced or refused.soap):
                    continue  # any web server may want a login
            except SoapFault:
                pass  # it has no clock to show, but it speaks SOAP
            except (RemoteError, Malformed) as error:
                if announced:
                    trouble = Malformed("an answer that cannot be read", shown=str(error))
                continue
            self._entry = url
            return True
        if trouble is not None:
            raise trouble
        return False

    async def _ask_clock(self, url: str) -> None:
        before = self._monotonic()
        body = await self._session.ask(
            url,
            onvif.NS_DEVICE,
            "GetSystemDateAndTime",
            requests.get_system_date_and_time(),
            with_login=False,
        )
        round_trip = self._monotonic() - before
        seconds = onvif.parse_system_date_and_time(body).seconds
        if seconds is not None:
            offset = seconds - (self._now() - round_trip / 2)
            self._found.clock_offset = self._session.clock_offset = offset

    async def _ask_without_login(self) -> None:
        """What is PRE_AUTH by the specification (Core, annex on access classes); some refuse even that."""
        found = self._found
        body = await self._device("GetServices", requests.get_services())
        services = onvif.parse_services(body) if body is not None else {}
        if not self._refusals and not {onvif.NS_MEDIA, onvif.NS_MEDIA2} & services.keys():
            body = await self._device("GetCapabilities", requests.get_capabilities())
            if body is not None:
                services = onvif.services_of(onvif.parse_capabilities(body)) | services
        found.services = services
        body = await self._device("GetEndpointReference", requests.get_endpoint_reference())
        if body is not None:
            found.endpoint_reference = onvif.parse_endpoint_reference(body)

    async def _ask_about_device(self) -> None:
        """Who it is; without a login the first refusal is enough to know that the others would be refused too."""
        found = self._found
        self._refusals.clear()
        body = await self._device("GetDeviceInformation", requests.get_device_information())
        if body is not None:
            found.information = onvif.parse_device_information(body)
        if self._login is None and self._refusals:
            return
        body = await self._device("GetNetworkInterfaces", requests.get_network_interfaces())
        if body is not None:
            found.interfaces = onvif.parse_network_interfaces(body)
        if not found.scopes:
            body = await self._device("GetScopes", requests.get_scopes())
            if body is not None:
                found.scopes = onvif.parse_scopes(body)

    async def _ask_streams(self) -> bool:
        """Profiles and their addresses; False: the device has no media service at all."""
        self._refusals.clear()
        self._failure = ""
        media2 = self._service(onvif.NS_MEDIA2)
        newer: tuple[onvif.Profile, ...] = ()
        older: tuple[onvif.Profile, ...] = ()
        media1 = ""
        if media2:
            media2, newer = await self._profiles(media2, onvif.NS_MEDIA2, requests.get_profiles2())
            if self._refusals:
                raise self._refusals[-1]  # Media1 would be refused for the same reason
        if not newer or not all(profile.codec and profile.source for profile in newer):
            media1, older = await self._media1(guess=not media2)
        profiles = _merge(newer, older)
        if not profiles:
            if self._refusals:
                raise self._refusals[-1]
            self._found.status, self._found.reason = Status.STREAM_ERROR, self._failure or "the device has no profiles"
            return bool(media1 or media2)
        known2 = {profile.token for profile in newer}
        known1 = {profile.token for profile in older}
        for profile in profiles:
            token = profile.token
            uri = ""
            if token in known2:
                uri = await self._uri(media2, onvif.NS_MEDIA2, "GetStreamUri", requests.get_stream_uri2(token))
            if not uri and token in known1:
                uri = await self._uri(media1, onvif.NS_MEDIA, "GetStreamUri", requests.get_stream_uri(token))
            if uri:
                self._found.add_stream(profile, uri)
        if not self._found.streams:
            if self._refusals:
                raise self._refusals[-1]
            self._found.status = Status.STREAM_ERROR
            self._found.reason = self._failure or "the device gives no address for any stream"
        await self._ask_snapshot(profiles[0].token, media1 if profiles[0].token in known1 else "", media2)
        return True

    async def _media1(self, *, guess: bool) -> tuple[str, tuple[onvif.Profile, ...]]:
        """The address of Media1 with its profiles; guessed where the device named no media service at all."""
        named = self._service(onvif.NS_MEDIA)
        if named:
            return await self._profiles(named, onvif.NS_MEDIA, requests.get_profiles())
        for path in MEDIA_PATHS if guess else ():
            url, profiles = await self._profiles(_origin(self._entry) + path, onvif.NS_MEDIA, requests.get_profiles())
            if profiles:
                return url, profiles
        return "", ()

    async def _ask_snapshot(self, token: str, media1: str, media2: str) -> None:
        if media1:
            uri = await self._uri(media1, onvif.NS_MEDIA, "GetSnapshotUri", requests.get_snapshot_uri(token))
        else:
            uri = await self._uri(media2, onvif.NS_MEDIA2, "GetSnapshotUri", requests.get_snapshot_uri2(token))
        if uri:
            self._found.set_snapshot(uri)

    async def _profiles(self, url: str, namespace: str, request: str) -> tuple[str, tuple[onvif.Profile, ...]]:
        """The profiles, and where they were got: a service at a dead port is looked for where the device answers."""
        here = _origin(self._entry) + url.removeprefix(_origin(url))
        try:
            body = await self._optional(url, namespace, "GetProfiles", request, spare=url == here)
        except Unreachable:
            if url == here:
                raise
            url = here
            body = await self._optional(url, namespace, "GetProfiles", request)
        return url, onvif.parse_profiles(body) if body is not None else ()

    async def _uri(self, url: str, namespace: str, operation: str, request: str) -> str:
        body = await self._optional(url, namespace, operation, request)
        return onvif.parse_uri(body) if body is not None else ""

    async def _device(self, operation: str, request: str) -> Element | None:
        return await self._optional(self._entry, onvif.NS_DEVICE, operation, request)

    async def _optional(
        self, url: str, namespace: str, operation: str, request: str, *, spare: bool = True
    ) -> Element | None:
        """The answer, or None when the device does not have it, refuses it, garbles it, or hangs on it (once)."""
        try:
            return await self._session.ask(url, namespace, operation, request)
        except Refused as refused:
            if self._login is not None and not self._session.accepted:
                raise
            self._refusals.append(refused)
        except Unreachable as error:
            if not spare or self._spare == 0:
                raise
            self._spare -= 1
            self._note(operation, error)
        except (RemoteError, Malformed) as error:
            self._note(operation, error)
        return None

    def _note(self, operation: str, error: Exception) -> None:
        self._failure = f"{operation}: {error}"
        self.log.debug(
            "{device}: {operation} gave nothing: {error}",
            device=self._candidate.device_id,
            operation=operation,
            error=str(error),
        )

    def _service(self, namespace: str) -> str:
        """The address of a service at the device, "" when it named none that is a URL."""
        try:
            return device_url(self._found.services.get(namespace, ""), self._candidate.address)
        except RemoteError:
            return ""


def _origin(url: str) -> str:
    """Scheme, host and port of a URL."""
    return "/".join(url.split("/")[:3])


def _merge(newer: Sequence[onvif.Profile], older: Sequence[onvif.Profile]) -> list[onvif.Profile]:
    """Profiles of Media2, completed from Media1 where it knows more, then those that only Media1 has."""
    by_token = {profile.token: profile for profile in older}
    merged = [_complete(profile, by_token.pop(profile.token, profile)) for profile in newer]
    return [*merged, *by_token.values()][: onvif.MAX_PROFILES]


def _complete(first: onvif.Profile, second: onvif.Profile) -> onvif.Profile:
    sized = first if first.width and first.height else second
    return onvif.Profile(
        token=first.token,
        name=first.name or second.name,
        source=first.source or second.source,
        codec=first.codec or second.codec,
        width=sized.width,
        height=sized.height,
        fps=first.fps or second.fps,
        audio=first.audio or second.audio,
        ptz=first.ptz or second.ptz,
    )
