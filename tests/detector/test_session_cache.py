"""Session cache: cheap checks between full proofs."""

from __future__ import annotations

from tests.detector.case import GOOD, HERE, MAIN, OTHER, SUB, THERE, RunnerCase, asks_login, is_good
from tests.facts import PLAYS, SILENT, inspection, stream
from twisted_detector.detector import inspection_session as session_module
from twisted_detector.model import Mac, Proof, Status, StreamReport
from twisted_detector.testing.doubles import Guarded


class CheapCheckTests(RunnerCase):
    """Between full proofs."""

    proof_every = 4

    def setUp(self) -> None:
        super().setUp()
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        self.key = self.inspect()
        while not self.proved():  # the first count is another for each device
            pass
        self.listener.take()

    def proved(self) -> bool:
        """Check once; whether that was a full proof."""
        self.validator.checked.clear()
        self.check(self.key)
        return bool(self.validator.validated)

    def test_every_so_often(self) -> None:
        """Every fourth check is a full proof, the others ask one stream one question, in turn; nothing is told."""
        proofs = []
        for _ in range(8):
            proofs.append(self.proved())
            self.assertEqual(not proofs[-1], len(self.validator.checked) == 1)
        self.assertEqual([False, False, False, True] * 2, proofs)
        self.assertEqual((Status.ONLINE, []), (self.camera().status, self.listener.events))
        self.assertIs(Proof.KEYFRAME, self.camera().streams[0].proof)

    def test_spread(self) -> None:
        """The proofs of devices that were found together do not come together."""
        keys = [self.key]
        for number in range(7, 30):
            address = f"10.0.0.{number}"
            self.onvif.answers[address] = inspection(address)
            keys.append(self.inspect(self.see(address, Mac.parse(f"02:00:00:00:01:{number:02x}"))))
        counts = []
        for _ in range(12):
            proofs = 0
            for key in keys:
                self.check(key)
                proofs += bool(self.validator.validated)
            counts.append(proofs)
        self.assertLess(max(counts), len(keys) / 2)
        self.assertGreater(min(counts), 0)

    def test_present(self) -> None:
        """A device that has just shown itself is not asked, until its proof is due; it is still there."""
        self.is_present = lambda key: key == self.key
        before = self.camera()
        self.clock.advance(60)
        self.assertFalse(self.proved())
        self.assertEqual(([], []), (self.validator.checked, self.listener.events))
        self.assertEqual(self.clock.seconds(), self.camera().last_seen)
        self.assertEqual(before.last_validated, self.camera().last_validated)
        self.assertEqual([False, False, True], [self.proved() for _ in range(3)])

    def test_dead(self) -> None:
        """A device that does not answer is offline after as many checks as ever, and back after a full proof."""
        self.validator.answers[MAIN] = self.validator.answers[SUB] = SILENT
        for status in (Status.ONLINE, Status.ONLINE, Status.OFFLINE):
            self.check(self.key)
            self.assertIs(status, self.camera().status)
        self.validator.answers.clear()
        self.is_present = lambda key: True
        self.assertTrue(self.proved())
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_doubt(self) -> None:
        """What the cheap check doubts is judged by the full proof that follows, and proved again at the next check."""
        self.validator.answers[MAIN] = self.validator.answers[SUB] = StreamReport(Proof.RTSP, False, "404")
        self.check(self.key)
        self.assertEqual(1, len(self.validator.validated))
        self.validator.answers.clear()
        self.assertTrue(self.proved())
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_moved(self) -> None:
        """After a move only a full proof will do, whoever answers."""
        self.is_present = lambda key: True
        self.see(THERE)
        self.assertTrue(self.proved())

    def test_another_login(self) -> None:
        """After a login was accepted or withdrawn only a full proof will do."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.inspect(self.key)
        while not self.proved():
            pass
        self.assertFalse(self.proved())
        self.budget.record_refused(self.registry.candidate(self.key), OTHER, self.clock.seconds(), True)
        self.assertTrue(self.proved())

    def test_on_command(self) -> None:
        """An inspection is always a full proof."""
        self.validator.validated.clear()
        self.inspect(self.key)
        self.assertEqual([MAIN, SUB], [url for url, _ in self.validator.validated])

    def test_refused_where_it_was_let_in(self) -> None:
        """A login that is refused after it played is not a bad password yet: busy, one attempt, tried again later."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.inspect(self.key)
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.validator.validated.clear()
        self.validator.checked.clear()
        for _ in range(5):
            self.run_it(self.runner.routine.check(self.key))
        self.assertEqual((Status.BUSY, session_module.DOUBT), self.state())
        self.assertEqual("busy", self.camera().streams[0].code)
        said = [name for _, name in self.validator.validated + self.validator.checked]
        self.assertEqual(1, said.count("good"))
