"""Channel that sends notices to a chat by a Telegram bot (https://core.telegram.org/bots/api#sendmessage).

Without ``parse_mode``: what looks like markup in a camera's name is text. The token is a part of the address, so no
fault has the address in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.model import Secret
from twisted_detector.model.encoding import encode, parse_object
from twisted_detector.model.notices import Notice
from twisted_detector.outputs.notices.http import Answer, Post, Poster, check, said
from twisted_detector.outputs.notices.way import DeliveryFailed
from twisted_detector.outputs.notices.wording import Clock, headline, text


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """:ivar url: of the API. :ivar chat: number of a chat, or ``@name`` of a channel."""

    url: str
    token: Secret
    chat: str


class TelegramChannel:
    """Channel to one chat."""

    def __init__(self, poster: Poster, settings: TelegramSettings, *, clock: Clock) -> None:
        self._poster = poster
        self._settings = settings
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        """See :class:`Channel`."""
        settings = self._settings
        message = {
            "chat_id": settings.chat,
            "text": f"{headline(notice)}\n{text(notice, self._clock)}",
            "link_preview_options": {"is_disabled": True},
        }
        token = settings.token.reveal()
        url = f"{settings.url}/bot{token}/sendMessage"
        answer = await self._poster.post(
            Post(url, encode(message), {"Content-Type": "application/json"}, "TELEGRAM_URL")
        )
        detail = said(answer, "description", secrets=(token, token.partition(":")[2])) or "no reason given"
        if answer.status == 404:  # how the API answers a token that no bot has
            raise DeliveryFailed("it answers 404: there is no bot with this token; check TELEGRAM_TOKEN", final=True)
        if answer.status == 400:  # as it answers "chat not found"
            raise DeliveryFailed(f"it answers 400 ({detail}); check TELEGRAM_CHAT_ID", final=True)
        named = "TELEGRAM_TOKEN, and that the bot may write to TELEGRAM_CHAT_ID"
        check(_with_wait(answer), named="TELEGRAM_URL", token=named, detail=detail)

    async def test(self, notice: Notice) -> str:
        """See :class:`Channel`."""
        await self.send(notice)
        return "Telegram accepted a test notice"


def _with_wait(answer: Answer) -> Answer:
    """The answer with the seconds that Telegram names in its body (``parameters.retry_after``)."""
    parameters = (parse_object(answer.body) or {}).get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if isinstance(wait, int | float) and answer.retry_after is None:
        return Answer(answer.status, answer.body, float(wait))
    return answer
