"""The page's forms in a real Chromium: a camera's, adding, networks; by keyboard, on a phone, with every bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import REASON, WAIT, Browser
from tests.integration.test_web import _NAMELESS, _PALE, CARDS, ENTER, TAB, Stage, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(REASON), reason=REASON),
]

#: Cameras of the stage: one that needs a login, two that are well.
NEEDS_LOGIN, FIRST, SECOND = "00408c00000d", "00408c000006", "00408c000007"
SPACE = " "
FOCUSED = "document.activeElement"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    window = Browser()
    yield window
    window.end()


@pytest.fixture
def stage(browser: Browser) -> Iterator[Stage]:
    staged = Stage("--picture-less", "--unlimited")
    yield staged
    browser.desk()
    browser.open("about:blank")
    browser.complaints()
    staged.end()


def tries(stage: Stage) -> list[list[str]]:
    """(camera, user) of each login that a camera refused."""
    stage.do(do="tries")
    assert stage.process.stdout is not None
    found: list[list[str]] = json.loads(stage.process.stdout.readline())
    return found


def picture_less(line: str) -> bool:
    """The stage has no live pictures, which is told as an answer that a browser complains of."""
    return "/live?" in line


def field(group: str, name: str) -> str:
    return f"[data-group={group}] [name={name}]"


def fault(group: str, name: str) -> str:
    """What stands under a field as its refusal."""
    return f"document.querySelector('{field(group, name)}').closest('.field').querySelector('.fault').textContent"


def answer(group: str) -> str:
    return f"document.querySelector('[data-group={group}] .answered').textContent"


def value(browser: Browser, selector: str) -> str:
    return str(browser.run("return document.querySelector(arguments[0]).value", selector))


def paste(browser: Browser, selector: str, text: str) -> None:
    """What no key types; the form hears of it as of a paste."""
    script = "const n = document.querySelector(arguments[0]); n.value = arguments[1];"
    browser.run(f"{script} n.dispatchEvent(new Event('input', {{ bubbles: true }})); n.focus()", selector, text)


def camera_opened(browser: Browser, stage: Stage, camera_id: str, part: str = "") -> None:
    opened(browser, stage, f"#/camera/{camera_id}{part}")
    browser.wait("document.querySelector('.settings [name=name]')?.placeholder")


def test_login(browser: Browser, stage: Stage) -> None:
    """By keyboard on a phone: from the card's button straight into the form; one wrong word costs one attempt, which is
    told, and loses nothing; the right one brings the camera online at once."""
    browser.size(390, 844)
    opened(browser, stage)
    browser.wait(f"{CARDS} > 3")
    browser.run("document.querySelector(arguments[0]).focus()", f"[data-id='{NEEDS_LOGIN}'] .foot a")
    assert browser.run(f"return {FOCUSED}.textContent") == "Enter login"
    browser.keys(ENTER)
    browser.wait(f"{FOCUSED}.matches(arguments[0])", WAIT, field("login", "user"))
    first = browser.run("return [...document.querySelectorAll('#detail .body button, #detail summary')][0].textContent")
    assert first.startswith("Login")
    browser.keys("viewer", TAB)
    browser.keys("lokk", ENTER)
    assert browser.run(f"return {answer('login')}") == "Trying…"
    browser.keys(ENTER)  # a second Enter while the first is under way sends nothing
    browser.wait(f"{answer('login')}.includes('1 of 2 attempts left')")
    assert "The camera refused viewer." in browser.run(f"return {answer('login')}")
    assert (value(browser, field("login", "user")), value(browser, field("login", "password"))) == ("viewer", "lokk")
    assert tries(stage) == [[NEEDS_LOGIN, "viewer"]]
    assert stage.get(f"cameras/{NEEDS_LOGIN}")["adopted"] == "person"
    browser.wait(f"{FOCUSED}.matches(arguments[0])", WAIT, field("login", "password"))
    browser.keys("look", ENTER)  # what was wrong is selected, and is written over
    browser.wait(f"{answer('login')}.includes('accepted viewer')")
    browser.wait("document.querySelector('#detail .verdict').innerText.includes('Online')")
    assert value(browser, field("login", "password")) == ""
    assert "user viewer" in browser.text("[data-group=login] summary")
    assert "look" not in json.dumps(stage.get(f"cameras/{NEEDS_LOGIN}/decided"))
    assert browser.complaints(picture_less) == []


def test_no_third_attempt(browser: Browser, stage: Stage) -> None:
    """After two wrong ones nothing is sent, and the answer says when the next may be; a login can be saved for then."""
    camera_opened(browser, stage, NEEDS_LOGIN)
    for password in ("one", "two", "three"):
        browser.type(field("login", "user"), "viewer")
        browser.type(field("login", "password"), password)
        browser.keys(ENTER)
        browser.wait(f"!{answer('login')}.startsWith('Trying') && {answer('login')}")
    assert len(tries(stage)) == 2
    assert "the next may be tried in 29 min. 0 of 2 attempts left." in browser.run(f"return {answer('login')}")
    assert value(browser, field("login", "password")) == "three"
    browser.click("[data-act=save-login]")
    browser.wait(f"{answer('login')}.startsWith('Kept for this camera.')")
    assert stage.get(f"cameras/{NEEDS_LOGIN}/decided")["values"]["login"]["value"] == {"user": "viewer"}
    browser.wait("!document.querySelector('[data-act=clear]').hidden")
    browser.click("[data-act=clear]")
    browser.wait("document.querySelector('[data-act=clear]').hidden")
    assert stage.get(f"cameras/{NEEDS_LOGIN}/decided")["values"]["login"]["value"] is None
    assert len(tries(stage)) == 2


def test_bad_logins(browser: Browser, stage: Stage) -> None:
    """No user, control characters and ten kilobytes are told at the field, before any camera is asked; all stays."""
    camera_opened(browser, stage, NEEDS_LOGIN)
    browser.click(field("login", "user"))
    browser.keys(ENTER)
    browser.wait(f"{fault('login', 'user')}.includes('enter a user name')")
    for user, password, name, told in (
        ("viewer", "lo\u0007ok", "password", "control character"),
        ("view\u0000er", "look", "user", "control character"),
        ("viewer", "x" * 10_240, "password", "at most 256 bytes; this has 10240"),
        ("viewer", "\u0001" * 10_240, "password", "too long"),
        ("v" * 65, "look", "user", "at most 64 bytes"),
        ("a:b", "look", "user", "colon"),
    ):
        paste(browser, field("login", "user"), user)
        paste(browser, field("login", "password"), password)
        browser.keys(ENTER)
        browser.wait(f"{fault('login', name)}.includes(arguments[0])", WAIT, told)
        invalid = browser.run("return [...document.querySelectorAll('[aria-invalid=true]')].map(n => n.name)")
        assert invalid == [name]
        assert browser.run(f"return {FOCUSED}.name") == name
        assert value(browser, field("login", "password")) == password
        described = browser.run("return document.querySelector('[aria-invalid=true]').getAttribute('aria-describedby')")
        assert browser.run("return document.getElementById(arguments[0]).textContent", described.split()[1])
    assert tries(stage) == []


def test_rename_in_two_steps(browser: Browser, stage: Stage) -> None:
    """A camera is opened, its name typed: the card, the drawer and the lists have it, its id stays; emptied it goes."""
    opened(browser, stage)
    browser.wait(f"{CARDS} > 4")
    # Only what is near is drawn, and in a wide font that is less.
    browser.wait("document.querySelector(arguments[0]) ?? (scrollBy(0, 200), null)", WAIT, f"[data-id='{FIRST}']")
    browser.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", f"[data-id='{FIRST}']")
    browser.click(f"[data-id='{FIRST}'] .name")  # 1
    browser.wait("document.querySelector('.settings [name=name]')?.placeholder")
    was = browser.text("#detail-title")
    browser.type(field("name", "name"), "Hen house 🐔 <b>2</b>")  # 2
    browser.keys(ENTER)
    browser.wait(f"{answer('name')} === 'Saved.'")
    browser.wait("document.querySelector('#detail-title').textContent === 'Hen house 🐔 <b>2</b>'")
    browser.wait(f"document.querySelector(`[data-id='{FIRST}'] .name`).textContent === 'Hen house 🐔 <b>2</b>'")
    assert stage.get(f"cameras/{FIRST}")["id"] == FIRST
    assert "Set on this page" in browser.text("[data-group=name]")
    browser.wait("document.querySelector('[data-group=name] summary').textContent.includes('Hen house')")
    browser.type(field("name", "area"), "Yard")  # the number of a version says nothing of before and after
    browser.keys(ENTER)
    browser.wait("document.querySelector('[data-group=name] summary').textContent.endsWith(' · Yard')")
    assert browser.run("return document.querySelectorAll('#detail b').length") > 0
    assert not browser.run("return [...document.querySelectorAll('b')].some(n => n.textContent === '2')")
    browser.type(field("name", "name"), " ")
    browser.keys(ENTER)
    browser.wait("document.querySelector('#detail-title').textContent === arguments[0]", WAIT, was)
    assert "This is the camera's own name" in browser.text("[data-group=name]")
    assert browser.complaints(picture_less) == []


def test_bad_names(browser: Browser, stage: Stage) -> None:
    """Too long, marks that turn the text around, and a bad network are told at the field; a name that another camera
    has is allowed, with a remark."""
    camera_opened(browser, stage, FIRST)
    for name, text, told in (
        ("name", "n" * 500, "at most 64 characters; this has 500"),
        ("name", "Gate \u202eetag", "U+202E"),
        ("area", "Yard\u0007", "U+0007"),
        ("note", "n" * 501, "at most 500 characters"),
        ("network", "192.168.1.5/24", "is 192.168.1.0/24 meant?"),
        ("network", "my network", "must be a network such as"),
    ):
        paste(browser, field("name", name), text)
        browser.click("[data-act=save-name]")
        browser.wait(f"{fault('name', name)}.includes(arguments[0])", WAIT, told)
        assert value(browser, field("name", name)) == text
        assert browser.run(f"return {FOCUSED}.name") == name
        paste(browser, field("name", name), "")
    assert stage.get(f"cameras/{FIRST}/decided")["version"] == 0
    twin = stage.get(f"cameras/{SECOND}")["name"]
    browser.type(field("name", "name"), twin.upper())
    browser.wait(
        "document.querySelector('[data-group=name]').innerText.includes('has the same name. That is allowed.')"
    )
    browser.keys(ENTER)
    browser.wait(f"{answer('name')}.startsWith('Saved. The camera at')")
    assert stage.get(f"cameras/{FIRST}")["name"] == twin.upper()


def test_two_browsers(browser: Browser, stage: Stage) -> None:
    """Who saves what another one changed meanwhile is shown both values and chooses; what does not collide is saved."""
    camera_opened(browser, stage, FIRST)
    for mine, theirs, act, stays in (("Mine", "Theirs", "mine", "Mine"), ("Mine 2", "Theirs 2", "theirs", "Theirs 2")):
        browser.type(field("name", "name"), mine)
        stage.do(do="give", id=FIRST, given={"name": theirs})
        browser.wait("document.querySelector('#detail-title').textContent === arguments[0]", WAIT, theirs)
        assert value(browser, field("name", "name")) == mine  # news do not take away what is being typed
        assert browser.run(f"return {FOCUSED}.name") == "name"
        browser.keys(ENTER)
        browser.wait("document.querySelector('.clash:not([hidden])')")
        told = browser.text(".clash")
        assert f"yours: {mine}" in told
        assert f"theirs: {theirs}" in told
        assert stage.get(f"cameras/{FIRST}")["name"] == theirs
        assert browser.run(f"return {FOCUSED}.dataset.act") == "mine"
        browser.click(f"[data-act={act}]")
        browser.wait("!document.querySelector('.clash:not([hidden])')")
        browser.wait("document.querySelector('#detail-title').textContent === arguments[0]", WAIT, stays)
        assert value(browser, field("name", "name")) == stays
        assert stage.get(f"cameras/{FIRST}")["name"] == stays
    browser.type(field("name", "area"), "Yard")
    stage.do(do="give", id=FIRST, given={"note": "by somebody else"})
    browser.keys(ENTER)
    browser.wait(f"{answer('name')} === 'Saved.'")
    values = stage.get(f"cameras/{FIRST}/decided")["values"]
    assert [values[name]["value"] for name in ("area", "note")] == ["Yard", "by somebody else"]
    browser.wait("document.querySelector(arguments[0]).value === 'by somebody else'", WAIT, field("name", "note"))


def test_streams(browser: Browser, stage: Stage) -> None:
    """A login in a stream's URL is taken out and kept as the camera's; another host, and what is no RTSP URL, is told
    at the field, and no password of it anywhere."""
    camera_opened(browser, stage, FIRST)
    browser.click("[data-group=stream] summary")
    for url, told in (
        ("rtsp://viewer:s3cr3t@10.99.0.1/live", "another host"),
        ("rtsp://viewer:s3cr3t@127.0.0.1/live", "another host"),
        ("http://viewer:s3cr3t@192.168.1.26/live", "must be like rtsp://"),
        ("rtsp://viewer:s3cr3t@192.168.1.26:0/live", "main: "),
    ):
        browser.type(field("stream", "main"), url)
        browser.keys(ENTER)
        browser.wait(f"{fault('stream', 'main')}.length > 0")
        words = browser.run(f"return {fault('stream', 'main')}")
        assert told.removeprefix("main: ") in words
        assert "s3cr3t" not in words
        assert value(browser, field("stream", "main")) == url
    browser.type(field("stream", "main"), "rtsp://viewer:s3cr3t@192.168.1.26:5566/live/1")
    browser.keys(ENTER)
    browser.wait(f"{answer('stream')} === 'Saved.'")
    assert value(browser, field("stream", "main")) == "rtsp://192.168.1.26:5566/live/1"
    assert "user viewer" in browser.text("[data-group=login] summary")
    assert "s3cr3t" not in browser.run("return document.documentElement.outerHTML")


def test_full_disk(browser: Browser, stage: Stage) -> None:
    """Where the disk is full the form says so and keeps what was typed; when there is room it is saved."""
    camera_opened(browser, stage, FIRST)
    stage.do(do="disk", full=True)
    browser.type(field("name", "name"), "Hen house")
    browser.type(field("name", "note"), "two lines")
    browser.click("[data-act=save-name]")
    browser.wait(f"{answer('name')}.includes('No space left on device')")
    assert "It was not saved" in browser.run(f"return {answer('name')}")
    assert [value(browser, field("name", name)) for name in ("name", "note")] == ["Hen house", "two lines"]
    assert stage.get(f"cameras/{FIRST}/decided")["version"] == 0
    stage.do(do="disk", full=False)
    browser.click("[data-act=save-name]")
    browser.wait(f"{answer('name')} === 'Saved.'")
    assert stage.get(f"cameras/{FIRST}/decided")["values"]["note"]["value"] == "two lines"
    assert all("503" in line for line in browser.complaints(picture_less))


def test_typed_stays(browser: Browser, stage: Stage) -> None:
    """News of a camera draws its state anew, and leaves alone what is being typed, with the focus in it."""
    camera_opened(browser, stage, FIRST)
    browser.click("[data-group=login] summary")
    browser.type(field("login", "password"), "half a pass")
    browser.type(field("name", "name"), "Half a na")
    stage.do(do="offline", id=FIRST)
    browser.wait("document.querySelector('#detail .verdict').innerText.includes('no answer to three checks')")
    browser.keys("me")
    assert value(browser, field("name", "name")) == "Half a name"
    assert value(browser, field("login", "password")) == "half a pass"
    # Before the form knows what was decided, too.
    slow = (
        "const get = window.fetch; window.fetch = async (...what) => { const answer = await get(...what);"
        " if (String(what[0]).endsWith('/decided')) await new Promise(done => setTimeout(done, 3000));"
        " return answer; };"
    )
    opened(browser, stage)
    browser.run(f"{slow} location.hash = '#/camera/{SECOND}'")
    browser.wait("document.querySelector('.settings [name=name]')")
    assert not browser.run("return document.querySelector('.settings [name=name]').placeholder")
    browser.type(field("name", "name"), "Early bird")
    browser.wait("document.querySelector('.settings [name=name]').placeholder")
    assert value(browser, field("name", "name")) == "Early bird"
    browser.keys(ENTER)
    browser.wait(f"{answer('name')} === 'Saved.'")
    assert stage.get(f"cameras/{SECOND}")["name"] == "Early bird"


def test_streams_that_nobody_found(browser: Browser, stage: Stage) -> None:
    """A camera without a stream opens on the form for its address, unless it says itself what is in the way."""
    stage.do(do="facts", id=SECOND, facts={"status": "stream_error", "streams": [], "reason": "no known path exists"})
    camera_opened(browser, stage, SECOND)
    opens = "[...document.querySelectorAll('.settings details[open]')].map(one => one.dataset.group).join()"
    assert browser.run(f"return {opens}") == "stream"
    browser.wait("document.querySelector('[data-group=stream] summary').innerText.includes('none found')")
    shut = {"status": "stream_error", "streams": [], "announced": {"conditions": ["not-activated"]}}
    stage.do(do="facts", id=FIRST, facts=shut | {"code": "not-activated"})
    camera_opened(browser, stage, FIRST)
    assert browser.run(f"return {opens}") == "name"


def test_first_login(browser: Browser, stage: Stage) -> None:
    """By keyboard: where the login has done its work its form goes, and the keyboard stays where it was."""
    stage.do(do="facts", id=NEEDS_LOGIN, facts={"adopted": "person"})
    opened(browser, stage, "#/first-run")
    browser.wait("document.querySelector('#first-run input[name=user]')?.checkVisibility()")
    browser.run("document.querySelector('#first-run input[name=user]').focus()")
    browser.keys("viewer", TAB)
    browser.keys("look", ENTER)
    panel = "document.querySelector('#first-login').closest('section')"
    browser.wait(f"{panel}.innerText.includes('Accepted by 1 camera.')")
    browser.wait(f"{FOCUSED}.id === 'first-login'")
    browser.keys(TAB)
    assert browser.run(f"return Boolean({FOCUSED}.closest('[role=radiogroup]'))"), "it went on to the broker"


def test_sources(browser: Browser, stage: Stage) -> None:
    """Each value says where it comes from, and what a file gives says that it is changed only there."""
    camera_opened(browser, stage, "00408c000000")
    browser.click("[data-group=login] summary")
    browser.wait("document.querySelector('[data-group=login]').innerText.includes('Change it there')")
    assert "user filed" in browser.text("[data-group=login] summary")
    assert browser.run("return document.querySelector('[data-act=clear]').hidden")
    assert "found by camdetect" in browser.text("[data-group=stream] summary")
    browser.click("[data-group=stream] summary")
    found = browser.text("[data-group=stream]")
    assert "Found by camdetect: rtsp://192.168.1.20:554/Streaming/Channels/101" in found
    assert "This is the camera's own name" in browser.text("[data-group=name]")


def test_told_over_the_drawer(browser: Browser, stage: Stage) -> None:
    """What is told for a moment stands in the dialog that is open, where it is seen and read out, else on the page."""
    camera_opened(browser, stage, FIRST)
    browser.click("#detail [data-act=check]")
    browser.wait("document.querySelector('#detail .toasts .toast')?.textContent === 'Checking…'")
    browser.click("#detail header button")
    browser.wait("!document.querySelector('#detail').open")
    browser.click("#sweep button")
    browser.wait("document.querySelector('body > .toasts .toast')")


def test_manage(browser: Browser, stage: Stage) -> None:
    """Adopting, unadopting and hiding stand together, each with what it means; hiding asks first, and is taken back."""
    camera_opened(browser, stage, FIRST)
    assert "camdetect sends it no login" in browser.text(".manage")
    browser.click("[data-act=adopt]")
    browser.wait("document.querySelector('.manage').innerText.includes('Adopted by hand')")
    browser.click("[data-act=unadopt]")
    browser.click("#ask .danger")
    browser.wait("document.querySelector('[data-act=adopt]')")
    browser.click("[data-act=block]")
    browser.wait("document.querySelector('#ask').open")
    browser.click("#ask button:not(.danger)")
    assert stage.get(f"cameras/{FIRST}")["id"] == FIRST
    browser.click("[data-act=block]")
    browser.click("#ask .danger")
    browser.wait("!document.querySelector('#detail').open")
    browser.wait("document.querySelector('h1').innerText.startsWith('23 cameras')")
    browser.run("location.hash = '#/networks'")
    browser.wait("document.querySelector('[data-unblock]')")
    browser.click("[data-unblock]")
    browser.wait("!document.querySelector('[data-unblock]')")
    assert stage.get(f"cameras/{FIRST}")["id"] == FIRST


def test_add_by_url_in_two_steps(browser: Browser, stage: Stage) -> None:
    """From the first page by keyboard, on a phone: the button, the URL; what is done is told live, then the camera."""
    browser.size(390, 844)
    opened(browser, stage)
    browser.run("document.querySelector('#sweep a').focus()")
    browser.keys(ENTER)  # 1
    browser.wait(f"{FOCUSED}.name === 'target'")
    browser.keys("rtsp://viewer:s3cr3t@192.168.1.24:554/stream1", ENTER)  # 2
    browser.wait("document.querySelector('#add .steps [data-state=doing]')")
    assert browser.text("#add .answered").startswith("192.168.1.24: connecting")
    browser.wait("document.querySelector('#add .answered')?.textContent === 'The camera was added.'")
    assert "a keyframe came" in browser.text("#add .steps")
    assert value(browser, "#add [name=target]") == ""
    assert "s3cr3t" not in browser.run("return document.documentElement.outerHTML + location.href")
    browser.click("#add .answer .primary")
    browser.wait("document.querySelector('#detail-title')?.textContent.length > 1")
    assert browser.run("return location.hash") == "#/camera/00408c000004"


def test_what_would_help(browser: Browser, stage: Stage) -> None:
    """What failed has its reason, and buttons for what would help: search its network, use its port, give a login."""
    opened(browser, stage, "#/add")
    browser.wait(f"{FOCUSED}.name === 'target'")
    browser.keys("10.9.0.5", ENTER)
    browser.wait("document.querySelector('#add .answered')?.textContent.includes('is on no network that is searched')")
    browser.click("#add .steps button")
    browser.wait("document.querySelector('#add .steps')?.innerText.includes('554 is closed')")
    assert any(one["network"] == "10.9.0.0/24" for one in stage.get("networks")["networks"])
    browser.click("#add .steps button")
    browser.wait("document.querySelector('#add .answered')?.textContent.startsWith('The camera was added')")
    browser.type("#add [name=target]", "192.168.1.33")
    browser.keys(ENTER)
    browser.wait("document.querySelector('#add .steps a')")
    assert "it wants a login" in browser.text("#add .steps")
    browser.click("#add .steps a")
    browser.wait(f"{FOCUSED}.matches(arguments[0])", WAIT, field("login", "user"))


def test_bad_targets(browser: Browser, stage: Stage) -> None:
    """Nothing, a range of a million addresses and this machine itself are told at the field; what was typed stays."""
    opened(browser, stage, "#/add")
    browser.wait(f"{FOCUSED}.name === 'target'")
    told = "document.querySelector('#add .fault').textContent"
    browser.keys(ENTER)
    browser.wait(f"{told}.includes('enter an address')")
    for target, words in (("10.0.0.0/8", "at most 1024 addresses"), ("rtsp://127.0.0.1/a", "this machine itself")):
        browser.type("#add [name=target]", target)
        browser.keys(ENTER)
        browser.wait(f"{told}.includes(arguments[0])", WAIT, words)
        assert value(browser, "#add [name=target]") == target
        assert browser.run(f"return {FOCUSED}.getAttribute('aria-invalid')") == "true"


def test_from_find_to_add(browser: Browser, stage: Stage) -> None:
    """The view that explains an address has a button for what would help, and leads to adding it, filled in."""
    opened(browser, stage, "#/why/10.77.0.13")
    browser.wait("document.querySelector('.answer h2')")
    browser.wait("document.querySelector('.answer [data-help^=add-network]')")
    browser.click(".answer [data-help^=add-network]")
    asked = "performance.getEntriesByType('resource').filter(one => one.name.includes('why?')).length"
    browser.wait(f"{asked} === 2 && document.querySelector('.answer a[href^=\"#/add/\"]')")
    assert any(one["network"] == "10.77.0.0/24" for one in stage.get("networks")["networks"])
    browser.click(".answer a[href^='#/add/']")
    browser.wait("document.querySelector('#add [name=target]')?.value === '10.77.0.13'")


def test_networks(browser: Browser, stage: Stage) -> None:
    """Each network says by what, when, with how many packets and hosts it is searched; one is added and removed here,
    and what the environment gives says that it is not removed here."""
    browser.size(390, 844)
    opened(browser, stage, "#/networks")
    browser.wait("document.querySelectorAll('.nets li').length === 3")
    given = browser.text("[data-network='10.20.0.0/24']")
    for words in ("by neighboursweep, wsdiscovery", "last 4 min ago", "254 packets", "4 hosts", "SCAN_NETWORKS"):
        assert words in given
    assert not browser.run("return document.querySelector(`[data-network='10.20.0.0/24'] button`)")
    for network, words in (("10.0.0.0/8", "65536"), ("10.40.0.7/24", "is 10.40.0.0/24 meant?")):
        browser.type("#networks [name=network]", network)
        browser.keys(ENTER)
        browser.wait("document.querySelector('#networks .fault').textContent.includes(arguments[0])", WAIT, words)
        assert value(browser, "#networks [name=network]") == network
    browser.type("#networks [name=network]", "10.40.0.0/24")
    browser.keys(ENTER)
    browser.wait("document.querySelector(`[data-network='10.40.0.0/24']`)?.innerText.includes('not yet')")
    assert value(browser, "#networks [name=network]") == ""
    browser.run("document.querySelector(`[data-remove='10.40.0.0/24']`).focus()")
    browser.keys(ENTER)
    browser.wait("document.querySelector('#ask').open")
    browser.click("#ask .danger")
    browser.wait("!document.querySelector(`[data-network='10.40.0.0/24']`)")
    assert [one["network"] for one in stage.get("networks")["networks"]].count("10.40.0.0/24") == 0
    assert browser.run("return document.documentElement.scrollWidth") <= 390


def test_reload(browser: Browser, stage: Stage) -> None:
    """What was edited by hand is read again by a button; it says what changed, and what waits for a restart."""
    opened(browser, stage, "#/system")
    browser.wait("document.querySelector('[data-act=reload]')")
    browser.click("[data-act=reload]")
    browser.wait("document.querySelector('#system .answered').textContent === 'Reloaded.'")
    assert "Logins: 1 added." in browser.text("#system")
    assert "WEB_LISTEN: takes effect after a restart." in browser.text("#system")
    browser.click("[data-act=restart]")
    browser.wait("document.querySelector('#system .answered').textContent.startsWith('camdetect is restarting')")
    assert browser.run("return document.querySelector('[data-act=restart]').hidden")


_VIEWS = ("#/networks", "#/add", f"#/camera/{NEEDS_LOGIN}/login", f"#/camera/{FIRST}")


def _shown(browser: Browser, stage: Stage, path: str) -> None:
    opened(browser, stage, path)
    browser.wait("document.querySelector('.nets li, #add .field, .settings .manage li')")
    if "camera" in path:
        browser.run("document.querySelectorAll('.settings details').forEach(n => { n.open = true; })")


def test_narrow(browser: Browser, stage: Stage) -> None:
    """At 360 and 390 pixels nothing is wider than the screen, and every control is large enough for a finger."""
    for width in (360, 390):
        browser.size(width, 740)
        for path in ("#/", *_VIEWS):
            _shown(browser, stage, path) if path != "#/" else opened(browser, stage)
            browser.wait(f"document.documentElement.scrollWidth === {width}")
            # Once it lies still: what is new slides in.
            browser.wait(
                "![...document.querySelectorAll('button, .button, nav a, select, input, textarea, summary')]"
                ".filter(n => n.checkVisibility() && n.type !== 'checkbox')"
                ".map(n => [n.textContent || n.name, n.getBoundingClientRect()])"
                ".filter(([, box]) => box.height < 24 || box.width < 24 || box.right > innerWidth + 1)"
                ".some(([text]) => !document.querySelector('.chips')?.textContent.includes(text))"
            )


def test_accessible(browser: Browser, stage: Stage) -> None:
    """Every control of the forms has a name, and text stands out from its ground in light and dark."""
    for path in _VIEWS:
        _shown(browser, stage, path)
        browser.run("const s = new CSSStyleSheet(); s.replaceSync('* { transition: none !important }');"
                    "document.adoptedStyleSheets = [s]")  # fmt: skip
        nameless = _NAMELESS.replace("input, select", "input, select, textarea")
        assert browser.run(nameless) == [], path
        for theme in ("light", "dark"):
            browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
            pale: Any = browser.run(_PALE)
            assert pale == [], (path, theme)
