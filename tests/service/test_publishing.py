"""What of an earlier run is said again at a start."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.outputs.topics import Topics
from twisted_detector.service.publishing import is_of_several_nodes


class SeveralNodes(SynchronousTestCase):
    def test_topics(self) -> None:
        """Neither states of cameras nor Frigate's configuration: other nodes may have written them since."""
        topics = Topics(prefix="site", node_id="north")
        for topic in (topics.status("c1"), topics.discovery("c1"), topics.frigate_cameras):
            self.assertTrue(is_of_several_nodes(topics, topic), topic)
        for topic in (*topics.health, topics.node, "frigate/config/cameras"):
            self.assertFalse(is_of_several_nodes(topics, topic), topic)
