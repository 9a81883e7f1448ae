"""Presence check: a camera that answered the quick sweep before the checks is not asked again."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from tests.detector.case import HERE, THERE, XADDR, DetectorCase
from tests.facts import SILENT, A, B, sighting
from twisted_detector.interfaces import IDiscoverer, IQuickSweep, ISightingSink
from twisted_detector.model import Status
from twisted_detector.testing.doubles import Gate, MemoryDiscoverer

REFERENCE = "5f5a69c2-e0ae-504f-829b-00408cabcdef"


@implementer(IDiscoverer, IQuickSweep)
class QuickDiscoverer(MemoryDiscoverer):
    """Answers quick sweeps with ``answers``; ``late`` is what they wait for."""

    def __init__(self) -> None:
        super().__init__(name="quick")
        self.answers: list[Any] = []
        self.quick_sweeps = 0
        self.late: Gate | None = None

    async def sweep_quickly(self, sink: ISightingSink) -> None:
        self.quick_sweeps += 1
        if self.late is not None:
            await self.late.wait()
        for each in self.answers:
            sink.sighted(each)


class PresenceTests(DetectorCase):
    proof_every = 1000  # no full proof of routine in these minutes

    def setUp(self) -> None:
        super().setUp()
        self.method = QuickDiscoverer()
        self.methods = [self.method]
        self.start()
        for address, mac in ((HERE, A), (THERE, B)):
            self.watcher.report(sighting(address, mac, reference=f"{REFERENCE}-{mac.compact}", xaddrs=XADDR))
        # The first full proofs of both, and then the time until just before the next check of all.
        self.clock.pump([1] * 59)
        self.neighbours.macs.clear()
        self.clear()

    def clear(self) -> None:
        self.validator.validated.clear()
        self.validator.checked.clear()
        self.method.quick_sweeps = 0

    def answer(self, address: str, mac: Any) -> Any:
        return sighting(address, reference=f"{REFERENCE}-{mac.compact}", method="quick")

    def asked(self) -> list[str]:
        return sorted({url.split("/")[2].split(":")[0] for url, _ in self.validator.checked + self.validator.validated})

    def test_who_answers_is_not_asked(self) -> None:
        """Who answers from where it stands is there; the other is asked."""
        self.method.answers = [self.answer(HERE, A)]
        self.clock.advance(1)
        self.assertEqual((1, [THERE]), (self.method.quick_sweeps, self.asked()))

    def test_nobody_is_looked_up(self) -> None:
        """An answer costs no look-up of a MAC."""
        self.method.answers = [self.answer(HERE, A), self.answer(THERE, B)]
        before = len(self.neighbours.lookups) if hasattr(self.neighbours, "asked") else None
        self.clock.advance(1)
        self.assertEqual([], self.asked())
        if before is not None:
            self.assertEqual(before, len(self.neighbours.lookups))

    def test_another_name_or_place_is_no_answer(self) -> None:
        """An answer under another name, or from another address, does not vouch for who stands there."""
        self.method.answers = [self.answer(HERE, B), self.answer("10.0.0.9", A)]
        self.clock.advance(1)
        self.assertIn(THERE, self.asked())

    def test_an_old_answer_does_not_count(self) -> None:
        """Only answers to this call count: who fell silent is missed at the next."""
        self.method.answers = [self.answer(HERE, A), self.answer(THERE, B)]
        self.clock.advance(1)
        self.assertEqual([], self.asked())
        self.method.answers = []
        self.clock.pump([1] * 60)
        self.assertEqual([HERE, THERE], self.asked())

    def test_checks_wait_for_the_answers(self) -> None:
        """The checks begin when the question has ended; without an end, at its time-out."""
        self.method.late = Gate()
        self.clock.advance(1)
        self.assertEqual((1, []), (self.method.quick_sweeps, self.asked()))
        self.clock.pump([1] * 10)
        self.assertEqual([HERE, THERE], self.asked())

    def test_offline_as_ever(self) -> None:
        """A camera that answers neither is offline after three checks; the question changes nothing about that."""
        self.method.answers = [self.answer(THERE, B)]
        self.validator.answers[f"rtsp://{HERE}:554/main"] = SILENT
        self.clock.pump([1] * 121)
        by_id = {camera.id: camera.status for camera in self.registry.cameras()}
        self.assertEqual({A.compact: Status.OFFLINE, B.compact: Status.ONLINE}, by_id)
