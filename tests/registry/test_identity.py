"""Which device is it, and what is it called for ever."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, serial
from twisted_detector.model import Evidence, Mac
from twisted_detector.registry.identity.claims import (
    Seen,
    claim_of,
    claims_of,
    normalise_endpoint_reference,
    permanent_id,
    useful_serial,
)
from twisted_detector.registry.identity.index import IdentityIndex


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
        """Junk serials, nil MACs and references, hardware addresses that models share, makers' names: no claims."""
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


def seen(mac: Mac | None, reference: str, address: str, *doors: str, said: str = "") -> Seen:
    return Seen(address, claims_of(mac, reference, (serial(said),) if said else ()), frozenset(doors))


class IndexTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.away: set[int] = set()
        self.index = IdentityIndex(lambda key: key not in self.away)

    def put(self, key: int, one: Seen) -> None:
        self.index.bind(key, one)
        self.index.stand(key, one)

    def test_the_table(self) -> None:
        """Who is found: device 1 was seen with the first, and the second comes; it lives, or it is away."""
        home, far = "10.0.0.1", "10.0.0.2"
        for known, comes, living, gone in (
            (seen(A, "x", home), seen(A, "", far), 1, 1),  # the MAC at another address: it moved
            (seen(A, "x", home), seen(A, "y", home), 1, 1),  # another EndpointReference at one place: it was reset
            (seen(A, "x", home), seen(A, "y", far), None, None),  # and at another: a repeater has one MAC for all
            (seen(A, "x", home, said="SN12345"), seen(A, "y", far, said="SN12345"), 1, 1),  # but not one serial number
            (seen(A, "x", home), seen(B, "x", far), None, 1),  # a clone, or gone from the wire to Wi-Fi
            (seen(A, "x", home), seen(B, "x", home), None, 1),
            (seen(A, "x", home), seen(B, "", home), None, None),  # another device came to the address
            (seen(A, "x", home, said="SN12345"), seen(B, "x", far, said="SN99999"), None, None),
            (seen(A, "x", home), seen(None, "x", far), None, 1),  # words alone do not move what lives
            (seen(A, "x", home), seen(None, "x", home), 1, 1),
            (seen(None, "x", home), seen(None, "x", far), 1, 1),
            (seen(None, "x", home), seen(A, "x", far), 1, 1),  # its MAC is learnt
            (seen(None, "", home), seen(A, "", home), 1, 1),
            (seen(None, "x", home), seen(A, "", home), 1, None),
            (seen(None, "x", home), seen(None, "y", home), None, None),
            (seen(None, "x", home), seen(None, "", home), 1, 1),
            (seen(None, "", home, said="SN12345"), seen(None, "", far, said="SN12345"), None, 1),
            (seen(None, "x", home, "http://h:81/"), seen(None, "y", home, "http://h:82/"), None, None),
        ):
            for found, away in ((living, set()), (gone, {1})):
                self.setUp()
                self.put(1, known)
                self.away |= away
                self.assertEqual(found, self.index.find(comes), (known, comes, away))

    def test_contested(self) -> None:
        """A value that two living devices claim names neither; when one is away, it names the other."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(B, "x", "10.0.0.2"))
        self.assertIsNone(self.index.find(seen(None, "x", "10.0.0.3")))
        self.assertEqual([1, 2], [self.index.find(seen(mac, "x", "10.0.0.3")) for mac in (A, B)])

    def test_proof(self) -> None:
        """Each heard after the other proves two; a single change of turns does not."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(B, "x", "10.0.0.2"))
        self.assertEqual([[], [], [("epr", "x")]], [self.index.turn(key) for key in (2, 1, 2)])

    def test_nameless(self) -> None:
        """Only who never claimed anything is nobody: not a device of which every value proved to be of several."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(None, "", "10.0.0.2"))
        self.assertEqual((False, True), (self.index.nameless(1), self.index.nameless(2)))
        for claim in (("mac", A.text), ("epr", "x")):
            self.index.spend(claim)
        self.assertEqual((frozenset(), False), (self.index.claims(1), self.index.nameless(1)))

    def test_another_interface_of_its_own(self) -> None:
        """A device that named another MAC as its own when it was asked is found over it, while it lives."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        own = Evidence("hardware_address", B.text, "onvif", 0.0)
        self.index.bind(1, Seen("10.0.0.1", claims_of(None, "x", (own,))))
        self.assertEqual(1, self.index.find(seen(B, "x", "10.0.0.2")))
        self.assertIsNone(self.index.find(seen(B, "y", "10.0.0.2")))

    def test_tied_by_the_address_only(self) -> None:
        """What was said at a device's address alone gives way to the one that says it with its MAC."""
        self.put(1, seen(A, "", "10.0.0.1"))
        self.put(1, seen(None, "y", "10.0.0.1"))
        self.assertEqual({("mac", A.text)}, self.index.claims(1))
        self.put(2, seen(B, "y", "10.0.0.2"))
        self.assertEqual((2,), self.index.claimants(("epr", "y")))
        self.put(1, seen(None, "x", "10.0.0.1"))
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.assertEqual({("mac", A.text), ("epr", "x")}, self.index.claims(1))

    def test_the_address_passes(self) -> None:
        """Another MAC at an address takes it: who stood there before stands nowhere."""
        self.put(1, seen(A, "", "10.0.0.1"))
        self.put(2, seen(B, "", "10.0.0.1"))
        self.assertEqual((2,), self.index.standing_at("10.0.0.1"))
        self.assertEqual((False, 1), (self.index.stands_at(1, "10.0.0.1"), self.index.find(seen(A, "", "10.0.0.9"))))

    def test_words_do_not_take_an_address(self) -> None:
        """An announcement without a MAC does not take the address of a living device whose MAC was seen there."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(None, "y", "10.0.0.1"))
        self.assertEqual((1,), self.index.standing_at("10.0.0.1"))
        self.away.add(1)
        self.put(2, seen(None, "y", "10.0.0.1"))
        self.assertEqual((2,), self.index.standing_at("10.0.0.1"))

    def test_several_at_one_address(self) -> None:
        """Devices that are told apart by their services stand at one address together."""
        self.put(1, seen(None, "x", "10.0.0.1", "http://10.0.0.1:81/"))
        self.put(2, seen(None, "y", "10.0.0.1", "http://10.0.0.1:82/"))
        self.assertEqual((1, 2), self.index.standing_at("10.0.0.1"))
        self.put(3, seen(None, "z", "10.0.0.1", "http://10.0.0.1:82/"))
        self.assertEqual((1, 3), self.index.standing_at("10.0.0.1"))

    def test_forgetting(self) -> None:
        """What is removed is found by nothing, and others keep what is theirs."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(B, "y", "10.0.0.2"))
        self.index.remove(1)
        for one in (seen(A, "", "1.1.1.1"), seen(None, "x", "1.1.1.1"), seen(None, "", "10.0.0.1")):
            self.assertIsNone(self.index.find(one))
        self.assertEqual(2, self.index.find(seen(None, "y", "10.0.0.2")))
