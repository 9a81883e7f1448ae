"""Commands ``name`` and ``decided``: what a person says of a camera is kept, shown with its source, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from tests.facts import A, B, stream
from tests.registry.case import HERE, THERE, RegistryCase
from twisted_detector.config.page_settings import FILE
from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.events import CameraChanged
from twisted_detector.model import Camera
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.commands import DescriptionCommands
from twisted_detector.registry.registry import Registry

MINE, OTHER = A.compact, B.compact


class Nowhere:
    """Neither a login nor an adoption comes from anywhere."""

    def login_of(self, camera: Camera) -> tuple[str, str] | None:
        return None

    def adoption_of(self, camera: Camera) -> str:
        return ""


class NameTests(RegistryCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)
        self.book = DecisionBook(self.folder, in_thread=maybeDeferred)
        self.registry = Registry(
            self.listener.handle,
            missed_limit=3,
            description_of=lambda camera_id: self.book.current.of(camera_id).description,
        )
        self.commands = DescriptionCommands(Clock(), self.registry, self.book, Nowhere())
        for address, mac in ((HERE, A), (THERE, B)):
            self.inspect(self.see(address, mac), stream(), name="IPC")
        self.listener.events.clear()

    def name(self, camera_id: object = MINE, **fields: Any) -> dict[str, Any]:
        return dict(
            self.successResultOf(Deferred.fromCoroutine(self.commands.name({"camera_id": camera_id, **fields})))
        )

    def decided(self, camera_id: str = MINE) -> dict[str, Any]:
        return dict(self.successResultOf(Deferred.fromCoroutine(self.commands.decided({"camera_id": camera_id}))))

    def refused(self, kind: type[Exception] = RemoteError, **fields: Any) -> str:
        asked = Deferred.fromCoroutine(self.commands.name({"camera_id": MINE, **fields}))
        return str(self.failureResultOf(asked, kind).value)

    def test_named(self) -> None:
        """Each value is kept, answered with its source, and told once; what is not given stays."""
        self.name(name=" Barn ", area="Yard")
        answer = self.name(note="on the gable\nladder", network="10.0.0.0/24")
        values = answer["values"]
        self.assertEqual(
            [("Barn", "page"), ("Yard", "page"), ("on the gable\nladder", "page"), ("10.0.0.0/24", "page")],
            [(values[one]["value"], values[one]["source"]) for one in ("name", "area", "note", "network")],
        )
        self.assertEqual(answer, self.decided())
        told = [event.camera for event in self.listener.events if isinstance(event, CameraChanged)]
        self.assertEqual([("Barn", "Yard", ""), ("Barn", "Yard", "on the gable\nladder")],
                         [(one.given_name, one.area, one.note) for one in told])  # fmt: skip
        self.assertEqual({MINE, OTHER}, set(self.ids()))
        self.assertIn("[camera.02000000000a]", (self.folder / FILE).read_text())

    def test_taken_back(self) -> None:
        """With "" a value is taken back, and the camera is called as it calls itself."""
        own = self.decided()["values"]["name"]
        self.name(name="Barn", network="10.0.0.0/24")
        answer = self.name(name="", network="")
        self.assertEqual((own, 0), (answer["values"]["name"], answer["version"]))
        self.assertNotIn(MINE, self.book.current.cameras)
        self.assertEqual({"value": "", "source": ""}, answer["values"]["network"])

    def test_version(self) -> None:
        """Two browsers: the second is told, and what the first wrote stays."""
        seen = self.decided()["version"]
        now = self.name(name="Barn", version=seen)["version"]
        told = self.refused(name="Stable", version=seen)
        self.assertTrue(told.startswith("version: it was changed meanwhile"), told)
        self.assertEqual("Barn", self.decided()["values"]["name"]["value"])
        self.name(name="Stable", version=now)
        for version in ("1", True, 1.5):
            self.assertTrue(self.refused(name="x", version=version).startswith("version: must be the number"))

    def test_twins(self) -> None:
        """Two may have one name; who gives it is told of the other."""
        self.name(OTHER, name="Barn")
        self.assertEqual(f"{OTHER} has the same name", self.name(name="Barn")["remark"])
        self.assertNotIn("remark", self.name(name="Stable"))
        self.assertNotIn("remark", self.name(area="Yard"))

    def test_refused(self) -> None:
        """A field that is refused is named, and of the others none is kept."""
        for field, value in (
            ("name", "x" * 500),
            ("area", "a\u202eb"),
            ("note", 5),
            ("network", "10.0.0.5/24"),
        ):
            self.assertTrue(self.refused(**{"name": "Barn", field: value}).startswith(f"{field}: "), field)
        self.assertEqual({}, dict(self.book.current.cameras))
        self.assertIn("one of name, area, note and network", self.refused())
        self.assertIn("one of name, area, note and network", self.refused(name=None))
        for camera_id in (None, "", 5):
            self.assertIn("this command needs 'camera_id'", self.refused(camera_id=camera_id, name="x"))
        self.assertIn("no camera with that id", self.refused(camera_id="nobody", name="x"))

    def test_disk(self) -> None:
        """Where the disk does not take it nothing is changed, and nobody is told."""
        (self.folder / FILE).mkdir()
        self.assertIn(FILE, self.refused(NotSaved, name="Barn"))
        self.assertEqual([], self.listener.events)
        self.assertEqual("", self.camera(MINE).given_name)

    def test_by_hand(self) -> None:
        """A name that stands in the file when it is read again is the camera's, and told."""
        (self.folder / FILE).write_text(f'[camera.{MINE}]\nname = "Barn"\n[camera.unknown]\nname = "x"\n')
        self.successResultOf(Deferred.fromCoroutine(self.book.reload()))
        self.assertEqual("Barn", self.camera(MINE).given_name)
        self.assertEqual(1, len(self.listener.events))
