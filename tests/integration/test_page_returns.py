"""What does not reach the page is asked for again, without anybody doing anything: a part of it, an answer, the line.

Chromium drops what is on its way whenever an address of the machine comes or goes, and a browser asks only once for a
module.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.browser import REASON, Browser
from tests.integration.test_web import CARDS, Stage, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]

LIVE = "document.querySelector('#live')?.dataset.state === 'live'"
LOST = "document.querySelector('#live')?.innerText === 'Not connected'"
#: Seconds for whatever a page does by itself: its longest pause, and as much again for a busy machine.
LONG = 70.0


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
