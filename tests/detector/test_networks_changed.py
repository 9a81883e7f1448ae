"""Other networks are to be searched: what was added is swept at once, and what was removed at once no more."""

from __future__ import annotations

from ipaddress import ip_network

from zope.interface import implementer

from tests.detector.case import DetectorCase
from twisted_detector.detector.sweeper import MAX_NETWORK_SWEEPS
from twisted_detector.errors import LocalError
from twisted_detector.interfaces import IDiscoverer, INetworkSweep, ISightingSink
from twisted_detector.model.reach import Network
from twisted_detector.testing.doubles import Gate

NEW, OTHER = ip_network("10.20.0.0/24"), ip_network("10.30.0.0/24")


@implementer(IDiscoverer, INetworkSweep)
class NetworkSweeper:
    """Sweeps as long as ``end`` is closed; counts what it began and what came to its end."""

    name = "networks"

    def __init__(self) -> None:
        self.end = Gate()
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.problem: Exception | None = None

    async def sweep(self, sink: ISightingSink) -> None:
        await self._run("all")

    async def sweep_network(self, network: Network, sink: ISightingSink) -> None:
        await self._run(str(network))

    async def _run(self, what: str) -> None:
        self.begun.append(what)
        if self.problem is not None:
            raise self.problem
        await self.end.wait()
        self.ended.append(what)


class NetworksChangedTests(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.method = NetworkSweeper()
        self.methods = [self.method]
        self.start()

    def change(self, *added: Network, narrowed: bool = False, widened: bool = False) -> list[str]:
        """What begins by a change of the networks."""
        self.method.begun.clear()
        self.detector.networks_changed(added, narrowed, widened)
        self.clock.advance(0)
        return self.method.begun

    def test_added(self) -> None:
        """A network that was added is swept at once: beside a sweep that is under way, and between two."""
        self.assertEqual([str(NEW)], self.change(NEW))
        self.assertTrue(self.detector.sweeping)
        self.method.end.open()
        self.assertEqual(["all", str(NEW)], self.method.ended)
        self.assertFalse(self.detector.sweeping)
        self.assertEqual([str(NEW), str(OTHER)], self.change(NEW, OTHER))
        self.assertEqual(1, self.detector.sweeps)

    def test_removed(self) -> None:
        """A sweep that is under way is cut, counts as none, and another begins at once, which sweeps the rest."""
        before = self.detector.sweeps
        self.assertEqual(["all"], self.change(narrowed=True))
        self.assertEqual(([], before), (self.method.ended, self.detector.sweeps))
        self.method.end.open()
        self.assertEqual((["all"], before + 1), (self.method.ended, self.detector.sweeps))
        self.assertEqual([""], [one.error for one in self.sweeps()])

    def test_removed_while_one_is_swept_alone(self) -> None:
        """So is the sweep of a network alone; what was to be swept by it is swept by the one that begins."""
        self.method.end.open()
        self.method.end = Gate()
        self.change(NEW)
        self.assertEqual(["all"], self.change(narrowed=True))
        self.method.end.open()
        self.assertEqual(["all", "all"], self.method.ended)

    def test_removed_between_sweeps(self) -> None:
        """Between two sweeps nothing has to be cut, and nothing begins."""
        self.method.end.open()
        self.assertEqual([], self.change(narrowed=True))

    def test_both(self) -> None:
        """What is added together with a removal that cuts a sweep is swept by the one that begins."""
        self.assertEqual(["all"], self.change(NEW, narrowed=True))
        self.method.end.open()
        self.assertEqual([str(NEW)], self.change(NEW, narrowed=True))

    def test_widened(self) -> None:
        """Where no network says what was added, all is swept now."""
        self.method.end.open()
        self.assertEqual(["all"], self.change(widened=True))

    def test_many(self) -> None:
        """So many networks are swept one by one at most; more begin a sweep of all."""
        self.method.end.open()
        self.method.end = Gate()
        many = [ip_network(f"10.{n}.0.0/24") for n in range(MAX_NETWORK_SWEEPS + 1)]
        self.assertEqual(["all"], self.change(*many))

    def test_failure(self) -> None:
        """A sweep of one network that fails is counted and hurts nothing; nor does a fault of a plugin."""
        self.method.end.open()
        for count, problem in enumerate((OSError("down"), LocalError("no"), ZeroDivisionError("x")), 1):
            self.method.problem = problem
            self.change(NEW)
            self.assertEqual(count, self.detector.counts["failed_sweeps"])
        self.method.problem = None
        self.assertEqual([str(NEW)], self.change(NEW))

    def test_too_long(self) -> None:
        """One that does not get on is given up after the time-out of a sweep."""
        self.method.end.open()
        self.method.end = Gate()
        self.change(NEW)
        self.clock.pump([1] * 40)
        self.method.end.open()
        self.assertNotIn(str(NEW), self.method.ended)

    def test_stop(self) -> None:
        """A stop ends it; a change after the stop begins nothing."""
        self.change(NEW)
        self.stop()
        self.method.end.open()
        self.assertEqual([], self.method.ended)
        self.assertEqual([], self.change(NEW, narrowed=True, widened=True))
