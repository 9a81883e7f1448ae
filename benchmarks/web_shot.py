"""Nothing goes in; the picture of the page that the README shows comes out.

make screenshot            writes docs/images/page.png
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.browser import REASON, Browser
from tests.integration.test_web import Stage

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    if REASON:
        sys.exit(REASON)
    stage, browser = Stage(cameras=24), Browser()
    try:
        browser.driver.set_window_size(1280, 820)
        browser.open(stage.url)
        browser.wait("document.querySelectorAll('.picture img.there').length > 6", 15)
        time.sleep(0.5)  # pictures fade in
        browser.driver.save_screenshot(str(ROOT / "docs" / "images" / "page.png"))
    finally:
        browser.end()
        stage.end()


if __name__ == "__main__":
    main()
