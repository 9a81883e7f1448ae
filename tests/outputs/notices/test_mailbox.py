"""Notices, answers and times go in; what is sent next, and when, comes out."""

from __future__ import annotations

import random
from functools import partial
from math import inf

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import START, notice
from twisted_detector.model.notices import Notice, NoticeKind
from twisted_detector.outputs.notices.mailbox import (
    MAX_ASKED,
    MAX_TRIES,
    MAX_WAITING,
    RETRY_FIRST,
    RETRY_MOST,
    Mailbox,
)


def one(name: str = "a", **facts: object) -> Notice:
    return notice(NoticeKind.OFFLINE, 1, id=name, **facts)


class MailboxCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.box = Mailbox(per_hour=3)

    def ids(self, now: float) -> list[str]:
        return [each.id for each in self.box.begin(now)[0]]


class Sending(MailboxCase):
    def test_in_order(self) -> None:
        """What a way can send is sent one by one, in order, and never while another is under way."""
        self.box.put(one("a"))
        self.box.put(one("b"))
        self.assertEqual(["a"], self.ids(0))
        self.assertEqual(([], inf), (self.ids(0), self.box.next_at(0)))
        self.box.sent()
        self.assertEqual(["b"], self.ids(0))
        self.box.sent()
        self.assertEqual(((), inf), (self.box.unsent, self.box.next_at(0)))

    def test_replaced(self) -> None:
        """The end takes the place of a beginning that still waits; of one under way it is sent after it."""
        self.box.put(one("a"))
        self.assertEqual(["a"], self.ids(0))
        self.box.put(one("b"))
        self.box.put(one("b", until=START + 60))
        self.box.put(one("a", until=START + 60))
        self.assertEqual(["b", "a"], [each.id for each in self.box.waiting.values()])
        self.box.sent()
        self.assertEqual([START + 60], [each.until for each in self.box.begin(0)[0]])

    def test_per_hour(self) -> None:
        """Beyond the limit they wait until there is room, and are sent together."""
        for name in "abcdef":
            self.box.put(one(name))
        for name in "abc":
            self.assertEqual([name], self.ids(10))
            self.box.sent()
        self.assertEqual(([], 3610), (self.ids(10), self.box.next_at(10)))
        self.assertEqual(["d", "e", "f"], self.ids(3610))

    def test_limit_holds(self) -> None:
        """In no hour of a random life are more sendings begun than the limit."""
        chance = random.Random(3)
        now, begun = 0.0, []
        for number in range(5000):
            now += chance.choice((0, 1, 60, 900))
            if chance.random() < 0.7:
                self.box.put(one(str(number)))
            if self.box.begin(now)[0]:
                begun.append(now)
                chance.choice((self.box.sent, self.box.refused, partial(self.box.failed, now)))()
        self.assertGreater(len(begun), 500)
        self.assertTrue(all(later >= early + 3600 for early, later in zip(begun, begun[3:], strict=False)))


class Failing(MailboxCase):
    def setUp(self) -> None:
        self.box = Mailbox(per_hour=1000)

    def test_again(self) -> None:
        """The wait triples up to half an hour; after so many tries what waits is given up, and counted."""
        self.box.put(one("a"))
        now, waits = 0.0, []
        for _ in range(MAX_TRIES - 1):
            self.assertEqual(["a"], self.ids(now))
            self.assertTrue(self.box.failed(now))
            waits.append(self.box.next_at(now) - now)
            self.assertEqual([], self.ids(self.box.next_at(now) - 0.1))
            now = self.box.next_at(now)
        self.assertEqual((RETRY_FIRST, RETRY_FIRST * 3, RETRY_MOST), (waits[0], waits[1], waits[-1]))
        self.assertEqual(["a"], self.ids(now))
        self.assertFalse(self.box.failed(now))
        self.assertEqual((1, (), inf), (self.box.lost, self.box.unsent, self.box.next_at(now)))
        self.box.put(one("b"))
        self.assertEqual(["b"], self.ids(now))  # what comes then is tried at once

    def test_asked(self) -> None:
        """What the other end asks for is granted, up to an hour, and never shortens a wait."""
        for asked, wait in ((100.0, 100.0), (1.0, RETRY_FIRST), (1e9, MAX_ASKED), (None, RETRY_FIRST)):
            self.box = Mailbox(per_hour=1000)
            self.box.put(one("a"))
            self.ids(0)
            self.box.failed(0, asked)
            self.assertEqual(wait, self.box.next_at(0))

    def test_together(self) -> None:
        """What failed, and what came meanwhile, is one sending; the end of what failed takes its place."""
        self.box.put(one("a"))
        self.ids(0)
        self.box.put(one("b"))
        self.box.put(one("a", until=START + 60))
        self.assertEqual(["b", "a"], [each.id for each in self.box.unsent])
        self.box.failed(0)
        sending, more = self.box.begin(RETRY_FIRST)
        self.assertEqual(([("b", None), ("a", START + 60)], 0), ([(each.id, each.until) for each in sending], more))
        self.box.sent()
        self.box.put(one("c"))
        self.box.put(one("d"))
        self.assertEqual(["c"], self.ids(RETRY_FIRST))

    def test_refused(self) -> None:
        """What is refused for good is lost, what waits behind it is not."""
        self.box.put(one("a"))
        self.ids(0)
        self.box.put(one("b"))
        self.box.refused()
        self.assertEqual((1, ["b"]), (self.box.lost, self.ids(0)))

    def test_bound(self) -> None:
        """Of more than there is room for the oldest become a number, that goes with the rest, and is not lost."""
        for number in range(MAX_WAITING + 9):
            self.box.put(one(str(number)))
        for _ in range(2):
            sending, more = self.box.begin(1000)
            self.assertEqual((MAX_WAITING, "9", 9), (len(sending), sending[0].id, more))
            self.assertEqual(9, self.box.unsent_dropped)
            self.box.failed(0)
        self.box.begin(1000)
        self.box.sent()
        self.assertEqual(0, self.box.unsent_dropped)

    def test_restored(self) -> None:
        """What an earlier run did not send comes first, all together."""
        self.box.put(one("c"))
        self.box.restore([one("a"), one("b")], 4)
        sending, more = self.box.begin(0)
        self.assertEqual((["a", "b", "c"], 4), ([each.id for each in sending], more))
