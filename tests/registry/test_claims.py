"""Claims in canonical form, and the permanent id of a device."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, serial
from twisted_detector.model import Evidence
from twisted_detector.registry.identity.claims import (
    claim_of,
    claims_of,
    normalise_endpoint_reference,
    permanent_id,
    useful_serial,
)


class NamesTests(SynchronousTestCase):
    def test_permanent_id(self) -> None:
        """The MAC, else the EndpointReference, else a useful serial number, else the address."""
        for mac, reference, evidence, name in (
            (A, "aaaa-1", (serial("ABC12345"),), "02000000000a"),
            (None, "aaaa-1", (serial("ABC12345"),), "epr-aaaa-1"),
            (None, "", (serial("0000000"), serial("ABC12345")), "sn-abc12345"),
            (None, "", (serial("0000000"), serial("12")), "ip-10-0-0-5"),
            (None, "http://x/y?z", (), "epr-http-x-y-z"),
            (None, "a_2", (), "epr-a-2"),
            (None, "///", (), "epr"),
        ):
            self.assertEqual(name, permanent_id(mac, reference, evidence, "10.0.0.5"))
        self.assertEqual("ip-fe80--1-eth0", permanent_id(None, "", (), "fe80::1%eth0"))

    @given(st.text(min_size=1, max_size=300))
    @settings(deadline=None)
    def test_any_reference_gives_a_name(self, reference: str) -> None:
        """Whatever a device calls itself, its id is short, never empty, and never looks like a further channel."""
        self.assertRegex(permanent_id(None, reference, (), "10.0.0.5"), r"\A[a-z0-9-]{1,64}\Z")

    def test_references_compare(self) -> None:
        """All notations of one EndpointReference are equal."""
        for text in ("urn:uuid:ABC-1", "uuid:abc-1", " ABC-1 ", "urn:uuid:uuid:abc-1", "URN:UUID:abc-1"):
            self.assertEqual("abc-1", normalise_endpoint_reference(text))

    def test_serials(self) -> None:
        """Short ones and those of one character tell nobody apart."""
        self.assertEqual(
            [True, False, False, False], [useful_serial(text) for text in ("12345", "1234", "00000000", "  ")]
        )


class ClaimTests(SynchronousTestCase):
    def test_what_identifies_nobody(self) -> None:
        """Junk serials, nil MACs and references, hardware addresses that models share, manufacturers: no claims."""
        for kind, value in (
            ("serial", "0000000"), ("serial", "12"), ("epr", "urn:uuid:00000000-0000-0000-0000-000000000000"),
            ("epr", ""), ("hardware_address", "00-30-1B-BA-02-DB"), ("scope_mac", "00:00:00:00:00:00"),
            ("hardware_address", "ff:ff:ff:ff:ff:ff"), ("vendor", "Acme"), ("serial", "x" * 300),
        ):  # fmt: skip
            self.assertIsNone(claim_of(kind, value), (kind, value))

    def test_canonical(self) -> None:
        """Notations of one identifier are one claim."""
        self.assertEqual(("epr", "abc"), claim_of("epr", "urn:uuid:ABC"))
        self.assertEqual(("scope_mac", "02:00:00:00:00:0a"), claim_of("scope_mac", "02-00-00-00-00-0A"))

    def test_serial_that_is_the_model(self) -> None:
        """A serial number that is the model's name says nothing."""
        self.assertEqual(frozenset(), claims_of(None, "", (serial("DS-2CD20"),), model="ds-2cd20"))
        self.assertEqual({("serial", "SN12345")}, claims_of(None, "", (serial("SN12345"),), model="M"))

    def test_layer_2_is_not_said(self) -> None:
        """That a device says "mac" makes it no MAC that was seen."""
        said = (Evidence("mac", A.text, "forger", 0.0),)
        self.assertEqual(frozenset(), claims_of(None, "", said))
        self.assertEqual({("mac", A.text)}, claims_of(A, "", ()))
