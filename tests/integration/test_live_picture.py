"""The live picture of the page, in a real Chromium: of a simulated camera a picture a second, of go2rtc its player."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import REASON, WAIT, Browser
from tests.integration.test_simulator import LOGIN, simulator
from tests.peers import go2rtc
from tests.ports import free_port
from tests.processes import ROOT, Process, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]
CAMERA = "02000000000a"
HEADERS = {"X-Camdetect": "1", "Content-Type": "application/json"}
DRAWER = f"#/camera/{CAMERA}"
#: How many pictures were shown, and a number that differs with what the latest shows.
SHOWN = """
const canvas = document.querySelector("#detail canvas.live:not(.old)");
if (!canvas) return [0, 0];
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
return [Number(canvas.dataset.pictures), data.reduce((sum, one, at) => (sum * 31 + one * (at % 97)) % 1000003, 0)];
"""


class LiveStage:
    """The page over one simulated camera (``tests/live_stage.py``)."""

    def __init__(self, camera_port: int, *options: str) -> None:
        self.port = free_port()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        command = (sys.executable, "-m", "tests.live_stage", "--port", str(self.port))
        self.process = subprocess.Popen(
            (*command, "--camera", f"127.0.0.1:{camera_port}", *options), cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def do(self, what: str) -> dict[str, Any]:
        """How often the camera was connected to, and how many pictures were emitted."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    @property
    def asked(self) -> int:
        return int(self.do("count")["asked"])

    def end(self) -> None:
        _, log = self.process.communicate(timeout=10)
        assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    window = Browser()
    yield window
    window.end()


@pytest.fixture(scope="module")
def camera_port() -> Iterator[int]:
    with simulator("--auth", "digest") as running:
        yield running.http_port


@pytest.fixture
def stage(camera_port: int) -> Iterator[LiveStage]:
    staged = LiveStage(camera_port, "--login", LOGIN)
    yield staged
    staged.end()


def opened(browser: Browser, stage: LiveStage, path: str = "") -> None:
    browser.open(stage.url + path)
    browser.wait("document.querySelector('#live').dataset.state === 'live'")


def pictures(browser: Browser, count: int) -> set[int]:
    """Different pictures, once so many were seen."""
    seen: set[int] = set()

    def look() -> bool:
        number, shown = browser.run(SHOWN)
        if number:
            seen.add(shown)
        return len(seen) >= count

    wait_until(look, 15, lambda: f"{count} pictures; {browser.text('#detail')[:400]}")
    return seen


def stays(stage: LiveStage, browser: Browser) -> None:
    """Nothing more is asked of the camera in the time of three pictures."""
    browser.run("window.then = performance.now()")
    before = stage.asked
    browser.wait("performance.now() - window.then > 3000")
    assert stage.asked == before


def hidden(browser: Browser, is_hidden: bool) -> None:
    """As another tab in front of it does."""
    browser.run(
        "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange'))",
        is_hidden,
    )


def test_pictures(browser: Browser, stage: LiveStage) -> None:
    """The drawer shows one picture after the other; closed, it costs the camera nothing; nor does any of them count as
    a picture in turn.
    """
    opened(browser, stage)
    browser.wait("document.querySelectorAll('.card').length === 1")
    assert stage.asked == 0
    browser.run(f"location.hash = '{DRAWER}'")
    assert len(pictures(browser, 3)) == 3
    assert browser.text("#detail .now") == "Live, a picture a second"
    assert browser.text("#detail .age.taken") == "just now"
    asked = stage.do("count")
    number = browser.run(SHOWN)[0]
    assert 3 <= asked["asked"] <= number + 2, "a picture costs the camera one connection"
    assert asked["taken"] == 0
    browser.run("document.querySelector('#detail').close()")
    browser.wait("!document.querySelector('canvas.live')")
    stays(stage, browser)
    assert not [line for line in browser.complaints() if "Content Security Policy" in line]


def test_thumbnails(browser: Browser, stage: LiveStage) -> None:
    """A card asks for the thumbnail of the picture, the drawer for the picture, each once for each picture."""
    request = urllib.request.Request(f"{stage.url}api/v1/cameras/{CAMERA}/picture", b"", HEADERS)
    with urllib.request.urlopen(request, timeout=10) as answer:
        version = json.load(answer)["version"]
    opened(browser, stage)
    whole = f"{stage.url}api/v1/cameras/{CAMERA}/picture?v={version}"
    browser.wait("document.querySelector('.card img.there')?.src === arguments[0]", WAIT, f"{whole}&size=thumb")
    assert browser.text(".card .age") != ""
    asked = stage.asked
    browser.run(f"location.hash = '{DRAWER}'")
    browser.wait("document.querySelector('#detail img.there')?.src === arguments[0]", WAIT, whole)
    browser.run("document.querySelector('#detail').close()")
    assert asked == 1


def test_two_pages(browser: Browser, stage: LiveStage) -> None:
    """A second page that looks at the same camera costs it nothing more."""
    opened(browser, stage, DRAWER)
    pictures(browser, 1)
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("window")
    try:
        opened(browser, stage, DRAWER)
        pictures(browser, 2)
        before, shown = stage.asked, browser.run(SHOWN)[0]
        pictures(browser, 3)
        assert stage.asked - before <= browser.run(SHOWN)[0] - shown + 2
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(first)
    browser.run("document.querySelector('#detail').close()")


def test_hidden(browser: Browser, stage: LiveStage) -> None:
    """A tab in the background asks nothing; in front again, it goes on at once."""
    opened(browser, stage, DRAWER)
    pictures(browser, 1)
    hidden(browser, True)
    assert not browser.run("return document.querySelector('canvas.live')")
    browser.wait("document.querySelector('#detail .now').innerText.trim() === ''")
    stays(stage, browser)
    hidden(browser, False)
    pictures(browser, 2)
    browser.run("document.querySelector('#detail').close()")


def test_reason(browser: Browser, stage: LiveStage) -> None:
    """Why there is no live picture is told in words, the still one is dim, and an offline camera is asked nothing."""
    opened(browser, stage, DRAWER)
    pictures(browser, 1)
    stage.do("offline")
    told = "No live picture: the camera is offline."
    browser.wait("document.querySelector('#detail .now').innerText.trim() === arguments[0]", WAIT, told)
    stays(stage, browser)
    assert browser.run("return document.querySelector('#detail').dataset.status") == "offline"
    assert "no answer to three checks in a row" in browser.text("#detail .verdict")
    assert not browser.run("return document.querySelector('#detail .live')")
    browser.run("document.querySelector('#detail').close()")
    browser.complaints()


@pytest.mark.parametrize("version", go2rtc.VERSIONS)
def test_player(browser: Browser, camera_port: int, tmp_path: Path, version: str) -> None:
    """Where go2rtc holds the camera its own page is shown in a frame, which is all that may be framed; the camera is
    asked nothing by us. Pictures are a click away, and when go2rtc goes they come by themselves.
    """
    port = free_port()
    command = [sys.executable, go2rtc.__file__, str(port), f"version={version}"]
    peer = Process(command, tmp_path / "go2rtc.log", {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)})
    stage = None
    try:
        wait_until(lambda: _answers(port), 10, "go2rtc")
        stage = LiveStage(camera_port, "--login", LOGIN, "--go2rtc", f"http://127.0.0.1:{port}")
        peer.wait_for(f"PUT /api/streams {CAMERA}")
        wait_until(lambda: peer.text().count("GET /api/streams") >= 2, 10, "the look after the change")
        opened(browser, stage, DRAWER)
        source = f"http://127.0.0.1:{port}/stream.html?src={CAMERA}"
        browser.wait("document.querySelector('#detail iframe.live')?.src === arguments[0]", WAIT, source)
        browser.driver.switch_to.frame(browser.driver.find_element("css selector", "#detail iframe.live"))
        # Its script ran, and would open the websocket of its own origin.
        wanted = f"http://127.0.0.1:{port}/api/ws?src={CAMERA}"
        browser.wait("String(document.querySelector('video-stream')?.src) === arguments[0]", WAIT, wanted)
        browser.driver.switch_to.default_content()
        assert browser.text("#detail .now").startswith("Live from go2rtc")
        assert stage.asked == 0
        browser.complaints()
        browser.run(
            "const other = document.createElement('iframe'); other.src = arguments[0]; document.body.append(other)",
            "http://127.0.0.1:9/",
        )
        wait_until(lambda: any("frame-src" in line for line in browser.complaints()), 5, "the browser's refusal")
        browser.click("#detail .now button")
        assert pictures(browser, 2)
        assert not browser.run("return document.querySelector('#detail iframe')")
        browser.click("#detail .now button")
        browser.wait("document.querySelector('#detail iframe.live')")
        hidden(browser, True)
        assert not browser.run("return document.querySelector('#detail iframe')")
        peer.end()
        hidden(browser, False)
        assert pictures(browser, 1)
        assert f"go2rtc at http://127.0.0.1:{port} does not answer this browser" in browser.text("#detail .now")
        browser.run("document.querySelector('#detail').close()")
        browser.complaints()
    finally:
        peer.end()
        if stage is not None:
            stage.end()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
