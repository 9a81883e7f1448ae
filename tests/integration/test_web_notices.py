"""The page's view of notices in a real Chromium: the list, the bell, a test of each way; by keyboard and on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import REASON, Browser
from tests.integration.test_web import ENTER, Stage, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]
VIEW = "document.querySelector('#notices')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    window = Browser()
    yield window
    window.end()


@pytest.fixture
def stage(browser: Browser) -> Iterator[Stage]:
    staged = Stage("--picture-less")
    yield staged
    browser.desk()
    browser.open("about:blank")
    browser.complaints()
    staged.end()


def shown(browser: Browser, stage: Stage) -> None:
    opened(browser, stage, "#/notices")
    browser.wait(f"{VIEW}.querySelectorAll('.happened li').length === 2")


def answered(browser: Browser, way: str) -> str:
    return str(browser.run(f"return {VIEW}.querySelector('[data-way={way}] .answered').textContent"))


def test_list(browser: Browser, stage: Stage) -> None:
    """Open ones first, with their cameras; the bell counts them; ways that are off say what switches them on."""
    shown(browser, stage)
    rows = browser.run(f"return [...{VIEW}.querySelectorAll('.happened li')].map(n => [n.dataset.open, n.textContent])")
    assert rows[0][0] == "true"
    assert "12 cameras on 192.168.1.0/24 are offline" in rows[0][1]
    assert "and 7 more" in rows[0][1]
    assert "the picture moves again after 16 min" in rows[1][1]
    assert browser.run("return document.querySelector('#bell').getAttribute('aria-label')") == "Notices: 1 open"
    assert "Off: set TELEGRAM_TOKEN" in browser.run(f"return {VIEW}.querySelector('[data-way=telegram]').textContent")
    assert browser.run(f"return {VIEW}.querySelectorAll('[data-way=telegram] button').length") == 0
    assert browser.complaints() == []


def test_tests(browser: Browser, stage: Stage) -> None:
    """A button for each way that is on, by keyboard; what the other end said stands beside it, good or bad."""
    shown(browser, stage)
    for way, words in (
        ("ntfy", "The ntfy server accepted a test notice."),
        ("mail", "The server refuses the login: 535; check NOTICE_MAIL_PASSWORD."),
    ):
        browser.run(f"{VIEW}.querySelector('[data-test={way}]').focus()")
        browser.keys(ENTER)
        browser.wait(f"{VIEW}.querySelector('[data-way={way}] .answered').textContent === {words!r}")
        assert browser.run("return document.activeElement.dataset.test") == way
    assert answered(browser, "ntfy")  # the other's answer has not taken it away


def test_told_meanwhile(browser: Browser, stage: Stage) -> None:
    """A notice that is told while the page is open comes by itself; what a camera calls itself is text."""
    shown(browser, stage)
    stage.do(do="notice", name="<img src=x onerror='window.planted = 1'> http://evil.example")
    browser.wait(f"{VIEW}.querySelectorAll('.happened li').length === 3")
    browser.wait("document.querySelector('#bell').textContent.trim() === '2'")
    text = browser.run(f"return {VIEW}.querySelector('.happened li').textContent")
    assert "<img src=x" in text
    assert browser.run("return window.planted") is None
    links = browser.run(f"return [...{VIEW}.querySelectorAll('a')].map(n => n.getAttribute('href'))")
    assert {link[:9] for link in links} == {"#/camera/"}


def test_elsewhere(browser: Browser, stage: Stage) -> None:
    """On another view the bell alone changes, and leads there."""
    opened(browser, stage)
    browser.wait("document.querySelector('#bell').textContent.trim() === '1'")
    stage.do(do="notice", name="Gate")
    browser.wait("document.querySelector('#bell').textContent.trim() === '2'")
    browser.run("document.querySelector('#bell').click()")
    browser.wait(f"!{VIEW}.hidden && {VIEW}.querySelectorAll('.happened li').length === 3")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone(browser: Browser, stage: Stage, theme: str) -> None:
    """At 360 pixels nothing is wider than the screen, the bell is beside the name, and axe-core finds no fault."""
    browser.size(360, 740)
    browser.media(**{"prefers-color-scheme": theme})
    shown(browser, stage)
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert browser.run("return document.querySelector('#bell').getBoundingClientRect().top") < 30
    assert browser.judged() == []
