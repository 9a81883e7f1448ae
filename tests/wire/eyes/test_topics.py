"""Topics of an eye."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.wire.eyes.topics import EyeTopics


class TopicTests(SynchronousTestCase):
    def test_names(self) -> None:
        """They stand below the prefix, where there is one, and have the eye's name."""
        self.assertEqual("system/camera_detector_eye/barn/report", EyeTopics("", "barn").report)
        self.assertEqual("site/system/camera_detector_eye/barn/invitation", EyeTopics("site", "barn").invitation)
        self.assertEqual("system/camera_detector_eye/barn/lwt", EyeTopics("", "barn").lwt)
