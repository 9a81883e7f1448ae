"""JSON and stamps: equal facts give equal bytes."""

from __future__ import annotations

import json

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.encoding import encode, pack, rfc3339, stamp_or_none, unpack


class EncodeTests(SynchronousTestCase):
    def test_equal_bytes(self) -> None:
        """The order in which facts came does not show."""
        self.assertEqual(b'{"a":[1,{"x":"\xc3\xa4"}],"b":null}', encode({"b": None, "a": [1, {"x": "ä"}]}))
        self.assertEqual(encode({"a": 1, "b": 2}), encode({"b": 2, "a": 1}))

    def test_what_json_cannot_say(self) -> None:
        """Numbers that are none are null, half surrogate pairs a question mark: it is JSON and UTF-8 in any case."""
        document = {"a": float("nan"), "b": [float("inf"), {"c": -float("inf")}], "d": "\ud800x", "e": (1.5,)}
        self.assertEqual(b'{"a":null,"b":[null,{"c":null}],"d":"?x","e":[1.5]}', encode(document))

    @given(
        st.dictionaries(
            st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists), max_size=5
        )
    )
    @settings(max_examples=50, deadline=None)
    def test_any_facts(self, document: dict[str, object]) -> None:
        """Any facts give strict JSON in strict UTF-8."""

        def refuse(name: str) -> None:
            raise AssertionError(name)

        json.loads(encode(document).decode("utf-8"), parse_constant=refuse)


class PackTests(SynchronousTestCase):
    def test_as_it_was(self) -> None:
        """What is packed comes back as it was, whatever a device calls itself; a long list is a tenth of its text."""
        rows: list[list[object]] = [
            ["Yard \u00e4 \ud800 \0", 1_796_051_023.123456, number, None, True, "offline: no answer, and none to ARP"]
            for number in range(100)
        ]
        packed = pack(map(tuple, rows))
        self.assertEqual(rows, unpack(packed))
        self.assertLess(len(packed), len(repr(rows)) / 10)
        self.assertEqual([], unpack(pack([])))


class StampTests(SynchronousTestCase):
    def test_rfc3339(self) -> None:
        """UTC with milliseconds and one Z; what no calendar holds is held at its edge."""
        for at, text in (
            (0.0, "1970-01-01T00:00:00.000Z"),
            (1.5, "1970-01-01T00:00:01.500Z"),
            (1_700_000_000.9999, "2023-11-14T22:13:20.999Z"),
            (-5.0, "1970-01-01T00:00:00.000Z"),
            (1e30, "9999-12-31T23:59:59.000Z"),
            (float("inf"), "9999-12-31T23:59:59.000Z"),
            (float("nan"), "1970-01-01T00:00:00.000Z"),
        ):
            self.assertEqual(text, rfc3339(at))

    def test_never(self) -> None:
        """Never is None."""
        self.assertEqual([None, "1970-01-01T00:00:01.000Z"], [stamp_or_none(0.0), stamp_or_none(1.0)])
