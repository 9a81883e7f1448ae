"""Handlers of the API: each answers one route, from the daemon's own parts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from typing import Any

from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.model.encoding import encode
from twisted_detector.web.access import AccessControl
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.api import schemas
from twisted_detector.web.api.pictures import PictureHandlers, camera_of
from twisted_detector.web.api.requests import ParsedRequest
from twisted_detector.web.api.response import ApiResponse, json_response
from twisted_detector.web.api.route import Route
from twisted_detector.web.api.routes import ROUTES
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.event_stream import EventStream
from twisted_detector.web.facade import DaemonFacade
from twisted_detector.web.history import MqttHistory
from twisted_detector.web.problem import Problem
from twisted_detector.web.sessions import NAME, set_cookie
from twisted_detector.web.views import brief, full, history_document

#: Cameras in one answer when nobody says how many: some 20 ms of work.
_CAMERAS = 200
#: Octets of them, though that be a few: a browser need not wait for what cameras with long texts make.
_CAMERAS_OCTETS = 1_048_576
#: What happened to one camera lately.
_OF_ONE = 30
#: A text that somebody else made, and media types that no browser runs.
_HARMLESS = ("text/plain", "text/csv", "application/yaml", "application/json")
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Api:
    """One method for each handler of the table."""

    def __init__(
        self,
        facade: DaemonFacade,
        *,
        access: AccessControl,
        hub: EventHub,
        activity: ActivityFeed,
        history: MqttHistory,
    ) -> None:
        self._facade = facade
        self._access = access
        self._hub = hub
        self._activity = activity
        self._history = history
        pictures = PictureHandlers(facade)
        self.picture, self.take_picture = pictures.picture, pictures.take_picture
        self.players, self.live = pictures.players, pictures.live

    def handler(self, route: Route) -> Callable[[ParsedRequest], Awaitable[ApiResponse]]:
        """What answers the requests of a route."""
        if route.command:
            return partial(self._pass_on, route)
        handler: Callable[[ParsedRequest], Awaitable[ApiResponse]] = getattr(self, route.handler)
        return handler

    async def _pass_on(self, route: Route, request: ParsedRequest) -> ApiResponse:
        if "camera_id" in request.path and not self._facade.handles("fleet"):  # else another node may have it
            camera_of(self._facade, request)
        fields = {**request.path, **request.query, **request.body, **route.fixed}
        return json_response(await self._dispatch(route.handler, fields))

    # --- cameras ---------------------------------------------------------------------------------------------------

    async def cameras(self, request: ParsedRequest) -> ApiResponse:
        wanted, after = request.query.get("status"), request.query.get("after", "")
        limit = request.query.get("limit", _CAMERAS)
        whole = request.query.get("fields", "full") == "full"
        known = sorted(self._facade.cameras(), key=lambda one: one.id)
        found = [one for one in known if wanted in (None, one.status.value)]
        rest = [one for one in found if one.id > after] if after else found
        written: list[bytes] = []
        octets = 0
        for one in rest[:limit]:
            document = encode((full if whole else brief)(self._facade, one))
            octets += len(document)
            if written and octets > _CAMERAS_OCTETS:
                break
            written.append(document)
        following = rest[len(written) - 1].id if len(rest) > len(written) else None
        head = b'{"cameras":[%s],' % b",".join(written)
        return ApiResponse(head + encode({"total": len(found), "next": following})[1:])

    async def camera(self, request: ParsedRequest) -> ApiResponse:
        camera = camera_of(self._facade, request)
        activity = self._activity.entries(camera_id=camera.id, limit=_OF_ONE)
        return json_response({**full(self._facade, camera), "activity": activity, **await self._whereabouts(camera.id)})

    async def _whereabouts(self, camera_id: str) -> Mapping[str, Any]:
        """Which other nodes have to do with a camera, where there are any."""
        if not self._facade.handles("whereabouts"):
            return dict.fromkeys(schemas.WHEREABOUTS, "")
        return await self._dispatch("whereabouts", {"camera_id": camera_id})

    async def history(self, request: ParsedRequest) -> ApiResponse:
        camera, history = camera_of(self._facade, request), self._facade.history
        if history is None:
            raise Problem(404, "this daemon keeps no history")
        end = self._facade.wall()
        begin = end - 86_400 * request.query.get("days", 7)
        found = await history.segments(camera.id, begin, end)
        if found is None:
            raise Problem(503, "the history cannot be read from the disk", {"Retry-After": "30"})
        return json_response(history_document(camera.id, found, begin, end))

    # --- the daemon ------------------------------------------------------------------------------------------------

    async def activity(self, request: ParsedRequest) -> ApiResponse:
        limit = request.query.get("limit", 100)
        return json_response(
            {"activity": self._activity.entries(camera_id=request.query.get("camera_id", ""), limit=limit)}
        )

    async def status(self, request: ParsedRequest) -> ApiResponse:
        answer = await self._dispatch("status", {})
        return json_response({"node_id": self._facade.node_id, "version": self._facade.version, **answer})

    async def discovery(self, _: ParsedRequest) -> ApiResponse:
        return json_response(self._facade.discovery())

    async def mqtt(self, _: ParsedRequest) -> ApiResponse:
        return json_response(self._history.document())

    async def export(self, request: ParsedRequest) -> ApiResponse:
        answer = await self._dispatch("export", {"format": request.path["format"]})
        media = str(answer["media_type"])
        name = _FILE_NAME.sub("_", str(answer["filename"]))[:80]
        return ApiResponse(
            str(answer["text"]).encode("utf-8", "replace"),
            media if media.partition(";")[0] in _HARMLESS else "text/plain",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def events(self, request: ParsedRequest) -> ApiResponse:
        if request.head.method == "HEAD":
            return ApiResponse(media="text/event-stream")
        if self._hub.full:
            raise Problem(503, f"{self._hub.capacity} pages are open, and no more", {"Retry-After": "10"})
        headers = {"X-Accel-Buffering": "no"}
        return ApiResponse(media="text/event-stream", headers=headers, stream=EventStream(request.raw, self._hub))

    async def openapi(self, request: ParsedRequest) -> ApiResponse:
        try:
            self._access.check_login(request.head)
        except Problem:
            return ApiResponse(_openapi(""))
        return ApiResponse(_openapi(self._facade.version))

    async def _dispatch(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._facade.handles(name):
            raise Problem(404, f"this daemon does not answer {name}")
        try:
            return await self._facade.dispatch(name, fields)
        except RemoteError as error:
            raise Problem(400, str(error)) from None
        except NotSaved as error:
            raise Problem(503, f"it was not saved: {error}", {"Retry-After": "30"}) from None

    # --- the token -------------------------------------------------------------------------------------------------

    async def session(self, request: ParsedRequest) -> ApiResponse:
        try:
            self._access.check_login(request.head)
        except Problem:
            return self._session(request, given=False)
        return self._session(request, given=True)

    async def log_in(self, request: ParsedRequest) -> ApiResponse:
        sessions, body = self._access.sessions, request.body
        if ("token" in body) == ("code" in body):
            raise Problem(400, "the body must have either a token or a code")
        if sessions is None or not self._access.needs_token(request.head):
            return self._session(request, given=True)
        if "code" in body:
            self._access.check_code(request.head.peer, body["code"])
        else:
            self._access.check_token(request.head.peer, body["token"])
        return self._session(request, given=True, cookie=set_cookie(sessions.issue(), secure=request.secure))

    async def log_out(self, request: ParsedRequest) -> ApiResponse:
        if self._access.sessions is not None:
            self._access.sessions.revoke(request.head.cookies.get(NAME, ""))
        return self._session(
            request,
            given=not self._access.needs_token(request.head),
            cookie=set_cookie("", secure=request.secure, lifetime=0),
        )

    def _session(self, request: ParsedRequest, *, given: bool, cookie: str = "") -> ApiResponse:
        known = {"node_id": self._facade.node_id, "version": self._facade.version} if given else {}
        needed = self._access.needs_token(request.head)
        return json_response(
            {"needed": needed, "given": given, "node_id": "", "version": "", **known},
            {"Set-Cookie": cookie} if cookie else None,
        )


@cache
def _openapi(version: str) -> bytes:
    """The description of the API, which few ask for: 0.1 MB."""
    from twisted_detector.web.api.openapi import document

    return encode(document(ROUTES, version))
