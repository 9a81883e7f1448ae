"""What was asked goes in; answers, from the daemon's own parts, come out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted_detector.errors import InspectionError, RemoteError
from twisted_detector.model import Camera
from twisted_detector.model.encoding import encode
from twisted_detector.seams import IPictures
from twisted_detector.web import openapi
from twisted_detector.web.access import AccessControl
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.event_stream import EventStream
from twisted_detector.web.history import MqttHistory
from twisted_detector.web.problem import Problem
from twisted_detector.web.requests import ParsedRequest
from twisted_detector.web.routes import ROUTES
from twisted_detector.web.sessions import NAME, set_cookie
from twisted_detector.web.sources import Sources
from twisted_detector.web.views import brief, full, picture_document, version

#: Cameras in one answer when nobody says how many: some 20 ms of work.
_CAMERAS = 200
#: What happened to one camera lately.
_OF_ONE = 30
#: A text that somebody else made, and media types that no browser runs.
_HARMLESS = ("text/plain", "text/csv", "application/yaml", "application/json")
_PICTURES = ("image/jpeg", "image/png")
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """Bytes with their type. ``stream``: what answers from now on, and there are no bytes."""

    body: bytes = b""
    media: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: EventStream | None = None


def json_answer(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> ApiResponse:
    """A document."""
    return ApiResponse(encode(document), headers=headers or {})


class Api:
    """One method for each handler of the table."""

    def __init__(
        self, sources: Sources, *, guard: AccessControl, hub: EventHub, deltas: ActivityFeed, history: MqttHistory
    ) -> None:
        self._sources = sources
        self._guard = guard
        self._hub = hub
        self._deltas = deltas
        self._history = history
        self._openapi = encode(openapi.document(ROUTES, sources.version))

    # --- cameras ---------------------------------------------------------------------------------------------------

    def _camera(self, asked: ParsedRequest) -> Camera:
        camera = self._sources.camera(asked.path["camera_id"])
        if camera is None:
            raise Problem(404, "there is no camera of that id")
        return camera

    async def cameras(self, asked: ParsedRequest) -> ApiResponse:
        wanted, after = asked.query.get("status"), asked.query.get("after", "")
        limit = asked.query.get("limit", _CAMERAS)
        whole = asked.query.get("fields", "full") == "full"
        known = sorted(self._sources.cameras(), key=lambda one: one.id)
        found = [one for one in known if wanted in (None, one.status.value)]
        rest = [one for one in found if one.id > after] if after else found
        shown = rest[:limit]
        return json_answer(
            {
                "cameras": [(full if whole else brief)(self._sources, one) for one in shown],
                "total": len(found),
                "next": shown[-1].id if len(rest) > len(shown) else None,
            }
        )

    async def camera(self, asked: ParsedRequest) -> ApiResponse:
        camera = self._camera(asked)
        activity = self._deltas.happened(camera_id=camera.id, limit=_OF_ONE)
        return json_answer({**full(self._sources, camera), "activity": activity})

    async def check(self, asked: ParsedRequest) -> ApiResponse:
        return await self._ask("check", {"camera_id": self._camera(asked).id})

    async def forget(self, asked: ParsedRequest) -> ApiResponse:
        return await self._ask("forget", {"camera_id": self._camera(asked).id})

    async def picture(self, asked: ParsedRequest) -> ApiResponse:
        camera = self._camera(asked)
        picture = self._pictures().latest(camera.id)
        if picture is None:
            raise Problem(404, "there is no picture of this camera yet")
        if picture.media_type not in _PICTURES:
            raise Problem(404, "what the camera gave is no picture that browsers show")
        tag = f'"{version(picture)}"'
        # Its address changes with it: a browser that has it need not ask again.
        kept = "private, max-age=3600, immutable" if asked.query.get("v") == version(picture) else "private, no-cache"
        headers = {"ETag": tag, "Cache-Control": kept, "Content-Security-Policy": "sandbox; default-src 'none'"}
        if asked.head.headers.get("if-none-match") == tag:
            return ApiResponse(b"", picture.media_type, 304, headers)
        return ApiResponse(picture.data, picture.media_type, headers=headers)

    async def take_picture(self, asked: ParsedRequest) -> ApiResponse:
        camera = self._camera(asked)
        try:
            picture = await self._pictures().refresh(camera.id)
        except InspectionError as error:
            raise Problem(404, f"the camera gave no picture: {error}") from None
        document = picture_document(picture)
        if document is None:
            raise Problem(404, "this camera gives no picture")
        return json_answer(document)

    def _pictures(self) -> IPictures:
        pictures = self._sources.pictures()
        if pictures is None:
            raise Problem(404, "this daemon takes no pictures")
        return pictures

    # --- the daemon ------------------------------------------------------------------------------------------------

    async def activity(self, asked: ParsedRequest) -> ApiResponse:
        limit = asked.query.get("limit", 100)
        return json_answer({"activity": self._deltas.happened(camera_id=asked.query.get("camera_id", ""), limit=limit)})

    async def status(self, asked: ParsedRequest) -> ApiResponse:
        answer = await self._desk("status", {})
        return json_answer({"node_id": self._sources.node_id, "version": self._sources.version, **answer})

    async def discovery(self, _: ParsedRequest) -> ApiResponse:
        return json_answer(self._sources.discovery())

    async def mqtt(self, _: ParsedRequest) -> ApiResponse:
        return json_answer(self._history.document())

    async def why(self, asked: ParsedRequest) -> ApiResponse:
        return await self._ask("why", {"address": asked.query["address"]})

    async def doctor(self, _: ParsedRequest) -> ApiResponse:
        return await self._ask("doctor", {})

    async def rescan(self, _: ParsedRequest) -> ApiResponse:
        return await self._ask("rescan", {})

    async def probe(self, asked: ParsedRequest) -> ApiResponse:
        return await self._ask("probe", {"address": asked.body["address"]})

    async def export(self, asked: ParsedRequest) -> ApiResponse:
        answer = await self._desk("export", {"format": asked.path["format"]})
        media = str(answer["media_type"])
        name = _FILE_NAME.sub("_", str(answer["filename"]))[:80]
        return ApiResponse(
            str(answer["text"]).encode("utf-8", "replace"),
            media if media.partition(";")[0] in _HARMLESS else "text/plain",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def events(self, asked: ParsedRequest) -> ApiResponse:
        if asked.head.method == "HEAD":
            return ApiResponse(media="text/event-stream")
        if self._hub.full:
            raise Problem(503, f"{self._hub.capacity} pages are open, and no more", {"Retry-After": "10"})
        headers = {"X-Accel-Buffering": "no"}
        return ApiResponse(media="text/event-stream", headers=headers, stream=EventStream(asked.request, self._hub))

    async def openapi(self, _: ParsedRequest) -> ApiResponse:
        return ApiResponse(self._openapi)

    async def _ask(self, name: str, fields: Mapping[str, Any]) -> ApiResponse:
        return json_answer(await self._desk(name, fields))

    async def _desk(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._sources.seated(name):
            raise Problem(404, f"this daemon has nobody who answers {name}")
        try:
            return await self._sources.ask(name, fields)
        except RemoteError as error:
            raise Problem(400, str(error)) from None

    # --- the token -------------------------------------------------------------------------------------------------

    async def session(self, asked: ParsedRequest) -> ApiResponse:
        try:
            self._guard.login(asked.head)
        except Problem:
            return self._session(given=False)
        return self._session(given=True)

    async def log_in(self, asked: ParsedRequest) -> ApiResponse:
        sessions = self._guard.sessions
        if sessions is None:
            return self._session(given=True)
        self._guard.token(asked.head.peer, asked.body["token"])
        return self._session(given=True, cookie=set_cookie(sessions.issue(), secure=asked.secure))

    async def log_out(self, asked: ParsedRequest) -> ApiResponse:
        if self._guard.sessions is not None:
            self._guard.sessions.revoke(asked.head.cookies.get(NAME, ""))
        return self._session(given=self._guard.sessions is None, cookie=set_cookie("", secure=asked.secure, lifetime=0))

    def _session(self, *, given: bool, cookie: str = "") -> ApiResponse:
        known = {"node_id": self._sources.node_id, "version": self._sources.version} if given else {}
        return json_answer(
            {"needed": self._guard.sessions is not None, "given": given, "node_id": "", "version": "", **known},
            {"Set-Cookie": cookie} if cookie else None,
        )
