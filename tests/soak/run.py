"""Run of a soak: a plan goes in; samples, verdicts and what they rest on come out."""

from __future__ import annotations

import json
import re
import signal
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.canaries import CANARIES
from tests.lan.site import cid
from tests.soak.bed import HEALTH_TOPIC, SoakBed, soak_bed
from tests.soak.judge import (
    LAG,
    MEANS,
    Account,
    Telling,
    Verdict,
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
from tests.soak.sampler import Disconnection, Sample, Sampler
from tests.soak.scenario import Plan

#: What a log has that nobody handled.
_UNHANDLED = re.compile(r"Traceback|Unhandled|was never awaited|did not stop cleanly|could not be published")


@dataclass
class Outcome:
    """What a run was. ``started``: when its scenario began, in seconds since the epoch."""

    plan: Plan
    cameras: int
    samples: list[Sample]
    verdicts: list[Verdict]
    lost: list[Disconnection]
    ours: list[Disconnection]
    account: Account
    tellings: list[Telling]
    types: list[tuple[float, dict[str, int]]]
    started: float
    visits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return all(one.holds for one in self.verdicts)

    def save(self, file: Path) -> None:
        """What was measured, as JSON."""
        raw = {
            "seed": self.plan.seed,
            "samples": [asdict(one) for one in self.samples],
            "verdicts": [asdict(one) for one in self.verdicts],
            "disconnections": [asdict(one) for one in self.lost],
            "types": self.types,
            "tellings": [[str(one.expectation), one.after, one.within] for one in self.tellings],
            "lost": self.account.lost,
            "stale": self.account.stale,
            "visits": self.visits,
        }
        file.write_text(json.dumps(raw, indent=1) + "\n", "utf-8")


def soak(
    folder: Path, plan: Plan, *, cameras: int, doors: int, quiet: bool, say: Callable[[str], None] = print
) -> Outcome:
    """Run it.

    :param quiet: the machine has no other work: how late the reactor was is judged, too.
    """
    with soak_bed(folder, plan.seed, cameras=cameras, doors=doors) as bed:
        began = time.time()
        daemon = bed.start()
        say(f"{len(bed.fleet())} cameras are online after {time.time() - began:.1f} s; process {daemon.pid}")

        def mqtt() -> Any:
            told_ = bed.listener.on(HEALTH_TOPIC)
            return told_[-1].json["mqtt"] if told_ else None

        sampler = Sampler(daemon.pid, inside=bed.inside, state=bed.state, output=daemon.output, mqtt=mqtt)
        sampler.start()
        settled = time.time()
        try:
            for at, deed, begins in plan.moments:
                _sleep_until(sampler, at)
                if daemon.process.poll() is not None:
                    break
                say(str(deed) if begins else f"{'':9}over: {deed.kind}")
                try:
                    bed.deed(deed) if begins else bed.undo(deed)
                except Exception:  # hours of evidence are not thrown away for one deed; the verdict tells of it
                    bed.broken.append(f"{deed}: {traceback.format_exc(limit=-2)}")
                    say(bed.broken[-1])
            else:
                _sleep_until(sampler, plan.seconds)
        finally:
            sampler.stop()
        alive = daemon.process.poll() is None
        health = bed.listener.on(HEALTH_TOPIC)[-1].json
        if alive:
            CANARIES.look_at_daemon(daemon.environment)
            daemon.signal(signal.SIGTERM)
            status = daemon.wait(20)
        else:
            status = daemon.wait()
        return _outcome(plan, bed, sampler, health, alive, status, (began, settled), quiet)


def _sleep_until(sampler: Sampler, at: float) -> None:
    time.sleep(max(0.0, at - sampler.now))


def _outcome(
    plan: Plan,
    bed: SoakBed,
    sampler: Sampler,
    health: Any,
    alive: bool,
    status: int,
    times: tuple[float, float],
    quiet: bool,
) -> Outcome:
    began, settled = times
    time.sleep(1.0)
    retained = bed.retained()
    heard = bed.listener.heard()
    accepted = [tuple(json.loads(line)) for line in (bed.inside / "accepted").read_text("utf-8").splitlines()]
    account = balance(accepted, heard, retained, began)
    ended = settled + plan.seconds
    tellings = told(bed.expected, heard, bed.outages, ended)
    ours = of_our_making(sampler.disconnections, bed.outages)
    flaps = unfounded(bed.touches, [one for one in heard if one.at >= settled])
    samples = sampler.samples
    text = bed.process.text()
    for file in (bed.folder / "frigate.yml", bed.folder / "go2rtc.yaml"):
        CANARIES.look(file.read_bytes() if file.exists() else b"", file.name)
    CANARIES.look_at_files()
    unhandled = [line for line in text.splitlines() if _UNHANDLED.search(line)]
    visits = [json.loads(line) for visit in bed.visits for line in visit.lines() if line.startswith("{")]
    held = (plan.seconds, plan.calm, plan.cool)
    dropped = {reason: count for reason, count in health["mqtt"]["dropped"].items() if count}
    lag = max((one.lag for one in samples), default=0.0)
    verdicts = [
        Verdict("daemon ended before its time", float(not alive), 0),
        Verdict("exit status after SIGTERM", abs(status), 0),
        Verdict("disconnections of our making", len(ours), 0, "", "; ".join(one.line for one in ours[:3])),
        Verdict("disconnections by the scenario", len(sampler.disconnections) - len(ours), None),
        Verdict("messages of QoS 1 accepted", account.accepted, None, "", f"{account.events} of them events"),
        Verdict("lost", len(account.lost), 0, "", ", ".join(account.lost[:5])),
        Verdict("arrived twice", account.twice, None),
        Verdict("dropped by the outbox", sum(dropped.values()), 0, "", str(dropped) if dropped else ""),
        Verdict("retained topics that are not the last word", len(account.stale), 0, "", ", ".join(account.stale[:5])),
        _fleet(bed, retained, ended),
        *verdicts_of(tellings),
        Verdict("changes of a camera's state that no deed made", len(flaps), 0, "", "; ".join(flaps[:5])),
        growth(samples, plan.warm, plan.seconds, plan.cool, "rss"),
        growth(samples, plan.warm, plan.seconds, plan.cool, "heap"),
        slope(samples, plan.seconds, "rss"),
        grown(sampler.types, plan.warm),
        *(leaked(samples, *held, what) for what in ("fds", "threads", "timers")),
        Verdict(
            "longest turn of the reactor",
            round(lag, 1),
            LAG if quiet else None,
            "ms",
            "" if quiet else "not judged: the machine had other work",
        ),
        Verdict("longest queue", max((one.queued for one in samples), default=0), None, "messages"),
        Verdict(
            "most of the database and its log", max((one.database + one.log for one in samples), default=0), None, "kB"
        ),
        Verdict("lines in the log that nobody handled", len(unhandled), 0, "", " | ".join(unhandled[:3])),
        Verdict("secrets that can be read", len(CANARIES.leaks), 0, "", "; ".join(map(str, CANARIES.leaks[:3]))),
        _page(visits),
        Verdict("deeds that could not be done", len(bed.broken), 0, "", "; ".join(bed.broken[:2]).replace("\n", " ")),
        Verdict("samples that failed", len(sampler.faults), 0, "", "; ".join(sampler.faults[:3])),
    ]
    return Outcome(
        plan,
        len(bed.fleet()),
        samples,
        verdicts,
        sampler.disconnections,
        ours,
        account,
        tellings,
        sampler.types,
        settled,
        visits,
    )


def _fleet(bed: SoakBed, retained: dict[str, str], ended: float) -> Verdict:
    """Each camera is online at the end, where it is, but for those whose login must wait; and nobody else is."""
    wanted = {cid(mac): address for mac, address in bed.fleet().items()}
    waiting = {cid(one.mac) for one in bed.expected if one.since > ended}
    found = {}
    for topic, payload in retained.items():
        if topic.startswith("camera/status/"):
            document = json.loads(bytes.fromhex(payload))
            found[topic.rpartition("/")[2]] = (document["status"], document["camera"]["ip"])
    wrong = [
        f"{name} {found.get(name)}"
        for name, address in wanted.items()
        if found.get(name)
        not in [(status, address) for status in (MEANS["refused"] if name in waiting else ("online",))]
    ]
    wrong += [f"{name} is nobody" for name in found if name not in wanted]
    words = [*wrong[:5], *([f"{len(waiting)} whose login may not be tried yet"] if waiting else [])]
    return Verdict("cameras whose state at the end is not the truth", len(wrong), 0, "", "; ".join(words))


def _page(visits: Iterable[dict[str, Any]]) -> Verdict:
    """What browsers were refused, or lost."""
    refused = sum(count for one in visits for status, count in one["answers"].items() if status != "200")
    faults = [fault for one in visits for fault in one["faults"]]
    answers = sum(sum(one["answers"].values()) for one in visits)
    words = f"{answers} answers, {sum(one['events'] for one in visits)} events; {'; '.join(faults[:3])}".rstrip("; ")
    return Verdict("requests of browsers that failed", refused + len(faults), 0, "", words)
