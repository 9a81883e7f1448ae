"""Jobs of ``add``: how many there are, how long they are known, and ranges."""

from __future__ import annotations

from typing import Any

from tests.detector.case import HERE, ID, THERE
from tests.facts import B, stream
from tests.operations.adding.case import NEW, NEW_ID, URL, AddingCase
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.model import Adoption
from twisted_detector.operations.adding.command import AT_ONCE, KEPT_SECONDS, MAX_JOBS, MAX_REMEMBERED


class JobTests(AddingCase):
    def test_answers_at_once(self) -> None:
        """The answer is there before anything is done, with the job by which the rest is asked for."""
        answer = self.ask("add", target=NEW)
        self.assertEqual((NEW, False, []), (answer["target"], answer["done"], answer["camera_ids"]))
        self.assertEqual(answer["job"], self.ask("add", job=answer["job"])["job"])
        self.add(NEW)

    def test_refused_at_the_field(self) -> None:
        """A target that is none makes no job, and neither does this machine's loopback."""
        for target, words in (
            ("10.0.0.0/8", "target: at most 1024 addresses"),
            ("127.0.0.1", "target: that is this machine itself"),
            ("rtsp://127.0.0.1:554/x", "target: that is this machine itself"),
            ("", "target: enter an address"),
        ):
            self.assertIn(words, self.refused("add", target=target))
        self.assertIn("job: there is no such job", self.refused("add", job="x"))
        self.assertIn("job: there is no such job", self.refused("add", job=5))
        self.assertEqual([], self.hosts.attempts)

    def test_bounds(self) -> None:
        """So many jobs run at one time, and more is refused at the field; ended ones are remembered within a bound."""
        jobs = [self.ask("add", target=f"10.0.{number}.7")["job"] for number in range(1, MAX_JOBS + 1)]
        self.assertIn(f"target: {MAX_JOBS} additions are already running", self.refused("add", target=NEW))
        self.clock.pump([0.5] * 20)
        self.assertTrue(all(self.ask("add", job=job)["done"] for job in jobs))
        for _ in range(MAX_REMEMBERED):
            self.add("10.0.0.77", seconds=5)
        self.assertIn("job: there is no such job", self.refused("add", job=jobs[0]))

    def test_forgotten(self) -> None:
        """Ten minutes after its end a job is forgotten; one that runs is not, however long it takes."""
        job = self.add("10.0.0.77")["job"]
        self.clock.advance(KEPT_SECONDS - 1)
        self.assertTrue(self.ask("add", job=job)["done"])
        self.clock.advance(1)
        self.assertIn("it ended more than ten minutes ago", self.refused("add", job=job))

    def test_a_clock_that_is_set(self) -> None:
        """An ended job is known for ten minutes, whether the wall's clock is set ahead meanwhile or back."""
        for step in (56 * 365 * 86_400.0, -30 * 365 * 86_400.0):
            job = self.add("10.0.0.77")["job"]
            self.wall.step += step
            self.clock.advance(KEPT_SECONDS - 1)
            self.assertTrue(self.ask("add", job=job)["done"])
            self.clock.advance(1)
            self.assertIn("it ended more than ten minutes ago", self.refused("add", job=job))

    def test_name(self) -> None:
        """A host's name is looked up, and its addresses are told; one that nobody knows is told as that."""
        self.names["barn.lan"] = (NEW, "fe80::1")
        self.is_camera(streams=(stream(NEW),))
        answer = self.add("barn.lan")
        self.assertEqual(("ok", f"barn.lan is {NEW}, fe80::1"), self.told(answer, "resolve"))
        self.assertEqual([NEW_ID], answer["camera_ids"])
        self.assert_left(answer)
        answer = self.add("nobody.lan")
        self.assertEqual(("failed", "no host with that name is known"), self.told(answer, "resolve"))

    def test_name_in_a_url(self) -> None:
        """So is that of a URL; the stream is kept by its path, whatever the name means later."""
        self.names["barn.lan"] = (NEW,)
        self.is_camera()
        self.hosts.ports[NEW] = {5566: Outcome.OPEN, None: Outcome.REFUSED}
        answer = self.add("rtsp://barn.lan:5566/live/1")
        self.assertEqual(([NEW_ID], [URL]), (answer["camera_ids"], self.questions))
        self.assert_left(answer)

    def assert_left(self, answer: Any) -> None:
        """Nobody vouches for who answers for a name: it is not adopted, and the person may do it."""
        self.assertIs(Adoption.NO, self.registry.camera(NEW_ID).adopted)
        (step,) = [one for one in answer["steps"] if one["step"].startswith("adopt")]
        self.assertEqual("failed", step["state"])
        self.assertIn("any device on the network can answer for a name", step["reason"])
        self.assertEqual([("adopt", NEW_ID)], [(one["kind"], one["camera_id"]) for one in step["help"]])

    def test_stopped(self) -> None:
        """A stop ends what runs, and leaves nothing behind."""
        job = self.ask("add", target="10.0.0.0/24")["job"]
        self.clock.advance(0.1)
        self.successResultOf(self.adding.stop())
        self.assertTrue(self.ask("add", job=job)["done"])
        self.assertEqual({}, self.hosts.running)

    def test_fault_of_ours(self) -> None:
        """A fault of this program ends the address it came up at, and is told."""
        self.answers = None  # type: ignore[assignment]
        self.is_camera()
        self.hosts.ports[NEW] = {5566: Outcome.OPEN}
        answer = self.add(URL)
        self.assertEqual(("failed", "an internal error of camdetect; see its log"), self.told(answer, "fault"))
        self.assertEqual(1, len(self.flushLoggedErrors(AttributeError)))


class RangeTests(AddingCase):
    def test_network(self) -> None:
        """Every address is looked at, few at a time; those with a camera have their steps, the others are counted."""
        self.is_camera(streams=(stream(NEW),))
        self.neighbours.macs["10.0.0.60"] = B
        self.hosts.ports["10.0.0.60"] = {None: Outcome.REFUSED}
        for address in (HERE, THERE):
            self.hosts.ports[address] = {554: Outcome.OPEN, None: Outcome.REFUSED}
        before = len(self.neighbours.lookups)
        answer = self.add("10.0.0.0/26", 120)
        self.assertIn(NEW_ID, answer["camera_ids"])
        self.assertEqual("10.0.0.0/26", answer["target"])
        summary = answer["steps"][0]
        self.assertEqual(("search", "ok"), (summary["step"], summary["state"]))
        self.assertIn("62 addresses: 57 do not answer; 1 answer, but have no camera port open", summary["text"])
        self.assertIn("1 are not asked (It is this machine's own address, on eth0)", summary["text"])
        self.assertEqual({"10.0.0.0/26", HERE, THERE, NEW}, {one["address"] for one in answer["steps"]})
        self.assertEqual(61, len(set(self.neighbours.lookups[before:])))
        self.assertLessEqual(self.hosts.most_running, AT_ONCE * 16)

    def test_who_was_left_out(self) -> None:
        """A camera that was known and not adopted stays so: nobody named its very address. The button adopts it."""
        self.hosts.ports[HERE] = {554: Outcome.OPEN, None: Outcome.REFUSED}
        answer = self.add(f"{HERE}-{THERE}")
        self.assertEqual(Adoption.NO, self.camera().adopted)
        self.assertIn(ID, [one["camera_id"] for one in self.helps(answer) if one["kind"] == "adopt"])
        self.assertEqual(([], "failed"), (answer["camera_ids"], answer["steps"][0]["state"]))

    def test_behind_a_router(self) -> None:
        """Where no MAC shows who is there, two ports are tried, and the others only where one was answered."""
        self.hosts.ports["10.0.9.2"] = {None: Outcome.REFUSED}
        answer = self.add("10.0.9.0/29", 60)
        self.assertEqual([554, 80], self.sent_to("10.0.9.1"))
        self.assertLess(10, len(self.sent_to("10.0.9.2")))
        self.assertIn("6 addresses: 5 do not answer; 1 answer", answer["steps"][0]["text"])
