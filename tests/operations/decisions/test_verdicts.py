"""Verdicts that are edited in the file are carried out, each once; what a person forgets is forgotten whole."""

from __future__ import annotations

from tests.detector.case import HERE, ID, THERE
from tests.facts import A, B, C, sighting
from tests.operations.deciding_case import DecidingCase
from twisted_detector.events import DevicesMerged
from twisted_detector.model import Adoption

OTHER = B.compact


class EditedVerdictTests(DecidingCase):
    def adopted(self, camera_id: str = ID) -> Adoption:
        return self.camera(camera_id).adopted

    def verdict(self, word: str, camera_id: str = ID) -> None:
        self.edit(f'[camera.{camera_id}]\nadopted = "{word}"\n' if word else "")

    def restart(self) -> None:
        """The daemon starts again; its registry knows what it knew."""
        self.verdicts.stop()
        self.join()
        self.clock.pump([1] * 3)

    def test_each_word(self) -> None:
        """yes adopts, and the camera is asked again; no takes it back; blocked blocks, and its removal unblocks."""
        self.verdict("yes")
        self.assertEqual(Adoption.PERSON, self.adopted())
        self.clock.pump([0.5] * 4)
        self.assertEqual([HERE], [address for address, _ in self.inspector.calls])
        self.verdict("no")
        self.assertEqual(Adoption.NO, self.adopted())
        self.verdict("blocked")
        self.assertEqual([OTHER], self.ids())
        self.verdict("")
        self.watcher.report(sighting(HERE, A, xaddrs=(f"http://{HERE}/o",)))
        self.clock.pump([1] * 20)
        self.assertEqual([ID, OTHER], self.ids())
        self.assertEqual(Adoption.NO, self.adopted())

    def test_only_once(self) -> None:
        """An adoption that ended because the device differs is renewed neither by a restart nor by another edit."""
        self.verdict("yes")
        self.registry.unadopt(ID, self.clock.seconds())  # as a difference ends it
        for edit in ("", "# a remark\n", '[camera.020000000077]\nname = "Barn"\n'):
            self.edit(self.text() + edit)
            self.restart()
            self.assertEqual(Adoption.NO, self.adopted())
        self.verdict("no")
        self.verdict("yes")
        self.assertEqual(Adoption.PERSON, self.adopted())

    def test_a_command_carries_out_what_the_file_says_already(self) -> None:
        """A person who says yes once more adopts the device as it is now."""
        self.verdict("yes")
        self.registry.unadopt(ID, self.clock.seconds())
        self.ask("adopt", camera_id=ID)
        self.assertEqual(Adoption.PERSON, self.adopted())

    def test_edited_while_it_was_away(self) -> None:
        """What was edited before the start is carried out at the start."""
        self.verdicts.stop()
        self.verdict("yes")
        self.assertEqual(Adoption.NO, self.adopted())
        self.restart()
        self.assertEqual(Adoption.PERSON, self.adopted())

    def test_a_camera_that_is_not_known_yet(self) -> None:
        """Its verdict waits until it is found."""
        self.verdict("yes", C.compact)
        self.neighbours.macs["10.0.0.9"] = C
        self.inspector.answers["10.0.0.9"] = self.inspector.answers[HERE].__class__(
            inspector="scripted", address="10.0.0.9", at=0.0
        )
        self.watcher.report(sighting("10.0.0.9", C, xaddrs=("http://10.0.0.9/o",)))
        self.clock.pump([1] * 20)
        self.assertEqual(Adoption.PERSON, self.adopted(C.compact))

    def test_a_login_is_a_word_about_the_device(self) -> None:
        """A login that is typed into the file adopts the device, once as every verdict, unless the verdict is no."""
        self.edit(f'[camera.{ID}]\nlogin = "viewer:canary-file"\n')
        self.assertEqual(Adoption.PERSON, self.adopted())
        self.registry.unadopt(ID, self.clock.seconds())
        self.restart()
        self.assertEqual(Adoption.NO, self.adopted())
        self.edit(f'[camera.{ID}]\nlogin = "other:canary-file"\n')
        self.assertEqual(Adoption.PERSON, self.adopted())
        self.edit(f'[camera.{ID}]\nlogin = "other:canary-file"\nadopted = "no"\n')
        self.assertEqual(Adoption.NO, self.adopted())

    def test_a_merge_is_no_new_word(self) -> None:
        """The verdict of a device that proved to be another goes with it, and is not carried out anew."""
        self.verdict("yes", OTHER)
        self.registry.unadopt(ID, self.clock.seconds())
        event = DevicesMerged(
            at=0.0, camera=self.camera(), merged_device_id=OTHER, merged_camera_ids=(OTHER,), reason="one serial"
        )
        self.bus.emit(event)
        self.verdict("yes", ID)
        self.assertEqual(Adoption.NO, self.adopted())

    def test_forgotten_by_a_person(self) -> None:
        """What was decided about a camera goes with it, by its id and by a filter; forgetting by itself keeps it."""
        self.edit(f'[camera.{ID}]\nname = "Door"\nadopted = "yes"\n[camera.{OTHER}]\nname = "Yard"\n')
        self.registry.forget(OTHER, self.clock.seconds())
        self.assertIn("Yard", self.text())
        self.ask("forget", camera_id=ID)
        self.assertNotIn("Door", self.text())
        self.assertIn("Yard", self.text())
        self.watcher.report(sighting(THERE, B, xaddrs=(f"http://{THERE}/o",)))
        self.clock.pump([1] * 20)
        self.assertEqual(1, self.ask("forget", adopted=False)["matched"])
        self.clock.pump([0.1] * 3)
        self.assertNotIn("Yard", self.text())
        self.assertEqual([], self.ids())
