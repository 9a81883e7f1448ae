"""The memory of WS-Discovery dialects: what it saves, the few it chooses, and its bounds."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.discovery.wsdiscovery import dialects as module
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.wire.lan.wsdiscovery import Dialect


class Remembering(SynchronousTestCase):
    def setUp(self) -> None:
        self.saved: dict[str, str] = {}
        self.dialects = Dialects(self.saved.__setitem__)

    def test_over_a_restart(self) -> None:
        """What a device answered is saved once each, and known again after a restart in any notation."""
        for dialect in (Dialect.DEVICE, Dialect.ANY, Dialect.ANY):
            self.dialects.record_answer("urn:uuid:CAFE", dialect)
        self.assertEqual({"cafe": "ANY DEVICE"}, self.saved)
        again = Dialects()
        again.restore(self.saved | {"old": "VOLAPUK", "odd": ""})
        self.assertEqual((Dialect.ANY, Dialect.DEVICE), again.of("uuid:cafe"))
        self.assertEqual(tuple(Dialect), again.of("old"))

    def test_cover(self) -> None:
        """The fewest that all known devices answer; what cameras announce when none is known."""
        self.assertEqual((Dialect.TRANSMITTER,), self.dialects.cover())
        for reference in "abc":
            self.dialects.record_answer(reference, Dialect.DEVICE)
        self.dialects.record_answer("a", Dialect.ANY)
        self.assertEqual((Dialect.DEVICE,), self.dialects.cover())
        self.dialects.record_answer("d", Dialect.OASIS)
        self.assertEqual((Dialect.DEVICE, Dialect.OASIS), self.dialects.cover())

    def test_invented_references(self) -> None:
        """A forger fills neither the memory nor the disk, and who was known before stays on disk."""
        self.patch(module, "MAX_DEVICES", 20)
        self.patch(module, "MAX_SAVED", 5)
        self.dialects = Dialects(self.saved.__setitem__)
        self.dialects.record_answer("mine", Dialect.ANY)
        for number in range(1000):
            self.dialects.record_answer(f"forged-{number}", Dialect.DEVICE)
        self.assertEqual((5, 20, "ANY"), (len(self.saved), len(self.dialects._known), self.saved["mine"]))
