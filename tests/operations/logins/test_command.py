"""The command ``login``: one attempt at once, its outcome in words within seconds, and what is kept of it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import CancelledError

from tests.detector.case import BAD, HERE, ID, MAIN
from tests.facts import B, inspection, login, stream
from tests.operations.deciding_case import DecidingCase
from twisted_detector.errors import Busy, Unauthorized, Unreachable
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.model import Adoption, Evidence, EvidenceKind, Login, Status
from twisted_detector.operations.logins import command as module
from twisted_detector.registry.device import Device
from twisted_detector.testing.doubles import Gate, Guarded

GOOD, OTHER = "canary-typed", "canary-wrong"


def wants(password: str = GOOD, address: str = HERE, **more: Any) -> Guarded:
    """An inspection that only a login with this password gets."""
    return Guarded(inspection(address, manufacturer="Acme"), lambda one: one.password.reveal() == password, **more)


class TrialCase(DecidingCase):
    """A camera that wants a login; the configuration has one that is wrong there."""

    logins: tuple[Login, ...] = (BAD,)

    def setUp(self) -> None:
        super().setUp()
        self.inspector.answers[HERE] = wants()

    def tried(self) -> list[str]:
        """The users whose logins were sent to the camera."""
        return [user for _, user in self.inspector.calls if user]

    def try_it(self, password: str = GOOD, user: str = "viewer", seconds: float = 12, **fields: Any) -> dict[str, Any]:
        return self.ask("login", seconds, camera_id=ID, action="try", user=user, password=password, **fields)


class AnotherDeviceTests(TrialCase):
    """A login that is typed for a camera goes to no other device that took its place meanwhile."""

    def setUp(self) -> None:
        super().setUp()
        self.ask("adopt", camera_id=ID)
        self.clock.pump([1] * 3)
        self.inspector.calls.clear()

    def replace_device(self) -> None:
        """Another device answers at its address, with its EndpointReference."""
        key = self.registry.key_of_camera(ID)
        assert key is not None
        for reference in ("the-barn", "another-one"):
            one = Evidence(EvidenceKind.ENDPOINT_REFERENCE, reference, "onvif", 0.0)
            self.inspector.answers[HERE] = inspection(HERE, evidence=(one,))
            self.detector.check(ID)
            self.clock.pump([1] * 3)
        self.assertEqual(Adoption.NO, self.camera().adopted)
        self.inspector.answers[HERE] = wants()
        self.inspector.calls.clear()

    def test_not_adopted_in_passing(self) -> None:
        """It is refused with the reason, tried and kept by nobody, until a person adopts the device that is there."""
        self.replace_device()
        for fields in ({"action": "try"}, {"action": "try", "keep": "all"}, {"action": "save"}):
            told = self.refused("login", camera_id=ID, user="viewer", password=GOOD, **fields)
            self.assertIn("has the EndpointReference another-one, and was adopted with the-barn; if it is yours", told)
            self.assertNotIn(GOOD, told)
        self.clock.pump([1] * 5)
        self.assertEqual((Adoption.NO, []), (self.camera().adopted, self.tried()))
        self.assertNotIn(GOOD, self.text())
        self.ask("adopt", camera_id=ID)
        self.assertEqual("accepted", self.try_it()["outcome"])

    def test_edited(self) -> None:
        """Nor does one adopt it that comes by the file, or with the URL of a stream; it waits, and that is told."""
        self.replace_device()
        self.edit(f'[camera.{ID}]\nadopted = "yes"\nlogin = "viewer:{GOOD}"\n')
        self.clock.pump([1] * 5)
        self.assertEqual((Adoption.NO, []), (self.camera().adopted, self.tried()))
        self.assertIn("adopt it again", self.budget.explain_wait(self.candidate(), self.clock.seconds()))

    def test_while_it_is_tried(self) -> None:
        """One that shows itself as another only when it is asked with the login is not accepted by that."""
        barn, other = (
            (Evidence(EvidenceKind.ENDPOINT_REFERENCE, one, "onvif", 0.0),) for one in ("the-barn", "another-one")
        )
        self.inspector.answers[HERE] = inspection(HERE, evidence=barn)
        self.detector.check(ID)
        self.clock.pump([1] * 3)
        self.inspector.answers[HERE] = Guarded(
            inspection(HERE, evidence=other), lambda one: one.password.reveal() != ""
        )
        answer = self.try_it()
        self.assertEqual(("accepted", ""), (answer["outcome"], answer["kept"]))
        self.assertIn("not kept: it may be another device", answer["text"])
        self.assertEqual(Adoption.NO, self.camera().adopted)
        self.assertNotIn(GOOD, self.text())

    def test_mac_not_seen(self) -> None:
        """Forged claims may have led the camera to an address where its MAC is not seen: it is not bound to that."""
        self.patch(Device, "at_layer2", False)
        told = self.refused("login", camera_id=ID, action="try", user="viewer", password=GOOD)
        self.assertIn("the MAC that it was adopted with is not seen at its address now", told)
        self.assertEqual([], self.tried())


class TryTests(TrialCase):
    def test_accepted(self) -> None:
        """Exactly this login is tried, once, at once; the camera is online, adopted, and the login is kept for it."""
        answer = self.try_it()
        self.assertEqual(
            {
                "camera_id": ID,
                "outcome": "accepted",
                "text": "the camera accepts it; it is online",
                "left": 2,
                "of": 2,
                "kept": "camera",
            },
            answer,
        )
        self.assertEqual(["viewer"], self.tried())
        self.assertEqual((Status.ONLINE, Adoption.PERSON), (self.camera().status, self.camera().adopted))
        self.assertIn(f'login = "viewer:{GOOD}"', self.text())
        self.assertIn((MAIN, "viewer"), self.validator.validated)
        self.detector.check(ID)
        self.clock.pump([1] * 3)
        self.assertEqual({"viewer"}, set(self.tried()))

    def test_at_once(self) -> None:
        """It waits for no queue: not a second passes until the camera was asked with it."""
        before = self.clock.seconds()
        asked = self.begin_asking("login", camera_id=ID, action="try", user="viewer", password=GOOD)
        self.clock.pump([0] * 5)
        self.assertEqual(("accepted", before), (self.successResultOf(asked)["outcome"], self.clock.seconds()))

    def test_fingerprint(self) -> None:
        """It is made elsewhere before the login is used."""
        self.prepared.clear()
        self.try_it()
        self.assertEqual(["viewer"], self.prepared)

    def test_refused(self) -> None:
        """Nothing is kept; two refusals in half an hour are all, and then it is told from when it may be tried."""
        answers = [self.try_it(OTHER) for _ in range(3)]
        self.assertEqual(["refused", "refused", "not-tried"], [one["outcome"] for one in answers])
        self.assertEqual([1, 0, 0], [one["left"] for one in answers])
        self.assertEqual(["", "", ""], [one["kept"] for one in answers])
        self.assertEqual("it refused the login", answers[0]["text"])
        self.assertIn("no login is tried before 1970-01-01T00:3", answers[2]["text"])
        self.assertEqual(["viewer", "viewer"], self.tried())
        self.assertNotIn("login", self.text())
        self.clock.pump([60] * 31)
        self.assertEqual("accepted", self.try_it()["outcome"])

    def test_a_typo_costs_one(self) -> None:
        """After one wrong password the right one is tried at once, though the first user was refused."""
        self.assertEqual(("refused", 1), (self.try_it(OTHER)["outcome"], self.try_it()["left"]))
        self.assertEqual(Status.ONLINE, self.camera().status)

    def test_not_needed(self) -> None:
        """A camera that wants no login is sent none, and nothing is kept."""
        self.inspector.answers[HERE] = inspection(HERE)
        answer = self.try_it()
        self.assertEqual(("not-needed", ""), (answer["outcome"], answer["kept"]))
        self.assertIn("the camera needs no login", answer["text"])
        self.assertEqual([], self.tried())

    def test_no_answer(self) -> None:
        """A camera that is silent is told as such; that the login may count at the camera is, too."""
        self.inspector.answers[HERE] = Unreachable("no answer within 5 s")
        answer = self.try_it()
        self.assertEqual(("unanswered", 2), (answer["outcome"], answer["left"]))
        self.assertIn("the camera does not answer: no answer within 5 s", answer["text"])

    def test_silence_after_it_was_sent(self) -> None:
        """One that was sent and not answered counts, and is not kept."""

        def closes(one: Login) -> bool:
            one.password.reveal()
            raise Unreachable("it closed the connection")

        self.inspector.answers[HERE] = Guarded(inspection(HERE), closes)
        answer = self.try_it()
        self.assertEqual(("unanswered", 1, ""), (answer["outcome"], answer["left"], answer["kept"]))
        self.assertIn("it was sent, but the camera did not say whether it is right", answer["text"])

    def test_slow(self) -> None:
        """After ten seconds there is an answer; it goes on, and what the camera accepts then is kept."""
        gate = self.inspector.gate = Gate()
        answer = self.try_it(seconds=module.WAIT_SECONDS)
        self.assertEqual("unanswered", answer["outcome"])
        self.assertIn("the attempt continues, and the camera's status will show the result", answer["text"])
        for _ in range(2):
            gate.open()
            self.clock.pump([0.1] * 3)
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.assertIn(GOOD, self.text())

    def test_nobody_waits_for_the_answer(self) -> None:
        """Who asked went away: the trial goes on, and what the camera accepts is kept."""
        gate = self.inspector.gate = Gate()
        asked = self.begin_asking("login", camera_id=ID, action="try", user="viewer", password=GOOD)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        for _ in range(2):
            gate.open()
            self.clock.pump([0.1] * 3)
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.assertIn(GOOD, self.text())
        self.clock.advance(module.WAIT_SECONDS)

    def test_one_at_a_time(self) -> None:
        """A second one at the same device is refused meanwhile, and so is one too many at others."""
        gate = self.inspector.gate = Gate()
        first = self.begin_asking("login", camera_id=ID, action="try", user="viewer", password=GOOD)
        again = {"action": "try", "user": "viewer", "password": GOOD}
        self.assertIn("another login is being tried there", self.refused("login", camera_id=ID, **again))
        self.patch(module, "MAX_TRIALS", 1)
        self.assertIn("too many logins", self.refused("login", camera_id=B.compact, **again))
        while not first.called:
            gate.open()
            self.clock.pump([0.1] * 3)
        self.assertEqual("accepted", self.successResultOf(first)["outcome"])

    def test_a_running_inspection_is_waited_for(self) -> None:
        """One device is asked by one at a time."""
        gate = self.inspector.gate = Gate()
        self.detector.check(ID)
        self.clock.pump([0.1] * 3)
        self.assertEqual(1, gate.waiting)
        asked = self.begin_asking("login", camera_id=ID, action="try", user="viewer", password=GOOD)
        self.clock.pump([0.1] * 3)
        self.assertEqual((1, False), (gate.waiting, asked.called))
        while not asked.called:
            gate.open()
            self.clock.pump([0.1] * 3)
        self.assertEqual("accepted", self.successResultOf(asked)["outcome"])

    def test_beside_the_bounds(self) -> None:
        """As many inspections as may run do not hold it up."""
        running = [self.queue.run_now(1000 + number, lambda key: Gate().wait()) for number in range(6)]
        self.assertEqual("accepted", self.try_it()["outcome"])
        self.assertFalse(any(one.called for one in running))

    def test_locks(self) -> None:
        """A camera that says that it locks is not sent another."""
        self.inspector.answers[HERE] = wants(locks=True)
        answer = self.try_it(OTHER)
        self.assertEqual(("refused", 0), (answer["outcome"], answer["left"]))
        self.assertIn("the camera refused it, and counts or locks: ", answer["text"])
        self.assertIn("no login is tried before", answer["text"])
        answer = self.try_it()
        self.assertEqual("not-tried", answer["outcome"])
        self.assertIn("no login is tried before", answer["text"])
        self.assertEqual(["viewer"], self.tried())

    def test_no_connection_left(self) -> None:
        """A camera that is busy is told as busy, with and without having accepted the login."""
        self.inspector.answers[HERE] = inspection(HERE)
        self.validator.answers[MAIN] = Busy("it has no room for another client (453)")
        answer = self.try_it()
        self.assertEqual(("not-tried", 2), (answer["outcome"], answer["left"]))
        self.assertIn("the camera has no free connection, so it was not sent", answer["text"])
        self.inspector.answers[HERE] = wants()
        answer = self.try_it()
        self.assertEqual(("accepted", "camera"), (answer["outcome"], answer["kept"]))
        self.assertEqual("the camera accepts it; it has no room for another client (453)", answer["text"])

    def test_two_passwords(self) -> None:
        """One that ONVIF accepts and the streams refuse is refused, with which is which; nothing is kept."""
        self.validator.answers[MAIN] = Unauthorized("401 Unauthorized", attempted=True)
        answer = self.try_it()
        self.assertEqual(("refused", 1, ""), (answer["outcome"], answer["left"], answer["kept"]))
        self.assertIn("one of its services accepted it and another refused it (", answer["text"])
        self.assertIn("the user needs both rights", answer["text"])
        self.assertEqual(Status.AUTH_REQUIRED, self.camera().status)

    def test_still_wants_one(self) -> None:
        """A camera that goes on wanting a login after it was sent one has not accepted it."""

        def looks(one: Login) -> bool:
            return bool(one.password.reveal())

        self.inspector.answers[HERE] = Guarded(
            inspection(HERE, status=Status.AUTH_REQUIRED, reason="it wants more rights"), looks
        )
        answer = self.try_it()
        self.assertEqual(("refused", ""), (answer["outcome"], answer["kept"]))
        self.assertIn("the camera still asks for a login after this one was sent: it wants a login", answer["text"])

    def test_only_in_clear(self) -> None:
        """One that may not be sent as the camera wants it is not tried, and it is told why."""
        self.inspector.answers[HERE] = inspection(
            HERE, status=Status.AUTH_REQUIRED, reason="it takes a password in clear only (Basic)"
        )
        answer = self.try_it()
        self.assertEqual(("not-tried", 2), (answer["outcome"], answer["left"]))
        self.assertIn("it was not sent: it takes a password in clear only", answer["text"])

    def test_left_alone(self) -> None:
        """A device that may be asked nothing by now is asked nothing."""
        self.left_alone.add(HERE)
        answer = self.try_it()
        self.assertEqual("not-tried", answer["outcome"])
        self.assertIn("it is not asked: ", answer["text"])
        self.assertEqual([], self.tried())

    def test_after_a_change_of_the_password(self) -> None:
        """The camera is busy in doubt since the old one was refused; the new one is tried at once all the same."""
        self.try_it()
        self.clock.pump([60] * 2)
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.inspector.answers[HERE] = wants("canary-new")
        self.validator.answers[MAIN] = Unauthorized("401 Unauthorized", attempted=True)
        self.clock.pump([60] * 3)
        self.assertEqual(Status.BUSY, self.camera().status)
        self.assertIn("camdetect login", self.camera().reason)
        del self.validator.answers[MAIN]
        answer = self.try_it("canary-new")
        self.assertEqual(("accepted", "camera"), (answer["outcome"], answer["kept"]))
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.assertNotIn(GOOD, self.text())

    def test_disk(self) -> None:
        """Where the disk takes no writes nobody is adopted and nothing is sent; full later, it is told as not kept."""
        self.is_full = True
        fields = {"camera_id": ID, "action": "try", "user": "viewer", "password": GOOD}
        self.assertIn("no space left", self.refused("login", **fields))
        self.assertEqual(([], Adoption.NO), (self.tried(), self.camera().adopted))
        self.is_full = False
        self.ask("adopt", camera_id=ID)
        self.clock.pump([1] * 3)
        budget_left = self.clock.seconds() + WINDOW
        self.clock.pump([60] * int((budget_left - self.clock.seconds()) // 60 + 1))
        gate = self.inspector.gate = Gate()
        asked = self.begin_asking("login", **fields)
        self.is_full = True
        while not asked.called:
            gate.open()
            self.clock.pump([0.1] * 3)
        answer = self.successResultOf(asked)
        self.assertEqual(("accepted", ""), (answer["outcome"], answer["kept"]))
        self.assertIn("it was not kept: no space left", answer["text"])


class KeepTests(TrialCase):
    def test_choices(self) -> None:
        """It is kept for whom was chosen, in the headings that a list of logins has."""
        for keep, heading in (
            ("network", '"network 10.0.0.0/24" = ["viewer:canary-typed"]'),
            ("vendor", '"vendor Acme" = ["viewer:canary-typed"]'),
            ("all", 'default = ["viewer:canary-typed"]'),
        ):
            answer = self.try_it(keep=keep)
            self.assertEqual("accepted", answer["outcome"])
            self.assertTrue(answer["kept"].startswith(keep), answer)
            self.assertIn(heading, self.text())
        self.assertNotIn("login =", self.text())

    def test_no(self) -> None:
        """With "no" it is only tried."""
        self.assertEqual(("accepted", ""), (self.try_it(keep="no")["outcome"], self.try_it(keep="no")["kept"]))
        self.assertNotIn(GOOD, self.text())

    def test_the_same_user_again(self) -> None:
        """A new password takes the place of the old one of the same user and audience."""
        self.try_it(keep="all")
        self.inspector.answers[HERE] = wants("canary-new")
        self.assertEqual("all", self.try_it("canary-new", keep="all")["kept"])
        self.assertIn("canary-new", self.text())
        self.assertNotIn(GOOD, self.text())

    def test_the_expected_network(self) -> None:
        """The network is the one where the camera is expected, before that of the interface."""
        self.edit(f'[camera.{ID}]\nnetwork = "10.0.0.0/28"\n')
        self.assertEqual("network 10.0.0.0/28", self.try_it(keep="network")["kept"])

    def test_what_cannot_be_kept(self) -> None:
        """Refused at the field, before anything is sent."""
        fields = {"camera_id": ID, "action": "try", "user": "viewer", "password": GOOD}
        self.assertIn("keep: must be one of", self.refused("login", **fields, keep="everybody"))
        self.assertIn(
            "keep: with no there is nothing to save", self.refused("login", **{**fields, "action": "save"}, keep="no")
        )
        self.interfaces = ()
        self.assertIn(
            "is on none of this machine's networks; first set the camera's expected network",
            self.refused("login", **fields, keep="network"),
        )
        self.assertEqual([], self.tried())

    def test_save(self) -> None:
        """Kept without trying, and used from the next attempt on, before those of the configuration."""
        answer = self.ask("login", 0, camera_id=ID, action="save", user="viewer", password=GOOD)
        self.assertEqual({"camera_id": ID, "text": "kept for: camera", "kept": "camera"}, answer)
        self.assertEqual(Adoption.PERSON, self.camera().adopted)
        self.clock.pump([0.5] * 4)
        self.assertEqual((["viewer"], Status.ONLINE), (self.tried(), self.camera().status))

    def test_clear(self) -> None:
        """The camera's own login is removed, and not used any more."""
        self.try_it()
        self.assertIn("was removed", self.ask("login", 0, camera_id=ID, action="clear")["text"])
        self.assertNotIn("login", self.text())
        self.inspector.calls.clear()
        self.detector.check(ID)
        self.clock.pump([1] * 3)
        self.assertNotIn("viewer", self.tried())
        self.assertIn("had no login of its own", self.ask("login", 0, camera_id=ID, action="clear")["text"])

    def test_channels_share_it(self) -> None:
        """The login of one channel of a recorder is that of the recorder, under its first channel."""
        two = (stream(HERE, "one", source="1"), stream(HERE, "two", source="2"))
        self.inspector.answers[HERE] = Guarded(inspection(HERE, *two), lambda one: one.password.reveal() == GOOD)
        self.try_it()
        self.assertEqual({ID, f"{ID}_2"}, {one for one in self.ids() if one.startswith(ID)})
        self.inspector.answers[HERE] = Guarded(
            inspection(HERE, *two), lambda one: one.password.reveal() == "canary-new"
        )
        answer = self.ask(
            "login", 5, camera_id=f"{ID}_2", action="try", user="viewer", password="canary-new", keep="camera"
        )
        self.assertEqual("accepted", answer["outcome"])
        self.assertIn(f"[camera.{ID}]", self.text())
        self.assertNotIn(f"{ID}_2", self.text())
        self.assertIn("canary-new", self.text())
        self.assertNotIn(GOOD, self.text())


class ExpectedNetworkTests(TrialCase):
    def test_elsewhere(self) -> None:
        """A camera that is outside of the network that it is expected on is given no login at all."""
        self.edit(f'[camera.{ID}]\nnetwork = "10.9.0.0/24"\nlogin = "viewer:{GOOD}"\n')
        self.clock.pump([1] * 5)
        self.assertEqual([], self.tried())
        self.assertIn(
            f"it is at {HERE}, outside the network that you expect it on (10.9.0.0/24): no login is given",
            self.camera().reason,
        )
        answer = self.try_it()
        self.assertEqual(("not-tried", ""), (answer["outcome"], answer["kept"]))
        self.assertIn("outside the network that you expect it on (10.9.0.0/24)", answer["text"])
        self.assertEqual([], self.tried())
        self.edit(f'[camera.{ID}]\nnetwork = "10.0.0.0/24"\nlogin = "viewer:{GOOD}"\n')
        self.detector.check(ID)
        self.clock.pump([1] * 5)
        self.assertEqual((["viewer"], Status.ONLINE), (self.tried(), self.camera().status))


class FieldTests(TrialCase):
    def test_bad_input(self) -> None:
        """Refused with the field's name; no text shows a password."""
        base = {"camera_id": ID, "action": "try", "user": "viewer", "password": "canary-x"}
        for change, told in (
            ({"user": ""}, "user: "),
            ({"user": "a:b"}, "user: "),
            ({"user": 5}, "user: "),
            ({"password": None}, "password: "),
            ({"password": "canary\n"}, "password: contains a control character"),
            ({"password": "canary-x" * 1300}, "password: at most 256 bytes"),
            ({"action": "guess"}, "action: must be one of try, save, clear, retry"),
            ({"action": ["try"]}, "action: "),
            ({"camera_id": "nobody"}, "no camera with that id"),
            ({"camera_id": None, "address": "10.0.0.77"}, "no device is known at that address"),
            ({"camera_id": None}, "'camera_id' or 'address'"),
        ):
            text = self.refused("login", **{**base, **change})
            self.assertIn(told, text)
            self.assertNotIn("canary", text)
        self.assertEqual([], self.tried())

    def test_by_address(self) -> None:
        """The device at an address is meant by it."""
        answer = self.ask("login", address=HERE, action="try", user="viewer", password=GOOD)
        self.assertEqual((ID, "accepted"), (answer["camera_id"], answer["outcome"]))

    def test_no_answer_has_the_password(self) -> None:
        """Whatever the outcome."""
        answers = [self.try_it(OTHER), self.try_it(), self.ask("login", 0, camera_id=ID, action="clear")]
        self.assertNotIn("canary", json.dumps(answers))


class RetryTests(DecidingCase):
    """As before: what was refused is tried again."""

    ONE, TWO = login("one", "canary-1"), login("two", "canary-2")
    logins = (ONE, TWO)

    def setUp(self) -> None:
        super().setUp()
        self.ask("adopt", camera_id=ID)
        self.clock.pump([1] * 3)

    def retry(self, **fields: Any) -> dict[str, Any]:
        return self.ask("login", 0, action="retry", **fields)

    def refuse(self) -> None:
        self.budget.record_refused(self.candidate(), self.ONE, self.clock.seconds(), False)

    def names(self) -> list[str]:
        return [one.name for one in self.budget.allowed_logins(self.candidate(), self.clock.seconds())]

    def test_by_camera_and_by_address(self) -> None:
        """The refused login may be tried again, and the camera is asked at once."""
        for fields in ({"camera_id": ID}, {"address": HERE}):
            self.refuse()
            self.clock.advance(WINDOW)
            self.assertEqual(["two"], self.names())
            before = len(self.inspector.calls)
            self.assertEqual({"address": HERE, "logins": ["one"], "waits": ""}, self.retry(**fields))
            self.assertIn("one", self.names())
            self.clock.pump([0.5] * 4)
            self.assertGreater(len(self.inspector.calls), before)

    def test_no_room(self) -> None:
        """Where two failed within the window, the answer says until when nothing is tried."""
        self.refuse()
        self.budget.record_refused(self.candidate(), self.TWO, self.clock.seconds(), False)
        answer = self.retry(camera_id=ID)
        self.assertEqual(["one", "two"], answer["logins"])
        self.assertIn("no login is tried before", answer["waits"])
        self.assertEqual([], self.names())

    def test_nothing_was_refused(self) -> None:
        """Then nothing is retried."""
        self.assertEqual([], self.retry(camera_id=ID)["logins"])
