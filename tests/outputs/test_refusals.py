"""Frigate's answers: its own words, unescaped and whole, and what they are about."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.frigate_rules import Broken
from tests.peers.frigate_words import of_schema, of_variable
from tests.recordings import SKIP, recordings, versions
from twisted_detector.outputs.frigate.refusals import MAX_WORDS, cameras_named, unknown_variable, words


def answer(message: object, key: str = "message") -> str:
    return json.dumps({"success": False, key: message})


class Words(SynchronousTestCase):
    def test_a_variable(self) -> None:
        """A traceback, escaped in every version: what stands behind its frames, and the variable that is missing."""
        for minor in (14, 15, 16, 17, 18):
            for again in (False, True):
                broken = Broken(KeyError("FRIGATE_LOGIN_X_USER"), again=again and minor < 18)
                said = words(answer(of_variable(broken, minor)))
                self.assertEqual("KeyError: 'FRIGATE_LOGIN_X_USER'", said)
                self.assertEqual("FRIGATE_LOGIN_X_USER", unknown_variable(said))
        self.assertEqual("", unknown_variable("KeyError: 'x'"))

    def test_a_schema(self) -> None:
        """Every line, without the heading; the cameras by their names, as 0.14 spells them, too."""
        found = [(("cameras", "side", "foo"), "Extra <inputs>"), (("cameras", "gate", "x"), "'y'")]
        said = words(answer(of_schema("cameras: {side: {foo: 1}, gate: {x: 1}}", found)))
        self.assertEqual("Line 0: cameras -> side -> foo - Extra <inputs> Line 0: cameras -> gate -> x - 'y'", said)
        self.assertEqual({"side", "gate"}, cameras_named(said, ["side", "gate", "door"]))
        self.assertEqual({"side"}, cameras_named("1 validation error cameras.side.foo Extra", ["side", "foo"]))

    def test_logins_in_it(self) -> None:
        """Nobody's login is in it: not in a URL, and not in a table as Python writes it."""
        said = words(
            answer("found {'path': 'rtsp://me:hunter2@h/x', 'password': 'hun\\'ter2', \"mqtt_password\": 'hunter2'}")
        )
        self.assertNotIn("hunter2", said)
        self.assertIn("rtsp://***@h/x", said)

    def test_others(self) -> None:
        """FastAPI's own words, its limiter's, a page, nonsense, and what is too long."""
        detail = [{"type": "missing", "loc": ["body", "password"], "msg": "Field required"}, "x"]
        self.assertEqual("body.password: Field required; x", words(answer(detail, "detail")))
        self.assertEqual("Access denied", words(answer("Access denied", "detail")))
        self.assertEqual("1 per 1 second", words(answer("1 per 1 second", "error")))
        for text in ("", "[1]", "[" * 100_000, "Traceback (most recent call last):", '{"message": null}', "\x1b[31m"):
            self.assertLessEqual(len(words(text)), MAX_WORDS)
            self.assertTrue(words(text).isprintable())

    def test_recorded(self) -> None:
        """Of every refusal that was recorded the words are for people: no frame, no escape, no heading."""
        for folder in versions("frigate"):
            for one in recordings(folder).values():
                if one.what.startswith("save_") and one.answer.status == 400:
                    said = words(one.answer.body.decode())
                    for unwanted in ("&#3", "&lt;", 'File "/', "Traceback", "^^^", "See the official"):
                        self.assertNotIn(unwanted, said, one.what)
                    self.assertGreater(len(said), 10)

    test_recorded.skip = SKIP or None  # type: ignore[attr-defined]
