"""Channel that publishes notices on a topic of an ntfy server (https://docs.ntfy.sh/publish/#publish-as-json).

As JSON, and not as headers: a title in any alphabet is then text, and no header can be made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from twisted_detector.model import Secret
from twisted_detector.model.encoding import encode
from twisted_detector.model.notices import Notice
from twisted_detector.outputs.notices.http import Post, Poster, check, said
from twisted_detector.outputs.notices.wording import Clock, headline, text


@dataclass(frozen=True, slots=True)
class NtfySettings:
    """:ivar url: the topic's: ``https://ntfy.sh/mytopic``. :ivar priority: 1 to 5. :ivar tags: emoji short codes."""

    url: Secret
    token: Secret
    priority: int
    tags: tuple[str, ...]


class NtfyChannel:
    """Channel to one topic."""

    def __init__(self, poster: Poster, settings: NtfySettings, *, clock: Clock) -> None:
        self._poster = poster
        self._settings = settings
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        """See :class:`Channel`."""
        settings = self._settings
        server, _, topic = settings.url.reveal().rpartition("/")
        message = {
            "topic": unquote(topic),
            "title": headline(notice),
            "message": text(notice, self._clock),
            "priority": settings.priority,
            "tags": list(settings.tags),
        }
        headers = {"Content-Type": "application/json"}
        if settings.token:
            headers["Authorization"] = f"Bearer {settings.token.reveal()}"
        answer = await self._poster.post(Post(f"{server}/", encode(message), headers, "NTFY_URL"))
        detail = said(answer, "error", secrets=(settings.token.reveal(), topic))
        check(answer, named="NTFY_URL", token="NTFY_TOKEN", detail=detail)  # noqa: S106

    async def test(self, notice: Notice) -> str:
        """See :class:`Channel`."""
        await self.send(notice)
        return "the ntfy server accepted a test notice"
