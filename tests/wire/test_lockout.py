"""The words in which devices warn that they lock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.wire.http.lockout import MAX_TEXT, Lockout, read_lockout


class Words(SynchronousTestCase):
    def test_lockout(self) -> None:
        """Attempts left and locks are read from the words of vendors, and not from other numbers."""
        for text, left, locked in (
            ("You still have 5 attempt(s)", 5, False),
            ("Login failed, 1 more attempt", 1, False),
            ("Remaining attempts: 3", 3, False),
            ("attempts left: 0", 0, False),
            ("no attempts left", 0, False),
            ("Wrong password. No more attempts", 0, False),
            ("Remaining retry times: 3", 3, False),
            ("password error,left times:4", 4, False),
            ("2 tries left", 2, False),
            ("<lockStatus>unlock</lockStatus><unlockTime>0</unlockTime><retryLoginTime>4</retryLoginTime>", 4, False),
            ("<lockStatus>lock</lockStatus><unlockTime>1791</unlockTime><retryLoginTime>0</retryLoginTime>", 0, True),
            ('{"lockStatus": "unlock", "retryLoginTime": 6}', 6, False),
            ("账号已被锁定", None, True),
            ("密码错误，您还可以尝试3次", 3, False),
            ("Retry 3 times", None, False),
            ("There is no login attempted yet", None, False),
            ("No attempt was made to connect to the encoder", None, False),
            ("Please retry after 5 seconds", None, False),
            ("Content remaining times out at 5", None, False),
            ("The account is locked for 1800 seconds", None, True),
            ("Illegal login", None, True),
            ("too many failures", None, True),
            ("Attempt to open 192", None, False),
            ("clock block 12", None, False),
            ("", None, False),
        ):
            self.assertEqual(Lockout(left, locked), read_lockout(text), text)

    def test_what_follows(self) -> None:
        """Any word of it ends the trying, and people are told which."""
        for said, counts, word in (
            (Lockout(24), True, "counts"),
            (Lockout(0), True, "counts"),
            (Lockout(None, True), True, "locked"),
            (Lockout(3, True), True, "locked"),
        ):
            self.assertEqual(counts, said.warns)
            self.assertIn(word, said.text)
        self.assertFalse(Lockout().warns)

    def test_a_book(self) -> None:
        """A text is not read beyond a sensible length."""
        self.assertFalse(read_lockout("x" * MAX_TEXT + " locked").warns)
