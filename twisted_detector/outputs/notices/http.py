"""Sender of one POST request to a server that takes notices; no redirect is followed, no token stands in a fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, FileBodyProducer, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS

from twisted_detector.model.encoding import parse_object
from twisted_detector.outputs.notices.way import DeliveryFailed
from twisted_detector.outputs.notices.wording import harmless
from twisted_detector.wire.http.body import collect

#: Seconds for one request and its answer.
TIMEOUT = 15.0
#: Octets of an answer: a few words; ntfy answers with the message itself.
MAX_ANSWER = 65_536
#: Characters of a server's own words that are shown.
MAX_SAID = 100
#: Statuses that are no refusal for good (RFC 9110, 15.5.9; RFC 8470; RFC 6585).
_LATER = (408, 425, 429)
_NO_TLS = (
    "TLS fails: its certificate is not trusted (NOTICE_CA_PATH) or is for another host, or it does not speak TLS there"
)
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Post:
    """One request. What may hold a token is not in its ``repr``.

    :ivar named: the setting that has the address, for faults.
    """

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    named: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer: its status, and the beginning of its body."""

    status: int
    body: bytes
    retry_after: float | None = None


class Poster:
    """Client for servers that take notices.

    :param ca: PEM file of the authorities that certificates are judged by; None: those of the system.
    """

    def __init__(self, reactor: Any, *, ca: Path | None = None, timeout: float = TIMEOUT) -> None:
        self._reactor = reactor
        self._timeout = timeout
        # One at a time and none kept: hours lie between two notices.
        pool = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent(reactor, tls_policy(ca), connectTimeout=timeout, pool=pool)

    async def post(self, request: Post) -> Answer:
        """The answer, whatever its status.

        :raises DeliveryFailed: there is none. In words of ours: Twisted's would name the address, and its token.
        """
        exchange = Deferred.fromCoroutine(self._exchange(request))
        exchange.addTimeout(self._timeout, self._reactor, self._timed_out)
        try:
            return await exchange
        except (DeliveryFailed, CancelledError):
            raise
        except DNSLookupError:
            raise DeliveryFailed("there is no host of that name; check " + request.named) from None
        except Exception as error:
            raise DeliveryFailed(f"no answer: {kind_of(error)}") from None

    async def _exchange(self, request: Post) -> Answer:
        headers = {"User-Agent": ["camdetect"], **{name: [value] for name, value in request.headers.items()}}
        response = await self._agent.request(
            b"POST", request.url.encode("ascii"), Headers(headers), FileBodyProducer(BytesIO(request.body))
        )
        asked = response.headers.getRawHeaders("retry-after", [""])[0]
        body = await collect(response, MAX_ANSWER)
        return Answer(response.code, body, _seconds(asked, self._reactor.seconds()))

    def _timed_out(self, _: Any, seconds: float) -> None:
        raise DeliveryFailed(f"no answer within {seconds:g} s")


def check(answer: Answer, *, named: str, token: str, detail: str = "") -> None:
    """Judge an answer by its status.

    :param named: the setting that has the address; ``token``: the one that has the login.
    :param detail: what the server says, in words that are safe to show.
    :raises DeliveryFailed: it is no success.
    """
    status, said = answer.status, f" ({detail})" if detail else ""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise DeliveryFailed(f"it answers {status}, a redirect, which is not followed; check {named}", final=True)
    if status in (401, 403):
        raise DeliveryFailed(f"it answers {status}{said}: not allowed; check {token}", final=True)
    if status in _LATER:
        raise DeliveryFailed(f"it answers {status}{said}: too many requests, or too busy", asked=answer.retry_after)
    if status < 500:
        raise DeliveryFailed(f"it answers {status}{said}; check {named}", final=True)
    raise DeliveryFailed(f"it answers {status}{said}: a fault of the server", asked=answer.retry_after)


def said(answer: Answer, key: str, *, secrets: Iterable[str]) -> str:
    """The server's own words about a refusal, "" where it gives none, or one of our secrets is in them.

    :param key: that the words have in its JSON.
    """
    words = (parse_object(answer.body) or {}).get(key)
    if not isinstance(words, str) or any(one and one in words for one in secrets):
        return ""
    return harmless(words, MAX_SAID)


def tls_policy(ca: Path | None) -> IPolicyForHTTPS:
    """How certificates of servers are judged."""
    return BrowserLikePolicyForHTTPS(trustRoot=authorities(ca))


def authorities(ca: Path | None) -> Any:
    """The authorities of a PEM file; None for those of the system."""
    if ca is None:
        return None
    blocks = [_BEGIN + part.partition(_END)[0] + _END for part in ca.read_bytes().split(_BEGIN)[1:]]
    return trustRootFromCertificates([Certificate.loadPEM(block) for block in blocks])


def _seconds(text: str, now: float) -> float | None:
    """Seconds of a Retry-After (RFC 9110, 10.2.3): a number, or a date."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def kind_of(error: Exception) -> str:
    """What happened, without any text of the other end or of the address."""
    reasons = getattr(error, "reasons", None)  # ResponseFailed and its like carry what happened to them
    inner = reasons[-1].value if reasons else error
    name = type(inner).__name__
    return {
        "ConnectionRefusedError": "the connection is refused",
        "TimeoutError": "the connection takes too long",
        "TCPTimedOutError": "the connection takes too long",
        "NoRouteError": "no route to the host",
        "ConnectError": "no connection",
        "ConnectionLost": "the connection was closed",
        "ConnectionDone": "the connection was closed",
        "ConnectionAborted": "its answer is too long",
        "AnswerTooLong": "its answer is too long",
        "Error": _NO_TLS,
        "VerificationError": _NO_TLS,
    }.get(name, f"the connection failed ({name})")
