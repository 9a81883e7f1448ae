"""Every view of the page at every width: nothing covers anything, nothing is cut off, and axe-core finds no fault."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.browser import REASON, WAIT, Browser
from tests.integration.test_web import Stage, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]

SIZES = ((360, 740), (768, 1024), (1024, 768), (1280, 800), (1920, 1080))
WORDS = "Überwachungskamera am Wirtschaftsgebäude hinter dem nordöstlichen Parkplatz"
LONG = {
    "name": WORDS,
    "manufacturer": "Zhejiang Uniview Technologies Company Limited",
    "model": "IPC-HFW5442E-ZE-S3-2.7-13.5mm-International-Edition",
    "firmware_version": "V5.7.23_build_240708_" + "0123456789abcdef" * 4,
}
REASON_TEXT = (
    "rtsp://…/Streaming/Channels/101?transportmode=unicast&profile=Profile_1&someparameterthathasnobreakatall: "
    "SETUP answered with 461 Unsupported Transport, at " + "x" * 60
)
#: One camera of each state, moved or not, and what a drawer is opened of.
CAMERAS = (
    ("00408c000002", {**LONG, "reason": ""}),
    ("00408c000005", {**LONG, "reason": REASON_TEXT}),
    ("00408c00000d", {**LONG, "reason": REASON_TEXT}),
    ("00408c000015", {**LONG, "status": "stream_error", "reason": REASON_TEXT}),
    ("00408c00000c", {"name": "W" * 64, "status": "busy", "reason": REASON_TEXT}),
    ("00408c000011", {"name": "i" * 64, "address": "2001:db8:1234:5678:9abc:def0:1234:5678"}),
    (
        "00408c000010",
        {
            **LONG, "status": "sleeps", "code": "sleeps", "unconfirmed": True, "streams": [],
            "reason": "it has a battery and sleeps: it is on the network now and then, and is not asked meanwhile; "
            "nothing has to be done; while it sleeps, its manufacturer's app or its base station has its pictures",
            "announced": {
                "conditions": ["no-password-set", "default-state", "managed-by", "sleeps"], "managed_by": "W" * 64,
            },
        },
    ),
)  # fmt: skip
DRAWN = ("00408c000002", "00408c000005", "00408c00000d", "00408c000011", "00408c000010")
DRAWERS = tuple(f"#/camera/{each}" for each in DRAWN)


#: What a view has once the daemon has answered.
FILLED = {
    "#/mqtt": "#mqtt path.line[d]",
    "#/system": "#system:has(.plugins li) .columns > div > .panel .findings li",
    "#/networks": ".nets li",
    "#/notices": "#notices li",
    "#/add": "#add [name=target]",
    "#/sites": "[data-site] dl",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    window = Browser()
    yield window
    window.end()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    staged = Stage("--unlimited", "--sites", cameras=30)
    for camera, facts in CAMERAS:
        staged.do(do="facts", id=camera, facts=facts)
    staged.do(do="notice", name=WORDS)
    yield staged
    staged.end()


def views(browser: Browser) -> list[str]:
    """The views that the page has, whichever these are, and some that show more."""
    found = browser.run("return [...document.querySelectorAll('.view')].map(n => `#/${n.id}`)")
    assert "#/mqtt" in found
    return [*map(str, found), "#/why/10.77.0.13", *DRAWERS]


def turned(browser: Browser, path: str) -> None:
    """To a view of the page, until what it asks the daemon for is there."""
    browser.run("location.hash = '#/'")
    browser.wait("!document.querySelector('dialog[open]')")
    # That it was closed is told to the page a little later.
    browser.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0]))")
    browser.run("location.hash = arguments[0]; scrollTo(0, 0)", path)
    if path.startswith("#/camera/"):
        browser.wait("document.querySelector('#detail[open] dl') && document.querySelector('#detail .week.big')")
    elif path.startswith("#/why/"):
        browser.wait("document.querySelector('.answer h2')")
    else:
        browser.wait("document.querySelector('.view:not([hidden]) h1')")
    if path in FILLED:
        browser.wait("document.querySelector(arguments[0])", WAIT, FILLED[path])
    if path == "#/add":
        browser.type("#add [name=target]", "10.9.0.5")
        browser.keys("\ue007")
        browser.wait("document.querySelector('#add .steps button')")
    browser.run("document.querySelectorAll('#sites details').forEach(n => { n.open = true; })")
    browser.wait("!document.querySelector('.view:not([hidden]) .waiting')")
    still(browser)


def still(browser: Browser) -> None:
    """Without what moves: it is neither here nor there; and as wide as the widest font that a machine falls back to."""
    browser.run(
        "if (!document.adoptedStyleSheets.length) { const s = new CSSStyleSheet();"
        "s.replaceSync('*, ::before, ::after { transition: none !important; animation: none !important }"
        " body, dialog { letter-spacing: .06em }');"
        "document.adoptedStyleSheets = [s]; }"
        "document.querySelectorAll('.toast').forEach(n => n.remove())"
    )


#: What of a page a person reads or touches: each line of text and each control, as the part of it that is seen. Two of
#: them that are not one inside the other share no place. A control is what is there where it is touched.
_FAULTS = """
const root = document.querySelector('dialog[open]') ?? document.body;
const controls = 'a[href], button, input, select, textarea, summary';
const clipped = (box, node) => {
  let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
  for (let n = node; n && n !== document.documentElement; n = n.parentElement) {
    const style = getComputedStyle(n);
    if (style.position === 'fixed' && n === root) break;
    if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
    const b = n.getBoundingClientRect();
    left = Math.max(left, b.left); right = Math.min(right, b.right);
    top = Math.max(top, b.top); bottom = Math.min(bottom, b.bottom);
  }
  return { left, top, right, bottom };
};
const shown = node => node.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true })
  && !node.closest('.hide, .offscreen, .skip, noscript, option, [hidden]');
const items = [];
const add = (node, box, text, control) => {
  const seen = clipped(box, control ? node.parentElement : node);
  if (seen.right - seen.left > 1 && seen.bottom - seen.top > 1) items.push({ node, ...seen, text, control });
};
for (const node of root.querySelectorAll(controls)) {
  // A link in a line of text is text.
  if (shown(node) && getComputedStyle(node).display !== 'inline') {
    add(node, node.getBoundingClientRect(), node.textContent.trim() || node.id || node.name, true);
  }
}
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
const range = document.createRange();
while (walker.nextNode()) {
  const text = walker.currentNode, node = text.parentElement;
  if (!text.data.trim() || !shown(node)) continue;
  range.selectNodeContents(text);
  for (const box of range.getClientRects()) add(node, box, text.data.trim().slice(0, 40), false);
}
const faults = [];
const apart = (a, b) => a === b || a.contains(b) || b.contains(a);
const one = a => `${a.node.tagName.toLowerCase()}.${a.node.className} "${String(a.text).slice(0, 30)}"`;
items.sort((a, b) => a.top - b.top);
for (let n = 0; n < items.length; n++) {
  const a = items[n];
  for (let m = n + 1; m < items.length && items[m].top < a.bottom - 2; m++) {
    const b = items[m];
    if (a.left < b.right - 2 && b.left < a.right - 2 && !apart(a.node, b.node)
      // The key that leads to a field is shown in the field's own padding.
      && !(a.node.closest('label') && a.node.closest('label') === b.node.closest('label'))) {
      faults.push(`${one(a)} and ${one(b)}`);
    }
  }
}
const wide = document.documentElement.scrollWidth;
if (wide > innerWidth) faults.push(`the page is ${wide} wide`);
if (root.scrollWidth > root.clientWidth + 1) faults.push(`${root.id || 'body'} is ${root.scrollWidth} wide`);
// A text that is cut off says so with an ellipsis, and a row of controls that does not fit can be scrolled.
for (const a of items) {
  const style = getComputedStyle(a.node);
  if (a.control && a.node.scrollWidth > a.node.clientWidth + 1 && !a.node.matches('input, select, textarea')
    && style.textOverflow !== 'ellipsis' && style.overflowX === 'hidden') faults.push(`${one(a)} is cut off`);
}
return [...new Set(faults)];
"""

#: Each control is what is found where it is, once it is scrolled to; nothing lies over it.
_COVERED = """
const root = document.querySelector('dialog[open]') ?? document.body;
const faults = [];
for (const node of root.querySelectorAll('button, .button, input, select, summary, nav a')) {
  if (!node.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true })) continue;
  if (node.closest('.hide, .offscreen, .skip')) continue;
  node.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
  const box = node.getBoundingClientRect();
  const found = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  if (found && !node.contains(found) && !found.contains(node)) {
    faults.push(`${node.outerHTML.slice(0, 90)} is under ${found.outerHTML.slice(0, 90)}`);
  }
}
scrollTo(0, 0);
root.scrollTop = 0;
return faults;
"""


def begun(browser: Browser, stage: Stage) -> None:
    """The page with its cards."""
    opened(browser, stage)
    browser.wait("document.querySelectorAll('.card').length > 3")


def themes(browser: Browser) -> Iterator[str]:
    """What is shown, in light and in dark."""
    for theme in ("light", "dark"):
        browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
        still(browser)
        yield theme


def grouped(browser: Browser) -> None:
    """The cameras in groups."""
    turned(browser, "#/")
    for number in range(browser.run("return document.querySelectorAll('.choice select').length")):
        browser.run(_LAST, number)
    browser.wait("document.querySelector('.group')")
    still(browser)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_covers_anything(browser: Browser, stage: Stage, width: int, height: int) -> None:
    """At every width, light and dark, with texts as long as they can be, each text and each control has a place of its
    own; of what belongs together nothing falls into a row alone.
    """
    browser.size(width, height)
    try:
        begun(browser, stage)
        for theme in themes(browser):
            tops = browser.run(
                "return [...document.querySelectorAll('.choice')].map(n => n.getBoundingClientRect().top)"
            )
            assert len(tops) == 2
            assert len(set(tops)) == 1, (tops, theme)
        for path in views(browser):
            turned(browser, path)
            for theme in themes(browser):
                assert browser.run(_FAULTS) == [], (path, width, theme)
                assert browser.run(_COVERED) == [], (path, width, theme)
            if browser.run("const all = [...document.querySelectorAll('dialog[open] details')];"
                           "all.forEach(n => { n.open = true; }); return all.length"):  # fmt: skip
                for theme in themes(browser):
                    assert browser.run(_FAULTS) == [], (path, width, theme, "unfolded")
                    assert browser.run(_COVERED) == [], (path, width, theme, "unfolded")
        grouped(browser)
        for theme in themes(browser):
            assert browser.run(_FAULTS) == [], ("groups", width, theme)
    finally:
        browser.desk()


def test_turned_phone(browser: Browser) -> None:
    """A phone that is turned upright shows the page as wide as it is, not at half the size beside emptiness."""
    staged = Stage("--picture-less", cameras=3)  # with many the browser comes to itself
    browser.size(740, 360)
    try:
        for path in ("#/", DRAWERS[0]):
            opened(browser, staged, path)
            browser.wait("document.querySelector('.card')")
            for width, height in ((360, 740), (740, 360), (360, 740)):
                browser.size(width, height)
                # The cards, which were wider, are laid out anew in the frame after; it never came to this size before.
                card = "document.querySelector('.card').getBoundingClientRect()"
                browser.wait(f"[visualViewport.scale, visualViewport.width, innerWidth].join() === '1,{width},{width}'")
                browser.wait(f"{card}.right <= {width}")
    finally:
        browser.desk()
        browser.open("about:blank")
        staged.end()


def test_what_is_wrong_is_seen(browser: Browser, stage: Stage) -> None:
    """The measure finds a button on a text, a text on a text, a control under another thing, and a page too wide."""
    begun(browser, stage)
    turned(browser, "#/")
    for rule, script, word in (
        (".foot button { position: absolute !important; left: 0 }", _FAULTS, "button.small"),
        (".where { position: absolute !important; margin-top: 1.2rem }", _FAULTS, "p.line"),
        (".lead { width: 3000px }", _FAULTS, "wide"),
        (".bar { height: 100vh !important }", _COVERED, "is under"),
    ):
        browser.run(
            "window.wrong = new CSSStyleSheet(); wrong.replaceSync(arguments[0]);"
            "document.adoptedStyleSheets = [...document.adoptedStyleSheets, wrong]",
            rule,
        )
        found = browser.run(script)
        browser.run("document.adoptedStyleSheets = document.adoptedStyleSheets.filter(n => n !== wrong)")
        assert any(word in one for one in found), (rule, found)
    assert browser.run(_FAULTS) == []


@pytest.mark.parametrize("width", [1280, 360])
def test_axe(browser: Browser, stage: Stage, width: int) -> None:
    """axe-core has nothing against any view, drawer or question, in light, dark and on a phone (WCAG 2.2 A and AA)."""
    browser.size(*next(size for size in SIZES if size[0] == width))
    try:
        begun(browser, stage)
        for path in views(browser):
            turned(browser, path)
            browser.run("document.querySelectorAll('dialog[open] details').forEach(n => { n.open = true; })")
            for theme in themes(browser):
                assert browser.judged() == [], (path, theme)
        browser.click("#detail [data-act=forget]")
        browser.wait("document.querySelector('#ask').open")
        for theme in themes(browser):
            assert browser.judged() == [], ("a question", theme)
        browser.click("#ask button:not(.danger)")
        grouped(browser)
        for theme in themes(browser):
            assert browser.judged() == [], ("groups", theme)
        # It does find what is wrong.
        browser.run("document.querySelector('main').append(document.createElement('button'))")
        assert any(one.startswith("button-name") for one in browser.judged())
    finally:
        browser.desk()


def test_forced_colours(browser: Browser, stage: Stage) -> None:
    """Where a person has chosen the colours, the current view and the pressed chip are told apart from the others."""
    browser.media(forced_colors="active")
    try:
        begun(browser, stage)
        assert browser.run("return matchMedia('(forced-colors: active)').matches")
        for chosen, other in (
            ("nav.views a[aria-current]", "nav.views a:not([aria-current])"),
            (".chip[aria-pressed=true]", ".chip[aria-pressed=false]"),
        ):
            grounds = browser.run(_GROUNDS, chosen, other)
            assert len({ground for ground, _ in grounds}) == 2, (chosen, grounds)
            for ground, ink in grounds:
                assert ground != ink, (chosen, grounds)
        for status in ("offline", "auth_required", "stream_error", "online"):
            assert browser.run(
                "return document.querySelector(arguments[0]).textContent", f"[data-status={status}] .status"
            )
        assert browser.judged() == []
    finally:
        browser.media(forced_colors="none")


_GROUNDS = """
return [...arguments].map(selector => document.querySelector(selector)).map(node => {
  const style = getComputedStyle(node);
  return [style.backgroundColor, style.color];
});
"""


def test_token_form(browser: Browser) -> None:
    """A password manager finds a user and a password; a wrong token is shown as a fault; axe-core finds none."""
    stage = Stage("--picture-less", "--token", "s3cr3t-canary-token", cameras=3)
    try:
        for width, height in SIZES:
            browser.size(width, height)
            browser.open(stage.url)
            browser.wait("document.querySelector('#login').open")
            still(browser)
            assert browser.run(_FAULTS) == [], width
            assert browser.run(_COVERED) == [], width
        fields = "return [...document.querySelectorAll('#login form input')].map(n => [n.type, n.autocomplete])"
        assert browser.run(fields) == [["text", "username"], ["password", "current-password"]]
        assert browser.run("return document.querySelector('#token').getAttribute('aria-invalid')") is None
        browser.type("#token", "wrong")
        browser.keys("\ue007")
        browser.wait("document.querySelector('#token').getAttribute('aria-invalid') === 'true'")
        assert "Wrong token." in browser.text("#token-fault")
        colour = "getComputedStyle(document.querySelector(arguments[0])).color"
        assert browser.run(f"return {colour}", "#token-fault") != browser.run(f"return {colour}", "#login p")
        edge = "return getComputedStyle(document.querySelector(arguments[0])).borderTopColor"
        assert browser.run(edge, "#token") != browser.run(edge, "#user")
        assert browser.judged() == []
    finally:
        browser.desk()
        browser.open("about:blank")
        stage.end()


def test_a_link_that_signs_in(browser: Browser) -> None:
    """The link of `camdetect page` signs in, once; its code stands in no address bar or history after that, and in no
    log; a second use says so in the form, and a fresh link signs in there too.
    """
    stage = Stage("--picture-less", "--token", "s3cr3t-canary-token", cameras=3)
    try:
        link = fresh_link(stage)
        browser.open(link)
        browser.wait("document.querySelectorAll('.card').length === 3")
        assert browser.run("return location.href") == f"{stage.url}#/"
        assert not browser.run("return document.querySelector('#login').open")
        assert browser.run("return document.cookie") == ""
        browser.driver.back()
        assert browser.run("return location.href") == "about:blank"
        browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        browser.open(link)
        browser.wait("document.querySelector('#login').open")
        assert "used already" in browser.text("#token-fault")
        assert browser.run("return location.hash") == "#/"
        again = fresh_link(stage)
        browser.run("location.href = arguments[0]", again)  # only what follows "#" is another: nothing is loaded
        browser.wait("document.querySelectorAll('.card').length === 3")
        assert not browser.run("return document.querySelector('#login').open")
        assert browser.run("return location.hash") == "#/"
    finally:
        browser.open("about:blank")
        log = stage.end()
    for code in (link, again):
        assert code.partition("#login=")[2] not in log


def fresh_link(stage: Stage) -> str:
    stage.do(do="page")
    assert stage.process.stdout is not None
    link = str(json.loads(stage.process.stdout.readline())["link"])
    assert link.startswith(f"{stage.url}#login=")
    return link


#: The last choice of a select: cameras in groups.
_LAST = """
const select = document.querySelectorAll(".choice select")[arguments[0]];
select.selectedIndex = select.options.length - 1;
select.dispatchEvent(new Event("change"));
"""
