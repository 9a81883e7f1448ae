"""Cameras that are made up go in; how soon the page shows them, and whether it ever freezes, comes out.

    make bench-web             measures, prints the table, and puts it into docs/benchmarks.md

The page is the real one over a real socket (``tests/web_stage.py``), the browser is Debian's Chromium, headless. First
paint is the browser's own figure (PerformanceObserver, ``paint``), from the beginning of the navigation, without a
cache. An update is measured from the event's own stamp to the frame after the one that shows it. The longest task is
that of a Chromium trace (``RunTask`` of the main thread).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.page import milliseconds_table, write_section
from tests.browser import REASON, Browser
from tests.integration.test_web import Stage

ROOT = Path(__file__).resolve().parents[1]
TITLE = "## The page"

#: When the first frame after the one that has cards is on its way: told by two frames in a row.
_WATCH_CARDS = """
new MutationObserver((_, watch) => {
  if (!document.querySelector('.card')) return;
  watch.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.cardsAt = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""
#: What came over the network of document, scripts and style sheets, with the heads of the answers (Resource Timing).
_CODE = """
return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  .filter(one => one.entryType === 'navigation' || /\\.(js|css)$/.test(new URL(one.name).pathname))
  .reduce((sum, one) => sum + one.transferSize, 0);
"""
_WATCH_UPDATE = """
window.shownAt = null;
const shown = `[data-id="${arguments[0]}"][data-status=offline]`;
new MutationObserver((_, watch) => {
  if (!document.querySelector(shown)) return;
  watch.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.shownAt = Date.now(); }));
}).observe(document.querySelector('.grid'), { attributes: true, childList: true, subtree: true });
"""


def visit(browser: Browser, stage: Stage) -> tuple[float, float]:
    """First paint and first cards, milliseconds from the beginning of the navigation."""
    browser.driver.get("about:blank")
    browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    browser.driver.get(stage.url)
    paint = browser.wait("performance.getEntriesByName('first-contentful-paint')[0]?.startTime", 20)
    cards = browser.wait("window.cardsAt", 20)
    return float(paint), float(cards)


def painting(browser: Browser, runs: int, cameras: int) -> tuple[float, list[float], list[float], int]:
    """The first visit, then the others: paint of the first, paints, cards; octets of code that a visit fetched."""
    stage = Stage(cameras=cameras)
    script = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH_CARDS})
    try:
        found = [visit(browser, stage) for _ in range(runs + 1)]
        code = int(browser.run(_CODE))
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        browser.open("about:blank")
        stage.end()
    return found[0][0], [paint for paint, _ in found[1:]], [cards for _, cards in found[1:]], code


def updating(browser: Browser, runs: int) -> list[float]:
    """Milliseconds from each event to the frame that shows it."""
    stage = Stage(cameras=100)
    times = []
    size = browser.driver.get_window_size()
    try:
        browser.driver.set_window_size(size["width"], 4 * size["height"])  # each run takes one that is online, in view
        browser.open(stage.url)
        browser.wait("document.querySelectorAll('.card').length > 4", 20)
        browser.run(_CHOOSE, 0, "name")  # a camera that changes stays where it is
        for _ in range(runs):
            time.sleep(0.5)
            camera = browser.run("return document.querySelector('.card[data-status=online]').dataset.id")
            browser.run(_WATCH_UPDATE, camera)
            stage.do(do="offline", id=camera)
            shown = browser.wait("window.shownAt", 5)
            happened = stage.get(f"activity?limit=1&camera_id={camera}")["activity"][0]["at"]
            times.append(shown - browser.run("return Date.parse(arguments[0])", happened))
    finally:
        browser.driver.set_window_size(size["width"], size["height"])
        browser.open("about:blank")
        stage.end()
    return times


def longest_task(browser: Browser, work: Callable[[Browser], None]) -> tuple[float, float]:
    """The longest task of a page's main thread while ``work`` is done, in milliseconds: by the clock, and the most
    processor time that one took.
    """
    events = browser.traced(_CATEGORIES, lambda: work(browser))
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    durations = [
        (event.get("dur", 0) / 1000, event.get("tdur", 0) / 1000)
        for event in events
        if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in mains
    ]
    if len(durations) < 100:
        sys.exit(f"the trace has only {len(durations)} tasks of the page: nothing was measured")
    return max(wall for wall, _ in durations), max(own for _, own in durations)


def freezing(browser: Browser) -> dict[str, tuple[float, float]]:
    """With a thousand cameras: the longest task while the page loads, and while each thing is done."""
    stage = Stage(cameras=1000)
    found = {}

    def load(browser: Browser) -> None:
        browser.open(stage.url)
        browser.wait("document.querySelector('h1').innerText.startsWith('1,000')", 20)
        browser.wait("document.querySelectorAll('.picture img.there').length > 3", 20)

    def searching(browser: Browser) -> None:
        for word in ("driveway", "axis 192.168.3", "00:40:8c:00:01", "nothing", "offline"):
            for end in range(1, len(word) + 1):
                browser.run(_TYPE, word[:end])
                time.sleep(0.03)
            browser.run(_TYPE, "")
            time.sleep(0.1)

    def scrolling(browser: Browser) -> None:
        height = browser.run("return document.documentElement.scrollHeight")
        for step in range(60):
            browser.run("scrollTo(0, arguments[0])", height * (step if step < 30 else 60 - step) / 30)
            time.sleep(0.05)

    def storms(browser: Browser) -> None:
        for _ in range(5):
            stage.do(do="storm", count=1000)
            time.sleep(0.6)

    def sorting(browser: Browser) -> None:
        for select, words in ((0, ("name", "address", "changed", "first", "state")), (1, ("state", "maker", "none"))):
            for word in words:
                browser.run(_CHOOSE, select, word)
                time.sleep(0.2)

    def everything(browser: Browser) -> None:
        stage.do(do="storm", count=1000)
        scrolling(browser)
        searching(browser)
        storms(browser)

    try:
        for what, work in (
            ("loading", load), ("searching as one types", searching), ("scrolling through all", scrolling),
            ("1 000 cameras changing at once, five times", storms), ("sorting and grouping", sorting),
            ("all of that at the same time", everything),
        ):  # fmt: skip
            if work is not load:
                load(browser)
            found[what] = longest_task(browser, work)
            browser.open("about:blank")
    finally:
        stage.end()
    return found


_CATEGORIES = "-*,toplevel,disabled-by-default-devtools.timeline,__metadata"
_READING = """\
What a task takes by the clock beyond its processor time is other work on the machine: here that of the browser's other
processes, of the daemon, and of whatever else ran; the two columns are of the longest task by either measure."""
_TYPE = """
const field = document.querySelector('#search');
field.value = arguments[0];
field.dispatchEvent(new Event('input'));
"""
_CHOOSE = """
const select = document.querySelectorAll('.choice select')[arguments[0]];
select.value = arguments[1];
select.dispatchEvent(new Event('change'));
"""


def main() -> None:
    if REASON:
        sys.exit(REASON)
    parser = argparse.ArgumentParser(description="How soon the page shows what is, and whether it freezes.")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--first", action="store_true", help="before whatever else runs on this machine")
    options = parser.parse_args()
    if options.first:
        os.nice(-15)  # whatever is started from here too
        group = Path("/proc/self/autogroup")  # sched(7)
        if group.exists():
            group.write_text("-19")
    browser = Browser()
    try:
        first, paints, cards, _ = painting(browser, options.runs, 100)
        _, fleet_paints, fleet_cards, code = painting(browser, options.runs, 1000)
        updates = updating(browser, options.runs)
        freezes = freezing(browser)
        version = browser.driver.capabilities["browserVersion"]
    finally:
        browser.end()
    rows = [
        ("100 cameras: first paint, very first visit", [first], "1000"),
        ("100 cameras: first paint", paints, "1000"),
        ("100 cameras: cards are shown", cards, ""),
        ("100 cameras: from an event to the frame that shows it", updates, "300"),
        ("1 000 cameras: first paint", fleet_paints, "1000"),
        ("1 000 cameras: cards are shown", fleet_cards, ""),
    ]
    lines = [
        "| 1 000 cameras: longest task while | by the clock, ms | of processor time, ms | at most, ms |",
        "|---|---:|---:|---:|",
    ]
    lines += [f"| {what} | {wall:.0f} | {own:.0f} | 100 |" for what, (wall, own) in freezes.items()]
    first_of_all = " before other work on it," if options.first else ""
    machine = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.release()},"
        f" Chromium {version} headless without a GPU, everything on the same machine, {options.runs} runs,"
        f"{first_of_all} load average at the end {os.getloadavg()[0]:.1f}; `make bench-web`."
    )
    wire = f"Code on the wire when the page is opened, with the heads of the answers: {code / 1000:.1f} kB of 60."
    text = "\n\n".join((milliseconds_table(rows), wire, "\n".join(lines), _READING, machine))
    print(text)
    if options.write:
        write_section(TITLE, text)


if __name__ == "__main__":
    main()
