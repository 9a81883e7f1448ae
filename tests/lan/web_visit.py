"""The page's address goes in; what a browser in this namespace saw and did there comes out as JSON."""

from __future__ import annotations

import json
import sys

from tests.browser import Browser


def main() -> None:
    url, camera, closed = sys.argv[1:4]
    browser = Browser()
    try:
        browser.open(f"{url}#/cameras")  # else it opens on the first run
        browser.wait("document.querySelectorAll('.card').length === 2", 15)
        browser.wait("document.querySelector('h1').innerText.includes('1 online')", 15)
        seen = browser.text("main")
        browser.run("location.hash = `#/camera/${arguments[0]}`", camera)
        browser.wait("document.querySelector('#detail .stream')")
        detail = browser.text("#detail")
        browser.run("document.querySelector('#detail').close(); location.hash = `#/why/${arguments[0]}`", closed)
        browser.wait("document.querySelector('.answer h2')", 15)
        why = browser.text(".answer")
        browser.run("location.hash = '#/mqtt'")
        browser.wait("document.querySelector('#mqtt h1')?.innerText === 'MQTT is connected'")
        browser.run("location.hash = `#/camera/${arguments[0]}`", camera)
        browser.wait("document.querySelector('#detail [data-act=forget]')")
        browser.click("#detail [data-act=forget]")
        browser.click("#ask .danger")
        browser.wait("document.querySelector('.toasts').innerText.includes('is forgotten')")
        complaints = browser.complaints(lambda line: "/live?" in line)  # it was forgotten while it was shown live
    finally:
        browser.end()
    print(json.dumps({"seen": seen, "detail": detail, "why": why, "complaints": complaints}))


if __name__ == "__main__":
    main()
