"""The first run in a browser of a phone's size, as a person would do it; what he saw and how much he did, as JSON.

    python -m tests.lan.first_run_visit URL CAMERAS FOLDER

The two logins (``user:password``) are in FIRST_LOGIN and SECOND_LOGIN.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from tests.browser import Browser
from tests.processes import wait_until

#: CSS pixels of a phone.
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
TILES = "document.querySelectorAll('#first-run .mine li').length"
WANTING = "document.querySelector('[data-act=try]').textContent"


class Person:
    """A thumb: every click and every field that is filled in counts."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.clicks = 0
        self.fields = 0

    def click(self, selector: str) -> None:
        self.clicks += 1
        self.browser.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self.browser.click(selector)

    def type(self, selector: str, text: str) -> None:
        self.fields += 1
        self.browser.type(selector, text)

    def login(self, login: str) -> None:
        """One login on all that still want one."""
        user, _, password = login.partition(":")
        self.type("#first-run input[name=user]", user)
        self.type("#first-run input[name=password]", password)
        self.click("[data-act=try]")


def started_again(url: str) -> None:
    """Until the parts run with what was set: a page that is loaded just then would lack files."""

    def look() -> bool:
        try:
            with urlopen(f"{url}api/v1/settings", timeout=5) as answer:
                return not json.loads(answer.read())["restarting"]
        except OSError:
            return False

    time.sleep(0.5)
    wait_until(look, 20, "the end of the restart")


def main() -> None:
    url, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    first, second = (os.environ[name] for name in ("FIRST_LOGIN", "SECOND_LOGIN"))
    browser = Browser()
    person = Person(browser)
    panel = "document.querySelector('#first-{}').closest('section').innerText.includes('{}')"
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        began = time.monotonic()
        browser.open(url)
        browser.wait("location.hash === '#/first-run'", 10)
        browser.wait(f"{TILES} === {count}", 30)
        browser.driver.save_screenshot(str(folder / "first-run-1.png"))
        person.click("[data-act=mine]")
        browser.wait("document.querySelector('#first-run .answered').textContent.includes('adopted')", 15)
        seen = browser.text("#first-run")
        person.login(first)
        browser.wait(
            "[...document.querySelectorAll('#first-run .answered')].some(n => n.textContent.startsWith('Accepted'))", 40
        )
        after_first = browser.text("#first-run .results")
        browser.driver.save_screenshot(str(folder / "first-run-2.png"))
        person.login(second)
        browser.wait(panel.format("login", "None of your cameras needs"), 40)
        browser.wait(f"!{panel.format('consumers', 'Searching')}", 20)
        set_up = browser.text("#first-run")
        overflow = browser.run("return document.documentElement.scrollWidth - innerWidth")
        person.click("[data-switch=go2rtc]")
        browser.driver.save_screenshot(str(folder / "first-run-3.png"))
        person.click("[data-act=finish]")
        browser.wait("location.hash === '#/cameras'", 15)
        took = time.monotonic() - began
        browser.wait(f"document.querySelector('#cameras-title').innerText === '{count} cameras, all well'", 40)
        online = time.monotonic() - began
        started_again(url)
        browser.wait("document.querySelector('#live').dataset.state === 'live'", 30)
        browser.open(url)
        browser.wait("document.querySelectorAll('.card').length > 0", 20)
        again = browser.run("return location.hash")
        complaints = browser.complaints(lambda line: "ERR_" in line)  # the daemon was away while it started again
    finally:
        browser.end()
    print(
        json.dumps(
            {
                "clicks": person.clicks, "fields": person.fields, "took": took, "online": online, "seen": seen,
                "after_first": after_first, "set_up": set_up, "overflow": overflow, "again": again,
                "complaints": complaints,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
