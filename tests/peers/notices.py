"""Servers that take notices: a topic of ntfy, the API of Telegram, a web hook. Requests go in, their answers come out.

ntfy as of 2.11 (``server/errors.go``, ``transformBodyJSON`` of ``server/server.go``): JSON at the root.
Telegram as its API answers: https://core.telegram.org/bots/api#making-requests, ``ResponseParameters`` for waits.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.peers.exchange import Answer, Request

JSON = [("Content-Type", "application/json")]
TOPIC, TOKEN = "cams-7d1f", "tk_canary0ntfy"
BOT, CHAT = "110201543:AAHdqTcanaryTelegram", "-1001234567890"


class Server:
    """One server. ``odd``: it gives this answer to the next request, and does nothing else.

    :ivar requests: all that came. :ivar messages: those that it took.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.messages: list[dict[str, Any]] = []
        self.odd: Answer | None = None

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.odd is not None:
            odd, self.odd = self.odd, None
            return odd
        return self.take(request)

    def take(self, request: Request) -> Answer:
        raise NotImplementedError


class Hook(Server):
    """Takes any JSON that is posted to /hook."""

    def take(self, request: Request) -> Answer:
        if request.path != "/hook":
            return Answer(404)
        self.messages.append(json.loads(request.body))
        return Answer(204)


class Ntfy(Server):
    """An ntfy that denies everybody but who has the token."""

    def take(self, request: Request) -> Answer:
        if request.method != "POST" or request.path != "/":
            return self.error(40401, 404, "page not found")
        if request.headers.get("authorization") not in (None, f"Bearer {TOKEN}"):
            return self.error(40101, 401, "unauthorized")
        if len(request.body) > 8192:
            return self.error(41303, 413, "JSON body too large")
        message = json.loads(request.body)
        if not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", message["topic"]):
            return self.error(40009, 400, "invalid request: topic invalid")
        if request.headers.get("authorization") is None:
            return self.error(40301, 403, "forbidden")
        self.messages.append(message)
        return Answer(
            200, JSON, json.dumps({"id": "hwQ2YpKdmg", "time": 1635528741, "event": "message", **message}).encode()
        )

    @staticmethod
    def error(code: int, status: int, text: str) -> Answer:
        document = {"code": code, "http": status, "error": text, "link": "https://ntfy.sh/docs/publish/#authentication"}
        return Answer(status, JSON, json.dumps(document).encode())


class Telegram(Server):
    """Telegram's API with one bot, who is in one chat."""

    def take(self, request: Request) -> Answer:
        match = re.fullmatch(r"/bot([^/]+)/(\w+)", request.path)
        if match is None or match[1] != BOT:
            return self.error(404, "Not Found") if match is None else self.error(401, "Unauthorized")
        message = json.loads(request.body)
        if match[2] != "sendMessage":
            return self.error(404, "Not Found: method not found")
        if message["chat_id"] != CHAT:
            return self.error(400, "Bad Request: chat not found")
        if not 0 < len(message["text"]) <= 4096:
            return self.error(400, "Bad Request: message is too long")
        self.messages.append(message)
        return Answer(200, JSON, json.dumps({"ok": True, "result": {"message_id": 7}}).encode())

    @staticmethod
    def error(code: int, text: str, **parameters: Any) -> Answer:
        document = {"ok": False, "error_code": code, "description": text}
        if parameters:
            document["parameters"] = parameters
        return Answer(code, JSON, json.dumps(document).encode())
