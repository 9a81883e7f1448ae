"""What is decided of adoptions at a start."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, candidate, login
from tests.operations.networks.case import networks_of
from twisted_detector.config.load import load
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.model import Adoption, Camera, Candidate
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.registry import Registry
from twisted_detector.service.adoption import is_listed, restore_known
from twisted_detector.testing.doubles import RecordingListener

LET_IN = Camera(A.compact, A.compact, "10.0.0.5", mac=A)
OPEN = Camera(B.compact, B.compact, "10.0.0.6", mac=B)


class EarlierVersions(SynchronousTestCase):
    def setUp(self) -> None:
        self.saved: dict[str, str] = {}
        self.budget = LoginBudget([login("other")], salt="s", save=lambda key, text: None)
        self.budget.record_accepted(candidate("10.0.0.5", A), login(), 1.0)
        self.budget.record_refused(candidate("10.0.0.6", B), login(), 1.0, False)

    def start(self, *cameras: Camera) -> Registry:
        book = AdoptionBook(mode="first-run", save=self.saved.__setitem__)
        book.restore(self.saved)
        listener = RecordingListener()
        registry = Registry(listener.handle, adoption=book)
        clock = Clock()
        clock.advance(1000.0)
        restoring = Deferred.fromCoroutine(
            restore_known(clock, registry, book, self.budget, cameras, monotonic=clock.seconds)
        )
        clock.pump([0.1] * 5)
        self.left = self.successResultOf(restoring)
        return registry

    def test_who_let_a_login_in(self) -> None:
        """Who let a login in before is adopted, as of the first run and not as by a person; who did not is new."""
        registry = self.start(LET_IN, OPEN)
        self.assertEqual(0.0, self.left)
        self.assertEqual([Adoption.FIRST_RUN, Adoption.NO], [one.adopted for one in registry.cameras()])
        again = self.start(*registry.cameras())
        self.assertEqual([Adoption.FIRST_RUN, Adoption.NO], [one.adopted for one in again.cameras()])

    def test_what_an_older_version_saved(self) -> None:
        """The mark of a login that worked counts as older versions wrote it, though that login is not configured."""
        self.budget = LoginBudget([], salt="s", save=lambda key, text: None)
        self.budget.restore({f"mac {A.compact}": '{"good": "0123456789abcdef01234567"}', f"mac {B.compact}": "{}"})
        registry = self.start(LET_IN, OPEN)
        self.assertEqual([Adoption.FIRST_RUN, Adoption.NO], [one.adopted for one in registry.cameras()])

    def test_once(self) -> None:
        """A login that was let in later makes nobody adopted: only what an older version left counts."""
        self.start(OPEN)
        self.budget.record_accepted(candidate("10.0.0.6", B), login(), 2000.0)
        self.assertEqual([Adoption.NO], [one.adopted for one in self.start(OPEN).cameras()])

    def test_empty(self) -> None:
        """Without cameras it is the first run."""
        self.start()
        self.assertEqual(600.0, self.left)


class Listed(SynchronousTestCase):
    def test_what_the_operator_named(self) -> None:
        """Networks in SCAN_NETWORKS and under headings, and cameras under headings; makers are no names of devices."""
        config = load(
            {
                "HOME": "/root",
                "SCAN_NETWORKS": "interfaces,10.1.0.0/16",
                "CAMERA_CREDENTIALS": "a:b,[network 10.2.0.0/16],a:c,[camera 02:00:00:00:00:0a],a:d,[vendor acme],a:e",
            },
            hostname="h",
            superuser=False,
        )
        networks, logins = networks_of(config), ConfiguredLogins(config.inspection.credentials)
        for one, listed in (
            (Candidate("x", "10.1.2.3"), True),
            (Candidate("x", "10.2.2.3"), True),
            (Candidate("x", "10.3.2.3", mac=A), True),
            (Candidate(A.compact, "10.3.2.3", mac=B), False),
            (Candidate("x", "10.3.2.3", mac=B, vendors=("Acme",)), False),
        ):
            self.assertEqual(listed, is_listed(networks, logins, one), one)
