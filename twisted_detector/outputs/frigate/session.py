"""Client of Frigate's API behind its nginx: logs in, and tells one that is starting from one that refuses.

Port 5000 wants no login; 8971 takes ``POST /api/login`` for a cookie, or a token. While Frigate starts, its nginx
answers alone: 500 to everything that asks for a login first, 502 to the login itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from twisted_detector.model import Secret
from twisted_detector.model.consumers import FRIGATE, Consumer
from twisted_detector.outputs.frigate.refusals import words
from twisted_detector.outputs.sync.http import HttpClient, HttpRequest, HttpResponse, check_place
from twisted_detector.outputs.sync.seams import TargetRefused, TargetStarting, TargetUnavailable

_NONE = Secret("")
#: What every write carries: it is asked for where a proxy in between adds an Origin, and its value does not matter.
_WRITE = {"X-CSRF-TOKEN": "1"}


class FrigateSession:
    """Requests to one Frigate, with its login.

    :param token: a bearer token; else ``user`` and ``password`` are logged in with, when there are any.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        consumer: Consumer = FRIGATE,
        user: str = "",
        password: Secret = _NONE,
        token: Secret = _NONE,
    ) -> None:
        self.base = http.base
        self.consumer = consumer
        self._logins = f"{consumer.settings('user', 'password')}, or {consumer.settings('token')}"
        self._http = http
        self._user = user
        self._password = password
        self._token = token
        self._cookie = ""
        #: Whether Frigate said that nobody logs in there.
        self._open = False

    async def request(self, request: HttpRequest) -> HttpResponse:
        """The app's own answer, whatever its status but 401, 403 and 429.

        :raises TargetStarting: nginx answers alone. :raises TargetRefused: it wants another login.
        """

        async def send() -> HttpResponse:
            headers = {**request.headers, **({} if request.method == "GET" else _WRITE), **self._credentials()}
            return await self._http.request(replace(request, headers=headers))

        wants_login = bool(self._user) and not self._token
        if wants_login and not self._cookie and not self._open:
            await self._log_in()
        answer = await send()
        if answer.status == 401 and wants_login and (self._cookie or self._open):
            await self._log_in()  # its session is over, or somebody switched its login on
            answer = await send()
        self._check_answer(answer)
        if answer.status == 429:
            raise TargetUnavailable("Frigate wants fewer requests for a while", shown=words(answer.text))
        if answer.status == 403:
            raise TargetRefused(f"Frigate wants an administrator's login: {self._logins}", shown=words(answer.text))
        if answer.status == 401:
            raise TargetRefused(f"Frigate wants a login: {self._logins}")
        return answer

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The text at a path.

        :raises TargetUnavailable: it does not tell.
        """
        answer = await self.request(HttpRequest("GET", path, query or {}))
        if answer.status != 200:
            raise TargetUnavailable("Frigate does not tell", shown=f"status {answer.status}: {words(answer.text)}")
        return answer.text

    def _credentials(self) -> dict[str, str]:
        if self._token:
            return {"Authorization": f"Bearer {self._token.reveal()}"}
        return {"Cookie": self._cookie} if self._cookie else {}

    async def _log_in(self) -> None:
        self._cookie, self._open = "", False
        body = json.dumps({"user": self._user, "password": self._password.reveal()}).encode()
        request = HttpRequest("POST", "/api/login", headers={"Content-Type": "application/json"}, body=body)
        answer = await self._http.request(request)
        self._check_answer(answer)
        if answer.status == 429:
            # Also to the right password, once there were too many wrong ones, whoever sent them.
            raise TargetUnavailable("Frigate takes no logins for a while", shown=words(answer.text))
        if answer.status in (404, 500):
            self._open = True  # with ``auth.enabled: false`` there is no login to be had (500 until 0.17)
            return
        if answer.status != 200:
            raise TargetRefused("Frigate refuses the login", shown=f"status {answer.status}: {words(answer.text)}")
        self._cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
        self._open = not self._cookie

    def _check_answer(self, answer: HttpResponse) -> None:
        check_place(answer, self.consumer.settings("url"))
        _check_starting(answer)


def _check_starting(answer: HttpResponse) -> None:
    if answer.status in (500, 502, 503, 504) and answer.text.lstrip()[:6].lower() in ("<html>", "<!doct"):
        raise TargetStarting("Frigate is starting", shown=f"its nginx says {answer.status}")
