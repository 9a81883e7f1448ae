"""What a camera says of its state, in a real Chromium: a card that sleeps, one that was never activated, a remark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import REASON, WAIT, Browser
from tests.integration.test_web import Stage, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]

ASLEEP, SHUT, OPEN = "00408c000000", "00408c000001", "00408c000002"
#: What stands in a camera's own view, above its streams.
VERDICT = "#detail .verdict"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    window = Browser()
    yield window
    window.end()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    staged = Stage("--unlimited", cameras=4)
    for camera, facts in (
        (ASLEEP, {
            "status": "sleeps", "code": "sleeps", "reason": "it has a battery and sleeps", "streams": [],
            "unconfirmed": True, "announced": {"conditions": ["sleeps"]},
        }),
        (SHUT, {
            "status": "stream_error", "code": "not-activated", "reason": "it was never activated", "streams": [],
            "unconfirmed": True, "announced": {"conditions": ["not-activated"]},
        }),
        (OPEN, {"announced": {"conditions": ["no-password-set", "managed-by"], "managed_by": "Dream Machine"}}),
    ):  # fmt: skip
        staged.do(do="facts", id=camera, facts=facts)
    yield staged
    staged.end()


def viewed(browser: Browser, camera: str) -> None:
    """Open the camera's own view, when that of another one is closed."""
    browser.run("location.hash = '#/'")
    browser.wait("!document.querySelector('dialog[open]') && location.hash === '#/'")
    browser.run("location.hash = arguments[0]", f"#/camera/{camera}")
    browser.wait("[...document.querySelectorAll('#detail dd')].some(n => n.innerText === arguments[0])", WAIT, camera)


def card(browser: Browser, camera: str) -> str:
    return browser.text(f".card[data-id='{camera}']")


def test_cards(browser: Browser, stage: Stage) -> None:
    """Each card says its state and why; who sleeps is counted apart, and is nobody's trouble."""
    opened(browser, stage)
    browser.wait("document.querySelectorAll('.card').length === 4")
    for camera, words in ((ASLEEP, "it has a battery and sleeps"), (SHUT, "it was never activated")):
        assert words in card(browser, camera)
    assert "Asleep" in card(browser, ASLEEP)
    assert "1 without a stream, 1 asleep." in browser.text("#cameras-under")
    browser.click(".chip[data-status=sleeps]")
    browser.wait("document.querySelectorAll('.card').length === 1")
    browser.click(".chip[data-status=all]")


def test_all_well_but_asleep(browser: Browser, stage: Stage) -> None:
    """Where all others play, a camera that sleeps makes no trouble of the whole."""
    stage.do(do="facts", id=SHUT, facts={"status": "online", "code": "", "reason": "", "unconfirmed": False})
    opened(browser, stage)
    browser.wait("document.querySelector('#cameras-title').innerText === '4 cameras, all well'")
    assert browser.text("#cameras-under") == "1 asleep."
    stage.do(do="facts", id=SHUT, facts={
        "status": "stream_error", "code": "not-activated", "reason": "it was never activated", "unconfirmed": True,
    })  # fmt: skip
    browser.wait("document.querySelector('#cameras-title').innerText !== '4 cameras, all well'")


def test_views(browser: Browser, stage: Stage) -> None:
    """The camera's own view tells when it was awake, by what it is known, and what its owner should know."""
    opened(browser, stage)
    viewed(browser, ASLEEP)
    browser.wait(f"document.querySelector('{VERDICT}').innerText.includes('Last awake ')")
    browser.wait("document.querySelector('#detail dl').innerText.includes('its own word: no inspection has found a')")
    browser.wait("document.querySelector('#detail .now').innerText.includes('sleeps to save its battery')")
    viewed(browser, SHUT)
    browser.wait(f"document.querySelector('{VERDICT}').innerText.includes('never activated')")
    assert browser.run(f"return document.querySelectorAll('{VERDICT} .remark').length") == 0
    viewed(browser, OPEN)
    browser.wait(f"document.querySelectorAll('{VERDICT} .remark').length === 2")
    for words in ("It says that no password is set: anybody can look.", "It says that Dream Machine manages it."):
        browser.wait(f"document.querySelector('{VERDICT}').innerText.includes('{words}')")
    assert "its own word" not in browser.text("#detail dl")
    assert browser.judged() == []
    assert browser.complaints() == []
