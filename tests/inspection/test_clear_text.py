"""Where a password may go in clear."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, candidate, inspection, sighting
from twisted_detector.config.logins import LOGINS
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.registry.registry import Registry
from twisted_detector.service.parts import is_identified

HERE = "10.0.0.5"


class ClearTextTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.registry = Registry(lambda event: None)
        seen = self.registry.record_sighting(sighting(HERE, A), 0.0)
        assert seen is not None
        self.key = seen.key
        self.macs = {HERE: A}

    def policy(self, word: str, *, logins: str = "a:b", confirmed: str = "") -> ClearTextPolicy:
        return ClearTextPolicy(
            word,
            confirmed=[ip_network(confirmed)] if confirmed else (),
            neighbours=lambda: self.macs,
            identified=lambda address: is_identified(self.registry, LOGINS.read(logins), address),
        )

    def test_never_and_always(self) -> None:
        """``never`` and ``always`` mean what they say."""
        self.registry.record_inspection(self.key, inspection(), 0.0)
        self.assertFalse(self.policy("never", confirmed="10.0.0.0/24").allows(HERE))
        self.assertTrue(self.policy("always").allows("203.0.113.9"))

    def test_not_whoever_has_just_come(self) -> None:
        """A device that was never published is not known, though its MAC is seen; once it was published it is."""
        self.assertFalse(self.policy("known").allows(HERE))
        self.registry.record_inspection(self.key, inspection(), 0.0)
        self.assertTrue(self.policy("known").allows_candidate(candidate(HERE, A)))

    def test_only_while_its_mac_is_seen(self) -> None:
        """A device that was published is not known where its MAC is not seen, nor is another address."""
        self.registry.record_inspection(self.key, inspection(), 0.0)
        self.assertFalse(self.policy("known").allows("10.0.0.6"))
        self.macs = {}
        self.assertFalse(self.policy("known").allows(HERE))

    def test_listed(self) -> None:
        """What the operator listed is known at once: a network, or a camera by its MAC."""
        self.assertTrue(self.policy("known", confirmed="10.0.0.0/24").allows(HERE))
        self.assertTrue(self.policy("known", logins="[camera 02:00:00:*],a:b").allows(HERE))
        self.assertFalse(self.policy("known", logins="[camera 04:00:00:*],a:b").allows(HERE))
