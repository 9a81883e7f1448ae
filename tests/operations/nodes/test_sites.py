"""Nodes that are there and that were, and how the fleet is worded."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.fleet import fleet_document
from twisted_detector.operations.nodes.others import MAX_NODES
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.operations.nodes.values import Bid, Claim, NodeAbout, NodeDocument, Rank

OWNED, WATCHED = Claim(Rank.SEES_MAC, Bid(1, Rank.SEES_MAC, 0)), Claim(Rank.SEES_MAC)
STATE = {"name": "Yard", "area": "Out", "ip": "10.0.0.5", "status": "online", "reason": "", "since": "t"}
SOUTH = NodeAbout("1.2", ("10.1.0.0/24",), "http://south.example:8787/")


class SitesTest(SynchronousTestCase):
    """This node is north; south owns "a" and "b", west watches "a"."""

    def setUp(self) -> None:
        self.election = Election("north", "n1", about=NodeAbout("1.2", ("10.0.0.0/24",)))
        self.election.connected(1, 0.0)
        self.record = SiteRecord(self.election)
        self.number = 0
        self.hear("south", {"a": OWNED, "b": OWNED}, about=SOUTH)
        self.hear("west", {"a": WATCHED})

    def hear(self, name: str, claims: dict[str, Claim], *, instance: str = "", about: NodeAbout = NodeAbout()) -> None:  # noqa: B008
        self.number += 1
        document = NodeDocument(name, instance or f"{name}1", 1, self.number, 0, claims, about)
        self.election.received_document(document, 0.0)
        self.record.received(document)

    def leave(self, name: str, at: float = 1000.0) -> None:
        self.record.ended(f"{name}1", at)
        self.election.gone(f"{name}1", 1)

    def cameras(self) -> dict[str, tuple[str, list[str], str]]:
        found = fleet_document(self.record, instance="n1")["cameras"]
        return {camera_id: (one["owner"], one["known_to"], one["away"]) for camera_id, one in found.items()}

    def test_all_there(self) -> None:
        """Each node with its figures and its page; each camera with its node, and its state where there is one."""
        found = fleet_document(self.record, {"a": STATE}, instance="n1")
        north, south, west = found["nodes"]
        self.assertEqual((True, False, False), (north["this"], south["this"], west["this"]))
        self.assertEqual(
            {
                "node_id": "south", "this": False, "version": "1.2", "page": "http://south.example:8787/",
                "networks": ["10.1.0.0/24"], "shared": [], "known": 2, "owned": 2, "away": False, "since": None,
            },
            south,
        )  # fmt: skip
        self.assertEqual({"owner": "south", "known_to": ["south", "west"], "away": "", **STATE}, found["cameras"]["a"])
        self.assertEqual("", found["cameras"]["b"]["status"])

    def test_away(self) -> None:
        """A node that has gone is there with the time; its cameras are its own where nobody else knows them."""
        self.leave("south")
        (south,) = (one for one in fleet_document(self.record, instance="n1")["nodes"] if one["node_id"] == "south")
        self.assertEqual((True, "1970-01-01T00:16:40.000Z", 1), (south["away"], south["since"], south["owned"]))
        self.assertEqual({"a": ("", ["west"], ""), "b": ("", [], "south")}, self.cameras())
        self.assertEqual(("south", ""), (self.record.last_owner_of("b"), self.record.last_owner_of("nowhere")))
        self.assertFalse(self.record.is_present("south"))
        self.assertTrue(self.record.is_present("north"))

    def test_before_our_time(self) -> None:
        """What stood on the broker of a node whose will we had first: since when is not known."""
        self.election.gone("east1", 1)
        self.hear("east", {"c": OWNED})
        self.assertEqual(("", [], "east"), self.cameras()["c"])
        (east,) = (one for one in self.record.all() if one.document.node_id == "east")
        self.assertEqual((True, None), (east.is_away, east.since))

    def test_back(self) -> None:
        """A new process of the same name is that node; nothing is left of the old one."""
        self.leave("south")
        self.hear("south", {"b": OWNED}, instance="south2")
        self.assertEqual([False] * 3, [one.is_away for one in self.record.all()])
        self.assertEqual(("south", ["south"], ""), self.cameras()["b"])

    def test_our_own_earlier_process(self) -> None:
        """It is no node of its own."""
        self.hear("north", {"old": OWNED}, instance="n0")
        self.election.gone("n0", 1)
        self.assertNotIn("old", self.cameras())
        self.assertEqual(["north", "south", "west"], [one.document.node_id for one in self.record.all()])

    def test_late_document(self) -> None:
        """An older document of the same process changes nothing."""
        self.record.received(NodeDocument("south", "south1", 1, 0))
        self.leave("south")
        self.assertEqual("south", self.record.last_owner_of("b"))

    def test_former_owner(self) -> None:
        """Who withdrew, went, or stands there frozen with a smaller bid; the last of them, and nobody else."""
        self.assertEqual(("", ""), (self.record.former_owner_of("a"), self.record.former_owner_of("nowhere")))
        higher = Claim(Rank.SEES_MAC, Bid(2, Rank.SEES_MAC, 0))
        self.hear("west", {"a": higher})
        self.assertEqual("south", self.record.former_owner_of("a"), "it has not withdrawn yet")
        self.hear("south", {"a": WATCHED, "b": OWNED})
        self.assertEqual("south", self.record.former_owner_of("a"))
        self.leave("west")
        self.assertEqual(("west", ""), (self.record.former_owner_of("a"), self.record.former_owner_of("b")))
        self.leave("south")
        self.assertEqual("south", self.record.former_owner_of("b"))

    def test_lost_a_bid(self) -> None:
        """Of two that bid together for a camera of nobody, the one that loses has published nothing."""
        for name, load in (("west", 9), ("south", 0)):
            self.hear(name, {"new": Claim(Rank.SEES_MAC, Bid(1, Rank.SEES_MAC, load))})
        self.assertEqual(
            ("south", ""), (self.record.owner_of("new"), self.record.former_owner_of("new")), "it withdraws soon"
        )
        self.hear("west", {"new": WATCHED})
        self.assertEqual("", self.record.former_owner_of("new"))
        self.leave("west")
        self.assertEqual("", self.record.former_owner_of("new"))

    def test_takeover(self) -> None:
        """However many cameras a node leaves, to tell whose each was does not go through all of them."""
        cameras = {f"c{number}": Claim(Rank.SEES_MAC, Bid(1, Rank.SEES_MAC, number)) for number in range(500)}
        self.hear("south", cameras)
        for camera_id in cameras:
            self.election.sighted(camera_id, Rank.SEES_MAC)
        self.leave("south")
        built: list[object] = []
        whole = Election.document.fget
        self.patch(Election, "document", property(lambda one: (built.append(one), whole(one))[1]))
        self.assertEqual({"south"}, {self.record.former_owner_of(one) for one in cameras})
        self.assertEqual("", self.record.former_owner_of("nowhere"))
        self.assertEqual([], built)
        self.record.all()
        self.assertEqual(1, len(built), "it is counted")

    def test_knew(self) -> None:
        """Those that are there, and those that were, as far as they knew a camera; nobody else."""
        self.election.sighted("a", Rank.SEES_MAC)
        self.record.received(self.election.document)
        self.leave("south")
        nodes = ("north", "south", "west", "east")
        self.assertEqual([True, True, True, False], [self.record.knew(one, "a") for one in nodes])
        self.assertEqual([False, True, False, False], [self.record.knew(one, "b") for one in nodes])

    def test_camera_ids(self) -> None:
        """Those of nodes that are away, too."""
        self.leave("south")
        self.election.sighted("c", Rank.SEES_MAC)
        self.assertEqual({"a", "b", "c"}, self.record.camera_ids())

    def test_removed(self) -> None:
        """A node that is not wanted any more goes with its document."""
        self.leave("south")
        self.record.removed("south")
        self.assertEqual({"a": ("", ["west"], "")}, self.cameras())

    def test_bound(self) -> None:
        """Whoever may publish can invent as many as he likes."""
        for number in range(2 * MAX_NODES):
            self.record.received(NodeDocument(f"x{number}", f"i{number}", 1, 1))
        self.assertLessEqual(len(self.record.all()), 2 * MAX_NODES)
