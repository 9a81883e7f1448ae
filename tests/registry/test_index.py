"""Which device made these claims."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, C, serial
from twisted_detector.model import Evidence, Mac
from twisted_detector.registry.identity.claims import (
    ClaimSet,
    claims_of,
)
from twisted_detector.registry.identity.index import IdentityIndex


def seen(mac: Mac | None, reference: str, address: str, *doors: str, said: str = "") -> ClaimSet:
    return ClaimSet(address, claims_of(mac, reference, (serial(said),) if said else ()), frozenset(doors))


class IndexTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.away: set[int] = set()
        self.index = IdentityIndex(lambda key: key not in self.away)

    def put(self, key: int, one: ClaimSet) -> None:
        self.index.add_claims(key, one)
        self.index.place(key, one)

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
        self.assertEqual([[], [], [("epr", "x")]], [self.index.record_turn(key, 0.0, by_mac=True) for key in (2, 1, 2)])

    def test_no_proof(self) -> None:
        """Where a MAC was not seen one device may have gone to and fro: then only quick changes of turns prove two."""
        for turns, proved in (
            ([(2, 0.0), (1, 60.0), (2, 120.0), (1, 180.0)], []),
            ([(2, 0.0), (1, 10.0), (2, 20.0)], [("epr", "x")]),
            ([(2, 0.0), (1, 10.0), (2, 120.0), (1, 130.0)], [("epr", "x")]),
        ):
            self.setUp()
            self.put(1, seen(A, "x", "10.0.0.1"))
            self.put(2, seen(None, "x", "10.0.0.2"))
            found = [self.index.record_turn(key, now, by_mac=key == 1) for key, now in turns]
            self.assertEqual(proved, found[-1], turns)

    def test_seldom_but_by_their_macs(self) -> None:
        """Two that are told apart by their MACs are two, however much time is between their turns."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(B, "x", "10.0.0.2"))
        found = [self.index.record_turn(key, now, by_mac=True) for key, now in ((2, 0.0), (1, 600.0), (2, 7200.0))]
        self.assertEqual([[], [], [("epr", "x")]], found)

    def test_a_third(self) -> None:
        """One that is new among them takes no turn, and does not make them begin anew."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(B, "x", "10.0.0.2"))
        self.assertEqual([[], []], [self.index.record_turn(key, 0.0, by_mac=True) for key in (2, 1)])
        self.put(3, seen(C, "x", "10.0.0.3"))
        self.assertEqual([], self.index.record_turn(3, 0.0, by_mac=True))
        self.assertEqual([("epr", "x")], self.index.record_turn(1, 0.0, by_mac=True))

    def test_turns_of_one(self) -> None:
        """A device that moved takes no turn, nor who comes after one that proved to be another of them."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(None, "x", "10.0.0.2"))
        for now in range(4):
            self.assertEqual([], self.index.record_turn(2, now, by_mac=False, moved=True))
            self.assertEqual([], self.index.record_turn(1, now, by_mac=True, moved=True))
        self.index.record_turn(2, 5.0, by_mac=False)
        self.put(3, seen(None, "x", "10.0.0.3"))
        self.index.record_turn(3, 6.0, by_mac=False)
        self.index.remove(3)
        self.assertEqual([], self.index.record_turn(2, 7.0, by_mac=False))

    def test_nameless(self) -> None:
        """Only who never claimed anything is nobody: not a device of which every value proved to be of several."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(None, "", "10.0.0.2"))
        self.assertEqual((False, True), (self.index.is_unidentified(1), self.index.is_unidentified(2)))
        for claim in (("mac", A.text), ("epr", "x")):
            self.index.discredit(claim)
        self.assertEqual((frozenset(), False), (self.index.firm_claims(1), self.index.is_unidentified(1)))

    def test_another_mac_than_the_shared_one(self) -> None:
        """At the address of a device behind a repeater another MAC than the repeater's is another device's."""
        for key, address in ((1, "10.0.0.1"), (2, "10.0.0.2")):
            self.put(key, seen(C, f"r{key}", address))
        self.index.discredit(("mac", C.text))
        self.assertIsNone(self.index.find(seen(A, "", "10.0.0.1")))
        self.assertEqual(1, self.index.find(seen(A, "r1", "10.0.0.1")))
        self.assertEqual(1, self.index.find(seen(None, "", "10.0.0.1")))

    def test_the_first_words_behind_a_repeater(self) -> None:
        """What a device says first is its own, also where only a MAC was seen of it that several have."""
        self.put(1, seen(C, "", "10.0.0.1"))
        self.put(2, seen(C, "", "10.0.0.2"))
        self.index.discredit(("mac", C.text))
        self.put(2, seen(None, "x", "10.0.0.2"))
        self.assertTrue(self.index.is_firm(2, ("epr", "x")))

    def test_another_interface_of_its_own(self) -> None:
        """A device that named another MAC as its own when it was asked is found over it, while it lives."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        own = Evidence("hardware_address", B.text, "onvif", 0.0)
        self.index.add_claims(1, ClaimSet("10.0.0.1", claims_of(None, "x", (own,))))
        self.assertEqual(1, self.index.find(seen(B, "x", "10.0.0.2")))
        self.assertIsNone(self.index.find(seen(B, "y", "10.0.0.2")))

    def test_tied_by_the_address_only(self) -> None:
        """What was said at a device's address alone gives way to the one that says it with its MAC."""
        self.put(1, seen(A, "", "10.0.0.1"))
        self.put(1, seen(None, "y", "10.0.0.1"))
        self.assertEqual({("mac", A.text)}, self.index.firm_claims(1))
        self.put(2, seen(B, "y", "10.0.0.2"))
        self.assertEqual((2,), self.index.claimants(("epr", "y")))
        self.put(1, seen(None, "x", "10.0.0.1"))
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.assertEqual({("mac", A.text), ("epr", "x")}, self.index.firm_claims(1))

    def test_the_address_passes(self) -> None:
        """Another MAC at an address takes it: who stood there before stands nowhere."""
        self.put(1, seen(A, "", "10.0.0.1"))
        self.put(2, seen(B, "", "10.0.0.1"))
        self.assertEqual((2,), self.index.devices_at("10.0.0.1"))
        self.assertEqual((False, 1), (self.index.is_at(1, "10.0.0.1"), self.index.find(seen(A, "", "10.0.0.9"))))

    def test_words_do_not_take_an_address(self) -> None:
        """An announcement without a MAC does not take the address of a living device whose MAC was seen there."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(None, "y", "10.0.0.1"))
        self.assertEqual((1,), self.index.devices_at("10.0.0.1"))
        self.away.add(1)
        self.put(2, seen(None, "y", "10.0.0.1"))
        self.assertEqual((2,), self.index.devices_at("10.0.0.1"))

    def test_services_stay_behind(self) -> None:
        """A device that lost its address and comes to another one has not the services that it had there."""
        self.put(1, seen(A, "x", "10.0.0.1", "http://10.0.0.1/"))
        self.put(2, seen(B, "y", "10.0.0.1", "http://10.0.0.1/"))
        self.put(1, seen(A, "", "10.0.0.2"))
        self.put(3, seen(C, "z", "10.0.0.2", "http://10.0.0.2/"))
        self.assertEqual((3,), self.index.devices_at("10.0.0.2"))

    def test_several_at_one_address(self) -> None:
        """Devices that are told apart by their services stand at one address together."""
        self.put(1, seen(None, "x", "10.0.0.1", "http://10.0.0.1:81/"))
        self.put(2, seen(None, "y", "10.0.0.1", "http://10.0.0.1:82/"))
        self.assertEqual((1, 2), self.index.devices_at("10.0.0.1"))
        self.put(3, seen(None, "z", "10.0.0.1", "http://10.0.0.1:82/"))
        self.assertEqual((1, 3), self.index.devices_at("10.0.0.1"))

    def test_forgetting(self) -> None:
        """What is removed is found by nothing, and others keep what is theirs."""
        self.put(1, seen(A, "x", "10.0.0.1"))
        self.put(2, seen(B, "y", "10.0.0.2"))
        self.index.remove(1)
        for one in (seen(A, "", "1.1.1.1"), seen(None, "x", "1.1.1.1"), seen(None, "", "10.0.0.1")):
            self.assertIsNone(self.index.find(one))
        self.assertEqual(2, self.index.find(seen(None, "y", "10.0.0.2")))
