"""Snapshot taker: the still image at the camera's snapshot URL.

Requests go to the camera's own address only; a redirect to another place ends the attempt, one that calls the camera by
a name is followed at its address. A login is given only to a
URL that reads a picture and changes nothing (:mod:`wire.http.harmless_target`), whatever the camera named as its
snapshot. What came is an image by its own bytes, whatever the camera calls it and puts around it: parts, their heads, a
text before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_detector.errors import Busy, LocalError, Malformed, RemoteError, Unauthorized
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.http.client import HttpClient, HttpResponse, SinkFor
from twisted_detector.model import Camera, Login, host_for_url
from twisted_detector.model.cameras import Picture
from twisted_detector.seams import IPictureTaker
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.harmless_target import find_effect
from twisted_detector.wire.http.lockout import read_lockout
from twisted_detector.wire.http.response import Body
from twisted_detector.wire.image import ImageReader
from twisted_detector.wire.soap.xml import clean

#: Requests that one picture may cost: without the login, with it, with it again (stale nonce), and after one redirect
#: as often.
MAX_REQUESTS = 6
#: Redirects followed on the camera itself: to its TLS port, or to the path of the day.
MAX_REDIRECTS = 1
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Statuses that come with a picture: some cameras say that it is a part of one.
_SUCCESS = frozenset({200, 203, 206})
#: Cookies of one download, and octets of each: web servers of cameras set one or two, of a session.
MAX_COOKIES, MAX_COOKIE = 8, 1_024
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){0,8}\.?")
_COOKIE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x21-\x2b\x2d-\x3a\x3c-\x7e]*)")


class HttpGetter(Protocol):
    """The part of :class:`HttpClient` that is used; tests have a scripted camera here."""

    async def get(self, url: str, headers: dict[str, str], *, sink_for: SinkFor) -> HttpResponse:
        """See :meth:`HttpClient.get`."""

    async def close(self) -> None:
        """See :meth:`HttpClient.close`."""


@dataclass
class _Download:
    """One picture that is being fetched.

    :ivar retried: the login was sent again for a stale nonce.
    :ivar cookies: what the camera set on the way; they go back to itself, and are forgotten with the download.
    """

    url: str
    login: Login | None
    basic: bool
    authenticator: digest.Authenticator | None = None
    retried: bool = False
    cookies: dict[str, str] = field(default_factory=dict)


@implementer(IPictureTaker)
class SnapshotTaker:
    """Taker of what GetSnapshotUri names; see :class:`IPictureTaker`.

    :param timeout: seconds for each request.
    :param max_bytes: of one picture.
    :param allow_basic: whether a password may go in clear to this address.
    :param cnonce: makes fresh random text.
    :param device_locks: shared with everything else that speaks HTTP with the same devices.
    :param open_client: opens the HTTP client of one picture; a double in tests.
    """

    name = "snapshot"
    of_stream = False

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float,
        max_bytes: int,
        allow_basic: Callable[[str], bool],
        cnonce: Callable[[], str],
        device_locks: DeviceLocks,
        open_client: Callable[[], HttpGetter] | None = None,
    ) -> None:
        self._clock: IReactorTime = reactor
        self._allow_basic = allow_basic
        self._cnonce = cnonce
        self._device_locks = device_locks
        self._open_client = open_client or (lambda: HttpClient(reactor, timeout=timeout, max_answer=max_bytes))

    async def take(self, camera: Camera, login: Login | None) -> Picture | None:
        """See :class:`IPictureTaker`; None for a camera that names no snapshot."""
        if not camera.snapshot_url:
            return None
        url = camera.snapshot_url.partition("#")[0]
        _split(url, camera.address)
        download = _Download(url, login, self._allow_basic(camera.address))
        async with self._device_locks.acquire(camera.address):
            client = self._open_client()
            try:
                picture = await self._fetch(client, download, camera.address)
            finally:
                await client.close()
        try:
            image = picture.image()
        except RemoteError as error:
            raise Malformed("the snapshot is no picture", shown=str(error)) from None
        return Picture(camera.id, image.data, image.media_type, self._clock.seconds(), self.name)

    async def _fetch(self, client: HttpGetter, download: _Download, address: str) -> ImageReader:
        redirects = 0
        for _ in range(MAX_REQUESTS):
            response, picture = await self._request(client, download, address)
            if response.status == 401:
                self._handle_challenge(download, response)
            elif response.status in _REDIRECTS and redirects < MAX_REDIRECTS:
                redirects += 1
                download.url = _follow(download.url, response, address)
                download.authenticator = None
            elif response.status in (429, 503):
                raise Busy("the device has no room for us now", shown=f"HTTP {response.status}")
            elif picture is None:
                raise Malformed("the snapshot was answered", shown=f"HTTP {response.status}")
            else:
                return picture
        raise Malformed("the snapshot was never answered with a picture")

    async def _request(
        self, client: HttpGetter, download: _Download, address: str
    ) -> tuple[HttpResponse, ImageReader | None]:
        picture: ImageReader | None = None

        def sink_for(head: HttpResponse) -> Body | None:
            nonlocal picture
            picture = ImageReader() if head.status in _SUCCESS else None
            return picture

        headers = {"Accept": "image/jpeg, image/png, */*"}
        if download.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in download.cookies.items())
        login = download.login if download.authenticator is not None else None
        if download.authenticator is not None and login is not None:
            await login.acquire_permit(download.authenticator.challenge.realm)
            _, target = _split(download.url, address)
            try:
                headers["Authorization"] = download.authenticator.authorization(login, "GET", target)
            except LocalError as error:  # a name or password that cannot be written this way: it was not sent
                raise Unauthorized(
                    "this login cannot be sent to the device", shown=error.what, attempted=False
                ) from None
        response = await client.get(download.url, headers, sink_for=sink_for)
        if login is not None and picture is not None and download.authenticator is not None:
            login.report_accepted(download.authenticator.challenge.scheme)  # the same was refused without it just now
        for line in response.values("Set-Cookie"):
            cookie = _COOKIE.match(line[:MAX_COOKIE].strip())
            if cookie is not None and (cookie[1] in download.cookies or len(download.cookies) < MAX_COOKIES):
                download.cookies[cookie[1]] = cookie[2]
        return response, picture

    def _handle_challenge(self, download: _Download, response: HttpResponse) -> None:
        """Prepare the next request, or raise: a login is sent once, and again where only its nonce was stale."""
        challenges = digest.parse_challenges(response.values("WWW-Authenticate"))
        warning = read_lockout(clean(f"{response.reason} {response.body[:1000].decode('utf-8', 'replace')}"))
        sent = download.authenticator is not None
        chosen = digest.choose(challenges, allow_basic=download.basic)
        if sent and (download.retried or warning.warns or chosen is None or not chosen.stale):
            what = warning.text if warning.warns else "the device refused the login for its snapshot"
            raise Unauthorized(what, attempted=True, locked=warning.warns)
        if download.login is None:
            raise Unauthorized("the device wants a login for its snapshot", attempted=False)
        if effect := find_effect(download.url):
            what = "the device wants a login for its snapshot, whose URL may change something: it gets none"
            raise Unauthorized(what, shown=effect, attempted=False)
        if warning.warns:
            raise Unauthorized(warning.text, attempted=False, locked=True)
        if chosen is None:
            offered = ", ".join(sorted({one.scheme for one in challenges})) or "nothing known"
            what = "the device offers no login scheme that may be used for its snapshot"
            raise Unauthorized(what, shown=offered, attempted=False)
        download.retried = sent
        download.authenticator = digest.Authenticator(chosen, self._cnonce)


def _split(url: str, address: str) -> tuple[str, str]:
    """``scheme://host:port`` and the request's target.

    :raises Malformed: another host than the camera's own address, or another scheme.
    """
    scheme, _, rest = url.partition("://")
    host = host_for_url(address)
    after = rest[len(host) :]
    if scheme not in ("http", "https") or not rest.startswith(host) or after[:1] not in ("", ":", "/", "?"):
        raise Malformed("the snapshot is not at the camera's own address")
    end = min((position for position in map(after.find, "/?") if position >= 0), default=len(after))
    target = after[end:]
    if not target.isascii() or any(character <= " " for character in url) or not url.isascii():
        raise Malformed("the snapshot's URL is unusable")
    return f"{scheme}://{host}{after[:end]}", target if target.startswith("/") else f"/{target}"


def _follow(url: str, response: HttpResponse, address: str) -> str:
    """Where a redirect leads: on the same port, or from http to https at its usual one.

    Another port of the same address may be another device (port forwarding), which this login is not for. Whoever a
    name belongs to is not asked: what stands there is asked of the camera.

    :raises Malformed: anywhere else.
    """
    location = next(iter(response.values("Location")), "").strip()[:2_048]
    try:
        new = _at_address(urljoin(url, location).partition("#")[0], address)
        there, here = urlsplit(new), urlsplit(url)
        ports = there.port or _PORTS.get(there.scheme), here.port or _PORTS.get(here.scheme)
    except ValueError:
        raise Malformed("the snapshot redirects to what is no URL") from None
    after, _ = _split(new, address)
    same = there.scheme == here.scheme and ports[0] == ports[1]
    if not same and (there.scheme != "https" or ports[0] != 443):
        raise Malformed("the snapshot redirects to another place", shown=after)
    return new


def _at_address(url: str, address: str) -> str:
    """``url`` at the camera's address where it names a host; that of a URL with an address in it stays.

    :raises ValueError: not a URL.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if "@" in parts.netloc or not _NAME.fullmatch(host) or _is_address(host):
        return url
    port = f":{parts.port}" if parts.port is not None else ""
    return parts._replace(netloc=f"{host_for_url(address)}{port}").geturl()


def _is_address(host: str) -> bool:
    """Whether a host is an address in any form that some resolver takes for one (``127.1``, ``0x7f000001``)."""
    try:
        ip_address(host)
    except ValueError:
        return all(re.fullmatch(r"\d+|0x[0-9a-f]+", part, re.IGNORECASE) for part in host.split("."))
    return True
