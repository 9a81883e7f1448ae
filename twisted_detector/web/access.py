"""Access control: judges the head of each request.

Threats: DNS rebinding (Host), other sites that make a browser of this network send requests (Origin,
Sec-Fetch-Site, a header of our own that needs leave), and guessing of the token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from twisted_detector.web.entry.ingress import is_ingress
from twisted_detector.web.entry.login_codes import LIFETIME, LoginCodes
from twisted_detector.web.problem import Problem, excerpt
from twisted_detector.web.rate_limit import PeerRateLimiter
from twisted_detector.web.sessions import NAME, Sessions

#: Of our own: a browser sends it for another site only when we allow it (CORS), and we never do.
HEADER = "x-camdetect"
#: RFC 3986, 3.2.2: host and port.
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,64}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")

#: Wrong tokens and codes of one peer: five at once, then one in twelve seconds: 7 200 a day of at least 2^64 tokens.
WRONG_BURST, WRONG_RATE = 5.0, 1 / 12
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="camdetect"'}
#: Whatever changes something, or makes us send packets.
ACTION_BURST, ACTION_RATE = 30.0, 2.0


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Head of a request. ``headers``: names in lower case, one text each; ``peer``: the address it came from."""

    method: str
    headers: Mapping[str, str]
    peer: str
    cookies: Mapping[str, str]


class AccessControl:
    """Judge of requests. Each check returns None, or raises a Problem.

    :param listen: the address that is listened on.
    :param allowed: further names by which browsers may know us.
    :param sessions: None where no token is needed.
    :param codes: what links that sign in once are made of; None where no token is needed.
    :param ingress: whether Home Assistant has signed in those who come through its proxy.
    """

    def __init__(
        self,
        *,
        listen: str,
        allowed: Sequence[str],
        sessions: Sessions | None,
        monotonic: Callable[[], float],
        codes: LoginCodes | None = None,
        ingress: bool = False,
    ) -> None:
        self._listen = ip_address(listen)
        self._names = {"localhost", *(name.lower().strip("[]") for name in allowed)}
        self.sessions = sessions
        self._codes = codes
        self._ingress = ingress
        self._wrong = PeerRateLimiter(monotonic, burst=WRONG_BURST, rate=WRONG_RATE)
        self._actions = PeerRateLimiter(monotonic, burst=ACTION_BURST, rate=ACTION_RATE)

    def is_ingress(self, head: RequestHead) -> bool:
        """Whether Home Assistant's proxy passed it on for somebody who is signed in there."""
        return self._ingress and is_ingress(head.peer, head.headers)

    def check_host(self, head: RequestHead) -> None:
        """The Host header names us; that of ingress names Home Assistant, which has judged it. :raises Problem: 400 or
        421.
        """
        if self.is_ingress(head):
            return
        text = head.headers.get("host", "")
        found = _AUTHORITY.fullmatch(text)
        if found is None:
            raise Problem(400, "the Host header is missing or is none")
        name = found[1].lower().strip("[]").removesuffix(".")
        if name in self._names or self._is_ours(name):
            return
        raise Problem(421, f"this is not {excerpt(name)}; if it is meant to be, add the name to WEB_ALLOWED_HOSTS")

    def _is_ours(self, name: str) -> bool:
        # An address in numbers is no name that somebody else's DNS could turn against us.
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return self._listen.is_unspecified or _same(address, self._listen) or address.is_loopback

    def check_origin(self, head: RequestHead) -> None:
        """No other site made the browser send it. :raises Problem: 403."""
        site = head.headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none"):
            raise Problem(403, "another site made your browser ask this")
        origin = head.headers.get("origin")
        own = [head.headers.get("host", "").lower()]
        if self.is_ingress(head):
            own.append(head.headers.get("x-forwarded-host", "").lower())
        # "null" (a sandboxed frame, a file) has no host, and so may ingress without X-Forwarded-Host.
        if origin is not None and origin.lower().partition("://")[2] not in filter(None, own):
            raise Problem(403, f"the Origin {excerpt(origin)} is not this page")

    def needs_token(self, head: RequestHead) -> bool:
        """Whether one is needed, and Home Assistant does not stand for who asks."""
        return self.sessions is not None and not self.is_ingress(head)

    def check_login(self, head: RequestHead) -> None:
        """The token is known, by header or by cookie; nothing where none is needed. :raises Problem: 401 or 429."""
        if not self.needs_token(head):
            return
        scheme, _, given = head.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self.check_token(head.peer, given.strip())
            return
        cookie = head.cookies.get(NAME)
        if cookie is None or self.sessions is None or not self.sessions.is_valid(cookie):
            raise Problem(401, "the token is needed (camdetect page shows where it is)", dict(_CHALLENGE))

    def check_token(self, peer: str, given: str) -> None:
        """``given`` is the token. :raises Problem: 401, or 429 after too many wrong ones, right or not."""
        if self.sessions is None:
            return
        self._check_guess(peer, lambda: self.sessions is not None and self.sessions.is_token(given), "wrong token")

    def check_code(self, peer: str, given: str) -> None:
        """``given`` is the code of a link that signs in, which ends with this. :raises Problem: as for a token."""
        codes = self._codes
        self._check_guess(
            peer,
            lambda: codes is not None and codes.redeem(given),
            f"this link was used already, or is older than {LIFETIME // 60} minutes; camdetect page prints a new one",
        )

    def _check_guess(self, peer: str, is_right: Callable[[], bool], refusal: str) -> None:
        wait = self._wrong.delay(peer)
        if wait:
            raise Problem(429, "too many wrong tokens from this address", {"Retry-After": str(int(wait) + 1)})
        if not is_right():
            self._wrong.acquire(peer)
            raise Problem(401, refusal, dict(_CHALLENGE))

    def check_change(self, head: RequestHead) -> None:
        """It cannot come from a form or a script of another site. :raises Problem: 403 or 415."""
        by_bearer = self.sessions is not None and head.headers.get("authorization", "").lower().startswith("bearer ")
        if not by_bearer and HEADER not in head.headers:
            raise Problem(403, "a request that changes something needs the header X-Camdetect: 1")
        kind = head.headers.get("content-type")
        if kind is not None and kind.partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "the body must be application/json")

    def check_rate(self, head: RequestHead) -> None:
        """The peer does not request work too often. :raises Problem: 429."""
        wait = self._actions.acquire(head.peer)
        if wait:
            raise Problem(429, "too many requests of this kind; wait a moment", {"Retry-After": str(int(wait) + 1)})


def _same(one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address) -> bool:
    mapped = one.ipv4_mapped if isinstance(one, IPv6Address) else None
    return other in (one, mapped)
