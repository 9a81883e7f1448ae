"""What each kind of adoption allows."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Adoption


class AdoptionTests(SynchronousTestCase):
    def test_what_it_allows(self) -> None:
        """Logins go to all but new and blocked ones; a password in clear only where a person vouches."""
        self.assertEqual({"listed", "person", "first-run", "seen"}, {one.value for one in Adoption if one.is_adopted})
        self.assertEqual({"listed", "person"}, {one.value for one in Adoption if one.is_trusted})
        self.assertTrue(all(one.is_adopted for one in Adoption if one.is_trusted))
