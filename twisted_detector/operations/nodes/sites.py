"""Record of the nodes that were there, each with what it said last and since when it is away."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.model.bounds import BoundedDict
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.others import MAX_NODES
from twisted_detector.operations.nodes.values import MAX_CLAIMS, Bid, NodeDocument


@dataclass(frozen=True, slots=True)
class Site:
    """A node as people see it.

    :ivar is_away: whether it is not there now. :ivar since: wall seconds since when, None where that is not known.
    """

    document: NodeDocument
    is_away: bool = False
    since: float | None = None


class SiteRecord:
    """Record of the nodes of one prefix: the election knows those that are there, this one also those that are not.

    A node that is not wanted any more stands here as long as its document stands on the broker.
    """

    def __init__(self, election: Election) -> None:
        self._election = election
        self._last: BoundedDict[str, NodeDocument] = BoundedDict(MAX_NODES)
        self._since: BoundedDict[str, float] = BoundedDict(MAX_NODES)
        #: Who gave a camera up last, by camera.
        self._former: BoundedDict[str, str] = BoundedDict(MAX_CLAIMS)

    # --- what happens

    def received(self, document: NodeDocument) -> None:
        """The document of a node came, of an earlier process of this one too."""
        last = self._last.get(document.node_id)
        if last is None or last.instance != document.instance or last.number < document.number:
            self._last[document.node_id] = document
            if last is not None:
                self._give_up(last, document)

    def removed(self, node_id: str) -> None:
        """Somebody removed the document of a node from the broker: it will not come back."""
        self._last.pop(node_id, None)
        self._since.pop(node_id, None)

    def ended(self, instance: str, now: float) -> None:
        """A node goes that was there until now."""
        for node_id, document in self._last.items():
            if document.instance == instance:
                self._since[node_id] = now
                self._give_up(document)

    def _give_up(self, before: NodeDocument, after: NodeDocument | None = None) -> None:
        """A node has withdrawn some of its bids, or all: it gives up what was its own, or still is.

        Who has lost a bid for a camera of nobody gives nothing up.
        """
        claims = after.claims if after is not None else {}
        for camera_id, claim in before.claims.items():
            now = claims.get(camera_id)
            if claim.bid is None or (now is not None and now.bid is not None):
                continue
            if self._is_outbid(camera_id, claim.bid) or self.owner_of(camera_id) in ("", before.node_id):
                self._former[camera_id] = before.node_id

    def _is_outbid(self, camera_id: str, bid: Bid) -> bool:
        """Whether somebody bid over this one. Those who bid together for a camera of nobody are of one epoch."""
        return bid.epoch < self._election.others.epochs.get(camera_id, 0)

    # --- what is so

    @property
    def present(self) -> list[NodeDocument]:
        """The documents of those that are there, ours first."""
        return [self._election.document, *self._election.others.documents]

    def all(self) -> list[Site]:
        """Those that are there, ours first, then those that are away, by their names."""
        away = (Site(self._last[one], is_away=True, since=self._since.get(one)) for one in self._away())
        return [*(Site(one) for one in self.present), *away]

    def camera_ids(self) -> set[str]:
        """The cameras of all of them."""
        return {camera_id for one in self.all() for camera_id in one.document.claims}

    def _away(self) -> list[str]:
        here = {self._election.node_id, *(one.node_id for one in self._election.others.documents)}
        return sorted(one for one in self._last if one not in here)

    def is_present(self, node_id: str) -> bool:
        """Whether a node is there."""
        return node_id == self._election.node_id or any(
            one.node_id == node_id for one in self._election.others.documents
        )

    def owner_of(self, camera_id: str) -> str:
        """The node that publishes a camera, "" for none."""
        return self._election.owner_of(camera_id)

    def last_owner_of(self, camera_id: str) -> str:
        """The node that published a camera before it went away, "" for none."""
        claims = ((one, self._last[one].claims.get(camera_id)) for one in self._away())
        return next((node_id for node_id, claim in claims if claim is not None and claim.bid is not None), "")

    def former_owner_of(self, camera_id: str) -> str:
        """The node that published a camera before the present one, "" where nobody is known to have.

        Asked for each camera of a takeover: what it costs does not grow with the number of cameras.
        """
        owner, others = self.owner_of(camera_id), self._election.others
        # One that is frozen stands there with its bid.
        losing = (
            others[instance].document.node_id
            for instance, claim in others.claims(camera_id).items()
            if claim.bid is not None and self._is_outbid(camera_id, claim.bid)
        )
        frozen = next((one for one in losing if one != owner), "")
        return frozen or self._former.get(camera_id, "") or self.last_owner_of(camera_id)

    def knew(self, node_id: str, camera_id: str) -> bool:
        """Whether there is such a node, or was one, that knew a camera when it spoke last."""
        last = self._last.get(node_id)
        return last is not None and camera_id in last.claims

    def known_to(self, camera_id: str) -> list[str]:
        """The nodes that are there and know a camera, by their names."""
        return sorted({one.node_id for one in self.present if camera_id in one.claims})

    def page_of(self, node_id: str) -> str:
        """Where the page of a node is opened, "" where it did not say."""
        return next((one.document.about.page for one in self.all() if one.document.node_id == node_id), "")
