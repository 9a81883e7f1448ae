"""Routes of notices: what people were told, by which ways, and a test of each; commands of the router."""

from __future__ import annotations

from twisted_detector.web.api.route import Field, Route
from twisted_detector.web.api.schemas import FLAG, STAMP, TEXT, WHOLE, array_of, nullable, object_with

NOTICES = object_with(
    notices=array_of(
        object_with(
            id=TEXT,
            kind=TEXT,
            text=TEXT,
            since=STAMP,
            until=nullable(STAMP),
            cameras=array_of(object_with(id=TEXT, name=TEXT, ip=TEXT)),
            count=WHOLE,
        )
    ),
    ways=array_of(object_with(name=TEXT, on=FLAG, text=TEXT)),
)

NOTICE_ROUTES = (
    Route(
        "GET",
        "/notices",
        "notices",
        "Open notices, then those that are over, latest first; and the ways they are sent.",
        NOTICES,
        problems={404: "This daemon sends no notices."},
        command=True,
    ),
    Route(
        "POST",
        "/notices/test",
        "notices",
        "Send a test notice by one way now. `text` says who accepted it, or what went wrong.",
        object_with(way=TEXT, sent=FLAG, text=TEXT),
        body=(Field("way", {"type": "string", "minLength": 1, "maxLength": 64}, "Its name.", required=True),),
        problems={400: "There is no such way, it is off, or it was tested too often.", 404: "This daemon sends none."},
        costs=True,
        command=True,
        fixed={"action": "test"},
    ),
)
