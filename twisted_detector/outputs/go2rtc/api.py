"""Destination that is a running go2rtc: viewers of a stream that moved follow it.

The API of go2rtc 1.9: ``GET /api/streams``; ``PUT`` makes a stream and writes it into go2rtc's file;
``PATCH`` changes the source of one in place, so that viewers follow, and writes nothing; ``DELETE`` removes.
``PATCH`` has a trap: a source whose path is the name of a stream makes an alias of that stream. An answer is half the
truth: 400 may mean that all was done but the file not written, a server error may be that of a proxy, and with 200 the
stream need not stand there; so the list is read again after every change, and is believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any
from urllib.parse import unquote, urlsplit

from zope.interface import implementer

from twisted_detector.model import Login, Secret
from twisted_detector.model.consumers import GO2RTC, Consumer
from twisted_detector.model.encoding import parse_object
from twisted_detector.outputs.stream_choice import SecretTags
from twisted_detector.outputs.sync.http import HttpClient, HttpRequest, HttpResponse, check_place
from twisted_detector.outputs.sync.seams import (
    ALONE,
    DeliveryResult,
    Entries,
    ISharedDestination,
    Sharing,
    TargetRefused,
    TargetUnavailable,
)

_LOGIN = re.compile(r"://[^/?#@]*@")
#: What go2rtc writes in the place of values that it keeps secret: those of variables in its file since 1.9.11, every
#: login in versions to come; up to then, and without variables, it says logins in full.
_STARS = "***"
#: Looks at go2rtc until a source that it refused is sent once more: five minutes of :attr:`Go2rtcApi.refresh`.
_LOOKS = 10
#: Characters of go2rtc's own words that are shown, and of a name of somebody else.
_MAX_WORDS, _MAX_NAME = 200, 60


class _Shown(Enum):
    """What the list says of a stream, compared with the source that it should have."""

    OTHER = "not there, or with another source"
    SAME = "idle, with this very source"
    STARRED = "idle, with a source that differs by stars at most"
    #: A producer that runs says where it is connected, also when its source is another by now: nothing follows from it.
    RUNNING = "in use"


def mask_login(source: str) -> str:
    """A source as it may be logged."""
    return _LOGIN.sub("://***@", source)


def tag_source(tags: SecretTags, source: str) -> str:
    """What may be remembered of a source, to recognise it: its login as slowly as any login, all else quickly."""
    login = _LOGIN.search(source)
    if login is None:
        return tags.tag_text(source)
    name, _, password = login[0][3:-1].partition(":")
    bare = source[: login.start()] + "://" + source[login.end() :]
    return f"{tags.tag_text(bare)}-{tags.tag_login(Login(unquote(name), Secret(unquote(password))))}"


@implementer(ISharedDestination)
class Go2rtcApi:
    """Our streams in a running go2rtc.

    A source with a login is only patched in: so its password never gets into go2rtc's file. After a restart of go2rtc
    it is patched in again, by the next delivery.

    :param is_ours: whether a name is one that only we give.
    :param keep_logins: also let go2rtc write sources with a login into its file.
    :param headers: of its own login.
    :param tag: makes of a source, which may have a login in it, what may be remembered of it: "" for nothing.
    """

    refresh = 30.0  # a go2rtc that was started anew has none of what was patched in

    def __init__(
        self,
        http: HttpClient,
        *,
        is_ours: Callable[[str], bool],
        keep_logins: bool,
        headers: dict[str, str],
        consumer: Consumer = GO2RTC,
        tag: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.name = consumer.destination("api")
        self._logins = f"{consumer.settings('user')}, {consumer.settings('password')}"
        self._url = consumer.settings("url")
        self.where = http.base
        self._http = http
        self._is_ours = is_ours
        self._keep_logins = keep_logins
        self._headers = headers
        self._tag = tag
        self._sharing = ALONE
        #: What was sent last, by name of the stream; no more than there are streams of ours.
        self._sent: dict[str, str] = {}
        #: Patched and not yet written by go2rtc: done while a stream has no viewer, for a PUT connects a second time.
        self._unwritten: set[str] = set()
        #: Source, reason, and looks until it is tried again, of streams that go2rtc did not take.
        self._refused: dict[str, tuple[str, str, int]] = {}
        #: Streams for which the last answer was an error, and not go2rtc's own word (400).
        self._failing: set[str] = set()
        #: go2rtc's words about a file that it could not write, "" while it can.
        self._file_fault = ""

    def share(self, sharing: Sharing) -> None:
        """See :class:`ISharedDestination`."""
        self._sharing = sharing

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISharedDestination`; each entry is a list with one source."""
        there = await self._streams()
        left, waiting = self._of_others(wanted, base, there)
        wanted = {name: one for name, one in wanted.items() if name not in {*left, *waiting}}
        met = self._sharing.met
        foreign = [
            one for one in wanted if one in there and one not in base and one not in met and not self._is_ours(one)
        ]
        refused: dict[str, str] = {}
        answers: dict[str, str] = {}
        diff: list[str] = []
        for name, (source,) in wanted.items():
            if name in foreign or self._is_current(name, source, there):
                continue
            reason = self._refusal(name, source, there)
            if reason:
                refused[name] = reason
                continue
            diff.append(f"{'~' if name in there else '+'} {name}: {mask_login(source)}")
            if not dry:
                answers[name] = await self._write(name, source, there)
        removed: dict[str, str] = {}
        for name in base:
            if name not in wanted and name in there and name not in left and name not in waiting:
                diff.append(f"- {name}")
                if not dry:
                    removed[name] = await self._remove(name)
        if answers or removed:
            there = await self._streams()
            refused |= self._settle(wanted, answers, there)
        for name in removed.keys() - there.keys():
            self._forget(name)
        kept = {name: words for name, words in removed.items() if name in there}
        refused |= {name: f"go2rtc does not remove it: {words or 'it is still there'}" for name, words in kept.items()}
        written = {
            name: self._tag(source)
            for name, (source,) in wanted.items()
            if name not in foreign and (name not in refused or (name in there and not dry))
        }
        written |= {name: base[name] for name in (*waiting, *kept) if name in base and name in there}
        changed = any(name not in refused for name in (*answers, *removed))
        remarks = [f"{', '.join(foreign[:5])} is there and not ours: left alone"] if foreign else []
        if self._file_fault:
            remarks.append(self._file_fault)
        return DeliveryResult(
            written,
            bool(diff) if dry else changed,
            "; ".join(remarks),
            tuple(diff) if dry else (),
            refused=refused,
            left=left,
            waiting=waiting,
        )

    def _of_others(
        self, wanted: Entries, base: Entries, there: dict[str, Any]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The streams that another node keeps, and those that it may be about to add or to remove, or have changed."""
        sharing, left, waiting = self._sharing, [], []
        for name in sharing.others.intersection([*wanted, *base]):
            if name not in there:
                if name in wanted and name not in sharing.due:
                    waiting.append(name)
                continue
            source = wanted[name][0] if name in wanted else ""
            if name in base and _shown(there[name], source) is _Shown.RUNNING and not (source and name in self._sent):
                waiting.append(name)  # whose source it has shows when nobody looks at it any more
            elif not (name in base and self._is_as_left(name, base[name], source, there)):
                left.append(name)
                self._forget(name)
            elif name in sharing.staying and name not in wanted:
                waiting.append(name)
        return tuple(sorted(left)), tuple(sorted(waiting))

    def _is_as_left(self, name: str, tag: Any, source: str, there: dict[str, Any]) -> bool:
        """Whether a stream has the source that we sent last, as far as that can be seen.

        :param tag: what is remembered of it. :param source: the one that it should have, which we may have sent; ""
            where it is to be removed.
        """
        if name in self._sent:
            return _shown(there[name], self._sent[name]) is not _Shown.OTHER
        if source and _shown(there[name], source) is not _Shown.OTHER:
            self._sent[name] = source  # it is as it should be: there is nothing to be sent
            return True
        producers = _producers(there[name])
        shown = producers[0].get("url") if len(producers) == 1 and isinstance(producers[0], dict) else None
        return isinstance(shown, str) and tag not in ("", None) and self._tag(shown) == tag

    async def _streams(self) -> dict[str, Any]:
        answer = await self._request("GET", {})
        if answer.status not in (200, 400):
            raise TargetUnavailable("go2rtc does not do it", shown=f"status {answer.status}")
        is_empty = answer.status == 200 and answer.text.strip() == "null"  # a table without a stream
        found = {} if is_empty else parse_object(answer.text) if answer.status == 200 else None
        if found is None or not all(one is None or isinstance(one, dict) for one in found.values()):
            raise TargetUnavailable("what answers there is no go2rtc")
        return found

    # --- what is to be done ----------------------------------------------------------------------------------------

    def _is_current(self, name: str, source: str, there: dict[str, Any]) -> bool:
        """Whether a stream stands there as it should, and nothing of it is to be written down now."""
        shown = _shown(there.get(name), source)
        if shown is _Shown.SAME:
            self._sent[name] = source
        elif shown is _Shown.OTHER or self._sent.get(name) != source:
            return False
        self._refused.pop(name, None)
        return name not in self._unwritten or _has_viewers(there[name])

    def _refusal(self, name: str, source: str, there: dict[str, Any]) -> str:
        """Why nothing is sent: PATCH would show another stream, or go2rtc refused this very source a moment ago."""
        link = _link(source, there)
        if link and link != name and self._is_secret(source):
            return (
                f"go2rtc has a stream that is called as the path of this camera, {link[:_MAX_NAME]!r}, and would show"
                " that one instead: give yours another name"
            )
        known, reason, looks = self._refused.get(name, ("", "", 0))
        if known != source or not looks:
            return ""
        self._refused[name] = known, reason, looks - 1
        return reason

    def _is_secret(self, source: str) -> bool:
        return "@" in urlsplit(source).netloc and not self._keep_logins

    async def _write(self, name: str, source: str, there: dict[str, Any]) -> str:
        """Send a source; the words of an answer that is an error, which means one thing or the other."""
        secret, link = self._is_secret(source), _link(source, there)
        self._sent[name] = source
        if len(_producers(there.get(name))) == 1 and not link:
            words = await self._send("PATCH", name, source)
            self._unwritten.add(name)
            if words or secret or _has_viewers(there[name]):
                return words
        if not secret:
            return await self._send("PUT", name, source)
        if name in there and (link or len(_producers(there[name])) != 1):
            # A PATCH would change all of its sources to the one, or, by a path that is its own name, nothing at all.
            words = await self._remove(name)
            if words:
                self._failing.add(name)
                return words
        return await self._send("PATCH", name, source)

    async def _remove(self, name: str) -> str:
        """Remove a stream; the words of an answer that is an error, and not that it is gone, but stood in no file."""
        answer = await self._request("DELETE", {"src": name})
        return "" if 200 <= answer.status < 300 or answer.status == 400 else _said(answer)

    async def _send(self, method: str, name: str, source: str) -> str:
        answer = await self._request(method, {"name": name, "src": source})
        words = ""
        self._failing.discard(name)
        if not 200 <= answer.status < 300:
            words = " " if answer.status == 400 and not answer.text.strip() else _said(answer)
            if answer.status != 400:
                self._failing.add(name)
        if method == "PUT":
            self._unwritten.discard(name)
            self._file_fault = "" if not words else self._file_fault
        return words

    # --- what came of it -------------------------------------------------------------------------------------------

    def _settle(self, wanted: Entries, answers: dict[str, str], there: dict[str, Any]) -> dict[str, str]:
        """Which of the streams that were sent are refused, and why: 400, and they do not stand there."""
        refused: dict[str, str] = {}
        for name, words in answers.items():
            (source,) = wanted[name]
            if self._is_secret(source):
                self._unwritten.discard(name)
            shown = _shown(there.get(name), source)
            if not words and name in there:
                continue
            if shown in (_Shown.SAME, _Shown.STARRED):
                if name in self._failing:
                    continue  # it says nothing of the file
                self._file_fault = (
                    f"the streams are there, but go2rtc does not keep them ({words.strip() or 'it gives no reason'}):"
                    f" after a restart of it they come back within {self.refresh:.0f} s"
                )
                continue
            told = words if words.strip() else "without a reason (go2rtc gives none before 1.9.12)"
            refused[name] = f"go2rtc refuses it: {told}" if words else "go2rtc took it, and does not have it"
            looks = _LOOKS
            if name in self._failing:  # that is no refusal: it is tried again at the next look
                refused[name], looks = f"go2rtc does not do it: {words}", 0
            self._forget(name)
            self._refused[name] = source, refused[name], looks
        return refused

    def _forget(self, name: str) -> None:
        self._sent.pop(name, None)
        self._unwritten.discard(name)
        self._failing.discard(name)
        self._refused.pop(name, None)

    async def _request(self, method: str, query: dict[str, str]) -> HttpResponse:
        answer = await self._http.request(HttpRequest(method, "/api/streams", query, self._headers))
        check_place(answer, self._url)
        if answer.status == 401 or (answer.status == 403 and method == "GET"):
            raise TargetRefused(f"go2rtc wants a login ({self._logins})")
        if answer.status in (403, 405):
            raise TargetRefused("what answers there tells its streams, and forbids to change them", shown=_said(answer))
        if answer.status == 404:
            raise TargetUnavailable("it has no /api/streams there (in go2rtc's file: api, base_path or allow_paths)")
        return answer


def _said(answer: HttpResponse) -> str:
    """What an answer says, without anybody's login: its words, or its status."""
    said = " ".join(mask_login("" if answer.is_page else answer.text).split())[:_MAX_WORDS]
    return said or f"status {answer.status}"


def _producers(stream: Any) -> list[Any]:
    found = stream.get("producers") if isinstance(stream, dict) else None
    return found if isinstance(found, list) else []


def _has_viewers(stream: Any) -> bool:
    return isinstance(stream, dict) and bool(stream.get("consumers"))


def _link(source: str, there: dict[str, Any]) -> str:
    """The stream that PATCH would show instead of this source: its path, for ``rtsp://`` alone, is that one's name."""
    parts = urlsplit(source)
    name = parts.path[1:] if parts.scheme == "rtsp" else ""
    return name if name in there else ""


def _shown(stream: Any, source: str) -> _Shown:
    producers = _producers(stream)
    if len(producers) != 1 or not isinstance(producers[0], dict):
        return _Shown.OTHER
    url = producers[0].get("url")
    if "id" in producers[0]:
        return _Shown.RUNNING
    if url == source:
        return _Shown.SAME
    return _Shown.STARRED if isinstance(url, str) and _is_starred(url, source) else _Shown.OTHER


def _is_starred(shown: str, source: str) -> bool:
    """Whether ``shown`` is ``source`` with stars in the place of parts of it."""
    first, *others = shown.split(_STARS)
    if not others or not source.startswith(first):
        return False
    at = len(first)
    for part in others[:-1]:
        found = source.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(source) - at >= len(others[-1]) and source.endswith(others[-1])
