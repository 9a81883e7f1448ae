"""The command ``login``: what a person's word makes of logins that were refused."""

from __future__ import annotations

from typing import Any

from tests.detector.case import HERE, DetectorCase
from tests.facts import login, sighting
from twisted_detector.errors import RemoteError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.model import Mac
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.testing.doubles import RecordingPublisher

ONE, TWO = login("one", "canary-1"), login("two", "canary-2")
XADDR = f"http://{HERE}/onvif/device_service"


class RetryTests(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.budget = LoginBudget([ONE, TWO], salt="s", save=lambda key, text: None, work=2)
        self.commands = MqttCommands(
            self.clock,
            detector=self.detector,
            registry=self.registry,
            node_id="n",
            topic="result",
            publish=RecordingPublisher().publish,
            budget=self.budget,
        )
        self.watcher.report(sighting(HERE, Mac("02:00:00:00:00:0a"), xaddrs=(XADDR,)))
        self.clock.pump([1] * 30)
        [self.camera] = self.registry.cameras()
        key = self.registry.key_of_camera(self.camera.id)
        assert key is not None
        self.device = self.registry.candidate(key)

    def retry(self, **fields: Any) -> dict[str, Any]:
        return self.commands.execute({"command": "login", "action": "retry", **fields})

    def refuse(self) -> None:
        self.budget.record_refused(self.device, ONE, self.clock.seconds(), False)

    def names(self) -> list[str]:
        return [one.name for one in self.budget.allowed_logins(self.device, self.clock.seconds())]

    def test_by_camera_and_by_address(self) -> None:
        """The refused login may be tried again, and the camera is asked at once."""
        for fields in ({"camera_id": self.camera.id}, {"address": HERE}):
            self.refuse()
            self.clock.advance(WINDOW)
            self.assertEqual(["two"], self.names())
            before = len(self.inspector.calls)
            answer = self.retry(**fields)
            self.assertEqual({"address": HERE, "logins": ["one"], "waits": ""}, answer)
            self.assertIn("one", self.names())
            self.clock.pump([0.5] * 4)
            self.assertGreater(len(self.inspector.calls), before)

    def test_no_room(self) -> None:
        """Where two failed within the window, the answer says until when nothing is tried."""
        self.refuse()
        self.budget.record_refused(self.device, TWO, self.clock.seconds(), False)
        answer = self.retry(camera_id=self.camera.id)
        self.assertEqual(["one", "two"], answer["logins"])
        self.assertIn("no login is tried before", answer["waits"])
        self.assertEqual([], self.names())

    def test_nothing_was_refused(self) -> None:
        """Then nothing is retried."""
        self.assertEqual([], self.retry(camera_id=self.camera.id)["logins"])

    def test_what_is_no_command(self) -> None:
        """Another action, no device, an unknown one, and what is no address are refused."""
        for fields in (
            {"action": "forget", "camera_id": self.camera.id},
            {"action": ["retry"]},
            {},
            {"camera_id": "nobody"},
            {"camera_id": 5},
            {"address": "10.0.0.77"},
            {"address": "door"},
        ):
            self.assertRaises(RemoteError, self.retry, **fields)
