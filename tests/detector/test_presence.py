"""A question to all before the checks: who answered it is not asked again."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from tests.detector.test_detector import HERE, THERE, XADDR, DetectorCase
from tests.facts import SILENT, A, B, sighting
from twisted_detector.interfaces import IDiscoverer, IQuickSweep, ISightingSink
from twisted_detector.model import Status
from twisted_detector.testing.doubles import Gate, MemoryDiscoverer

REFERENCE = "5f5a69c2-e0ae-504f-829b-00408cabcdef"


@implementer(IDiscoverer, IQuickSweep)
class Caller(MemoryDiscoverer):
    """Answers quick looks with ``answers``; ``late`` is what they wait for."""

    def __init__(self) -> None:
        super().__init__(name="caller")
        self.answers: list[Any] = []
        self.looks = 0
        self.late: Gate | None = None

    async def sweep_quickly(self, sink: ISightingSink) -> None:
        self.looks += 1
        if self.late is not None:
            await self.late.passing()
        for each in self.answers:
            sink.sighted(each)


class RollCallTests(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.caller = Caller()
        self.methods = [self.caller]
        self.start()
        for address, mac in ((HERE, A), (THERE, B)):
            self.watcher.hear(sighting(address, mac, reference=f"{REFERENCE}-{mac.compact}", xaddrs=XADDR))
        # The first full proofs of both, and then the time until just before the next check of all.
        self.clock.pump([1] * 59)
        self.neighbours.macs.clear()
        self.clear()

    def clear(self) -> None:
        self.validator.asked.clear()
        self.validator.glanced.clear()
        self.caller.looks = 0

    def build(self) -> Any:
        detector = super().build()
        detector._examiner._guestbook._standing._every = 1000  # no proof of routine in these minutes
        return detector

    def answer(self, address: str, mac: Any) -> Any:
        return sighting(address, reference=f"{REFERENCE}-{mac.compact}", method="caller")

    def asked(self) -> list[str]:
        return sorted({url.split("/")[2].split(":")[0] for url, _ in self.validator.glanced + self.validator.asked})

    def test_who_answers_is_not_asked(self) -> None:
        """Who answers from where it stands is there; the other is asked."""
        self.caller.answers = [self.answer(HERE, A)]
        self.clock.advance(1)
        self.assertEqual((1, [THERE]), (self.caller.looks, self.asked()))

    def test_nobody_is_looked_up(self) -> None:
        """An answer costs no look-up of a MAC."""
        self.caller.answers = [self.answer(HERE, A), self.answer(THERE, B)]
        before = len(self.neighbours.asked) if hasattr(self.neighbours, "asked") else None
        self.clock.advance(1)
        self.assertEqual([], self.asked())
        if before is not None:
            self.assertEqual(before, len(self.neighbours.asked))

    def test_another_name_or_place_is_no_answer(self) -> None:
        """An answer under another name, or from another address, does not vouch for who stands there."""
        self.caller.answers = [self.answer(HERE, B), self.answer("10.0.0.9", A)]
        self.clock.advance(1)
        self.assertIn(THERE, self.asked())

    def test_an_old_answer_does_not_count(self) -> None:
        """Only answers to this call count: who fell silent is missed at the next."""
        self.caller.answers = [self.answer(HERE, A), self.answer(THERE, B)]
        self.clock.advance(1)
        self.assertEqual([], self.asked())
        self.caller.answers = []
        self.clock.pump([1] * 60)
        self.assertEqual([HERE, THERE], self.asked())

    def test_checks_wait_for_the_answers(self) -> None:
        """The checks begin when the question has ended; without an end, at its time-out."""
        self.caller.late = Gate()
        self.clock.advance(1)
        self.assertEqual((1, []), (self.caller.looks, self.asked()))
        self.clock.pump([1] * 10)
        self.assertEqual([HERE, THERE], self.asked())

    def test_offline_as_ever(self) -> None:
        """A camera that answers neither is offline after three checks; the question changes nothing about that."""
        self.caller.answers = [self.answer(THERE, B)]
        self.validator.answers[f"rtsp://{HERE}:554/main"] = SILENT
        self.clock.pump([1] * 121)
        by_id = {camera.id: camera.status for camera in self.registry.cameras()}
        self.assertEqual({A.compact: Status.OFFLINE, B.compact: Status.ONLINE}, by_id)
