"""What people call a camera goes with it to every node: who says it, which of two counts, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.handover.sites import ID, OTHER, Hub, Site, done
from twisted_detector.model.decisions import Description, Verdict
from twisted_detector.operations.nodes.handover import described, descriptions
from twisted_detector.operations.nodes.handover.described import AHEAD, Described
from twisted_detector.operations.nodes.handover.descriptions import AGAIN, GATHER, PAUSE, REPAIR, TABLE
from twisted_detector.operations.nodes.handover.hearing import RETAINED

TOPIC = f"system/camera_detector/described/{ID}"


class SitesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1.7e9)
        self.hub = Hub()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def site(self, name: str) -> Site:
        made = Site(self.clock, self.hub, name, self.folder / name)
        self.addCleanup(lambda: made.shared.stop())
        return made

    def settle(self, seconds: float = GATHER) -> None:
        self.clock.pump([seconds / 4] * 5)

    def told(self) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.hub.retained[TOPIC])
        return document

    def say(self, described: Described, camera_id: str = ID) -> None:
        """Somebody else writes a document."""
        self.hub.put(f"system/camera_detector/described/{camera_id}", described.encode(camera_id))


class Moves(SitesCase):
    def test_moves(self) -> None:
        """A camera that comes to a node which did not know it is called there what it was called before."""
        north, south = self.site("north").find(ID, own=True), self.site("south").find()
        north.decide(name="Barn", area="Yard", note="left")
        north.lose()
        south.find(ID)
        self.settle()
        self.assertEqual(("Barn", "Yard"), south.name_of())
        self.assertEqual("left", south.texts(ID).note)
        said = len(self.hub.sent)
        south.gain()
        self.settle(60.0)
        self.assertEqual(said, len(self.hub.sent), "a change of hands costs no message: the same stands there")

    def test_the_former_node_is_dead(self) -> None:
        """What it decided stands on the broker, and goes on from there to a third one."""
        self.site("north").find(ID, own=True).decide(name="Barn")
        self.hub.clients.clear()
        south = self.site("south").find(ID, own=True)
        self.settle()
        self.assertEqual("Barn", south.name_of()[0])
        west = self.site("west").find(ID)
        self.settle()
        self.assertEqual("Barn", west.name_of()[0])

    def test_many(self) -> None:
        """Those that come together are one change of the file."""
        ids = [f"0011223{number:05d}" for number in range(200)]
        for one in ids:
            self.say(Described(Description(f"Camera {one}"), 5, "north"), one)
        south = self.site("south")
        written: list[int] = []
        south.book.changed.add(lambda before, after: written.append(len(after.cameras)))
        south.find(*ids)
        self.settle()
        self.assertEqual([200], written)

    def test_renamed(self) -> None:
        """A name that is given where the camera is published reaches all who know it; one is taken back likewise."""
        north, south = self.site("north").find(ID, own=True), self.site("south").find(ID)
        for name in ("Barn", "Stable", ""):
            self.clock.advance(PAUSE)
            north.decide(name=name)
            self.settle()
            self.assertEqual((name, ""), south.name_of())
        self.assertEqual({"north"}, {by for by, _, _ in self.hub.sent})

    def test_after_a_restart(self) -> None:
        """A node that was away takes over what was decided meanwhile, and gives back nothing old."""
        north, south = self.site("north").find(ID, own=True), self.site("south").find(ID)
        north.decide(name="Barn")
        self.settle()
        south.shared.stop()
        self.hub.clients.remove(south.client)
        self.clock.advance(5.0)
        north.decide(name="Stable")
        south = Site(self.clock, self.hub, "south", south.folder, store=south.store).find(ID)
        self.addCleanup(south.shared.stop)
        self.settle()
        self.assertEqual("Stable", south.name_of()[0])
        self.assertEqual("Stable", self.told()["name"])


class Conflicts(SitesCase):
    def test_the_later_one(self) -> None:
        """Two nodes that did not hear each other: the later decision counts at both."""
        north, south = self.site("north").find(ID, own=True), self.site("south").find(ID, own=True)
        self.hub.clients.remove(south.client)
        north.decide(name="Barn")
        self.clock.advance(10.0)
        south.client.hub = Hub()  # it is on the other side of a bridge that is broken
        south.decide(name="Stable")
        south.client.hub = self.hub
        self.hub.clients.append(south.client)
        south.client.deliver(TOPIC, self.hub.retained[TOPIC])
        self.settle(REPAIR)
        self.assertEqual(("Stable", "Stable"), (north.name_of()[0], south.name_of()[0]))
        self.assertEqual("Stable", self.told()["name"])

    def test_a_clock_that_is_wrong(self) -> None:
        """Whoever has seen a decision outdoes it, though his clock says that it was later."""
        north = self.site("north").find(ID, own=True)
        ahead = round(self.clock.seconds() * 1000) + AHEAD - 1000
        self.say(Described(Description("Barn"), ahead, "south"))
        self.settle(REPAIR)
        self.assertEqual("Barn", north.name_of()[0])
        north.decide(name="Stable")
        self.assertEqual(("Stable", ahead + 1), (self.told()["name"], self.told()["decided_at"]))

    def test_before_stamps(self) -> None:
        """What was decided before stamps were kept gives way to every decision that has one, and is not lost."""
        south = self.site("south")
        south.store.values.clear()
        south.decide(name="Old", area="Farm")
        south.store.values.clear()
        south = south.restarted().find(ID, own=True)
        self.addCleanup(lambda: south.shared.stop())
        self.assertEqual(("Old", 1), (self.told()["name"], self.told()["decided_at"]))
        self.say(Described(Description("New"), 2, "north"))
        self.settle()
        self.assertEqual(("New", ""), south.name_of())

    def test_edited_by_hand(self) -> None:
        """What was written into the file while the daemon was away was decided then."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Barn")
        text = (south.folder / "overrides").read_text()
        (south.folder / "overrides").write_text(text.replace("Barn", "Stable"))
        self.clock.advance(10.0)
        before = self.told()["decided_at"]
        south = south.restarted().find(ID, own=True)
        self.addCleanup(lambda: south.shared.stop())
        self.assertEqual("Stable", self.told()["name"])
        self.assertGreater(self.told()["decided_at"], before)

    def test_decided_by_another_than_the_publisher(self) -> None:
        """What a person writes into the file of a node that only watches the camera counts, too, as soon as the broker
        is there; that node does not say it again with each connection."""
        north, south = self.site("north").find(ID, own=True), self.site("south").find(ID)
        north.decide(name="Barn")
        self.settle()
        self.clock.advance(1.0)
        south.nodes.is_synchronised = False
        south.decide(name="Stable")
        self.settle(REPAIR)
        self.assertEqual("Barn", self.told()["name"])
        south.nodes.is_synchronised = True
        self.settle(AGAIN)
        self.assertEqual(("Stable", "Stable"), (self.told()["name"], north.name_of()[0]))
        said = len(self.hub.sent)
        south.client.reconnect()
        self.assertEqual(said, len(self.hub.sent))

    def test_same_words(self) -> None:
        """Of the same words the stamp of the publishing node counts: ours would be in the way of the next decision."""
        south = self.site("south").find(ID)
        south.decide(name="Barn")
        self.say(Described(Description("Barn"), 5, "north"))
        self.settle()
        self.say(Described(Description("Stable"), 6, "north"))
        self.settle(PAUSE)
        self.assertEqual("Stable", south.name_of()[0])

    def test_an_old_one_comes_back(self) -> None:
        """A bridge brings what stood there long ago: who publishes the camera puts the last word in its place, once in
        a while."""
        north = self.site("north").find(ID, own=True)
        north.decide(name="Barn")
        old = self.hub.retained[TOPIC]
        self.clock.advance(1.0)
        north.decide(name="Stable")
        said = len(self.hub.sent)
        for _ in range(50):
            self.hub.put(TOPIC, old)
        self.settle(REPAIR)
        self.assertEqual(("Stable", "Stable"), (self.told()["name"], north.name_of()[0]))
        self.assertEqual(1, len([by for by, _, _ in self.hub.sent[said:] if by == "north"]))

    def test_an_old_one_after_a_change_of_hands(self) -> None:
        """What the outbox forgot when the camera was another's is said all the same when it is ours again."""
        north = self.site("north").find(ID, own=True)
        north.decide(name="Barn")
        good = self.hub.retained[TOPIC]
        north.lose()
        north.gain()
        self.hub.put(TOPIC, Described(Description("Old"), 3, "west").encode(ID))
        self.settle(REPAIR)
        self.assertEqual(good, self.hub.retained[TOPIC])

    def test_what_the_outbox_forgot(self) -> None:
        """Nor is what we said, and would say again, in the way: of a camera that another node publishes meanwhile, and
        of one that is ours still."""
        north = self.site("north").find(ID, OTHER, own=True)
        for camera_id in (ID, OTHER):
            north.decide(camera_id, name="Barn")
        good = dict(self.hub.retained)
        north.lose(ID)
        north.client.discard(lambda _: True)
        for camera_id in (ID, OTHER):
            self.say(Described(Description("Old"), 3, "west"), camera_id)
        self.settle(REPAIR)
        self.assertEqual(good, self.hub.retained)

    def test_the_disk_is_full(self) -> None:
        """What cannot be written down is tried again, and does not count before."""
        south = self.site("south").find(ID)
        south.is_full = True
        self.say(Described(Description("Barn"), 5, "north"))
        self.settle()
        self.assertEqual("", south.name_of()[0])
        self.assertNotIn((TABLE, ID), south.store.values)
        south.is_full = False
        self.settle(AGAIN)
        self.assertEqual("Barn", south.name_of()[0])

    def test_stopped(self) -> None:
        """Then nothing is taken over or said any more, and nothing waits."""
        south = self.site("south").find(ID, OTHER, own=True)
        south.decide(name="Barn")
        south.client.reconnect()
        self.say(Described(Description("Stable"), 2**41, "north"))
        self.say(Described(Description("Gate"), 5, "north", "south"), OTHER)
        self.clock.advance(0)
        said = len(self.hub.sent)
        south.shared.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.say(Described(Description("Door"), 2**41, "north"), OTHER)
        self.settle(AGAIN)
        self.assertEqual((said + 1, ""), (len(self.hub.sent), south.name_of(OTHER)[0]))


class Hostile(SitesCase):
    def test_refused(self) -> None:
        """What no person may type changes nothing, and is replaced by the last word; that of an unknown camera not."""
        north = self.site("north").find(ID, own=True)
        north.decide(name="Barn")
        good = json.loads(self.hub.retained[TOPIC])
        for payload in (
            b"{}", b"\xff", json.dumps({**good, "name": "a\x1b[31m", "decided_at": 2**40}).encode(),
            json.dumps({**good, "name": "x" * 65, "decided_at": 2**40}).encode(),
        ):  # fmt: skip
            self.hub.put(TOPIC, payload)
            self.assertEqual("Barn", north.name_of()[0])
            self.settle(REPAIR)
            self.assertEqual("Barn", self.told()["name"], payload)
        self.assertEqual(4, north.shared.refused)
        self.hub.put(TOPIC.replace(ID, OTHER), b"{}")
        self.assertEqual({}, north.shared._repairs)

    def test_board_without_a_battery(self) -> None:
        """One that starts in 1970 takes the right names for no future, and puts its own over none."""
        self.patch(described, "CLOCK_WAS_SET", self.clock.seconds() + 1)
        south = self.site("south").find(ID)
        self.say(Described(Description("Barn"), round(self.clock.seconds() * 1000) + 2 * AHEAD, "north"))
        self.settle(REPAIR)
        self.assertEqual(("Barn", "Barn", 0), (south.name_of()[0], self.told()["name"], south.shared.refused))

    def test_flood(self) -> None:
        """However often others rename a camera, the file is written once in a while; the last name counts."""
        south = self.site("south").find(ID)
        written: list[float] = []
        change = south.book.change

        async def counted(work: Any) -> Any:
            written.append(self.clock.seconds())
            return await change(work)

        self.patch(south.book, "change", counted)
        for number in range(600):
            self.say(Described(Description(f"n{number}"), 1000 + number, "north"))
            self.clock.advance(0.1)
        self.settle(PAUSE)
        self.assertEqual("n599", south.name_of()[0])
        self.assertLessEqual(len(written), 14)
        self.assertGreaterEqual(min(b - a for a, b in pairwise(written)), PAUSE)

    def test_slow_disk(self) -> None:
        """What comes while the file is written waits as long after it."""
        south = self.site("south").find(ID)
        disk: list[Deferred[None]] = []
        change = south.book.change

        async def slow(work: Any) -> Any:
            disk.append(Deferred())
            await disk[-1]
            return await change(work)

        self.patch(south.book, "change", slow)
        for number in (1, 2):
            self.say(Described(Description(f"n{number}"), number, "north"))
            self.settle(3 * PAUSE)
        self.assertEqual(1, len(disk))
        disk[0].callback(None)
        self.clock.advance(PAUSE - 0.1)
        self.assertEqual(("n1", 1), (south.name_of()[0], len(disk)))
        self.clock.advance(0.1)
        disk[1].callback(None)
        self.assertEqual("n2", south.name_of()[0])

    def test_no_room_in_the_book(self) -> None:
        """The file holds so many cameras: names beyond are not taken, and those before are."""
        self.patch(descriptions, "MAX_CAMERAS", 1)
        south = self.site("south").find(ID, OTHER)
        for camera_id in (ID, OTHER):
            self.say(Described(Description("x"), 5, "north"), camera_id)
        self.settle()
        self.assertEqual(1, len(south.book.current.cameras))

    def test_unknown_cameras(self) -> None:
        """The documents of cameras that this node does not know are not asked for, however many stand there; what was
        under way of one that was forgotten is passed over."""
        south = self.site("south").find(ID, OTHER)
        asked = south.shared._hearing.topics
        self.assertEqual([TOPIC, TOPIC.replace(ID, OTHER)], list(asked))
        south.registry.forget(ID, self.clock.seconds())
        self.assertEqual([TOPIC.replace(ID, OTHER)], list(asked))
        south.shared._receive(TOPIC, Described(Description("Barn"), 5, "north").encode(ID))
        self.settle(REPAIR)
        self.assertEqual(([], []), (list(south.shared._told), list(south.shared._repairs)))

    def test_logins_stay(self) -> None:
        """What a person decided here beside the name is left alone."""
        south = self.site("south").find(ID)
        done(south.book.change_camera(ID, lambda one: replace(one, verdict=Verdict.ADOPTED)))
        self.say(Described(Description("Barn"), 5, "north"))
        self.settle()
        self.assertIs(Verdict.ADOPTED, south.book.current.of(ID).verdict)


class Ahead(SitesCase):
    """What is whole, and only ahead of our clock, may be right: the clock may be behind."""

    def ahead(self, name: str = "Barn") -> Described:
        return Described(Description(name), round(self.clock.seconds() * 1000) + 2 * AHEAD, "north")

    def set_clock(self, site: Site) -> None:
        """The clock is set to what it is for the others."""
        self.clock.rightNow += 3 * AHEAD / 1000
        site.shared.clock_set(3 * AHEAD / 1000)

    def test_left_alone(self) -> None:
        """Who publishes the camera says nothing over it, whatever happens to the camera, the node or its connection."""
        self.say(self.ahead())
        south = self.site("south").find(ID, own=True)
        self.settle(AGAIN)
        south.registry.adopt(ID, self.clock.seconds())
        south.client.reconnect()
        self.settle(AGAIN)
        south = south.restarted().find(ID, own=True)
        self.addCleanup(south.shared.stop)
        self.settle(AGAIN)
        self.assertEqual([""], [by for by, _, _ in self.hub.sent])
        self.assertEqual(("", "Barn"), (south.name_of()[0], self.told()["name"]))
        self.assertGreater(south.shared.refused, 0)

    def test_over_what_was_said(self) -> None:
        """What this node said before is not said again with the next connection either."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Old")
        self.say(self.ahead())
        self.settle(REPAIR)
        south.client.reconnect()
        self.settle(AGAIN)
        self.assertEqual(("Old", "Barn"), (south.name_of()[0], self.told()["name"]))

    def test_clock_set(self) -> None:
        """With the right time it is the last word."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Old")
        self.say(self.ahead())
        self.set_clock(south)
        self.settle()
        self.assertEqual(("Barn", "Barn"), (south.name_of()[0], self.told()["name"]))

    def test_a_person_decides(self) -> None:
        """His word goes over it at once, with a time that others take; when the clock turns out to have been behind, it
        becomes the later one, whatever stands there by then."""
        south = self.site("south").find(ID, own=True)
        self.say(self.ahead())
        now = round(self.clock.seconds() * 1000)
        south.decide(name="Stable")
        self.assertEqual(("Stable", now), (self.told()["name"], self.told()["decided_at"]))
        ahead = self.ahead()
        self.say(ahead)
        self.settle(REPAIR)
        self.assertEqual("Barn", self.told()["name"])
        self.set_clock(south)
        self.settle(REPAIR)
        self.assertEqual(("Stable", "Stable"), (south.name_of()[0], self.told()["name"]))
        self.assertGreater(self.told()["decided_at"], ahead.at)

    def test_unreadable_after_it(self) -> None:
        """What nobody can read in its place is replaced as ever."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Stable")
        self.say(self.ahead())
        self.hub.put(TOPIC, b"{}")
        self.settle(REPAIR)
        self.assertEqual("Stable", self.told()["name"])

    def test_no_remark(self) -> None:
        """Nor is it told to people what it says."""
        south = self.site("south").find(ID)
        self.say(self.ahead().with_adopted_at("north"))
        self.assertEqual("", south.shared.adopted_at(ID))


class BrokerLost(SitesCase):
    """What stood on the broker is gone with it."""

    def test_taken_over(self) -> None:
        """A name that this node never said itself stands there again; once, and of its cameras only."""
        north = self.site("north").find(ID, OTHER, own=True)
        south, west = self.site("south").find(ID, OTHER), self.site("west").find(ID)
        north.decide(name="Barn")
        north.decide(OTHER, name="Gate")
        self.settle()
        north.lose()
        north.shared.stop()
        self.hub.clients.remove(north.client)
        south.gain()
        self.settle(PAUSE)
        good = self.hub.retained[TOPIC]
        self.hub.retained.clear()
        said = len(self.hub.sent)
        for site in (south, west):
            site.client.reconnect()
        self.settle(RETAINED + AGAIN)
        self.assertEqual({TOPIC: good}, self.hub.retained)
        self.assertEqual(said + 1, len(self.hub.sent))

    def test_after_a_restart(self) -> None:
        """The same when the daemon was restarted before: its outbox remembers no such document."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Barn")
        good = self.hub.retained[TOPIC]
        south = south.restarted().find(ID, own=True)
        self.addCleanup(south.shared.stop)
        self.hub.retained.clear()
        south.client.reconnect()
        self.settle(RETAINED)
        self.assertEqual(good, self.hub.retained[TOPIC])

    def test_while_it_is_not_known_who_is_there(self) -> None:
        """Then it waits; a connection that ends before costs nothing."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Barn")
        south.client.discard(lambda _: True)
        self.hub.retained.clear()
        south.nodes.is_synchronised = False
        south.client.reconnect()
        self.settle(RETAINED)
        self.assertEqual({}, self.hub.retained)
        south.client.change("disconnected")
        self.assertEqual([], [one for one in self.clock.getDelayedCalls() if one.func == south.shared._heard])
        south.client.reconnect()
        south.nodes.is_synchronised = True
        self.settle(RETAINED)
        self.assertEqual("Barn", self.told()["name"])

    def test_what_is_retained_comes_late(self) -> None:
        """Nothing is said before it can have come: it may be newer than what we hold."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Barn")
        south.client.change("disconnected")
        south.client.discard(lambda _: True)
        newer = Described(Description("Stable"), round(self.clock.seconds() * 1000) + 5, "west")
        self.hub.retained[TOPIC] = newer.encode(ID)
        said = len(self.hub.sent)
        south.client.reconnect(hears=False)
        south.gain()
        south.registry.adopt(ID, self.clock.seconds())
        self.clock.advance(RETAINED - 0.5)
        self.assertEqual(said, len(self.hub.sent))
        south.client.hear()
        self.settle(PAUSE)
        self.assertEqual(("Stable", "Stable"), (south.name_of()[0], self.told()["name"]))
        self.assertEqual("south", self.told()["adopted_at"])

    def test_nothing_is_lost(self) -> None:
        """A connection that only comes back costs no message."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Barn")
        south.client.discard(lambda _: True)
        said = len(self.hub.sent)
        south.client.reconnect()
        self.settle(RETAINED + REPAIR)
        self.assertEqual(said, len(self.hub.sent))

    def test_forgotten_just_then(self) -> None:
        """With the camera its document goes, heard or not."""
        south = self.site("south").find(ID, own=True)
        south.decide(name="Barn")
        south.decide(name="")
        south = south.restarted().find(ID, own=True)
        self.addCleanup(south.shared.stop)
        south.client.reconnect(hears=False)
        south.registry.forget(ID, self.clock.seconds())
        self.assertNotIn(TOPIC, self.hub.retained)


class Forgotten(SitesCase):
    def test_by_its_publisher(self) -> None:
        """With the camera its document goes; found again it has no name."""
        north = self.site("north").find(ID, own=True)
        north.decide(name="Barn")
        north.decide(name="")
        north.registry.forget(ID, self.clock.seconds())
        self.assertNotIn(TOPIC, self.hub.retained)
        self.assertEqual("", north.store.values[TABLE, ID])

    def test_by_another(self) -> None:
        """Who only knew it takes nothing away."""
        north, south = self.site("north").find(ID, own=True), self.site("south").find(ID)
        north.decide(name="Barn")
        self.settle()
        south.registry.forget(ID, self.clock.seconds())
        self.settle(REPAIR)
        self.assertEqual("Barn", self.told()["name"])


class AdoptedElsewhere(SitesCase):
    """An adoption does not travel: it is a remark."""

    def adopted(self) -> Site:
        north = self.site("north").find(ID, own=True)
        north.registry.adopt(ID, self.clock.seconds())
        return north

    def why_not(self, site: Site) -> str:
        key = site.registry.key_of_camera(ID)
        assert key is not None
        return site.registry.candidate(key).not_adopted

    def test_a_remark(self) -> None:
        """It is told where it is adopted, in the reason too; nobody is adopted by that."""
        self.adopted().lose()
        south = self.site("south").find(ID, own=True)
        self.settle()
        found = south.registry.camera(ID)
        assert found is not None
        self.assertFalse(found.adopted.is_adopted)
        told = "adopt it; node north says that it is adopted there: if it is yours, adopt it here, too"
        self.assertEqual(f"ADOPTION=ask adopts no device by itself: {told}", self.why_not(south))
        self.assertEqual(("north", "north"), (south.shared.adopted_at(ID), self.told()["adopted_at"]))
        self.assertIsNone(south.adoption.record_of(ID))

    def test_adopted_here(self) -> None:
        """Then nothing more is remarked."""
        self.adopted().lose()
        south = self.site("south").find(ID, own=True)
        south.registry.adopt(ID, self.clock.seconds())
        self.assertEqual(("", ""), (south.shared.adopted_at(ID), self.why_not(south)))
        self.assertEqual("south", self.told()["adopted_at"])

    def test_not_true_any_more(self) -> None:
        """The node that is named knows better than who publishes the camera."""
        north = self.adopted()
        north.lose()
        south = self.site("south").find(ID, own=True)
        north.registry.unadopt(ID, self.clock.seconds())
        self.settle(REPAIR)
        self.assertEqual(("", ""), (self.told()["adopted_at"], south.shared.adopted_at(ID)))
        self.assertEqual("ADOPTION=ask adopts no device by itself: adopt it", self.why_not(south))

    def test_an_invented_node(self) -> None:
        """A node that nobody has heard of has adopted nothing, and its name is shown nowhere."""
        south = self.site("south").find(ID)
        self.say(Described(adopted_at="free beer"))
        self.settle()
        self.assertEqual("", south.shared.adopted_at(ID))
        self.assertNotIn("beer", self.why_not(south))

    def test_of_us(self) -> None:
        """What is said of this node, and is not so, is taken back. It is not said again with each connection, for the
        camera is not ours."""
        south = self.site("south").find(ID)
        for _ in range(2):
            self.say(Described(Description("Barn"), 5, "north", "south"))
            self.settle(REPAIR)
            self.assertEqual(("Barn", ""), (self.told()["name"], self.told()["adopted_at"]))
        said = len(self.hub.sent)
        south.client.reconnect()
        self.assertEqual(said, len(self.hub.sent))

    def test_forgotten_here(self) -> None:
        """Who forgets a camera takes back that it is adopted there, when it is another one's; its own goes at once, and
        does not come back."""
        north = self.adopted()
        north.lose()
        self.site("south").find(ID, own=True)
        self.settle(REPAIR)
        self.assertEqual("north", self.told()["adopted_at"])
        north.registry.forget(ID, self.clock.seconds())
        self.settle(REPAIR)
        self.assertEqual("", self.told()["adopted_at"])

    def test_forgotten_by_all(self) -> None:
        """With the last node that knew it the document goes for good, though the broker does not tell so any more."""
        north = self.adopted()
        self.patch(north.client, "deliver", lambda topic, payload: None)
        north.registry.forget(ID, self.clock.seconds())
        self.settle(REPAIR)
        self.assertNotIn(TOPIC, self.hub.retained)

    def test_found_again(self) -> None:
        """What stood there when it was forgotten here is no news when it is found again: it may have gone since."""
        north, south = self.adopted(), self.site("south").find(ID)
        self.settle()
        self.assertEqual("north", south.shared.adopted_at(ID))
        for site in (south, north):
            site.registry.forget(ID, self.clock.seconds())
        self.assertNotIn(TOPIC, self.hub.retained)
        south.find(ID)
        self.settle(REPAIR)
        self.assertEqual("", south.shared.adopted_at(ID))

    def test_a_node_that_does_not_know_it(self) -> None:
        """A node that lost all it knew has adopted nothing, and cannot take it back: it is not named."""
        self.adopted().lose()
        south = self.site("south").find(ID, own=True)
        south.nodes.record.known.remove("north")
        self.assertEqual("", south.shared.adopted_at(ID))
