"""Destination that is a running Frigate: its configuration is read, our cameras are merged, and it is saved again.

The API of Frigate 0.14 to 0.18: ``GET /api/config/raw`` (a text; since 0.15 a JSON string that calls
itself text), ``POST /api/config/save`` (validates the whole configuration, and writes it only then), ``GET
/api/version``. ``PUT /api/config/set`` is not used: until 0.16 it cannot reach an item of a list, and it takes a name
that is a number for an index. Port 5000 wants no login; 8971 takes ``POST /api/login`` for a cookie, or a token.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from zope.interface import implementer

from twisted_detector.model import Secret
from twisted_detector.outputs.frigate.document import fit_version
from twisted_detector.outputs.sync.documents import delivery_result, merge_text
from twisted_detector.outputs.sync.http import HttpClient, HttpResponse
from twisted_detector.outputs.sync.merging import mask_logins, merge_section
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    InThread,
    ISyncDestination,
    TargetRefused,
    TargetUnavailable,
)

#: How often a configuration that changes under our hands is read anew before we come back later.
_ROUNDS = 3
_NONE = Secret("")
#: Seconds between two restarts of Frigate that we request: one takes it up to a minute.
RESTART_PAUSE = 120.0
_merge = partial(merge_section, "cameras")


@implementer(ISyncDestination)
class FrigateApi:
    """Our cameras in the configuration of a running Frigate.

    :param token: a bearer token; else ``user`` and ``password`` are logged in with, when there are any.
    :param restart: let Frigate restart, so that it takes up what was changed.
    """

    refresh = 300.0  # somebody may have restored an older configuration; a read costs Frigate nothing

    def __init__(
        self,
        http: HttpClient,
        *,
        in_thread: InThread,
        monotonic: Callable[[], float],
        user: str = "",
        password: Secret = _NONE,
        token: Secret = _NONE,
        restart: bool = False,
    ) -> None:
        self.name = "frigate-api"
        self.where = http.base
        self._http = http
        self._in_thread = in_thread
        self._monotonic = monotonic
        self._user = user
        self._password = password
        self._token = token
        self._cookie = ""
        self._restart = restart
        self._restarted_at: float | None = None

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISyncDestination`."""
        version = (await self._get("/api/version")).strip()
        if not version[:1].isdigit() or len(version) > 80:
            raise TargetUnavailable("what answers there is no Frigate", shown=mask_logins(version[:60]))
        fitting = fit_version(wanted, version)
        for _ in range(_ROUNDS):
            before = await self._read()
            merging = partial(merge_text, before, yaml=True, merge=_merge, base=base, wanted=fitting)
            after, merged = await self._in_thread(merging)
            if after == before or dry:
                return delivery_result("Frigate's configuration", before, after, merged, dry=dry)
            if await self._read() == before:
                await self._save(before, after)
                return delivery_result("Frigate's configuration", before, after, merged, dry=False)
        raise TargetUnavailable("somebody else is just changing its configuration")

    async def _read(self) -> str:
        body = await self._get("/api/config/raw")
        if body.startswith('"'):
            try:
                inner = json.loads(body)
            except ValueError:
                raise TargetUnavailable("its configuration came in pieces") from None
            body = str(inner)
        if body.lstrip().startswith(("<!", "<html")):
            raise TargetUnavailable("what answers there is no Frigate", shown="a web page instead of a configuration")
        return body

    async def _save(self, before: str, after: str) -> None:
        """Have ``after`` validated and written; whatever happens, in the end Frigate holds ``before`` or ``after``."""
        restart = self._restart and self._may_restart()
        try:
            answer = await self._post(after, restart=restart)
        except TargetUnavailable as error:
            await self._recover_save(before, after, error)
            return
        if answer.status >= 500:
            await self._recover_save(
                before, after, TargetUnavailable("Frigate failed on it", shown=_error_text(answer))
            )
            return
        if answer.status != 200:
            if "KeyError: 'FRIGATE_" in answer.text:
                await self._restart_for_variables()
            raise TargetRefused("Frigate refuses it", shown=_error_text(answer))
        if restart:
            self._restarted_at = self._monotonic()

    async def _recover_save(self, before: str, after: str, error: TargetUnavailable) -> None:
        """After a save without a clear answer: find out what came of it; restore ``before`` where it is neither."""
        current = await self._read()
        if current == after:
            return
        if current != before:
            answer = await self._post(before, restart=False)
            if answer.status != 200:
                raise TargetUnavailable(
                    "Frigate broke off while it wrote, and did not take the former configuration back"
                )
        raise error

    async def _restart_for_variables(self) -> None:
        """Frigate reads its variables when it starts: one that runs since before a camera came has no login for it."""
        if not self._restart:
            raise TargetRefused(
                "Frigate does not know the variables of a new camera: give it FRIGATE_ENV_PATH and start it anew"
            )
        self._may_restart()
        self._restarted_at = self._monotonic()
        await self._request("POST", "/api/restart")
        raise TargetUnavailable("Frigate was told to restart, to learn the variables of a new camera")

    async def _post(self, text: str, *, restart: bool) -> HttpResponse:
        return await self._request(
            "POST",
            "/api/config/save",
            {"save_option": "restart" if restart else "saveonly"},
            body=text.encode(),
            headers={"Content-Type": "text/plain"},
        )

    def _may_restart(self) -> bool:
        if self._restarted_at is not None and self._monotonic() - self._restarted_at < RESTART_PAUSE:
            raise TargetUnavailable("Frigate was restarted a moment ago; the next change waits")
        return True

    # --- requests --------------------------------------------------------------------------------------------------

    async def _request(self, method: str, path: str, query: dict[str, str] | None = None, **more: Any) -> HttpResponse:
        headers = dict(more.pop("headers", {}))
        if not self._token and self._user and not self._cookie:
            await self._log_in()
        answer = await self._http.request(method, path, query, headers={**headers, **self._credentials()}, **more)
        if answer.status == 401 and self._cookie:
            await self._log_in()  # its session is over
            answer = await self._http.request(method, path, query, headers={**headers, **self._credentials()}, **more)
        if answer.status in (401, 403):
            raise TargetRefused(
                "Frigate wants an administrator's login: FRIGATE_USER and FRIGATE_PASSWORD, or FRIGATE_TOKEN"
            )
        return answer

    def _credentials(self) -> dict[str, str]:
        if self._token:
            return {"Authorization": f"Bearer {self._token.reveal()}"}
        return {"Cookie": self._cookie} if self._cookie else {}

    async def _log_in(self) -> None:
        self._cookie = ""
        body = json.dumps({"user": self._user, "password": self._password.reveal()}).encode()
        answer = await self._http.request("POST", "/api/login", body=body, headers={"Content-Type": "application/json"})
        if answer.status == 404:
            return  # no login is wanted there
        if answer.status != 200:
            raise TargetRefused("Frigate refuses the login", shown=f"status {answer.status}")
        self._cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())

    async def _get(self, path: str) -> str:
        answer = await self._request("GET", path)
        if answer.status != 200:
            raise TargetUnavailable("Frigate does not tell", shown=f"status {answer.status}: {_error_text(answer)}")
        return answer.text


def _error_text(answer: HttpResponse) -> str:
    """Frigate's own message: of a traceback the last lines, which name the fault."""
    try:
        message = str(json.loads(answer.text)["message"])
    except (ValueError, KeyError, TypeError):
        message = answer.text
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    # The first two lines say that it is invalid and where to read, in every version; what is wrong follows.
    return mask_logins(" ".join(lines[2:] or lines)[-180:])
