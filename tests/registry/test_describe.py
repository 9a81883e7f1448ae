"""What a person calls a camera stands in the registry: an event tells of it, and no id changes."""

from __future__ import annotations

from tests.facts import A, B, stream
from tests.registry.case import HERE, THERE, RegistryCase
from twisted_detector.events import CameraChanged, CameraDiscovered
from twisted_detector.model.decisions import Description
from twisted_detector.registry.registry import Registry

MINE, OTHER = A.compact, B.compact


class DescribeTests(RegistryCase):
    def setUp(self) -> None:
        super().setUp()
        self.described: dict[str, Description] = {}
        self.registry = Registry(
            self.listener.handle, missed_limit=3, description_of=lambda one: self.described.get(one, Description())
        )

    def describe(self, camera_id: str, *words: str) -> list[str]:
        """A person describes a camera; the names that events tell then."""
        self.described[camera_id] = Description(*words)
        self.listener.events.clear()
        self.registry.describe(camera_id, self.now)
        return [event.camera.given_name for event in self.listener.events if isinstance(event, CameraChanged)]

    def test_told(self) -> None:
        """One event tells of each change, none where nothing changed; id and own name stay."""
        self.inspect(self.see(HERE, A), stream(), name="IPC-123")
        self.assertEqual(["Barn"], self.describe(MINE, "Barn", "Yard", "on the gable"))
        found = self.camera(MINE)
        self.assertEqual(("Barn", "Yard", "on the gable"), (found.given_name, found.area, found.note))
        self.assertEqual((MINE, "IPC-123", "Barn"), (found.id, found.name, found.called))
        self.assertEqual([], self.describe(MINE, "Barn", "Yard", "on the gable"))
        self.assertEqual([""], self.describe(MINE))
        self.assertEqual("IPC-123", self.camera(MINE).called)

    def test_nobody(self) -> None:
        """A camera that is not there, or is described before it is found, is no fault; then it has its name at once."""
        self.assertEqual([], self.describe(OTHER, "Gate"))
        self.inspect(self.see(THERE, B), stream())
        told = [event.camera.given_name for event in self.listener.events if isinstance(event, CameraDiscovered)]
        self.assertEqual((["Gate"], "Gate"), (told, self.camera(OTHER).given_name))

    def test_stays(self) -> None:
        """It stays when the camera moves, is asked again, goes away and is forgotten and found."""
        key = self.inspect(self.see(HERE, A), stream())
        self.describe(MINE, "Barn")
        self.see(THERE, A)
        self.inspect(key, stream())
        self.assertEqual(("Barn", THERE), (self.camera(MINE).given_name, self.camera(MINE).address))
        self.registry.forget(MINE, self.now)
        self.inspect(self.see(HERE, A), stream())
        self.assertEqual("Barn", self.camera(MINE).given_name)

    def test_restart(self) -> None:
        """After a restart it is what is decided then, whatever was saved with the camera."""
        self.inspect(self.see(HERE, A), stream())
        self.describe(MINE, "Barn")
        saved = self.camera(MINE)
        self.described[MINE] = Description("Stable")
        again = Registry(self.listener.handle, missed_limit=3, description_of=self.described.__getitem__)
        for _ in again.restoring([saved], self.now):
            pass
        found = again.camera(MINE)
        assert found is not None
        self.assertEqual("Stable", found.given_name)

    def test_each_channel(self) -> None:
        """The channels of a recorder are described one by one."""
        self.inspect(self.see(HERE, A), stream(source="1"), stream(source="2"))
        self.assertEqual([f"{MINE}", f"{MINE}_2"], self.ids())
        self.describe(f"{MINE}_2", "Gate")
        self.assertEqual(["", "Gate"], [self.camera(one).given_name for one in self.ids()])
