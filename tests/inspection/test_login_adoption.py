"""To whom a login is given at all: the gate before the budget's count."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, candidate, login
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.model import Adoption, Candidate, Login, Secret
from twisted_detector.model.login_rules import Audience, LoginRule

ANY = login("any")
ADOPTED = (Adoption.PERSON, Adoption.FIRST_RUN, Adoption.SEEN, Adoption.LISTED)


def rule(audience: Audience, value: str) -> LoginRule:
    return LoginRule(audience.name.lower(), Secret("x"), audience, value)


class Gate(SynchronousTestCase):
    def budget(self, *logins: Login, confirmed: str = "") -> LoginBudget:
        networks = [ip_network(confirmed)] if confirmed else ()
        return LoginBudget(logins, confirmed=lambda: networks, salt="s", save=lambda key, text: None)

    def names(self, budget: LoginBudget, one: Candidate) -> set[str]:
        return {each.name for each in budget.allowed_logins(one, 1000.0)}

    def test_adopted_only(self) -> None:
        """A login without an audience goes to adopted devices only; others are told what to do."""
        budget = self.budget(ANY)
        for adoption in Adoption:
            one = candidate(adoption=adoption)
            self.assertEqual({"any"} if adoption in ADOPTED else set(), self.names(budget, one), adoption)
        self.assertEqual("new since the first run: adopt it", budget.explain_wait(candidate(adoption=Adoption.NO), 1.0))
        why = candidate(adoption=Adoption.NO, not_adopted="another MAC: adopt it again")
        self.assertEqual("another MAC: adopt it again", budget.explain_wait(why, 1.0))
        self.assertEqual("", budget.explain_wait(candidate(), 1.0))
        self.assertEqual("it is blocked", budget.explain_wait(candidate(adoption=Adoption.BLOCKED), 1.0))

    def test_audiences(self) -> None:
        """What the operator wrote for a network or a camera is for those; a maker is the device's own word."""
        budget = self.budget(
            ANY,
            rule(Audience.NETWORK, "10.0.0.0/24"),
            rule(Audience.VENDOR, "acme"),
        )
        new = candidate(adoption=Adoption.NO, vendors=("Acme",))
        self.assertEqual({"network"}, self.names(budget, new))
        self.assertEqual({"network", "vendor"}, self.names(budget, candidate(vendors=("Acme",))))
        by_name = self.budget(ANY, rule(Audience.CAMERA, A.compact))
        self.assertEqual({"camera"}, self.names(by_name, new))
        self.assertEqual(set(), self.names(by_name, candidate("10.0.0.5", None, adoption=Adoption.NO)))
        blocked = candidate(adoption=Adoption.BLOCKED, vendors=("Acme",))
        self.assertEqual(set(), self.names(budget, blocked))
        self.assertEqual("new since the first run: adopt it", budget.explain_wait(new, 1.0))

    def test_where_no_mac_is_seen(self) -> None:
        """Adopted or not, nothing goes where no MAC is seen and the network is not named, but on a person's word."""
        routed = {one: candidate("10.0.0.5", None, adoption=one) for one in Adoption}
        budget, confirmed = self.budget(ANY), self.budget(ANY, confirmed="10.0.0.0/24")
        for adoption, one in routed.items():
            self.assertEqual(adoption is Adoption.PERSON, bool(self.names(budget, one)), adoption)
            self.assertEqual(adoption in ADOPTED, bool(self.names(confirmed, one)), adoption)
        self.assertIn("MAC is not seen", budget.explain_wait(routed[Adoption.FIRST_RUN], 1.0))

    def test_nothing_is_charged_either(self) -> None:
        """The gate stands before the count: a device that is not adopted is not charged."""
        budget = self.budget(ANY)
        new = candidate(adoption=Adoption.NO)
        for coroutine in (budget.charge(new, ANY, 1000.0), budget.charge_purpose(new, ANY, 1000.0, "snapshot")):
            with self.assertRaises(StopIteration) as ended:
                coroutine.send(None)
            self.assertFalse(ended.exception.value)

    def test_followers(self) -> None:
        """The login that was accepted is told for adopted devices only; that one was accepted stays known."""
        budget = self.budget(ANY)
        budget.record_accepted(candidate(), ANY, 1.0)
        self.assertEqual(ANY, budget.known_good(candidate()))
        for adoption in (Adoption.NO, Adoption.BLOCKED):
            self.assertIsNone(budget.known_good(candidate(adoption=adoption)))
            self.assertTrue(budget.ever_accepted(candidate(adoption=adoption)))
        self.assertFalse(budget.ever_accepted(candidate("10.0.0.9", None)))
