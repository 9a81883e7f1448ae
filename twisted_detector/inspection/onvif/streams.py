"""Query of the media services of a device: its profiles, the URLs of their streams and of snapshots.

Media2 comes first, for it alone knows H.265 and AV1; Media1 completes what it leaves out, or replaces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from twisted_detector.errors import Unreachable
from twisted_detector.inspection.onvif.findings import Findings
from twisted_detector.inspection.onvif.optional import OptionalOperations
from twisted_detector.inspection.onvif.service_paths import may_be_service
from twisted_detector.model import Status
from twisted_detector.wire.onvif import answers as onvif, requests
from twisted_detector.wire.onvif.requests import OnvifRequest

#: Where Media1 and Media2 are guessed to be when the device does not say, or names a place where they are not; the
#: first is the usual one. Some have all services at the path of the device service, which is tried last.
MEDIA_PATHS = ("/onvif/media_service", "/onvif/Media", "/onvif/media")
MEDIA2_PATHS = ("/onvif/media2_service", "/onvif/Media2")
#: Profiles of one source whose addresses are asked for, each by a call of its own. Devices come with two to eight, and
#: people add some; the document of one camera has no room for many more.
MAX_PER_SOURCE = 32


class MediaQuery:
    """The part of an interview about media; its results go into ``found``."""

    def __init__(self, device: OptionalOperations, found: Findings) -> None:
        self._device = device
        self._found = found
        self._media1 = self._media2 = ""
        self._tokens1: set[str] = set()
        self._asked1 = False

    async def fetch(self) -> bool:
        """Read profiles and their URLs; False: the device has no media service at all.

        :raises OperationRefused: the profiles want a login, or another one.
        """
        self._device.start_section()
        newer, older = await self._all_profiles()
        profiles = await self._read_streams(newer, older)
        if not profiles:
            self._device.raise_refusal()
            self._fail("the device has no profiles")
            return bool(self._media1 or self._media2)
        if not self._found.streams or self._device.session.doubted:
            self._device.raise_refusal()  # what is known is incomplete
        if not self._found.streams:
            self._fail("the device gives no address for any stream")
        # The streams of one source show one picture: one address for each camera of the device.
        sources: set[str] = set()
        for profile in profiles:
            if profile.source not in sources:
                sources.add(profile.source)
                await self._read_snapshot_url(profile)
        return True

    async def _read_streams(
        self, newer: Sequence[onvif.Profile], older: Sequence[onvif.Profile]
    ) -> Sequence[onvif.Profile]:
        """Read the URL of each profile with video; the profiles."""
        profiles = _with_video(_merge(newer, older))
        known2 = {profile.token for profile in newer}
        for profile in profiles:
            uri = ""
            if profile.token in known2:
                uri = await self._uri(self._media2, requests.get_stream_uri2(profile.token))
                if not uri and not self._asked1:
                    older = await self._profiles1()
            if not uri and profile.token in self._tokens1:
                uri = await self._uri(self._media1, requests.get_stream_uri(profile.token))
            if uri:
                self._found.add_stream(profile, uri)
        if newer and not self._found.streams and older:
            return await self._read_streams((), older)  # it names them otherwise there
        return profiles

    def _fail(self, what: str) -> None:
        self._found.status, self._found.reason = Status.STREAM_ERROR, self._device.failure or what

    async def _all_profiles(self) -> tuple[tuple[onvif.Profile, ...], tuple[onvif.Profile, ...]]:
        """Those of Media2, and those of Media1 where they are needed."""
        newer: tuple[onvif.Profile, ...] = ()
        older: tuple[onvif.Profile, ...] = ()
        if self._found.services.get(onvif.NS_MEDIA2):
            url = self._named(onvif.NS_MEDIA2)
            self._media2, newer = await self._profiles(url, MEDIA2_PATHS, requests.get_profiles2())
            self._device.raise_refusal()  # Media1 would be refused for the same reason
        if not newer or not all(profile.codec and profile.source for profile in newer):
            older = await self._profiles1()
        return newer, older

    async def _profiles1(self) -> tuple[onvif.Profile, ...]:
        """Those of Media1."""
        self._asked1 = True
        self._media1, older = await self._profiles(self._named(onvif.NS_MEDIA), MEDIA_PATHS, requests.get_profiles())
        self._tokens1 = {profile.token for profile in older}
        return older

    def _named(self, namespace: str) -> str:
        """Where the device says that a service is; "" where it does not, or where no service can be."""
        url = self._device.url(self._found.services.get(namespace, ""))
        return url if may_be_service(url) else ""

    async def _profiles(
        self, named: str, paths: Sequence[str], request: OnvifRequest
    ) -> tuple[str, tuple[onvif.Profile, ...]]:
        """The profiles, and the URL that gave them, "" where none did.

        A service at a dead port is called where the device answers; one at a path where there is none, at the usual
        ones. So is one that has no profiles at an unusual path: some firmware mixes the paths of its services up
        (OpenIPC/viewer #67).
        """
        empty = ""
        origin = _origin(self._device.entry)
        here = origin + named.removeprefix(_origin(named)) if named else ""
        places = dict.fromkeys([named, here, *(origin + path for path in paths), self._device.entry])
        for url in filter(None, places):
            is_here = _origin(url) == origin
            try:
                profiles = await self._device.call(url, request, onvif.parse_profiles, may_time_out=is_here)
            except Unreachable:
                if is_here:
                    raise
                continue
            if profiles or (profiles is not None and url.removeprefix(_origin(url)) in paths):
                return url, profiles
            if profiles is not None:
                empty = empty or url
            if self._device.refusals:
                return url, ()
        return empty, ()

    async def _read_snapshot_url(self, profile: onvif.Profile) -> None:
        if profile.token in self._tokens1:
            uri = await self._uri(self._media1, requests.get_snapshot_uri(profile.token))
        else:
            uri = await self._uri(self._media2, requests.get_snapshot_uri2(profile.token))
        if uri:
            self._found.add_snapshot(profile.source, uri, base=self._device.entry)

    async def _uri(self, url: str, request: OnvifRequest) -> str:
        return await self._device.call(url, request, onvif.parse_uri) or ""


def _origin(url: str) -> str:
    """Scheme, host and port of a URL."""
    return "/".join(url.split("/")[:3])


def _merge(newer: Sequence[onvif.Profile], older: Sequence[onvif.Profile]) -> list[onvif.Profile]:
    """Profiles of Media2, completed from Media1 where it knows more, then those that only Media1 has."""
    by_token = {profile.token: profile for profile in older}
    merged = [_complete(profile, by_token.pop(profile.token, profile)) for profile in newer]
    return [*merged, *by_token.values()][: onvif.MAX_PROFILES]


def _with_video(profiles: Sequence[onvif.Profile]) -> Sequence[onvif.Profile]:
    """Those that are configured for video, or all, where none is said to be; of each source not too many."""
    seen: Counter[str] = Counter()
    chosen = []
    for profile in [profile for profile in profiles if profile.codec or profile.source] or profiles:
        seen[profile.source] += 1
        if seen[profile.source] <= MAX_PER_SOURCE:
            chosen.append(profile)
    return chosen


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
