"""The page opens on the first run where nothing was set up, until it is done or skipped, and never again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, adopting, inspection, sighting, stream
from twisted_detector.errors import RemoteError
from twisted_detector.operations.first_run.progress import FirstRunPage
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import MemoryStateStore

HERE = "192.0.2.9"


class Progress(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = MemoryStateStore()
        self.registry = Registry(lambda event: None, adoption=adopting())
        self.page = self.started()

    def started(self, *, known: bool = False) -> FirstRunPage:
        """As the next start has it."""
        page = FirstRunPage(self.store, self.registry)
        self.successResultOf(Deferred.fromCoroutine(page.restore(known=known)))
        return page

    def ask(self, **fields: object) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.successResultOf(Deferred.fromCoroutine(self.page.answer(fields)))
        return answer

    def test_new(self) -> None:
        """It is open on a new installation, also after a restart that has found cameras meanwhile."""
        self.assertEqual({"open": True, "state": "new"}, self.ask())
        self.page = self.started(known=True)
        self.assertTrue(self.ask()["open"])

    def test_over(self) -> None:
        """Finished or skipped, it is over for ever."""
        for action, state in (("finish", "finished"), ("skip", "skipped")):
            self.setUp()
            self.assertEqual({"open": False, "state": state}, self.ask(action=action))
            self.page = self.started()
            self.assertEqual({"open": False, "state": state}, self.ask())

    def test_an_earlier_installation(self) -> None:
        """Who has cameras from before there was a first run is not asked."""
        self.store = MemoryStateStore()
        self.page = self.started(known=True)
        self.assertEqual({"open": False, "state": "earlier"}, self.ask())
        self.page = self.started()
        self.assertFalse(self.ask()["open"])

    def test_adopted_by_a_person(self) -> None:
        """A camera that camdetect adopted by itself does not end it; one that a person adopted elsewhere does."""
        seen = self.registry.record_sighting(sighting(HERE, A), 0.0)
        assert seen is not None
        self.registry.record_inspection(seen.key, inspection(HERE, stream(HERE)), 0.0)
        (camera,) = self.registry.cameras()
        self.assertTrue(camera.adopted.is_adopted)
        self.assertTrue(self.ask()["open"])
        self.registry.adopt(camera.id, 1.0)
        self.assertFalse(self.ask()["open"])

    def test_another_action(self) -> None:
        """Anything else is refused at its field."""
        for action in ("again", 3, ["skip"]):
            asked = Deferred.fromCoroutine(self.page.answer({"action": action}))
            refused = self.failureResultOf(asked, RemoteError)
            self.assertTrue(str(refused.value).startswith("action: must be one of"))
        self.assertTrue(self.ask()["open"])
