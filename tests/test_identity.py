"""Which device is it, and what is it called for ever."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, C, serial
from twisted_detector.identity import IdentityIndex, normalise_endpoint_reference, permanent_id, useful_serial
from twisted_detector.model import Mac


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


class IndexTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.index = IdentityIndex()

    def test_by_mac_wherever_it_is(self) -> None:
        """A MAC names its device at any address, whatever EndpointReference comes with it."""
        self.index.bind(1, A, "x", "10.0.0.1")
        self.assertEqual(1, self.index.find(A, "y", "10.0.0.2"))

    def test_two_macs_are_two(self) -> None:
        """Neither a shared EndpointReference nor a shared address joins two MACs."""
        self.index.bind(1, A, "x", "10.0.0.1")
        self.assertIsNone(self.index.find(B, "x", "10.0.0.1"))

    def test_by_reference(self) -> None:
        """A device without a MAC is found by its EndpointReference at any address, and learns its MAC so."""
        self.index.bind(1, None, "x", "10.0.0.1")
        self.assertEqual(1, self.index.find(None, "x", "10.0.0.2"))
        self.assertEqual(1, self.index.find(A, "x", "10.0.0.2"))

    def test_forged_reference(self) -> None:
        """A device whose MAC was seen is not found by its EndpointReference from elsewhere, only where it stands."""
        self.index.bind(1, A, "x", "10.0.0.1")
        self.assertIsNone(self.index.find(None, "x", "10.0.0.66"))
        self.assertEqual(1, self.index.find(None, "x", "10.0.0.1"))

    def test_by_address(self) -> None:
        """An address alone names who stands there, unless something stronger contradicts."""
        self.index.bind(1, None, "x", "10.0.0.1")
        self.assertEqual(1, self.index.find(None, "", "10.0.0.1"))
        self.assertEqual(1, self.index.find(A, "", "10.0.0.1"))
        self.assertIsNone(self.index.find(None, "y", "10.0.0.1"))
        self.assertIsNone(self.index.find(None, "", "10.0.0.2"))

    def test_the_address_passes(self) -> None:
        """Another MAC at an address takes it: who stood there before stands nowhere."""
        self.index.bind(1, A, "", "10.0.0.1")
        self.index.bind(2, B, "", "10.0.0.1")
        self.assertEqual((None, "10.0.0.1"), (self.index.address_of(1), self.index.address_of(2)))
        self.assertEqual(2, self.index.find(None, "", "10.0.0.1"))
        self.assertEqual(1, self.index.find(A, "", "10.0.0.9"))

    def test_words_do_not_take_an_address(self) -> None:
        """An announcement without a MAC does not take the address of a device whose MAC was seen there."""
        self.index.bind(1, A, "x", "10.0.0.1")
        self.index.bind(2, None, "y", "10.0.0.1")
        self.assertEqual(("10.0.0.1", None), (self.index.address_of(1), self.index.address_of(2)))

    def test_first_holder_keeps_the_reference(self) -> None:
        """A clone does not take the EndpointReference of the first."""
        self.index.bind(1, A, "x", "10.0.0.1")
        self.index.bind(2, B, "x", "10.0.0.2")
        self.assertEqual(1, self.index.holder_of_endpoint_reference("x"))

    def test_forgetting(self) -> None:
        """What is removed is found by nothing, and others keep what is theirs."""
        self.index.bind(1, A, "x", "10.0.0.1")
        self.index.bind(2, B, "y", "10.0.0.2")
        self.index.remove(1)
        self.assertEqual(
            [None, None, None],
            [self.index.find(A, "", "1.1.1.1"), self.index.find(None, "x", ""), self.index.find(None, "", "10.0.0.1")],
        )
        self.assertEqual(2, self.index.find(None, "y", "10.0.0.2"))

    MACS = st.sampled_from([None, A, B, C])
    REFERENCES = st.sampled_from(["", "x", "y"])
    ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "fe80::1%e"])

    @given(st.lists(st.tuples(MACS, REFERENCES, ADDRESSES), max_size=40))
    @settings(max_examples=150, deadline=None)
    def test_any_history(self, history: list[tuple[Mac | None, str, str]]) -> None:
        """In any history one MAC is one device, two MACs are never one, and no index disagrees with its reverse."""
        index, next_device, device_of = IdentityIndex(), 1, {}
        for mac, reference, address in history:
            device = index.find(mac, reference, address)
            if device is None:
                device, next_device = next_device, next_device + 1
            index.bind(device, mac, reference, address)
            if mac is not None:
                self.assertEqual(device, device_of.setdefault(mac, device))
                self.assertEqual(address, index.address_of(device))
            for forward, reverse in (
                (index._by_mac, index._mac_of),
                (index._by_endpoint_reference, index._endpoint_reference_of),
                (index._by_address, index._address_of),
            ):
                self.assertEqual(forward, {value: holder for holder, value in reverse.items()})
        self.assertEqual(len(device_of), len(set(device_of.values())))
