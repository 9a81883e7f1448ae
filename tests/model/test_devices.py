"""Values about devices."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import (
    Interface,
)


class InterfaceTests(SynchronousTestCase):
    def test_interface_version(self) -> None:
        """An interface tells which IP it speaks."""
        self.assertEqual((4, 6), (Interface("e", 1, "10.0.0.1", 24).version, Interface("e", 1, "fe80::1", 64).version))
