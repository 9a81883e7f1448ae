"""Codes of links that sign in once: each is good for one time, for a while, and they are few."""

from __future__ import annotations

import os
import re

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import WebSite
from twisted_detector.web.entry.login_codes import LIFETIME, MAX_CODES, LoginCodes

TOKEN = "a-token-of-good-length"
SESSION = "/api/v1/session"


class LoginCodesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.codes = LoginCodes(self.clock.seconds, os.urandom)

    def test_once(self) -> None:
        """A code is good for one time; others, and none at all, are not."""
        code = self.codes.issue()
        self.assertRegex(code, "^[a-hj-km-np-z2-9]{5}-[a-hj-km-np-z2-9]{5}$")
        for wrong in ("", code[:-1], code.upper(), "\udcff"):
            self.assertFalse(self.codes.redeem(wrong), ascii(wrong))
        self.assertEqual([True, False], [self.codes.redeem(code), self.codes.redeem(code)])

    def test_for_a_while(self) -> None:
        """It is good until its end, not at it."""
        early, late = self.codes.issue(), self.codes.issue()
        self.clock.advance(LIFETIME - 1)
        self.assertTrue(self.codes.redeem(early))
        self.clock.advance(1)
        self.assertFalse(self.codes.redeem(late))

    def test_bounded(self) -> None:
        """Of too many the oldest is worth nothing."""
        codes = [self.codes.issue() for _ in range(MAX_CODES + 1)]
        self.assertEqual(MAX_CODES + 1, len(set(codes)))
        self.assertEqual([False] + [True] * MAX_CODES, [self.codes.redeem(code) for code in codes])

    def test_characters(self) -> None:
        """Bytes that would make some characters likelier are thrown away."""
        given = iter([255, 248, *range(0, 240, 24)])
        code = LoginCodes(self.clock.seconds, lambda count: bytes([next(given)]) * count).issue()
        self.assertEqual("a3umd-6xqg9", code)


class SigningInTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(token=TOKEN, listen="0.0.0.0")

    def test_signed_in(self) -> None:
        """A code gets the cookie that the token gets, once; nothing of the token or the code is in the answer."""
        code = self.web.codes.issue()
        got = self.web.ask("POST", SESSION, {"code": code})
        self.assertEqual((200, True), (got.status, got.json["given"]))
        cookie = got.headers["set-cookie"].partition(";")[0]
        self.assertEqual(200, self.web.ask("GET", "/api/v1/cameras", cookie=cookie).status)
        for secret in (TOKEN, code):
            self.assertNotIn(secret, got.raw.decode())
        again = self.web.ask("POST", SESSION, {"code": code})
        self.assertEqual((401, True), (again.status, "camdetect page" in again.json["detail"]))

    def test_too_old(self) -> None:
        """A link of an hour ago is told to be too old."""
        code = self.web.codes.issue()
        self.web.clock.advance(LIFETIME)
        self.assertIn("older than 30 minutes", self.web.ask("POST", SESSION, {"code": code}).json["detail"])

    def test_guessing(self) -> None:
        """Codes are guessed as slowly as tokens, and out of the same purse; no good one is lost to a guesser."""
        code = self.web.codes.issue()
        wrong = [self.web.ask("POST", SESSION, {"code": "x"}).status for _ in range(3)]
        wrong += [self.web.ask("POST", SESSION, {"token": "x"}).status for _ in range(3)]
        self.assertEqual([401] * 5 + [429], wrong)
        self.assertEqual(429, self.web.ask("POST", SESSION, {"code": code}).status)
        self.assertEqual(200, self.web.ask("POST", SESSION, {"code": code}, peer="10.0.0.7").status)

    def test_one_of_both(self) -> None:
        """Neither a token nor a code, or both, is a bad request."""
        for body in ({}, {"token": TOKEN, "code": "x"}):
            self.assertEqual(400, self.web.ask("POST", SESSION, body).status, body)

    def test_not_the_token(self) -> None:
        """A code is no token: no program comes in with it."""
        code = self.web.codes.issue()
        self.assertEqual(401, self.web.ask("GET", "/api/v1/cameras", authorization=f"Bearer {code}").status)
        self.assertIsNone(re.search(code, TOKEN))

    def test_without_a_token(self) -> None:
        """Where no token is needed, none is asked for, and no code either."""
        open_page = WebSite()
        self.assertEqual(200, open_page.ask("POST", SESSION, {"code": "x"}).status)
