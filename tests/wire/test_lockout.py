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
