"""The section ``config.notices``: what people are told, when, and by which ways; one section for each way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from twisted_detector.config.declarations import section, setting
from twisted_detector.config.frigate_go2rtc import URL
from twisted_detector.config.kinds import (
    FLAG,
    HOST,
    PATH,
    PORT,
    SECRET,
    TEXT,
    Kind,
    ValueRefused,
    choice,
    clean,
    entries,
    whole,
)
from twisted_detector.model import Secret, host_for_url
from twisted_detector.model.addresses import is_sent_in_clear
from twisted_detector.model.notices import BACK, CHOSEN_KINDS

_HOURS = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*([01]?[0-9]|2[0-3]):([0-5][0-9])")
#: Words that may be chosen; ``back`` is the end of ``offline``.
KIND_WORDS = ("offline", BACK, *(kind.value for kind in CHOSEN_KINDS if kind.value != "offline"))
_MAIL = re.compile(r"[A-Za-z0-9._%+'/=-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")


def _read_hours(text: str) -> tuple[int, int]:
    match = _HOURS.fullmatch(text)
    if match is None:
        raise ValueRefused
    begin_hour, begin_minute, end_hour, end_minute = map(int, match.groups())
    begin, end = begin_hour * 60 + begin_minute, end_hour * 60 + end_minute
    if begin == end:
        raise ValueRefused("they begin and end at the same time")
    return begin, end


def _read_mail_host(text: str) -> str:
    try:
        return HOST.read(text)
    except ValueRefused:
        raise ValueRefused from None  # it names settings of MQTT


MAIL_HOST: Kind[str] = Kind(_read_mail_host, HOST.allowed)


QUIET_HOURS: Kind[tuple[int, int]] = Kind(_read_hours, "two times of the day, HH:MM-HH:MM")


def _read_kinds(texts: list[str]) -> tuple[str, ...]:
    wanted = [text.lower() for text in texts]
    for position, word in enumerate(wanted, 1):
        if word not in KIND_WORDS:
            raise ValueRefused(f"entry {position} is no kind of notice")
    return tuple(dict.fromkeys(wanted))


KINDS = entries(_read_kinds, f"one or more of {' '.join(KIND_WORDS)}, separated by commas")


def _read_secret_url(text: str) -> Secret:
    """A URL with perhaps a query; whoever knows it may post there, so it is a secret."""
    clean(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueRefused from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.fragment:
        raise ValueRefused
    if "@" in parts.netloc:
        raise ValueRefused("a login has its own settings")
    if not text.isascii() or " " in text:
        raise ValueRefused
    return Secret(text)


SECRET_URL: Kind[Secret] = Kind(_read_secret_url, "http:// or https:// with a host and perhaps a port, without a login")


def _read_topic_url(text: str) -> Secret:
    url = _read_secret_url(text)
    parts = urlsplit(text)
    if parts.query or not re.fullmatch(r"/[A-Za-z0-9_-]{1,64}", parts.path):
        raise ValueRefused("the topic is missing, or is none")
    return url


TOPIC_URL: Kind[Secret] = Kind(
    _read_topic_url, "the URL of a topic: http:// or https://, a host, a slash and the topic"
)


def _read_token(text: str) -> Secret:
    """A token that is sent in a header or in a path."""
    if not re.fullmatch(r"[!-~]{0,1024}", text):
        raise ValueRefused("printable ASCII characters without blanks")
    return Secret(text)


TOKEN: Kind[Secret] = Kind(_read_token, "a text without blanks")


def _read_bot_token(text: str) -> Secret:
    if not re.fullmatch(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}", text):
        raise ValueRefused
    return Secret(text)


BOT_TOKEN: Kind[Secret] = Kind(_read_bot_token, "a number, a colon, and letters, as BotFather gives it")


def _read_chat(text: str) -> str:
    if not re.fullmatch(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,63}", text):
        raise ValueRefused
    return text


CHAT: Kind[str] = Kind(_read_chat, "the number of a chat, or @name of a channel", native=(int,))


def _read_mail_address(text: str) -> str:
    if not _MAIL.fullmatch(text):
        raise ValueRefused
    return text


MAIL_ADDRESS: Kind[str] = Kind(_read_mail_address, "an email address")


def _read_mail_addresses(texts: list[str]) -> tuple[str, ...]:
    if len(texts) > 20:
        raise ValueRefused("at most 20 addresses")
    return tuple(dict.fromkeys(_read_mail_address(text) for text in texts))


MAIL_ADDRESSES = entries(_read_mail_addresses, "email addresses separated by commas")


def _read_tags(texts: list[str]) -> tuple[str, ...]:
    if len(texts) > 5 or not all(re.fullmatch(r"[A-Za-z0-9_+-]{1,32}", text) for text in texts):
        raise ValueRefused
    return tuple(texts)


TAGS = entries(_read_tags, "at most five words separated by commas")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSection:
    """The web hook."""

    url: Secret = setting(
        "NOTICE_WEBHOOK_URL",
        SECRET_URL,
        Secret(""),
        "Where notices are posted as JSON.",
        default_text="none",
        secret=True,
    )
    token: Secret = setting(
        "NOTICE_WEBHOOK_TOKEN", TOKEN, Secret(""), "Token sent to it as `Authorization: Bearer`.", secret=True
    )
    secret: Secret = setting(
        "NOTICE_WEBHOOK_SECRET",
        SECRET,
        Secret(""),
        "Key that signs each body: `X-Camdetect-Signature: sha256=` and the HMAC-SHA256 in hexadecimal.",
        secret=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NtfySection:
    """A topic of an ntfy server."""

    url: Secret = setting(
        "NTFY_URL",
        TOPIC_URL,
        Secret(""),
        "ntfy topic that receives notices. Anyone who knows it can read them.",
        default_text="none",
        example="https://ntfy.sh/my-secret-topic",
        secret=True,
    )
    token: Secret = setting("NTFY_TOKEN", TOKEN, Secret(""), "Access token for the ntfy server.", secret=True)
    priority: int = setting("NTFY_PRIORITY", whole(1, 5), 3, "Priority of its notices, from 1 (lowest) to 5 (highest).")
    tags: tuple[str, ...] = setting(
        "NTFY_TAGS", TAGS, ("movie_camera",), "Tags of its notices.", default_text="movie_camera"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSection:
    """A mail server."""

    host: str = setting(
        "NOTICE_MAIL_HOST",
        MAIL_HOST,
        "",
        "Mail server that sends notices.",
        default_text="none",
        example="smtp.example.org",
    )
    port: int = setting(
        "NOTICE_MAIL_PORT", PORT, 587, "Port of the mail server.", default_text="587; 465 with NOTICE_MAIL_TLS=tls"
    )
    tls: str = setting(
        "NOTICE_MAIL_TLS",
        choice("starttls", "tls", "none"),
        "starttls",
        "How the connection is encrypted. Without `none`, nothing is sent in clear.",
    )
    user: str = setting("NOTICE_MAIL_USER", TEXT, "", "User name for the mail server.", default_text="no login")
    password: Secret = setting("NOTICE_MAIL_PASSWORD", SECRET, Secret(""), "Password for the mail server.", secret=True)
    sender: str = setting("NOTICE_MAIL_FROM", MAIL_ADDRESS, "", "Sender address.")
    recipients: tuple[str, ...] = setting(
        "NOTICE_MAIL_TO", MAIL_ADDRESSES, (), "Recipient addresses.", default_text="none"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramSection:
    """A Telegram bot."""

    token: Secret = setting(
        "TELEGRAM_TOKEN", BOT_TOKEN, Secret(""), "Token of a Telegram bot that sends notices.", secret=True
    )
    chat_id: str = setting("TELEGRAM_CHAT_ID", CHAT, "", "Chat that receives them.", example="-1001234567890")
    url: str = setting("TELEGRAM_URL", URL, "https://api.telegram.org", "URL of the Bot API.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesSection:
    """Notices: what is told to people."""

    offline_minutes: int = setting(
        "NOTICE_OFFLINE_MINUTES",
        whole(1, 1440, "minutes,"),
        5,
        "Shorter outages of a camera, its streams or the MQTT broker are not reported.",
        heading="Notices",
    )
    kinds: tuple[str, ...] = setting(
        "NOTICE_KINDS",
        KINDS,
        KIND_WORDS,
        "Which notices are sent.",
        default_text="all",
        example="offline,back,frozen,login",
    )
    quiet_hours: tuple[int, int] | None = setting(
        "NOTICE_QUIET_HOURS",
        QUIET_HOURS,
        None,
        "Hours, in local time, in which no notice is sent; one summary follows at their end.",
        default_text="none",
        example="22:00-07:00",
    )
    per_hour: int = setting(
        "NOTICE_PER_HOUR", whole(1, 1000), 30, "Notices per hour, for each way; the rest come later as a summary."
    )
    mqtt: bool = setting("NOTICE_MQTT", FLAG, True, "Publish notices on the MQTT topic `camera/notice`.")
    ca_path: Path | None = setting(
        "NOTICE_CA_PATH",
        PATH,
        None,
        "PEM file of the CAs to trust for the web hook, the ntfy server and the mail server.",
        default_text="the system's CAs",
    )
    webhook: WebhookSection = section(WebhookSection)
    ntfy: NtfySection = section(NtfySection)
    mail: MailSection = section(MailSection)
    telegram: TelegramSection = section(TelegramSection)


def notice_faults(notices: NoticesSection) -> Iterator[str]:
    """What stops the start: a way of which a part is missing."""
    mail, telegram = notices.mail, notices.telegram
    if mail.host:
        for name, value in (("NOTICE_MAIL_FROM", mail.sender), ("NOTICE_MAIL_TO", mail.recipients)):
            if not value:
                yield f"NOTICE_MAIL_HOST = {mail.host!r}: must not be set without {name}"
    if bool(mail.user) != bool(mail.password):
        given, missing = ("NOTICE_MAIL_USER", "NOTICE_MAIL_PASSWORD")[:: 1 if mail.user else -1]
        yield f"{given} is set: must not be set without {missing}"
    if bool(telegram.token) != bool(telegram.chat_id):
        given, missing = ("TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID")[:: 1 if telegram.token else -1]
        yield f"{given} is set: must not be set without {missing}"
    if mail.user and mail.tls == "none" and is_sent_in_clear(f"http://{host_for_url(mail.host)}"):
        yield "NOTICE_MAIL_TLS = 'none': must not be set with NOTICE_MAIL_USER, except for a server on this machine"


def notice_warnings(notices: NoticesSection) -> Iterator[str]:
    """What is allowed but probably not meant, or dangerous."""
    for url, name, tokens in (
        (notices.webhook.url.reveal(), "NOTICE_WEBHOOK_URL", notices.webhook.token),
        (notices.ntfy.url.reveal(), "NTFY_URL", notices.ntfy.token),
        (notices.telegram.url, "TELEGRAM_URL", notices.telegram.token),
    ):
        if tokens and is_sent_in_clear(url):
            yield f"{name} is http:// to another machine: the token goes over the network in clear; use https://"
    unused = [
        name
        for name, value, needed in (
            ("NOTICE_WEBHOOK_TOKEN", notices.webhook.token, notices.webhook.url),
            ("NOTICE_WEBHOOK_SECRET", notices.webhook.secret, notices.webhook.url),
            ("NTFY_TOKEN", notices.ntfy.token, notices.ntfy.url),
            ("NOTICE_MAIL_FROM", notices.mail.sender, notices.mail.host),
            ("NOTICE_MAIL_TO", notices.mail.recipients, notices.mail.host),
            ("NOTICE_MAIL_USER", notices.mail.user, notices.mail.host),
        )
        if value and not needed
    ]
    if unused:
        yield f"{', '.join(unused)} has no effect: the address of that way is not set"
