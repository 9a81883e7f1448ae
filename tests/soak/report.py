"""Report of a soak: its section of docs/benchmarks.md, and its picture."""

from __future__ import annotations

import os
import platform
from collections import Counter

from benchmarks.page import PAGE, write_section
from tests.soak.drawing import Line, Panel, draw
from tests.soak.run import Outcome
from tests.soak.scenario import KINDS, clock

TITLE = "## Soak"
PICTURE = PAGE.with_name("soak.svg")
_EXPLANATION = """\
`make soak HOURS={hours:g}` (as root; seed {seed}): the real daemon, a mosquitto on a host of its own,
{cameras} cameras, and the doubles of Frigate and go2rtc, in network namespaces; {deeds} deeds by a scenario ({kinds}).
How to read it: [CONTRIBUTING.md](../CONTRIBUTING.md#the-soak)."""


def picture(outcome: Outcome) -> str:
    """The SVG."""
    samples = outcome.samples

    def line(name: str, what: str, scale: float = 1.0) -> Line:
        return Line(name, [(one.at, getattr(one, what) / scale) for one in samples])

    ours = {id(one) for one in outcome.ours}
    marks = [(one.at - outcome.started, id(one) in ours) for one in outcome.lost]
    panels = [
        Panel("memory, MB", [line("resident", "rss", 1024), line("heap", "heap", 1024)], zero=False),
        Panel("longest turn of the reactor, ms (shorter than 15: none)", [line("own", "lag")]),
        Panel("outbox, messages", [line("waiting", "queued"), line("in flight", "flying")]),
        Panel(
            "descriptors, timers, threads", [line("fds", "fds"), line("timers", "timers"), line("threads", "threads")]
        ),
        Panel("database, kB", [line("state.db", "database"), line("its log", "log")]),
        Panel(
            "broken connections (dots: grey by the scenario, red by us)",
            [line("since the start", "lost")],
            marks=marks,
        ),
    ]
    title = f"Soak of {clock(outcome.plan.seconds)}: {outcome.cameras} cameras, seed {outcome.plan.seed}"
    return draw(title, outcome.plan.seconds, panels, outcome.plan.deeds)


def section(outcome: Outcome, load: str) -> str:
    """The text below the title."""
    plan = outcome.plan
    counts = Counter(deed.kind for deed in plan.deeds)
    kinds = ", ".join(f"{counts[kind]} × {kind}" for kind in KINDS if counts[kind])
    words = _EXPLANATION.format(
        hours=plan.seconds / 3600, seed=plan.seed, cameras=outcome.cameras, deeds=len(plan.deeds), kinds=kinds
    )
    lines = ["| figure | measured | at most | |", "|---|---:|---:|---|"]
    for one in outcome.verdicts:
        goal = "" if one.most is None else f"{one.most:g}"
        notes = "; ".join(filter(None, ("" if one.holds else "**fails**", one.remark)))
        lines.append(f"| {one.what} | {f'{one.value:,.10g} {one.unit}'.strip()} | {goal} | {notes.replace('|', '/')} |")
    verdict = "Everything holds." if outcome.holds else "**Not everything holds.**"
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    ends = ", ".join(filter(None, (machine, load)))
    image = f"![memory, lag, queue and disconnections over time, with the deeds]({PICTURE.name})"
    return f"{words}\n\n{verdict}\n\n" + "\n".join(lines) + f"\n\n{image}\n\n{ends}."


def write(outcome: Outcome, load: str) -> None:
    """Into the documents."""
    PICTURE.write_text(picture(outcome), "utf-8")
    write_section(TITLE, section(outcome, load))
