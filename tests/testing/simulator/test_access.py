"""Logins at a simulated camera: which are granted, counted and locked out."""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Login, Secret
from twisted_detector.testing.simulator.access import MAX_NONCES, NONCE_SECONDS, AccessVerdict, SimulatedAccess
from twisted_detector.testing.simulator.camera import Auth, CameraSpec, Quirks
from twisted_detector.testing.simulator.wire.soap import parse_request
from twisted_detector.wire.http.digest import Challenge, authorization, parse_challenges
from twisted_detector.wire.soap.envelope import envelope, format_time, username_token


class Accounts(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)

    def access(self, **quirks: float) -> SimulatedAccess:
        spec = CameraSpec("10.0.0.1", login=Login("viewer", Secret("right")), quirks=Quirks(**quirks))  # type: ignore[arg-type]
        return SimulatedAccess(spec, clock=self.clock, random=Random(1))

    def digest(
        self, access: SimulatedAccess, password: str, *, auth: Auth = Auth.DIGEST, which: int = 0, uri: str = "/x"
    ) -> AccessVerdict:
        challenge = parse_challenges(access.challenges(auth))[which]
        header = authorization(challenge, "viewer", password, "POST", uri, cnonce="c")
        return access.check(auth, header, "POST", "/x")

    def test_open(self) -> None:
        """A camera without authentication lets everybody in and counts nothing."""
        access = self.access()
        self.assertEqual(access.check(Auth.NONE, "", "POST", "/x"), AccessVerdict.GRANTED)
        self.assertEqual(access.challenges(Auth.NONE), ())

    def test_digest(self) -> None:
        """The right password comes in with either algorithm on offer; SHA-256 is offered first."""
        access = self.access()
        algorithms = [item.algorithm for item in parse_challenges(access.challenges(Auth.DIGEST_SHA256))]
        self.assertEqual(algorithms, ["SHA-256", "MD5"])
        for which in (0, 1):
            self.assertEqual(self.digest(access, "right", auth=Auth.DIGEST_SHA256, which=which), AccessVerdict.GRANTED)
        self.assertEqual(self.digest(access, "right"), AccessVerdict.GRANTED)
        self.assertEqual((access.successes, access.failures), (3, 0))

    def test_digest_refused(self) -> None:
        """A wrong password, a wrong uri, an algorithm that was not offered and another scheme are failures."""
        access = self.access()
        self.assertEqual(self.digest(access, "wrong"), AccessVerdict.REFUSED)
        self.assertEqual(self.digest(access, "right", uri="/y"), AccessVerdict.REFUSED)
        challenge = parse_challenges(access.challenges(Auth.DIGEST))[0]
        stronger = Challenge("digest", challenge.realm, challenge.nonce, "SHA-256", "auth")
        header = authorization(stronger, "viewer", "right", "POST", "/x", cnonce="c")
        self.assertEqual(access.check(Auth.DIGEST, header, "POST", "/x"), AccessVerdict.REFUSED)
        self.assertEqual(access.check(Auth.DIGEST, "Basic dmlld2VyOnJpZ2h0", "POST", "/x"), AccessVerdict.REFUSED)
        self.assertEqual(access.failures, 4)

    def test_uri_of_a_whole_url(self) -> None:
        """For a request line with a whole URL, Digest may name the URL or its path."""
        access = self.access()
        for uri in ("rtsp://h:1/a?b=c", "/a?b=c"):
            challenge = parse_challenges(access.challenges(Auth.DIGEST))[0]
            header = authorization(challenge, "viewer", "right", "PLAY", uri, cnonce="c")
            self.assertEqual(access.check(Auth.DIGEST, header, "PLAY", "rtsp://h:1/a?b=c"), AccessVerdict.GRANTED)

    def test_nonces(self) -> None:
        """An unknown, an expired and a forgotten nonce are stale: asked again, not counted."""
        access = self.access()
        challenge = parse_challenges(access.challenges(Auth.DIGEST))[0]
        header = authorization(challenge, "viewer", "right", "POST", "/x", cnonce="c")
        self.assertEqual(
            access.check(Auth.DIGEST, header.replace(challenge.nonce, "0"), "POST", "/x"), AccessVerdict.STALE
        )
        self.clock.advance(NONCE_SECONDS)
        self.assertEqual(access.check(Auth.DIGEST, header, "POST", "/x"), AccessVerdict.STALE)
        challenge = parse_challenges(access.challenges(Auth.DIGEST))[0]
        header = authorization(challenge, "viewer", "right", "POST", "/x", cnonce="c")
        for _ in range(MAX_NONCES):
            access.challenges(Auth.DIGEST)
        self.assertEqual(access.check(Auth.DIGEST, header, "POST", "/x"), AccessVerdict.STALE)
        self.assertEqual(access.failures, 0)
        self.assertTrue(parse_challenges(access.challenges(Auth.DIGEST, stale=True))[0].stale)

    def test_basic(self) -> None:
        """Basic lets the right pair in, and no other."""
        access = self.access()
        self.assertEqual(access.check(Auth.BASIC, "", "POST", "/x"), AccessVerdict.MISSING)
        self.assertEqual(access.check(Auth.BASIC, "Basic dmlld2VyOnJpZ2h0", "POST", "/x"), AccessVerdict.GRANTED)
        self.assertEqual(access.check(Auth.BASIC, "Basic dmlld2VyOndyb25n", "POST", "/x"), AccessVerdict.REFUSED)

    def token(
        self, access: SimulatedAccess, *, created: float, nonce: bytes = b"n", password: str = "right"
    ) -> AccessVerdict:
        header = username_token("viewer", password, nonce=nonce, created=format_time(created))
        asked = parse_request(envelope("<a/>", header_xml=header))
        return access.check_token(asked.header, now=self.clock.seconds())

    def test_token_window(self) -> None:
        """A token is good within five seconds of the camera's clock, and once."""
        access = self.access()
        now = self.clock.seconds()
        self.assertEqual(self.token(access, created=now + 5, nonce=b"1"), AccessVerdict.GRANTED)
        self.assertEqual(self.token(access, created=now - 6, nonce=b"2"), AccessVerdict.REFUSED)
        self.assertEqual(self.token(access, created=now, nonce=b"1"), AccessVerdict.REFUSED)
        self.assertEqual(self.token(access, created=now, nonce=b"3", password="wrong"), AccessVerdict.REFUSED)
        self.assertEqual(access.check_token(None, now=now), AccessVerdict.MISSING)

    def test_lock(self) -> None:
        """After the allowed failures over all protocols the right password is refused too, until the time is over."""
        access = self.access(lock_after=2, lock_seconds=60)
        self.assertEqual(access.attempts_left, 2)
        self.digest(access, "wrong")
        self.assertEqual((access.attempts_left, access.locked), (1, False))
        self.token(access, created=self.clock.seconds(), password="wrong")
        self.assertEqual((access.locks, access.locked), (1, True))
        self.assertEqual(self.digest(access, "right"), AccessVerdict.LOCKED)
        self.assertEqual(access.check(Auth.DIGEST, "", "POST", "/x"), AccessVerdict.MISSING)
        self.assertEqual(access.refusals_while_locked, 1)
        self.clock.advance(60)
        self.assertEqual(self.digest(access, "right"), AccessVerdict.GRANTED)

    def test_success_forgives(self) -> None:
        """A right login in between sets the count of failures in a row back."""
        access = self.access(lock_after=2)
        for password in ("wrong", "right", "wrong"):
            self.digest(access, password)
        self.assertEqual((access.failures, access.locks), (2, 0))
