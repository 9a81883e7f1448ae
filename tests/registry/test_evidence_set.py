"""The evidence of one device: the latest of each identifier, what another device has too, and no end of a flood."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Evidence, EvidenceKind
from twisted_detector.model.devices import SHARED
from twisted_detector.registry.identity.evidence_set import MAX_EVIDENCE, EvidenceSet

MAC = "02:00:00:00:00:0a"


class EvidenceSetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.known = EvidenceSet()

    def test_latest(self) -> None:
        """A known identifier stays where it is, and gets its latest source and time; a new one finds no room."""
        self.known.add(Evidence(EvidenceKind.SERIAL, f"SN{number:05}", "a", 1.0) for number in range(100))
        self.known.add((Evidence(EvidenceKind.SERIAL, "SN00000", "b", 2.0),))
        found = [*self.known]
        self.assertEqual(
            (MAX_EVIDENCE, ("SN00000", "b", 2.0)), (len(found), (found[0].value, found[0].source, found[0].seen_at))
        )
        self.assertIsNone(self.known.get(EvidenceKind.SERIAL, "SN00099"))

    def test_words(self) -> None:
        """The manufacturer's names, and the reference in canonical form; none where there is none."""
        self.assertEqual(("", ()), (self.known.endpoint_reference, self.known.vendors))
        reference = Evidence(EvidenceKind.ENDPOINT_REFERENCE, "urn:uuid:AB-1", "a", 1.0)
        self.known.add((reference, Evidence(EvidenceKind.VENDOR, "Axis", "a", 1.0)))
        self.assertEqual(("ab-1", ("Axis",)), (self.known.endpoint_reference, self.known.vendors))

    def test_shared(self) -> None:
        """What another device has too is marked; a MAC is its own no more, a word stays what it says."""
        for kind, value in ((EvidenceKind.MAC, MAC), (EvidenceKind.SERIAL, "SN00001")):
            self.known.add((Evidence(kind, value, "a", 1.0),))
            self.known.mark_shared((kind, value), 2.0)
        self.assertEqual(((EvidenceKind.MAC, MAC), (EvidenceKind.SERIAL, "SN00001")), self.known.shared_claims)
        kinds = [one.kind for one in self.known]
        self.assertEqual([SHARED + EvidenceKind.MAC, EvidenceKind.SERIAL, SHARED + EvidenceKind.SERIAL], kinds)
        self.known.remove(EvidenceKind.SERIAL, "SN00001")
        self.known.remove(EvidenceKind.SERIAL, "never there")
        self.assertIsNone(self.known.get(EvidenceKind.SERIAL, "SN00001"))
