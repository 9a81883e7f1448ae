"""Judge of a soak: what was sampled, promised and heard go in; figures with what each may be come out. Pure.

What is compared over time is compared in calm: what was before the first deed with what is after the last one. Memory
is compared from when a tenth is over and each kind of deed was done once: before, a process has not met everything yet.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import linear_regression, median

from tests.lan.site import cid
from tests.listener import Heard
from tests.soak.bed import Expectation, Outage, Touch
from tests.soak.sampler import Disconnection, Sample
from tests.soak.scenario import COMPRESSED, clock

#: Seconds within which a truth must be on MQTT, by what it is. *offline*: three checks, of which the last may begin
#: just before the threshold (HEALTH_CHECK_INTERVAL, OFFLINE_THRESHOLD of bed.py).
WITHIN = {"ip_changed": 60.0, "online": 60.0, "offline": 90.0, "refused": 60.0, "well": 90.0}
#: What a camera is said to be, for what is expected. A password that was right before is doubted first: a camera
#: without a connection left refuses it, too, and that is told as busy.
MEANS = {"well": {"online"}, "refused": {"auth_required", "busy"}}
#: How often the state of a camera may change by one deed: away and back. For another password it restarts twice, each
#: time with a Bye, and its login may be doubted in between. Frames that are lost may do so more often.
CHANGES, CHANGES_BY_PASSWORD = 2, 5
#: After an outage the broker is found again within so many seconds: the last attempt of before may last 5, the wait
#: before the next 3 (MQTT_RECONNECT_MAX), with jitter. A connection that breaks until then broke by the scenario.
FOUND_AGAIN = 15.0
#: Seconds that a move may take to be done: who is quick may tell of it before all of it is.
DEED = 15.0
#: Per cent that memory may grow after the first tenth; and in a compressed run, where the memory that a flood needs for
#: some seconds, and what is remembered of its devices up to a bound, are not all there yet after a tenth (measured at
#: twice its pace: 0.6).
GROWTH, GROWTH_COMPRESSED = 2.0, 4.0
#: Milliseconds of the longest turn of the reactor.
LAG = 100.0
#: Samples that a calm has at least.
CALM_SAMPLES = 5


@dataclass(frozen=True)
class Verdict:
    """One figure, and the most that it may be; None where it is only told.

    :ivar remark: evidence.
    """

    what: str
    value: float
    most: float | None
    unit: str = ""
    remark: str = ""

    @property
    def holds(self) -> bool:
        return self.most is None or self.value <= self.most

    def __str__(self) -> str:
        goal = "" if self.most is None else f" (at most {self.most:g}) {'holds' if self.holds else 'FAILS'}"
        return f"{self.what}: {self.value:g} {self.unit}".rstrip() + goal + (f" [{self.remark}]" if self.remark else "")


# --- what is held over time ------------------------------------------------------------------------------------------


def growth(samples: Sequence[Sample], warm: float, seconds: float, cool: float, what: str) -> Verdict:
    """Per cent by which the memory of the last calm is above that of the tenth of the run after ``warm`` (medians)."""
    early = [getattr(one, what) for one in samples if warm <= one.at < warm + seconds / 10]
    late = [getattr(one, what) for one in samples if one.at >= seconds - cool / 2]
    most = GROWTH_COMPRESSED if seconds <= COMPRESSED else GROWTH
    if not early or not late:
        return Verdict(f"growth of {what}", float("inf"), most, "%", "too few samples")
    before, after = median(early), median(late)
    words = f"{before / 1024:.1f} MB from {clock(warm)} on, {after / 1024:.1f} at the end"
    return Verdict(f"growth of {what} after the first tenth", round(100 * (after / before - 1), 2), most, "%", words)


def slope(samples: Sequence[Sample], seconds: float, what: str) -> Verdict:
    """Megabytes an hour by which memory grew in the second half (the line of least squares); told: growth is judged."""
    half = [(one.at / 3600, getattr(one, what) / 1024) for one in samples if one.at >= seconds / 2]
    name = f"slope of {what} in the second half"
    if len(half) < CALM_SAMPLES:
        return Verdict(name, float("inf"), None, "MB/h", "too few samples")
    return Verdict(name, round(linear_regression(*zip(*half, strict=True)).slope, 2), None, "MB/h")


def leaked(samples: Sequence[Sample], seconds: float, calm: float, cool: float, what: str) -> Verdict:
    """By how much the least of the last calm is above the most of the first one: what does not go away again."""
    first = [getattr(one, what) for one in samples if one.at < calm]
    last = [getattr(one, what) for one in samples if one.at >= seconds - cool / 2]
    if min(len(first), len(last)) < CALM_SAMPLES:
        return Verdict(f"{what} leaked", float("inf"), 0, "", "too few samples")
    words = f"{min(first)} to {max(first)} in the first calm, {min(last)} to {max(last)} in the last"
    return Verdict(f"{what} leaked", max(0, min(last) - max(first)), 0, "", words)


def grown(types: Sequence[tuple[float, Mapping[str, int]]], warm: float) -> Verdict:
    """Of which types there are more at the end than at ``warm``; told, not judged: memory is."""
    later = [counts for at, counts in types if at >= warm]
    if not later:
        return Verdict("types of which there are more objects", float("inf"), 0, "", "too few samples")
    more = {name: count - later[0].get(name, 0) for name, count in later[-1].items() if count > later[0].get(name, 0)}
    most = sorted(more.items(), key=lambda one: -one[1])[:6]
    words = ", ".join(f"{name} +{count}" for name, count in most)
    return Verdict("types of which there are more objects", len(more), None, "", words)


# --- the connection --------------------------------------------------------------------------------------------------


def of_our_making(lost: Sequence[Disconnection], outages: Sequence[Outage]) -> list[Disconnection]:
    """Connections that broke while the broker was there and had been for a while."""
    return [
        one for one in lost if not any(each.begin <= one.at <= (each.end or one.at) + FOUND_AGAIN for each in outages)
    ]


# --- what was accepted, and what arrived -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """Messages of QoS 1 that the outbox took, and what became of them.

    :ivar lost: topics of events that never arrived. :ivar stale: retained topics of which the broker has an older word.
    """

    accepted: int
    events: int
    lost: tuple[str, ...]
    twice: int
    stale: tuple[str, ...]


def balance(
    accepted: Iterable[tuple[str, str, bool]], heard: Iterable[Heard], retained: Mapping[str, str], since: float = 0.0
) -> Account:
    """Hold what was accepted against what arrived.

    :param accepted: topic, SHA-1 of the payload ("" for none), whether it is to be retained.
    :param retained: topic → what the broker has at the end, in hexadecimal digits.
    :param since: when the process that accepted them began.
    """
    events: dict[tuple[str, str], int] = defaultdict(int)
    states: dict[str, str] = {}
    count = 0
    for topic, digest, retain in accepted:
        count += 1
        if retain:
            states[topic] = digest
        else:
            events[topic, digest] += 1
    arrived: dict[tuple[str, str], int] = defaultdict(int)
    for one in heard:
        if not one.retained and one.at >= since:
            arrived[one.topic, _digest(one.payload.encode())] += 1
    lost = [topic for (topic, digest), much in events.items() for _ in range(much - arrived.get((topic, digest), 0))]
    twice = sum(max(0, arrived.get(key, 0) - much) for key, much in events.items())
    kept = {topic: _digest(bytes.fromhex(payload)) for topic, payload in retained.items()}
    stale = [topic for topic, digest in states.items() if kept.get(topic, "") != digest]
    return Account(count, sum(events.values()), tuple(lost), twice, tuple(stale))


def _digest(payload: bytes) -> str:
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest() if payload else ""


# --- the truth -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Telling:
    """An expectation, and after how many seconds it was met; None: never. ``within`` what it had."""

    expectation: Expectation
    after: float | None
    within: float

    @property
    def holds(self) -> bool:
        return self.after is not None and self.after <= self.within


def told(
    expectations: Sequence[Expectation], heard: Iterable[Heard], outages: Sequence[Outage], end: float = math.inf
) -> list[Telling]:
    """When each truth was told first, of those that had to be told before ``end``."""
    statuses: dict[str, list[Heard]] = defaultdict(list)
    for one in heard:
        if one.topic.startswith("camera/status/") and one.payload:
            statuses[one.topic.rpartition("/")[2]].append(one)
    return [
        Telling(one, _after(one, statuses[cid(one.mac)]), WITHIN[one.status] + _excuse(one, outages))
        for one in expectations
        if one.since + WITHIN[one.status] + _excuse(one, outages) <= end
    ]


def _after(expectation: Expectation, said: Sequence[Heard]) -> float | None:
    """Seconds until it was told, 0 when it stood there already; None when it never was."""
    moved = expectation.status == "ip_changed"
    meant = MEANS.get(expectation.status, {expectation.status})
    standing = False
    for one in said:
        document = json.loads(one.payload)
        if moved != (document["status"] == "ip_changed"):
            continue
        address = document["new_ip"] if moved else document["camera"]["ip"]
        met = document["status"] in meant and expectation.address in ("", address)
        if one.at > expectation.since:
            if standing or met:
                return 0.0 if standing else one.at - expectation.since
        elif not moved:
            standing = met
        elif met and one.at > expectation.since - DEED:
            return 0.0
    return 0.0 if standing else None


def _excuse(expectation: Expectation, outages: Sequence[Outage]) -> float:
    """Seconds in which nothing could be told, and the time to be found again, one outage after the other."""
    excuse = 0.0
    for outage in outages:
        deadline = expectation.since + WITHIN[expectation.status] + excuse
        end = (outage.end or deadline) + FOUND_AGAIN
        if outage.begin < deadline and end > expectation.since:
            excuse += end - max(outage.begin, expectation.since)
    return excuse


def unfounded(touches: Sequence[Touch], heard: Iterable[Heard]) -> list[str]:
    """Changes of cameras' states without a deed, or more of them than a deed makes: in words."""
    statuses: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for one in heard:
        if one.topic.startswith("camera/status/") and one.payload and not one.retained:
            document = json.loads(one.payload)
            if document["status"] != "ip_changed":
                statuses[one.topic.rpartition("/")[2]].append((one.at, document["status"]))
    found = []
    for camera, said in statuses.items():
        made: dict[int, int] = defaultdict(int)
        done = [touch for touch in touches if cid(touch.mac) == camera]
        for (_, before), (at, after) in pairwise(said):
            if before == after:
                continue
            number = sum(touch.begin <= at for touch in done) - 1
            kind = done[number].deed.kind if number >= 0 else "no deed"
            made[number] += 1
            most = 0 if number < 0 else CHANGES_BY_PASSWORD if kind == "password" else CHANGES
            if kind != "wifi" and made[number] > most:
                found.append(f"{camera} {before} → {after} after {kind}")
    return found


def verdicts_of(tellings: Sequence[Telling]) -> list[Verdict]:
    """One for each kind of truth: how many were late or never told."""
    found = []
    for status in WITHIN:
        these = [one for one in tellings if one.expectation.status == status]
        if not these:
            continue
        late = [one for one in these if not one.holds]
        times = sorted(one.after for one in these if one.after is not None)
        words = f"{len(these)} expected"
        if times:
            words += f"; told after {median(times):.0f} s (median), {times[-1]:.0f} s (most)"
        if late:
            words += "; late: " + ", ".join(
                f"{one.expectation.deed.kind} {cid(one.expectation.mac)} "
                + ("never" if one.after is None else f"{one.after:.0f} s of {one.within:.0f}")
                for one in late[:5]
            )
        limit = f"within {WITHIN[status]:.0f} s"
        found.append(Verdict(f"{status} not told {limit}", len(late), 0, "", words))
    return found
