"""Port looks: whose ports a sweep asks, by the registry's own word of who is well."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred

from tests.discovery.test_arp_sweep import SweepCase, mac_of
from tests.facts import PLAYS, SILENT, adopting, inspection, sighting, stream
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.arp_sweep import ArpSweep, SweepDrivers
from twisted_detector.discovery.sweep.ports import CAMERA_PORTS
from twisted_detector.discovery.sweep.targets import SweepSettings
from twisted_detector.model import Camera, Mac, Status
from twisted_detector.registry.registry import Registry

HERE, THERE = "10.0.0.20", "10.0.0.21"


class RegistryLooksTests(SweepCase):
    """Two cameras, of which the registry knows how they are."""

    def setUp(self) -> None:
        super().setUp()
        for address in (HERE, THERE):
            self.live(address, 554, 80)
        self.adoption = adopting()
        self.start(Registry(lambda event: None, missed_limit=3, adoption=self.adoption))

    def start(self, registry: Registry) -> None:
        """A run of the daemon begins: no look of an earlier one is remembered."""
        self.registry = registry
        self.scan = ArpSweep(
            self.clock,
            self.neighbours,
            settings=lambda: SweepSettings(),
            limiter=PacketRateLimiter(10_000, self.clock.seconds),
            is_well=self.registry.is_well_at,
            drivers=SweepDrivers(self.hosts.connector, self.link.raw, self.clock.seconds),
        )

    def restart(self, *saved: Camera) -> None:
        """Start anew, with what an earlier run saved; no camera has been checked yet."""
        cameras = saved or self.registry.cameras()
        self.start(Registry(lambda event: None, missed_limit=3, adoption=self.adoption))
        self.registry.restore(cameras)

    def inspect(self, address: str, mac: Mac | None = None) -> int:
        now = self.clock.seconds() + 1
        seen = self.registry.record_sighting(sighting(address, mac or mac_of(address)), now)
        assert seen is not None
        self.registry.begin_inspection(seen.key, now)
        self.registry.record_inspection(seen.key, inspection(address, stream(address)), now)
        return seen.key

    def connects(self) -> dict[str, int]:
        """Connects of one sweep, by address."""
        self.hosts.attempts.clear()
        self.finish(Deferred.fromCoroutine(self.scan.sweep(self.sink)))
        found = [address for _, address, _ in self.hosts.attempts]
        return {address: found.count(address) for address in dict.fromkeys(found)}

    def test_new(self) -> None:
        """A host is asked for its ports until it is a camera that is well."""
        every = len(CAMERA_PORTS)
        self.assertEqual({HERE: every, THERE: every}, self.connects())
        self.inspect(HERE)
        self.assertEqual({THERE: every}, self.connects())
        self.inspect(THERE)
        for _ in range(5):
            self.assertEqual({}, self.connects())

    def test_not_well(self) -> None:
        """A camera that missed a check, and one whose stream does not play, are asked again."""
        missing, troubled = self.inspect(HERE), self.inspect(THERE)
        self.registry.record_no_answer(missing, "no answer", 1.0)
        report = {f"rtsp://{THERE}:554/main": SILENT}
        self.registry.record_check(troubled, report, 1.0)
        self.assertEqual({HERE, THERE}, set(self.connects()))

    def test_another_mac(self) -> None:
        """Where another MAC answers than the camera's, it is asked who that is."""
        self.inspect(HERE, Mac("02:00:00:00:00:0c"))
        self.inspect(THERE)
        self.assertEqual({HERE}, set(self.connects()))

    def test_two_at_one_address(self) -> None:
        """Where another device was seen at the same address since, both are asked."""
        self.inspect(HERE)
        self.registry.record_sighting(sighting(HERE, Mac("02:00:00:00:00:0d")), 1.0)
        self.assertFalse(self.registry.is_well_at(HERE, mac_of(HERE)))

    def test_restart(self) -> None:
        """After a restart those are left alone that were well and answer over their MAC: their check asks them."""
        self.inspect(HERE)
        self.inspect(THERE)
        self.restart()
        self.assertEqual({}, self.connects())

    def test_restart_and_no_answer(self) -> None:
        """A camera that does not answer that check is looked at by the next sweep, as ever; one that does is not."""
        for address in (HERE, THERE):
            self.inspect(address)
        self.restart()
        missing, well = self.registry.key_at(HERE), self.registry.key_at(THERE)
        assert missing is not None
        assert well is not None
        self.registry.record_no_answer(missing, "no answer", 1.0)
        self.registry.record_check(well, {f"rtsp://{THERE}:554/main": PLAYS}, 1.0)
        self.assertEqual({HERE}, set(self.connects()))

    def test_restart_and_another_mac(self) -> None:
        """Where another MAC answers after a restart than the camera's, it is asked who that is."""
        self.inspect(HERE, Mac("02:00:00:00:00:0c"))
        self.inspect(THERE)
        self.restart()
        self.assertEqual({HERE}, set(self.connects()))

    def test_restart_of_who_was_not_well(self) -> None:
        """What was away when the earlier run ended, or never played, is looked at after a restart."""
        self.inspect(HERE)
        self.inspect(THERE)
        first, second = self.registry.cameras()
        self.restart(replace(first, status=Status.OFFLINE), replace(second, last_validated=0.0))
        self.assertEqual({HERE, THERE}, set(self.connects()))

    def test_restart_without_mac(self) -> None:
        """Beyond a router nothing shows that a device is still the same: after a restart it is looked at."""
        self.inspect(HERE)
        self.restart()
        self.assertEqual((True, False), tuple(self.registry.is_well_at(HERE, mac) for mac in (mac_of(HERE), None)))

    def test_without_mac(self) -> None:
        """Beyond a router there is no MAC: that the device is well at the address is enough."""
        self.inspect(HERE)
        self.assertTrue(self.registry.is_well_at(HERE, None))
        self.assertFalse(self.registry.is_well_at("10.7.0.1", None))
