"""Devices that are published by their word alone, and what becomes of them; cameras that sleep."""

from __future__ import annotations

from dataclasses import replace

from tests.facts import A, B, sighting, stream
from tests.registry.case import HERE, THERE, RegistryCase
from twisted_detector.events import (
    CameraAsleep,
    CameraChanged,
    CameraDiscovered,
    CameraEvent,
    CameraOffline,
    CameraOnline,
    CameraTrouble,
    IdentityConflict,
)
from twisted_detector.model import Announced, Camera, Evidence, EvidenceKind, Inspection, Mac, Status
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.model.reasons import BEING_CHECKED, NO_CAMERA, NOTHING_ELSE
from twisted_detector.registry.device_table import SLEEPING_LIFE, UNPROVED_LIFE
from twisted_detector.registry.inspection_reasons import FOREIGN_HOLD
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.quotas import MAX_UNPROVED_PER_HOST, NEW_CAMERAS_PER_HOUR
from twisted_detector.registry.registry import Registry

SADP = Announced("HIKVISION", "DS-2CD2", serial_number="DS-2CD2-77", firmware_version="V5", kind=DeviceKind.CAMERA)
SLEEPER = Announced("Reolink", "Argus 3", name="Porch")


class AnnouncedCase(RegistryCase):
    def hear(self, said: Announced = SADP, address: str = HERE, mac: Mac | None = A, **more: object) -> int:
        more.setdefault("method", "sadp")
        return self.record(sighting(address, mac, announced=said, **more))  # type: ignore[arg-type]

    def publish(self, said: Announced = SADP, **more: object) -> int:
        key = self.hear(said, **more)  # type: ignore[arg-type]
        self.registry.publish_announced(key, self.now)
        return key

    @property
    def one(self) -> Camera:
        (camera,) = self.registry.cameras()
        return camera

    def news(self) -> list[type]:
        return [type(event) for event in self.listener.take() if isinstance(event, CameraEvent)]

    def finds_nothing(self, key: int) -> None:
        self.now += 1
        self.registry.begin_inspection(key, self.now)
        self.registry.record_not_a_camera(key, self.now)


class PublishTests(AnnouncedCase):
    def test_by_its_word(self) -> None:
        """It is published under its MAC, with what it says, as a claim; no event says more than that."""
        key = self.publish()
        camera = self.one
        self.assertEqual(
            (A.compact, A, "HIKVISION", "DS-2CD2", "DS-2CD2-77", "V5", ("sadp",)),
            (
                camera.id, camera.mac, camera.manufacturer, camera.model, camera.serial_number,
                camera.firmware_version, camera.methods,
            ),
        )  # fmt: skip
        self.assertEqual((Status.STREAM_ERROR, BEING_CHECKED), (camera.status, camera.reason))
        self.assertEqual((True, False, ()), (camera.unconfirmed, camera.established, camera.streams))
        self.assertEqual([CameraDiscovered, CameraTrouble], self.news())
        self.assertIs(Phase.TROUBLED, self.registry.phase(key))
        self.registry.publish_announced(key, self.now)
        self.assertEqual([], self.news())

    def test_nothing_else(self) -> None:
        """When it answered as no camera, that and what to do is the reason, at once."""
        key = self.hear()
        self.finds_nothing(key)
        self.assertEqual((A.compact, NOTHING_ELSE), (self.one.id, self.one.reason))
        self.finds_nothing(key)
        self.assertEqual(1, self.news().count(CameraTrouble))

    def test_address_can_be_forged(self) -> None:
        """Where no MAC was seen it is published only when somebody answered an inspection there."""
        key = self.publish(mac=None)
        self.assertEqual([], self.ids())
        self.registry.record_no_answer(key, "no connection", self.now)
        self.registry.publish_announced(key, self.now)
        self.assertEqual([], self.ids())
        key = self.hear(mac=None)
        self.finds_nothing(key)
        self.assertEqual([f"ip-{HERE.replace('.', '-')}"], self.ids())

    def test_in_the_name_of_another(self) -> None:
        """Who claims the identifier of a camera that is there, and shows no MAC, is not published twice."""
        serial = (Evidence(EvidenceKind.SERIAL, "SERIAL-1", "sadp", 0.0),)
        self.publish(evidence=serial)
        key = self.hear(address=THERE, mac=None, evidence=serial)
        self.finds_nothing(key)
        self.assertEqual([A.compact], self.ids())
        self.assertEqual(HERE, self.one.address)

    def test_who_names_services(self) -> None:
        """Who names ONVIF services is published by the inspection, as before."""
        self.publish(xaddrs=(f"http://{HERE}/onvif",))
        self.assertEqual([], self.ids())

    def test_who_is_none(self) -> None:
        """A lamp is not published, nor what an inspection showed to be something else, and one that is gone is not."""
        self.publish(replace(SADP, kind=DeviceKind.OTHER))
        key = self.hear(address=THERE, mac=B)
        self.registry.record_not_a_camera(key, self.now, "it is a media server", other=True)
        self.registry.publish_announced(key, self.now)
        self.registry.publish_announced(4711, self.now)
        self.assertEqual([], self.ids())

    def test_keeps_its_id(self) -> None:
        """When an inspection finds it later it is the same camera, confirmed, with what that found."""
        key = self.publish(replace(SADP, name="Yard"))
        self.inspect(key, manufacturer="Acme", model="M1")
        camera = self.one
        self.assertEqual(
            (A.compact, Status.ONLINE, "Acme", "M1"), (camera.id, camera.status, camera.manufacturer, camera.model)
        )
        self.assertEqual(
            (False, "Yard", ("serial_number", "firmware_version", "name")),
            (camera.unconfirmed, camera.name, camera.hearsay),
        )
        self.finds_nothing(key)
        self.assertEqual((Status.STREAM_ERROR, NO_CAMERA), (self.one.status, self.one.reason))

    def test_mac_comes_later(self) -> None:
        """It keeps the id that it has when its MAC is seen afterwards."""
        key = self.hear(mac=None)
        self.finds_nothing(key)
        (before,) = self.ids()
        self.hear()
        self.assertEqual((before, A), (self.one.id, self.one.mac))

    def test_quotas(self) -> None:
        """Those that only say that they are cameras are bounded for each host and each hour."""
        registry = Registry(self.listener.handle, new_cameras_per_hour=5)
        for number in range(3000):
            address = f"10.{number >> 8}.{number & 255}.7"
            mac = Mac.parse(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}")
            seen = registry.record_sighting(sighting(address, mac, announced=SADP, method="sadp"), 1.0)
            assert seen is not None
            registry.publish_announced(seen.key, 1.0)
        self.assertEqual(2048, len(registry.cameras()))
        for number in range(2 * MAX_UNPROVED_PER_HOST):
            said = replace(SADP, serial_number=f"SERIAL-{number}")
            evidence = (Evidence(EvidenceKind.SERIAL, f"SERIAL-{number}", "sadp", 0.0),)
            one = sighting(HERE, A, announced=said, method="sadp", evidence=evidence)
            if (seen := self.registry.record_sighting(one, 1.0)) is not None:
                self.registry.publish_announced(seen.key, 1.0)
        self.assertLessEqual(len(self.registry.cameras()), MAX_UNPROVED_PER_HOST)
        self.assertGreater(NEW_CAMERAS_PER_HOUR, MAX_UNPROVED_PER_HOST)

    def test_forty_new_ones(self) -> None:
        """Forty new cameras at the address of their factory: one is a camera, which tells of the others, and they are
        no reason to ask it again and again; each is one of its own once it has its own address and MAC.
        """
        new = replace(SADP, conditions=(Condition.NOT_ACTIVATED,))

        def speak(number: int, address: str = HERE, mac: Mac = A) -> int:
            evidence = (
                Evidence(EvidenceKind.SERIAL, f"SERIAL-{number}", "sadp", 0.0),
                Evidence(EvidenceKind.ANNOUNCED_MAC, f"02:00:00:00:01:{number:02x}", "sadp", 0.0),
            )
            said = replace(new, serial_number=f"SERIAL-{number}")
            return self.publish(said, address=address, mac=mac, evidence=evidence)

        key = speak(0)
        self.finds_nothing(key)
        first = self.one
        self.listener.take()
        due = []
        for _ in range(3):
            for number in range(1, 40):
                self.assertEqual(key, speak(number))
                due.append(self.due)
        announced = self.one.announced
        assert announced is not None
        self.assertEqual((first.id, "SERIAL-0", 32), (self.one.id, self.one.serial_number, announced.others))
        self.assertNotIn(True, due)
        self.assertTrue(self.one.reason.startswith(f"{first.reason}; at least 32 more new ones spoke from {HERE}"))
        self.assertEqual((Status.STREAM_ERROR, "not-activated"), (self.one.status, self.one.code))
        self.assertLessEqual(len(self.listener.take()), 2 * 6)
        self.assertEqual((), self.registry.candidate(key).vendors)
        self.assertFalse(self.registry.candidate(key).adoption.is_adopted)
        self.assertEqual(first.evidence, self.one.evidence)
        own = Mac.parse("02:00:00:00:01:07")
        speak(7, THERE, own)
        self.assertNotIn(IdentityConflict, [type(event) for event in self.listener.take()])
        self.assertEqual(sorted((own.compact, first.id)), self.ids())
        self.assertEqual("SERIAL-7", self.camera(own.compact).serial_number)

    def test_restored(self) -> None:
        """What it said, and that it is only its word, outlives a restart."""
        self.publish(replace(SADP, conditions=(Condition.NOT_ACTIVATED,)))
        saved = self.one
        self.registry = Registry(self.listener.handle)
        self.registry.restore([saved], self.now)
        self.assertEqual(saved, self.one)
        key = self.hear(SADP)
        self.assertTrue(self.registry.is_unconfirmed(key))
        self.assertEqual((), self.one.conditions)

    def test_logins_are_not_steered(self) -> None:
        """The manufacturer that it announces chooses no login; its ports are worth a try."""
        evidence = (Evidence(EvidenceKind.VENDOR, "HIKVISION", "sadp", 0.0),)
        key = self.publish(evidence=evidence, rtsp_ports=(554,), open_ports=(8000,))
        candidate = self.registry.candidate(key)
        self.assertEqual(((), "HIKVISION"), (candidate.vendors, self.one.manufacturer))
        self.assertEqual(((554,), (8000,)), (candidate.rtsp_ports, candidate.open_ports))
        self.inspect(key, manufacturer="Acme")
        self.assertEqual(("Acme",), self.registry.candidate(key).vendors)


class WordTests(AnnouncedCase):
    def test_conditions(self) -> None:
        """A condition explains at once, and is no reason any more when it is no longer said: it is inspected anew."""
        key = self.publish(replace(SADP, conditions=(Condition.NOT_ACTIVATED,)))
        self.assertEqual(("not-activated", (Condition.NOT_ACTIVATED,)), (self.one.code, self.one.conditions))
        self.finds_nothing(key)
        self.assertEqual("not-activated", self.one.code)
        self.listener.take()
        self.hear(replace(SADP, conditions=(Condition.NOT_ACTIVATED,)))
        self.assertEqual(([], False), (self.news(), self.due))
        self.hear()
        self.assertEqual(("", BEING_CHECKED, True), (self.one.code, self.one.reason, self.due))
        self.assertEqual([CameraChanged, CameraTrouble], self.news())

    def test_well(self) -> None:
        """A camera that plays stays online, whatever it says; a remark stands beside it."""
        key = self.inspect(self.see(HERE, A))
        self.hear(replace(SADP, conditions=(Condition.OPEN, Condition.NOT_ACTIVATED, Condition.CLOUD_ONLY)))
        self.assertEqual((Status.ONLINE, "", (Condition.OPEN,)), (self.one.status, self.one.code, self.one.conditions))
        self.assertEqual("Acme", self.one.manufacturer)
        self.assertIs(Phase.ONLINE, self.registry.phase(key))

    def test_wants_a_login(self) -> None:
        """What an inspection found stays; what the camera says of that stands behind it."""
        key = self.hear(replace(SADP, conditions=(Condition.NOT_ACTIVATED,)))
        self.registry.record_inspection(
            key, Inspection("onvif", HERE, 0.0, status=Status.AUTH_REQUIRED, reason="it wants a login"), self.now
        )
        self.assertEqual((Status.AUTH_REQUIRED, "not-activated"), (self.one.status, self.one.code))
        self.assertTrue(self.one.reason.startswith("it wants a login; by its own word it was never activated"))

    def test_asked_seldom(self) -> None:
        """It is inspected for what is new, and once an hour, not whenever it is heard."""
        key = self.publish()
        self.finds_nothing(key)
        self.hear()
        self.assertFalse(self.due)
        self.hear(rtsp_ports=(8554,))
        self.assertTrue(self.due)
        self.finds_nothing(key)
        self.assertFalse(self.registry.needs_inspection(key, self.now + FOREIGN_HOLD - 1))
        self.assertTrue(self.registry.needs_inspection(key, self.now + FOREIGN_HOLD))

    def test_comes_and_goes(self) -> None:
        """Missed looks make it offline as any other; its word or a look brings it back."""
        for back in (lambda key: self.hear(), lambda key: self.registry.record_presence(key, self.now)):
            key = self.publish()
            self.finds_nothing(key)
            for _ in range(3):
                self.registry.record_no_answer(key, "it is not there any more", self.now)
            self.assertEqual((Status.OFFLINE, "it is not there any more"), (self.one.status, self.one.reason))
            self.registry.record_silence(key, self.now)
            self.assertEqual(Status.OFFLINE, self.one.status)
            back(key)
            self.assertEqual((Status.STREAM_ERROR, NOTHING_ELSE), (self.one.status, self.one.reason))
            self.assertEqual((Phase.TROUBLED, 0), (self.registry.phase(key), self.registry.missed_checks(key)))

    def test_silent(self) -> None:
        """An inspection that nobody answers is no missed check: it may never answer one."""
        key = self.publish()
        for _ in range(5):
            self.registry.record_silence(key, self.now)
        self.assertEqual((Status.STREAM_ERROR, NOTHING_ELSE), (self.one.status, self.one.reason))
        self.assertEqual(0, self.registry.missed_checks(key))

    def test_merged(self) -> None:
        """Devices that prove to be one share what either said."""
        serial = (Evidence(EvidenceKind.SERIAL, "SERIAL-1", "x", 0.0),)
        first = self.publish(evidence=serial)
        for _ in range(3):
            self.registry.record_no_answer(first, "gone", self.now)
        self.hear(Announced(name="Yard"), address=THERE, mac=B, method="dhip", evidence=serial)
        self.assertEqual((A.compact, "Yard", "DS-2CD2"), (self.one.id, self.one.name, self.one.model))

    def test_split(self) -> None:
        """Of two that were taken for one nobody knows who said what."""
        key = self.inspect(self.hear(reference="x"))
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)
        self.inspect(self.see(THERE, B, "x"))
        self.assertEqual(SADP, self.one.announced)
        for _ in range(3):
            self.see(HERE, A, "x")
            self.see(THERE, B, "x")
        self.assertIn("DeviceSplit", self.listener.names())
        self.assertIsNone(self.camera(A.compact).announced)


class SleepTests(AnnouncedCase):
    def test_never_plays(self) -> None:
        """One without streams is asleep from the first, and neither waking up nor going changes that."""
        key = self.publish(SLEEPER)
        self.assertEqual((Status.SLEEPS, "sleeps", "Porch"), (self.one.status, self.one.code, self.one.name))
        self.assertEqual([CameraDiscovered, CameraAsleep], self.news())
        for _ in range(4):
            self.see(HERE, A, method="neighbours")
            self.finds_nothing(key)
            for _ in range(3):
                self.registry.record_no_answer(key, "no answer", self.now)
            self.hear(SLEEPER)
        self.assertEqual([], self.news())
        self.assertTrue(self.registry.is_asleep(key))

    def test_awake_last(self) -> None:
        """When it was awake last is known by whatever saw it."""
        self.publish(SLEEPER)
        self.now = 5000.0
        self.see(HERE, A, method="dhcp")
        self.assertEqual(5001.0, self.one.last_seen)

    def test_plays_while_awake(self) -> None:
        """One that plays is online, and asleep, not offline, when it goes; it was not there for long."""
        key = self.inspect(self.hear(SLEEPER))
        self.assertEqual(Status.ONLINE, self.one.status)
        self.listener.take()
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)
        self.assertEqual([CameraAsleep], self.news())
        self.assertFalse(self.one.streams[0].validated)
        self.inspect(key)
        self.assertEqual(
            [CameraOnline], [one for one in self.news() if one is not CameraChanged and "Stream" not in one.__name__]
        )

    def test_on_a_charger(self) -> None:
        """One that is there for an hour on end is offline when it goes."""
        key = self.inspect(self.hear(SLEEPER))
        self.now += 3600
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)
        self.assertEqual((Status.OFFLINE, "no answer", ""), (self.one.status, self.one.reason, self.one.code))
        self.assertIn(CameraOffline, self.news())

    def test_in_trouble_before_it_went(self) -> None:
        """That its status changed a minute before it went, by whomever, does not make one sleep that was there long."""
        key = self.inspect(self.hear(SLEEPER))
        self.now += 3600
        self.registry.record_busy(key, "full", self.now)
        self.now += 60
        self.registry.clock_set(-1e6, self.now - 1e6)
        self.now -= 1e6
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)
        self.assertEqual((Status.OFFLINE, "no answer"), (self.one.status, self.one.reason))
        self.inspect(key)
        self.now += 60
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)
        self.assertEqual(Status.SLEEPS, self.one.status)

    def test_asked_seldom(self) -> None:
        """It is inspected once an hour at most, when it is seen."""
        key = self.publish(SLEEPER)
        self.finds_nothing(key)
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)
        self.see(HERE, A)
        self.assertFalse(self.due)
        self.now += FOREIGN_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)

    def test_forgotten(self) -> None:
        """One that nobody vouches for is forgotten after a week, others after a day."""
        self.publish(SLEEPER)
        key = self.publish(address=THERE, mac=B)
        for _ in range(3):
            self.registry.record_no_answer(key, "gone", self.now)
        began = self.now
        self.assertEqual(1, self.registry.forget_unproved(began + UNPROVED_LIFE, 9))
        self.assertEqual(0, self.registry.forget_unproved(began + SLEEPING_LIFE - 10, 9))
        self.assertEqual(1, self.registry.forget_unproved(began + SLEEPING_LIFE, 9))

    def test_counted_as_well(self) -> None:
        """Nobody has to look after it: it stands among those that are well."""
        self.publish(SLEEPER)
        self.inspect(self.see(THERE, B), stream(THERE, plays=False))
        self.assertEqual({"sleeps": 1, "stream_error": 1}, self.registry.fleet.by_status)
        self.assertEqual([B.compact, A.compact], list(self.registry.fleet.worst(5)))
