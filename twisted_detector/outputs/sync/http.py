"""HTTP client of the programs that are kept in step; one answer is bounded in time and in size."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import CancelledError, Deferred
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_detector.model import Secret
from twisted_detector.outputs.sync.documents import MAX_DOCUMENT
from twisted_detector.outputs.sync.seams import TargetUnavailable
from twisted_detector.wire.http.any_certificate import AnyCertificate
from twisted_detector.wire.http.body import AnswerTooLong, collect

#: Seconds for one request: Frigate validates a configuration of 100 cameras in about one.
TIMEOUT = 15.0
#: Characters that are shown of where an answer sends us.
_MAX_PLACE = 120


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; ``path`` is what comes behind the base of a client, ``query`` as it is before it is encoded.

    What may hold a login is not in its ``repr``.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One answer: status, the cookies that it set, its body, and what kind of login it wants (``WWW-Authenticate``).

    :ivar location: where it says that the answer is (``Location``).
    """

    status: int
    cookies: Mapping[str, str]
    body: bytes
    challenge: str = ""
    location: str = ""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def is_page(self) -> bool:
        """Whether it is a web page: no program's answer to a program."""
        return self.text.lstrip()[:5].lower() in ("<html", "<!doc")


def check_place(answer: HttpResponse, setting: str) -> None:
    """Check that the program itself answered, and did not send us elsewhere: to ``https://``, or to a page for logins.

    :param setting: where the URL is set.
    :raises TargetUnavailable: it did.
    """
    if not 300 <= answer.status < 400:
        return
    place = "".join(one for one in _without_secrets(answer.location) if one.isprintable())[:_MAX_PLACE]
    raise TargetUnavailable(
        f"it sends us elsewhere ({answer.status}), as a page for logins before a program does; {setting} must be the"
        " program's own address",
        shown=place or "it does not say where",
    )


def _without_secrets(location: str) -> str:
    """A URL without login, query and fragment."""
    scheme, separator, rest = re.split("[?#]", location, maxsplit=1)[0].rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


class HttpClient:
    """Client of one server; no proxy, no redirect, no cookie that the caller did not give.

    :param base: ``http://host:port`` with what comes before every path.
    :param insecure: do not verify a certificate (Frigate makes its own).
    :param timeout: seconds for one request and its answer.
    :param most: bytes of an answer.
    """

    def __init__(
        self,
        reactor: Any,
        base: str,
        *,
        insecure: bool = False,
        timeout: float = TIMEOUT,
        most: int = MAX_DOCUMENT,
    ) -> None:
        self._reactor = reactor
        self.base = base
        self._timeout = timeout
        self._most = most
        # One at a time and none kept: an hour lies between two changes.
        pool = HTTPConnectionPool(reactor, persistent=False)
        policy: dict[str, Any] = {"contextFactory": AnyCertificate()} if insecure else {}
        self._agent = _UncompressedAgent(Agent(reactor, connectTimeout=timeout, pool=pool, **policy))

    async def request(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status.

        :raises TargetUnavailable: none in time, or none that is HTTP, or one that is too long.
        """
        exchange = Deferred.fromCoroutine(self._exchange(request))
        exchange.addTimeout(self._timeout, self._reactor, _timed_out)
        try:
            return await exchange
        except (TargetUnavailable, CancelledError):
            raise
        except Exception as error:
            # Whatever the other end did to the connection or the protocol; none of it is a fault of ours to be logged.
            raise TargetUnavailable("it does not answer", shown=_reason(error)) from None

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        import treq  # here: with what it needs it takes 1.6 MB, which a daemon that follows nobody need not hold

        headers = {"User-Agent": ["camdetect"], **{name: [value] for name, value in request.headers.items()}}
        query = f"?{urlencode(request.query)}" if request.query else ""
        response = await treq.request(
            request.method,
            f"{self.base.rstrip('/')}{request.path}{query}",
            headers=Headers(headers),
            data=request.body,
            agent=self._agent,
            reactor=self._reactor,
            allow_redirects=False,
            unbuffered=True,
        )
        try:
            data = await collect(response, self._most)
        except CancelledError:
            raise
        except AnswerTooLong:
            raise TargetUnavailable("its answer is larger than any configuration") from None
        except Exception:
            raise TargetUnavailable("its answer broke off") from None
        cookies = {}
        for line in response.headers.getRawHeaders("set-cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            cookies[name.strip()] = value.strip()
        challenge = ", ".join(response.headers.getRawHeaders("www-authenticate", []))
        location = (response.headers.getRawHeaders("location") or [""])[0]
        return HttpResponse(response.code, cookies, data, challenge, location)


@implementer(IAgent)
class _UncompressedAgent:
    """Agent that neither offers nor decodes compression, which treq would: a bound on the bytes of an answer is then a
    bound on what it holds.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """See IAgent."""
        if headers is not None:
            headers.removeHeader(b"accept-encoding")
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(_without_encoding)


def _without_encoding(response: IResponse) -> IResponse:
    response.headers.removeHeader(b"content-encoding")
    return response


def basic_auth(name: str, password: Secret) -> dict[str, str]:
    """The header of HTTP Basic (RFC 7617); none for no name."""
    if not name:
        return {}
    token = base64.b64encode(f"{name}:{password.reveal()}".encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}


def _timed_out(_: Any, seconds: float) -> None:
    raise TargetUnavailable("it does not answer", shown=f"nothing for {seconds:g} s")


def _reason(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)  # ResponseFailed and its like carry what happened to them
    inner = reasons[-1].value if reasons else error
    return f"{inner}".splitlines()[0] if f"{inner}" else "no reason is given"
