"""Challenges and answers: the examples of the RFCs, the oddities of devices, and bytes of nobody."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.testing.simulator.wire.digest import format_challenge, parse_authorization, verify
from twisted_detector.wire.http.digest import MAX_CHALLENGES, Challenge, authorization, choose, parse_challenges

RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

TABLE = [
    ('Digest realm="r", nonce="n"', [Challenge("digest", "r", "n")]),
    ('Digest realm="r",nonce="n",stale="FALSE"', [Challenge("digest", "r", "n")]),
    ('Digest realm="r", nonce="n", stale=TRUE', [Challenge("digest", "r", "n", stale=True)]),
    ('dIgEsT Realm = "r" ,\tNONCE= "n"', [Challenge("digest", "r", "n")]),
    ('Digest realm="a, b", nonce="n"', [Challenge("digest", "a, b", "n")]),
    (r'Digest realm="say \"hi\"", nonce="n"', [Challenge("digest", 'say "hi"', "n")]),
    ('Digest realm="say "hi" there", nonce="n"', [Challenge("digest", 'say "hi" there', "n")]),
    ('Digest nonce="n", realm="say "hi""', [Challenge("digest", 'say "hi"', "n")]),
    ('Digest realm="r"", nonce="n"', [Challenge("digest", "r", "n")]),
    ("Digest realm=r, nonce=n, algorithm=md5", [Challenge("digest", "r", "n", "md5")]),
    ('Digest realm="r",\r\n  nonce="n",', [Challenge("digest", "r", "n")]),
    (',, Digest realm="r", nonce="n",,', [Challenge("digest", "r", "n")]),
    ('Digest realm="r", nonce="n", opaque=""', [Challenge("digest", "r", "n", opaque="")]),
    ('Digest realm="r", nonce="n', [Challenge("digest", "r", "n")]),
    ("Basic", [Challenge("basic")]),
    ('Basic realm="/"', [Challenge("basic", "/")]),
    (
        'Basic realm="b", Digest realm="d", nonce="n", qop="auth,auth-int"',
        [Challenge("basic", "b"), Challenge("digest", "d", "n", qop="auth,auth-int")],
    ),
    ('Digest realm="r" nonce="n" algorithm=md5 stale=FALSE', [Challenge("digest", "r", "n", "md5")]),
    ('Digest realm="r"nonce="n"opaque="o"', [Challenge("digest", "r", "n", opaque="o")]),
    ('Digest realm="r"; nonce="n"; stale=true', [Challenge("digest", "r", "n", stale=True)]),
    ("Digest realm=r nonce=n== qop=auth", [Challenge("digest", "r", "n==", qop="auth")]),
    ("Digest realm=IP Camera, nonce=n", [Challenge("digest", "IP Camera", "n")]),
    ("Digest realm=IP Camera nonce=n", [Challenge("digest", "IP Camera", "n")]),
    ("Basic realm=a b Digest realm=c, nonce=n", [Challenge("basic", "a b"), Challenge("digest", "c", "n")]),
    ('Basic realm="b" Digest realm="d" nonce="n"', [Challenge("basic", "b"), Challenge("digest", "d", "n")]),
    ('Digest realm="a=b c=d" nonce="n"', [Challenge("digest", "a=b c=d", "n")]),
    ('Digest realm="\udcba\udca3" nonce="n"', [Challenge("digest", "\udcba\udca3", "n")]),
    ('Digest realm="no nonce"', []),
    ('Digest realm="r", nonce=""', [Challenge("digest", "r", "")]),
    ("Negotiate, NTLM TlRMTVNTUAACAAAA", []),
    ('Negotiate abc==, Digest realm="r", nonce="n"', [Challenge("digest", "r", "n")]),
    ("", []),
    ('="x", realm="nobody\'s"', []),
]


class ParseChallenges(SynchronousTestCase):
    def test_table(self) -> None:
        """Each header gives exactly the challenges beside it."""
        for header, expected in TABLE:
            self.assertEqual(parse_challenges([header]), tuple(expected), header)

    def test_several_headers(self) -> None:
        """Challenges of several header lines come in the order of the lines."""
        self.assertEqual([c.algorithm for c in parse_challenges(RFC_7616)], ["SHA-256", "MD5"])

    def test_formatted(self) -> None:
        """What is formatted is read back as it was."""
        for challenge in (
            Challenge("digest", 'a "b", c', "n\\", "SHA-256", "auth", "o", True),
            Challenge("basic", "r"),
        ):
            self.assertEqual(parse_challenges([format_challenge(challenge)]), (challenge,))

    def test_bounded(self) -> None:
        """A header full of challenges gives a bounded number of them."""
        self.assertEqual(len(parse_challenges(["Basic," * 1000] * 3)), MAX_CHALLENGES)

    def test_truncated(self) -> None:
        """A header cut at any byte gives no more than what the whole one gives, and never an error."""
        for header in RFC_7616:
            for end in range(len(header)):
                self.assertLessEqual(len(parse_challenges([header[:end]])), 1)

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.text(alphabet='Digestrealmnoc="\\, \r\n\x00=é', max_size=80), max_size=4))
    def test_any_text(self, headers: list[str]) -> None:
        """No text is an error, and no control character comes out of one."""
        for challenge in parse_challenges(headers):
            self.assertFalse(set(challenge.realm + challenge.nonce) & set("\r\n\x00"))


class Same(SynchronousTestCase):
    def test_the_same_question(self) -> None:
        """A new nonce asks the same; another realm, scheme, algorithm or quality of protection does not."""
        one = Challenge("digest", "r", "n", qop="auth")
        for other, same in (
            (Challenge("digest", "r", "m", "MD5", "auth", "o", True), True),
            (Challenge("digest", "s", "n", qop="auth"), False),
            (Challenge("digest", "r", "n", "SHA-256", "auth"), False),
            (Challenge("digest", "r", "n"), False),
            (Challenge("basic", "r"), False),
        ):
            self.assertEqual(same, one.asks_the_same(other), other)


class Choose(SynchronousTestCase):
    MD5 = Challenge("digest", "r", "n")
    SHA = Challenge("digest", "r", "n", "SHA-256")
    BASIC = Challenge("basic", "r")
    ODD = Challenge("digest", "r", "n", "SHA3-512")
    TOKEN = Challenge("digest", "r", "n", qop="token")

    def test_strongest(self) -> None:
        """SHA-256 comes before MD5 before Basic, wherever they stand."""
        self.assertIs(choose([self.BASIC, self.MD5, self.SHA], allow_basic=True), self.SHA)
        self.assertIs(choose([self.BASIC, self.MD5], allow_basic=True), self.MD5)

    def test_basic(self) -> None:
        """Basic is chosen only when it is allowed."""
        self.assertIsNone(choose([self.BASIC], allow_basic=False))
        self.assertIs(choose([self.BASIC], allow_basic=True), self.BASIC)

    def test_unknown(self) -> None:
        """An unknown algorithm or quality of protection is never chosen."""
        self.assertIsNone(choose([self.ODD, self.TOKEN], allow_basic=False))
        self.assertIs(choose([self.ODD, self.MD5], allow_basic=False), self.MD5)


class Authorization(SynchronousTestCase):
    def answer(self, challenge: Challenge, **arguments: object) -> dict[str, str]:
        said = {"cnonce": CNONCE, **arguments}
        text = authorization(challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html", **said)  # type: ignore
        return parse_authorization(text)[1]

    def test_rfc_7616(self) -> None:
        """The two answers of RFC 7616 section 3.9.1 are ours."""
        sha256, md5 = parse_challenges(RFC_7616)
        self.assertEqual(
            self.answer(sha256)["response"], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        )
        self.assertEqual(self.answer(md5)["response"], "8ca523f5e9506fed4657c9700eebdbec")

    def test_rfc_2617(self) -> None:
        """The answer of RFC 2617 section 3.5 is ours, with its count and opaque."""
        [challenge] = parse_challenges(
            [
                'Digest realm="testrealm@host.com", qop="auth,auth-int", '
                'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
            ]
        )
        text = authorization(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", cnonce="0a4f113b")
        given_back = parse_authorization(text)[1]
        self.assertEqual(given_back["response"], "6629fae49393a05397450978507c4ef1")
        self.assertEqual((given_back["nc"], given_back["opaque"]), ("00000001", challenge.opaque))
        self.assertIn("qop=auth,", text)

    def test_rfc_2069(self) -> None:
        """Without qop the old form is used, and nothing of the new one is sent."""
        text = authorization(
            Challenge("digest", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093"),
            "Mufasa",
            "CircleOfLife",
            "GET",
            "/dir/index.html",
            cnonce="unused",
        )
        self.assertEqual(parse_authorization(text)[1]["response"], "1949323746fe6a43ef61f9606e7febea")
        for word in ("cnonce", "nc=", "qop", "algorithm", "opaque"):
            self.assertNotIn(word, text)

    def test_order(self) -> None:
        """What the response is made of stands before it: some cameras read no further."""
        for algorithm, qop, names in (
            ("", "", "username realm nonce uri response opaque"),
            ("MD5", "auth", "username realm nonce uri cnonce nc qop response opaque algorithm"),
            ("MD5-sess", "", "username realm nonce uri cnonce response opaque algorithm"),
        ):
            challenge = Challenge("digest", "r", "n", algorithm, qop, opaque="o")
            text = authorization(challenge, "u", "p", "GET", "/", cnonce="c")
            self.assertEqual([one.strip().partition("=")[0] for one in text[7:].split(",")], names.split())

    def test_count(self) -> None:
        """The count of uses of a nonce changes the answer and is said in eight hexadecimal digits."""
        [challenge, _] = parse_challenges(RFC_7616)
        first, second = self.answer(challenge), self.answer(challenge, nonce_count=17)
        self.assertEqual(second["nc"], "00000011")
        self.assertNotEqual(first["response"], second["response"])

    def test_basic(self) -> None:
        """The answer of RFC 7617 section 2 is ours."""
        self.assertEqual(
            authorization(Challenge("basic"), "Aladdin", "open sesame", "GET", "/", cnonce=""),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        )

    def test_ours(self) -> None:
        """What would break the header or cannot be answered is our error, not the device's."""
        digest = Challenge("digest", "r", "n")
        for challenge, name, uri in (
            (digest, "a\r\nX: y", "/"),
            (digest, "a", "/\n"),
            (Challenge("digest", "r", "n", "SHA3-512"), "a", "/"),
            (Challenge("basic"), "a:b", "/"),
        ):
            with self.assertRaises(LocalError):
                authorization(challenge, name, "p", "GET", uri, cnonce="c")


class Verify(SynchronousTestCase):
    CHALLENGES = (
        Challenge("digest", "r", "n"),
        Challenge("digest", "r", "n", qop="auth"),
        Challenge("digest", "r", "n", "MD5-sess", "auth"),
        Challenge("digest", "r", "n", "SHA-256", "auth-int"),
        Challenge("digest", "r", "n", "SHA-512-256", "auth"),
        Challenge("basic", "r"),
    )

    def test_right_and_wrong(self) -> None:
        """A server accepts the right password, and refuses a wrong one, an unknown user, a wrong method."""
        for challenge in self.CHALLENGES:
            header = authorization(challenge, "us\\er", 'pä"ss', "POST", "/a?b", cnonce="c", body=b"body")
            passwords = {"us\\er": 'pä"ss'}.get
            self.assertTrue(verify(header, "POST", passwords, challenge=challenge, body=b"body"), challenge)
            self.assertFalse(verify(header, "POST", {"us\\er": "other"}.get, challenge=challenge, body=b"body"))
            self.assertFalse(verify(header, "POST", {}.get, challenge=challenge, body=b"body"))
            if challenge.scheme == "digest":
                self.assertFalse(verify(header, "GET", passwords, challenge=challenge, body=b"body"))

    def test_body(self) -> None:
        """With auth-int another body is refused."""
        challenge = self.CHALLENGES[3]
        header = authorization(challenge, "u", "p", "POST", "/", cnonce="c", body=b"one")
        self.assertFalse(verify(header, "POST", {"u": "p"}.get, challenge=challenge, body=b"two"))

    def test_another_challenge(self) -> None:
        """An answer to another nonce, realm, algorithm or scheme is refused although the password is right."""
        asked = Challenge("digest", "r", "n", qop="auth")
        for other in (
            Challenge("digest", "r", "older", qop="auth"),
            Challenge("digest", "s", "n", qop="auth"),
            Challenge("digest", "r", "n", "SHA-256", "auth"),
            Challenge("basic", "r"),
        ):
            header = authorization(other, "u", "p", "POST", "/", cnonce="c")
            self.assertTrue(verify(header, "POST", {"u": "p"}.get))
            self.assertFalse(verify(header, "POST", {"u": "p"}.get, challenge=asked))

    def test_garbage(self) -> None:
        """A header that cannot be read is a refused login."""
        for header in ("", "Basic", "Basic !!!", "Basic /w==", "Digest", "Bearer x", "Digest username=u", "\x00"):
            self.assertFalse(verify(header, "GET", lambda name: ""), header)
