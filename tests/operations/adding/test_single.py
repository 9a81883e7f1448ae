"""Addition of one address: each step with its state, the true reason of one that fails, and what would help."""

from __future__ import annotations

from types import MappingProxyType

from tests.detector.case import HERE, ID, THERE
from tests.facts import stream
from tests.operations.adding.case import NEW, NEW_ID, NEW_MAC, STREAM, URL, AddingCase
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.errors import NotACamera, Unauthorized
from twisted_detector.inspection.logins import configured
from twisted_detector.model import Adoption, Camera, Login, Mac, Proof, Secret, Status, StreamReport
from twisted_detector.model.decisions import NOTHING_DECIDED, Decisions, OwnStreams, Verdict
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.operations.adding.stream_question import Finding, StreamAnswer
from twisted_detector.registry import quotas
from twisted_detector.testing.doubles import Guarded

CANARY = "canary-of-the-addition"
WITH_LOGIN = f"rtsp://viewer:{CANARY}@{NEW}:5566/live/1"
MISSING = StreamReport(Proof.RTSP, validated=False, reason="DESCRIBE was answered 404 x", code=ReasonCode.NOT_FOUND)


class AddressTests(AddingCase):
    def test_a_camera(self) -> None:
        """It answers, is asked what it is, is adopted, and its streams play."""
        self.is_camera(streams=(stream(NEW),), manufacturer="Acme", model="7")
        answer = self.add(NEW)
        self.assertEqual((True, NEW, [NEW_ID]), (answer["done"], answer["target"], answer["camera_ids"]))
        for step, words in (
            ("reach", f"it answers, and its MAC is {NEW_MAC}; open ports: 554, 80"),
            ("device", "it is Acme 7"),
            ("adopt", "Acme 7 000C is adopted"),
            ("play", "online: main H264 1920x1080"),
        ):
            self.assertEqual(("ok", words), self.told(answer, step))
        self.assertEqual((Adoption.PERSON, Status.ONLINE), (self.camera(NEW_ID).adopted, self.camera(NEW_ID).status))
        self.assertIn('adopted = "yes"', self.text())
        self.assertIn((NEW, "command", "asked by hand"), self.observed)

    def test_a_clock_that_is_set(self) -> None:
        """From 1970 to now while the device is asked, and back while its streams are proved: nothing is broken off."""
        self.is_camera(streams=(stream(NEW),))
        answer = self.ask("add", target=NEW)
        for _ in range(160):
            doing = [one["step"].partition(" ")[0] for one in answer["steps"] if one["state"] == "doing"]
            if doing == ["device"]:
                self.wall.step = 56 * 365 * 86_400.0
            elif doing == ["play"]:
                self.wall.step = 0.0
            self.clock.advance(0.25)
            answer = self.ask("add", job=answer["job"])
        self.assertEqual("ok", self.told(answer, "device")[0])
        self.assertEqual(([NEW_ID], [Status.ONLINE]), (answer["camera_ids"], self.statuses(answer)))

    def test_known(self) -> None:
        """One that is known is asked again and adopted; when it is adopted by a person already, that is all."""
        self.hosts.ports[HERE] = {554: Outcome.OPEN, None: Outcome.REFUSED}
        self.assertEqual(([ID], "ok"), (self.add(HERE)["camera_ids"], self.told(self.add(HERE), "play")[0]))
        self.assertEqual(Adoption.PERSON, self.camera().adopted)
        self.inspector.calls.clear()
        answer = self.add(HERE)
        self.assertEqual(1, len(self.inspector.calls))
        self.assertNotIn("adopt", [one["step"].partition(" ")[0] for one in answer["steps"]])

    def test_nobody_there(self) -> None:
        """Nothing answers: the reason is that of `why`, and nothing else was sent."""
        answer = self.add("10.0.0.77")
        state, reason = self.told(answer, "reach")
        self.assertEqual(("failed", [], True), (state, answer["camera_ids"], answer["done"]))
        self.assertIn("Nothing answers ARP at this address on eth0", reason)
        self.assertEqual([], self.sent_to("10.0.0.77"))

    def test_not_asked(self) -> None:
        """What may not be asked is told as such, and nothing is sent."""
        for target, words in (
            ("10.0.0.9", "It is this machine's own address, on eth0"),
            ("8.8.8.8", "it is no private address"),
            ("169.254.169.254", "no interface of this machine has such an address"),
        ):
            answer = self.add(target)
            self.assertEqual(("failed", True), (self.told(answer, "reach")[0], words in self.told(answer, "reach")[1]))
        self.assertEqual([], self.hosts.attempts)

    def test_searched_nowhere(self) -> None:
        """An address beyond the searched networks gets the button that adds its network."""
        answer = self.add("10.0.9.7")
        self.assertIn("It is in none of this machine's networks", self.told(answer, "reach")[1])
        [helping] = self.helps(answer)
        self.assertEqual(("add-network", "10.0.9.0/24"), (helping["kind"], helping["network"]))
        self.is_camera("10.0.9.8", streams=(stream("10.0.9.8"),))
        answer = self.add("10.0.9.8")
        self.assertEqual(1, len(answer["camera_ids"]))
        state, words = self.told(answer, "network")
        self.assertEqual(("ok", True), (state, "10.0.9.0/24 is not searched" in words))
        self.assertEqual(["10.0.9.0/24"], [one["network"] for one in self.helps(answer)])

    def test_no_port(self) -> None:
        """A device without a camera's port is told with what was tried, and what to do with its URL."""
        answer = self.add(NEW)
        state, reason = self.told(answer, "ports")
        self.assertEqual("failed", state)
        self.assertIn("no camera port is open (tried: 554, 80", reason)
        self.assertIn("enter the rtsp:// URL instead", reason)
        self.assertEqual([], self.inspector.calls)

    def test_no_camera(self) -> None:
        """What is known to be something else is not added, with the signs."""
        self.is_camera()
        self.inspector.answers[NEW] = NotACamera("a media server (go2rtc): it calls itself go2rtc")
        answer = self.add(NEW)
        state, reason = self.told(answer, "device")
        self.assertEqual(("failed", []), (state, answer["camera_ids"]))
        self.assertIn("It is a media server (go2rtc); it is not published", reason)

    def test_wants_a_login(self) -> None:
        """A camera that wants a login is added, and the button gives it one."""
        self.is_camera()
        self.inspector.answers[NEW] = Unauthorized("it wants a login")
        answer = self.add(NEW)
        self.assertEqual([NEW_ID], answer["camera_ids"])
        self.assertEqual("failed", self.told(answer, "play")[0])
        self.assertEqual("Camera 000C needs a login", answer["steps"][-1]["text"])
        self.assertIn("it wants a login", self.told(answer, "play")[1])
        [helping] = self.helps(answer)
        self.assertEqual(("give-login", NEW_ID, NEW), (helping["kind"], helping["camera_id"], helping["address"]))

    def test_no_known_path(self) -> None:
        """A camera of which no stream is known is added; its URL would help."""
        self.is_camera(status=Status.STREAM_ERROR, reason="none of the known paths exists")
        answer = self.add(NEW)
        self.assertIn("If you know its stream, enter the rtsp:// URL instead", self.told(answer, "play")[1])

    def test_blocked(self) -> None:
        """A blocked device is asked nothing but by ARP and the ports, and told how it is unblocked."""
        self.ask("block", camera_id=ID)
        self.inspector.calls.clear()
        answer = self.add(HERE)
        self.assertEqual(("failed", []), (self.told(answer, "reach")[0], answer["camera_ids"]))
        self.assertIn("blocked; unblock it first", self.told(answer, "reach")[1])
        self.assertEqual([], self.inspector.calls)

    def test_no_room(self) -> None:
        """Where the registry takes no more devices in, the reason is its own."""
        self.patch(quotas, "MAX_PER_NETWORK", 2)
        self.is_camera()
        answer = self.add(NEW)
        self.assertEqual(("failed", []), (self.told(answer, "device")[0], answer["camera_ids"]))
        self.assertIn("not taken in: ", self.told(answer, "device")[1])

    def test_disk_full(self) -> None:
        """Who cannot be kept is not adopted, and it is told why."""
        self.is_camera(streams=(stream(NEW),))
        self.is_full = True
        answer = self.add(NEW)
        self.assertEqual(("failed", Adoption.NO), (self.told(answer, "adopt")[0], self.camera(NEW_ID).adopted))
        self.assertIn("no space left", self.told(answer, "adopt")[1])


class ExcludedTests(AddingCase):
    settings = MappingProxyType({"scan_exclude": ("10.0.0.50/32",)})
    excluded = ("10.0.0.50",)

    def test_excluded(self) -> None:
        """Nothing is sent to an address of SCAN_EXCLUDE, whatever is known of its stream."""
        for target in (NEW, URL):
            answer = self.add(target)
            self.assertIn("It is in SCAN_EXCLUDE (10.0.0.50/32): nothing is sent there", self.told(answer, "reach")[1])
        self.assertEqual(([], [], []), (self.hosts.attempts, self.questions, self.inspector.calls))


class UrlTests(AddingCase):
    def setUp(self) -> None:
        super().setUp()
        self.hosts.ports[NEW] = {5566: Outcome.OPEN, None: Outcome.REFUSED}
        # A device whose streams nobody knows: the inspector is told of one.
        self.is_unknown()

    def is_unknown(self) -> None:
        ports = self.hosts.ports[NEW]
        self.is_camera()
        self.hosts.ports[NEW] = ports

    def test_a_stream(self) -> None:
        """Exactly that port and path is asked for first; the camera has that stream, and is kept with it."""
        answer = self.add(URL)
        self.assertEqual(([URL], [NEW_ID]), (self.questions, answer["camera_ids"]))
        self.assertEqual(5566, self.sent_to(NEW)[0])
        for step, words in (
            ("stream", "the server has a stream at /live/1: H264"),
            ("keep", "the stream is saved for Camera 000C, which is adopted"),
            ("play", "online: main H264 1920x1080"),
        ):
            self.assertEqual(("ok", words), self.told(answer, step))
        self.assertEqual({(URL, None)}, set(self.validator.validated[-2:]))
        [own] = self.camera(NEW_ID).streams
        self.assertEqual((URL, "main", True), (own.url, own.name, own.own))
        self.assertEqual((STREAM, Adoption.PERSON), (self.book.current.of(NEW_ID).main, self.camera(NEW_ID).adopted))
        self.assertEqual(0, len(self.given))

    def test_with_a_login(self) -> None:
        """The login of the URL is kept for the camera and used once it is adopted; it stands in no answer."""
        login = Login("viewer", Secret(CANARY))
        self.validator.answers[URL] = Guarded(self.validator.PLAYS, lambda one: one == login)
        answer = self.add(WITH_LOGIN)
        self.assertEqual("ok", self.told(answer, "play")[0])
        self.assertEqual(
            "the stream and the login are saved for Camera 000C, which is adopted", self.told(answer, "keep")[1]
        )
        self.assertEqual(URL, answer["target"])
        self.assertNotIn(CANARY, repr((answer, self.observed, self.camera(NEW_ID))))
        self.assertEqual(login, self.book.current.of(NEW_ID).login)
        tried = [name for url, name in self.validator.validated if url == URL]
        self.assertEqual([None, "viewer"], [tried[0], tried[-1]])

    def test_one_decision(self) -> None:
        """Stream, login and adoption are one decision: every inspection that follows has all of them."""
        seen: list[tuple[bool, bool, bool]] = []

        def decided(before: Decisions, after: Decisions) -> None:
            one = after.of(NEW_ID)
            seen.append((one.main is not None, one.login is not None, one.verdict is Verdict.ADOPTED))

        self.book.changed.add(decided)
        self.add(WITH_LOGIN)
        self.assertEqual([(True, True, True)], seen)

    def test_adopted_before(self) -> None:
        """A device that was adopted, and is none any more since it shows itself as another, is adopted anew."""
        self.add(URL)
        self.registry.unadopt(NEW_ID, self.clock.seconds())
        self.assertEqual(Adoption.NO, self.camera(NEW_ID).adopted)
        self.add(URL)
        self.assertEqual(Adoption.PERSON, self.camera(NEW_ID).adopted)

    def test_a_wrong_login(self) -> None:
        """It is sent once; the camera stays, with what it said and the button for another."""
        self.validator.answers[URL] = Guarded(self.validator.PLAYS, lambda one: False)
        answer = self.add(WITH_LOGIN)
        self.assertEqual(("failed", [NEW_ID]), (self.told(answer, "play")[0], answer["camera_ids"]))
        self.assertIn("for the stream that you gave, /live/1 at port 5566", self.told(answer, "play")[1])
        self.assertEqual(["give-login"], [one["kind"] for one in self.helps(answer)])
        self.assertEqual(1, [name for _, name in self.validator.validated].count("viewer"))

    def test_not_there(self) -> None:
        """A path that does not exist makes no camera, and no other is taken in its place."""
        answer = self.add(f"rtsp://{NEW}:5566/live/9")
        self.assertEqual(("failed", []), (self.told(answer, "stream")[0], answer["camera_ids"]))
        self.assertEqual("no stream at /live/9 (404)", self.told(answer, "stream")[1])
        self.assertEqual(([], ""), (self.inspector.calls[:0], self.text()))
        self.assertNotIn(NEW_ID, self.ids())

    def test_unknown_behind_a_login(self) -> None:
        """A server that tells only who has logged in that the path is not there: the camera has it as its reason."""
        self.answers[URL] = StreamAnswer(Finding.THERE, "the server needs a login for /live/1", wants_login=True)
        self.validator.answers[URL] = MISSING
        answer = self.add(WITH_LOGIN)
        self.assertIn("the camera has no stream at /live/1 (404)", self.told(answer, "play")[1])

    def test_closed_port(self) -> None:
        """Where the port is closed and RTSP is elsewhere, the button names that port; nothing is asked."""
        self.hosts.ports[NEW] = {8554: Outcome.OPEN, 80: Outcome.OPEN, 5566: Outcome.REFUSED, None: Outcome.REFUSED}
        answer = self.add(URL)
        self.assertEqual(("failed", "port 5566 is closed"), self.told(answer, "stream"))
        self.assertEqual([f"rtsp://{NEW}:8554/live/1"], [one["target"] for one in self.helps(answer)])
        self.assertEqual([], self.questions)
        self.hosts.ports[NEW] = {554: Outcome.REFUSED}
        self.assertEqual(("failed", "port 5566 does not answer"), self.told(self.add(URL), "stream"))

    def test_tls_only(self) -> None:
        """A server that speaks RTSP over TLS alone is told with the URL that would do."""
        self.answers[URL] = StreamAnswer(Finding.NOT_RTSP, "what listens at port 5566 does not speak RTSP: closed")
        self.answers[f"rtsps://{NEW}:5566/live/1"] = StreamAnswer(Finding.THERE, "there")
        answer = self.add(URL)
        self.assertIn("does not speak RTSP", self.told(answer, "stream")[1])
        [helping] = self.helps(answer)
        self.assertEqual(
            ("use-port", f"rtsps://{NEW}:5566/live/1", NEW), (helping["kind"], helping["target"], helping["address"])
        )

    def test_known_camera(self) -> None:
        """A stream of a camera that is known becomes its own; of a recorder, that of the channel that has it."""
        url = f"rtsp://{HERE}:5566/live/1"
        self.answers[url] = StreamAnswer(Finding.THERE, "there")
        self.hosts.ports[HERE] = {5566: Outcome.OPEN, None: Outcome.REFUSED}
        answer = self.add(url)
        self.assertEqual(([ID], [url]), (answer["camera_ids"], [one.url for one in self.camera().streams]))
        channels = (stream(THERE, "a", "one"), stream(THERE, "b", "two"))
        self.is_camera(THERE, streams=channels)
        self.add(THERE)
        second = next(one for one in self.registry.cameras() if one.address == THERE and one.channel == 2)
        self.answers[channels[1].url] = StreamAnswer(Finding.THERE, "there")
        self.assertEqual([second.id], self.add(channels[1].url)["camera_ids"])
        self.assertEqual(OwnStreams(), self.book.current.of(second.device_id).streams)

    def test_who_stood_there_before(self) -> None:
        """A camera that was there, with another MAC than answers now, gets neither stream nor login."""
        old = Mac.parse("02:00:00:00:00:0f")
        self.registry.restore([Camera(old.compact, old.compact, NEW, mac=old)], self.clock.seconds())
        self.assertEqual((self.registry.key_of_camera(old.compact),), self.registry.keys_at(NEW))
        answer = self.add(WITH_LOGIN)
        self.assertEqual([NEW_ID], answer["camera_ids"])
        self.assertEqual(NOTHING_DECIDED, self.book.current.of(old.compact))

    def test_disk_full(self) -> None:
        """A stream that cannot be kept is told; nothing is half done."""
        self.is_full = True
        answer = self.add(URL)
        self.assertEqual(("failed", []), (self.told(answer, "keep")[0], answer["camera_ids"]))
        self.assertEqual(("", Adoption.NO, 0), (self.text(), self.camera(NEW_ID).adopted, len(self.given)))

    def test_many_logins(self) -> None:
        """Where so many logins are given at once that this one has no room, that is told, and it is no fault."""
        self.patch(configured, "MAX_WAITING", 0)
        answer = self.add(WITH_LOGIN)
        self.assertEqual(("failed", []), (self.told(answer, "keep")[0], answer["camera_ids"]))
        self.assertIn("too many logins", self.told(answer, "keep")[1])
        self.assertEqual("", self.text())

    def test_no_password_in_a_path(self) -> None:
        """A password that a maker wants in the path is in no step and no button."""
        path = f"/user=admin_password={CANARY}_channel=1"
        self.hosts.ports[NEW] = {554: Outcome.OPEN, None: Outcome.REFUSED}
        self.answers[f"rtsp://{NEW}:5566{path}"] = StreamAnswer(Finding.THERE, "there")
        answer = self.add(f"rtsp://{NEW}:5566{path}")
        self.assertNotIn(CANARY, repr(answer))
        self.assertIn("password=***", answer["target"])
        self.hosts.ports[NEW] = {8554: Outcome.OPEN, None: Outcome.REFUSED}
        answer = self.add(f"rtsp://{NEW}:5566{path}")
        self.assertEqual(("failed", []), (self.told(answer, "stream")[0], self.helps(answer)))
