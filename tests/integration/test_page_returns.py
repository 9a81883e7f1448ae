"""What does not reach the page is asked for again, without anybody doing anything: a part of it, an answer, the line.

Chromium drops what is on its way whenever an address of the machine comes or goes, and a browser asks only once for a
module.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.browser import REASON, Browser
from tests.integration.test_web import CARDS, Stage, opened
from twisted_detector.web.assets import FOLDER

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]

LIVE = "document.querySelector('#live')?.dataset.state === 'live'"
LOST = "document.querySelector('#live')?.innerText === 'Not connected'"
#: Seconds for whatever a page does by itself: its longest pause, and as much again for a busy machine.
LONG = 70.0
AGAIN = (FOLDER / "again.js").read_text("utf-8")
#: again.js in a page of nothing else, by a simulated clock: when it asked and loaded, in seconds. ``steps`` is what
#: happens when; "begun" and "again" are the events, "held" and "released" whether an answer is kept back.
IN_A_WORLD = """
const [source, steps, isClosed, seconds, done] = arguments;
const told = [];
const node = { dataset: {}, lastElementChild: {} };
let now = 0;
let number = 0;
let timers = [];
let hold = null;
let release = () => {};
const events = {};
const world = {
  addEventListener: (name, call) => { events[name] = call; },
  setTimeout: (call, wait, ...given) => {
    timers.push([now + wait, number += 1, () => call(...given)]);
    return number;
  },
  clearTimeout: (one) => { timers = timers.filter((timer) => timer[1] !== one); },
  document: { readyState: "complete", getElementById: () => node },
  location: { reload: () => told.push(`loaded ${now / 1000}`) },
  fetch: async () => { told.push(`asked ${now / 1000}`); await hold; return { ok: true }; },
};
Object.defineProperty(world, "sessionStorage", { get: () => {
  if (isClosed) throw new DOMException("closed", "SecurityError");
  return { getItem: () => null, setItem: () => {} };
} });
new Function("world", `with (world) { ${source} }`)(world);
const happens = {
  begun: () => events.begun(), again: () => events.again(),
  held: () => { hold = new Promise((then) => { release = then; }); }, released: () => release(),
};
(async () => {
  for (; now <= seconds * 1000; now += 100) {
    for (const [at, what] of steps) if (at * 1000 === now) happens[what]();
    const due = timers.filter(([at]) => at <= now);
    timers = timers.filter(([at]) => at > now);
    for (const [, , call] of due) call();
    await new Promise((then) => setTimeout(then));
  }
  done(told);
})();
"""
#: An answer that is none of camdetect's for who asks for the session, until ``letIn`` is true.
REFUSED = """
const ask = window.fetch;
window.fetch = (url, ...more) => window.letIn || !String(url).endsWith("api/v1/session") ? ask(url, ...more)
  : Promise.resolve(new Response(%s, { status: %d }));
"""


@pytest.fixture
def browser() -> Iterator[Browser]:
    window = Browser()
    window.driver.execute_cdp_cmd("Network.enable", {})
    yield window
    window.end()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    staged = Stage("--unlimited", "--sites", cameras=5)
    yield staged
    staged.end()


def block(browser: Browser, *names: str) -> None:
    """From now on these come to nothing, and what was blocked before comes again."""
    browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": [f"*/{name}" for name in names]})


@pytest.mark.parametrize("name", ["assets/main.js", "assets/card.js"])
def test_a_script(browser: Browser, stage: Stage, name: str) -> None:
    """Where a script of the page does not come, the page says so, and is loaded again once it does."""
    block(browser, name)
    browser.open(stage.url)
    browser.wait("document.querySelector('#lost')?.innerText.includes('did not arrive')", LONG)
    block(browser)
    browser.wait(LIVE, LONG)
    browser.wait(f"{CARDS} === 5", LONG)
    assert browser.run("return document.querySelector('#lost').hidden")


@pytest.mark.parametrize(
    ("steps", "is_closed", "seconds", "told"),
    [
        ([(1, "again")], False, 10, ["asked 2", "loaded 2"]),
        ([(1, "again")], True, 60, ["asked 33", "loaded 33"]),
        ([(30.5, "begun"), (40, "again")], False, 60, ["asked 41", "loaded 41"]),
        ([(30.5, "held"), (31.5, "begun"), (32, "released")], False, 60, ["asked 31"]),
    ],
    ids=["one that did not come", "storage is closed", "late, then a view", "late, begun while it was asked"],
)
def test_again(
    browser: Browser, steps: list[tuple[float, str]], is_closed: bool, seconds: int, told: list[str]
) -> None:
    """When the page is loaded anew: soon; seldom where nothing can be kept; not where it was late, and came."""
    browser.driver.get("about:blank")
    assert browser.driver.execute_async_script(IN_A_WORLD, AGAIN, steps, is_closed, seconds) == told


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, '{"detail": "not from this network"}', "not from this network"),
        (429, "slower", "it answered 429"),
        (200, "<!doctype html>Who are you?", "what answers is not camdetect"),
    ],
)
def test_a_refusal(browser: Browser, stage: Stage, status: int, body: str, words: str) -> None:
    """A page that is refused says why, not that nobody answers; it begins once it is let in."""
    script = {"source": REFUSED % (json.dumps(body), status)}
    browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    browser.open(stage.url)
    browser.wait(f"document.querySelector('#lost')?.innerText.startsWith('The page cannot begin: {words}.')", LONG)
    browser.run("window.letIn = true")
    browser.wait(LIVE, LONG)
    browser.wait(f"{CARDS} === 5", LONG)


def test_a_style(browser: Browser, stage: Stage) -> None:
    """A style sheet that does not come is asked for again by itself: the page goes on meanwhile."""
    there = "getComputedStyle(document.querySelector('#ask')).borderRadius === '20px'"
    block(browser, "assets/parts.css")
    opened(browser, stage)
    assert not browser.run(f"return {there}")
    browser.run("window.thePage = 1")
    block(browser)
    browser.wait(there, LONG)
    assert browser.run("return window.thePage") == 1


def test_a_view(browser: Browser, stage: Stage) -> None:
    """A view that comes when it is opened, and does not come then, is shown later all the same."""
    opened(browser, stage)
    block(browser, "assets/networks.js")
    browser.run("location.hash = '#/networks'")
    browser.wait("document.querySelector('#lost').innerText.includes('did not arrive')", LONG)
    block(browser)
    browser.wait("document.querySelector('.nets li')", LONG)


@pytest.mark.parametrize("name", ["cameras?*", "discovery", "status", "session"])
def test_an_answer(browser: Browser, stage: Stage, name: str) -> None:
    """What the page needs and did not get is asked for again, while the line is up all the time."""
    block(browser, f"api/v1/{name}")
    browser.open(stage.url)
    browser.wait(LOST if name == "session" else LIVE, LONG)
    browser.run("window.thePage = 1")
    block(browser)
    browser.wait(LIVE, LONG)
    browser.wait(f"{CARDS} === 5", LONG)
    browser.wait("document.querySelector('#sweep').innerText.includes('scan')", LONG)
    browser.wait("!document.querySelector('#sites-link').hidden", LONG) if name == "status" else None
    assert browser.run("return window.thePage") == 1


def test_a_line_that_does_not_open(browser: Browser, stage: Stage) -> None:
    """A stream of events that nobody answers is not waited for for ever."""
    browser.driver.execute_cdp_cmd("Fetch.enable", {"patterns": [{"urlPattern": "*/api/v1/events*"}]})
    browser.open(stage.url)
    browser.wait(LOST, LONG)
    browser.driver.execute_cdp_cmd("Fetch.disable", {})
    browser.wait(LIVE, LONG)
    browser.wait(f"{CARDS} === 5", LONG)


def test_a_line_that_is_silent(browser: Browser, stage: Stage) -> None:
    """A line that is open and says nothing any more is told to be lost; it is live again when the daemon is."""
    opened(browser, stage)
    browser.wait(f"{CARDS} === 5")
    os.kill(stage.process.pid, signal.SIGSTOP)
    try:
        browser.wait(LOST, LONG)
    finally:
        os.kill(stage.process.pid, signal.SIGCONT)
    browser.wait(LIVE, LONG)
    stage.do(do="name", id="00408c000003", name="After that")
    browser.wait("document.querySelector('#cameras').innerText.includes('After that')", LONG)
