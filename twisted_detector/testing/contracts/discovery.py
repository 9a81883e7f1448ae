"""Contracts of what discovers: :class:`IDiscoverer`, its four additions, and :class:`IWatcher`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from ipaddress import ip_network
from typing import Any, Protocol

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface
from zope.interface.verify import verifyObject

from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import (
    IAddressProbe,
    IDiscoverer,
    IFinder,
    INetworkSweep,
    IQuickSweep,
    ISeveralMethods,
    ISightingSink,
    IWatcher,
)
from twisted_detector.model import Adoption, Candidate, parse_address
from twisted_detector.testing.contracts.case import CLOSING, Contract, moments
from twisted_detector.testing.lan import RecordingSink

HERE, THERE = "10.0.0.5", "10.0.0.6"
#: A sweep sends at least so many times the packets of a quick sweep.
_QUICK_SHARE = 2


class DiscovererStage(Protocol):
    """A discoverer that has not searched yet, on 10.0.0.0/24 (this machine is 10.0.0.9), where no camera is.

    :ivar longest: seconds that a search takes at most.
    """

    @property
    def discoverer(self) -> Any: ...

    @property
    def longest(self) -> float: ...

    def add_camera(self, address: str) -> None:
        """A camera appears at 10.0.0.5 or 10.0.0.6, that answers this method of discovery."""

    def fail(self, *, failing: bool) -> None:
        """From now on nothing can be searched (no socket, no file, nothing can be sent), or all is well again."""

    def sent(self) -> int:
        """How many packets, or calls, the discoverer has sent so far; 0 where it never sends any."""

    def left_open(self) -> Sequence[object]:
        """The sockets, files, timers and watches that are open now."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


#: One search, by a method of a discoverer.
_Search = Callable[[Any, ISightingSink], Coroutine[Any, Any, None]]


def methods_of(part: Any) -> Sequence[str]:
    """The names that the sightings of a discoverer or watcher have."""
    return part.methods if ISeveralMethods.providedBy(part) else (part.name,)


def _search_contract(
    build: Callable[[], DiscovererStage], interface: type[Interface], search: _Search
) -> type[SynchronousTestCase]:
    """What any search promises: it ends in time, can be cancelled at any await, and leaves nothing open."""

    class SearchContract(Contract):
        def setUp(self) -> None:
            self.make_stage()

        def make_stage(self) -> None:
            self.stage = build()
            self.advance = self.stage.advance
            self.sink = RecordingSink()

        def work(self) -> Coroutine[Any, Any, None]:
            return search(self.stage.discoverer, self.sink)

        def search(self) -> set[str]:
            """Search to the end; the addresses that were reported."""
            self.result_of(self.work(), self.stage.longest)
            return {sighting.address for sighting in self.sink.sightings}

        def assert_ended(self) -> None:
            """Nothing is open, and nothing is sent or reported any more."""
            assert list(self.stage.left_open()) == []
            before = len(self.sink.sightings), len(self.sink.departures), self.stage.sent()
            self.stage.add_camera(THERE)
            self.pass_time(self.stage.longest)
            assert (len(self.sink.sightings), len(self.sink.departures), self.stage.sent()) == before

        def test_interface(self) -> None:
            """It provides the interface, and has a name."""
            verifyObject(interface, self.stage.discoverer)
            assert isinstance(self.stage.discoverer.name, str)
            assert self.stage.discoverer.name

        def test_idle(self) -> None:
            """Before it is asked to search, nothing is open and nothing is sent."""
            self.stage.add_camera(HERE)
            self.pass_time(self.stage.longest)
            assert (self.stage.sent(), list(self.stage.left_open())) == (0, [])

        def test_found(self) -> None:
            """A camera is reported, by its address and with the method's name, and at the end nothing is open."""
            self.stage.add_camera(HERE)
            assert self.search() == {HERE}
            for sighting in self.sink.sightings:
                parse_address(sighting.address)
                assert sighting.method in methods_of(self.stage.discoverer)
            self.assert_ended()

        def test_again(self) -> None:
            """Each search reports what is there, though an earlier one did: that it is seen again is news too."""
            self.stage.add_camera(HERE)
            for _ in range(3):
                assert self.search() == {HERE}
                self.sink.sightings.clear()

        def test_nobody(self) -> None:
            """Where nobody is, nobody is reported, and the search ends all the same."""
            assert self.search() == set()
            self.assert_ended()

        def test_cancelled(self) -> None:
            """It may be cancelled at any moment: it ends with CancelledError, or had ended, and leaves nothing open."""
            for moment in moments(self.stage.longest):
                self.make_stage()
                self.stage.add_camera(HERE)
                self.cancel_after(self.work(), moment)
                self.assert_ended()
                assert HERE in self.search()

    return SearchContract


def discoverer_contract(build: Callable[[], DiscovererStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IDiscoverer`."""
    base: Any = _search_contract(build, IDiscoverer, lambda discoverer, sink: discoverer.sweep(sink))

    class DiscovererContract(base):  # type: ignore[misc]
        def test_all(self) -> None:
            """Every camera is reported."""
            self.stage.add_camera(HERE)
            self.stage.add_camera(THERE)
            assert self.search() == {HERE, THERE}

        def test_failure(self) -> None:
            """A sweep that failed raises OSError or CamdetectError, and leaves nothing open; the next one is whole."""
            self.stage.add_camera(HERE)
            self.stage.fail(failing=True)
            self.error_of(self.work(), (OSError, CamdetectError), self.stage.longest)
            assert list(self.stage.left_open()) == []
            self.stage.fail(failing=False)
            self.sink.sightings.clear()
            assert self.search() == {HERE}

    return DiscovererContract


def quick_sweep_contract(build: Callable[[], DiscovererStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IQuickSweep`."""
    base: Any = _search_contract(build, IQuickSweep, lambda discoverer, sink: discoverer.sweep_quickly(sink))

    class QuickSweepContract(base):  # type: ignore[misc]
        def test_share(self) -> None:
            """It sends at most half of what a sweep sends, where the devices are known from one."""
            self.stage.add_camera(HERE)
            self.result_of(self.stage.discoverer.sweep(self.sink), self.stage.longest)
            of_sweep = self.stage.sent()
            self.search()
            assert (self.stage.sent() - of_sweep) * _QUICK_SHARE <= of_sweep

    return QuickSweepContract


def network_sweep_contract(build: Callable[[], DiscovererStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`INetworkSweep`, of one that sweeps links; the network is 10.0.0.0/29."""
    network = ip_network("10.0.0.0/29")
    return _search_contract(build, INetworkSweep, lambda discoverer, sink: discoverer.sweep_network(network, sink))


def address_probe_contract(build: Callable[[], DiscovererStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IAddressProbe`; the address is 10.0.0.5."""
    base: Any = _search_contract(build, IAddressProbe, lambda discoverer, sink: discoverer.probe(HERE, sink))

    class AddressProbeContract(base):  # type: ignore[misc]
        def test_that_address(self) -> None:
            """What is at other addresses is not reported."""
            self.stage.add_camera(THERE)
            assert self.search() == set()

    return AddressProbeContract


def finder_contract(build: Callable[[], DiscovererStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IFinder`: what is known of the device is that it was at 10.0.0.5."""
    candidate = Candidate(device_id="known", address=HERE, adoption=Adoption.FIRST_RUN)
    return _search_contract(build, IFinder, lambda discoverer, sink: discoverer.find(candidate, sink))


class WatcherStage(Protocol):
    """A watcher that was not started yet, on 10.0.0.0/24 (this machine is 10.0.0.9), where no camera is.

    :ivar longest: seconds from an announcement until it is reported, at most.
    """

    @property
    def watcher(self) -> Any: ...

    @property
    def longest(self) -> float: ...

    def announce(self, address: str) -> None:
        """A camera comes to 10.0.0.5 or 10.0.0.6, and does there what this watcher notices."""

    def disturb(self) -> None:
        """Something reaches the watcher that is none of its business, or that cannot be read."""

    def left_open(self) -> Sequence[object]:
        """The sockets, files, timers and watches that are open now."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def watcher_contract(build: Callable[[], WatcherStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IWatcher`: it reports from start to stop, and not before or after."""

    class WatcherContract(Contract):
        def setUp(self) -> None:
            self.make_stage()

        def make_stage(self) -> None:
            self.stage = build()
            self.advance = self.stage.advance
            self.watcher = self.stage.watcher
            self.sink = RecordingSink()

        def reported(self) -> set[str]:
            """The addresses that were reported, when what was announced had its time."""
            self.pass_time(self.stage.longest)
            addresses = {sighting.address for sighting in self.sink.sightings}
            self.sink.sightings.clear()
            return addresses

        def start(self) -> None:
            assert self.watcher.startWatching(self.sink) is None

        def stop(self) -> None:
            """Stop it: when it says that it has, nothing is open."""
            self.result_of(maybeDeferred(self.watcher.stopWatching), CLOSING)
            assert list(self.stage.left_open()) == []

        def test_interface(self) -> None:
            """It provides IWatcher, and has a name."""
            verifyObject(IWatcher, self.watcher)
            assert isinstance(self.watcher.name, str)
            assert self.watcher.name

        def test_idle(self) -> None:
            """Before it is started nothing is open."""
            self.stage.announce(HERE)
            self.pass_time(self.stage.longest)
            assert list(self.stage.left_open()) == []

        def test_reported(self) -> None:
            """Whatever comes is reported, by its address and with the method's name."""
            self.start()
            for address in (HERE, THERE):
                self.stage.announce(address)
                self.pass_time(self.stage.longest)
                assert {one.address for one in self.sink.sightings} == {address}
                assert {one.method for one in self.sink.sightings} <= set(methods_of(self.watcher))
                self.sink.sightings.clear()
            self.stop()

        def test_disturbed(self) -> None:
            """What it cannot read, or what is none of its business, is not reported and does not end the watch."""
            self.start()
            self.stage.disturb()
            assert self.reported() == set()
            self.stage.announce(HERE)
            assert self.reported() == {HERE}
            self.stop()

        def test_stopped(self) -> None:
            """Nothing is reported after the stop: neither what comes then nor what was on its way, at any moment."""
            for moment in moments(self.stage.longest):
                self.make_stage()
                self.start()
                self.stage.announce(HERE)
                self.pass_time(moment)
                self.sink.sightings.clear()
                self.sink.departures.clear()
                self.stop()
                self.stage.announce(THERE)
                assert (self.reported(), self.sink.departures) == (set(), [])

        def test_stopped_twice(self) -> None:
            """To stop it before it was started, or twice, is no fault."""
            self.stop()
            self.start()
            self.stop()
            self.stop()

        def test_started_again(self) -> None:
            """A watcher that was stopped can be started again."""
            for address in (HERE, THERE):
                self.start()
                self.stage.announce(address)
                assert self.reported() == {address}
                self.stop()

    return WatcherContract
