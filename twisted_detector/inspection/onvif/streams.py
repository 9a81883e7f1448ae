"""Query of the media services of a device: its profiles, the URLs of their streams and of snapshots.

Media2 comes first, for it alone knows H.265 and AV1; Media1 completes what it leaves out, or replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_detector.errors import Unreachable
from twisted_detector.inspection.onvif.findings import Findings
from twisted_detector.inspection.onvif.optional import OptionalOperations
from twisted_detector.inspection.onvif.session import may_be_service
from twisted_detector.model import Status
from twisted_detector.wire.onvif import answers as onvif, requests
from twisted_detector.wire.onvif.requests import OnvifRequest

#: Where Media1 is guessed to be when the device does not say; the first is the usual one.
MEDIA_PATHS = ("/onvif/media_service", "/onvif/Media", "/onvif/media")


class MediaQuery:
    """The part of an interview about media; its results go into ``found``."""

    def __init__(self, device: OptionalOperations, found: Findings) -> None:
        self._device = device
        self._found = found
        self._media1 = self._media2 = ""

    async def fetch(self) -> bool:
        """Read profiles and their URLs; False: the device has no media service at all.

        :raises OperationRefused: the profiles want a login, or another one.
        """
        self._device.start_section()
        newer, older = await self._all_profiles()
        profiles = _merge(newer, older)
        if not profiles:
            self._device.raise_refusal()
            self._fail("the device has no profiles")
            return bool(self._media1 or self._media2)
        known2, known1 = ({profile.token for profile in known} for known in (newer, older))
        for profile in profiles:
            uri = ""
            if profile.token in known2:
                uri = await self._uri(self._media2, requests.get_stream_uri2(profile.token))
            if not uri and profile.token in known1:
                uri = await self._uri(self._media1, requests.get_stream_uri(profile.token))
            if uri:
                self._found.add_stream(profile, uri)
        if not self._found.streams or self._device.session.doubted:
            self._device.raise_refusal()  # what is known is incomplete
        if not self._found.streams:
            self._fail("the device gives no address for any stream")
        # The streams of one source show one picture: one address for each camera of the device.
        sources: set[str] = set()
        for profile in profiles:
            if profile.source not in sources:
                sources.add(profile.source)
                await self._read_snapshot_url(profile, media1=profile.token in known1)
        return True

    def _fail(self, what: str) -> None:
        self._found.status, self._found.reason = Status.STREAM_ERROR, self._device.failure or what

    async def _all_profiles(self) -> tuple[tuple[onvif.Profile, ...], tuple[onvif.Profile, ...]]:
        """Those of Media2, and those of Media1 where they are needed."""
        newer: tuple[onvif.Profile, ...] = ()
        older: tuple[onvif.Profile, ...] = ()
        self._media2 = self._named(onvif.NS_MEDIA2)
        if self._media2:
            self._media2, newer = await self._profiles(self._media2, requests.get_profiles2())
            self._device.raise_refusal()  # Media1 would be refused for the same reason
        if not newer or not all(profile.codec and profile.source for profile in newer):
            named = self._named(onvif.NS_MEDIA)
            guesses = [] if self._media2 else [_origin(self._device.entry) + path for path in MEDIA_PATHS]
            for url in [named] if named else guesses:
                url, older = await self._profiles(url, requests.get_profiles())
                if older or named:
                    self._media1 = url
                    break
        return newer, older

    def _named(self, namespace: str) -> str:
        """Where the device says that a service is; "" where it does not, or where no service can be."""
        url = self._device.url(self._found.services.get(namespace, ""))
        return url if may_be_service(url) else ""

    async def _profiles(self, url: str, request: OnvifRequest) -> tuple[str, tuple[onvif.Profile, ...]]:
        """The profiles, and the URL that gave them: a service at a dead port is called where the device answers."""
        here = _origin(self._device.entry) + url.removeprefix(_origin(url))
        try:
            body = await self._device.call(url, request, may_time_out=url == here)
        except Unreachable:
            if url == here:
                raise
            url = here
            body = await self._device.call(url, request)
        return url, onvif.parse_profiles(body) if body is not None else ()

    async def _read_snapshot_url(self, profile: onvif.Profile, *, media1: bool) -> None:
        if media1 and self._media1:
            uri = await self._uri(self._media1, requests.get_snapshot_uri(profile.token))
        else:
            uri = await self._uri(self._media2, requests.get_snapshot_uri2(profile.token))
        if uri:
            self._found.add_snapshot(profile.source, uri, base=self._device.entry)

    async def _uri(self, url: str, request: OnvifRequest) -> str:
        body = await self._device.call(url, request)
        return onvif.parse_uri(body) if body is not None else ""


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
