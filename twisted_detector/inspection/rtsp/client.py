"""RTSP client of one server: it reconnects where the server closes, and answers challenges with at most one login.

Rules of the login: it goes with a request only that this server refused without it; what the server then does with it
shows that it was accepted, and nothing else does. From then on it goes with the requests that follow. Once the login
was refused it is not sent again on any connection, whether or not it had been accepted before: accounts lock after five
to seven failures. :meth:`Login.acquire_permit` is awaited before each time: after a closed connection, a 403 or an aged
nonce it is not known whether the device counted a failure. Where nothing can be awaited, at the TEARDOWN of a proof
that is cancelled, an accepted login goes along while its nonce is young. Rules of the nonce: :mod:`.nonces`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress

from twisted.internet.defer import Deferred

from twisted_detector.errors import LocalError, LoginWithheld, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.rtsp.connection import (
    RtspClientConnection,
    RtspConnect,
    RtspConnectionClosed,
    RtspEndpoint,
    RtspSilence,
    RtspTimeouts,
)
from twisted_detector.inspection.rtsp.description import MAX_REDIRECTS, ends_connection, redirection
from twisted_detector.inspection.rtsp.nonces import LastChallenge, NonceHabits
from twisted_detector.model import Login
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.lockout import MAX_TEXT, read_lockout
from twisted_detector.wire.rtsp.messages import RtspResponse
from twisted_detector.wire.soap.xml import clean

ACCEPT_SDP = (("Accept", "application/sdp"),)
#: Messages that one request may cost: without the login, with it, with it again (aged nonce), and as often on a
#: connection that the server closed after its 401.
MAX_TRIES = 6
#: Part of the time-out that OPTIONS is given: nothing depends on its answer, and some servers never give one.
OPTIONS_SHARE = 1 / 3
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
    :param login: answers a challenge; None: none is answered.
    :param allow_basic: whether the password may be sent in clear.
    :param searches: whether paths are tried of which most do not exist: then what a server says of a path only after it
        has seen a login shows, too, that it accepted the login.
    :param habits: of this server, kept by who makes more than one client of it.
    :ivar server: the last ``Server`` header; ``public``: the last ``Public`` header.
    :ivar realm: realm of the last challenge.
    :ivar connected: there was a connection at least once.
    :ivar answered: at least one response was RTSP.
    :ivar attempted: the login was sent.
    :ivar accepted: the server did with it what it had refused without it.
    :ivar refused: it was refused: from then on it is not sent any more.
    """

    def __init__(
        self,
        connect: RtspConnect,
        endpoint: RtspEndpoint,
        *,
        timeouts: RtspTimeouts,
        login: Login | None = None,
        allow_basic: bool = False,
        searches: bool = False,
        habits: NonceHabits | None = None,
        cnonce: Callable[[], str] = make_cnonce,
    ) -> None:
        self.server = self.public = self.realm = ""
        self.connected = self.answered = False
        self.attempted = self.accepted = self.refused = False
        self._connect = connect
        self._endpoint = endpoint
        self._timeouts = timeouts
        self.login = login
        self._allow_basic = allow_basic
        self._proofs = _PAST_LOGIN if searches else frozenset()
        self._connection: RtspClientConnection | None = None
        self._last = LastChallenge(habits if habits is not None else NonceHabits(), cnonce)
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
        :raises Malformed: the last one ended with bytes that are not RTSP.
        """
        if self._connection is None:
            raise RtspConnectionClosed
        if self._connection.closed:
            raise self._connection.ending()
        return self._connection

    def renew_permit(self, login: Login | None) -> None:
        """Go on with ``login``, which is the same with the permit of another attempt."""
        if login != self.login:
            raise LocalError("another login needs another client")
        self.login = login

    def forget_lost_connection(self) -> None:
        """Where the last connection is closed: what it showed counts no more."""
        if not self.is_open:
            self.connected = self.answered = False

    async def open_connection(self) -> RtspClientConnection:
        """The open connection, or a new one.

        :raises Unreachable: there is none to be had.
        """
        if self._connection is None or self._connection.closed:
            where = self._endpoint
            self._connection = await self._connect(where.host, where.port, self._timeouts.connection, where.tls)
            self.connected = True
        return self._connection

    async def send_options(self, url: str) -> None:
        """Send OPTIONS without the login, to introduce oneself: no answer is no fault, for some servers give none.

        :raises Unreachable: no connection.
        :raises Malformed: bytes that are not RTSP.
        """
        with suppress(RtspSilence, RtspConnectionClosed):
            await self.request_without_login("OPTIONS", url, timeout=self._timeouts.connection * OPTIONS_SHARE)

    async def ask_without_login(self, url: str) -> tuple[str, RtspResponse]:
        """Send OPTIONS without the login, or DESCRIBE where that is not answered: what was sent, and the response.

        Raises as :meth:`request_without_login`.
        """
        try:
            timeout = self._timeouts.connection * OPTIONS_SHARE
            return "OPTIONS", await self.request_without_login("OPTIONS", url, timeout=timeout)
        except (RtspSilence, RtspConnectionClosed):
            return "DESCRIBE", await self.request_without_login("DESCRIBE", url, ACCEPT_SDP)

    async def request_without_login(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, timeout: float | None = None
    ) -> RtspResponse:
        """Send a request without the login; a 401 is a response like any other, unless it says that the device locks.

        :param timeout: seconds for the response; None: as always.
        :raises Unauthorized: it does.
        :raises Unreachable: no connection or no answer.
        :raises Malformed: bytes that are not RTSP.
        """
        patience = self._timeouts.response if timeout is None else timeout
        while True:
            connection = await self.open_connection()
            used = connection.answer_count > 0
            try:
                response = await connection.request(method, url, headers, timeout=patience)
            except RtspConnectionClosed:
                if not used:
                    raise
            else:
                self._record(connection, response, method, url)
                self._check_lockout(response, sent=False)
                return response

    async def describe(self, url: str) -> tuple[RtspResponse, str]:
        """Send DESCRIBE; the response, and the URL that gave it: another path of this server where it redirects.

        Raises as :meth:`request`.
        """
        asked = {url}
        response = await self.request("DESCRIBE", url, ACCEPT_SDP)
        while (elsewhere := redirection(url, response)) and elsewhere not in asked and len(asked) <= MAX_REDIRECTS:
            asked.add(elsewhere)
            try:
                response = await self.request("DESCRIBE", elsewhere, ACCEPT_SDP)
            except LoginWithheld:
                if ("DESCRIBE", url) not in self._refused_without:
                    raise
                break  # each path wants the login, and sends us on: no stream comes of it
            url = elsewhere
        return response, url

    async def request(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, reconnect: bool = True
    ) -> RtspResponse:
        """Send a request; answer a challenge with the login, once, and once more where the nonce may have aged.

        :param reconnect: whether a new connection will do when this one is closed; after SETUP it does not.
        :raises Unauthorized: a login is wanted and there is none, none that may be sent, or it was refused.
        :raises LoginWithheld: a further sending might be one failure too many; or each nonce is called stale.
        :raises Unreachable: no connection or no answer.
        :raises Malformed: bytes that are not RTSP.
        """
        headers = tuple(headers)
        fresh = False  # whether the nonce was made for this very request
        again = single_use = False  # whether the login was sent once more; whether a nonce was good for a request only
        for _ in range(MAX_TRIES):
            connection = await self.open_connection() if reconnect else self.connection
            used = connection.answer_count > 0
            credential: tuple[tuple[str, str], ...] = ()
            using = self._last.use(connection, fresh=fresh)
            if self._may_send_login(connection, method, url, fresh=fresh, bound=not reconnect) and self.login:
                await self.login.acquire_permit(using.challenge.realm if using.challenge is not None else "")
                credential = self._credential(method, url)
                self.attempted = True
            try:
                response = await connection.request(
                    method, url, (*headers, *credential), timeout=self._timeouts.response
                )
            except Unreachable as error:
                # Many servers close after a 401: the answer to it belongs on the next connection.
                if credential and self.login is not None:
                    self.login.report_unanswered()
                if not used or not reconnect or not isinstance(error, RtspConnectionClosed):
                    raise
                self._last.connection_closed(connection)
                continue
            self._record(connection, response, method, url, sent=bool(credential))
            self._check_lockout(response, sent=bool(credential))
            if response.status != 401:
                if credential and response.status != 403:
                    self._record_answer(method, url, response.status)
                if credential and (200 <= response.status < 300 or response.status in _PAST_LOGIN):
                    self._last.answer_accepted(connection, using, single_use=single_use)
                return response
            if credential:
                self._check_refusal(doubt=self._last.leaves_doubt(using), again=again)
                again, single_use = True, self._last.is_single_use(using)
                if self._last.challenge is None:
                    continue  # it says nothing but no to a nonce that aged
            self._check_answerable(response)
            fresh = True
            if reconnect:
                self._last.close_connection()
        raise Unreachable("the device closes every connection before it answers")

    def _check_refusal(self, *, doubt: bool, again: bool) -> None:
        """Return when the login may be sent once more after a 401 to a request that carried it.

        :param doubt: the 401 need not mean the login.
        :param again: the login was sent once more already.
        :raises Unauthorized: it means the login, or may mean it and was asked twice.
        :raises LoginWithheld: it does not, and there is no other way to ask.
        """
        challenge = self._last.challenge
        if again and challenge is not None and challenge.stale:
            raise LoginWithheld("the device calls each nonce too old, so that no login can be tried")
        if again or not doubt or self.login is None:
            self.refused = True
            raise Unauthorized("the device refused the login", attempted=not doubt, unsure=doubt)
        self.login.report_unanswered()

    def _record_answer(self, method: str, url: str, status: int) -> None:
        """Record an answer, which is no refusal, to a request with the login."""
        if self.login is None:
            return
        if (method, url) in self._refused_without and (200 <= status < 300 or status in self._proofs):
            self.accepted = True
            self.login.report_accepted(self._last.challenge.scheme if self._last.challenge is not None else "")

    def _may_send_login(
        self, connection: RtspClientConnection, method: str, url: str, *, fresh: bool = False, bound: bool = False
    ) -> bool:
        """Whether the login goes with this request: not while no challenge was met that it would answer.

        A password in clear is not given away before it is asked for: another device may have the address by now.

        :param fresh: the challenge was made for this request.
        :param bound: the request belongs to an RTSP session.
        """
        if self.login is None or self.refused or not (self.accepted or (method, url) in self._refused_without):
            return False
        return self._last.may_be_answered(connection, fresh=fresh, bound=bound)

    def _credential(self, method: str, url: str) -> tuple[tuple[str, str], ...]:
        """The Authorization header for this request; none without a login or a challenge."""
        if self._last.challenge is None or self.login is None:
            return ()
        try:
            return (("Authorization", self._last.authorization(self.login, method, url)),)
        except LocalError as error:  # a name or password that cannot be written this way: it was not sent
            raise Unauthorized("this login cannot be sent to the device", shown=error.what, attempted=False) from None

    def _record(
        self, connection: RtspClientConnection, response: RtspResponse, method: str, url: str, *, sent: bool = False
    ) -> None:
        """Record a response. :param sent: the request carried the login, or its refusal counts as if it had."""
        self.answered = True
        self.server = clean(response.header("Server"))[:200] or self.server
        self.public = clean(response.header("Public"))[:200] or self.public
        if response.status == 401:
            challenges = digest.parse_challenges(response.all("WWW-Authenticate"))
            self.realm = clean(next((one.realm for one in challenges), self.realm))[:200]
            self._last.record(connection, challenges, allow_basic=self._allow_basic)
            if not sent:
                self._refused_without.add((method, url))
        if ends_connection(method, response):
            connection.close()

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
        if self.refused:  # by an earlier request, whose attempt recorded it: it was not sent with this one
            raise Unauthorized("the device refused the login", attempted=False)
        if self.login is None:
            raise Unauthorized("the device wants a login", attempted=False)
        if self._last.challenge is None:
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
        connection.watch()
        # The connection goes away, and the RTSP session with it.
        with suppress(Unreachable, Malformed, Unauthorized):
            sends = self.accepted and self._may_send_login(connection, method, url) and await self._has_permit()
            credential = self._credential(method, url) if sends else ()
            response = await connection.request(method, url, (*headers, *credential), timeout=timeout)
            if response.status == 401 and self.accepted and not self.refused and not credential:
                self._record(connection, response, method, url, sent=True)
                self._check_lockout(response, sent=False)
                if await self._has_permit():
                    credential = self._credential(method, url)
                    await connection.request(method, url, (*headers, *credential), timeout=timeout)

    def send(self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send without waiting for a response, if there is an open connection."""
        connection = self._connection
        if connection is not None and not connection.closed:
            connection.send(method, url, (*headers, *self._later_credential(connection, method, url)))

    async def _has_permit(self) -> bool:
        """Whether the login may be sent with a last request: what has none goes without it."""
        with suppress(LoginWithheld, Unauthorized):
            if self.login is not None:
                await self.login.acquire_permit(self.realm)
                return True
        return False

    def _later_credential(self, connection: RtspClientConnection, method: str, url: str) -> tuple[tuple[str, str], ...]:
        """The Authorization header for a last TEARDOWN: none with a nonce that may have aged while media came.

        It would be a failed login each time, of which nobody knows; and nothing is lost by a 401.
        """
        if self.accepted and self._may_send_login(connection, method, url):
            return self._credential(method, url)
        return ()

    def abandon(self) -> Deferred[None] | None:
        """Cut the connection at once, so that another may be made; fires when it is gone."""
        return self._connection.abandon() if self._connection is not None else None

    def close(self) -> None:
        """Close the connection. May be called again."""
        if self._connection is not None:
            self._connection.close()
