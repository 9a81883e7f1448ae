"""Any bytes go in; what reads a person's words is driven as by its callers: files, forms, links, saved notices."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType

from twisted_detector.config.page_settings import read_page_settings
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Login, Secret
from twisted_detector.model.decisions import NOTHING_DECIDED, Description
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.operations.adding.targets import read_target
from twisted_detector.operations.decisions import fields
from twisted_detector.operations.decisions.document import parse
from twisted_detector.operations.decisions.editing import edit
from twisted_detector.operations.decisions.sentences import told
from twisted_detector.outputs.notices.local_time import time_of_day
from twisted_detector.outputs.notices.quiet_hours import Holder, QuietHours
from twisted_detector.outputs.notices.rules import NoticeRules
from twisted_detector.outputs.notices.saved import dump_rules, dump_waiting, load_rules, load_waiting
from twisted_detector.outputs.notices.wording import MAX_HEADLINE, headline, line, text
from twisted_detector.web.entry.ingress import is_ingress
from twisted_detector.web.entry.login_codes import LoginCodes
from twisted_detector.web.frames import allow, for_visitor

OVERRIDES = (
    b'# by hand\n[camera.00408cabcdef]\nname = "Barn"\nnote = """on\nthe gable"""  # ladder\nadopted = "yes"\n'
    b'login = "viewer:pass:word"\nmain = "rtsp://u:p@camera:5566/live/1"\nsub = "rtsp://camera/2"\n'
    b'network = "10.20.0.0/24"\n\n[site]\nnetworks = ["10.30.0.0/24", "10.31.0.7"]\n\n[logins]\n'
    b'"network 10.20.0.0/24" = ["viewer:password"]\n"vendor Axis" = ["a:b"]\ndefault = ["admin:x"]\n\n'
    b'[settings]\nMQTT_BROKER = "192.168.1.5"\nMQTT_PORT = 1883\nMQTT_TLS = false\nGO2RTC_URL = "http://h:1984"\n',
    b'camera.00408cabcdef = {name="x", login="a:b"}\nsite.networks=["::1"]\n',
    b'[camera]\na.name="x"\n"b".area="y"\nc-1_2.adopted=true\n[[logins]]\n',
    b"[settings]\nMQTT_PORT = 0x" + b"f" * 3_700 + b"\nx = 1979-05-27T07:32:00Z\ny = 1e5\nz = [nan, inf, 0o7]\n",
    b"[settings]\nMQTT_PORT = " + b"9" * 4_400 + b"\n",
    b"a = " + b"[" * 700 + b"]" * 700,
)
TYPED = (
    b"192.168.1.5", b"10.0.0.1-10.0.0.20", b"10.0.0.1 \xe2\x80\x93 20", b"10.0.0.0/24", b"fe80::1%eth0", b"[fe80::1]",
    b"rtsp://us%65r:p%40ss@10.0.0.5:554/a?b=c#d", b"rtsps://cam.local/x", b"camera.local", b"rtsp://[::1]:554/",
    b"::ffff:10.0.0.1", b"fd00::1-fd00::5", b"Barn \xf0\x9f\x90\x84 \xe2\x80\xae", b"yes", b"e\xcc\x81\r\n\x00",
)  # fmt: skip
HOSTS = (
    b"homeassistant.local:8123", b"127.0.0.1:8787", b"[::1]:8787", b"/api/hassio_ingress/Zm9v", b"172.30.32.2",
    b"a; script-src *", b"[v1.a]", b"abcde-fghjk", b"::ffff:172.30.32.2",
)  # fmt: skip
_SUBJECT = NoticeSubject("00408cabcdef", "Barn <b>@here", "10.0.0.5")
_HERE = Path("/state")
_PAGES = ("http://127.0.0.1:1984/stream.html", "https://frigate.example:8971/")


def _rules() -> tuple[NoticeRules, Holder]:
    return NoticeRules(patience=60.0, kinds=tuple(NoticeKind)), Holder(QuietHours(), lambda at: 0)


def _notices() -> tuple[bytes, bytes]:
    """A state of the rules with something in each part of it, and notices that wait."""
    rules, holder = _rules()
    for now in (1000.0, 1400.0, 1800.0):
        for number in range(3):
            subject = replace(_SUBJECT, id=f"00408cabcde{number}")
            rules.observe(subject, {NoticeKind.OFFLINE: "no answer from evil.example"} if number else {}, now)
        rules.observe(_SUBJECT, {NoticeKind.LOGIN: "refused"} if now < 1500 else {}, now)
    one = Notice("n-1", NoticeKind.OFFLINE, 1000.0, until=1500.0, cameras=(_SUBJECT,), reason="x")
    holder.hold([one])
    whole = Notice("n-2", NoticeKind.SUMMARY, 1000.0, parts=(one,), more=2)
    return dump_rules(rules, holder).encode(), dump_waiting([one, whole], 3).encode()


NOTICES = _notices()


def overrides(data: bytes) -> None:
    """The file is read, each kind of change is written into it, and all of it reads back as it was meant."""
    written = data.decode("utf-8", "replace")
    for name in read_page_settings(_HERE, lambda path: data).faults:
        name.encode()
    found = parse(written)
    before = found.decisions
    _ = [(one.version, repr(one)) for one in before.cameras.values()]
    camera_id = next(iter(before.cameras), "new-1_2")
    now = before.of(camera_id)
    for one in (
        NOTHING_DECIDED,
        replace(now, login=None),
        replace(now, login=Login("v\"'", Secret('p\\":#]')), description=Description('"""', "#", "a\n[camera.x]\n'''")),
    ):
        after = replace(before, cameras=MappingProxyType({**before.cameras, camera_id: one}), settings={})
        with suppress(LocalError):  # it says that it cannot, and nothing is written
            edit(written, before, after)
        if any("p\\" in sentence for sentence in told(before, after)):
            raise ValueError("a password was told")


def typed(data: bytes) -> None:
    """What is typed into a field, or comes in a command."""
    words = data.decode("utf-8", "replace")
    for read in (
        fields.read_line, fields.read_note, fields.read_stream, fields.read_network, fields.read_searched_network,
        fields.read_verdict,
    ):  # fmt: skip
        with suppress(RemoteError):
            read("field", words)
    with suppress(RemoteError):
        fields.read_login(words[::2], words[1::2])
    for address in read_target(words).addresses[:3]:
        ip_address(address.partition("%")[0])


def visitor(data: bytes) -> None:
    """What a browser, or a proxy before us, sends before anybody is known."""
    words = data.decode("latin-1")
    for peer in ("172.30.32.2", words):
        is_ingress(peer, {"x-ingress-path": words})
    policy = allow("default-src 'none'; connect-src 'self'", _PAGES, words)
    if policy.count(";") != 2 or "*" in policy or not policy.isprintable():
        raise ValueError(f"another policy: {policy!r}")
    for page in _PAGES:
        for_visitor(page, words)
    codes = LoginCodes(lambda: 0.0, bytes)
    codes.issue()
    if codes.redeem(words) != (words == "aaaaa-aaaaa"):
        raise ValueError("a code that was not given")


def _clock(at: float) -> str:
    return time_of_day(at, 2000.0)


def notices(data: bytes) -> None:
    """What the store has of notices: what is read can be told, and kept again."""
    words = data.decode("utf-8", "replace")
    rules, holder = _rules()
    load_rules(words, rules, holder)
    waiting, _ = load_waiting(words)
    known = (one.notice for one in rules.open.values())
    for one in (*waiting, *holder.held.values(), *rules.kept.values(), *known):
        if len(headline(one)) > 4 * MAX_HEADLINE or "\n" in headline(one):
            raise ValueError("a headline that is none")
        text(one, _clock)
        line(one, _clock)
    rules.observe(_SUBJECT, {}, 2000.0)
    dump_rules(rules, holder)
