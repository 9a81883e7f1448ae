"""Handlers of pictures: the latest, a new one, and live ones, one for each request."""

from __future__ import annotations

from twisted_detector.errors import InspectionError, RemoteError
from twisted_detector.model import Camera
from twisted_detector.model.cameras import Picture
from twisted_detector.model.encoding import rfc3339
from twisted_detector.seams import IPictures
from twisted_detector.web.api.requests import ParsedRequest
from twisted_detector.web.api.response import ApiResponse, json_response
from twisted_detector.web.facade import DaemonFacade
from twisted_detector.web.frames import for_visitor
from twisted_detector.web.problem import Problem
from twisted_detector.web.views import picture_document

#: Media types that are shown and never run.
_SHOWN = ("image/jpeg", "image/png")
#: On every picture: whatever it is, it is not a page of ours.
_POLICY = "sandbox; default-src 'none'"


class PictureHandlers:
    """Handlers of the routes below ``/cameras/{camera_id}`` that have to do with pictures."""

    def __init__(self, facade: DaemonFacade) -> None:
        self._facade = facade

    async def picture(self, request: ParsedRequest) -> ApiResponse:
        """The latest picture, or its thumbnail."""
        camera, pictures = camera_of(self._facade, request), self._pictures()
        small = request.query.get("size") == "thumb"
        picture = await pictures.thumbnail(camera.id) if small else pictures.latest(camera.id)
        if picture is None:
            raise Problem(404, "there is no picture of this camera yet")
        # Its address changes with it: a browser that has it need not request it again.
        is_named = request.query.get("v") == picture.version
        kept = "private, max-age=3600, immutable" if is_named else "private, no-cache"
        tag = f'"{picture.version}-thumb"' if small else f'"{picture.version}"'
        headers = {"ETag": tag, "Cache-Control": kept, "Content-Security-Policy": _POLICY}
        if request.head.headers.get("if-none-match") == tag:
            return ApiResponse(b"", picture.media_type, 304, headers)
        return ApiResponse(picture.data, _media_type(picture), headers=headers)

    async def take_picture(self, request: ParsedRequest) -> ApiResponse:
        """Take a new picture."""
        camera = camera_of(self._facade, request)
        try:
            picture = await self._pictures().refresh(camera.id)
        except InspectionError as error:
            raise Problem(404, f"the camera gave no picture: {error}") from None
        document = picture_document(picture)
        if document is None:
            raise Problem(404, "this camera gives no picture")
        return json_response(document)

    async def players(self, request: ParsedRequest) -> ApiResponse:
        """The pages on which the camera is seen live, as this visitor's browser reaches them."""
        camera = camera_of(self._facade, request)
        if not self._facade.handles("players"):
            return json_response({"players": []})
        try:
            answer = await self._facade.dispatch("players", {"camera_id": camera.id})
        except RemoteError as error:
            raise Problem(404, str(error)) from None
        host = request.head.headers.get("host", "")
        return json_response({"players": [{**one, "url": for_visitor(one["url"], host)} for one in answer["players"]]})

    async def live(self, request: ParsedRequest) -> ApiResponse:
        """A picture of this moment, when there is one that the page has not."""
        camera = camera_of(self._facade, request)
        try:
            picture = await self._pictures().live(camera.id, request.query.get("seen", ""))
        except InspectionError as error:
            raise Problem(503, f"there is no live picture: {error}", {"Retry-After": "2"}) from None
        if picture is None:
            raise Problem(503, "the camera takes long over its picture; it is still waited for", {"Retry-After": "1"})
        headers = {
            "ETag": f'"{picture.version}"',
            "X-Taken-At": rfc3339(picture.taken_at),
            "Content-Security-Policy": _POLICY,
        }
        return ApiResponse(picture.data, _media_type(picture), headers=headers)

    def _pictures(self) -> IPictures:
        pictures = self._facade.pictures
        if pictures is None:
            raise Problem(404, "this daemon takes no pictures")
        return pictures


def camera_of(facade: DaemonFacade, request: ParsedRequest) -> Camera:
    """The camera of a request's path.

    :raises Problem: there is none.
    """
    camera = facade.camera(request.path["camera_id"])
    if camera is None:
        raise Problem(404, "there is no camera with that id")
    return camera


def _media_type(picture: Picture) -> str:
    if picture.media_type not in _SHOWN:
        raise Problem(404, "what the camera gave is no picture that browsers show")
    return picture.media_type
