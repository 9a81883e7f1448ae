"""Our cameras go in; a Frigate that was asked for its configuration, and given it back with them in it, comes out.

The API as it stands in Frigate 0.14 to 0.18: ``GET /api/config/raw`` (a text; since 0.15 a JSON string that calls
itself text), ``POST /api/config/save`` (validates the whole configuration, and writes it only then), ``GET
/api/version``. ``PUT /api/config/set`` is not used: until 0.16 it cannot reach an item of a list, and it takes a name
that is a number for an index. Port 5000 wants no login; 8971 takes ``POST /api/login`` for a cookie, or a token.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from zope.interface import implementer

from twisted_detector.model import Secret
from twisted_detector.outputs.sync.documents import apply, outcome
from twisted_detector.outputs.sync.http import Http, HttpAnswer
from twisted_detector.outputs.sync.seams import Away, Delivered, Differ, Entries, IDelivery, Merge, Merged, NotTaken

#: How often a configuration that changes under our hands is read anew before we come back later.
_ROUNDS = 3
_NONE = Secret("")
#: Seconds between two restarts of Frigate that we ask for: one takes it up to a minute.
RESTART_PAUSE = 120.0

#: Runs a function where it may take long: in a thread.
InThread = Callable[[Callable[[], tuple[str, Merged]]], Awaitable[tuple[str, Merged]]]


@implementer(IDelivery)
class FrigateApi:
    """Keeps our cameras in a running Frigate's configuration.

    :param url: without a login.
    :param token: a bearer token; else ``user`` and ``password`` are logged in with, when there are any.
    :param fit: (entries, version as Frigate says it) → entries that this version takes.
    :param clean: takes logins out of a text that Frigate said.
    :param restart: let Frigate restart, so that it takes up what was changed.
    """

    refresh = 300.0  # somebody may have restored an older configuration; a read costs Frigate nothing

    def __init__(
        self,
        http: Http,
        url: str,
        *,
        merge: Merge,
        differ: Differ,
        fit: Callable[[Entries, str], Entries],
        clean: Callable[[str], str],
        in_thread: InThread,
        monotonic: Callable[[], float],
        user: str = "",
        password: Secret = _NONE,
        token: Secret = _NONE,
        restart: bool = False,
    ) -> None:
        self.name = "frigate-api"
        self.where = url
        self._http = http
        self._merge = merge
        self._differ = differ
        self._fit = fit
        self._clean = clean
        self._in_thread = in_thread
        self._monotonic = monotonic
        self._user = user
        self._password = password
        self._token = token
        self._cookie = ""
        self._restart = restart
        self._restarted_at: float | None = None

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> Delivered:
        """See :class:`IDelivery`."""
        version = (await self._good(await self._ask("GET", "/api/version"))).text.strip()
        if not version[:1].isdigit() or len(version) > 80:
            raise Away("what answers there is no Frigate", shown=self._clean(version[:60]))
        fitting = self._fit(wanted, version)
        for _ in range(_ROUNDS):
            before = await self._read()
            after, merged = await self._in_thread(
                lambda before=before: apply(before, yaml=True, merge=self._merge, base=base, wanted=fitting)  # type: ignore[misc]
            )
            if after == before or dry:
                return outcome("Frigate's configuration", before, after, merged, self._differ, dry=dry)
            if await self._read() == before:
                await self._save(before, after)
                return outcome("Frigate's configuration", before, after, merged, self._differ, dry=False)
        raise Away("somebody else is just changing its configuration")

    async def _read(self) -> str:
        body = (await self._good(await self._ask("GET", "/api/config/raw"))).text
        if body.startswith('"'):
            try:
                inner = json.loads(body)
            except ValueError:
                raise Away("its configuration came in pieces") from None
            body = str(inner)
        if body.lstrip().startswith(("<!", "<html")):
            raise Away("what answers there is no Frigate", shown="a web page instead of a configuration")
        return body

    async def _save(self, before: str, after: str) -> None:
        """Have it checked and written; whatever happens, what stands there in the end is the one or the other."""
        restart = self._restart and self._may_restart()
        try:
            answer = await self._post(after, restart=restart)
        except Away as error:
            await self._put_right(before, after, error)
            return
        if answer.status >= 500:
            await self._put_right(before, after, Away("Frigate failed on it", shown=self._said(answer)))
            return
        if answer.status != 200:
            if "KeyError: 'FRIGATE_" in answer.text:
                await self._teach_variables()
            raise NotTaken("Frigate refuses it", shown=self._said(answer))
        if restart:
            self._restarted_at = self._monotonic()

    async def _put_right(self, before: str, after: str, error: Away) -> None:
        """No clear answer to a save: look what came of it, and put back what was there when it is neither."""
        stands = await self._read()
        if stands == after:
            return
        if stands != before:
            answer = await self._post(before, restart=False)
            if answer.status != 200:
                raise Away("Frigate broke off while it wrote, and did not take the former configuration back")
        raise error

    async def _teach_variables(self) -> None:
        """Frigate reads its variables when it starts: one that runs since before a camera came has no login for it."""
        if not self._restart:
            raise NotTaken(
                "Frigate does not know the variables of a new camera: give it FRIGATE_ENV_PATH and start it anew"
            )
        self._may_restart()
        self._restarted_at = self._monotonic()
        await self._ask("POST", "/api/restart")
        raise Away("Frigate was told to restart, to learn the variables of a new camera")

    async def _post(self, text: str, *, restart: bool) -> HttpAnswer:
        return await self._ask(
            "POST",
            "/api/config/save",
            {"save_option": "restart" if restart else "saveonly"},
            body=text.encode(),
            headers={"Content-Type": "text/plain"},
        )

    def _may_restart(self) -> bool:
        if self._restarted_at is not None and self._monotonic() - self._restarted_at < RESTART_PAUSE:
            raise Away("Frigate was restarted a moment ago; the next change waits")
        return True

    # --- asking ----------------------------------------------------------------------------------------------------

    async def _ask(self, method: str, path: str, query: dict[str, str] | None = None, **more: Any) -> HttpAnswer:
        headers = dict(more.pop("headers", {}))
        if not self._token and self._user and not self._cookie:
            await self._log_in()
        answer = await self._http.ask(method, path, query, headers={**headers, **self._identity()}, **more)
        if answer.status == 401 and self._cookie:
            await self._log_in()  # its session is over
            answer = await self._http.ask(method, path, query, headers={**headers, **self._identity()}, **more)
        if answer.status in (401, 403):
            raise NotTaken(
                "Frigate wants an administrator's login: FRIGATE_USER and FRIGATE_PASSWORD, or FRIGATE_TOKEN"
            )
        return answer

    def _identity(self) -> dict[str, str]:
        if self._token:
            return {"Authorization": f"Bearer {self._token.reveal()}"}
        return {"Cookie": self._cookie} if self._cookie else {}

    async def _log_in(self) -> None:
        self._cookie = ""
        body = json.dumps({"user": self._user, "password": self._password.reveal()}).encode()
        answer = await self._http.ask("POST", "/api/login", body=body, headers={"Content-Type": "application/json"})
        if answer.status == 404:
            return  # no login is wanted there
        if answer.status != 200:
            raise NotTaken("Frigate refuses the login", shown=f"status {answer.status}")
        self._cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())

    async def _good(self, answer: HttpAnswer) -> HttpAnswer:
        if answer.status != 200:
            raise Away("Frigate does not tell", shown=f"status {answer.status}: {self._said(answer)}")
        return answer

    def _said(self, answer: HttpAnswer) -> str:
        """Frigate's own words: of a traceback the last lines, which name the fault."""
        try:
            message = str(json.loads(answer.text)["message"])
        except (ValueError, KeyError, TypeError):
            message = answer.text
        lines = [line.strip() for line in message.splitlines() if line.strip()]
        # The first two lines say that it is invalid and where to read, in every version; what is wrong follows.
        return self._clean(" ".join(lines[2:] or lines)[-180:])
