"""Which cameras a word means."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.show import matching
from twisted_detector.model import Camera


class Showing(SynchronousTestCase):
    cameras = (
        Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door"),
        Camera("aabbccddeeff_2", "aabbccddeeff", "10.0.0.9", name="Yard"),
        Camera("001122334455", "001122334455", "10.0.0.10", name="Yard"),
    )

    def test_which(self) -> None:
        """A camera is meant by id, by MAC as people write it, by address or by name; all that it fits are shown."""
        for word, ids in (
            ("aabbccddeeff", [0]),
            ("AA:BB:CC:DD:EE:FF", [0]),
            ("10.0.0.9", [0, 1]),
            ("yard", [1, 2]),
            ("nobody", []),
        ):
            self.assertEqual(matching(self.cameras, word), [self.cameras[index] for index in ids], word)
