"""First check after a restart: a camera that was well is checked, not inspected, where its MAC is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zope.interface import implementer

from tests.detector.case import GOOD, HERE, MAIN, THERE, DetectorCase, is_good
from tests.facts import PLAYS, SILENT, A, B, C, adopting, inspection, sighting, stream
from twisted_detector.interfaces import ILiveness
from twisted_detector.model import Camera, Status
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import Guarded, MemoryWatcher
from twisted_detector.testing.lan import MemoryNeighbours

DAY = 86_400
REFERENCE = "5f5a69c2-e0ae-504f-829b-00408cabcdef"


@implementer(ILiveness)
class ResolvingLiveness:
    """Whoever is knocked at is in the kernel's table afterwards."""

    def __init__(self, neighbours: MemoryNeighbours) -> None:
        self._neighbours = neighbours
        self.knocked: list[str] = []

    async def is_alive(self, address: str, ports: Sequence[int]) -> bool:
        self.knocked.append(address)
        self._neighbours.macs[address] = {HERE: A, THERE: B}[address]
        return True

    async def accepts(self, address: str, ports: Sequence[int]) -> bool:
        raise NotImplementedError


class RestartCase(DetectorCase):
    """Two cameras were found, and the daemon was stopped.

    :ivar wants_login: whether their streams want a login.
    """

    wants_login = False

    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(10_000)
        self.methods = []
        self.book = adopting()  # what was decided of each is saved
        self.registry = Registry(self.bus.emit, missed_limit=3, adoption=self.book)
        for address in (HERE, THERE):
            found = inspection(address, stream(address), onvif_url=f"http://{address}/o")
            self.inspector.answers[address] = found
            if self.wants_login:
                self.validator.answers[f"rtsp://{address}:554/main"] = Guarded(PLAYS, is_good)
        self.build().start()
        self.report()
        self.clock.pump([1] * 30)
        self.stop()

    def report(self) -> None:
        """Both announce themselves."""
        for address, mac in ((HERE, A), (THERE, B)):
            self.watcher.report(
                sighting(
                    address,
                    reference=f"{REFERENCE}-{mac.compact}",
                    xaddrs=(f"http://{address}/o",),
                    scopes=("onvif://www.onvif.org/name/cam",),
                    open_ports=(80, 554),
                    method="wsdiscovery",
                )
            )

    def restart(self, *saved: Camera, after: float = 60.0, begin: bool = True) -> None:
        """Start again after so many seconds, with what was saved."""
        cameras = saved or self.registry.cameras()
        self.clock.advance(after)
        self.inspector.calls.clear()
        self.validator.validated.clear()
        self.validator.checked.clear()
        self.listener.take()
        self.registry = Registry(self.bus.emit, missed_limit=3, adoption=self.book)
        self.registry.restore(cameras)
        self.budget = self.make_budget()
        self.budget.restore(self.saved_logins)
        self.watcher = MemoryWatcher()
        self.watchers = [self.watcher]
        self.start()
        if begin:
            self.clock.pump([0.1] * 20)

    def inspected(self) -> list[str]:
        return [address for address, _ in self.inspector.calls]

    def proved(self) -> list[str]:
        return sorted(url for url, _ in self.validator.validated)

    def statuses(self) -> set[Status]:
        return {camera.status for camera in self.registry.cameras()}


class RestartTests(RestartCase):
    """What is asked after a restart, and of whom."""

    def test_checked(self) -> None:
        """Each is proved in full once, and not inspected, whatever it announces before and after; later checks are
        cheap, and the next refresh is an inspection.
        """
        self.proof_every = 1000
        self.restart(begin=False)
        self.report()
        self.clock.pump([0.1] * 20)
        self.report()
        self.clock.pump([1] * 50)
        proved = [MAIN, f"rtsp://{THERE}:554/main"]
        self.assertEqual(([], proved), (self.inspected(), self.proved()))
        self.assertEqual({Status.ONLINE}, self.statuses())
        self.assertEqual(2, self.detector.counts["spared_inspections"])
        self.clock.pump([60] * 60 * 6)
        self.report()
        self.clock.advance(1)
        self.assertEqual([HERE, THERE], sorted(self.inspected()))

    def test_another_stands_there(self) -> None:
        """Where another MAC is seen nothing is asked: the device has missed a check, and is searched for."""
        self.neighbours.macs[HERE] = C
        self.restart()
        key = self.registry.key_at(HERE)
        assert key is not None
        self.assertEqual(([], [f"rtsp://{THERE}:554/main"]), (self.inspected(), self.proved()))
        self.assertEqual(1, self.registry.missed_checks(key))

    def test_nobody_knows_who_stands_there(self) -> None:
        """Where no MAC is seen nothing is proved before an inspection."""
        del self.neighbours.macs[HERE]
        self.inspector.answers[HERE] = None
        self.restart()
        self.assertEqual(([HERE], [f"rtsp://{THERE}:554/main"]), (self.inspected(), self.proved()))

    def test_the_kernel_has_forgotten(self) -> None:
        """A device whose MAC is not in the kernel's table is knocked at, so that it is."""
        self.neighbours.macs.clear()
        self.liveness = knocking = ResolvingLiveness(self.neighbours)
        self.restart()
        self.assertEqual(([HERE, THERE], []), (sorted(knocking.knocked), self.inspected()))
        self.assertEqual({Status.ONLINE}, self.statuses())

    def test_long_ago(self) -> None:
        """Who was well more than a day ago is inspected."""
        self.restart(after=DAY + 1)
        self.assertEqual([HERE, THERE], sorted(self.inspected()))

    def test_nothing_happened_to_it(self) -> None:
        """A camera is saved when something happens to it: one was saved today, so the other was well today, too."""
        first, second = self.registry.cameras()
        now = self.clock.seconds() + 3 * DAY
        self.restart(first, replace(second, last_seen=now - 60), after=3 * DAY)
        self.assertEqual([], self.inspected())

    def test_stamps_of_the_future(self) -> None:
        """After the clock was set back nothing is known of when they were well."""
        cameras = [replace(one, last_seen=self.clock.seconds() + DAY) for one in self.registry.cameras()]
        self.restart(*cameras)
        self.assertEqual([HERE, THERE], sorted(self.inspected()))

    def test_who_was_not_well(self) -> None:
        """Who was offline, in trouble or without streams is inspected."""
        first, second = self.registry.cameras()
        self.restart(replace(first, status=Status.OFFLINE), second)
        self.assertEqual([HERE], self.inspected())

    def test_who_does_not_answer(self) -> None:
        """Who does not answer the check has missed one, as one that did not answer an inspection; who answers, and does
        not play, is inspected.
        """
        self.validator.answers[MAIN] = SILENT
        there = f"rtsp://{THERE}:554/main"
        self.validator.answers[there] = replace(PLAYS, validated=False, reason="404 Not Found")
        self.restart()
        key = self.registry.key_at(HERE)
        assert key is not None
        self.assertEqual(([THERE], 1), (self.inspected(), self.registry.missed_checks(key)))

    def test_a_command(self) -> None:
        """A person's command brings an inspection, though the check has not begun."""
        self.neighbours.macs.clear()
        self.restart(begin=False)
        self.detector.check(A.compact)
        self.clock.pump([0.1] * 20)
        self.assertIn(HERE, self.inspected())

    def test_without_layer_2(self) -> None:
        """Where no MAC is looked up, all are inspected."""
        self.mac_tracking = False
        self.restart()
        self.assertEqual([HERE, THERE], sorted(self.inspected()))


class LoginTests(RestartCase):
    """The streams want a login, which was accepted before."""

    logins = (GOOD,)
    wants_login = True

    def sent(self, address: str) -> int:
        """How often the login was sent to a device."""
        asked = [(url.split("/")[2].split(":")[0], name) for url, name in self.validator.validated]
        return [*asked, *self.inspector.calls].count((address, GOOD.name))

    def test_one_login(self) -> None:
        """The check sends the login that is known to be right, once, to each whose MAC is seen."""
        self.restart()
        self.assertEqual(([], 1, 1), (self.inspected(), self.sent(HERE), self.sent(THERE)))
        self.assertEqual({Status.ONLINE}, self.statuses())

    def test_none_to_another(self) -> None:
        """Where another MAC is seen, the login is not sent, whether the device was well or not."""
        first, second = self.registry.cameras()
        self.neighbours.macs.update({HERE: C, THERE: C})
        self.restart(first, replace(second, status=Status.OFFLINE))
        self.assertEqual((0, 0), (self.sent(HERE), self.sent(THERE)))

    def test_refused(self) -> None:
        """Where it is refused, the inspection that follows does not send it again."""
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.restart()
        self.assertEqual(([HERE], 1), (self.inspected(), self.sent(HERE)))
        self.clock.pump([1] * 300)
        self.assertEqual(1, self.sent(HERE))
