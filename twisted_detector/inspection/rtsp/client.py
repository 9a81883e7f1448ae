"""RTSP client of one server: it reconnects where the server closes, and answers challenges with at most one login.

Rules of the login: it goes with a request only that this server refused without it; what the server then does with it
shows that it was accepted, and nothing else does. From then on it goes with every request. A challenge is answered
once; and once the login was refused it is not sent again on any connection, whether or not it had been accepted before:
accounts lock after five to seven failures. :meth:`Login.acquire_permit` is awaited before each time: after a closed
connection, a 403 or a stale nonce it is not known whether the device counted a failure.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress

from twisted.internet.defer import Deferred

from twisted_detector.errors import LocalError, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.rtsp.connection import RtspClientConnection, RtspConnect, RtspConnectionClosed
from twisted_detector.model import Login
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.lockout import MAX_TEXT, read_lockout
from twisted_detector.wire.rtsp.messages import RtspResponse
from twisted_detector.wire.soap.xml import clean

#: Messages that one request may cost: without the login, with it, with it again (stale nonce), and as often on a
#: connection that the server closed after its 401.
MAX_TRIES = 6
#: Answers beside success that a server gives only when it has looked past the login at what is asked for: no such
#: stream, no room, no such session, a state, a header or a transport that does not fit (RFC 2326, 7.1.1).
_PAST_LOGIN = frozenset({404, 453, 454, 455, 457, 459, 460, 461})
#: Requests that are remembered as refused without a login: paths are tried one after the other, eight in an inspection.
_MAX_REFUSED = 256


def make_cnonce() -> str:
    """Sixteen random hex digits: the client's part of a Digest answer."""
    return secrets.token_hex(8)


class RtspClient:
    """Client with one connection at a time, which is opened anew where the server closes it.

    :param connect: opens a connection.
    :param timeout: seconds for a connection, and for each response.
    :param unbounded: responses are waited for without end: the caller has a time limit for all of them together.
    :param login: answers a challenge; None: none is answered.
    :param allow_basic: whether the password may be sent in clear.
    :param searches: whether paths are tried of which most do not exist: then what a server says of a path only after it
        has seen a login shows, too, that it accepted the login.
    :ivar server: the last ``Server`` header.
    :ivar realm: realm of the last challenge.
    :ivar login: may be set again to an equal one with another permit.
    :ivar connected: there was a connection at least once.
    :ivar answered: at least one response was RTSP.
    :ivar attempted: the login was sent.
    :ivar accepted: the server did with it what it had refused without it.
    :ivar refused: it was refused: from then on it is not sent any more.
    """

    def __init__(
        self,
        connect: RtspConnect,
        host: str,
        port: int,
        *,
        timeout: float,
        tls: bool = False,
        unbounded: bool = False,
        login: Login | None = None,
        allow_basic: bool = False,
        searches: bool = False,
        cnonce: Callable[[], str] = make_cnonce,
    ) -> None:
        self.server = ""
        self.realm = ""
        self.connected = False
        self.answered = False
        self.attempted = False
        self.accepted = False
        self.refused = False
        self._connect = connect
        self._host, self._port, self._tls = host, port, tls
        self._timeout = timeout
        self._response_timeout = None if unbounded else timeout
        self.login = login
        self._allow_basic = allow_basic
        self._proofs = _PAST_LOGIN if searches else frozenset()
        self._cnonce = cnonce
        self._connection: RtspClientConnection | None = None
        self._authenticator: digest.Authenticator | None = None
        self._challenged_on: RtspClientConnection | None = None
        self._closures = 0
        self._refused_without: BoundedSet[tuple[str, str]] = BoundedSet(_MAX_REFUSED)

    @property
    def is_open(self) -> bool:
        """Whether there is an open connection."""
        return self._connection is not None and not self._connection.closed

    @property
    def certificate(self) -> str:
        """Fingerprint of the server's certificate, "" without TLS."""
        return self._connection.certificate if self._connection is not None else ""

    @property
    def connection(self) -> RtspClientConnection:
        """The open connection.

        :raises RtspConnectionClosed: there is none.
        """
        if self._connection is None or self._connection.closed:
            raise RtspConnectionClosed
        return self._connection

    async def open_connection(self) -> RtspClientConnection:
        """The open connection, or a new one.

        :raises Unreachable: there is none to be had.
        """
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect(self._host, self._port, self._timeout, self._tls)
            self.connected = True
        return self._connection

    async def request_without_login(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()
    ) -> RtspResponse:
        """Send a request without the login; a 401 is a response like any other, unless it says that the device locks.

        :raises Unauthorized: it does.
        :raises Unreachable: no connection or no answer.
        :raises Malformed: bytes that are not RTSP.
        """
        while True:
            connection = await self.open_connection()
            used = connection.answer_count > 0
            try:
                response = await connection.request(method, url, headers, timeout=self._response_timeout)
            except RtspConnectionClosed:
                if not used:
                    raise
            else:
                self._record(connection, response, method, url)
                self._check_lockout(response, sent=False)
                return response

    async def request(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, reconnect: bool = True
    ) -> RtspResponse:
        """Send a request; answer a challenge with the login, once, and once more where the nonce is called stale.

        :param reconnect: whether a new connection will do when this one is closed; after SETUP it does not.
        :raises Unauthorized: a login is wanted and there is none, none that may be sent, or it was refused.
        :raises Unreachable: no connection or no answer.
        :raises Malformed: bytes that are not RTSP.
        """
        headers = tuple(headers)
        forgiven = False
        for _ in range(MAX_TRIES):
            connection = await self.open_connection() if reconnect else self.connection
            used = connection.answer_count > 0
            credential: tuple[tuple[str, str], ...] = ()
            if self.login is not None and self._may_send_login(connection, method, url):
                await self.login.acquire_permit(self._authenticator.challenge.realm if self._authenticator else "")
                credential = self._credential(connection, method, url)
                self.attempted = True
            try:
                response = await connection.request(
                    method, url, (*headers, *credential), timeout=self._response_timeout
                )
            except RtspConnectionClosed:
                # Many servers close after a 401: the answer to it belongs on the next connection.
                self._closures += 1
                if credential and self.login is not None:
                    self.login.report_unanswered()
                if not used or not reconnect:
                    raise
                continue
            self._record(connection, response, *(() if credential else (method, url)))
            self._check_lockout(response, sent=bool(credential))
            if response.status != 401:
                if credential and response.status != 403:
                    self._record_answer(method, url, response.status)
                return response
            if credential:
                if (
                    forgiven
                    or self._authenticator is None
                    or not self._authenticator.challenge.stale
                    or self.login is None
                ):
                    self.refused = True
                    raise Unauthorized("the device refused the login", attempted=True)
                forgiven = True
                self.login.report_unanswered()
            self._check_answerable(response)
        raise Unreachable("the device closes every connection before it answers")

    def _record_answer(self, method: str, url: str, status: int) -> None:
        """Record an answer, which is no refusal, to a request with the login."""
        if self.login is None:
            return
        if (method, url) in self._refused_without and (200 <= status < 300 or status in self._proofs):
            self.accepted = True
            self.login.report_accepted(self._authenticator.challenge.scheme if self._authenticator else "")

    def _may_send_login(self, connection: RtspClientConnection, method: str, url: str) -> bool:
        """Whether the login goes with this request.

        Not while no challenge was met that it would answer. A nonce may be valid on its connection only (live555), so
        on a new one the first request goes without it, except where the server closed instead of answering. A password
        in clear is not given away before it is asked for: another device may have the address by now.
        """
        if self.login is None or self._authenticator is None or self.refused:
            return False
        if not self.accepted and (method, url) not in self._refused_without:
            return False
        return self._challenged_on is connection or bool(self._closures)

    def _credential(self, connection: RtspClientConnection, method: str, url: str) -> tuple[tuple[str, str], ...]:
        """The Authorization header for this request; none while :meth:`_may_send_login` forbids it."""
        if not self._may_send_login(connection, method, url) or self._authenticator is None or self.login is None:
            return ()
        try:
            return (("Authorization", self._authenticator.authorization(self.login, method, url)),)
        except LocalError as error:  # a name or password that cannot be written this way: it was not sent
            raise Unauthorized("this login cannot be sent to the device", shown=error.what, attempted=False) from None

    def _record(self, connection: RtspClientConnection, response: RtspResponse, *asked: str) -> RtspResponse:
        """Record a response; ``asked``: method and URL, where it was asked without the login."""
        self.answered = True
        self.server = response.header("Server")[:200] or self.server
        if response.status == 401:
            challenges = digest.parse_challenges(response.all("WWW-Authenticate"))
            self.realm = next((one.realm for one in challenges), self.realm)[:200]
            chosen = digest.choose(challenges, allow_basic=self._allow_basic)
            self._authenticator = digest.Authenticator(chosen, self._cnonce) if chosen is not None else None
            self._challenged_on = connection
            if asked:
                self._refused_without.add((asked[0], asked[1]))
        if response.header("Connection").strip().lower() == "close":
            connection.close()
        return response

    def _check_lockout(self, response: RtspResponse, *, sent: bool) -> None:
        """Raise if a refusal speaks of attempts that are left, or of locking.

        :param sent: whether the request carried the login.
        :raises Unauthorized: no other login may follow.
        """
        if response.status not in (401, 403):
            return
        text = f"{response.reason} {response.body[:MAX_TEXT].decode('utf-8', 'replace')}"
        warning = read_lockout(text)
        if warning.warns:
            self.refused = self.refused or sent
            raise Unauthorized(warning.text, shown=clean(text), attempted=sent, locked=True)

    def _check_answerable(self, response: RtspResponse) -> None:
        if self.refused:
            raise Unauthorized("the device refused the login", attempted=True)
        if self.login is None:
            raise Unauthorized("the device wants a login", attempted=False)
        if self._authenticator is None:
            challenges = digest.parse_challenges(response.all("WWW-Authenticate"))
            if any(one.scheme == "basic" for one in challenges) and not self._allow_basic:
                raise Unauthorized(
                    "the device takes a password in clear only, which is not allowed for it", attempted=False
                )
            raise Unauthorized("the device wants a login of a kind that is not known", attempted=False)

    async def request_and_ignore(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, timeout: float
    ) -> None:
        """Send a request on the open connection, and wait up to ``timeout`` seconds for any response."""
        connection = self._connection
        if connection is None or connection.closed:
            return
        connection.on_interleaved = connection.on_lost = None
        credential = self._credential(connection, method, url) if self.accepted else ()
        with suppress(Unreachable, Malformed):  # the connection goes away, and the RTSP session with it
            await connection.request(method, url, (*headers, *credential), timeout=timeout)

    def send(self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send without waiting for a response, if there is an open connection."""
        connection = self._connection
        if connection is not None and not connection.closed:
            credential = self._credential(connection, method, url) if self.accepted else ()
            connection.send(method, url, (*headers, *credential))

    def abandon(self) -> Deferred[None] | None:
        """Cut the connection at once, so that another may be made; fires when it is gone."""
        return self._connection.abandon() if self._connection is not None else None

    def close(self) -> None:
        """Close the connection. May be called again."""
        if self._connection is not None:
            self._connection.close()
