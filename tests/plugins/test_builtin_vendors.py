"""Settings go in; the discoverer by manufacturers' protocols comes out, or none."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.discovery.case import made_with
from twisted_detector.plugins.builtin_vendors import VendorsMaker
from twisted_detector.wire.vendors.catalog import PROTOCOLS


class MakerTests(SynchronousTestCase):
    def test_switch(self) -> None:
        """It is made, with all protocols, unless VENDOR_DISCOVERY_ENABLED says no."""
        made = made_with(VendorsMaker())
        self.assertEqual(("vendors", [one.name for one in PROTOCOLS]), (made.name, list(made.methods)))
        self.assertIsNone(made_with(VendorsMaker(), VENDOR_DISCOVERY_ENABLED="no"))
