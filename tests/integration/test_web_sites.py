"""The sites of a fleet on the page, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import REASON, Browser
from tests.fleet_stage import BARNS, FAR, LEFT
from tests.integration.test_web import Stage, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    window = Browser()
    yield window
    window.end()


def test_sites(browser: Browser) -> None:
    """Each site with its networks, what is away, and every camera; a command about one goes to its node."""
    stage = Stage("--unlimited", "--sites", "--picture-less", cameras=12)
    try:
        opened(browser, stage)
        browser.wait("!document.querySelector('#sites-link').hidden")
        browser.click("#sites-link")
        browser.wait("document.querySelectorAll('[data-site]').length === 3")
        assert f"{12 + FAR + LEFT} cameras. This page is that of attic." in browser.text("#sites .under")
        assert browser.text("[data-site=attic] h2") == "attic (this page)"
        assert "192.168.1.0/24, 192.168.2.0/24" in browser.text("[data-site=attic]")
        assert f"{LEFT} cameras that only it knows cannot be watched" in browser.text("#sites .findings")
        assert "Away" in browser.text("[data-site^=south] dl")
        page = browser.run("return document.querySelector('[data-site=barn] p > a').href")
        assert page == "http://barn.example:8787/"
        # Its cameras, some at a time, those with trouble first.
        browser.click("[data-site=barn] summary")
        rows = "document.querySelectorAll('[data-site=barn] li').length"
        browser.wait(f"{rows} === 100")
        assert "No stream plays" in browser.text("[data-site=barn] li")
        browser.click("[data-site=barn] details > button")
        browser.wait(f"{rows} === {FAR}")
        # A check is the other node's to make; this page's own cameras have their view.
        browser.run("document.querySelector('[data-site=barn] li button').scrollIntoView({ block: 'center' })")
        browser.click("[data-site=barn] li button")
        browser.wait("document.querySelector('[data-site=barn] li').innerText.includes('barn checks it now')")
        assert "Not on every site: west: it did not answer" in browser.text(".toast.bad")
        assert browser.run("return document.querySelectorAll('[data-site=attic] li button').length") == 0
        # News leaves what was unfolded, and whoever stands on a control.
        browser.run("document.querySelector('[data-site=barn] li button').focus()")
        stage.do(do="fleet", id="far7", state={"status": "offline", "name": "Zebra"})
        browser.run("location.hash = '#/mqtt'")
        browser.run("location.hash = '#/sites'")
        browser.wait("document.querySelector('#sites').innerText.includes('Zebra')")
        assert browser.run(f"return {rows}") == FAR
        assert "Check" in browser.run("return document.activeElement.innerText")
        browser.run("document.querySelector('[data-site=attic] summary').scrollIntoView({ block: 'center' })")
        browser.click("[data-site=attic] summary")
        browser.wait("document.querySelector('[data-site=attic] li a')")
        assert browser.run("return document.querySelector('[data-site=attic] li a').hash").startswith("#/camera/")
        # The view of a camera says which other node publishes it, and where it is adopted.
        others = "#detail .verdict .remark"
        stage.do(do="facts", id=BARNS, facts={"adopted": "no"})
        browser.run(f"location.hash = '#/camera/{BARNS}'")
        browser.wait(f"document.querySelector('{others}')?.innerText?.includes('Node barn publishes this') === true")
        assert browser.run(f"return document.querySelector('{others} a').href") == "http://barn.example:8787/"
        browser.wait("document.querySelector('#detail [data-act=adopt]')?.innerText === 'Adopt here'")
        assert "Node barn says that it is adopted there" in browser.text("#detail")
    finally:
        stage.end()


def test_none(browser: Browser) -> None:
    """A daemon that shares nothing has no such view in its menu, and says so where one is asked for."""
    stage = Stage("--unlimited", "--picture-less", cameras=3)
    try:
        opened(browser, stage)
        browser.wait("document.querySelectorAll('.card').length === 3")
        assert browser.run("return document.querySelector('#sites-link').hidden")
        browser.run("location.hash = '#/sites'")
        browser.wait("document.querySelector('#sites .under')?.innerText?.includes('NODES_ENABLED is off') === true")
    finally:
        stage.end()
