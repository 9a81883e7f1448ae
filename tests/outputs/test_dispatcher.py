"""The dispatcher of events to outputs, and what it is told to hold back."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import HOME_CAMERA as CAMERA
from twisted_detector.events import CameraOnline, Event
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.outputs.voice import Admission, Voice
from twisted_detector.testing.doubles import RecordingPublisher

TOPICS = Topics(prefix="", node_id="node1")


class AdmissionTest(SynchronousTestCase):
    """What is published of an event."""

    def published(self, admission: Admission) -> list[str]:
        publisher, asked = RecordingPublisher(), list[Event]()

        def admit(event: Event) -> Admission:
            asked.append(event)
            return admission

        dispatcher = OutputDispatcher([TopicsOutput(TOPICS)], publish=publisher.publish, voice=Voice(admit))
        dispatcher.handle(CameraOnline(1.0, CAMERA))
        self.assertEqual(1, len(asked))
        return [message.topic for message in publisher.messages]

    def test_all(self) -> None:
        """Everything, as where nobody is asked."""
        topics = {TOPICS.discovery(CAMERA.id), TOPICS.status(CAMERA.id), TOPICS.event(CAMERA.id)}
        self.assertEqual(topics, set(self.published(Admission.ALL)))

    def test_news(self) -> None:
        """What is not retained."""
        self.assertEqual([TOPICS.event(CAMERA.id)], self.published(Admission.NEWS))

    def test_nothing(self) -> None:
        """Nothing at all."""
        self.assertEqual([], self.published(Admission.NOTHING))
