"""Channel that posts notices as JSON to a web hook, signed where a secret is set."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted_detector.model import Secret
from twisted_detector.model.encoding import encode
from twisted_detector.model.notices import Notice
from twisted_detector.outputs.notices.http import Post, Poster, check

#: Header with the HMAC-SHA256 of the body, as GitHub's and others' have it: ``sha256=`` and hexadecimal digits.
SIGNATURE = "X-Camdetect-Signature"


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """:ivar url: where notices go. :ivar token: for ``Authorization: Bearer``. :ivar secret: for the signature."""

    url: Secret
    token: Secret
    secret: Secret


class WebhookChannel:
    """Channel to one URL.

    :param document: a notice as JSON types.
    """

    def __init__(
        self, poster: Poster, settings: WebhookSettings, *, document: Callable[[Notice], dict[str, Any]]
    ) -> None:
        self._poster = poster
        self._settings = settings
        self._document = document

    async def send(self, notice: Notice) -> None:
        """See :class:`Channel`."""
        settings, body = self._settings, encode(self._document(notice))
        headers = {"Content-Type": "application/json"}
        if settings.token:
            headers["Authorization"] = f"Bearer {settings.token.reveal()}"
        if settings.secret:
            digest = hmac.new(settings.secret.reveal().encode(), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"sha256={digest}"
        answer = await self._poster.post(Post(settings.url.reveal(), body, headers, "NOTICE_WEBHOOK_URL"))
        check(answer, named="NOTICE_WEBHOOK_URL", token="NOTICE_WEBHOOK_TOKEN")  # noqa: S106

    async def test(self, notice: Notice) -> str:
        """See :class:`Channel`."""
        await self.send(notice)
        return "the web hook accepted a test notice"
