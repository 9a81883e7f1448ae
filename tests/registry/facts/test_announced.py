"""What a device says of itself: several protocols become one word, which fills gaps and takes no place."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import candidate, inspection, sighting
from twisted_detector.model import OUI, Announced, Camera, Evidence, EvidenceKind
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.registry.facts.announced import (
    HOLDS,
    MAX_CHANGES,
    MAX_METHODS,
    MAX_OTHERS,
    AnnouncementRecord,
    filled_in,
    proper_evidence,
)
from twisted_detector.registry.facts.inspected import merge_inspection

SADP = Announced("HIKVISION", "DS-2CD2", serial_number="DS-2CD2-1", conditions=(Condition.NOT_ACTIVATED,))
CAMERA = Camera("x", "x", "10.0.0.5")


class RecordTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.record = AnnouncementRecord()

    @property
    def said(self) -> Announced:
        assert self.record.merged is not None
        return self.record.merged

    def test_merged(self) -> None:
        """Of each fact the first protocol's word counts, whichever was heard last; conditions are joined."""
        more = Announced(model="IPC", name="Yard", channels=4, kind=DeviceKind.RECORDER, conditions=(Condition.OPEN,))
        for method, said in (("sadp", SADP), ("dhip", more), ("sadp", SADP)):
            self.record.record(method, said)
            if method == "dhip":
                joined = self.said
        self.assertEqual(joined, self.said)
        self.assertEqual(
            Announced(
                "HIKVISION", "DS-2CD2", "Yard", "DS-2CD2-1", "", DeviceKind.RECORDER, 4,
                (Condition.NOT_ACTIVATED, Condition.OPEN),
            ),
            self.said,
        )  # fmt: skip

    def test_latest_of_a_method(self) -> None:
        """What a protocol no longer says is not so any more: the camera was activated."""
        self.record.record("sadp", SADP)
        self.record.record("sadp", replace(SADP, conditions=()))
        self.assertEqual((), self.said.conditions)

    def test_two_forms_of_an_answer(self) -> None:
        """An answer that leaves out or cuts what another one of its protocol has takes nothing away, in either order;
        when the other is not heard for long, it counts.
        """
        whole = Announced(
            "Hanwha", "QNV-C8083R", "Yard", kind=DeviceKind.CAMERA, channels=1, conditions=(Condition.OPEN,)
        )
        short = Announced("Hanwha", "QNV-C8083")
        for said in (short, whole, short, whole, short):
            self.record.record("hanwha", said, 5.0)
        self.assertEqual(whole, self.said)
        self.record.record("hanwha", replace(short, model="XNV-6080"), 5.0)
        self.assertEqual("XNV-6080", self.said.model)
        self.record.record("hanwha", whole, 5.0)
        self.record.record("hanwha", short, 5.0 + HOLDS)
        self.record.record("hanwha", short, 6.0 + 2 * HOLDS)
        self.assertEqual(short, self.said)

    def test_other_device(self) -> None:
        """Another serial number in the same protocol: it is another device, and of the former nothing is left."""
        self.record.record("reolink", Announced(name="Yard"), 5.0)
        self.record.record("sadp", SADP, 5.0)
        self.record.record("sadp", Announced(serial_number="DS-2CD2-2"), 6.0 + HOLDS)
        self.assertEqual(Announced(serial_number="DS-2CD2-2"), self.said)

    def test_several_at_one_address(self) -> None:
        """Forty new cameras at the address of their factory, who answer by turns: the first one's word stays, and the
        others are counted by powers of two, until none of them was heard for an hour.
        """
        new = replace(SADP, conditions=(Condition.NOT_ACTIVATED,))
        told = []
        for sweep in range(5):
            for number in range(40):
                self.record.record("sadp", replace(new, serial_number=f"DS-2CD2-{number}"), sweep * 300.0)
                self.assertEqual("DS-2CD2-0", self.said.serial_number)
                told.append(self.said.others)
        self.assertEqual([0, 1, 2, 4, 8, 16, 32], list(dict.fromkeys(told)))
        self.assertEqual(sorted(told), told)
        self.record.record("sadp", replace(new, serial_number="DS-2CD2-0"), 1200.0 + HOLDS)
        self.assertEqual(32, self.said.others)
        self.record.record("sadp", replace(new, serial_number="DS-2CD2-0"), 1201.0 + HOLDS)
        self.assertEqual(0, self.said.others)

    def test_others_are_bounded(self) -> None:
        """A flood is counted to a bound; what was set up is no new one, and what an earlier run counted is not kept."""
        new = replace(SADP, conditions=(Condition.DEFAULT_STATE,))
        self.record.record("sadp", replace(new, serial_number="first"))
        self.record.record("sadp", replace(SADP, conditions=(Condition.OPEN,), serial_number="set up"))
        self.assertEqual(0, self.said.others)
        for number in range(1000):
            self.record.record("sadp", replace(new, serial_number=f"no. {number}"))
        self.assertEqual(MAX_OTHERS, self.said.others)
        self.record.forget()
        self.record.record("sadp", replace(new, serial_number="first"))
        self.assertEqual(0, self.said.others)
        self.record.restore(replace(new, others=32))
        self.assertEqual(0, self.said.others)

    def test_changes_are_bounded(self) -> None:
        """Whoever speaks otherwise each time makes no event of each: for an hour the last word that was told stays."""
        told = []
        for number in range(100):
            self.record.record("sadp", replace(SADP, name=f"Yard {number}"), float(number))
            told.append(self.said.name)
        self.assertEqual([f"Yard {number}" for number in range(MAX_CHANGES)], list(dict.fromkeys(told)))
        self.record.record("sadp", replace(SADP, name="later"), 200.0 + HOLDS)
        self.assertEqual("later", self.said.name)

    def test_earlier_run(self) -> None:
        """What an earlier run heard holds until the device is heard."""
        self.record.restore(SADP)
        self.assertEqual(SADP, self.said)
        self.record.record("sadp", Announced("HIKVISION"))
        self.assertEqual(Announced("HIKVISION"), self.said)
        self.record.restore(None)
        self.assertEqual(Announced("HIKVISION"), self.said)

    def test_bounded(self) -> None:
        """No more than so many methods count, and who was not heard for the longest time goes."""
        for number in range(MAX_METHODS + 2):
            self.record.record(f"m{number}", Announced(**{"name" if number else "model": str(number)}), float(number))
        self.assertEqual(Announced(name="2"), self.said)

    def test_absorbed_and_forgotten(self) -> None:
        """Two devices that are one share their words, each method once; of a split neither has any."""
        other = AnnouncementRecord()
        other.record("sadp", Announced(model="other"))
        other.record("pppp", Announced(name="Porch"))
        self.record.record("sadp", SADP)
        self.record.absorb(other)
        self.assertEqual(replace(SADP, name="Porch"), self.said)
        self.record.forget()
        self.assertIsNone(self.record.merged)
        self.assertFalse(self.record.is_camera)

    def test_camera(self) -> None:
        """It is one by its word unless it says what else it is, or an inspection has shown that."""
        for kind, expected in ((DeviceKind.UNKNOWN, True), (DeviceKind.DOORBELL, True), (DeviceKind.OTHER, False)):
            self.record.record("tplink", Announced(kind=kind))
            self.assertEqual(expected, self.record.is_camera)
        self.record.record("tplink", Announced(kind=DeviceKind.CAMERA))
        self.record.judge(other=True)
        self.assertFalse(self.record.is_camera)
        self.record.judge(other=False)
        self.assertTrue(self.record.is_camera)


class FilledTests(SynchronousTestCase):
    def test_gaps(self) -> None:
        """Facts that no inspection gave are filled in, and known to be hearsay; the same again changes nothing."""
        filled = filled_in(replace(CAMERA, model="M1"), replace(SADP, name="Yard"))
        self.assertEqual(
            ("HIKVISION", "M1", "DS-2CD2-1", "Yard", "device", ("manufacturer", "serial_number", "name")),
            (
                filled.manufacturer, filled.model, filled.serial_number, filled.name, filled.name_source,
                filled.hearsay,
            ),
        )  # fmt: skip
        self.assertIs(filled, filled_in(filled, replace(SADP, name="Yard")))

    def test_taken_back(self) -> None:
        """What is said no longer goes, and what is said anew takes the place of what was only said."""
        filled = filled_in(CAMERA, SADP)
        self.assertEqual("DS-2CD3", filled_in(filled, replace(SADP, model="DS-2CD3")).model)
        self.assertEqual(CAMERA, filled_in(filled, None))

    def test_inspected(self) -> None:
        """An inspection takes the place of hearsay, whatever is said afterwards; its gaps stay filled."""
        said = replace(SADP, name="Yard", firmware_version="V5")
        camera = replace(filled_in(CAMERA, said), unconfirmed=True)
        found = inspection(manufacturer="Acme", model="M1", name="host", name_source="hostname")
        merged = merge_inspection(camera, candidate(), (), found, "", (), 1.0)
        self.assertEqual(
            ("Acme", "M1", "host", "hostname", "V5", "DS-2CD2-1"),
            (
                merged.manufacturer, merged.model, merged.name, merged.name_source, merged.firmware_version,
                merged.serial_number,
            ),
        )  # fmt: skip
        self.assertEqual((("serial_number", "firmware_version"), False), (merged.hearsay, merged.unconfirmed))
        again = filled_in(merged, Announced("Other", "Other", "Other", firmware_version="V6"))
        self.assertEqual(("Acme", "M1", "host", "V6", ""), (
            again.manufacturer, again.model, again.name, again.firmware_version, again.serial_number
        ))  # fmt: skip

    def test_registered_manufacturer(self) -> None:
        """The manufacturer's own name goes before the one for which its MAC is registered."""
        evidence = (Evidence(EvidenceKind.VENDOR, "Hangzhou Hikvision Digital Technology", OUI, 0.0),)
        for said, expected in ((SADP, "HIKVISION"), (None, "Hangzhou Hikvision Digital Technology")):
            camera = replace(CAMERA, announced=said)
            found = merge_inspection(camera, candidate(), evidence, inspection(manufacturer=""), "", (), 1.0)
            self.assertEqual(expected, found.manufacturer)

    def test_battery(self) -> None:
        """A product line that is sold with a battery sleeps, whether it says so or not; others do not."""
        for model in ("Argus 3 Pro", "Reolink Altas PT", "Tapo C420", "C425(EU)", "eufyCam 2", "CS-BC1C", "D230",
                      "Video Doorbell (Battery)"):  # fmt: skip
            self.assertEqual((Condition.SLEEPS,), filled_in(CAMERA, Announced(model=model)).conditions, model)
            inspected = filled_in(replace(CAMERA, model=model), None)
            self.assertEqual((Condition.SLEEPS,), inspected.conditions, model)
            self.assertIs(inspected, filled_in(inspected, inspected.announced))
        for model in ("DS-2CD2043", "RLC-811A", "Tapo C200", "C100", "C4X", "IPC-HFW5442E", "CS-C6N", "AC4200"):
            self.assertEqual((), filled_in(CAMERA, Announced(model=model)).conditions, model)

    def test_evidence(self) -> None:
        """Logins are chosen by the manufacturers among the evidence: an announced one is not put there."""
        both = (
            Evidence(EvidenceKind.VENDOR, "HIKVISION", "sadp", 0.0),
            Evidence(EvidenceKind.ANNOUNCED_MAC, "02:00:00:00:00:0a", "sadp", 0.0),
        )
        self.assertEqual(both[1:], proper_evidence(sighting(evidence=both, announced=SADP)))
        self.assertEqual(both, proper_evidence(sighting(evidence=both)))
