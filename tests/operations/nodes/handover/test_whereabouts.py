"""Which other nodes have to do with a camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.handover.sites import done
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.handover.whereabouts import Whereabouts
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.operations.nodes.values import Bid, Claim, NodeAbout, NodeDocument, Rank


class WhereaboutsTest(SynchronousTestCase):
    """This node is north; south publishes one camera, and has adopted it."""

    def setUp(self) -> None:
        election = Election("north", "n1")
        election.connected(1, 0.0)
        record = SiteRecord(election)
        claims = {"far": Claim(Rank.SEES_MAC, Bid(1, Rank.SEES_MAC, 0))}
        document = NodeDocument("south", "s1", 1, 1, 0, claims, NodeAbout(page="http://south.example:8787/"))
        election.received_document(document, 0.0)
        record.received(document)

        class Nodes:
            pass

        nodes: Any = Nodes()
        nodes.record = record
        self.whereabouts = Whereabouts(
            nodes, node_id="north", adopted_at=lambda camera_id: "south" if camera_id == "far" else ""
        )

    def test_another(self) -> None:
        """Its node with that one's page, and where it is adopted."""
        expected = {"owner": "south", "owner_page": "http://south.example:8787/", "adopted_at": "south"}
        self.assertEqual(expected, done(self.whereabouts.answer({"camera_id": "far"})))

    def test_ours(self) -> None:
        """Of a camera that is ours, or nobody's, there is nothing to say."""
        nothing = {"owner": "", "owner_page": "", "adopted_at": ""}
        self.assertEqual(nothing, done(self.whereabouts.answer({"camera_id": "near"})))
        self.assertEqual(nothing, done(self.whereabouts.answer({})))

    def test_why(self) -> None:
        """The answer of ``why`` says it of each camera."""

        async def why(fields: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"address": fields["address"], "cameras": [{"id": "far", "name": "x"}]}

        answer = done(self.whereabouts.added_to(why)({"address": "10.0.0.5"}))
        self.assertEqual("10.0.0.5", answer["address"])
        self.assertEqual(("far", "x", "south"), tuple(answer["cameras"][0][name] for name in ("id", "name", "owner")))
