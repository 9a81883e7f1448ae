"""Where a password may go in clear."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, candidate, inspection, login, sighting
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.model import Adoption
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.registry import Registry
from twisted_detector.service.knowledge import candidates_at

HERE = "10.0.0.5"


class ClearTextTests(SynchronousTestCase):
    """A device at HERE that was found in the first run, and published."""

    def setUp(self) -> None:
        book = AdoptionBook(mode="first-run")
        book.begin(known=False, now=0.0)
        self.registry = Registry(lambda event: None, adoption=book)
        self.saved: dict[str, str] = {}
        self.budget = LoginBudget([login()], salt="s", save=self.saved.__setitem__)
        seen = self.registry.record_sighting(sighting(HERE, A), 0.0)
        assert seen is not None
        self.key = seen.key
        self.registry.record_inspection(self.key, inspection(), 0.0)
        self.macs = {HERE: A}

    def policy(self, word: str = "known", *, confirmed: str = "") -> ClearTextPolicy:
        return ClearTextPolicy(
            word,
            confirmed=lambda: [ip_network(confirmed)] if confirmed else (),
            neighbours=lambda: self.macs,
            candidates_at=partial(candidates_at, self.registry),
            took_digest=self.budget.took_digest,
        )

    def test_never_and_always(self) -> None:
        """``never`` and ``always`` mean what they say."""
        self.registry.adopt(A.compact, 1.0)
        self.assertFalse(self.policy("never", confirmed="10.0.0.0/24").allows(HERE))
        self.assertFalse(self.policy("never").allows_candidate(candidate(adoption=Adoption.PERSON)))
        self.assertTrue(self.policy("always").allows("203.0.113.9"))

    def test_only_whom_a_person_vouches_for(self) -> None:
        """Being there, published and adopted in the first run is not enough; a person's word is."""
        self.assertEqual(Adoption.FIRST_RUN, self.registry.candidate(self.key).adoption)
        self.assertFalse(self.policy().allows(HERE))
        self.assertFalse(self.policy().allows_candidate(self.registry.candidate(self.key)))
        self.registry.adopt(A.compact, 1.0)
        self.assertTrue(self.policy().allows(HERE))
        self.assertTrue(self.policy().allows_candidate(self.registry.candidate(self.key)))
        self.registry.unadopt(A.compact, 2.0)
        self.assertFalse(self.policy().allows(HERE))

    def test_listed(self) -> None:
        """What the operator listed may have it: a network, or the device itself, while its MAC is seen."""
        self.assertTrue(self.policy(confirmed="10.0.0.0/24").allows("10.0.0.77"))
        listed = candidate(adoption=Adoption.LISTED)
        self.assertTrue(self.policy().allows_candidate(listed))
        self.macs = {}
        self.assertFalse(self.policy().allows_candidate(listed))

    def test_only_while_its_mac_is_seen(self) -> None:
        """Another MAC at its address, or none, may be another device: nothing in clear."""
        self.registry.adopt(A.compact, 1.0)
        self.assertFalse(self.policy().allows("10.0.0.6"))
        for macs in ({}, {HERE: B}):
            self.macs = macs
            self.assertFalse(self.policy().allows(HERE), macs)

    def test_whoever_else_stands_there(self) -> None:
        """Of several devices at one address each must be one that may have it: which of them asks is not known."""
        self.registry.adopt(A.compact, 1.0)
        self.registry.record_sighting(sighting(HERE, A, "other", xaddrs=(f"http://{HERE}:81/o",)), 2.0)
        self.registry.record_sighting(sighting(HERE, A, "camera", xaddrs=(f"http://{HERE}:80/o",)), 3.0)
        if len(self.registry.keys_at(HERE)) > 1:
            self.assertFalse(self.policy().allows(HERE))

    def test_never_who_took_digest(self) -> None:
        """A device that took Digest once gets nothing in clear, listed or not, after a restart and a move too."""
        self.registry.adopt(A.compact, 1.0)
        self.budget.record_digest(self.registry.candidate(self.key))
        again = LoginBudget([login()], salt="s", save=self.saved.__setitem__)
        again.restore(self.saved)
        self.budget = again
        self.assertFalse(self.policy().allows(HERE))
        self.assertFalse(self.policy(confirmed="10.0.0.0/24").allows(HERE))
        self.assertFalse(self.policy().allows_candidate(candidate("10.0.0.99", A, adoption=Adoption.PERSON)))
        self.assertTrue(self.policy("always").allows(HERE))

    def test_blocked(self) -> None:
        """A blocked device gets nothing, even in a listed network."""
        self.assertFalse(self.policy(confirmed="10.0.0.0/24").allows_candidate(candidate(adoption=Adoption.BLOCKED)))
