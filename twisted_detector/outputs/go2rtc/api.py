"""Destination that is a running go2rtc: viewers of a stream that moved follow it.

The API of go2rtc 1.9: ``GET /api/streams``; ``PUT`` makes a stream and writes it into go2rtc's file;
``PATCH`` changes the source of one in place, so that viewers follow, and writes nothing; ``DELETE`` removes.
``PATCH`` has a trap: a source whose path is the name of a stream makes an alias of that stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from zope.interface import implementer

from twisted_detector.model.encoding import parse_object
from twisted_detector.outputs.sync.http import HttpClient, HttpResponse
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    ISyncDestination,
    TargetRefused,
    TargetUnavailable,
)

#: go2rtc shows URLs with their login as three stars (``creds.SecretString``).
_LOGIN = re.compile(r"://[^/?#@]*@")


def mask_login(source: str) -> str:
    """A source as go2rtc shows it."""
    return _LOGIN.sub("://***@", source)


@implementer(ISyncDestination)
class Go2rtcApi:
    """Our streams in a running go2rtc.

    A source with a login is only patched in: so its password never gets into go2rtc's file. After a restart of go2rtc
    it is patched in again, by the next delivery.

    :param is_ours: whether a name is one that only we give.
    :param keep_logins: also let go2rtc write sources with a login into its file.
    :param headers: of its own login.
    """

    refresh = 30.0  # a go2rtc that was started anew has none of what was patched in

    def __init__(
        self, http: HttpClient, *, is_ours: Callable[[str], bool], keep_logins: bool, headers: dict[str, str]
    ) -> None:
        self.name = "go2rtc-api"
        self.where = http.base
        self._http = http
        self._is_ours = is_ours
        self._keep_logins = keep_logins
        self._headers = headers
        self._sent: dict[str, str] = {}
        #: Patched and not yet written by go2rtc: done while a stream has no viewer, for a PUT connects a second time.
        self._unwritten: set[str] = set()

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISyncDestination`; each entry is a list with one source."""
        there = await self._streams()
        written: dict[str, Any] = {}
        foreign: list[str] = []
        diff: list[str] = []
        trouble = ""
        for name, (source,) in wanted.items():
            if name in there and name not in base and not self._is_ours(name):
                foreign.append(name)
                continue
            written[name] = ""
            if self._is_current(name, source, there):
                continue
            diff.append(f"{'~' if name in there else '+'} {name}: {mask_login(source)}")
            if not dry:
                try:
                    await self._write(name, source, there)
                except TargetRefused as error:
                    trouble = str(error)
        for name in base:
            if name not in wanted and name in there:
                diff.append(f"- {name}")
                if not dry:
                    await self._request("DELETE", {"src": name})
                    self._sent.pop(name, None)
        if trouble:
            raise TargetRefused(trouble)
        remark = f"{', '.join(foreign[:5])} is there and not ours: left alone" if foreign else ""
        return DeliveryResult(written, bool(diff), remark, tuple(diff) if dry else ())

    async def _streams(self) -> dict[str, Any]:
        answer = await self._request("GET", {})
        found = parse_object(answer.text)
        if found is None or not all(one is None or isinstance(one, dict) for one in found.values()):
            raise TargetUnavailable("what answers there is no go2rtc")
        return found

    def _is_current(self, name: str, source: str, there: dict[str, Any]) -> bool:
        if name not in there or self._sent.get(name) != source:
            return False
        if name in self._unwritten and not _has_viewers(there[name]):
            return False
        producers = (there[name] or {}).get("producers") or []
        if len(producers) != 1 or not isinstance(producers[0], dict):
            return False
        # One that plays shows where it is connected, which may be where the camera was; an idle one its source.
        return "id" in producers[0] or producers[0].get("url") == mask_login(source)

    async def _write(self, name: str, source: str, there: dict[str, Any]) -> None:
        secret = "@" in urlsplit(source).netloc and not self._keep_logins
        exists = name in there
        producers = ((there[name] or {}).get("producers") or []) if exists else []
        alias = urlsplit(source).path[1:] in there
        if exists and len(producers) == 1 and not alias:
            await self._request("PATCH", {"name": name, "src": source})
            self._unwritten.add(name)
            if not secret and not _has_viewers(there[name]):
                await self._put(name, source)
        elif not secret:
            await self._put(name, source)
        elif alias:
            raise TargetRefused("go2rtc has a stream with the name of a camera's path and would show that", shown=name)
        else:
            if exists:  # of several sources, or none: a PATCH would change all of them
                await self._request("DELETE", {"src": name})
            await self._request("PATCH", {"name": name, "src": source})
        if secret:
            self._unwritten.discard(name)
        self._sent[name] = source

    async def _put(self, name: str, source: str) -> None:
        answer = await self._http.request("PUT", "/api/streams", {"name": name, "src": source}, headers=self._headers)
        # Without a file of its own it says 400, and has the stream nevertheless.
        if answer.status != 200 and "config file disabled" not in answer.text:
            _check(answer)
        self._unwritten.discard(name)

    async def _request(self, method: str, query: dict[str, str]) -> HttpResponse:
        answer = await self._http.request(method, "/api/streams", query, headers=self._headers)
        if method == "DELETE" and answer.status == 400:
            return answer  # it is gone; it stood in no file
        return _check(answer)


def _check(answer: HttpResponse) -> HttpResponse:
    if answer.status in (401, 403):
        raise TargetRefused("go2rtc wants a login (GO2RTC_USER, GO2RTC_PASSWORD)")
    if answer.status == 400:
        raise TargetRefused("go2rtc refuses it", shown=mask_login(answer.text.strip()[:120]))
    if answer.status != 200:
        raise TargetUnavailable("go2rtc does not do it", shown=f"status {answer.status}")
    return answer


def _has_viewers(stream: Any) -> bool:
    return isinstance(stream, dict) and bool(stream.get("consumers"))
