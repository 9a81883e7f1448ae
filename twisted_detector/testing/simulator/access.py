"""The account of a simulated camera: it judges logins, counts failures and locks itself.

ONVIF and RTSP of one camera share it, because on real cameras they share the account and its lock (Hikvision's
"Illegal Login Lock", Dahua's "You still have N attempts").
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime

from twisted_detector.model.bounds import BoundedDict
from twisted_detector.testing.simulator.camera import Auth, CameraSpec
from twisted_detector.testing.simulator.wire.digest import format_challenge, parse_authorization, verify
from twisted_detector.testing.simulator.wire.soap import read_username_token, verify_username_token
from twisted_detector.wire.http.digest import Challenge
from twisted_detector.wire.soap.xml import Element

#: Nonces remembered: more clients than this at once are a flood, and the oldest has to ask again.
MAX_NONCES = 256
#: Seconds that a nonce is good: longer than any session of requests, short enough that ``stale`` happens.
NONCE_SECONDS = 300.0

_ALGORITHMS = {
    Auth.DIGEST: ("MD5",),
    Auth.DIGEST_SHA256: ("SHA-256", "MD5"),
}


class AccessVerdict(Enum):
    """The outcome of one request for access."""

    GRANTED = "granted"
    MISSING = "missing"  #: no credential was shown: ask for one, count nothing
    STALE = "stale"  #: right form, but the nonce is unknown or too old: ask again, count nothing
    REFUSED = "refused"  #: a wrong credential: counted
    LOCKED = "locked"  #: a credential was shown while the account is locked: it is not checked


class SimulatedAccess:
    """The account of one camera.

    :ivar failures: failed logins since the start, over all protocols.
    :ivar successes: logins that were right.
    :ivar locks: how often the account was locked. A well-behaved detector keeps this at zero.
    :ivar refusals_while_locked: logins that were tried while it was locked.
    """

    def __init__(self, spec: CameraSpec, *, clock: IReactorTime, random: Random) -> None:
        self.failures = 0
        self.successes = 0
        self.locks = 0
        self.refusals_while_locked = 0
        self._spec = spec
        self._clock = clock
        self._random = random
        self._in_a_row = 0
        self._locked_until = 0.0
        self._nonces: BoundedDict[str, float] = BoundedDict(MAX_NONCES)

    @property
    def realm(self) -> str:
        """The realm of the challenges, with a number in brackets, as Hikvision writes it."""
        return f"IP Camera({self._spec.serial_number[-5:]})"

    @property
    def locked(self) -> bool:
        return self._clock.seconds() < self._locked_until

    @property
    def attempts_left(self) -> int | None:
        """Failures until the lock; None for a camera that never locks."""
        if not self._spec.quirks.lock_after:
            return None
        return max(0, self._spec.quirks.lock_after - self._in_a_row)

    def warning(self, verdict: AccessVerdict) -> str:
        """The text of a refusal about the attempts that are left, in Dahua's words; "" for none."""
        if self._spec.quirks.lock_silent:
            return ""
        if verdict is AccessVerdict.LOCKED:
            return "The account is locked"
        if verdict is AccessVerdict.REFUSED and self.attempts_left is not None:
            return f"You still have {self.attempts_left} attempt(s)"
        return ""

    def challenges(self, auth: Auth, *, stale: bool = False) -> tuple[str, ...]:
        """Values for ``WWW-Authenticate`` headers, best first; empty for cameras that ask for no login this way."""
        if auth is Auth.BASIC:
            return (format_challenge(Challenge(scheme="basic", realm=self.realm)),)
        if auth not in _ALGORITHMS:
            return ()
        nonce = f"{self._random.getrandbits(128):032x}"
        self._remember(nonce)
        return tuple(
            format_challenge(
                Challenge(scheme="digest", realm=self.realm, nonce=nonce, algorithm=algorithm, qop="auth", stale=stale)
            )
            for algorithm in _ALGORITHMS[auth]
        )

    def check(self, auth: Auth, authorization: str, method: str, target: str, body: bytes = b"") -> AccessVerdict:
        """Judge one request by its ``Authorization`` header ("" when it has none).

        :param target: the request target as it stands in the request line; Digest's ``uri`` must be the same
            (RFC 7616, 3.4.6), or its path when the target is a whole URL.
        """
        if auth is Auth.NONE:
            return AccessVerdict.GRANTED
        if not authorization:
            return AccessVerdict.MISSING
        if auth is Auth.BASIC:
            known = Challenge(scheme="basic", realm=self.realm)
            return self.judge(lambda: verify(authorization, method, self.password_of, challenge=known))
        scheme, given = parse_authorization(authorization)
        if scheme != "digest" or auth not in _ALGORITHMS:
            return self.judge(lambda: False)
        if self._nonces.get(given.get("nonce", ""), 0.0) <= self._clock.seconds():
            return AccessVerdict.STALE
        algorithm = given.get("algorithm", "").upper() or "MD5"
        known = Challenge(
            scheme="digest", realm=self.realm, nonce=given["nonce"], algorithm=given.get("algorithm", ""), qop="auth"
        )
        return self.judge(
            lambda: (
                algorithm in _ALGORITHMS[auth]
                and given.get("uri", "") in _targets(target)
                and verify(authorization, method, self.password_of, challenge=known, body=body)
            )
        )

    def check_token(self, header: Element | None, *, now: float) -> AccessVerdict:
        """Judge one SOAP request by the WS-UsernameToken in its Header.

        Only a PasswordDigest whose nonce was not used before is accepted (UsernameToken Profile 1.0, section 3.1).

        :param now: the camera's clock, seconds since the epoch.
        """
        token = read_username_token(header)
        if token is None:
            return AccessVerdict.MISSING
        window = self._spec.quirks.clock_window
        used = f"wsse {token.nonce.hex()[:64]}"

        def proves() -> bool:
            if token.plain or used in self._nonces:
                return False
            self._remember(used)
            return verify_username_token(header, self.password_of, now=now, window=window)

        return self.judge(proves)

    def judge(self, proves: Callable[[], bool]) -> AccessVerdict:
        """Check a credential by ``proves``, unless the account is locked, and count the outcome."""
        if self.locked:
            self.refusals_while_locked += 1
            return AccessVerdict.LOCKED
        if proves():
            self.successes += 1
            self._in_a_row = 0
            return AccessVerdict.GRANTED
        self.failures += 1
        self._in_a_row += 1
        if self.attempts_left == 0:
            self.locks += 1
            self._in_a_row = 0
            self._locked_until = self._clock.seconds() + self._spec.quirks.lock_seconds
        return AccessVerdict.REFUSED

    def _remember(self, nonce: str) -> None:
        self._nonces[nonce] = self._clock.seconds() + NONCE_SECONDS

    def password_of(self, name: str) -> str | None:
        """The one account's password by its name."""
        return self._spec.login.password.reveal() if name == self._spec.login.name else None


def _targets(target: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(target)
    except ValueError:
        return (target,)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return (target, path) if parts.scheme else (target,)
