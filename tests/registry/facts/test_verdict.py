"""Status and reason of a camera: what was found goes first, what it says explains."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import stream
from twisted_detector.model import Announced, Camera, Status
from twisted_detector.model.announced import EXPLAINING, FRESH, STREAMLESS, Condition, explain
from twisted_detector.model.reasons import BEING_CHECKED, FROZEN, NO_CAMERA, NOTHING_ELSE
from twisted_detector.registry.facts.verdict import AWAKE_AT_MOST, judge

NOW = 10_000.0
CAMERA = Camera("x", "x", "10.0.0.5", unconfirmed=True)


def saying(*conditions: Condition, **more: str) -> Camera:
    return replace(CAMERA, announced=Announced(conditions=conditions, **more))  # type: ignore[arg-type]


class JudgeTests(SynchronousTestCase):
    def test_plays(self) -> None:
        """A stream that plays makes it online, whatever it says."""
        camera = saying(*Condition)
        self.assertEqual((Status.ONLINE, "", ""), judge(camera, Status.ONLINE, "", NOW))

    def test_explained(self) -> None:
        """Of a camera that no inspection found, each condition says why, and what to do."""
        for condition in EXPLAINING:
            status, reason, code = judge(saying(condition), Status.STREAM_ERROR, NO_CAMERA, NOW)
            self.assertEqual((Status.STREAM_ERROR, condition.value), (status, code))
            self.assertEqual(": ".join(explain(condition)), reason)
        told = judge(saying(Condition.MANAGED, managed_by="Dream Machine"), Status.STREAM_ERROR, NO_CAMERA, NOW)
        self.assertEqual(
            "Dream Machine manages it, and has its streams: switch RTSP on for this camera there, and add the address"
            " that it shows (UniFi: rtsps://console:7441/…)",
            told.reason,
        )

    def test_only(self) -> None:
        """That it speaks nothing else is not told before it was asked, nor of one that answers as a camera."""
        for condition in STREAMLESS:
            camera = saying(condition)
            told = judge(camera, Status.STREAM_ERROR, BEING_CHECKED, NOW)
            self.assertEqual((Status.STREAM_ERROR, BEING_CHECKED, ""), told)
            found = replace(camera, unconfirmed=False)
            told = judge(found, Status.STREAM_ERROR, "404 Not Found", NOW)
            self.assertEqual((Status.STREAM_ERROR, "404 Not Found", ""), told)
            for one, expected in (
                (replace(camera, reason=NO_CAMERA), (condition,)),
                (replace(camera, reason=BEING_CHECKED), ()),
                (found, ()),
            ):
                self.assertEqual(expected, one.conditions)

    def test_found(self) -> None:
        """What an inspection found stays in front, with its status."""
        camera = replace(saying(Condition.NOT_ACTIVATED), unconfirmed=False)
        status, reason, code = judge(camera, Status.AUTH_REQUIRED, "it wants a login", NOW)
        self.assertEqual((Status.AUTH_REQUIRED, "not-activated"), (status, code))
        self.assertEqual(
            "it wants a login; by its own word it was never activated, and its streams are shut until it is: set its"
            " password with its manufacturer's tool or on its web page, then enter that login here",
            reason,
        )
        unreadable = "what it answers cannot be read: no XML"
        told = judge(saying(Condition.NOT_ACTIVATED), Status.STREAM_ERROR, unreadable, NOW)
        self.assertTrue(told.reason.startswith(f"{unreadable}; by its own word it was never"))

    def test_left_as_it_is(self) -> None:
        """A frozen picture, no room and an absence are none of these; nor do remarks explain anything."""
        camera = replace(saying(Condition.NOT_ACTIVATED, Condition.MANAGED), streams=(stream(),))
        for status, reason in ((Status.STREAM_ERROR, FROZEN), (Status.BUSY, "453"), (Status.OFFLINE, "no answer")):
            self.assertEqual((status, reason, ""), judge(camera, status, reason, NOW))
        self.assertEqual(
            (Status.STREAM_ERROR, "404", ""), judge(saying(Condition.OPEN), Status.STREAM_ERROR, "404", NOW)
        )

    def test_unexplained(self) -> None:
        """One that answers nothing else and says nothing of its state is told so; one at another address, that."""
        self.assertEqual(NOTHING_ELSE, judge(saying(), Status.STREAM_ERROR, NO_CAMERA, NOW).reason)
        self.assertEqual(NOTHING_ELSE, judge(saying(address="10.0.0.5"), Status.STREAM_ERROR, NO_CAMERA, NOW).reason)
        told = judge(saying(address="192.168.1.64"), Status.STREAM_ERROR, NO_CAMERA, NOW)
        self.assertEqual(
            "it says that its address is 192.168.1.64, and speaks from 10.0.0.5: it may wait at the address of its"
            " factory; give it one of this network with its manufacturer's tool",
            told.reason,
        )
        known = replace(CAMERA, unconfirmed=False)
        self.assertEqual(NO_CAMERA, judge(known, Status.STREAM_ERROR, NO_CAMERA, NOW).reason)

    def test_others(self) -> None:
        """Where more new ones stand at its address, what is to be done with all is told; not of one that is set up."""
        for others, words in ((1, "; another new one spoke from 10.0.0.5"), (32, "; at least 32 more new ones spoke")):
            for condition in FRESH:
                camera = replace(CAMERA, announced=Announced(conditions=(condition,), others=others))
                reason = judge(camera, Status.STREAM_ERROR, NO_CAMERA, NOW).reason
                self.assertIn(words, reason)
                self.assertIn("(camdetect why 10.0.0.5 lists them): give each", reason)
                todo = "an address of its own with its manufacturer's tool, and each is a camera here"
                self.assertTrue(reason.endswith(todo), reason)
                self.assertTrue(reason.startswith(": ".join(explain(condition))))
        managed = replace(CAMERA, announced=Announced(conditions=(Condition.MANAGED,), others=32))
        self.assertNotIn("32", judge(managed, Status.STREAM_ERROR, NO_CAMERA, NOW).reason)

    def test_asleep(self) -> None:
        """One with a battery sleeps when it is away, and when it has no streams; what it wants awake it wants."""
        sleeper = replace(saying(Condition.SLEEPS), unconfirmed=False)
        awake = replace(sleeper, status=Status.ONLINE, since=NOW - AWAKE_AT_MOST, streams=(stream(),))
        for camera, status, expected in (
            (sleeper, Status.STREAM_ERROR, Status.SLEEPS),
            (sleeper, Status.OFFLINE, Status.SLEEPS),
            (awake, Status.OFFLINE, Status.SLEEPS),
            (awake, Status.STREAM_ERROR, Status.STREAM_ERROR),
            (awake, Status.AUTH_REQUIRED, Status.AUTH_REQUIRED),
            (awake, Status.BUSY, Status.BUSY),
            (replace(awake, status=Status.SLEEPS, since=0.0), Status.OFFLINE, Status.SLEEPS),
        ):
            told = judge(camera, status, "why", NOW)
            self.assertEqual(expected, told.status, (camera.status, status))
            self.assertEqual("sleeps" if expected is Status.SLEEPS else "", told.code)
        self.assertIn("it has a battery and sleeps", judge(sleeper, Status.OFFLINE, "why", NOW).reason)

    def test_not_asleep(self) -> None:
        """One that was there for longer than a battery lasts is offline when it goes: its word, which anybody may have
        said in its name, hides no theft.
        """
        for status in (Status.ONLINE, Status.STREAM_ERROR, Status.AUTH_REQUIRED):
            camera = replace(saying(Condition.SLEEPS), status=status, since=NOW - AWAKE_AT_MOST - 1)
            self.assertEqual((Status.OFFLINE, "no answer", ""), judge(camera, Status.OFFLINE, "no answer", NOW))
