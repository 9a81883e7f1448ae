"""Values that nodes exchange: the node document with its claims, and the beat; and how they are written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from twisted_detector.model.encoding import encode, parse_object

#: Cameras in the document of one node: 600 kB of the mebibyte that a message may have.
MAX_CLAIMS = 20_000
#: Characters of a name, of whoever wrote it.
MAX_NAME = 128
#: Networks that a document names.
MAX_NETWORKS = 64
#: Nodes that one beat asks.
MAX_ASKED = 16
#: Characters of the address of a page.
MAX_URL = 256
#: Greatest number in a document: what every JSON reader holds exactly.
MAX_NUMBER = 2**53


class Rank(IntEnum):
    """How well a node sees a camera. Written as its number."""

    AWAY = 0  #: it knows the camera, which does not answer it
    HEARD_OF = 1  #: only announcements, or a person's word
    ROUTED = 2  #: it answers, from beyond a router
    SEES_MAC = 3  #: it answers on a link of the node, which has seen its MAC


#: What no level of a topic has, and therefore no node id.
_NO_LEVEL = frozenset("/+#")


class Reached(IntEnum):
    """How well a node reaches a network that several could search. Written as its number."""

    SILENT = 1  #: nothing answered its last sweep
    UNTRIED = 2
    ANSWERED = 3
    LINK = 4  #: it stands in it


_RANKS = frozenset(int(rank) for rank in Rank)
_REACHED = frozenset(int(reached) for reached in Reached)


@dataclass(frozen=True, slots=True)
class Bid:
    """Claim to the ownership of one camera; it never changes while it stands.

    :ivar epoch: one above all that the bidder knew.
    :ivar rank: how well the bidder saw the camera; ``load``: cameras that it owned, both when it bid.
    """

    epoch: int
    rank: Rank
    load: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What one node has to do with one camera. :ivar bid: None: it watches."""

    rank: Rank
    bid: Bid | None = None


@dataclass(frozen=True, slots=True)
class NodeAbout:
    """What a node is, beside its cameras.

    :ivar networks: that are its own to search. :ivar page: where its page is opened.
    :ivar shared: how well it reaches each network of its NODES_NETWORKS.
    """

    version: str = ""
    networks: tuple[str, ...] = ()
    page: str = ""
    shared: Mapping[str, Reached] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeDocument:
    """What a node is, and all its claims: the retained document.

    :ivar instance: random name of the process, as in its will.
    :ivar session: number of its MQTT session, as in its will.
    :ivar number: ascending over documents and beats of the instance.
    :ivar load: cameras that it owns.
    """

    node_id: str
    instance: str
    session: int
    number: int
    load: int = 0
    claims: Mapping[str, Claim] = field(default_factory=dict)
    about: NodeAbout = NodeAbout()

    def encode(self) -> bytes:
        """The document as JSON. A claim is ``[rank]``, or ``[rank, epoch, rank of the bid, load of the bid]``."""
        return encode(
            {
                "node_id": self.node_id,
                "instance": self.instance,
                "session": self.session,
                "number": self.number,
                "load": self.load,
                "version": self.about.version,
                "networks": list(self.about.networks[:MAX_NETWORKS]),
                "page": self.about.page,
                "shared": dict(list(self.about.shared.items())[:MAX_NETWORKS]),
                "claims": {camera_id: _written(claim) for camera_id, claim in self.claims.items()},
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> NodeDocument | None:
        """The document in ``payload``; None for what is none. A claim that cannot be read is left out."""
        document = parse_object(payload)
        if document is None:
            return None
        node_id, instance = _name(document.get("node_id")), _name(document.get("instance"))
        session, number = _number(document.get("session")), _number(document.get("number"))
        load, claims = _number(document.get("load", 0)), document.get("claims")
        if not node_id or not instance or session is None or number is None or load is None:
            return None
        if not is_node_id(node_id):
            return None
        if not isinstance(claims, dict) or len(claims) > MAX_CLAIMS:
            return None
        read = {camera_id: _claim(given) for camera_id, given in claims.items() if _name(camera_id)}
        networks = document.get("networks")
        about = NodeAbout(
            _name(document.get("version")),
            tuple(filter(None, map(_name, networks[:MAX_NETWORKS]))) if isinstance(networks, list) else (),
            _page(document.get("page")),
            _shared(document.get("shared")),
        )
        known = {camera_id: claim for camera_id, claim in read.items() if claim is not None}
        return cls(node_id, instance, session, number, load, known, about)


@dataclass(frozen=True, slots=True)
class Beat:
    """Sign of life of a node.

    :ivar number: as that of its documents. :ivar asks: instances that were not heard lately, and are to speak.
    :ivar lacks: whether the document of one of these is missing: they are to say that, which may be long.
    """

    node_id: str
    instance: str
    number: int
    asks: tuple[str, ...] = ()
    lacks: bool = False

    def encode(self) -> bytes:
        """The beat as JSON."""
        asks = {"asks": list(self.asks[:MAX_ASKED])} if self.asks else {}
        lacks = {"lacks": True} if self.lacks else {}
        return encode({"node_id": self.node_id, "instance": self.instance, "number": self.number, **asks, **lacks})

    @classmethod
    def parse(cls, payload: bytes) -> Beat | None:
        """The beat in ``payload``; None for what is none."""
        document = parse_object(payload)
        if document is None:
            return None
        node_id, instance = _name(document.get("node_id")), _name(document.get("instance"))
        number, asks = _number(document.get("number")), document.get("asks")
        asked = tuple(filter(None, map(_name, asks[:MAX_ASKED]))) if isinstance(asks, list) else ()
        if not node_id or not instance or number is None:
            return None
        return cls(node_id, instance, number, asked, document.get("lacks") is True)


def is_node_id(given: Any, *, or_none: bool = False) -> bool:
    """Whether something may be the id of a node. :param or_none: "" may stand for none."""
    if or_none and given == "":
        return True
    return bool(_name(given)) and not _NO_LEVEL.intersection(given)


def _written(claim: Claim) -> list[int]:
    bid = claim.bid
    return [claim.rank] if bid is None else [claim.rank, bid.epoch, bid.rank, bid.load]


def _claim(given: Any) -> Claim | None:
    if not isinstance(given, list) or len(given) not in (1, 4):
        return None
    numbers = [_number(one) for one in given]
    ranks = [numbers[0], *numbers[2:3]]
    if None in numbers or not _RANKS.issuperset(ranks):
        return None
    rank, *bid = (one for one in numbers if one is not None)
    if not bid:
        return Claim(Rank(rank))
    epoch, bid_rank, load = bid
    return Claim(Rank(rank), Bid(epoch, Rank(bid_rank), load)) if epoch else None


def _name(given: Any) -> str:
    return given if isinstance(given, str) and 0 < len(given) <= MAX_NAME and given.isprintable() else ""


def _shared(given: Any) -> dict[str, Reached]:
    if not isinstance(given, dict) or len(given) > MAX_NETWORKS:
        return {}
    reached = {network: _number(number) for network, number in given.items() if _name(network)}
    return {network: Reached(number) for network, number in reached.items() if number in _REACHED}


def _page(given: Any) -> str:
    is_page = isinstance(given, str) and len(given) <= MAX_URL and given.isprintable()
    return given if is_page and given.startswith(("http://", "https://")) else ""


def _number(given: Any) -> int | None:
    whole = isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MAX_NUMBER
    return given if whole else None
