"""Table of the other nodes: their documents, when they were heard, and their claims by camera."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from twisted_detector.model.bounds import BoundedDict
from twisted_detector.operations.nodes.timing import Timing
from twisted_detector.operations.nodes.values import Bid, Claim, NodeDocument

#: Nodes that are known at once; whoever may publish can invent as many as he likes.
MAX_NODES = 64
#: Sessions that have ended and epochs of cameras that are remembered, for documents that come late.
MAX_ENDED, MAX_EPOCHS = 256, 20_000
#: Seconds for which another daemon with our node id is believed to be there after its last word: two slow beats.
RIVAL = 150.0

#: Order of bids, the greatest wins: epoch, rank, load, node id, instance.
BidKey = tuple[int, int, int, str, str]


def bid_key(bid: Bid, node_id: str, instance: str) -> BidKey:
    """The place of a bid in the order of all bids for its camera."""
    return (bid.epoch, bid.rank, -bid.load, node_id, instance)


@dataclass(slots=True)
class Other:
    """Another node.

    :ivar heard: when it spoke last, or when its silence began to matter.
    :ivar is_watched: whether it owns a camera that we watch, and therefore beats.
    """

    document: NodeDocument
    heard: float
    is_watched: bool = False


class OtherNodes:
    """Table of the other nodes, by instance.

    :ivar epochs: the greatest epoch that was seen of each camera.
    """

    def __init__(self, timing: Timing, node_id: str) -> None:
        self._timing = timing
        self._node_id = node_id
        self._nodes: dict[str, Other] = {}
        self._claims: dict[str, dict[str, Claim]] = {}
        self._ended: BoundedDict[str, int] = BoundedDict(MAX_ENDED)
        self._rivals: BoundedDict[str, float] = BoundedDict(MAX_NODES)
        self.epochs: BoundedDict[str, int] = BoundedDict(MAX_EPOCHS)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, instance: str) -> bool:
        return instance in self._nodes

    def __getitem__(self, instance: str) -> Other:
        return self._nodes[instance]

    @property
    def documents(self) -> tuple[NodeDocument, ...]:
        """What each of them said last."""
        return tuple(one.document for one in self._nodes.values())

    def claims(self, camera_id: str) -> Mapping[str, Claim]:
        """Their claims to one camera, by instance."""
        return self._claims.get(camera_id, {})

    def know(self, camera_id: str) -> bool:
        """Whether one of them knows a camera."""
        return camera_id in self._claims

    def know_any(self, camera_ids: Iterable[str]) -> bool:
        """Whether one of them knows one of these cameras."""
        return not self._claims.keys().isdisjoint(camera_ids)

    def shared(self, camera_ids: set[str]) -> set[str]:
        """Those of these cameras that one of them knows."""
        return camera_ids & self._claims.keys()

    def greatest_bid(self, camera_id: str) -> BidKey | None:
        """The greatest bid of one of them for a camera."""
        bids = (
            bid_key(claim.bid, self._nodes[instance].document.node_id, instance)
            for instance, claim in self.claims(camera_id).items()
            if claim.bid is not None
        )
        return max(bids, default=None)

    def is_silent(self, instance: str, now: float) -> bool:
        """Whether a node that ought to beat does not."""
        return now - self._nodes[instance].heard > self._timing.silence

    def rival(self, now: float) -> str:
        """Instance of another daemon with our node id that spoke lately; "" for none."""
        return next((name for name, heard in self._rivals.items() if now - heard < RIVAL), "")

    def receive(self, document: NodeDocument, now: float, *, retained: bool = False) -> NodeDocument | None:
        """A node document came.

        :param retained: it stood on the broker: that its node is there is shown by what it says now.
        :returns: the one that it replaced, an empty one for a node that was not known; None when it is not news.
        """
        instance = document.instance
        if self._ended.get(instance, -1) >= document.session:
            return None
        if not retained:
            self._note_rival(document.node_id, instance, now)
        known = self._nodes.get(instance)
        if known is not None and document.number <= known.document.number:
            return None
        if known is None and len(self._nodes) >= MAX_NODES:
            return None
        before = NodeDocument(document.node_id, instance, 0, 0) if known is None else known.document
        self._drop_claims(before)
        self._nodes[instance] = Other(document, now, known is not None and known.is_watched)
        for camera_id, claim in document.claims.items():
            self._claims.setdefault(camera_id, {})[instance] = claim
            if claim.bid is not None:
                self.epochs[camera_id] = max(claim.bid.epoch, self.epochs.get(camera_id, 0))
        return before

    def heard(self, node_id: str, instance: str, now: float) -> bool:
        """A beat came; returns False where its node has yet to say what it is."""
        self._note_rival(node_id, instance, now)
        if (known := self._nodes.get(instance)) is not None:
            known.heard = now
        return known is not None or instance in self._ended or len(self._nodes) >= MAX_NODES

    def end(self, instance: str, session: int) -> NodeDocument | None:
        """The broker has ended that session of a node, or the node has; returns what the node said last."""
        self._ended[instance] = max(session, self._ended.get(instance, 0))
        known = self._nodes.get(instance)
        return self._remove(instance) if known is not None and known.document.session <= session else None

    def expired(self, now: float) -> list[NodeDocument]:
        """Remove the nodes that have not said a word for long; returns what they said last."""
        over = [name for name, one in self._nodes.items() if now - one.heard > self._timing.expiry]
        return [self._remove(name) for name in over]

    def excuse(self, now: float) -> None:
        """We could not hear them until now."""
        for one in self._nodes.values():
            one.heard = now

    def watch(self, instance: str, now: float) -> Other:
        """The owner of a camera that we watch: from now on it has a reason to beat."""
        one = self._nodes[instance]
        if not one.is_watched:
            one.is_watched, one.heard = True, now
        return one

    def watch_only(self, instances: set[str]) -> None:
        """We watch no others than these."""
        for instance, one in self._nodes.items():
            one.is_watched = instance in instances

    def _note_rival(self, node_id: str, instance: str, now: float) -> None:
        if node_id == self._node_id:
            self._rivals[instance] = now

    def _remove(self, instance: str) -> NodeDocument:
        document = self._nodes.pop(instance).document
        self._drop_claims(document)
        return document

    def _drop_claims(self, document: NodeDocument) -> None:
        for camera_id in document.claims:
            claims = self._claims.get(camera_id, {})
            claims.pop(document.instance, None)
            if not claims:
                self._claims.pop(camera_id, None)
