"""What was accepted and what arrived go in; the account of a fault, and a table of all of them, come out."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The stall meter looks so often, in seconds.
TICK = 0.002

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
HEADING = "## Faults"


@dataclass(frozen=True)
class Account:
    """How a fault ended. Seconds and milliseconds as named; None: not a figure of this fault.

    :ivar accepted: QoS 1 messages that ``publish`` took (for a killed publisher: that were on its disk).
    :ivar lost: accepted, and never seen by the broker. :ivar duplicates: seen more than once, each time counted.
    :ivar noticed: from the fault to our knowing of it. :ivar back: from the cure to the first acknowledgement.
    :ivar stall: the longest that the reactor did not come round; ``stall_cpu`` what of that it computed itself.
    """

    fault: str
    accepted: int
    arrived: int
    lost: int
    duplicates: int
    noticed: float | None = None
    back: float | None = None
    stall_ms: float | None = None
    stall_cpu_ms: float | None = None
    rss_mb: float | None = None
    remark: str = ""


@dataclass
class Ledger:
    """Notes what was accepted, and balances it against what arrived. Messages are told apart by their topics."""

    accepted: set[str] = field(default_factory=set)

    def accept(self, topic: str) -> None:
        assert topic not in self.accepted
        self.accepted.add(topic)

    def balance(self, fault: str, arrivals: Sequence[str], **figures: Any) -> Account:
        """The account; AssertionError when something was lost, or came out of order within its key.

        :param arrivals: topics in the order of arrival, repetitions included.
        """
        arrived = set(arrivals)
        missing = self.accepted - arrived
        account = Account(
            fault,
            len(self.accepted),
            len(arrived & self.accepted),
            len(missing),
            len(arrivals) - len(arrived),
            **figures,
        )
        BOOK.append(account)
        assert not missing, f"{fault}: lost {len(missing)} of {len(self.accepted)}: {sorted(missing)[:5]}"
        disorder = out_of_order(arrivals)
        assert not disorder, f"{fault}: out of order: {disorder[:5]}"
        return account


#: Every account of this run.
BOOK: list[Account] = []


def note(fault: str, **figures: Any) -> None:
    """A line of the table for a fault without messages."""
    BOOK.append(Account(fault, **{"accepted": 0, "arrived": 0, "lost": 0, "duplicates": 0, **figures}))


def out_of_order(arrivals: Iterable[str]) -> list[str]:
    """First arrivals that came after a later one of the same key: topics are ``…/key/number``."""
    newest: dict[str, int] = {}
    seen: set[str] = set()
    wrong = []
    for topic in arrivals:
        if topic in seen:
            continue
        seen.add(topic)
        key, _, number = topic.rpartition("/")
        if int(number) < newest.get(key, -1):
            wrong.append(topic)
        newest[key] = max(int(number), newest.get(key, -1))
    return wrong


class _Excused:
    """Time that the test's own code takes on the reactor's thread; it is not the service's."""

    seconds = cpu = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        began, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began
            self.cpu += time.process_time() - cpu


excused = _Excused()


class StallMeter:
    """Measures how long the reactor does not come round.

    :ivar worst: seconds beyond the tick. :ivar worst_cpu: the most that this process, all its threads, computed between
        two ticks: what of a stall can be ours on a machine that others use too.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._call: Any = None
        self.worst = self.worst_cpu = 0.0

    def start(self) -> StallMeter:
        gc.collect()
        gc.freeze()  # the test runner's own objects are not ours to walk through
        self.reset()
        self._call = self._reactor.callLater(TICK, self._tick)
        return self

    def reset(self) -> None:
        """Forget what was."""
        self.worst = self.worst_cpu = 0.0
        self._at, self._cpu = time.monotonic() - excused.seconds, time.process_time() - excused.cpu

    def _tick(self) -> None:
        now, cpu = time.monotonic() - excused.seconds, time.process_time() - excused.cpu
        # The machine's other work is not ours, nor is what our threads did on the other processor meanwhile.
        self.worst = max(self.worst, now - self._at - TICK)
        self.worst_cpu = max(self.worst_cpu, min(now - self._at, cpu - self._cpu))
        self._at, self._cpu = now, cpu
        self._call = self._reactor.callLater(TICK, self._tick)

    def stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
            gc.unfreeze()

    def figures(self) -> dict[str, float]:
        return {"stall_ms": self.worst * 1000, "stall_cpu_ms": self.worst_cpu * 1000}


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(accounts: Sequence[Account]) -> str:
    """The accounts as a Markdown table."""

    def shown(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    lines = [
        "| fault | accepted | arrived | lost | duplicates | noticed s | first acknowledgement s | stall ms (own CPU) "
        "| RSS MB | remark |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for each in accounts:
        stall = shown(each.stall_ms, 0) + (f" ({each.stall_cpu_ms:.0f})" if each.stall_cpu_ms is not None else "")
        counts = (each.accepted, each.arrived, each.lost, each.duplicates) if each.accepted else ("",) * 4
        cells = (
            each.fault,
            *counts,
            shown(each.noticed, 1),
            shown(each.back, 2),
            stall,
            shown(each.rss_mb, 0),
            each.remark,
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def write(accounts: Sequence[Account], machine: str, unmet: Sequence[str] = (), page: Path = PAGE) -> None:
    """Put the table into its section of the page; the other sections stay. ``unmet``: what is known not to hold."""
    text = page.read_text(encoding="utf-8") if page.exists() else "# Benchmarks\n"
    before, heading, rest = text.partition(HEADING + "\n")
    after = rest[rest.index("\n## ") + 1 :] if heading and "\n## " in rest else ""
    accepted, lost = sum(each.accepted for each in accounts), sum(each.lost for each in accounts)
    known = "".join(f"**Does not hold:** {each}\n\n" for each in unmet)
    section = (
        f"{HEADING}\n\nWritten by `make faults`. {machine}\n\n"
        "Each line is one test of `tests/faults`: `MqttService` with its outbox on disk against a mosquitto child "
        "process, or a scripted broker. *Arrived* is what the broker's own log says it received; *lost* are accepted "
        "QoS 1 messages that it never received; *noticed* is from the fault to the change of state; *first "
        "acknowledgement* from the cure, or the broker's return, on. A *stall* is the longest that the reactor did not "
        "come round, waiting for the processor included (in brackets: what the process, all its threads, computed in "
        "such a time); what the test's own code took is left out. Long queues are drained up to three times, and "
        "the best is shown. Messages in a database file that was itself damaged are not counted: the remark says how "
        "many of them could be read.\n\n"
        f"In all: {accepted:,} accepted, **{lost:,} lost**.\n\n{known}{table(accounts)}\n"
    )
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"{before.rstrip()}\n\n{section}" + (f"\n{after}" if after else ""), encoding="utf-8")
