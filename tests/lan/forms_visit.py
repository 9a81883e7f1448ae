"""A person at the real daemon's forms, in a browser of a phone's size; what he saw and how long it took, as JSON.

    python -m tests.lan.forms_visit URL LOCKED ADDED FOLDER

LOCKED is the id of a camera that needs a login, which is in CAMERA_LOGIN; ADDED the URL of a stream that nobody finds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from tests.browser import Browser
from tests.integration.test_web import ENTER, TAB

LOGIN = "document.querySelector('[data-group=login] .answered').textContent"
NAMED = "document.querySelector('[data-group=name] .answered').textContent"
ADDED = "document.querySelector('#add .answered').textContent"


def main() -> None:
    url, locked, added = sys.argv[1:4]
    folder = Path(sys.argv[4])
    user, _, password = os.environ["CAMERA_LOGIN"].partition(":")
    browser = Browser()
    browser.size(390, 844)
    saw: dict[str, object] = {}
    try:
        browser.open(f"{url}#/cameras")
        card = f"[data-id='{locked}'][data-status=auth_required] .foot a"
        browser.wait("document.querySelector(arguments[0])", 30, card)
        browser.run("document.querySelector(arguments[0]).focus()", card)
        browser.keys(ENTER)
        browser.wait("document.activeElement.name === 'user'", 10)
        browser.keys(user, TAB)
        browser.keys("wr0ng-word", ENTER)
        browser.wait(f"{LOGIN}.includes('attempts left')", 15)
        saw["refused"] = browser.run(f"return {LOGIN}")
        browser.wait("document.activeElement.name === 'password'")
        browser.keys(password)
        began = time.monotonic()
        browser.keys(ENTER)
        browser.wait("document.querySelector('#detail .verdict').dataset.status === 'online'", 30)
        saw["login_seconds"] = time.monotonic() - began
        browser.wait(f"{LOGIN}.includes('Kept for')", 15)
        saw["accepted"] = browser.run(f"return {LOGIN}")
        browser.driver.save_screenshot(str(folder / "forms-1.png"))
        browser.run("document.querySelector('[data-group=name]').open = true")
        browser.type("[data-group=name] [name=name]", "n" * 500)
        browser.keys(ENTER)
        browser.wait("document.querySelector('[data-group=name] .fault').textContent", 10)
        saw["too_long"] = browser.run("return document.querySelector('[data-group=name] .fault').textContent")
        browser.type("[data-group=name] [name=name]", "Hen house")
        browser.keys(ENTER)
        browser.wait(f"{NAMED}.startsWith('Saved.')", 10)
        browser.wait("document.querySelector('#detail-title').textContent === 'Hen house'")
        saw["named"] = browser.text(".settings")
        browser.driver.save_screenshot(str(folder / "forms-2.png"))
        browser.open(f"{url}#/cameras")
        browser.wait("document.querySelector('#sweep a')", 10)
        browser.run("document.querySelector('#sweep a').focus()")
        browser.keys(ENTER)
        browser.wait("document.activeElement.name === 'target'")
        refused = []
        for target in ("10.16.0.0/12", "rtsp://viewer:wr0ng-word@127.0.0.1/live", "no camera!"):
            browser.type("#add [name=target]", target)
            browser.keys(ENTER)
            refused.append(browser.wait("document.querySelector('#add .fault').textContent", 10))
        saw["refused_targets"] = refused
        browser.type("#add [name=target]", added)
        browser.keys(ENTER)
        browser.wait(f"{ADDED}.startsWith('The camera was added')", 60)
        saw["added"] = browser.text("#add")
        browser.driver.save_screenshot(str(folder / "forms-3.png"))
        browser.run("location.hash = '#/networks'")
        browser.wait("document.querySelector('.nets li')", 10)
        saw["networks"] = browser.text(".nets")
        browser.type("#networks [name=network]", "10.88.0.0/24")
        browser.keys(ENTER)
        browser.wait("document.querySelector(`[data-remove='10.88.0.0/24']`)", 10)
        browser.type("#networks [name=network]", "10.0.0.0/8")
        browser.keys(ENTER)
        browser.wait("document.querySelector('#networks .fault').textContent", 10)
        saw["too_large"] = browser.run("return document.querySelector('#networks .fault').textContent")
        browser.run("document.querySelector(`[data-remove='10.88.0.0/24']`).focus()")
        browser.keys(ENTER)
        browser.wait("document.querySelector('#ask').open")
        browser.click("#ask .danger")
        browser.wait("!document.querySelector(`[data-remove='10.88.0.0/24']`)", 10)
        browser.driver.save_screenshot(str(folder / "forms-4.png"))
        saw["overflow"] = browser.run("return document.documentElement.scrollWidth - innerWidth")
        saw["page"] = browser.run("return document.documentElement.outerHTML + location.href")
        saw["complaints"] = browser.complaints(lambda line: "400" in line)  # a refusal at a field is one
    finally:
        browser.end()
    print(json.dumps(saw))


if __name__ == "__main__":
    main()
