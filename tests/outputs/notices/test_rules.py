"""What happens goes in; notices come out, each once, and its end once."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from math import inf

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import MINUTE, OFFLINE, PATIENCE, START, rules, subject
from twisted_detector.model.notices import Notice, NoticeKind
from twisted_detector.outputs.notices.grouping import WINDOW, network_of
from twisted_detector.outputs.notices.quiet_hours import Holder, QuietHours
from twisted_detector.outputs.notices.rules import DAEMON, MAX_KEPT, MAX_OPEN, PARTIAL, SETTLE, NoticeRules
from twisted_detector.outputs.notices.saved import dump_rules, load_rules

FROZEN = {NoticeKind.FROZEN: ""}
TWELVE = range(1, 13)


def names(notice: Notice) -> list[str]:
    return [one.name for one in notice.cameras]


class RulesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rules = rules()

    def twelve_told(self, at: float = START) -> Notice:
        for number in TWELVE:
            self.rules.observe(subject(number), OFFLINE, at + number * 5)
        (told,) = self.rules.due(at + PATIENCE + MINUTE)
        return told


class OneCamera(RulesCase):
    def test_offline_and_back(self) -> None:
        """It is told after five minutes, not before, and its end at once; nothing a second time."""
        self.rules.observe(subject(), OFFLINE, START)
        self.assertEqual(START + PATIENCE, self.rules.next_at())
        self.assertEqual([], self.rules.due(START + PATIENCE - 1))
        (told,) = self.rules.due(START + PATIENCE)
        self.assertEqual(("offline", START, None), (told.event, told.since, told.until))
        self.rules.observe(subject(), OFFLINE, START + 400)
        self.assertEqual([], self.rules.due(START + 10_000))
        self.rules.observe(subject(), {}, START + 720)
        self.assertEqual(-inf, self.rules.next_at())
        (ended,) = self.rules.due(START + 720)
        self.assertEqual((told.id, "back", START + 720), (ended.id, ended.event, ended.until))
        self.rules.observe(subject(), {}, START + 721)
        self.assertEqual(([], inf), (self.rules.due(START + 10_000), self.rules.next_at()))

    def test_short(self) -> None:
        """What ends before it is told is never told."""
        self.rules.observe(subject(), OFFLINE, START)
        self.rules.observe(subject(), {}, START + PATIENCE - 1)
        self.assertEqual([], self.rules.due(START + 10_000))

    def test_settled(self) -> None:
        """What does not come and go by itself is told after a minute."""
        for kind in (NoticeKind.FROZEN, NoticeKind.LOGIN, NoticeKind.CLOCK, NoticeKind.NETWORK, NoticeKind.DISK):
            self.rules = rules()
            self.rules.observe(subject(), {kind: "why"}, START)
            self.assertEqual([], self.rules.due(START + SETTLE - 1))
            (told,) = self.rules.due(START + SETTLE)
            self.assertEqual((kind, "why"), (told.kind, told.reason))

    def test_again(self) -> None:
        """What comes back after its end was told is another notice."""
        first = [self._offline_and_back(START), self._offline_and_back(START + 1000)]
        self.assertEqual(2, len({one.id for one in first}))

    def _offline_and_back(self, at: float) -> Notice:
        self.rules.observe(subject(), OFFLINE, at)
        (told,) = self.rules.due(at + PATIENCE)
        self.rules.observe(subject(), {}, at + PATIENCE + 1)
        (ended,) = self.rules.due(at + PATIENCE + 1)
        self.assertEqual(told.id, ended.id)
        return told

    def test_known_since(self) -> None:
        """A camera that was offline before the start counts from then."""
        self.rules.observe(subject(), OFFLINE, START, since={NoticeKind.OFFLINE: START - 240})
        self.assertEqual([], self.rules.due(START + 59))
        self.assertEqual(1, len(self.rules.due(START + 60)))

    def test_kinds(self) -> None:
        """What is not wanted is not told; what began before it was not wanted is still ended."""
        self.rules = rules(kinds=(NoticeKind.FROZEN,))
        self.rules.observe(subject(), {**OFFLINE, **FROZEN}, START)
        self.rules.happened(NoticeKind.NEW, subject(2), START)
        self.assertEqual([NoticeKind.FROZEN], [one.kind for one in self.rules.due(START + 10_000)])
        unwanted = rules(kinds=())
        load_rules(dump_rules(self.rules, Holder(QuietHours(), lambda at: 0)), unwanted, Holder(QuietHours(), int))
        unwanted.observe(subject(), {}, START + 20_000)
        self.assertEqual(["frozen_over"], [one.event for one in unwanted.due(START + 20_000)])

    def test_forgotten(self) -> None:
        """A camera that is forgotten ends what was told of it, and what was not told is not told."""
        self.rules.observe(subject(), OFFLINE, START)
        self.rules.due(START + PATIENCE)
        self.rules.observe(subject(), {**OFFLINE, **FROZEN}, START + PATIENCE)
        self.rules.forget("cam1", START + 301)
        (ended,) = self.rules.due(START + 10_000)
        self.assertEqual(("back", True), (ended.event, ended.removed))

    def test_gone_meanwhile(self) -> None:
        """A camera that nobody knows any more after a restart ends what was told; the daemon is no camera."""
        self.rules.observe(subject(1), OFFLINE, START)
        self.rules.observe(subject(2), OFFLINE, START)
        self.rules.observe(DAEMON, {NoticeKind.BROKER: "refused"}, START)
        self.assertEqual(2, len(self.rules.due(START + PATIENCE)))
        self.rules.retain({"cam2"}, START + 400)
        self.assertEqual([], self.rules.due(START + 400))
        self.rules.observe(subject(2), {}, START + 500)
        self.assertEqual([["Camera 1", "Camera 2"]], [names(one) for one in self.rules.due(START + 500)])
        self.assertEqual(["broker"], [one.notice.kind for one in self.rules.open.values()])


class Moments(RulesCase):
    def test_new(self) -> None:
        """What has no end is told once, together with others of that minute."""
        for number in TWELVE:
            self.rules.happened(NoticeKind.NEW, subject(number), START + number)
        self.assertEqual([], self.rules.due(START + SETTLE))
        (told,) = self.rules.due(START + SETTLE + 1)
        self.assertEqual((12, "new", told.since), (len(told.cameras), told.event, told.until))
        self.assertEqual(([], inf), (self.rules.due(START + 10_000), self.rules.next_at()))

    def test_moved(self) -> None:
        """Of two moves within a minute the last is told; a camera that is back where it was has not moved."""
        self.rules.happened(NoticeKind.MOVED, subject(5), START, reason="from 4 to 5", origin="10.0.0.4")
        self.rules.happened(NoticeKind.MOVED, subject(6), START, reason="x", origin="10.0.0.5")
        self.rules.happened(NoticeKind.MOVED, replace(subject(5), address="10.0.0.4"), START + 9, origin="10.0.0.5")
        self.rules.happened(NoticeKind.MOVED, subject(6), START + 10, reason="from 9 to 6", origin="10.0.0.9")
        (told,) = self.rules.due(START + SETTLE)
        self.assertEqual((["Camera 6"], "from 9 to 6"), (names(told), told.reason))

    def test_forgotten(self) -> None:
        """A new camera that is forgotten within the minute is not told."""
        self.rules.happened(NoticeKind.NEW, subject(), START)
        self.rules.forget("cam1", START + 1)
        self.assertEqual([], self.rules.due(START + 10_000))


class Together(RulesCase):
    def test_one_notice(self) -> None:
        """Twelve cameras on one network within a minute are one notice, with their names, and one end."""
        told = self.twelve_told()
        self.assertEqual([f"Camera {number}" for number in TWELVE], names(told))
        self.assertEqual(("10.0.0.0/24", START + 5), (told.network, told.since))
        for number in TWELVE:
            self.assertEqual([], self.rules.due(START + 720 + number))
            self.rules.observe(subject(number), {}, START + 720 + number)
        (ended,) = self.rules.due(START + 732)
        self.assertEqual((told.id, 12, START + 732, ()), (ended.id, len(ended.cameras), ended.until, ended.remaining))
        self.assertEqual([], self.rules.due(START + 100_000))

    def test_apart(self) -> None:
        """What begins later than the window, or is of another kind or network, is a notice of its own."""
        self.rules.observe(subject(1), OFFLINE, START)
        self.rules.observe(subject(2), OFFLINE, START + WINDOW)
        self.rules.observe(subject(3), OFFLINE, START + WINDOW + 1)
        self.rules.observe(subject(4), {NoticeKind.STREAM: ""}, START)
        self.rules.observe(subject(5, "10.0.1"), OFFLINE, START)
        found = [names(one) for one in self.rules.due(START + 10_000)]
        self.assertEqual(
            [["Camera 1", "Camera 2"], ["Camera 3"], ["Camera 4"], ["Camera 5"]], sorted(found, key=lambda one: one[0])
        )

    def test_networks(self) -> None:
        """A network is a /24, in IPv6 a /64, whatever the scope; what is no address has none."""
        for address, network in (
            ("10.0.0.9", "10.0.0.0/24"), ("2001:db8:0:1::5", "2001:db8:0:1::/64"), ("fe80::5%eth0", "fe80::/64"),
            ("::1", "::/64"), ("camera.lan", ""),
        ):  # fmt: skip
            self.assertEqual(network, network_of(address))

    def test_the_first_left(self) -> None:
        """The notice waits for the first who is left: all that is told has lasted, or began with one that has."""
        self.rules.observe(subject(1), OFFLINE, START)
        self.rules.observe(subject(2), OFFLINE, START + 80)
        self.rules.observe(subject(1), {}, START + 100)
        self.assertEqual([], self.rules.due(START + PATIENCE + 79))
        (told,) = self.rules.due(START + PATIENCE + 80)
        self.assertEqual((["Camera 2"], START + 80), (names(told), told.since))

    def test_many_networks(self) -> None:
        """Of three networks each has a notice; of forty, what they have in common is one."""
        for count, notices in ((3, 3), (40, 1)):
            self.rules = rules()
            for number in range(count):
                self.rules.observe(subject(number + 1, f"10.0.{number}"), OFFLINE, START + number)
            found = self.rules.due(START + PATIENCE + count)
            self.assertEqual((notices, count), (len(found), sum(len(one.cameras) for one in found)))
        self.assertEqual("", found[0].network)

    def test_partial(self) -> None:
        """When one stays away, the ends of the others are told ten minutes after the last; its own comes later."""
        told = self.twelve_told()
        for number in TWELVE[1:]:
            self.rules.observe(subject(number), {}, START + 700)
        self.assertEqual(START + 700 + PARTIAL, self.rules.next_at())
        self.assertEqual([], self.rules.due(START + 699 + PARTIAL))
        (ended,) = self.rules.due(START + 700 + PARTIAL)
        self.assertEqual((told.id, 11, START + 700), (ended.id, len(ended.cameras), ended.until))
        self.assertEqual(["Camera 1"], [one.name for one in ended.remaining])
        self.rules.observe(subject(1), {}, START + 9000)
        (last,) = self.rules.due(START + 9000)
        self.assertEqual((["Camera 1"], told.since), (names(last), last.since))
        self.assertNotEqual(told.id, last.id)

    def test_not_ended(self) -> None:
        """A camera that goes again before the end was told has not ended, and is not told again."""
        self.twelve_told()
        self.rules.observe(subject(1), {}, START + 700)
        self.rules.observe(subject(1), OFFLINE, START + 800)
        self.assertEqual([], self.rules.due(START + 100_000))
        for number in TWELVE:
            self.rules.observe(subject(number), {}, START + 100_001)
        self.assertEqual([12], [len(one.cameras) for one in self.rules.due(START + 100_001)])


class Bounds(RulesCase):
    def test_open(self) -> None:
        """Of more notices than there is room for, the others wait, and are told when there is room."""
        for number in range(MAX_OPEN + 1):
            at = START + number * 1000
            self.rules.observe(subject(number, f"10.{number // 250}.{number % 250}"), OFFLINE, at)
            self.rules.due(at + 999)
        self.assertEqual((MAX_OPEN, inf), (len(self.rules.open), self.rules.next_at()))
        self.rules.happened(NoticeKind.NEW, subject(1), at)  # what has no end always finds room
        self.assertEqual(["new"], [one.event for one in self.rules.due(at + 1000)])
        first = next(iter(self.rules.open.values())).notice.cameras[0]
        self.rules.observe(first, {}, at + 1000)
        self.assertEqual(["back", "offline"], [one.event for one in self.rules.due(at + 1000)])

    def test_kept(self) -> None:
        """Those that are over are kept up to a number, the latest; those that last come first in the list."""
        for number in range(MAX_KEPT + 50):
            self.rules.happened(NoticeKind.NEW, subject(number), START + number * 100)
            self.rules.due(START + number * 100 + SETTLE)
        self.rules.observe(subject(1), OFFLINE, START)
        self.rules.due(START + 1_000_000)
        found = list(self.rules.recent())
        self.assertEqual(MAX_KEPT + 1, len(found))
        self.assertEqual(["offline", "new"], [one.event for one in found[:2]])
        self.assertEqual(f"cam{MAX_KEPT + 49}", found[1].cameras[0].id)

    def test_large(self) -> None:
        """Ten thousand cameras of one kind in one network cost one notice, and few comparisons."""
        for number in range(10_000):
            self.rules.observe(subject(number), OFFLINE, START + number / 1000)
        (told,) = self.rules.due(START + PATIENCE)
        for number in range(10_000):
            self.rules.observe(subject(number), {}, START + 1000)
            self.rules.next_at()
        self.assertEqual((10_000, 1), (len(told.cameras), len(self.rules.due(START + 1000))))


class Clocks(RulesCase):
    def test_set(self) -> None:
        """A clock that is put forward by a year makes nothing last a year, told or not."""
        year = 365 * 86_400.0
        self.rules.observe(subject(1), OFFLINE, START)
        self.rules.due(START + PATIENCE)
        self.rules.observe(subject(2, "10.0.9"), OFFLINE, START + PATIENCE)
        self.rules.shift(year)
        self.assertEqual([], self.rules.due(START + year + PATIENCE + 10))
        self.rules.observe(subject(1), {}, START + year + 400)
        (ended,) = self.rules.due(START + year + 400)
        self.assertEqual(400, (ended.until or 0) - ended.since)

    def test_set_in_between(self) -> None:
        """The ends so far move with the clock as well."""
        self.twelve_told()
        for number in TWELVE[1:]:
            self.rules.observe(subject(number), {}, START + 700)
        self.rules.shift(-1000.0)
        self.assertEqual(START - 300 + PARTIAL, self.rules.next_at())
        (ended,) = self.rules.due(START - 300 + PARTIAL)
        self.assertEqual(START - 300, ended.until)


class Histories(SynchronousTestCase):
    """Ten thousand random histories: cameras go, come, move and are forgotten, the clock runs, the daemon restarts."""

    KINDS = (NoticeKind.OFFLINE, NoticeKind.FROZEN, NoticeKind.LOGIN)

    def test_random(self) -> None:
        """Nothing is told twice without its end between, every end is told, a group is never wider than its bounds."""
        self.counts: Counter[str] = Counter()
        for seed in range(10_000):
            self.history(random.Random(seed))
        # The histories are such that all of it happens, and often.
        for event in ("offline", "back", "frozen", "frozen_over", "moved", "restart", "several", "partial", "removed"):
            self.assertGreater(self.counts[event], 500, event)

    def history(self, chance: random.Random) -> None:
        self.now = START
        self.rules = rules()
        self.told: dict[tuple[NoticeKind, str], float] = {}  # what was told and has not ended, with its beginning
        self.began: dict[tuple[NoticeKind, str], float] = {}
        cameras = [subject(number, f"10.0.{chance.randrange(2)}") for number in range(chance.randrange(1, 7))]
        state: dict[str, set[NoticeKind]] = {one.id: set() for one in cameras}
        for _ in range(chance.randrange(5, 30)):
            self.now += chance.choice((0, 1, 20, 70, 200, 700))
            one = chance.choice(cameras)
            deed = chance.random()
            if deed < 0.7:
                kind = chance.choice(self.KINDS)
                state[one.id] ^= {kind}
                self.observe(one, state)
            elif deed < 0.78:
                self.rules.happened(NoticeKind.MOVED, one, self.now)
            elif deed < 0.85:
                self.rules.forget(one.id, self.now)
                state[one.id] = set()
                self.began = {key: at for key, at in self.began.items() if key[1] != one.id}
            elif deed < 0.93:
                self.restart(cameras, state)
            self.judge()
        for one in cameras:
            state[one.id] = set()
            self.observe(one, state)
        self.judge()
        self.now += 100_000
        self.judge()
        self.assertEqual(({}, {}, inf), (self.told, self.rules.open, self.rules.next_at()))

    def observe(self, one, state) -> None:  # type: ignore[no-untyped-def]
        for kind in self.KINDS:
            if kind not in state[one.id]:
                self.began.pop((kind, one.id), None)
            else:
                self.began.setdefault((kind, one.id), self.now)
        self.rules.observe(one, dict.fromkeys(sorted(state[one.id]), ""), self.now)

    def restart(self, cameras, state) -> None:  # type: ignore[no-untyped-def]
        """What was saved is all that is left; the cameras are then as they are."""
        self.counts["restart"] += 1
        saved = dump_rules(self.rules, Holder(QuietHours(), int))
        self.rules = rules()
        load_rules(saved, self.rules, Holder(QuietHours(), int))
        self.assertEqual(saved, dump_rules(self.rules, Holder(QuietHours(), int)))
        self.rules.retain({one.id for one in cameras}, self.now)
        for one in cameras:
            self.observe(one, state)

    def judge(self) -> None:
        for notice in self.rules.due(self.now):
            self.counts[notice.event] += 1
            self.counts["several"] += len(notice.cameras) > 1
            self.counts["partial"] += bool(notice.remaining)
            self.counts["removed"] += notice.removed
            self.assertTrue(notice.cameras)
            if notice.kind.is_moment:
                continue
            keys = [(notice.kind, one.id) for one in notice.cameras]
            if notice.until is None:
                for key in keys:
                    self.assertNotIn(key, self.told, "told twice without an end between")
                    self.assertIn(key, self.began, "told of what has ended")
                    self.told[key] = notice.since
                begins = [self.began[key] for key in keys]
                self.assertLessEqual(max(begins) - min(begins), 2 * WINDOW)
                self.assertGreaterEqual(self.now - notice.since, SETTLE)
            else:
                for key in keys:
                    self.assertEqual(notice.since, self.told.pop(key, None), "an end of what was not told")
        # What should have been told by now was: whatever lasts is told, or not old enough.
        for (kind, camera_id), at in self.began.items():
            if self.now - at > PATIENCE + WINDOW:
                self.assertIn((kind, camera_id), self.told)
        self.assertIsInstance(self.rules, NoticeRules)
