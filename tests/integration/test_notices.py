"""Each way over real sockets: servers that take notices, and those that are slow, refuse, redirect or break off."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.web.server import Site

from tests.faults.certificates import Authority
from tests.integration.mqtt_station import MOSQUITTO, Broker
from tests.listener import Listener
from tests.outputs.notices.case import START, clock, notice
from tests.peers.exchange import Answer, Socketed
from tests.peers.notices import BOT, CHAT, TOKEN, TOPIC, Hook, Ntfy, Server, Telegram
from tests.ports import free_port
from twisted_detector.model import Secret
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.mqtt.service import MqttService, MqttSettings
from twisted_detector.outputs.notices.document import told_document
from twisted_detector.outputs.notices.http import MAX_ANSWER, Poster
from twisted_detector.outputs.notices.mail import MailChannel, MailSettings
from twisted_detector.outputs.notices.mqtt import MqttChannel
from twisted_detector.outputs.notices.ntfy import NtfyChannel, NtfySettings
from twisted_detector.outputs.notices.telegram import TelegramChannel, TelegramSettings
from twisted_detector.outputs.notices.way import DeliveryFailed
from twisted_detector.outputs.notices.webhook import SIGNATURE, WebhookChannel, WebhookSettings

TOLD = notice(NoticeKind.OFFLINE, 1, 2, reason="it does not answer")
#: A camera that tries to write headers, markup and links.
EVIL = Notice(
    "9-9", NoticeKind.OFFLINE, START, network="10.0.0.0/24", reason="*see* http://evil.example/?a=<b>",
    cameras=(NoticeSubject("cam9", "Yard\r\nBcc: all@evil.example\r\n\r\n<b>玄関</b> http://evil.ex", "10.0.0.9"),),
)  # fmt: skip
KEY = "canary-hmac-key"
#: What is told of any certificate that is none for that server, and of a server without TLS.
UNTRUSTED = (
    "TLS fails: its certificate is not trusted (NOTICE_CA_PATH) or is for another host, or it does not speak TLS there"
)
document = partial(told_document, clock=clock, node_id="n", now=START)


def as_document(told: Notice) -> dict[str, Any]:
    return document(told)


@pytest.fixture
def listen() -> Iterator[Callable[..., str]]:
    """Listens, with TLS where a certificate is given; gives the address."""
    ports: list[Any] = []

    def begin(factory: Any, pair: Any = None) -> str:
        if pair is None:
            ports.append(reactor.listenTCP(0, factory, interface="127.0.0.1"))
        else:
            tls = DefaultOpenSSLContextFactory(str(pair.key), str(pair.certificate))
            ports.append(reactor.listenSSL(0, factory, tls, interface="127.0.0.1"))
        return f"http{'s' if pair else ''}://127.0.0.1:{ports[-1].getHost().port}"

    yield begin
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


def site(server: Server) -> Site:
    return Site(Socketed(server.answer))


def webhook(url: str, *, token: str = TOKEN, secret: str = KEY, **more: Any) -> WebhookChannel:
    settings = WebhookSettings(Secret(f"{url}/hook"), Secret(token), Secret(secret))
    return WebhookChannel(Poster(reactor, **more), settings, document=as_document)


def ntfy(url: str, *, token: str = TOKEN, topic: str = TOPIC, **more: Any) -> NtfyChannel:
    settings = NtfySettings(Secret(f"{url}/{topic}"), Secret(token), 4, ("movie_camera",))
    return NtfyChannel(Poster(reactor, **more), settings, clock=clock)


def telegram(url: str, *, token: str = BOT, chat: str = CHAT, **more: Any) -> TelegramChannel:
    return TelegramChannel(Poster(reactor, **more), TelegramSettings(url, Secret(token), chat), clock=clock)


#: Each way over HTTP with the server that it is for.
WAYS = [(webhook, Hook), (ntfy, Ntfy), (telegram, Telegram)]
NAMED = {webhook: "NOTICE_WEBHOOK_URL", ntfy: "NTFY_URL", telegram: "TELEGRAM_URL"}
SECRETS = (TOKEN, TOPIC, BOT, BOT.partition(":")[2], KEY, "/hook")


async def refusal(channel: Any, told: Notice = TOLD) -> DeliveryFailed:
    """What is told of a sending that fails; no secret is in it."""
    with pytest.raises(DeliveryFailed) as caught:
        await channel.send(told)
    for secret in SECRETS:
        assert secret not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"
    return caught.value


# --- the ways over HTTP ---------------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_webhook(listen: Any) -> None:
    """The document of the contract, with the token, and signed."""
    hook = Hook()
    channel = webhook(listen(site(hook)))
    await channel.send(TOLD)
    assert await channel.test(notice(NoticeKind.TEST)) == "the web hook accepted a test notice"
    request = hook.requests[0]
    assert hook.messages[0] == json.loads(json.dumps(document(TOLD)))
    assert hook.messages[1]["event"] == "test"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    digest = hmac.new(KEY.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers[SIGNATURE.lower()] == f"sha256={digest}"


@pytest_twisted.ensureDeferred
async def test_webhook_without_secrets(listen: Any) -> None:
    """Without token and secret there are no such headers."""
    hook = Hook()
    await webhook(listen(site(hook)), token="", secret="").send(TOLD)
    assert not {"authorization", SIGNATURE.lower()} & set(hook.requests[0].headers)


@pytest_twisted.ensureDeferred
async def test_ntfy(listen: Any) -> None:
    """Topic, title, words, priority and tags."""
    server = Ntfy()
    channel = ntfy(listen(site(server)))
    await channel.send(TOLD)
    assert await channel.test(notice(NoticeKind.TEST)) == "the ntfy server accepted a test notice"
    assert server.messages[0] == {
        "topic": TOPIC, "title": "2 cameras on 10.0.0.0/24 are offline", "priority": 4, "tags": ["movie_camera"],
        "message": "Since 22:13\nCameras: Camera 1, Camera 2\nReason: it does not answer",
    }  # fmt: skip


@pytest_twisted.ensureDeferred
async def test_ntfy_refuses(listen: Any) -> None:
    """A wrong token, none, and a topic that is none: what it says, and which setting mends it; not tried again."""
    url = listen(site(Ntfy()))
    wrong = await refusal(ntfy(url, token="tk_wrong"))
    assert str(wrong) == "it answers 401 (unauthorized): not allowed; check NTFY_TOKEN"
    assert str(await refusal(ntfy(url, token=""))) == "it answers 403 (forbidden): not allowed; check NTFY_TOKEN"
    odd = await refusal(ntfy(url, topic="a.b"))
    assert str(odd) == "it answers 400 (invalid request: topic invalid); check NTFY_URL"
    assert wrong.final
    assert odd.final


@pytest_twisted.ensureDeferred
async def test_telegram(listen: Any) -> None:
    """Chat and text, no markup, no preview of links."""
    server = Telegram()
    channel = telegram(listen(site(server)))
    await channel.send(TOLD)
    assert await channel.test(notice(NoticeKind.TEST)) == "Telegram accepted a test notice"
    words = "Since 22:13\nCameras: Camera 1, Camera 2\nReason: it does not answer"
    assert server.messages[0] == {
        "chat_id": CHAT, "text": f"2 cameras on 10.0.0.0/24 are offline\n{words}",
        "link_preview_options": {"is_disabled": True},
    }  # fmt: skip


@pytest_twisted.ensureDeferred
async def test_telegram_refuses(listen: Any) -> None:
    """A token of no bot, a chat that is not there, a bot that was thrown out, and a wait that it asks for."""
    server = Telegram()
    url = listen(site(server))
    named = "check TELEGRAM_TOKEN, and that the bot may write to TELEGRAM_CHAT_ID"
    assert str(await refusal(telegram(url, token="1:x"))) == f"it answers 401 (Unauthorized): not allowed; {named}"
    odd = await refusal(telegram(url, chat="5"))
    assert str(odd) == "it answers 400 (Bad Request: chat not found); check TELEGRAM_CHAT_ID"
    server.odd = server.error(404, "Not Found")
    gone = await refusal(telegram(url))
    assert str(gone) == "it answers 404: there is no bot with this token; check TELEGRAM_TOKEN"
    server.odd = server.error(400, f"Bad Request: {BOT}")  # no server says that; one that lies might
    assert "(no reason given)" in str(await refusal(telegram(url)))
    server.odd = server.error(403, "Forbidden: bot was blocked by the user")
    assert "bot was blocked by the user): not allowed" in str(await refusal(telegram(url)))
    assert odd.final
    assert gone.final
    server.odd = server.error(429, "Too Many Requests: retry after 35", retry_after=35)
    busy = await refusal(telegram(url))
    assert (busy.asked, busy.final) == (35.0, False)


@pytest.mark.parametrize(("way", "kind"), WAYS)
@pytest_twisted.ensureDeferred
async def test_hostile_words(listen: Any, way: Any, kind: Any) -> None:
    """Whatever a camera calls itself is words: no header, no markup that is read, no link, no line of its own."""
    server = kind()
    await way(listen(site(server))).send(EVIL)
    (request,) = server.requests
    assert "bcc" not in request.headers
    (message,) = server.messages
    for key in ("title", "text", "message"):
        for line in message.get(key, "").splitlines():
            assert "http://" not in line
            assert "@evil" not in line
            assert "evil.example" not in line
            assert not line.startswith("Bcc")
    assert not {"parse_mode", "entities", "markdown", "click", "attach", "actions"} & set(message)


@pytest.mark.parametrize(("way", "kind"), WAYS)
@pytest_twisted.ensureDeferred
async def test_redirect(listen: Any, way: Any, kind: Any) -> None:
    """A server that sends us elsewhere: nobody else is asked, and gets no token."""
    other, server = kind(), kind()
    url = listen(site(other))
    for status in (301, 302, 307, 308):
        server.odd = Answer(status, [("Location", f"{url}/hook")])
        error = await refusal(way(listen(site(server))))
        assert str(error) == f"it answers {status}, a redirect, which is not followed; check {NAMED[way]}"
        assert error.final
    assert other.requests == []


@pytest.mark.parametrize(("way", "kind"), WAYS)
@pytest_twisted.ensureDeferred
async def test_trouble(listen: Any, way: Any, kind: Any) -> None:
    """500 and 503 are tried again, 429 when it says, and a date is a wait as well; 404 and 410 are not."""
    server = kind()
    channel = way(listen(site(server)))
    busy, fault = "too many requests, or too busy", "a fault of the server"
    for status, headers, asked, words in (
        (500, [], None, fault),
        (503, [("Retry-After", "120")], 120.0, fault),
        (429, [("Retry-After", "7")], 7.0, busy),
        (429, [("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")], 0.0, busy),
        (429, [("Retry-After", "soon")], None, busy),
        (408, [], None, busy),
    ):
        server.odd = Answer(status, headers)
        error = await refusal(channel)
        assert (error.asked, error.final) == (asked, False), str(error)
        assert str(error).startswith(f"it answers {status}")
        assert str(error).endswith(words)
    server.odd = Answer(410)
    assert (await refusal(channel)).final


@pytest.mark.parametrize(("way", "kind"), WAYS)
@pytest_twisted.ensureDeferred
async def test_slow(listen: Any, way: Any, kind: Any) -> None:
    """One that never answers."""
    server = kind()
    server.odd = Answer(200, silent=True)
    error = await refusal(way(listen(site(server)), timeout=0.3))
    assert (str(error), error.final) == ("no answer within 0.3 s", False)


class Rude(Protocol):
    """Says what its factory says as soon as anything comes, and ends."""

    def dataReceived(self, data: bytes) -> None:
        words: bytes = self.factory.words  # type: ignore[union-attr]
        self.transport.write(words)
        self.transport.loseConnection()


def rude(words: bytes) -> Factory:
    factory = Factory.forProtocol(Rude)
    factory.words = words  # type: ignore[attr-defined]
    return factory


LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * (MAX_ANSWER + 1)


@pytest.mark.parametrize("way", [way for way, _ in WAYS])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"", "the connection was closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "no answer: the connection"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no answer: "),
        (LARGE, "its answer is too long"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_rude(listen: Any, way: Any, words: bytes, told: str) -> None:
    """One that closes, breaks off, speaks another protocol, or never stops."""
    assert told in str(await refusal(way(listen(rude(words)))))


@pytest.mark.parametrize("way", [way for way, _ in WAYS])
@pytest_twisted.ensureDeferred
async def test_nobody(way: Any) -> None:
    """Nobody listens, and no such host; the address is in no text."""
    assert str(await refusal(way(f"http://127.0.0.1:{free_port()}"))) == "no answer: the connection is refused"
    error = await refusal(way("http://nowhere.invalid"))
    assert str(error) == f"there is no host of that name; check {NAMED[way]}"


@pytest.mark.parametrize(("way", "kind"), WAYS)
@pytest_twisted.ensureDeferred
async def test_tls(listen: Any, tmp_path: Path, way: Any, kind: Any) -> None:
    """A certificate of an authority that is trusted, and then nothing else: no token goes to who has none."""
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    server = kind()
    await way(listen(site(server), ours.issue("good")), ca=ours.ca).send(TOLD)
    assert len(server.messages) == 1
    for pair in (other.issue("foreign"), ours.issue("named", "127.0.0.2"), ours.issue("old", begins=-9, ends=-1)):
        error = await refusal(way(listen(site(server), pair), ca=ours.ca))
        assert str(error) == f"no answer: {UNTRUSTED}"
    assert str(await refusal(way(listen(site(server), ours.issue("g2"))))) == f"no answer: {UNTRUSTED}"
    plain = listen(rude(b"HTTP/1.1 400 Bad Request\r\n\r\n")).replace("http:", "https:")
    assert str(await refusal(way(plain))) == f"no answer: {UNTRUSTED}"
    assert len(server.requests) == 1


# --- mail -----------------------------------------------------------------------------------------------------------


class Box:
    """A mailbox of aiosmtpd."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[tuple[str, str]] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.mails.append(envelope)
        return self.answer

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        name, password = data.login.decode(), data.password.decode()
        self.logins.append((name, password))
        return AuthResult(success=password == "right", handled=False)


@pytest.fixture
def smtp(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts aiosmtpd with a certificate; gives its port and its authority."""
    controllers: list[Controller] = []

    def begin(box: Box, tls: str, **more: Any) -> tuple[int, Path]:
        authority = Authority(tmp_path, f"smtp{len(controllers)}")
        pair = authority.issue(f"mail{len(controllers)}")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.certificate, pair.key)
        named = {"starttls": {"tls_context": context}, "tls": {"ssl_context": context}, "none": {}}[tls]
        controller = Controller(box, hostname="127.0.0.1", port=free_port(), **named, **more)
        controller.start()
        controllers.append(controller)
        return controller.port, authority.ca

    yield begin
    for controller in controllers:
        controller.stop()


def mail(port: int, ca: Path | None, tls: str, **more: Any) -> MailChannel:
    settings = MailSettings(
        **{
            "host": "127.0.0.1", "port": port, "tls": tls, "user": "camdetect", "password": Secret("right"),
            "sender": "cams@example.org", "recipients": ("a@example.org", "b@example.org"), "ca": ca, **more,
        }
    )  # fmt: skip
    return MailChannel(reactor, settings, clock=clock)


def read(envelope: Any) -> Any:
    return message_from_bytes(envelope.content, policy=policy.default)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest_twisted.ensureDeferred
async def test_mail(smtp: Any, tls: str) -> None:
    """To both, after a login that went over TLS only."""
    box = Box()
    channel = mail(
        *smtp(box, tls, authenticator=box.login, auth_required=True, auth_require_tls=tls == "starttls"), tls
    )
    await channel.send(TOLD)
    assert await channel.test(notice(NoticeKind.TEST)) == "the mail server took a test mail"
    first = box.mails[0]
    assert (first.mail_from, first.rcpt_tos) == ("cams@example.org", ["a@example.org", "b@example.org"])
    message = read(first)
    assert message["Subject"] == "2 cameras on 10.0.0.0/24 are offline"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == "a@example.org, b@example.org"
    assert message.get_content().splitlines()[2:] == [
        "Since 22:13", "Cameras: Camera 1, Camera 2", "Reason: it does not answer",
    ]  # fmt: skip
    assert set(box.logins) == {("camdetect", "right")}


@pytest_twisted.ensureDeferred
async def test_mail_hostile(smtp: Any) -> None:
    """A camera that writes line ends and headers into its name has written words into one subject."""
    box = Box()
    await mail(*smtp(box, "none"), "none", user="", password=Secret("")).send(EVIL)
    (envelope,) = box.mails
    message = read(envelope)
    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    }  # fmt: skip
    assert "玄関" in message["Subject"]
    assert message.get_content_type() == "text/plain"
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    assert "http://" not in message.get_content()


@pytest_twisted.ensureDeferred
async def test_mail_refused(smtp: Any) -> None:
    """A wrong password, a server that takes no mail now or never: in words, and nothing of the password."""
    box = Box()
    port, ca = smtp(box, "starttls", authenticator=box.login, auth_required=True)
    wrong = await refusal(mail(port, ca, "starttls", password=Secret("canary-wrong")))
    assert str(wrong).startswith("the server refuses the login: 535")
    assert "check NOTICE_MAIL_USER and NOTICE_MAIL_PASSWORD" in str(wrong)
    assert "canary" not in str(wrong)
    assert wrong.final
    for answer, final in (("451 try later", False), ("554 we want none of it", True)):
        box.answer = answer
        error = await refusal(mail(port, ca, "starttls"))
        assert (str(error), error.final) == (f"the server answers {answer[:3]} ({answer[4:]})", final)
    assert box.mails == []


@pytest_twisted.ensureDeferred
async def test_mail_in_clear(smtp: Any) -> None:
    """Where STARTTLS is wanted and not offered, no login is sent; nor to a server whose certificate is not trusted."""
    box = Box()
    port, _ = smtp(box, "none", authenticator=box.login, auth_require_tls=False)
    error = await refusal(mail(port, None, "starttls"))
    assert str(error) == "the server offers no STARTTLS: nothing was sent; check NOTICE_MAIL_TLS"
    for tls in ("starttls", "tls"):
        port, _ = smtp(box, tls, authenticator=box.login, auth_require_tls=False)
        error = await refusal(mail(port, None, tls))
        assert str(error) == f"no answer: {UNTRUSTED}; check NOTICE_MAIL_HOST and NOTICE_MAIL_PORT"
    assert (box.logins, box.mails) == ([], [])


@pytest_twisted.ensureDeferred
async def test_mail_without_login(smtp: Any) -> None:
    """A server that takes no login, where there is one to be given, gets neither it nor the mail."""
    box = Box()
    port, _ = smtp(box, "none", auth_exclude_mechanism=["LOGIN", "PLAIN"])
    error = await refusal(mail(port, None, "none"))
    assert str(error) == "the server takes no login here; check NOTICE_MAIL_USER"
    assert (error.final, box.mails) == (True, [])


@pytest.mark.parametrize("words", [b"", b"220 hello\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"554 go away\r\n"])
@pytest_twisted.ensureDeferred
async def test_mail_rude(listen: Any, words: bytes) -> None:
    """A server that closes, speaks another protocol, or wants nobody."""

    class Greeter(Protocol):
        def connectionMade(self) -> None:
            self.transport.write(words)
            self.transport.loseConnection()

    port = int(listen(Factory.forProtocol(Greeter)).rpartition(":")[2])
    for tls in ("starttls", "tls", "none"):
        error = await refusal(mail(port, None, tls))
        assert str(error).startswith(("no answer", "the server answers 554 (go away)"))
        assert error.final == str(error).startswith("the server answers 554")


@pytest_twisted.ensureDeferred
async def test_mail_silent(listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing, or never answers what it is asked."""
    monkeypatch.setattr("twisted_detector.outputs.notices.mail.TIMEOUT", 0.3)

    class Silent(Protocol):
        def connectionMade(self) -> None:
            self.transport.write(b"220 hello\r\n")

    port = int(listen(Factory.forProtocol(Silent)).rpartition(":")[2])
    error = await refusal(mail(port, None, "none"))
    words = "no answer in time, or none that is SMTP; check NOTICE_MAIL_PORT and NOTICE_MAIL_TLS"
    assert (str(error), error.final) == (words, False)


@pytest_twisted.ensureDeferred
async def test_mail_nobody() -> None:
    """Nobody listens."""
    error = await refusal(mail(free_port(), None, "none"))
    assert str(error).startswith("no answer: the connection is refused; check NOTICE_MAIL_HOST")
    error = await refusal(mail(free_port(), None, "none", host="nowhere.invalid"))
    assert str(error) == "there is no host of that name; check NOTICE_MAIL_HOST"


# --- MQTT -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here")
@pytest_twisted.ensureDeferred
async def test_mqtt(tmp_path: Path) -> None:
    """On the topic, not retained; a test tells whether the broker has it."""
    broker = Broker(tmp_path)
    broker.start()
    probe = ["mosquitto_pub", "-p", str(broker.port), "-r", "-t", "probe", "-m", "1"]
    subprocess.run(probe, check=True, timeout=10)
    listener = Listener(tmp_path / "heard", broker.port)
    listener.wait("probe")
    service = MqttService(reactor, MqttSettings(host="127.0.0.1", port=broker.port, client_id="t", lwt_topic="lwt"))
    channel = MqttChannel(reactor, "site/camera/notice", publish=service.publish, document=as_document)
    service.startService()
    try:
        await channel.send(TOLD)
        assert await channel.test(notice(NoticeKind.TEST)) == "the broker accepted a test notice on site/camera/notice"
        listener.wait("site/camera/notice", lambda heard: len(listener.on("site/camera/notice")) == 2)
        told, test = listener.on("site/camera/notice")
        assert told.json == json.loads(json.dumps(document(TOLD)))
        assert test.json["event"] == "test"
        assert not told.retained
        late = ["mosquitto_sub", "-p", str(broker.port), "-t", "#", "-W", "1", "-F", "%t"]
        assert b"notice" not in subprocess.run(late, capture_output=True, timeout=10, check=False).stdout
    finally:
        listener.end()
        await service.stopService()
        broker.kill()


@pytest_twisted.ensureDeferred
async def test_mqtt_away() -> None:
    """Without a broker a test says that there is none, and when it will be sent; a notice waits in the outbox."""
    port = free_port()
    service = MqttService(reactor, MqttSettings(host="127.0.0.1", port=port, client_id="t", lwt_topic="lwt"))
    channel = MqttChannel(reactor, "camera/notice", publish=service.publish, document=as_document, patience=0.2)
    service.startService()
    await channel.send(TOLD)
    error = await refusal(channel_of_test(channel))
    assert str(error) == "the broker has not acknowledged it within 0.2 s; it will be sent once the broker is connected"
    await service.stopService()
    assert "not accepted" in str(await refusal(channel))


def channel_of_test(channel: MqttChannel) -> Any:
    """A channel whose sending is the test of another."""

    class Tested:
        send = staticmethod(channel.test)

    return Tested
