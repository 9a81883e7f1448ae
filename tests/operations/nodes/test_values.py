"""Node documents and beats: what is written is read, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.nodes.values import (
    MAX_ASKED,
    MAX_CLAIMS,
    MAX_NETWORKS,
    Beat,
    Bid,
    Claim,
    NodeAbout,
    NodeDocument,
    Rank,
    Reached,
)

DOCUMENT = NodeDocument(
    "north",
    "0123456789ab",
    3,
    7,
    1,
    {"00408cabcdef": Claim(Rank.SEES_MAC, Bid(2, Rank.ROUTED, 5)), "epr-1": Claim(Rank.HEARD_OF)},
    NodeAbout("1.2", ("10.0.0.0/24", "interfaces")),
)

_RANKS = st.sampled_from(Rank)
_NUMBERS = st.integers(1, 2**53)
_BIDS = st.none() | st.builds(Bid, _NUMBERS, _RANKS, _NUMBERS)
_NAMES = st.text("abc-019_", min_size=1, max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


class NodeDocumentTest(SynchronousTestCase):
    """The retained document."""

    def test_written(self) -> None:
        """Its form on the broker."""
        self.assertEqual(
            {
                "node_id": "north",
                "instance": "0123456789ab",
                "session": 3,
                "number": 7,
                "load": 1,
                "version": "1.2",
                "networks": ["10.0.0.0/24", "interfaces"],
                "page": "",
                "shared": {},
                "claims": {"00408cabcdef": [3, 2, 2, 5], "epr-1": [1]},
            },
            json.loads(DOCUMENT.encode()),
        )

    @given(_NAMES, _NUMBERS, st.dictionaries(_NAMES, st.builds(Claim, _RANKS, _BIDS), max_size=5))
    def test_read_again(self, name: str, number: int, claims: dict[str, Claim]) -> None:
        """Whatever is written is read as it was."""
        document = NodeDocument(name, name, number, number, number, claims)
        self.assertEqual(document, NodeDocument.parse(document.encode()))

    def test_unreadable(self) -> None:
        """What has no name, no number or too many claims is no document."""
        for field, value in (
            ("node_id", ""),
            ("node_id", "x" * 129),
            ("node_id", "a\nb"),
            ("node_id", "a/b"),
            ("node_id", "+"),
            ("instance", None),
            ("session", -1),
            ("session", True),
            ("number", 1.5),
            ("number", 2**60),
            ("load", "1"),
            ("claims", []),
            ("claims", {str(number): [1] for number in range(MAX_CLAIMS + 1)}),
        ):
            with self.subTest(field, value=str(value)[:40]):
                changed = json.loads(DOCUMENT.encode()) | {field: value}
                self.assertIsNone(NodeDocument.parse(json.dumps(changed).encode()))

    def test_about(self) -> None:
        """What a node says of itself is read as far as it can be, and bounded."""
        about = NodeAbout("1.2", ("10.0.0.0/24",), "https://node.example/", {"10.9.0.0/24": Reached.ANSWERED})
        written = json.loads(replace(DOCUMENT, about=about).encode())

        def read(**fields: object) -> NodeAbout:
            document = NodeDocument.parse(json.dumps(written | fields).encode())
            assert document is not None
            return document.about

        self.assertEqual(about, read())
        for page in (5, "javascript:alert(1)", "http://x/\n", "http://" + "x" * 300):
            self.assertEqual("", read(page=page).page)
        for shared in ([], 5, {str(number): 2 for number in range(MAX_NETWORKS + 1)}, {"a": 9}, {"a": None}, {"": 2}):
            self.assertEqual({}, read(shared=shared).shared)
        many = NodeAbout(networks=tuple(map(str, range(99))), shared={str(n): Reached.LINK for n in range(99)})
        whole = NodeDocument.parse(replace(DOCUMENT, about=many).encode())
        assert whole is not None
        self.assertEqual((MAX_NETWORKS, MAX_NETWORKS), (len(whole.about.networks), len(whole.about.shared)))

    def test_every_byte(self) -> None:
        """Cut at any byte it is none."""
        whole = DOCUMENT.encode()
        for length in range(len(whole)):
            self.assertIsNone(NodeDocument.parse(whole[:length]))

    @given(_JSON)
    def test_claims(self, given_claim: object) -> None:
        """A claim that cannot be read is left out, and the others are read."""
        changed = json.loads(DOCUMENT.encode())
        changed["claims"]["odd"] = given_claim
        read = NodeDocument.parse(json.dumps(changed).encode())
        assert read is not None
        self.assertEqual(DOCUMENT.claims, {name: claim for name, claim in read.claims.items() if name != "odd"})

    @given(st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode()))
    def test_garbage(self, payload: bytes) -> None:
        """Nothing that comes raises."""
        self.assertIsNone(NodeDocument.parse(payload))
        self.assertIsNone(Beat.parse(payload))


def _beat(asks: object) -> dict[str, object]:
    return {"node_id": "n", "instance": "1", "number": 1, "asks": asks}


class BeatTest(SynchronousTestCase):
    """The beat."""

    def test_read_again(self) -> None:
        """What is written is read as it was."""
        for beat in (
            Beat("north", "0123", 9),
            Beat("north", "0123", 9, ("s1", "w1")),
            Beat("north", "0123", 9, ("s1",), lacks=True),
        ):
            self.assertEqual(beat, Beat.parse(beat.encode()))
        self.assertEqual({"node_id", "instance", "number"}, set(json.loads(Beat("north", "0123", 9).encode())))

    def test_asks(self) -> None:
        """Whom it asks is bounded, and what is no name is left out."""
        many = tuple(map(str, range(MAX_ASKED + 5)))
        read = Beat.parse(Beat("north", "0123", 9, many).encode())
        self.assertEqual(Beat("north", "0123", 9, many[:MAX_ASKED]), read)
        for asks in ("s1", {"s1": 1}, None, 5):
            self.assertEqual(Beat("n", "1", 1), Beat.parse(json.dumps(_beat(asks)).encode()))
        self.assertEqual(Beat("n", "1", 1, ("s",)), Beat.parse(json.dumps(_beat(["s", 5, "", None])).encode()))

    def test_unreadable(self) -> None:
        """One without a number is none."""
        self.assertIsNone(Beat.parse(b'{"node_id": "north", "instance": "0123"}'))
