"""State machine of the election: which cameras this node publishes. The rules are in the package's docstring.

All times are seconds of this machine's monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from twisted_detector.operations.nodes.candidacy import Candidacy
from twisted_detector.operations.nodes.link import Link
from twisted_detector.operations.nodes.others import BidKey, OtherNodes, bid_key
from twisted_detector.operations.nodes.timing import TIMING, Timing
from twisted_detector.operations.nodes.values import MAX_CLAIMS, Beat, Bid, Claim, NodeAbout, NodeDocument, Rank


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be done after a tick.

    :ivar gained: cameras that are published from now on; ``lost``: that are not any more.
    :ivar again: cameras whose state is to be published once more: what their former owner wrote while its link was cut
        may have come after ours.
    :ivar is_near: whether more is due within the second, and the next tick should come soon.
    """

    document: NodeDocument | None = None
    beat: Beat | None = None
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    is_near: bool = False


class Election:
    """State machine of one node's part in the election.

    Call :meth:`tick` after what happened and every fifth of a second, and publish what it returns.

    :param instance: random name of this process.
    """

    def __init__(self, node_id: str, instance: str, *, about: NodeAbout | None = None, timing: Timing = TIMING) -> None:
        self.node_id = node_id
        self.instance = instance
        self.others = OtherNodes(timing, node_id)
        self._about = about or NodeAbout()
        self._timing = timing
        self._link: Link | None = None
        self._session = self._number = self._load = self._document_returned = 0
        self._ticked = -inf
        self._cameras: dict[str, Candidacy] = {}
        #: Cameras that we bid for; of these those that we own; of these those to be published once more.
        self._bids: set[str] = set()
        self._active: set[str] = set()
        self._again: set[str] = set()
        #: Cameras of which something is to be decided: all others cost a tick nothing.
        self._open: set[str] = set()
        self._voided = False
        self._changed = self._urgent = True
        self._document_at, self._answer_at = -inf, inf
        self._overwritten = self._asks_echo = self._is_near = False
        #: Instances that the next beat asks.
        self._asked: set[str] = set()

    # --- what is so

    @property
    def owned(self) -> frozenset[str]:
        """The cameras that this node owns."""
        return frozenset(self._active)

    def is_owned(self, camera_id: str) -> bool:
        """Whether this node owns a camera."""
        return camera_id in self._active

    @property
    def is_bidding(self) -> bool:
        """Whether this node has a bid for a camera that it does not own yet."""
        return len(self._bids) > len(self._active)

    @property
    def round_trip(self) -> float:
        """Seconds that the broker needs to return what we say."""
        return 0.0 if self._link is None else self._link.round_trip

    @property
    def document(self) -> NodeDocument:
        """What this node is, and its claims as they are now."""
        claims = {camera_id: Claim(camera.rank, camera.bid) for camera_id, camera in self._cameras.items()}
        session, number, load = self._session, self._number, self._load
        return NodeDocument(self.node_id, self.instance, session, number, load, claims, self._about)

    def owner_of(self, camera_id: str) -> str:
        """The node that has the greatest bid for a camera, "" for none."""
        bids = [bid for bid in (self._own_bid(camera_id), self.others.greatest_bid(camera_id)) if bid is not None]
        return max(bids)[3] if bids else ""

    def is_anothers(self, camera_id: str) -> bool:
        """Whether another node has the greatest bid for a camera."""
        mine, best = self._own_bid(camera_id), self.others.greatest_bid(camera_id)
        return best is not None and (mine is None or best > mine)

    @property
    def is_connected(self) -> bool:
        return self._link is not None

    def is_synchronised(self, now: float) -> bool:
        """Whether the broker has returned a message of this session to us, and with it who else is there."""
        return self._link is not None and self._link.is_synchronised(now)

    @property
    def known(self) -> tuple[str, ...]:
        """The cameras that this node knows, owned or not."""
        return tuple(self._cameras)

    def holds(self, camera_id: str, now: float) -> bool:
        """Whether this node owns a camera, as far as it knows at this moment."""
        is_awake = not self._voided and now - self._ticked <= self._timing.stall
        return self._link is not None and is_awake and camera_id in self._active

    def publishes(self, camera_id: str, now: float) -> bool:
        """Whether this node may publish the state of the camera at this moment; see :meth:`want`."""
        return self.holds(camera_id, now) and self._is_leased(camera_id, now)

    # --- what happens

    def want(self) -> None:
        """There is something to publish of a camera that we hold: have the broker show that we may, and tick."""
        self._asks_echo = True

    def connected(self, session: int, now: float) -> None:
        """The broker let us in, and gets our subscriptions.

        Who was there is believed to be there until he is silent: a broker that was restarted has forgotten him.
        """
        self._session = session
        self._link = Link(self._timing, now)
        self._voided = True
        self.others.excuse(now)
        for camera_id in self._bids:
            self._cameras[camera_id].bid_number, self._cameras[camera_id].bid_echoed = 0, inf
        self._open = set(self._cameras)
        self._changed = self._urgent = True
        self._answer_at = now + self._timing.coalesce  # and once more, for who subscribes in the same moment

    def disconnected(self) -> None:
        """The connection is gone: nothing can be published, and nothing is known."""
        self._link = None

    def sighted(self, camera_id: str, rank: Rank) -> None:
        """This node knows a camera, and sees it so well; not taken in where there are :data:`.values.MAX_CLAIMS`."""
        camera = self._cameras.get(camera_id)
        if camera is None:
            if len(self._cameras) >= MAX_CLAIMS:
                return
            self._cameras[camera_id] = Candidacy(rank)
        elif camera.rank is rank:
            return
        else:
            camera.rank = rank
        self._open.add(camera_id)
        self._changed = True

    def forgotten(self, camera_id: str) -> None:
        """This node does not know a camera any more."""
        if self._cameras.pop(camera_id, None) is not None:
            self._open.discard(camera_id)
            self._bids.discard(camera_id)
            self._changed = self._urgent = True

    def describe(self, about: NodeAbout) -> None:
        """This node is that, beside its cameras."""
        if about != self._about:
            self._about = about
            self._changed = True

    def received_document(self, document: NodeDocument, now: float, *, retained: bool = False) -> None:
        """A node document came, ours too. :param retained: it stood on the broker, its node may be long gone."""
        if document.instance == self.instance:
            self._returned(document.number, now)
            # A bridge that connects again brings what the other broker retained, an old one too, and that stands now.
            self._changed = self._changed or document.number < self._document_returned
            self._document_returned = max(self._document_returned, document.number)
            for camera_id in self._bids & self._open:
                self._cameras[camera_id].bid_returned(document.number, now)
            return
        link, shared = self._link, self.others.shared(self._active)
        # An earlier process of ours, by way of a bridge, or another daemon of our name: it stands in our place now.
        self._overwritten = self._overwritten or (document.node_id == self.node_id and not retained)
        if link is not None and (before := self.others.receive(document, now, retained=retained)) is not None:
            if self.others.shared(self._active) - shared:
                link.grant(now)
                self._asks_echo = True
            if not retained and document.session > before.session and document.node_id != self.node_id:
                # Who has just connected hears from us what we say, whenever the broker gives it what is retained; not
                # at once, for all of a cluster may not know yet that it has subscribed.
                self._answer_at = min(self._answer_at, now + self._timing.coalesce)
            self._claims_ended(before, document)
            self._open |= document.claims.keys() & self._cameras.keys()

    def received_beat(self, beat: Beat, now: float) -> None:
        """A beat came, ours too."""
        if beat.instance == self.instance:
            self._returned(beat.number, now)
        else:
            if self.instance in beat.asks and (beat.lacks or beat.instance not in self.others):
                self._changed = True
            elif self.instance in beat.asks:
                self._asks_echo = True  # it knows what we are, and only whether we are there is asked
            if not self.others.heard(beat.node_id, beat.instance, now):
                self._asked.add(beat.instance)  # what it said was lost, or comes late
                self._asks_echo = True

    def gone(self, instance: str, session: int) -> None:
        """The broker has ended that session of a node, or the node has."""
        if instance != self.instance and (document := self.others.end(instance, session)) is not None:
            self._claims_ended(document)

    def _returned(self, number: int, now: float) -> None:
        if self._link is not None:
            self._link.returned(number, now)

    def _claims_ended(self, before: NodeDocument, after: NodeDocument | None = None) -> None:
        """A node has withdrawn some of its bids, or all."""
        self._open |= before.claims.keys() & self._cameras.keys()
        for camera_id in before.claims.keys() & self._active:
            now = after.claims.get(camera_id) if after is not None else None
            if before.claims[camera_id].bid is not None and (now is None or now.bid is None):
                self._again.add(camera_id)

    # --- decisions

    def tick(self, now: float) -> Outcome:
        """Decide what is due; returns what is to be published, and what changed."""
        before, link = frozenset(self._active), self._link
        self._notice_stall(now)
        if link is None or self._voided:
            self._active.clear()
        document, beat, self._is_near = None, None, False
        if link is not None:
            self._voided = False
            self._decide_all(link, now)
            document, beat = self._speak(link, now)
        self._again &= self._active & before
        again = {camera_id for camera_id in self._again if self._is_leased(camera_id, now)}
        self._again -= again
        gained, lost, anew = (tuple(sorted(ids)) for ids in (self._active - before, before - self._active, again))
        return Outcome(document, beat, gained, lost, anew, self._is_near)

    def _notice_stall(self, now: float) -> None:
        stalled = now - self._ticked > self._timing.stall
        self._ticked = now
        if stalled and self._link is not None:
            self._link.stopped(now)
            self._voided = True
            self._open = set(self._cameras)
            self.others.excuse(now)  # what they said meanwhile is not read yet

    def _decide_all(self, link: Link, now: float) -> None:
        for document in self.others.expired(now):
            self._claims_ended(document)
        self._active &= self._bids
        if now > link.hold_end:
            lapsed = self.others.shared(self._active)
            self._active -= lapsed
            self._open |= lapsed
        watched: set[str] = set()
        for camera_id in tuple(self._open):
            owner = self._decide(camera_id, link, now)
            if owner:
                watched.add(owner)
        self.others.watch_only(watched)
        self._asks_echo = self._asks_echo or bool(self._again and now > link.lease_end)

    def _decide(self, camera_id: str, link: Link, now: float) -> str:
        """Withdraw, bid or begin for one camera; returns the instance of its owner where that is another one."""
        camera, best = self._cameras[camera_id], self.others.greatest_bid(camera_id)
        mine = self._own_bid(camera_id)
        if mine is not None and best is not None and best > mine:
            camera.make_bid(None)
            self._bids.discard(camera_id)
            self._active.discard(camera_id)
            self._changed = self._urgent = True
        if camera.bid is None:
            self._consider_bid(camera_id, camera, best, link, now)
            return best[4] if best is not None and camera.bid is None else ""
        if camera_id not in self._active and self._may_begin(camera_id, camera, link, now):
            self._active.add(camera_id)
        if camera_id in self._active:
            self._open.discard(camera_id)  # until something happens to it
        else:
            self._is_near = self._is_near or camera.bid_echoed < inf
        return ""

    def _consider_bid(self, camera_id: str, camera: Candidacy, best: BidKey | None, link: Link, now: float) -> None:
        if not link.is_synchronised(now):
            return  # who is there is not known yet
        is_due = self._is_due(camera_id, camera, best, link, now)
        open_for = camera.open_for(is_due, now)
        if is_due and (open_for >= self._timing.patience or self._is_best_candidate(camera_id, camera, now)):
            epoch = self.others.epochs.get(camera_id, 0) + 1
            camera.make_bid(Bid(epoch, camera.rank, len(self._bids)))
            self._bids.add(camera_id)
            self.others.epochs[camera_id] = epoch
            self._changed = True
            self._urgent = self._urgent or best is not None

    def _is_due(self, camera_id: str, camera: Candidacy, best: BidKey | None, link: Link, now: float) -> bool:
        """Whether somebody other than the present owner is to bid: there is none, it is silent, or sees it worse."""
        if best is None:
            return True
        owner, is_silent = self.others.watch(best[4], now), self.others.is_silent(best[4], now)
        suspected = owner.heard + self._timing.suspicion
        self._is_near = self._is_near or now > suspected
        if now > suspected and (link.proved < suspected or not is_silent):
            self._asked.add(best[4])
            self._asks_echo = True  # who does not hear himself cannot tell whether others are silent
        if is_silent:
            return link.proved >= suspected
        rank = owner.document.claims[camera_id].rank
        is_better = camera.rank > rank
        wait = self._timing.outranked if rank else self._timing.unseen
        return camera.outranks_for(is_better, now) >= wait and is_better

    def _is_best_candidate(self, camera_id: str, camera: Candidacy, now: float) -> bool:
        """Whether no node that watches, too, is better. By what was published, so that all judge alike."""
        mine = (camera.rank, -self._load, self.node_id, self.instance)
        for instance, claim in self.others.claims(camera_id).items():
            document = self.others[instance].document
            theirs = (claim.rank, -document.load, document.node_id, instance)
            if claim.bid is None and theirs > mine and not self.others.is_silent(instance, now):
                return False
        return True

    def _may_begin(self, camera_id: str, camera: Candidacy, link: Link, now: float) -> bool:
        """Whether a camera that we have the greatest bid for may be published (rules 1 and 4)."""
        timing, claims = self._timing, self.others.claims(camera_id)
        settled = camera.bid_echoed + timing.settle
        if claims and not link.is_firm(now):
            self._asks_echo = self._asks_echo or link.is_quiet(now)
            return False
        if not link.is_synchronised(now) or now < settled:
            return False
        bidders = [self.others[instance] for instance, claim in claims.items() if claim.bid is not None]
        if (bidders and link.proved < settled) or not self._is_leased(camera_id, now):
            self._asks_echo = True
            return False
        return all(now >= one.heard + timing.longest_lease for one in bidders)

    def _is_leased(self, camera_id: str, now: float) -> bool:
        """Whether nobody may have begun in our place: nobody else knows the camera, or our lease runs."""
        return not self.others.know(camera_id) or (self._link is not None and now <= self._link.lease_end)

    def _own_bid(self, camera_id: str) -> BidKey | None:
        camera = self._cameras.get(camera_id)
        return None if camera is None or camera.bid is None else bid_key(camera.bid, self.node_id, self.instance)

    # --- what is published

    def _speak(self, link: Link, now: float) -> tuple[NodeDocument | None, Beat | None]:
        timing = self._timing
        if self._overwritten and now - self._document_at >= timing.repeat:
            self._changed = True
        if now >= self._answer_at:
            self._changed, self._answer_at = True, inf
        self._is_near = self._is_near or self._answer_at < inf
        if self._changed and (self._urgent or now - self._document_at >= timing.coalesce):
            self._asks_echo = bool(self._asked)
            return self._document(link, now), None
        wait = inf
        if self._asks_echo:
            wait = timing.coalesce
        elif link.first == inf:
            wait = timing.repeat
        elif self.others.know_any(self._bids):
            wait = timing.beat - (link.lease - timing.lease)  # it is back before our hold ends
        elif self.others:
            wait = timing.slow_beat
        if now < link.sent_at + wait:
            self._is_near = self._is_near or now > link.sent_at + wait - timing.coalesce
            return None, None
        asked, self._asked, self._asks_echo = tuple(sorted(self._asked)), set(), False
        lacks = any(instance not in self.others for instance in asked)
        return None, Beat(self.node_id, self.instance, self._next_number(link, now), asked, lacks)

    def _document(self, link: Link, now: float) -> NodeDocument:
        self._changed = self._urgent = self._overwritten = False
        self._document_at = now
        self._load = len(self._bids)
        number = self._next_number(link, now)
        for camera_id in self._bids & self._open:
            self._cameras[camera_id].bid_sent(number)
        return self.document

    def _next_number(self, link: Link, now: float) -> int:
        self._number += 1
        link.sent(self._number, now)
        return self._number
