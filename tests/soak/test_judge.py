"""Made-up samples, promises and messages go in; the verdicts on them come out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.listener import Heard
from tests.soak.bed import Expectation, Outage, Touch
from tests.soak.judge import (
    FOUND_AGAIN,
    balance,
    grown,
    growth,
    leaked,
    of_our_making,
    slope,
    told,
    unfounded,
    verdicts_of,
)
from tests.soak.sampler import Disconnection, Sample
from tests.soak.scenario import Deed

SAMPLE = Sample(0, 80_000, 50_000, 30, 5, 2, 20, 1000, 1, 1, 0, 0, 100, 100, 0, 1, 1)
MAC, ID = "02:00:00:00:00:21", "020000000021"
MOVE, CUT = Deed("move", 0, 0, (1,)), Deed("broker-cable", 0, 0)


def run(value: Any, what: str) -> list[Sample]:
    """A thousand seconds of samples; ``value`` gives ``what`` at each second."""
    return [replace(SAMPLE, at=float(at), **{what: value(at)}) for at in range(0, 1000, 3)]


def sha(payload: str) -> str:
    return hashlib.sha1(payload.encode(), usedforsecurity=False).hexdigest()


def heard(topic: str, payload: str, at: float = 1.0, *, retained: bool = False) -> Heard:
    return Heard(at, retained, 1, topic, payload)


def status(at: float, word: str, address: str = "10.0.0.1") -> Heard:
    where = {"new_ip": address} if word == "ip_changed" else {"camera": {"ip": address}}
    return heard(f"camera/status/{ID}", json.dumps({"status": word, **where}), at)


class HoldingTests(SynchronousTestCase):
    def test_growth(self) -> None:
        """A start that grows is none; a slow leak is, and a peak between is not."""
        start = run(lambda at: 80_000 + min(at, 99) * 100, "rss")
        self.assertTrue(growth(start, 100, 1000, 100, "rss").holds)
        leak = growth(run(lambda at: 80_000 + at * 10, "rss"), 100, 1000, 100, "rss")
        self.assertFalse(leak.holds)
        self.assertTrue(9 < leak.value < 11, leak.value)
        hours = [replace(SAMPLE, at=float(at), rss=80_000 + at // 2) for at in range(0, 7200, 3)]
        slow = growth(hours, 720, 7200, 240, "rss")
        self.assertEqual((2.0, False), (slow.most, slow.holds))
        self.assertTrue(growth(run(lambda at: 200_000 if at == 501 else 80_000, "rss"), 100, 1000, 100, "rss").holds)

    def test_slope(self) -> None:
        """What was before the middle is none; what comes after is told by the hour."""
        steep = run(lambda at: 80_000 + min(at, 499) * 100, "rss")
        self.assertEqual(0.0, slope(steep, 1000, "rss").value)
        leak = run(lambda at: 80_000 + at, "rss")
        self.assertEqual((round(3600 / 1024, 2), None), ((one := slope(leak, 1000, "rss")).value, one.most))

    def test_too_few(self) -> None:
        """No samples are no evidence."""
        self.assertEqual(float("inf"), slope([], 1000, "rss").value)
        self.assertFalse(growth([], 100, 1000, 100, "rss").holds)
        self.assertFalse(leaked([], 1000, 50, 100, "fds").holds)
        self.assertFalse(grown([], 100).holds)

    def test_grown(self) -> None:
        """What there was more of after the first tenth than at the end is no growth, nor is what came before."""
        types = [(10.0, {"A": 1, "B": 1}), (110.0, {"A": 5, "B": 9}), (900.0, {"A": 7, "B": 2, "C": 1})]
        self.assertEqual((2, "A +2, C +1"), ((one := grown(types, 100)).value, one.remark))

    def test_leaked(self) -> None:
        """One descriptor that never goes again is leaked, however the number goes up and down; more in use is not."""
        kept = leaked(run(lambda at: 30 + at % 5 + (5 if at > 500 else 0), "fds"), 1000, 50, 100, "fds")
        self.assertEqual((1, False), (kept.value, kept.holds))
        self.assertTrue(
            leaked(run(lambda at: 30 + at % 5 + (40 if 500 < at < 900 else 0), "fds"), 1000, 50, 100, "fds").holds
        )


class DisconnectionTests(SynchronousTestCase):
    def test_whose(self) -> None:
        """In an outage, and until the broker must have been found again, it is the scenario's; any other is ours."""
        lost = [Disconnection(at, "") for at in (99, 101, 120 + FOUND_AGAIN - 1, 120 + FOUND_AGAIN + 1)]
        ours = of_our_making(lost, [Outage(CUT, 100, 120)])
        self.assertEqual([99, 120 + FOUND_AGAIN + 1], [one.at for one in ours])


class AccountTests(SynchronousTestCase):
    def test_lost(self) -> None:
        """An event that was accepted and not heard is lost; two equal ones are two; a repetition is twice."""
        accepted = [("e", sha("a"), False), ("e", sha("a"), False), ("e", sha("b"), False), ("f", sha("c"), False)]
        arrived = [heard("e", "a"), heard("e", "b"), heard("e", "b"), heard("f", "c", retained=True)]
        account = balance(accepted, arrived, {})
        self.assertEqual((4, 4, ("e", "f"), 1), (account.accepted, account.events, account.lost, account.twice))

    def test_before_it_began(self) -> None:
        """What was heard before the process began was another's."""
        self.assertEqual(("e",), balance([("e", sha("a"), False)], [heard("e", "a", 5)], {}, since=6).lost)

    def test_last_word(self) -> None:
        """What the broker has must be the last state that was accepted, not the one before nor what was removed."""
        accepted = [("s", sha("1"), True), ("s", sha("2"), True), ("gone", sha("1"), True), ("gone", "", True)]
        self.assertEqual((), balance(accepted, [], {"s": b"2".hex()}).stale)
        self.assertEqual(("s", "gone"), balance(accepted, [], {"s": b"1".hex(), "gone": b"1".hex()}).stale)
        self.assertEqual(("s",), balance(accepted, [], {}).stale)


class TruthTests(SynchronousTestCase):
    def after(self, word: str, *said: Heard, outages: tuple[Outage, ...] = (), address: str = "") -> tuple[Any, bool]:
        one = told([Expectation(MOVE, MAC, word, 100, address)], said, outages)[0]
        return one.after, one.holds

    def test_state(self) -> None:
        """The first that says so counts; one that stood there already is told after no time; the next replaces it."""
        self.assertEqual((20, True), self.after("offline", status(50, "online"), status(120, "offline")))
        self.assertEqual((0, True), self.after("well", status(50, "online"), status(170, "online")))
        self.assertEqual((0, True), self.after("well", status(50, "online")))
        self.assertEqual(
            (80, True), self.after("well", status(50, "online"), status(90, "offline"), status(180, "online"))
        )

    def test_after_the_end(self) -> None:
        """What need not be so before the end of the run is not judged."""
        expected = [Expectation(MOVE, MAC, "online", 100)]
        self.assertEqual([], told(expected, [], (), end=159))
        self.assertEqual(1, len(told(expected, [], (), end=161)))

    def test_late_and_never(self) -> None:
        self.assertEqual((61, False), self.after("online", status(50, "offline"), status(161, "online")))
        self.assertEqual((None, False), self.after("online", status(50, "online"), status(60, "offline")))
        self.assertEqual((None, False), self.after("offline"))

    def test_address(self) -> None:
        """A state at another address is not the truth."""
        at = self.after("online", status(50, "online"), status(110, "online", "10.0.0.2"), address="10.0.0.2")
        self.assertEqual((10, True), at)
        self.assertEqual((None, False), self.after("online", status(50, "online"), address="10.0.0.2"))

    def test_announcement(self) -> None:
        """A move may be told while it is being done; one of long ago is another."""
        self.assertEqual((0, True), self.after("ip_changed", status(98, "ip_changed", "10.0.0.2"), address="10.0.0.2"))
        self.assertEqual(
            (None, False), self.after("ip_changed", status(20, "ip_changed", "10.0.0.2"), address="10.0.0.2")
        )

    def test_outage(self) -> None:
        """What cannot be told in an outage may be told after it."""
        cut = Outage(CUT, 110, 180)
        late = status(220, "online")
        self.assertEqual((120, True), self.after("online", status(50, "offline"), late, outages=(cut,)))
        self.assertEqual((120, False), self.after("online", status(50, "offline"), late))
        before = Outage(CUT, 10, 20)
        self.assertEqual((120, False), self.after("online", status(50, "offline"), late, outages=(before,)))

    def test_refused(self) -> None:
        """A password that was right before may be doubted first."""
        for word in ("busy", "auth_required"):
            self.assertEqual((5, True), self.after("refused", status(50, "online"), status(105, word)))

    def test_unfounded(self) -> None:
        """A deed may make a camera go and come back; more than that, or without a deed, has no ground; loss may."""
        said = [status(at, word) for at, word in enumerate(("online", "offline", "offline", "online"), 100)]
        self.assertEqual([], unfounded([Touch(MOVE, MAC, 99)], said))
        self.assertEqual(2, len(unfounded([], said)))
        self.assertEqual(2, len(unfounded([Touch(MOVE, MAC, 102)], said)) + 1)
        more = [*said, status(110, "busy"), status(111, "online")]
        self.assertEqual(2, len(unfounded([Touch(MOVE, MAC, 99)], more)))
        self.assertEqual([], unfounded([Touch(Deed("password", 0, 0), MAC, 99)], more))
        self.assertEqual([], unfounded([Touch(Deed("wifi", 0, 0), MAC, 99)], more))

    def test_verdicts(self) -> None:
        """One line for each kind of truth, with those that were late."""
        expected = [Expectation(MOVE, MAC, word, 100) for word in ("online", "offline")]
        found = verdicts_of(told(expected, [status(50, "offline")], ()))
        self.assertEqual([1.0, 0.0], [one.value for one in found])
        self.assertIn(f"move {ID} never", found[0].remark)
