"""Routes by which a person decides: a camera's name, streams and login, cameras that are added, networks, reloading.

Each is a command of the router, which checks every value, for every way of asking. Here what is passed on is only
bounded.
"""

from __future__ import annotations

from typing import Any

from twisted_detector.web.api.route import Field, Route
from twisted_detector.web.api.schemas import (
    FLAG,
    STAMP,
    TEXT,
    WHOLE,
    Schema,
    array_of,
    nullable,
    object_with,
)

#: What a person types or pastes; more than a field takes is told by the command, which knows how much that is.
MAX_TEXT = 12_288

_SOURCE: Schema = {"type": "string", "enum": ["environment", "file", "page", "camera", ""]}
_VALUE = object_with(source=_SOURCE)
DECIDED = object_with(
    camera_id=TEXT,
    version=WHOLE,
    values=object_with(
        **dict.fromkeys(("name", "area", "note", "login", "main", "sub", "network", "adopted"), _VALUE),
    ),
)
LOGIN: Schema = {
    "type": "object",
    "properties": {
        "outcome": {"type": "string", "enum": ["accepted", "refused", "unanswered", "not-needed", "not-tried"]},
        "text": TEXT,
        "left": WHOLE,
        "of": WHOLE,
        "kept": TEXT,
    },
}
ADDING = object_with(
    job=TEXT,
    target=TEXT,
    done=FLAG,
    camera_ids=array_of(TEXT),
    steps=array_of(
        object_with(
            address=TEXT,
            step=TEXT,
            state={"type": "string", "enum": ["doing", "ok", "failed"]},
            text=TEXT,
            reason=TEXT,
            help=array_of(
                object_with(
                    kind={"type": "string", "enum": ["add-network", "give-login", "use-port", "adopt"]}, text=TEXT
                )
            ),
        )
    ),
)
NETWORKS = object_with(
    networks=array_of(
        object_with(
            network=TEXT,
            source={"type": "string", "enum": ["interfaces", "environment", "file", "page"]},
            interfaces=array_of(TEXT),
            what=TEXT,
            searched=FLAG,
            by=array_of(TEXT),
            why=TEXT,
            last=nullable(STAMP),
            packets=nullable(WHOLE),
            packets_last_hour=WHOLE,
            hosts=nullable(WHOLE),
        )
    )
)
RELOADED = object_with(changed=array_of(TEXT), restart=array_of(TEXT), faults=array_of(TEXT), restarting=FLAG)

_REFUSED = {
    400: "A value is refused: `detail` begins with the field's name and a colon.",
    503: "The disk takes no writes: nothing was changed.",
}
_OF_CAMERA = {404: "There is no camera of that id.", **_REFUSED}


def _text(name: str, words: str, *, required: bool = False, most: int = MAX_TEXT) -> Field:
    return Field(name, {"type": "string", "maxLength": most}, words, required)


def _choice(name: str, words: str, *choices: str, required: bool = False) -> Field:
    return Field(name, {"type": "string", "enum": list(choices)}, words, required)


_VERSION = Field(
    "version",
    {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
    "`version` of the answer that the change is made upon; refused when the camera was changed since.",
)


def _camera(name: str, summary: str, answer: Schema, *body: Field) -> Route:
    path = f"/cameras/{{camera_id}}/{name}"
    return Route("POST", path, name, summary, answer, body=body, problems=_OF_CAMERA, costs=True, command=True)


def _route(method: str, path: str, handler: str, summary: str, answer: Schema, **more: Any) -> Route:
    problems = {404: "There is no such job.", **_REFUSED} if "{job}" in path else _REFUSED
    return Route(method, path, handler, summary, answer, problems=problems, command=True, **more)


DECISION_ROUTES = (
    Route(
        "GET",
        "/cameras/{camera_id}/decided",
        "decided",
        "What was decided about this camera, by whom, and what it calls itself where nothing was.",
        DECIDED,
        problems={404: "There is no camera of that id."},
        command=True,
    ),
    _camera(
        "name",
        'Name this camera, say where it is installed, and where it is to be found; "" takes a value back.',
        DECIDED,
        _text("name", "Instead of the name that it gives itself."),
        _text("area", "Where it is installed."),
        _text("note", "For whoever looks after it."),
        _text("network", "Where it is expected, in CIDR notation."),
        _VERSION,
    ),
    _camera(
        "stream",
        'Say where this camera\'s streams are; "" leaves it to camdetect again.',
        DECIDED,
        _text("main", "`rtsp://…` with port and path; a login in it is taken out and kept as the camera's login."),
        _text("sub", "The same for the smaller stream."),
        _VERSION,
    ),
    _camera(
        "login",
        "Try, keep or remove this camera's login, or have it ask again with those it refused.",
        LOGIN,
        _choice("action", "What to do.", "try", "save", "clear", "retry", required=True),
        _text("user", "The user's name."),
        _text("password", "The password; no answer ever has it."),
        _choice("keep", "For which cameras it is kept.", "camera", "network", "vendor", "all", "no"),
    ),
    _route(
        "POST",
        "/add",
        "add",
        "Add the camera or cameras at an address, in a range or network, or of an `rtsp://` URL.",
        ADDING,
        body=(_text("target", "The address, range, network or URL.", required=True),),
        costs=True,
    ),
    _route("GET", "/add/{job}", "add", "How far that is: step by step, with reasons and what would help.", ADDING),
    _route("GET", "/networks", "networks", "The networks, and how each is searched.", NETWORKS),
    _route(
        "POST",
        "/networks",
        "networks",
        "Search a network from now on, or no more.",
        NETWORKS,
        body=(
            _choice("action", "What to do.", "add", "remove", required=True),
            _text("network", "In CIDR notation.", required=True),
        ),
        costs=True,
    ),
    _route(
        "POST",
        "/reload",
        "reload",
        "Read the configuration file, the login files and the file of decisions again.",
        RELOADED,
        body=(Field("restart", {"type": "boolean"}, "Also start again where a setting needs that."),),
        costs=True,
    ),
)
