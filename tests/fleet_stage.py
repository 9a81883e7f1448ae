"""Fleet of the stage: three nodes, one of them away, that share cameras which are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted_detector.model import Camera
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.fleet import fleet_document
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.operations.nodes.values import Bid, Claim, NodeAbout, NodeDocument, Rank, Reached

OWNED, WATCHED = Claim(Rank.SEES_MAC, Bid(1, Rank.SEES_MAC, 0)), Claim(Rank.SEES_MAC)
#: Cameras that only the other nodes know: of the one that is there, and of the one that is away.
FAR, LEFT = 150, 2
#: The first camera of the stage: barn publishes it, and has adopted it.
BARNS = "00408c000000"
LONG = "Überwachungskamera am Wirtschaftsgebäude hinter dem nordöstlichen Parkplatz"


class FleetStage:
    """The handler of ``fleet``. :ivar states: what stands on the broker of each camera."""

    def __init__(self, cameras: Sequence[Camera], now: float) -> None:
        links, shared = ("192.168.1.0/24", "192.168.2.0/24"), {"10.66.0.0/24": Reached.ANSWERED}
        election = Election("attic", "a1", about=NodeAbout("1.0", links, shared=shared))
        election.connected(1, 0.0)
        self._instance = election.instance
        self.record = SiteRecord(election)
        states: dict[str, Mapping[str, str]] = {}
        far, left = (
            {f"{name}{number}": OWNED for number in range(count)} for name, count in (("far", FAR), ("left", LEFT))
        )
        own = {one.id: WATCHED for one in cameras[:5]}
        about = NodeAbout("1.0", tuple(f"10.{n}.0.0/24" for n in range(12)), "http://barn.example:8787/")
        for name, claims, what in (
            ("barn", {**far, **own}, about), ("south-" + "w" * 40, left, NodeAbout("1.0", ("10.99.0.0/16",))),
        ):  # fmt: skip
            document = NodeDocument(name, f"{name}1", 1, 1, len(claims), claims, what)
            election.received_document(document, 0.0)
            self.record.received(document)
        election.gone(f"{name}1", 1)
        self.record.ended(f"{name}1", now - 900)
        for one in cameras:
            election.sighted(one.id, Rank.SEES_MAC)
            states[one.id] = {
                "name": one.name, "area": "", "ip": one.address, "status": one.status.value, "reason": one.reason,
                "since": "",
            }  # fmt: skip
        for number, camera_id in enumerate((*far, *left)):
            status = "stream_error" if number % 50 == 7 else "online"
            states[camera_id] = {
                "name": LONG if number == 7 else f"Shed {number}", "area": "Yard", "ip": f"10.0.0.{number + 20}",
                "status": status, "reason": "rtsp://…/" + "x" * 80 if number == 7 else "", "since": "",
            }  # fmt: skip
        # Owned at once: nobody on the stage has a broker.
        election._active = election._bids = {one.id for one in cameras}
        for one in cameras:
            election._cameras[one.id].bid = Bid(9, Rank.SEES_MAC, 0)
        self.states = states

    async def whereabouts(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Whose a camera is, as the page asks."""
        is_barns = fields["camera_id"] == BARNS
        owner, page = ("barn", "http://barn.example:8787/") if is_barns else ("", "")
        return {"owner": owner, "owner_page": page, "adopted_at": owner}

    async def answer(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return fleet_document(self.record, self.states, instance=self._instance)
