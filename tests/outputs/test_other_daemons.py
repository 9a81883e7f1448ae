"""The record of other daemons: who holds a topic, and how much is recorded at most."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.outputs.homeassistant.other_daemons import MAX_DAEMONS, MAX_TOPICS, NoOtherHolds, OtherDaemons

OWNER = "system/camera_detector_health/other/lwt"


class OtherDaemonsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.others = OtherDaemons()

    def test_holding(self) -> None:
        """A topic is held by the daemon that announced there last, as long as it is alive."""
        self.assertTrue(self.others.admit(OWNER))
        self.others.record("a", OWNER)
        self.assertFalse(self.others.holds("a"), "not known to be alive")
        self.others.set_alive(OWNER, True)
        self.assertEqual((True, False), (self.others.holds("a"), self.others.holds("b")))
        self.assertEqual({"a"}, self.others.topics_of(OWNER))
        self.others.forget("a")
        self.assertFalse(self.others.holds("a"))

    def test_bounds(self) -> None:
        """However many topics and daemons there are, a bounded number is recorded; what is no will topic never is."""
        self.assertFalse(any(self.others.admit(owner) for owner in ("x", "+/lwt", "#/lwt")))
        admitted = [self.others.admit(f"{number}/lwt") for number in range(MAX_DAEMONS + 3)]
        self.assertEqual(MAX_DAEMONS, sum(admitted))
        for number in range(MAX_TOPICS + 3):
            self.others.record(str(number), "0/lwt")
        self.assertEqual(MAX_TOPICS, len(self.others.topics_of("0/lwt")))

    def test_nodes(self) -> None:
        """In an election of nodes what we own is held by nobody else."""
        others = NoOtherHolds()
        self.assertTrue(others.admit(OWNER))
        others.record("a", OWNER)
        others.set_alive(OWNER, True)
        self.assertFalse(others.holds("a"))
