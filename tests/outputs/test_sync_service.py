"""The sync service: what is delivered and published, where and when."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, NAME, TAGS, Place, SharedPlace
from twisted_detector.events import (
    AdoptionChanged,
    CameraChanged,
    CameraDiscovered,
    CameraForgotten,
    CameraMoved,
    ClockSkewed,
    Event,
    StreamChanged,
)
from twisted_detector.model import Adoption, Camera, Login, Secret
from twisted_detector.model.cameras import WSS_CAPABILITY
from twisted_detector.model.consumers import CameraChoice, Consumer
from twisted_detector.outputs import sync_service
from twisted_detector.outputs.follower import ConsumerSettings
from twisted_detector.outputs.frigate.document import FrigateOptions, FrigateTopics
from twisted_detector.outputs.go2rtc.document import Go2rtcOptions
from twisted_detector.outputs.stream_choice import CameraLogins
from twisted_detector.outputs.sync.consumer import Destinations
from twisted_detector.outputs.sync.seams import TargetPhase, TargetUnavailable
from twisted_detector.outputs.sync.target import PATIENCE
from twisted_detector.outputs.sync_service import LONGEST_WAIT, QUIET, SyncService
from twisted_detector.outputs.voice import Voice
from twisted_detector.testing.doubles import MemoryStateStore, RecordingPublisher

TOPICS = FrigateTopics("site/frigate/config/cameras", "site/frigate/config/reload")
FRIGATE, GO2RTC = Consumer("frigate"), Consumer("go2rtc")


class Telling(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        # Run last, when every service has been stopped.
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.cameras: list[Camera] = [CAMERA]
        self.publisher = RecordingPublisher()
        self.said = self.publisher.messages
        self.store = MemoryStateStore()
        self.places = {sort: Place(sort) for sort in ("frigate", "frigate_env", "go2rtc", "go2rtc_live")}

    withheld = ""

    def consumers(self) -> list[ConsumerSettings]:
        places = {sort: [place] for sort, place in self.places.items()}
        return [
            ConsumerSettings(
                FRIGATE,
                FrigateOptions(),
                Destinations(entries=places["frigate"], variables=places["frigate_env"]),
                topics=TOPICS,
            ),
            ConsumerSettings(
                GO2RTC, Go2rtcOptions(), Destinations(entries=places["go2rtc"], live=places["go2rtc_live"])
            ),
        ]

    def service(self, *, frigate: bool = True) -> SyncService:
        service = SyncService(
            self.clock,
            [one for one in self.consumers() if frigate or one.consumer != FRIGATE],
            cameras=lambda: self.cameras,
            logins=CameraLogins(
                lambda camera: None if self.withheld else Login("admin", Secret("hunter2")),
                lambda camera: self.withheld,
                TAGS,
            ),
            store=self.store,
            publish=self.publisher.publish,
            random=lambda: 0.5,
        )
        service.startService()
        self.addCleanup(lambda: self.successResultOf(service.stopService()))
        return service

    def moved(self, address: str) -> Event:
        streams = tuple(replace(one, url=one.url.replace("10.0.0.9", address)) for one in CAMERA.streams)
        self.cameras = [replace(CAMERA, address=address, streams=streams)]
        return CameraMoved(at=1.0, camera=self.cameras[0], old_address="10.0.0.9", new_address=address)

    def test_the_topic(self) -> None:
        """The configuration is retained with QoS 1, without a login; an empty message follows it."""
        self.service()
        configuration, reload = self.said
        self.assertEqual(
            (configuration.topic, configuration.qos, configuration.retain), ("site/frigate/config/cameras", 1, True)
        )
        document = json.loads(configuration.payload)
        self.assertEqual(list(document["cameras"]), [NAME])
        self.assertIn("10.0.0.9", document["cameras"][NAME]["ffmpeg"]["inputs"][0]["path"])
        self.assertNotIn(b"hunter2", configuration.payload)
        self.assertEqual((reload.topic, reload.payload, reload.retain), ("site/frigate/config/reload", b"", False))

    def test_not_adopted_any_more(self) -> None:
        """A camera that is no longer adopted stays, without its login everywhere; the log says so once, and why."""
        logged: list[str | None] = []
        observer = lambda event: logged.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        service = self.service()
        self.assertIn("hunter2", repr(self.places["go2rtc_live"].delivered[-1]))
        self.withheld = "it has another MAC: adopt it again"
        for _ in range(2):
            service.handle(AdoptionChanged(1.0, CAMERA, Adoption.NO, self.withheld))
            self.clock.advance(1)
        for sort, place in self.places.items():
            self.assertNotIn("hunter2", repr(place.delivered[-1][0]), sort)
        self.assertEqual({}, self.places["frigate_env"].delivered[-1][0])
        self.assertEqual([NAME], list(self.places["frigate"].delivered[-1][0]))
        self.assertEqual(1, sum(self.withheld in (text or "") for text in logged), logged)

    def test_a_restart_is_no_change(self) -> None:
        """What an earlier run said already is retained again, but nobody is told to read it again."""
        self.service()
        self.said.clear()
        self.service()
        self.assertEqual([one.retain for one in self.said], [True])

    def test_a_burst_is_one_change(self) -> None:
        """What happens together is told once when it is quiet, and under constant noise within the longest wait."""
        service = self.service()
        for place in self.places.values():
            place.delivered.clear()
        for number in range(5):
            service.handle(self.moved(f"10.0.0.{77 + number}"))
        self.assertEqual(self.places["frigate"].delivered, [])
        self.clock.advance(QUIET)
        (told,) = self.places["frigate"].delivered
        self.assertIn("10.0.0.81", repr(told[0]))
        began = self.clock.seconds()
        while len(self.places["frigate"].delivered) == 1:
            service.handle(self.moved("10.0.0.99"))
            self.clock.advance(QUIET / 2)
        self.assertLessEqual(self.clock.seconds() - began, LONGEST_WAIT + QUIET)

    def test_idle_events(self) -> None:
        """What changes nothing of what is told is no reason to tell."""
        service = self.service()
        before = self.clock.getDelayedCalls()
        service.handle(ClockSkewed(at=1.0, camera=CAMERA, offset=9.0))
        self.assertEqual(self.clock.getDelayedCalls(), before)

    def test_who_gets_the_password(self) -> None:
        """It goes to the file of variables and to go2rtc's API, which needs it; to no other place."""
        self.service()
        told = {sort: repr([one[0] for one in place.delivered]) for sort, place in self.places.items()}
        self.assertNotIn("hunter2", told["frigate"] + told["go2rtc"] + told["frigate_env"])
        self.assertIn("hunter2", told["go2rtc_live"])
        values = self.places["frigate_env"].delivered[0][0].values()
        self.assertIn("hunter2", [one.reveal() for one in values])

    def test_a_value_stays_as_long_as_it_is_referred_to(self) -> None:
        """A variable goes when what was written refers to it no more: a program that starts meanwhile must find it."""
        service = self.service()
        (names, _, _) = self.places["frigate_env"].delivered[-1]
        self.assertEqual(2, len(names))
        self.withheld = "it is no longer adopted"
        self.places["frigate"].script = [TargetUnavailable("it does not answer")]
        service.handle(AdoptionChanged(1.0, CAMERA, Adoption.NO, self.withheld))
        self.clock.advance(QUIET)
        self.assertEqual(dict.fromkeys(names), self.places["frigate_env"].delivered[-1][0])
        self.clock.advance(60)
        self.assertEqual({}, self.places["frigate_env"].delivered[-1][0])

    def test_values_come_first(self) -> None:
        """A reference to a variable is delivered only when its value was delivered, or could not be."""
        self.places["frigate_env"].hangs = True
        self.service()
        self.assertEqual((self.places["frigate"].delivered, len(self.places["go2rtc"].delivered)), ([], 1))
        self.clock.advance(120)
        self.assertEqual(len(self.places["frigate"].delivered), 1)

    def test_forgotten(self) -> None:
        """When the last camera is forgotten, that is told too; where there never was one, nothing is said."""
        service = self.service()
        self.cameras = []
        service.handle(CameraForgotten(at=1.0, camera=CAMERA))
        self.clock.advance(QUIET)
        self.assertEqual(self.said[-2].payload, b'{"cameras":{}}')
        self.assertEqual(self.places["frigate"].delivered[-1][0], {})
        self.said.clear()
        self.store = MemoryStateStore()
        self.service()
        self.assertEqual(self.said, [])

    def test_switched_off(self) -> None:
        """With FRIGATE_UPDATE_ENABLED=false Frigate is told nothing; go2rtc is."""
        self.service(frigate=False)
        self.assertEqual((self.said, self.places["frigate"].delivered), ([], []))
        self.assertEqual(len(self.places["go2rtc"].delivered), 1)

    def test_rotating_urls_are_remembered(self) -> None:
        """A camera that makes up new URLs is asked by go2rtc itself, from then on and in the next run."""
        url = "http://10.0.0.9/onvif/device_service"
        self.cameras = [replace(CAMERA, onvif_url=url, capabilities=(WSS_CAPABILITY,))]
        service = self.service()
        other = tuple(replace(one, url=one.url + "/2") for one in CAMERA.streams)
        service.handle(StreamChanged(at=1.0, camera=self.cameras[0], old=CAMERA.streams, new=other))
        self.clock.advance(QUIET)
        self.assertIn("onvif://", repr(self.places["go2rtc"].delivered[-1]))
        self.places["go2rtc"].delivered.clear()
        self.service()
        self.assertIn("onvif://", repr(self.places["go2rtc"].delivered[-1]))


NORTH, SOUTH = Consumer("frigate", "north"), Consumer("frigate", "south")


class Slow(Clock):
    """A clock of a reactor that is busy: its next turn comes late."""

    def callLater(self, when: float, what: Any, *args: Any, **more: Any) -> DelayedCall:
        return super().callLater(when or 0.2, what, *args, **more)


class Several(Telling):
    """Two Frigates with a name beside the one without."""

    def setUp(self) -> None:
        super().setUp()
        self.north, self.south = Place(NORTH.destination("api")), Place(SOUTH.destination("api"))
        self.north_choice = CameraChoice(networks=("10.0.0.0/24",))

    def consumers(self) -> list[ConsumerSettings]:
        north = ConsumerSettings(NORTH, FrigateOptions(), Destinations(entries=[self.north]), self.north_choice)
        south = CameraChoice(names=("Back door", "Front door"))
        return [
            north,
            ConsumerSettings(SOUTH, FrigateOptions(), Destinations(entries=[self.south]), south),
            *super().consumers(),
        ]

    def held(self) -> tuple[list[str], ...]:
        return tuple(list(place.delivered[-1][0]) for place in (self.north, self.south, self.places["frigate"]))

    def test_each_has_its_own(self) -> None:
        """A move, and a new camera, reach every consumer that holds it, and take it from one that does so no more."""
        service = self.service()
        self.assertEqual(([NAME], [NAME], [NAME]), self.held())
        service.handle(self.moved("10.9.0.77"))
        self.clock.advance(QUIET)
        self.assertEqual(([], [NAME], [NAME]), self.held())
        for place in (self.south, self.places["frigate"]):
            self.assertIn("10.9.0.77", repr(place.delivered[-1]))
        other = replace(CAMERA, id="024000000002", name="Yard", address="10.0.0.12")
        self.cameras.append(other)
        service.handle(CameraDiscovered(at=1.0, camera=other))
        self.clock.advance(QUIET)
        self.assertEqual((["024000000002"], [NAME], [NAME, "024000000002"]), self.held())

    def test_another_area(self) -> None:
        """A camera that a person moves to another area leaves one consumer and comes to the other, under its id."""
        self.north_choice = CameraChoice(areas=("Yard",))
        service = self.service()
        self.assertEqual(([], [NAME]), self.held()[:2])
        for area, held in (("yard", [NAME]), ("Stable", []), ("Yard", [NAME]), ("", [])):
            self.cameras[0] = replace(self.cameras[0], area=area)
            service.handle(CameraChanged(at=1.0, camera=self.cameras[0]))
            self.clock.advance(QUIET)
            self.assertEqual((held, [NAME]), self.held()[:2], area)

    def test_one_that_is_away(self) -> None:
        """One that is away, or never answers, delays none of the others; each has a state of its own."""
        self.north.hangs = True
        self.south.script = [TargetUnavailable("it does not answer")] * 3
        service = self.service()
        self.clock.advance(1)
        service.handle(self.moved("10.0.0.77"))
        self.clock.advance(QUIET)
        self.assertEqual([], self.north.delivered + self.south.delivered)
        self.assertIn("10.0.0.77", repr(self.places["frigate"].delivered[-1]))
        self.assertIn("10.0.0.77", repr(self.places["go2rtc_live"].delivered[-1]))
        states = {(one.consumer, one.name): one for one in service.statuses()}
        self.assertEqual(TargetPhase.AWAY, states[SOUTH, "frigate-api.south"].phase)
        self.assertEqual(TargetPhase.DONE, states[FRIGATE, "frigate"].phase)
        self.assertEqual(1, states[FRIGATE, "frigate"].cameras)

    def test_constant_change(self) -> None:
        """On a machine so slow that every update is overtaken by the next change, each has its turn all the same."""
        self.patch(sync_service, "MAX_STEPS", 2)
        self.clock = Slow()
        service = self.service()
        for number in range(200):
            service.handle(self.moved(f"10.0.0.{number}"))
            self.clock.advance(0.1)
        for place in (self.north, self.south, *self.places.values()):
            if place.name != "frigate_env":
                self.assertGreater(len(place.delivered), 3, place.name)
        self.clock.advance(10)

    def test_what_was_written_is_kept_by_name(self) -> None:
        """After a restart each knows what it left in its own place; those without a name keep their keys."""
        self.service()
        self.assertLess(
            {"frigate", "frigate_env", "go2rtc", "go2rtc_live", "frigate-api.north"},
            {key for _, key in self.store.values},
        )
        self.north.delivered.clear()
        self.service()
        (_, base, _) = self.north.delivered[-1]
        self.assertEqual([NAME], list(base))

    def test_names_that_no_camera_has(self) -> None:
        """A name in a list that no camera has is told with the state of the consumer."""
        unknown = {one.name: one.unknown for one in self.service().statuses()}
        self.assertEqual(("Back door",), unknown["frigate-api.south"])
        self.assertEqual((), unknown["frigate-api.north"])

    def test_what_would_change(self) -> None:
        """It is told of every Frigate, though one is away; when none answers, that is the answer."""
        service = self.service()
        for place in (self.north, self.south, self.places["frigate"]):
            place.held.clear()  # by somebody else
        self.south.script = [TargetUnavailable("it does not answer")]
        lines = self.successResultOf(Deferred.fromCoroutine(service.preview_frigate()))
        self.assertEqual(["+x", "# frigate-api.south: it does not answer", "+x"], lines)
        self.north.script = [TargetUnavailable("it does not answer")]
        self.assertEqual(["+x"], self.successResultOf(Deferred.fromCoroutine(service.preview_frigate("south"))))
        for place in (self.north, self.south, self.places["frigate"]):
            place.script = [TargetUnavailable("it does not answer")]
        self.failureResultOf(Deferred.fromCoroutine(service.preview_frigate()), TargetUnavailable)

    def test_reasons_of_cameras_that_nobody_holds(self) -> None:
        """Why a camera stands without a login is logged only where some file or API holds it."""
        self.withheld = "it is not adopted"
        logged: list[str | None] = []
        observer = lambda event: logged.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.cameras = [replace(CAMERA, id="024000000003", name="Yard", address="172.16.0.1")]
        service = SyncService(
            self.clock,
            self.consumers()[:2],
            cameras=lambda: self.cameras,
            logins=CameraLogins(lambda camera: None, lambda camera: self.withheld, TAGS),
            store=self.store,
            publish=self.publisher.publish,
            random=lambda: 0.5,
        )
        service.startService()
        self.addCleanup(lambda: self.successResultOf(service.stopService()))
        self.assertFalse([text for text in logged if "without a login" in (text or "")])


class Node:
    """One of two nodes that know the camera, its Frigate, and what it knows of who speaks.

    :param login: the name of its login, after which the variables are called.
    :ivar speaks: whether it speaks for the camera; ``alone``: whether it is the only one that knows it.
    """

    def __init__(self, case: SynchronousTestCase, name: str, frigate: dict[str, Any], clock: Clock, login: str) -> None:
        self.case, self.clock, self.name, self.login = case, clock, name, login
        self.speaks = self.alone = False
        self.met = True
        self.listeners: list[Any] = []
        self.camera: Camera | None = CAMERA
        self.store = MemoryStateStore()
        self.place = SharedPlace("frigate-api", frigate, 300.0)
        self.service = self.start()

    @property
    def address(self) -> str:
        """Where it sees the camera."""
        return self.camera.address if self.camera is not None else ""

    def start(self) -> SyncService:
        voice = Voice(
            is_shared=True,
            keeps=lambda camera_id: self.alone or (self.speaks and self.camera is not None),
            met=lambda camera_id: self.met,
            owner=lambda camera_id: self.name if self.speaks else "other",
            on_gain=self.listen,
        )
        service = SyncService(
            self.clock,
            [
                ConsumerSettings(
                    FRIGATE,
                    FrigateOptions(),
                    Destinations(entries=[self.place]),
                    CameraChoice(networks=("10.0.0.0/24",)),
                )
            ],
            cameras=lambda: [self.camera] if self.camera is not None else [],
            logins=CameraLogins(lambda camera: Login(self.login, Secret("-")), lambda camera: "", TAGS),
            store=self.store,
            publish=RecordingPublisher().publish,
            random=lambda: 0.5,
            voice=voice,
        )
        service.startService()
        self.case.addCleanup(lambda: self.case.successResultOf(service.stopService()))
        return service

    def listen(self, listener: Any) -> Any:
        self.listeners.append(listener)
        return lambda: self.listeners.clear()

    def restart(self) -> None:
        """As after a stop and a start, with the state that it left."""
        self.case.successResultOf(self.service.stopService())
        self.service = self.start()

    def gain(self, other: Node | None = None) -> None:
        """It speaks for the camera from now on, in the place of another one."""
        if other is not None:
            other.speaks = False
        self.speaks = True
        for listener in tuple(self.listeners):
            listener()
        self.clock.advance(LONGEST_WAIT)

    def move(self, address: str) -> None:
        """It notices that the camera has another address."""
        assert self.camera is not None
        streams = tuple(replace(one, url=one.url.replace(self.camera.address, address)) for one in self.camera.streams)
        old, self.camera = self.camera.address, replace(self.camera, address=address, streams=streams)
        self.service.handle(CameraMoved(at=1.0, camera=self.camera, old_address=old, new_address=address))
        self.clock.advance(LONGEST_WAIT)

    def forget(self) -> None:
        assert self.camera is not None
        gone, self.camera = self.camera, None
        self.service.handle(CameraForgotten(at=1.0, camera=gone))
        self.clock.advance(LONGEST_WAIT)


class Nodes(SynchronousTestCase):
    """Two nodes that know one camera, and one Frigate, or two.

    Variables of each installation have names of its own, so what both say of a camera with a login differs.
    """

    logins = "north", "south"

    def setUp(self) -> None:
        self.clock = Clock()
        self.frigate: dict[str, Any] = {}
        self.north = Node(self, "north", self.frigate, self.clock, self.logins[0])
        self.south = Node(self, "south", self.frigate, self.clock, self.logins[1])
        self.north.gain()

    def changes(self) -> tuple[int, int]:
        return self.north.place.changes, self.south.place.changes

    def says(self, node: Node, address: str = "10.0.0.9") -> bool:
        """Whether the camera stands there once, as a node says it."""
        variable = f"LOGIN_{TAGS.tag_login(Login(node.login, Secret('-'))).upper()}_USER"
        return list(self.frigate) == [NAME] and variable in repr(self.frigate) and f"@{address}:" in repr(self.frigate)

    def test_one_frigate(self) -> None:
        """Only who speaks for the camera writes, once for each change, whatever the others see."""
        self.clock.pump([60.0] * 60)
        self.assertTrue(self.says(self.north))
        self.south.move("10.0.0.77")
        self.north.move("10.0.0.77")
        self.clock.pump([60.0] * 60)
        self.assertTrue(self.says(self.north, "10.0.0.77"))
        self.assertEqual((2, 0), self.changes())

    def test_takeover(self) -> None:
        """The new one writes once, at once, and the former one neither restores nor removes; and back again."""
        for number, (new, old) in enumerate([(self.south, self.north), (self.north, self.south)] * 2):
            new.gain(old)
            self.assertTrue(self.says(new, new.address))
            old.move(f"10.0.0.{100 + number}")
            old.restart()
            self.clock.pump([60.0] * 20)
            self.assertTrue(self.says(new, new.address))
            new.move(f"10.0.0.{100 + number}")
            self.assertTrue(self.says(new, f"10.0.0.{100 + number}"))
        self.assertEqual(self.takeovers, self.changes())

    #: One for the camera, then one for each takeover and one for the move after it.
    takeovers = 1 + 4, 4

    def test_what_a_person_wrote(self) -> None:
        """It stays whoever speaks."""
        self.frigate[NAME]["zones"] = {"yard": {}}
        self.frigate[NAME]["detect"]["fps"] = 9
        self.south.gain(self.north)
        self.north.gain(self.south)
        self.assertTrue(self.says(self.north))
        self.assertEqual(({"yard": {}}, 9), (self.frigate[NAME]["zones"], self.frigate[NAME]["detect"]["fps"]))

    def test_forgotten(self) -> None:
        """It stays as long as one of them knows it, and is gone with the last, whoever that is."""
        for first, last in ((self.north, self.south), (self.south, self.north)):
            first.camera = last.camera = CAMERA
            for one in (first, last):
                one.alone = False
                one.service.handle(CameraDiscovered(at=1.0, camera=CAMERA))
            self.clock.advance(LONGEST_WAIT)
            self.assertEqual([NAME], list(self.frigate))
            first.forget()
            self.clock.pump([PATIENCE] * 5)
            self.assertEqual([NAME], list(self.frigate))
            last.gain(first)
            first.alone = last.alone = True
            last.forget()
            self.clock.pump([PATIENCE] * 5)
            self.assertEqual({}, self.frigate)

    def test_two_frigates(self) -> None:
        """Each follows its own, also the node that does not speak: a camera is added later, and moves at once."""
        own: dict[str, Any] = {}
        self.south.place = SharedPlace("frigate-api", own, 300.0)
        self.south.restart()
        self.assertEqual({}, own)
        self.clock.pump([PATIENCE] * 2)
        self.assertIn("@10.0.0.9:", repr(own))
        self.south.move("10.0.0.77")
        self.assertIn("@10.0.0.77:", repr(own))
        self.assertNotIn("10.0.0.77", repr(self.frigate))
        self.south.restart()
        self.clock.pump([60.0] * 20)
        self.assertEqual((2, 1), (self.south.place.changes, self.north.place.changes))

    def test_out_of_the_list(self) -> None:
        """A camera that is no more to be in a node's own Frigate leaves it, though another node speaks for it."""
        own: dict[str, Any] = {}
        self.south.place = SharedPlace("frigate-api", own, 300.0)
        self.south.restart()
        self.clock.pump([PATIENCE] * 2)
        self.assertEqual([NAME], list(own))
        self.south.move("10.7.0.1")
        self.assertEqual(({}, True), (own, self.says(self.north)))

    def test_who_keeps_it(self) -> None:
        """The state of each place says how many cameras there which node keeps."""
        self.clock.pump([PATIENCE] * 2)
        (status,) = self.south.service.statuses()
        self.assertEqual({"other": 1}, status.keepers)
        (status,) = self.north.service.statuses()
        self.assertEqual({}, status.keepers)


class NodesThatSayTheSame(Nodes):
    """The same with a camera of which both say the same, as of one without a login: whose entry it is does not show.

    Of a move that the one sees much sooner that does not speak, it writes, too, for the Frigate might be its own; until
    the other has seen it, too, that one takes it back once.
    """

    logins = "same", "same"
    takeovers = 1 + 6, 6
