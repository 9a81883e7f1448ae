"""Requests for one device go in; answers come out, with the login and lost connections taken care of.

Nothing is sent that was not asked for: the first request goes without a credential, a challenge is answered once, and
a credential that was refused is not sent again on any connection, whether or not it had been let in before: accounts
lock after five to seven failures. Only where the server calls the nonce stale it was no word about the password.
Whoever lent the login is asked before each time: after a closed connection or a 403 nobody knows whether it counted.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress

from twisted.internet.defer import Deferred

from twisted_detector.errors import LocalError, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.rtsp.connection import Closed, Connect, RtspSession
from twisted_detector.model import Login
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.lockout import MAX_TEXT, read_lockout
from twisted_detector.wire.rtsp import parser as rtsp
from twisted_detector.wire.soap.xml import clean

#: Requests that one question may cost: plain, answered, answered anew (stale nonce), and as often on a connection that
#: the server closed after its 401.
MAX_TRIES = 6


def make_cnonce() -> str:
    """Sixteen random hex digits: the client's part of a Digest answer."""
    return secrets.token_hex(8)


class RtspClient:
    """Asks one RTSP server, on one connection at a time, which is made anew where the server closes it.

    :param connect: makes a connection to (host, port, timeout, tls).
    :param timeout: seconds for a connection, and for each answer.
    :param unbounded: answers are waited for without end: who asks has a time limit for all of them together.
    :param login: answers a challenge; None never does.
    :param allow_basic: whether the password may be sent in clear.
    :ivar server: the last ``Server`` header that was said.
    :ivar realm: realm of the last challenge.
    :ivar connected: a connection stood at least once.
    :ivar answered: at least one answer was RTSP.
    :ivar attempted: the credential was sent.
    :ivar accepted: it was accepted.
    :ivar refused: it was refused: from then on it is not sent any more.
    """

    def __init__(
        self,
        connect: Connect,
        host: str,
        port: int,
        *,
        timeout: float,
        tls: bool = False,
        unbounded: bool = False,
        login: Login | None = None,
        allow_basic: bool = False,
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
        self._patience = None if unbounded else timeout
        self._login = login
        self._allow_basic = allow_basic
        self._cnonce = cnonce
        self._session: RtspSession | None = None
        self._challenge: digest.Challenge | None = None
        self._challenged_on: RtspSession | None = None
        self._nonce_count = 0
        self._closures = 0

    @property
    def login(self) -> Login | None:
        """What answers a challenge."""
        return self._login

    def renew(self, login: Login | None) -> None:
        """The same login once more: whoever gave it may want to know whether this one is looked at."""
        self._login = login

    @property
    def open(self) -> bool:
        """Whether a connection stands."""
        return self._session is not None and not self._session.closed

    @property
    def has_login(self) -> bool:
        """Whether a challenge would be answered."""
        return self._login is not None

    @property
    def login_name(self) -> str:
        """Name of the login, "" without one."""
        return self._login.name if self._login is not None else ""

    @property
    def certificate(self) -> str:
        """Fingerprint of the server's certificate, "" without TLS."""
        return self._session.certificate if self._session is not None else ""

    @property
    def connection(self) -> RtspSession:
        """The connection that stands.

        :raises Closed: none does.
        """
        if self._session is None or self._session.closed:
            raise Closed
        return self._session

    async def session(self) -> RtspSession:
        """The connection, made anew if it is closed.

        :raises Unreachable: there is none to be had.
        """
        if self._session is None or self._session.closed:
            self._session = await self._connect(self._host, self._port, self._timeout, self._tls)
            self.connected = True
        return self._session

    async def ask_plain(self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> rtsp.RtspResponse:
        """Ask without any credential; a 401 is an answer like any other, unless it says that the device locks.

        :raises Unauthorized: it does.
        :raises Unreachable: no connection or no answer.
        :raises Malformed: bytes that are not RTSP.
        """
        while True:
            session = await self.session()
            used = session.answers > 0
            try:
                response = await session.request(method, url, headers, timeout=self._patience)
            except Closed:
                if not used:
                    raise
            else:
                self._note(session, response)
                self._heed(response, sent=False)
                return response

    async def ask(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, anew: bool = True
    ) -> rtsp.RtspResponse:
        """Ask; answer a challenge with the login, once, and once more where the nonce is called stale.

        :param anew: whether a new connection will do when this one is closed; after SETUP it will not.
        :raises Unauthorized: a login is wanted and there is none, none that may be sent, or it was refused.
        :raises Unreachable: no connection or no answer.
        :raises Malformed: bytes that are not RTSP.
        """
        headers = tuple(headers)
        forgiven = False
        for _ in range(MAX_TRIES):
            session = await self.session() if anew else self.connection
            used = session.answers > 0
            credential = self._credential(session, method, url)
            if credential and self._login is not None:
                await self._login.may_be_sent()
                self.attempted = True
            try:
                response = await session.request(method, url, (*headers, *credential), timeout=self._patience)
            except Closed:
                # Many servers close after a 401: the answer to it belongs on the next connection.
                self._closures += 1
                if not used or not anew:
                    raise
                continue
            self._note(session, response)
            self._heed(response, sent=bool(credential))
            if response.status != 401:
                if credential and response.status != 403:
                    self._let_in()
                return response
            if credential:
                if forgiven or self._challenge is None or not self._challenge.stale or self._login is None:
                    self.refused = True
                    raise Unauthorized("the device refused the login", attempted=True)
                forgiven = True
                self._login.was_no_attempt()
            self._check_answerable(response)
        raise Unreachable("the device closes every connection before it answers")

    def _let_in(self) -> None:
        self.accepted = True
        if self._login is not None:
            self._login.was_let_in()

    def _credential(self, session: RtspSession, method: str, url: str) -> tuple[tuple[str, str], ...]:
        """The Authorization header for this request, none while no challenge was met that it would answer.

        A nonce may be valid on its connection only (live555), so on a new one the question goes first without, except
        where the server closed instead of answering. A password in clear is not given away before it is asked for:
        another device may have the address by now.
        """
        challenge = self._challenge
        if self._login is None or challenge is None or self.refused:
            return ()
        if self._challenged_on is not session and not self._closures:
            return ()
        self._nonce_count += 1
        try:
            text = digest.authorization(
                challenge,
                self._login.name,
                self._login.password.reveal(),
                method,
                url,
                cnonce=self._cnonce(),
                nonce_count=self._nonce_count,
            )
        except LocalError as error:  # a name or password that cannot be written this way: it was not sent
            raise Unauthorized("this login cannot be sent to the device", shown=error.what, attempted=False) from None
        return (("Authorization", text),)

    def _note(self, session: RtspSession, response: rtsp.RtspResponse) -> rtsp.RtspResponse:
        self.answered = True
        self.server = response.header("Server")[:200] or self.server
        if response.status == 401:
            challenges = digest.parse_challenges(response.all("WWW-Authenticate"))
            self.realm = next((one.realm for one in challenges), self.realm)[:200]
            self._challenge = digest.choose(challenges, allow_basic=self._allow_basic)
            self._challenged_on = session
            self._nonce_count = 0
        if response.header("Connection").strip().lower() == "close":
            session.close()
        return response

    def _heed(self, response: rtsp.RtspResponse, *, sent: bool) -> None:
        """What a refusal says of attempts that are left, and of locking.

        :param sent: whether the request carried the credential.
        :raises Unauthorized: no other login may follow.
        """
        if response.status not in (401, 403):
            return
        text = f"{response.reason} {response.body[:MAX_TEXT].decode('utf-8', 'replace')}"
        warning = read_lockout(text)
        if warning.counts:
            self.refused = self.refused or sent
            raise Unauthorized(warning.words, shown=clean(text), attempted=sent, locked=True)

    def _check_answerable(self, response: rtsp.RtspResponse) -> None:
        if self.refused:
            raise Unauthorized("the device refused the login", attempted=True)
        if self._login is None:
            raise Unauthorized("the device wants a login", attempted=False)
        if self._challenge is None:
            challenges = digest.parse_challenges(response.all("WWW-Authenticate"))
            if any(one.scheme == "basic" for one in challenges) and not self._allow_basic:
                raise Unauthorized(
                    "the device takes a password in clear only, which is not allowed for it", attempted=False
                )
            raise Unauthorized("the device wants a login of a kind that is not known", attempted=False)

    async def part(self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, timeout: float) -> None:
        """Ask once on the connection that stands, and wait up to ``timeout`` seconds; any answer will do."""
        session = self._session
        if session is None or session.closed:
            return
        session.on_interleaved = session.on_lost = None
        credential = self._credential(session, method, url) if self.accepted else ()
        with suppress(Unreachable, Malformed):  # the connection goes away, and its session with it
            await session.request(method, url, (*headers, *credential), timeout=timeout)

    def say(self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send without waiting for an answer, if the connection stands."""
        session = self._session
        if session is not None and not session.closed:
            credential = self._credential(session, method, url) if self.accepted else ()
            session.send(method, url, (*headers, *credential))

    def abandon(self) -> Deferred[None] | None:
        """Cut the connection at once, so that another may be made; fires when it is gone."""
        return self._session.abandon() if self._session is not None else None

    def close(self) -> None:
        """Close the connection. May be called again."""
        if self._session is not None:
            self._session.close()
