"""The page in a real Chromium, the API under schemathesis, and a thousand open pages, each over real sockets."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import REASON, WAIT, Browser
from tests.ports import free_port
from tests.processes import ROOT, wait_until

pytestmark = pytest.mark.browser
needs_chromium = pytest.mark.skipif(bool(REASON), reason=REASON)

TAB, ENTER, ESCAPE, DOWN, RIGHT = "\ue004", "\ue007", "\ue00c", "\ue015", "\ue014"
_CHOOSE = """
const select = document.querySelectorAll(".choice select")[arguments[0]];
select.value = arguments[1];
select.dispatchEvent(new Event("change"));
"""
CARDS = "document.querySelectorAll('.card').length"


class Stage:
    """The page over cameras that are made up (``tests/web_stage.py``)."""

    def __init__(self, *options: str, cameras: int = 24, port: int = 0) -> None:
        self.port = port or free_port()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        command = (sys.executable, "-m", "tests.web_stage", "--cameras", str(cameras), "--port", str(self.port))
        self.process = subprocess.Popen(
            (*command, *options), cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def do(self, **what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def get(self, path: str, **headers: str) -> Any:
        request = urllib.request.Request(f"{self.url}api/v1/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def resident(self) -> int:
        """Kilobytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def end(self) -> str:
        """Its log. A fault that it logged fails the test."""
        _, log = self.process.communicate(timeout=10)
        assert "Traceback" not in log, log
        return log


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    window = Browser()
    yield window
    window.end()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    staged = Stage()
    yield staged
    staged.end()


def opened(browser: Browser, stage: Stage, path: str = "") -> Browser:
    browser.open(stage.url + path)
    browser.wait("document.querySelector('#live').dataset.state === 'live'")
    return browser


def turned(browser: Browser, path: str) -> None:
    """To another view of the page that is open."""
    browser.run("document.querySelectorAll('dialog[open]').forEach(n => n.close()); location.hash = arguments[0]", path)
    if path.startswith("#/why"):
        browser.wait("document.querySelector('.answer h2')")
    elif path.startswith("#/camera/"):
        browser.wait("document.querySelector('#detail dl')")
    else:
        browser.wait(
            "[...document.querySelectorAll('.view')].some(n => !n.hidden && n.querySelector('.card, .panel li'))"
        )


_BROUGHT = """
(() => {
  const card = document.querySelector(`.card[data-id="${arguments[0]}"]`);
  if (card?.textContent.includes(arguments[1])) {
    card.scrollIntoView({ block: 'center', behavior: 'instant' }); // not under the bar
    return true;
  }
  if (scrollY + innerHeight < document.documentElement.scrollHeight - 1) scrollBy(0, 200); else scrollTo(0, 0);
})()
"""


def brought(browser: Browser, camera: str, text: str = "") -> None:
    """Its card is there, and says so. Only those near the window are made: how many rows depends on the fonts."""
    browser.wait(_BROUGHT.strip(), WAIT, camera, text)


def names(browser: Browser) -> list[str]:
    return [
        str(one) for one in browser.run("return [...document.querySelectorAll('.card .name')].map(n => n.textContent)")
    ]


@needs_chromium
def test_the_page(browser: Browser, stage: Stage) -> None:
    """All cameras are there, what needs somebody first; nothing is asked of anybody else, and nothing complained of."""
    browser.complaints()
    browser.asked()
    opened(browser, stage)
    browser.wait(f"{CARDS} > 4")
    assert "24 cameras, 21 online" in browser.text("h1")
    first = browser.text(".card")
    assert "No stream plays" in first
    assert "461 Unsupported Transport" in first
    browser.wait("document.querySelectorAll('.picture img.there').length > 3")
    assert browser.asked() == {f"127.0.0.1:{stage.port}"}
    assert browser.complaints() == []


@needs_chromium
def test_planted_markup(browser: Browser, stage: Stage) -> None:
    """HTML in what a camera says of itself is shown as text, on the card and in the drawer, and nothing runs."""
    opened(browser, stage)
    browser.wait(f"{CARDS} > 4")
    for camera, planted in (
        ("00408c000000", "<script>window.planted = 1</script>"),
        ("00408c000001", "<img src=x onerror='window.planted = 1'>"),
        ("00408c000003", "\"'><svg/onload=window.planted=1>${alert(1)}"),
    ):
        stage.do(do="name", id=camera, name=planted)
        browser.type("#search", camera)
        browser.wait("document.querySelector('.card .name')?.textContent === arguments[0]", WAIT, planted)
        browser.click(".card .name")
        browser.wait("document.querySelector('#detail-title')?.textContent === arguments[0]", WAIT, planted)
        browser.wait("document.querySelector('#detail dl')")
        browser.keys(ESCAPE)
    assert browser.run("return window.planted ?? null") is None
    assert browser.run("return document.querySelectorAll('main script, main img[onerror], dialog script').length") == 0
    assert browser.complaints() == []


@needs_chromium
def test_live(browser: Browser, stage: Stage) -> None:
    """A camera that goes offline is shown so, with the reason, without anybody doing anything."""
    opened(browser, stage)
    browser.type("#search", "192.168.1.24")
    browser.wait(f"{CARDS} === 1")
    assert "Online" in browser.text(".card")
    stage.do(do="offline", id="00408c000004")
    browser.wait("document.querySelector('.card').innerText.includes('no answer to three checks')", 2)
    assert "20 online" in browser.text("h1")


@needs_chromium
def test_search_sort_group(browser: Browser, stage: Stage) -> None:
    """Cameras are searched, narrowed by state, sorted and grouped; none that matches is told, with a way back."""
    opened(browser, stage)
    browser.wait(f"{CARDS} > 4")
    browser.type("#search", "axis 192.168.1.2")
    browser.wait(f"{CARDS} === 3")
    browser.type("#search", "nothing like this")
    browser.wait("document.querySelector('.note')")
    browser.click(".note button")
    browser.wait(f"{CARDS} > 4")
    browser.click(".chip[data-status=auth_required]")
    browser.wait(f"{CARDS} === 1")
    assert "it wants a login" in browser.text(".card")
    browser.click(".chip[data-status=all]")
    browser.run(_CHOOSE, 0, "address")
    browser.wait("document.querySelector('.card .mono').textContent === '192.168.1.20'")
    browser.run(_CHOOSE, 1, "maker")
    browser.wait("document.querySelector('.group h2').innerText.startsWith('Axis')")


#: Keeps what was said below the page: it is gone after four seconds.
_KEEP = """
window.told = [];
new MutationObserver(all => all.forEach(one => one.addedNodes.forEach(n => {
  if (n.nodeType === Node.ELEMENT_NODE && n.matches('.toast')) window.told.push(n.textContent);
}))).observe(document, { childList: true, subtree: true });
"""
_TOLD = "window.told.some(one => one.includes(arguments[0]))"


@needs_chromium
def test_actions(browser: Browser, stage: Stage) -> None:
    """Check, a new picture, look again, why, copying and forgetting do what they say; forgetting asks first."""
    opened(browser, stage, "#/camera/00408c000006")
    browser.run(_KEEP)
    browser.wait("document.querySelector('#detail .stream')")
    assert "rtsp://192.168.1.26:554/Streaming/Channels/101" in browser.text("#detail")
    browser.click("#detail .stream button")
    browser.wait(_TOLD, WAIT, "copied")
    browser.run("document.querySelector('#detail').scrollTop = 0")  # from under the drawer's head
    browser.click("#detail [data-act=check]")
    browser.wait(_TOLD, WAIT, "Checking")
    browser.click("#detail [data-act=picture]")
    browser.wait(_TOLD, WAIT, "new picture")
    browser.wait("document.querySelector('#detail').innerText.includes('camdetect sends it no login')")
    browser.click("#detail [data-act=adopt]")
    browser.wait("document.querySelector('#detail').innerText.includes('Adopted by hand')")
    assert stage.get("cameras/00408c000006")["adopted"] == "person"
    assert not browser.run("return document.querySelector('#detail [data-act=adopt]')")
    browser.click("#detail [data-act=unadopt]")
    browser.click("#ask .danger")
    browser.wait("document.querySelector('#detail [data-act=adopt]')")
    assert stage.get("cameras/00408c000006")["adopted"] == "no"
    browser.click("#detail [data-act=forget]")
    browser.wait("document.querySelector('#ask').open")
    browser.click("#ask button:not(.danger)")
    assert stage.get("cameras/00408c000006")["id"]
    browser.click("#detail [data-act=forget]")
    browser.click("#ask .danger")
    browser.wait("!document.querySelector('#detail').open")
    browser.wait("document.querySelector('h1').innerText.startsWith('23 cameras')")
    browser.run("scrollTo(0, 0)")
    browser.click("#sweep button")
    browser.wait("document.querySelector('#sweep').innerText.includes('Scanning')")
    assert "[object" not in browser.text()
    browser.run("location.hash = '#/why'")
    browser.type("#address", "10.77.0.13")
    browser.keys(ENTER)
    browser.wait("document.querySelector('.answer h2')")
    assert "no camera's port is open" in browser.text(".answer")
    browser.click(".answer .row button:last-child")
    browser.wait("document.querySelector('.answer h2').innerText === 'It is being asked now'")
    browser.wait("document.querySelector('.answer a[href=\"#/camera/00408c000002\"]')")
    assert "false" not in browser.text(".answer")
    browser.type("#address", "nonsense!")
    browser.keys(ENTER)
    browser.wait("document.querySelector('.answer').innerText.includes('not an IP address')")
    found = browser.complaints()
    assert all("400" in line for line in found), found
    turned(browser, "#/system")
    browser.wait("document.querySelector('.findings li')")
    browser.wait("document.querySelector('#system').innerText.includes('go2rtc-api.north')")
    assert "127.0.0.1, port 39385 (camdetect's own broker)" in browser.text("#system")
    browser.click("[data-copy=frigate]")
    browser.wait(_TOLD, WAIT, "Frigate copied")


@needs_chromium
def test_forgotten_elsewhere(browser: Browser) -> None:
    """The drawer of a camera that somebody else forgets says so, and asks nothing about it any more."""
    stage = Stage(cameras=3)
    try:
        camera, other = [one["id"] for one in stage.get("cameras")["cameras"]][:2]
        opened(browser, stage, f"#/camera/{camera}")
        browser.wait("performance.getEntriesByType('resource').some(one => one.name.endsWith('/decided'))")
        browser.complaints()
        stage.do(do="forget", id=camera)
        browser.wait("document.querySelector('#detail').innerText.includes('This camera is no longer known')")
        known_until = browser.run("return performance.now()")
        assert not browser.run("return document.querySelector('#detail [data-act=forget]')")
        stage.do(do="name", id=other, name="Long after that")
        browser.wait("document.querySelector('#cameras').innerText.includes('Long after that')")
        asked = browser.run(
            "return performance.getEntriesByType('resource')"
            ".filter(one => one.startTime > arguments[0] && one.name.includes(arguments[1])).map(one => one.name)",
            known_until, camera,
        )  # fmt: skip
        assert asked == []
        # What was asked in the moment of forgetting is answered by an error, and rightly.
        assert [one for one in browser.complaints() if camera not in one or "404" not in one] == []
    finally:
        browser.open("about:blank")
        stage.end()


@needs_chromium
def test_plugins(browser: Browser, stage: Stage) -> None:
    """Each plugin with its state, why, what it did and where it held everything up; ours are folded away."""
    opened(browser, stage, "#/system")
    browser.wait("document.querySelector('.plugins li')")
    text = browser.text(".plugins")
    for words in (
        "acme discoverer, watcher: on", "4 sightings", "/etc/camdetect/plugins/acme.py", "bell listener: disabled",
        "the last one: ValueError in bell.py, line 12", "gone left out", "No module named 'acme_sdk'",
        "70 dropped messages",
        "It held everything up 3 times, the last time for 1.4 s.", "camdetect-slow 1.2", "quiet output: off",
        "PLUGINS names gallery, but no plugin has that name", "1 plugin of camdetect itself",
    ):  # fmt: skip
        assert words in text, words
    assert "wsdiscovery" not in text
    browser.run("document.querySelectorAll('.plugins summary').forEach(one => one.click())")
    browser.wait("document.querySelector('.plugins').innerText.includes('wsdiscovery')")
    assert "line 20, in _tell" in browser.text(".plugins pre")
    assert browser.complaints() == []
    browser.open("about:blank")
    browser.complaints()


@needs_chromium
def test_mqtt(browser: Browser, stage: Stage) -> None:
    """The dashboard has an hour of past at once, and each chart says its figures in words too."""
    opened(browser, stage, "#/mqtt")
    browser.wait("document.querySelector('#mqtt h1').innerText === 'MQTT is connected'")
    labels = browser.run("return [...document.querySelectorAll('#mqtt svg')].map(n => n.getAttribute('aria-label'))")
    assert len(labels) == 4
    assert all(labels), labels
    assert any("Connected 98 %" in label for label in labels), labels
    assert "the connection was reset" in browser.text("#mqtt .bars")
    assert browser.text("#mqtt .under").startswith("Since ")
    assert browser.run("return document.querySelector('#mqtt path.line').getAttribute('d').split('L').length") > 700
    assert browser.complaints() == []


@needs_chromium
def test_broker_away(browser: Browser, stage: Stage) -> None:
    """While the broker refuses the daemon, every view says so, with the setting that mends it; and when it is over."""
    opened(browser, stage)
    assert browser.run("return document.querySelector('#trouble').hidden")
    advice = "check MQTT_USERNAME and MQTT_PASSWORD"
    stage.do(do="mqtt", state="failed", reason="wrong user name or password", advice=advice, was_back=False)
    try:
        browser.wait("!document.querySelector('#trouble').hidden")
        for path in ("#/", "#/mqtt", "#/why/10.77.0.13", "#/system"):
            turned(browser, path)
            told = browser.text("#trouble")
            assert "MQTT is not connected: wrong user name or password. Check MQTT_USERNAME and MQTT_PASSWORD." in told
            assert browser.text("#live") == "MQTT is down"
        turned(browser, "#/mqtt")
        browser.wait("document.querySelector('#mqtt .under').innerText.startsWith('Wrong user name')")
        assert "never disconnected" not in browser.text("#mqtt .tiles")
        # A further attempt that is refused takes nothing away of what is told, not even for a moment.
        browser.run(
            "window.bare = []; new MutationObserver(() => { for (const n of ['#trouble', '#mqtt .under'])"
            " if (!document.querySelector(n).textContent.includes('Check MQTT_USERNAME')) window.bare.push(n); })"
            ".observe(document.body, { subtree: true, childList: true, characterData: true })"
        )
        stage.do(do="attempt")
        browser.wait("document.querySelector('#mqtt .happened li').innerText.includes('wrong user name')")
        assert browser.run("return window.bare") == []
        browser.open(stage.url)
        browser.wait("!document.querySelector('#trouble').hidden")
    finally:
        stage.do(do="mqtt", state="connected", reason="", advice="")
    browser.wait("document.querySelector('#trouble').hidden")
    assert browser.text("#live") == "Live"
    assert browser.complaints() == []


@needs_chromium
def test_age_of_pictures(browser: Browser, stage: Stage) -> None:
    """A picture says how old it is, and is dim where the camera is not online: none passes for a live one."""
    opened(browser, stage)
    browser.wait("document.querySelectorAll('.picture img.there').length > 3")
    ages = browser.run(
        "return [...document.querySelectorAll('.card:has(img.there) .age')].map(n => [n.hidden, n.textContent])"
    )
    assert ages
    assert all(not hidden and (age == "just now" or age.endswith(" ago")) for hidden, age in ages), ages
    on_top = (
        "return [...document.querySelectorAll('.card:has(img.there) .age')].slice(0, 3).map(n => {"
        "const r = n.getBoundingClientRect(); return document.elementFromPoint(r.x + 4, r.y + 4) === n; })"
    )
    assert browser.run(on_top) == [True] * 3
    browser.run("document.querySelectorAll('.picture img').forEach(n => { n.style.transition = 'none'; })")
    shown = browser.run(
        "return [...document.querySelectorAll('.card:has(img.there)')]"
        ".map(n => [n.dataset.status, Number(getComputedStyle(n.querySelector('img.there')).opacity)])"
    )
    assert {status for status, _ in shown} > {"online"}, shown
    assert all((opacity == 1) == (status == "online") for status, opacity in shown), shown


@needs_chromium
def test_light_dark_phone(browser: Browser, stage: Stage) -> None:
    """The theme changes and is remembered; on a phone nothing is wider than the screen, and all can be touched."""
    background = "getComputedStyle(document.body).backgroundColor"
    opened(browser, stage)
    before = browser.run(f"return {background}")
    browser.click("#theme")
    after = browser.wait(f"{background} !== arguments[0] && {background}", 2, before)
    opened(browser, stage)
    assert browser.run(f"return {background}") == after
    browser.click("#theme")
    browser.phone()
    try:
        opened(browser, stage)
        for path in ("#/", "#/mqtt", "#/why/10.77.0.13", "#/system", "#/camera/00408c000002"):
            turned(browser, path)
            assert "[object" not in browser.text()
            browser.wait("document.documentElement.scrollWidth === 375 && innerWidth === 375")
            browser.wait(  # once it lies still; WCAG 2.2, 2.5.8
                "![...document.querySelectorAll('button, .button, nav a, select, input')]"
                ".filter(n => n.checkVisibility()).map(n => n.getBoundingClientRect())"
                ".some(box => box.height < 24 || box.width < 24)"
            )
    finally:
        browser.desk()


_OVERLAPS = """
const inside = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
return [...document.querySelectorAll('.card')].flatMap(card => {
  const box = card.getBoundingClientRect(), bar = card.querySelector('.week').getBoundingClientRect();
  const others = [...card.querySelectorAll('.picture, h3, .where, .line, .foot')];
  const faults = others.filter(n => inside(bar, n.getBoundingClientRect())).map(n => n.className || n.tagName);
  // A line of text that has no room is cut off, and says so by its height only.
  for (const n of card.querySelectorAll('.where, .foot')) if (n.scrollHeight > n.clientHeight + 1) faults.push('cut');
  const line = card.querySelector('.line'), height = parseFloat(getComputedStyle(line).lineHeight);
  const lines = line.getBoundingClientRect().height / height;
  if (Math.abs(lines - Math.round(lines)) > 0.1) faults.push(`cut ${lines} ${line.textContent}`);
  if (bar.width < 100 || bar.height < 8 || bar.bottom > box.bottom) faults.push('bar');
  return faults;
})
"""


@needs_chromium
def test_past(browser: Browser, stage: Stage) -> None:
    """Each card has its week as a bar with the words for it, made of the list of cameras alone; it follows a change,
    covers nothing on a desk or a phone, and opens the camera, where each segment tells its times and reason."""
    browser.complaints()
    opened(browser, stage)
    browser.wait(f"{CARDS} > 8")
    asked = browser.run(
        "return performance.getEntriesByType('resource').map(r => r.name).filter(n => n.includes('/history'))"
    )
    assert asked == []
    cells = "[...{}.querySelectorAll('.week rect')].reduce((sum, n) => sum + Number(n.getAttribute('width')), 0)"
    assert browser.run(f"return {cells.format('document.querySelector(`.card`)')}") == 84
    brought(browser, "00408c000007")
    words = "document.querySelector(`[data-id='00408c000007'] .week`).textContent"
    assert browser.run(f"return {words}").startswith("Online 9")
    bars = "new Set([...document.querySelectorAll('.card .week rect')].map(n => n.className.baseVal)).size"
    assert browser.run(f"return {bars}") == 4
    assert browser.run(_OVERLAPS) == []
    stage.do(do="offline", id="00408c000007")
    brought(browser, "00408c000007", "offline since today")  # in another row than before
    browser.click("[data-id='00408c000007'] .week")
    browser.wait("document.querySelectorAll('#detail .week.big rect').length > 2")
    titles = browser.run("return [...document.querySelectorAll('#detail .week.big title')].map(n => n.textContent)")
    assert any("Offline: no answer to three checks in a row" in one and " to " in one for one in titles), titles
    assert any("Not observed" in one for one in titles)
    assert "Offline: no answer to three checks in a row, for" in browser.text("#detail .past")
    browser.phone()
    try:
        opened(browser, stage)
        browser.wait(f"{CARDS} > 3")
        assert browser.run(_OVERLAPS) == []
    finally:
        browser.desk()
    assert browser.complaints() == []


@needs_chromium
def test_by_keyboard(browser: Browser, stage: Stage) -> None:
    """The page is used without a mouse: skip link, '/' to search, arrows over the cards, Enter and Escape for one."""
    opened(browser, stage)
    browser.wait(f"{CARDS} > 8")
    focused = "document.activeElement"
    browser.keys(TAB)
    assert browser.run(f"return {focused}.id") == "skip"
    browser.keys("/")
    assert browser.run(f"return {focused}.id") == "search"
    browser.run("document.querySelector('.card .name').focus()")
    shown = names(browser)
    browser.keys(RIGHT)
    assert browser.run(f"return {focused}.textContent") == shown[1]
    browser.keys(DOWN)
    assert browser.run(f"return {focused}.textContent") == shown[5]
    browser.keys(ENTER)
    browser.wait("document.querySelector('#detail').open")
    browser.wait(f"{focused}.closest('dialog')")
    browser.keys(ESCAPE)
    browser.wait("!document.querySelector('#detail').open")
    assert browser.run(f"return {focused}.textContent") == shown[5]


@needs_chromium
def test_accessible(browser: Browser, stage: Stage) -> None:
    """Every control has a name, text stands out from its ground (WCAG 2.2, 1.4.3) in light and dark."""
    opened(browser, stage)
    # Colours that are on their way are neither the one nor the other.
    browser.run("const s = new CSSStyleSheet(); s.replaceSync('* { transition: none !important }');"
                "document.adoptedStyleSheets = [s]")  # fmt: skip
    for theme in ("light", "dark"):
        browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
        for path in ("#/", "#/mqtt", "#/why/10.77.0.13", "#/system", "#/camera/00408c000005"):
            turned(browser, path)
            assert browser.run(_NAMELESS) == [], path
            assert browser.run(_PALE) == [], (path, theme)


_NAMELESS = """
return [...document.querySelectorAll('button, a[href], input, select')].filter(n => n.checkVisibility())
  .filter(n => !(n.textContent.trim() || n.getAttribute('aria-label') || n.labels?.length)).map(n => n.outerHTML)
"""
_PALE = """
const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const parse = text => {
  pen.clearRect(0, 0, 1, 1); pen.fillStyle = text; pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data;
};
const linear = v => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ground = node => {
  for (let n = node; n; n = n.parentElement) {
    const colour = parse(getComputedStyle(n).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255];
};
const ratio = node => {
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};
const text = node => [...node.childNodes].some(t => t.nodeType === 3 && t.data.trim());
return [...(document.querySelector('dialog[open]') ?? document.body).querySelectorAll('*')]
  .filter(n => n.checkVisibility() && !n.disabled && text(n))
  .map(n => [n.textContent.slice(0, 30), ratio(n)]).filter(([, found]) => found < 4.5);
"""


@needs_chromium
def test_daemon_goes_and_comes(browser: Browser) -> None:
    """When the daemon goes, the page says since when; when another one comes, it shows what that one knows."""
    port = free_port()
    first = Stage("--picture-less", cameras=5, port=port)
    try:
        opened(browser, first)
        browser.wait(f"{CARDS} === 5")
    finally:
        first.end()
    browser.wait("!document.querySelector('#lost').hidden")
    assert "does not answer" in browser.text("#lost")
    assert "Not connected" in browser.text("#live")
    second = Stage("--picture-less", cameras=3, port=port)
    try:
        browser.wait("document.querySelector('#lost').hidden")
        browser.wait(f"{CARDS} === 3")
    finally:
        second.end()
        browser.open("about:blank")
        browser.complaints()


@needs_chromium
def test_no_camera(browser: Browser) -> None:
    """Where there is no camera yet, the page says so and what to do."""
    stage = Stage("--picture-less", cameras=0)
    try:
        opened(browser, stage)
        browser.wait("document.querySelector('.note a[href=\"#/why\"]')")
        assert "No camera yet" in browser.text("h1")
    finally:
        browser.open("about:blank")
        stage.end()


@needs_chromium
def test_token(browser: Browser) -> None:
    """Where a token is needed the page asks for it, refuses a wrong one, remembers the right one, and logs out."""
    token = "s3cr3t-canary-token"
    stage = Stage("--picture-less", "--token", token, cameras=3)
    try:
        browser.open(stage.url)
        browser.wait("document.querySelector('#login').open")
        assert browser.run(f"return {CARDS}") == 0
        browser.type("#token", "wrong")
        browser.keys(ENTER)
        browser.wait("document.querySelector('#login').innerText.includes('Wrong token.')")
        browser.type("#token", token)
        browser.keys(ENTER)
        browser.wait(f"{CARDS} === 3")
        assert browser.run("return document.cookie") == ""
        opened(browser, stage, "#/system")
        browser.wait("!document.querySelector('#login').open && document.body.innerText.includes('Sign out')")
        browser.run("[...document.querySelectorAll('button')].find(n => n.textContent === 'Sign out').click()")
        browser.wait("document.querySelector('#login').open")
    finally:
        browser.open("about:blank")
        browser.complaints()
        log = stage.end()
    assert token not in log


@needs_chromium
def test_a_thousand(browser: Browser) -> None:
    """Of a thousand cameras only those near the eye are elements; all are found, counted and reached."""
    stage = Stage("--picture-less", cameras=1000)
    try:
        opened(browser, stage)
        browser.wait("document.querySelector('h1').innerText.startsWith('1,000 cameras')")
        assert 0 < browser.run(f"return {CARDS}") < 60
        assert browser.run("return document.querySelector('.card').getAttribute('aria-setsize')") == "1000"
        browser.type("#search", "00:40:8c:00:03:e7")
        browser.wait(f"{CARDS} === 1")
        assert "192.168.5.219" in browser.text(".card")
        browser.type("#search", " ")
        browser.wait(f"{CARDS} > 1")
        browser.run("scrollTo(0, document.documentElement.scrollHeight)")
        browser.wait("[...document.querySelectorAll('.card')].some(n => n.getAttribute('aria-posinset') === '1000')")
        assert browser.run(f"return {CARDS}") < 60
    finally:
        browser.open("about:blank")
        stage.end()


def test_a_thousand_open_pages() -> None:
    """A thousand idle streams cost little each, one more is told there is no room, and the API goes on answering."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    stage = Stage("--picture-less", cameras=50)
    lines: list[socket.socket] = []
    try:
        stage.get("cameras")
        before = stage.resident()
        for _ in range(1000):
            line = socket.create_connection(("127.0.0.1", stage.port), 5)
            line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            lines.append(line)
        wait_until(lambda: _readable(lines) == 1000, 20, "every stream has begun")
        assert stage.resident() - before < 40 * 1024
        began = time.monotonic()
        assert stage.get("cameras")["total"] == 50
        assert time.monotonic() - began < 5
        for line in lines:
            line.recv(65536)
        stage.do(do="offline", id="00408c000004")
        wait_until(lambda: _readable(lines) == 1000, 20, "every stream was told")
        for _ in range(24):
            lines.append(socket.create_connection(("127.0.0.1", stage.port), 5))
            lines[-1].sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with pytest.raises(urllib.error.HTTPError, match="503"):
            stage.get("events")
    finally:
        for line in lines:
            line.close()
        stage.end()


def _readable(lines: list[socket.socket]) -> int:
    poll = select.poll()
    for line in lines:
        poll.register(line, select.POLLIN)
    return len(poll.poll(0))


def test_schemathesis(tmp_path: Path) -> None:
    """Whatever the OpenAPI document allows, or forbids, the API answers as the document says, and never fails."""
    stage = Stage("--picture-less", "--unlimited", cameras=12)
    try:
        done = subprocess.run(
            (
                sys.executable, "-m", "schemathesis.cli", "run", f"{stage.url}api/v1/openapi.json",
                "--max-examples", "8", "--phases", "coverage,fuzzing", "--seed", "1", "--workers", "1",
                "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
                "response_schema_conformance,response_headers_conformance",
                "--exclude-path", "/api/v1/events", "--request-timeout", "10", "--no-color",
            ),
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    finally:
        stage.end()
