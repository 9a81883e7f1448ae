"""The document of what people call a camera: there and back, which of two counts, and what is refused."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.decisions.strategies import lines
from twisted_detector.model.decisions import Description
from twisted_detector.operations.nodes.handover.described import AHEAD, MAX_OCTETS, Described, stamp

ID = "001122334455"
BARN = Described(Description("Barn", "Yard", "on the gable\nleft"), 1_700_000_000_123, "north", "north")


class Document(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        """It is read as it was written, and has at most so many octets."""
        longest = Described(
            Description("\U0001f404" * 64, '"' * 64, "\U0001f404" * 499 + '"'), 2**53, "n" * 64, "m" * 64
        )
        for one in (BARN, longest, Described(), Described(adopted_at="south"), Described(at=5, by="south")):
            payload = one.encode(ID)
            self.assertLessEqual(len(payload), MAX_OCTETS)
            self.assertEqual(one, Described.parse(payload, ID))

    def test_refused(self) -> None:
        """What no node writes: other members, other values, text that nobody may type, or that of another camera."""
        good: dict[str, Any] = json.loads(BARN.encode(ID))
        self.assertIsNotNone(Described.parse(json.dumps(good), ID))
        self.assertIsNone(Described.parse(BARN.encode(ID), "001122334456"))
        wrong: list[dict[str, Any]] = [
            {"camera_id": 5}, {"more": 1},
            *({name: value} for name in ("name", "area") for value in
              (None, 3, ["x"], "x" * 65, "a\nb", "a\x1b[2J", "a\x00", "\u202ex", " Barn", "Barn ", "e\u0301",
               "\ud800")),
            *({"note": value} for value in (None, "x" * 501, "a\x07", "a\r\nb")),
            *({"decided_at": value} for value in (None, True, -1, 1.5, "1", 2**53 + 1, 0)),
            *({name: value} for name in ("decided_by", "adopted_at") for value in
              (None, 5, "a/b", "+", "#", "x" * 129, "a\nb")),
            {"decided_by": ""},
        ]  # fmt: skip
        for change in wrong:
            self.assertIsNone(Described.parse(json.dumps({**good, **change}), ID), change)
        for payload in (b"", b"{}", b"[]", b"\xff", b"[" * 9000, json.dumps(good).encode() + b" " * MAX_OCTETS):
            self.assertIsNone(Described.parse(payload, ID))
        del good["note"]
        self.assertIsNone(Described.parse(json.dumps(good), ID))


class Order(SynchronousTestCase):
    def test_stamp(self) -> None:
        """A decision is later than all that its node knows, however wrong the clock is that made them."""
        self.assertEqual(5_000, stamp(5.0, (None, Described(at=4_999))))
        self.assertEqual(9_001, stamp(5.0, (Described(at=9_000), None, Described(at=7))))

    def test_ahead(self) -> None:
        """A stamp is from the future by more than a day, and by a clock that was set."""
        for ahead, now, is_ahead in ((AHEAD, 1.7e9, False), (AHEAD + 1, 1.7e9, True), (2**52, 1.0e9, False)):
            self.assertIs(is_ahead, Described(at=int(now * 1000) + ahead).is_ahead(now))

    def test_where_it_is_adopted_decides_nothing(self) -> None:
        self.assertEqual(BARN.order, BARN.with_adopted_at("west").order)

    @given(strategies.permutations([
        Described(Description(name), at, by) for name in ("", "Barn", "Yard") for at in (1, 2) for by in ("a", "b")
    ]))  # fmt: skip
    def test_same_for_all(self, told: list[Described]) -> None:
        """In whatever order they come, everybody ends with the same."""
        self.assertEqual(Described(Description("Yard"), 2, "b"), max(told, key=lambda one: one.order))

    @given(lines)
    def test_any_name(self, name: str) -> None:
        """Whatever a person may call a camera comes through."""
        one = Described(Description(name), 7, "north")
        self.assertEqual(one, Described.parse(one.encode(ID), ID))
