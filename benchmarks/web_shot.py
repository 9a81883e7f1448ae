"""Nothing goes in; the pictures of the README come out: all cameras, one camera's form, the first run on a phone.

make screenshot            writes docs/images/{page,form,first-run}.png
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.browser import REASON, Browser
from tests.integration.test_web import Stage

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def main() -> None:
    if REASON:
        sys.exit(REASON)
    stage, browser = Stage(cameras=24), Browser()

    def shoot(name: str) -> None:
        time.sleep(0.7)  # pictures fade in
        browser.driver.save_screenshot(str(IMAGES / f"{name}.png"))

    try:
        browser.size(1280, 820)
        browser.open(stage.url)
        browser.wait("document.querySelectorAll('.picture img.there').length > 6", 15)
        shoot("page")
        browser.click(".card[data-status=auth_required] .foot a")
        browser.wait("document.activeElement.name === 'user'")
        browser.type("[data-group=login] [name=user]", "viewer")
        browser.type("[data-group=login] [name=password]", "not this one")
        browser.click("[data-act=try]")
        browser.wait("document.querySelector('[data-group=login] .answered').textContent.includes('1 of 2')")
        shoot("form")
        browser.size(390, 844)
        browser.open(f"{stage.url}#/first-run")
        browser.wait("document.querySelectorAll('#first-run .picture img.there').length > 3", 15)
        shoot("first-run")
    finally:
        browser.end()
        stage.end()


if __name__ == "__main__":
    main()
