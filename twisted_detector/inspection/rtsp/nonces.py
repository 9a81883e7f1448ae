"""State of the challenge that an RTSP server made last: for which requests, and for how long, its nonce may be used.

Rules:

1. It is used for the request whose refusal brought it, on a new connection too, for many servers close after a 401.
   One that was seen to do so, sooner or later, is answered on a new connection at once: what is set up on the old one
   would be lost.
2. For others it is used on its own connection only (live555), and for a second, the length of an exchange. After that
   a request goes without the login first, and the server makes a new nonce: many forget theirs after a minute, and say
   so by a 401 that looks like that to a wrong password.
3. A refusal counts only when the nonce was made for the very request. After one of an older nonce the login is sent
   once more, with the new one; and where the older one was not a second old, the server's nonces are for one request
   each, which is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted_detector.inspection.rtsp.connection import RtspClientConnection
from twisted_detector.model import Login
from twisted_detector.wire.http import digest

#: Seconds for which a nonce is used for further requests.
NONCE_LIFE = 1.0


@dataclass
class NonceHabits:
    """What a server was seen to do with its nonces.

    :ivar single_use: each is good for one request.
    :ivar closes: it closed a connection on which it had just answered 401.
    :ivar outlives_connection: it took the answer on another connection.
    """

    single_use: bool = False
    closes: bool = False
    outlives_connection: bool = False

    def record_closing(self, closes: bool) -> None:
        """It closed such a connection, or did not where it was expected to."""
        self.closes = closes

    def record_accepted(self, *, single_use: bool, elsewhere: bool) -> None:
        """It accepted an answer: where it had refused the nonce before; on another connection."""
        self.single_use |= single_use
        self.outlives_connection |= elsewhere


@dataclass(frozen=True, slots=True)
class ChallengeUse:
    """Use of the challenge by one request.

    :ivar connection: on which the challenge came.
    :ivar age: seconds since it came.
    :ivar fresh: it was made for that request.
    :ivar moved: it is answered on another connection, which the server is not known to take.
    """

    challenge: digest.Challenge | None
    connection: RtspClientConnection | None
    age: float
    fresh: bool
    moved: bool


class LastChallenge:
    """The challenge that was met last, and its answers.

    :param cnonce: makes fresh random text.
    """

    def __init__(self, habits: NonceHabits, cnonce: Callable[[], str]) -> None:
        self.habits = habits
        self._cnonce = cnonce
        self._authenticator: digest.Authenticator | None = None
        self._connection: RtspClientConnection | None = None
        self._at = 0.0
        self._moved = False

    @property
    def challenge(self) -> digest.Challenge | None:
        """The challenge; None where there was none, or none that may be answered."""
        return self._authenticator.challenge if self._authenticator is not None else None

    def record(
        self, connection: RtspClientConnection, challenges: Iterable[digest.Challenge], *, allow_basic: bool
    ) -> None:
        """Record the challenges of a 401."""
        chosen = digest.choose(challenges, allow_basic=allow_basic)
        self._authenticator = digest.Authenticator(chosen, self._cnonce) if chosen is not None else None
        self._connection, self._at, self._moved = connection, connection.seconds(), False

    def may_be_answered(self, connection: RtspClientConnection, *, fresh: bool, bound: bool) -> bool:
        """Whether an answer may go with a request on this connection.

        :param fresh: the challenge was made for the request.
        :param bound: the request belongs to an RTSP session, which is lost where the server closes after a 401.
        """
        if fresh or self._authenticator is None:
            return fresh and self._authenticator is not None
        if self.habits.single_use or connection is not self._connection:
            return False
        return bound or connection.seconds() - self._at <= NONCE_LIFE

    def authorization(self, login: Login, method: str, url: str) -> str:
        """The value of ``Authorization`` for the next request; "" without a challenge.

        :raises LocalError: a name or password that cannot be written this way.
        """
        return self._authenticator.authorization(login, method, url) if self._authenticator is not None else ""

    def use(self, connection: RtspClientConnection, *, fresh: bool) -> ChallengeUse:
        """Its use by a request on this connection."""
        age = connection.seconds() - self._at
        return ChallengeUse(self.challenge, self._connection, age, fresh, fresh and self._moved)

    def close_connection(self) -> None:
        """Close the connection on which the challenge came, where the server will."""
        if self._connection is not None and (self.habits.closes or self.habits.outlives_connection):
            self._moved = not (self.habits.outlives_connection or self._connection.closed)
            self._connection.close()

    def connection_closed(self, connection: RtspClientConnection) -> None:
        """Record that the server closed a connection."""
        if connection is self._connection and connection.seconds() - self._at <= NONCE_LIFE:
            self.habits.record_closing(True)

    def leaves_doubt(self, use: ChallengeUse) -> bool:
        """Whether the refusal that brought this challenge need not mean the login that was sent."""
        if use.moved:
            self.habits.record_closing(False)
            return True
        now = self.challenge
        if not use.fresh or now is None or use.challenge is None:
            return not use.fresh
        return now.stale or not now.asks_the_same(use.challenge)

    def is_single_use(self, refused: ChallengeUse) -> bool:
        """Whether a refusal was one of a nonce that had been made a moment ago, and not for that request."""
        return not refused.fresh and refused.age <= NONCE_LIFE

    def answer_accepted(self, connection: RtspClientConnection, use: ChallengeUse, *, single_use: bool) -> None:
        """Record that an answer was accepted.

        :param single_use: the server had refused the same request with the nonce before.
        """
        self.habits.record_accepted(single_use=single_use, elsewhere=use.connection is not connection)
        self._connection = connection
