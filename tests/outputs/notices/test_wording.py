"""Notices go in; sentences for people come out, and nothing that a program makes a link or markup of."""

from __future__ import annotations

import random
import re
import unicodedata

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import START, clock, notice
from twisted_detector.model.notices import EVENTS, Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.wording import (
    MAX_HEADLINE,
    MAX_NAME,
    MAX_TEXT,
    duration,
    harmless,
    headline,
    line,
    text,
    tidy,
)

K = NoticeKind
#: What mail programs, ntfy and Telegram make links of.
LINK = re.compile(r"://|\bwww\.|@|[a-z0-9]\.[a-z]{2,}", re.IGNORECASE)


class Headlines(SynchronousTestCase):
    def test_begun(self) -> None:
        """Each kind has its words for one camera and for several."""
        for kind, one, several in (
            (K.OFFLINE, "Camera 1 is offline", "2 cameras on 10.0.0.0/24 are offline"),
            (K.STREAM, "Camera 1 answers, but no stream plays", "2 cameras on 10.0.0.0/24 answer, but no stream plays"),
            (K.FROZEN, "Camera 1: the picture is frozen", "2 cameras on 10.0.0.0/24: the pictures are frozen"),
            (K.LOGIN, "Camera 1 refuses its login", "2 cameras on 10.0.0.0/24 refuse their logins"),
            (K.CLOCK, "Camera 1: the clock is wrong", "2 cameras on 10.0.0.0/24: the clocks are wrong"),
            (K.NETWORK, "Camera 1 is outside its expected network",
             "2 cameras on 10.0.0.0/24 are outside their expected networks"),
            (K.MOVED, "Camera 1 has a new address", "2 cameras on 10.0.0.0/24 have new addresses"),
            (K.NEW, "New camera: Camera 1", "2 cameras on 10.0.0.0/24 are new"),
        ):  # fmt: skip
            self.assertEqual(one, headline(notice(kind, 1)))
            self.assertEqual(several, headline(notice(kind, 1, 2)))
        self.assertEqual("The MQTT broker is unreachable", headline(notice(K.BROKER)))
        self.assertEqual("camdetect cannot save to disk", headline(notice(K.DISK)))
        self.assertEqual("2 cameras on several networks are offline", headline(notice(K.OFFLINE, 1, 2, network="")))

    def test_over(self) -> None:
        """The end says after how long."""
        for kind, one in (
            (K.OFFLINE, "Camera 1 is back after 12 min"),
            (K.STREAM, "Camera 1 plays again after 12 min"),
            (K.FROZEN, "Camera 1: the picture moves again after 12 min"),
            (K.LOGIN, "Camera 1 accepts its login again after 12 min"),
            (K.CLOCK, "Camera 1: the clock is right again after 12 min"),
            (K.NETWORK, "Camera 1 is on its expected network again after 12 min"),
        ):
            self.assertEqual(one, headline(notice(kind, 1, until=START + 720)))
            self.assertIn("2 cameras", headline(notice(kind, 1, 2, until=START + 720)))
        self.assertEqual("The MQTT broker is back after 12 min", headline(notice(K.BROKER, until=START + 720)))
        self.assertEqual("camdetect saves to disk again after 12 min", headline(notice(K.DISK, until=START + 720)))
        self.assertEqual("Camera 1 was removed", headline(notice(K.OFFLINE, 1, until=START + 9, removed=True)))
        partial = notice(K.OFFLINE, 1, 2, until=START + 720, remaining=notice(K.OFFLINE, 3).cameras)
        self.assertEqual("2 of 3 cameras on 10.0.0.0/24 are back after 12 min", headline(partial))
        self.assertIn("Still affected: Camera 3", text(partial, clock))

    def test_others(self) -> None:
        """A summary counts, a test says that it is one."""
        whole = Notice("s", K.SUMMARY, START, parts=(notice(K.OFFLINE, 1),), more=2)
        self.assertEqual("3 notices held back", headline(whole))
        self.assertEqual("1 notice held back", headline(Notice("s", K.SUMMARY, START, parts=whole.parts)))
        self.assertEqual("Test notice from camdetect", headline(Notice("t", K.TEST, START)))

    def test_durations(self) -> None:
        """As people say them."""
        for seconds, words in (
            (-5, "0 s"), (45, "45 s"), (60, "1 min"), (719.6, "12 min"), (3600, "1 h"), (11_100, "3 h 5 min"),
            (86_400, "1 d"), (187_200, "2 d 4 h"),
        ):  # fmt: skip
            self.assertEqual(words, duration(seconds))


class Texts(SynchronousTestCase):
    def test_text(self) -> None:
        """The beginning has address and reason, the end both times."""
        told = notice(K.OFFLINE, 1, reason="it does not answer")
        self.assertEqual("Since 22:13\nAddress: 10.0.0.1\nReason: it does not answer", text(told, clock))
        ended = notice(K.OFFLINE, 1, until=START + 720, reason="it does not answer")
        self.assertEqual("From 22:13 to 22:25 (12 min)\nAddress: 10.0.0.1", text(ended, clock))
        self.assertEqual("At 22:13\nAddress: 10.0.0.1", text(notice(K.NEW, 1, until=START), clock))
        # Where the first of several was found is no reason of all.
        several = notice(K.NEW, 1, 2, until=START, reason="found at 10.0.0.1")
        self.assertEqual("2 cameras on 10.0.0.0/24 are new", line(several, clock))
        self.assertEqual("At 22:13\nCameras: Camera 1, Camera 2", text(several, clock))
        self.assertEqual("Since 22:13\nCameras: Camera 1, Camera 2", text(notice(K.OFFLINE, 1, 2), clock))

    def test_summary(self) -> None:
        """One line for each, those that ended meanwhile with their end; of more, their number."""
        parts = (notice(K.OFFLINE, 1, until=START + 720), notice(K.LOGIN, 2, reason="401"))
        whole = Notice("s", K.SUMMARY, START, parts=parts, more=4)
        self.assertEqual(
            "22:13 Camera 1 is back after 12 min (from 22:13 to 22:25)\n22:13 Camera 2 refuses its login: 401\n"
            "and 4 more: see camdetect's page",
            text(whole, clock),
        )
        many = Notice("s", K.SUMMARY, START, parts=tuple(notice(K.OFFLINE, one) for one in range(1, 31)))
        self.assertEqual("and 20 more: see camdetect's page", text(many, clock).splitlines()[-1])

    def test_bounds(self) -> None:
        """A thousand cameras with long names make no longer text than one message takes."""
        cameras = tuple(NoticeSubject(str(one), "W" * 500, "10.0.0.1") for one in range(1000))
        for told in (Notice("a", K.OFFLINE, START, cameras=cameras, reason="R" * 5000),
                     Notice("a", K.OFFLINE, START, cameras=cameras[:1], reason="R" * 5000),
                     Notice("a", K.OFFLINE, START, START + 9, cameras=cameras, remaining=cameras)):  # fmt: skip
            self.assertLessEqual(len(text(told, clock)), MAX_TEXT)
            self.assertLessEqual(len(headline(told)), MAX_HEADLINE)
        self.assertIn(" and 988 more", text(Notice("a", K.OFFLINE, START, cameras=tuple(
            NoticeSubject(str(one), "Yard", "10.0.0.1") for one in range(1000))), clock))  # fmt: skip

    def test_events(self) -> None:
        """Each event that is announced to consumers is one that happens, and no other happens."""
        found = {notice(kind, until=until).event for kind in K for until in (None, START)}
        self.assertEqual(set(EVENTS), found)
        self.assertIn("back", EVENTS)


class Hostile(SynchronousTestCase):
    NAMES = (
        "http://evil.example/login", "https://evil.example", "see www.evil.example", "evil.example", "me@evil.example",
        "\r\nBcc: all@evil.example", "<b>b</b><script>alert(1)</script>", "[click](http://evil.example)", "*x* _y_ `z`",
        "/start", "#tag", "@mention", "a\u202eb\u2066c", "zero\u200bwidth\ufeff", "\x00\x1b[31m", "\ud800half",
        "evil\u3002example", "evil\uff0eexample", "ftp://x", "javascript://x", "tg://resolve?domain=x", "e\u00advil.ex",
    )  # fmt: skip

    def told(self, name: str) -> list[str]:
        """All that is told of a camera that calls itself, its address and its reason so."""
        cameras = (NoticeSubject("cam1", name, name),)
        begun = Notice("a", K.OFFLINE, START, cameras=cameras, reason=name, network="10.0.0.0/24")
        whole = Notice("s", K.SUMMARY, START, parts=(begun,))
        two = Notice("a", K.OFFLINE, START, START + 60, cameras=cameras * 2)
        return [f(one, clock) for one in (begun, two, whole) for f in (text, line)] + [headline(begun), headline(two)]

    def test_links(self) -> None:
        """Nothing in a text is a link, an address, a mention or a command; nothing is on a line of its own."""
        for name in self.NAMES:
            for told in self.told(name):
                self.assertIsNone(LINK.search(told), (name, told))
                self.assertIsNone(re.search(r"(?<!\w)[/#]\w", told), (name, told))
                labels = ("Since", "From", "At", "Address", "Cameras", "Not yet", "Reason", "22:13")
                for each in told.splitlines()[1:]:
                    self.assertTrue(each.startswith(labels), told)

    def test_random(self) -> None:
        """Of any text a line of bounded length without anything that is not seen is left."""
        chance = random.Random(7)
        alphabet = "ab.:/@#\r\n\t \x00\x07\u202e\u2028\u200b\ud800éß中😀<>&[]()*_`\x85\xa0"
        for _ in range(3000):
            given = "".join(chance.choice(alphabet) for _ in range(chance.randrange(200)))
            for made in (tidy(given, MAX_NAME), harmless(given, MAX_NAME)):
                self.assertLessEqual(len(made), 2 * MAX_NAME)
                self.assertEqual(
                    [], [one for one in made if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
                )
                made.encode()
            self.assertIsNone(LINK.search(harmless(given, MAX_NAME)), given)

    def test_kept(self) -> None:
        """Names that people give are left as they are."""
        for name in ("Garage", "Hof-Süd 2", "玄関", "Cam v1.2", "10.0.0.5", "A/B", "Tür (links)", "24/7"):
            self.assertEqual(name, harmless(name, MAX_NAME))
