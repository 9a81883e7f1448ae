"""The words in which devices warn that they lock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.wire.lockout import MAX_TEXT, Lockout, read_lockout


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
        """Any word of it ends the trying; only a lock, or the last attempt, forbids the first login too."""
        for said, counts, hopeless in (
            (Lockout(), False, False),
            (Lockout(24), True, False),
            (Lockout(2), True, False),
            (Lockout(1), True, True),
            (Lockout(0), True, True),
            (Lockout(None, True), True, True),
        ):
            self.assertEqual((counts, hopeless), (said.counts, said.hopeless), said)

    def test_a_book(self) -> None:
        """A text is not read beyond a sensible length."""
        self.assertFalse(read_lockout("x" * MAX_TEXT + " locked").counts)
