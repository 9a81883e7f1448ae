"""The log of observations: what it keeps of each address, its bounds, and that it holds no secret."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.facts import A, inspection, login, sighting
from twisted_detector.events import (
    CameraAsleep,
    CameraDiscovered,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraRestored,
    ClockSkewed,
    IdentityConflict,
)
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Announced, Camera, Evidence, EvidenceKind, Status
from twisted_detector.model.announced import Condition
from twisted_detector.model.devices import BY_HAND
from twisted_detector.registry.observations import (
    MAX_PACKED_AT_ONCE,
    MAX_TEXT,
    QUIET,
    ObservationLog,
    describe_inspection,
    describe_logins,
    describe_sighting,
)

HERE, THERE = "10.0.0.5", "10.0.0.6"


class ObservationLogTests(SynchronousTestCase):
    def texts(self, log: ObservationLog, address: str) -> list[str]:
        return [one.text for one in log.observations_of(address)]

    def test_the_same_again_is_counted(self) -> None:
        """A fact that comes again is one, with its number, its first and its last time; the latest comes last."""
        log = ObservationLog()
        for at, what in ((1.0, "a"), (2.0, "b"), (3.0, "a")):
            log.record(at, HERE, "check", what)
        self.assertEqual(["b", "a"], self.texts(log, HERE))
        self.assertEqual(
            (1.0, 3.0, 2), (f := log.observations_of(HERE)[1]).first_at and (f.first_at, f.last_at, f.times)
        )

    def test_bounds(self) -> None:
        """So many facts of so many addresses, of such a length; the oldest go; no control characters."""
        log = ObservationLog(max_addresses=2, max_observations=3)
        for number in range(9):
            log.record(number, HERE, "check", str(number))
        self.assertEqual(["6", "7", "8"], self.texts(log, HERE))
        log.record(10, THERE, "check", "\x1b[31m" + "x" * 1000)
        self.assertEqual(MAX_TEXT, len(self.texts(log, THERE)[0]))
        self.assertNotIn("\x1b", self.texts(log, THERE)[0])
        log.record(11, "10.0.0.7", "check", "x")
        self.assertEqual((2, []), (len(log), self.texts(log, HERE)))

    def test_a_flood_of_announcements(self) -> None:
        """Whatever is announced from however many addresses, what was asked and answered stays."""
        for source in ("wsdiscovery", "vendors", "sadp", "doorbell"):
            log = ObservationLog(max_addresses=100, forgeable=("sadp", "dhip"))
            log.distrust(["doorbell"])
            log.record(0, HERE, source, "seen")
            log.record(1, HERE, "onvif", "a camera")
            for number in range(10_000):
                log.record(2, f"10.9{number // 62500}.{number // 250 % 250}.{number % 250}", source, "forged")
            self.assertEqual((101, ["seen", "a camera"]), (len(log), self.texts(log, HERE)))

    def packed(self, log: ObservationLog) -> list[str]:
        kept = (*log._announced.items(), *log._verified.items())
        return [address for address, one in kept if isinstance(one, bytes)]

    def test_quiet_addresses_are_packed(self) -> None:
        """What was observed at an address that is quiet by now takes less, and is told all the same; it counts on."""
        log = ObservationLog(max_observations=3)
        for source, at, what in (("check", 1.0, "a"), ("arp", 2.0, "b"), ("check", 3.0, "a")):
            log.record(at, HERE, source, what)
        log.record(4.0, "10.0.0.7", "arp", "forged")
        log.record(QUIET + 1, THERE, "check", "x")
        self.assertEqual([], self.packed(log))
        before = log.observations_of(HERE)
        log.record(QUIET + 5, THERE, "check", "x")
        self.assertEqual(["10.0.0.7", HERE], self.packed(log))
        self.assertEqual((before, ["forged"]), (log.observations_of(HERE), self.texts(log, "10.0.0.7")))
        log.record(QUIET + 6, HERE, "check", "a")
        self.assertEqual(["10.0.0.7"], self.packed(log))
        latest = log.observations_of(HERE)[-1]
        self.assertEqual((1.0, QUIET + 6, "a", 3), (latest.first_at, latest.last_at, latest.text, latest.times))
        for number in range(5):
            log.record(QUIET + 7, HERE, "check", str(number))
        self.assertEqual(["2", "3", "4"], self.texts(log, HERE))

    def test_few_are_packed_at_once(self) -> None:
        """However many are quiet, one observation packs a few; a wall clock that was set hinders nothing."""
        log = ObservationLog()
        for number in range(7):
            log.record(100_000.0, f"10.0.1.{number}", "arp", "seen")
        for times in range(1, 4):
            log.record(50.0, HERE, "check", "x")  # the clock was set back
            self.assertEqual(times * MAX_PACKED_AT_ONCE, len(self.packed(log)))
        log.record(50.0, HERE, "check", "x")
        self.assertEqual((7, 8, ["x"]), (len(self.packed(log)), len(log), self.texts(log, HERE)))

    def test_events(self) -> None:
        """A move is told at both addresses; an end with its reason."""
        log = ObservationLog()
        verifyObject(IEventListener, log)
        camera = Camera("id1", "id1", THERE, status=Status.OFFLINE)
        log.handle(CameraMoved(at=1.0, camera=camera, old_address=HERE, new_address=THERE))
        log.handle(CameraOffline(at=2.0, camera=camera, reason="announced"))
        self.assertEqual([f"id1 moved to {THERE}"], self.texts(log, HERE))
        self.assertEqual([f"id1 moved here from {HERE}", "id1 is offline: announced"], self.texts(log, THERE))
        log = ObservationLog()
        for event in (
            CameraDiscovered(at=1.0, camera=camera),
            CameraRestored(at=2.0, camera=camera),
            ClockSkewed(at=3.0, camera=camera, offset=-71.2),
            IdentityConflict(at=4.0, camera=camera, kind="serial", value="7", other_device_id="id2"),
            CameraAsleep(at=4.5, camera=camera, reason="it has a battery"),
            CameraForgotten(at=5.0, camera=camera),
        ):
            log.handle(event)
        told = (
            "id1 was found here",
            "id1 was here in an earlier run",
            "id1 has a clock that is -71 s off ours",
            "id1 claims serial 7, and so does id2",
            "id1 is asleep: it has a battery",
            "id1 was forgotten on command",
        )
        self.assertEqual(told, tuple(self.texts(log, THERE)))


class DescriptionTests(SynchronousTestCase):
    def test_no_secret(self) -> None:
        """A service address is told without its login; of a login there is the name."""
        told = describe_sighting(sighting(HERE, A, xaddrs=("http://root:canary@10.0.0.5/onvif",), open_ports=(80,)))
        told += " ".join(describe_logins(login("admin", "canary"), ["root"], "no"))
        self.assertNotIn("canary", told)
        for word in ("http://10.0.0.5/onvif", "ports open 80", str(A), "accepted admin", "refused root: no"):
            self.assertIn(word, told)

    def test_own_word(self) -> None:
        """What a device says of itself, as its own word."""
        said = Announced(
            "HIKVISION", "DS-2CD2", serial_number="7", channels=4, managed_by="a console", address="192.168.1.64",
            conditions=(Condition.NOT_ACTIVATED, Condition.MANAGED), firmware_version="V5",
        )  # fmt: skip
        self.assertEqual(
            "seen: says of itself: HIKVISION DS-2CD2, not-activated, managed-by, channels 4, serial number 7,"
            " firmware V5, address 192.168.1.64, managed by a console",
            describe_sighting(sighting(HERE, announced=said)),
        )
        macs = tuple(Evidence(EvidenceKind.ANNOUNCED_MAC, f"02:00:00:00:00:0{number}", "x", 0.0) for number in range(5))
        self.assertEqual(
            "seen: says of itself: a camera, MAC 02:00:00:00:00:00, MAC 02:00:00:00:00:01",
            describe_sighting(sighting(HERE, announced=Announced(), evidence=macs)),
        )
        self.assertEqual("seen: says of itself: a camera", describe_sighting(sighting(HERE, announced=Announced())))

    def test_asked_by_hand(self) -> None:
        """Of an address that a person names nothing was seen: the ports are those that are to be tried."""
        by_hand = sighting(HERE, open_ports=(554, 80), rtsp_ports=(554,), method=BY_HAND)
        self.assertEqual("asked by hand", describe_sighting(by_hand))

    def test_inspection(self) -> None:
        """What a device is, how many streams it names and how it stands."""
        text = describe_inspection(inspection(HERE, model="M1", status=Status.BUSY, reason="453"))
        self.assertEqual("a camera: Acme M1, 1 streams, busy (453)", text)
        text = describe_inspection(replace(inspection(HERE), manufacturer=""))
        self.assertEqual("a camera: an unidentified device, 1 streams, online", text)
        self.assertEqual("seen: it is there", describe_sighting(sighting(HERE)))
