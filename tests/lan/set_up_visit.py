"""A person who takes his time over the first run: not every camera is his, the broker's address is mistyped at first.

    python -m tests.lan.set_up_visit URL STRANGER LATER

The broker's login (``user:password``) is in BROKER_LOGIN, that of the cameras in CAMERA_LOGIN; STRANGER is the address
of the camera that is not his, LATER that of one whose login he does not give now.
"""

from __future__ import annotations

import json
import os
import sys

from tests.browser import Browser
from tests.lan.first_run_visit import started_again

PANEL = "document.querySelector('#first-broker').closest('section')"
ANSWER = f"{PANEL}.querySelector('.answered').textContent"
FAULT = "document.querySelector('#first-run input[name={}]').closest('.field').querySelector('.fault').textContent"
_TILE = (
    "[...document.querySelectorAll('#first-run .mine li')].find(n => n.innerText.includes('{}')).querySelector('input')"
)
_SOME = (
    "[...document.querySelectorAll('#first-run .some li')].find(n => n.innerText.includes('{}')).querySelector('input')"
)


def main() -> None:
    url, stranger, later = sys.argv[1:4]
    user, _, password = os.environ["BROKER_LOGIN"].partition(":")
    camera_user, _, camera_password = os.environ["CAMERA_LOGIN"].partition(":")
    browser = Browser()
    browser.size(390, 844)
    try:
        browser.open(url)
        browser.wait("location.hash === '#/first-run'", 10)
        browser.wait("document.querySelectorAll('#first-run .mine li').length === 4", 30)
        browser.run(f"{_TILE.format(stranger)}.click()")
        browser.wait("document.querySelector('[data-act=mine]').textContent === 'These 3 are mine'")
        browser.click("[data-act=mine]")
        browser.wait("document.querySelector('#first-run .answered').textContent === '3 cameras adopted.'", 15)
        browser.wait("document.querySelector('[data-act=try]').textContent === 'Try on 2 cameras'", 15)
        browser.click("#first-run details summary")
        browser.run(f"{_SOME.format(later)}.click()")
        browser.wait("document.querySelector('[data-act=try]').textContent === 'Try on 1 camera'")
        browser.type("#first-run input[name=user]", camera_user)
        browser.type("#first-run input[name=password]", camera_password)
        browser.click("[data-act=try]")
        browser.wait("document.querySelector('#first-run .results .said')?.textContent.includes('accepts it')", 30)
        tried = browser.text("#first-run .results")
        browser.wait(
            "!document.querySelector('#first-consumers').closest('section').innerText.includes('Searching')", 20
        )
        browser.run(f"{PANEL}.querySelector('input[value=other]').click()")
        faults = []
        browser.click("[data-act=test]")  # nothing is typed
        faults.append(browser.wait(FAULT.format("MQTT_BROKER")))
        browser.type("input[name=MQTT_BROKER]", "127.0.0.1")
        browser.type("input[name=MQTT_PORT]", "99999")
        browser.click("[data-act=test]")
        faults.append(browser.wait(FAULT.format("MQTT_PORT")))
        browser.type("input[name=MQTT_PORT]", "1885")
        browser.click("[data-act=test]")
        faults.append(browser.wait(FAULT.format("MQTT_BROKER"), 10))
        browser.type("input[name=MQTT_PORT]", "1884")
        browser.click("[data-act=test]")
        faults.append(browser.wait(FAULT.format("MQTT_USERNAME"), 10))
        judged = {}
        for width, theme in ((390, "light"), (360, "dark"), (1280, "light")):
            browser.size(width, 844)
            browser.run(
                "document.documentElement.dataset.theme = arguments[0];"
                "const s = new CSSStyleSheet(); s.replaceSync('* { transition: none !important }');"
                "document.adoptedStyleSheets = [s]",
                theme,
            )
            wider = browser.run("return document.documentElement.scrollWidth - innerWidth")
            judged[f"{width} {theme}"] = [*browser.judged(), *([f"{wider} pixels too wide"] if wider > 0 else [])]
        browser.size(390, 844)
        browser.type("input[name=MQTT_USERNAME]", user)
        browser.type("section[aria-labelledby=first-broker] input[type=password]", password)
        browser.click("[data-act=test]")
        browser.wait(f"{ANSWER}.startsWith('Connected')", 10)
        connected = browser.run(f"return {ANSWER}")
        browser.click("[data-act=finish]")
        browser.wait("location.hash === '#/cameras'", 15)
        started_again(url)
        # The page that is open comes back by itself, and is told of the new broker.
        browser.wait("document.querySelector('#live').dataset.state === 'live'", 30)
        browser.wait("document.querySelectorAll('.card').length === 4", 20)
        browser.run("location.hash = '#/first-run'")
        kept = browser.wait(
            f"{PANEL}.innerText.includes('A password is saved')"
            " && document.querySelector('input[name=MQTT_PORT]').value", 10,
        )  # fmt: skip
    finally:
        browser.end()
    print(json.dumps({"faults": faults, "judged": judged, "connected": connected, "kept": kept, "tried": tried}))


if __name__ == "__main__":
    main()
