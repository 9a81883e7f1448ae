"""Forgetting one camera, or many by a filter."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import inspection, sighting, stream
from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.model import Mac
from twisted_detector.operations.forgetting import MAX_NAMED, ForgetCommand
from twisted_detector.registry.registry import Registry


class ForgetTests(SynchronousTestCase):
    """Two cameras that play, three that never did, one of them adopted; the last octet is that of the address."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.registry = Registry(lambda event: None)
        for number, plays in ((1, True), (2, True), (3, False), (4, False), (5, False)):
            self.add(number, plays=plays)
        self.registry.adopt("020000000005", self.clock.seconds())
        self.dropped: list[str] = []
        self.refusal: Exception | None = None
        self.command = self.make(self.clock.seconds)

    def make(self, monotonic: Callable[[], float]) -> ForgetCommand:
        return ForgetCommand(self.clock, self.registry, drop=self.drop, monotonic=monotonic)

    async def drop(self, camera_ids: Collection[str]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.dropped += camera_ids

    def execute(self, fields: dict[str, Any]) -> Any:
        executing = Deferred.fromCoroutine(self.command.execute(fields))
        failure = executing.result if isinstance(executing.result, Failure) else None
        if failure is not None:
            executing.addErrback(lambda _: None)
            failure.raiseException()
        return self.successResultOf(executing)

    def add(self, number: int, *, plays: bool) -> None:
        address, now = f"10.0.{number % 2}.{number}", self.clock.seconds()
        seen = self.registry.record_sighting(
            sighting(address, Mac(f"02:00:00:00:{number // 256:02x}:{number % 256:02x}")), now
        )
        assert seen is not None
        self.registry.record_inspection(seen.key, inspection(address, stream(address, plays=plays)), now)

    def forget(self, **fields: Any) -> list[int]:
        """The numbers of the cameras that are left."""
        self.answer = self.execute({"command": "forget", "id": 1, **fields})
        for _ in range(50):
            self.clock.advance(0)
        return [int(camera.id, 16) % 256 for camera in self.registry.cameras()]

    def test_one(self) -> None:
        """One camera goes by its id; one that there is not is said."""
        self.assertEqual([2, 3, 4, 5], self.forget(camera_id="020000000001"))
        self.assertRaises(RemoteError, self.forget, camera_id="020000000001")
        self.assertRaises(RemoteError, self.forget, camera_id="")

    def test_what_was_decided(self) -> None:
        """It is dropped first: where the disk does not take that, one camera stays, and many go with a warning."""
        self.forget(camera_id="020000000001")
        self.forget(adopted="person")
        self.assertEqual(["020000000001", "020000000005"], self.dropped)
        self.refusal = NotSaved("no space left on device")
        self.assertRaises(NotSaved, self.forget, camera_id="020000000002")
        self.assertEqual([2], self.forget(never_proved=True))

    def test_filters(self) -> None:
        """Every criterion that is given must be met."""
        for fields, left in (
            ({"never_proved": True}, [1, 2]),
            ({"never_proved": True, "adopted": False}, [1, 2, 5]),
            ({"adopted": "person"}, [1, 2, 3, 4]),
            ({"adopted": ["no"]}, [5]),
            ({"status": "online"}, [3, 4, 5]),
            ({"status": ["online", "stream_error"], "network": "10.0.1.0/24"}, [2, 4]),
            ({"network": "fe80::/64"}, [1, 2, 3, 4, 5]),
            ({"older_than": 10}, [1, 2, 3, 4, 5]),
            ({"older_than": 0, "status": "stream_error"}, [1, 2]),
        ):
            with self.subTest(fields=fields):
                self.setUp()
                self.assertEqual(left, self.forget(**fields))
                self.assertEqual(5 - len(left), self.answer["matched"])

    def test_dry_run(self) -> None:
        """Who wants to know first is told, and nothing goes."""
        self.assertEqual([1, 2, 3, 4, 5], self.forget(never_proved=True, dry_run=True))
        self.assertEqual((3, True), (self.answer["matched"], self.answer["dry_run"]))
        self.assertEqual(["020000000003", "020000000004", "020000000005"], self.answer["camera_ids"])

    def test_a_slip_is_not_everything(self) -> None:
        """A field that is not known, no criterion, or a value that is none forgets nobody."""
        for fields in (
            {},
            {"never_proved": None},
            {"nework": "10.0.0.0/8", "status": "online"},
            {"network": "10.0.0"},
            {"status": "gone"},
            {"status": []},
            {"adopted": 1},
            {"never_proved": "yes"},
            {"older_than": "1d"},
            {"older_than": True},
            {"older_than": float("nan")},
        ):
            with self.subTest(fields=fields):
                self.assertRaises(RemoteError, self.forget, **fields)
                self.assertEqual(5, self.registry.fleet.total)

    def test_many(self) -> None:
        """Thousands go bit by bit, between other work; the answer names the first of them."""
        for number in range(6, 256):
            self.add(number, plays=False)
        ticks = iter(range(10**6))
        self.command = self.make(lambda: next(ticks) * 0.004)
        answer = self.execute({"never_proved": True, "adopted": False})
        self.assertEqual((252, MAX_NAMED), (answer["matched"], len(answer["camera_ids"])))
        self.assertGreater(self.registry.fleet.total, 245)
        while self.clock.getDelayedCalls():
            self.clock.advance(0)
        self.assertEqual(3, self.registry.fleet.total)

    def test_back_again(self) -> None:
        """One that does not meet the filter any more when its turn comes stays."""
        ticks = iter(range(10**6))
        self.command = self.make(lambda: next(ticks) * 1.0)
        self.execute({"adopted": "no"})
        self.registry.adopt("020000000004", self.clock.seconds())
        while self.clock.getDelayedCalls():
            self.clock.advance(0)
        self.assertEqual({"020000000004", "020000000005"}, {camera.id for camera in self.registry.cameras()})
