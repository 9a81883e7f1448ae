"""Routes by which a person decides: a camera's name, streams and login, cameras that are added, networks, reloading.

Each is a command of the router, which checks every value, for every way of asking. Here what is passed on is only
bounded.
"""

from __future__ import annotations

from typing import Any

from twisted_detector.web.api.route import NO_CAMERA, Field, Route
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
    ),
    still=TEXT,
)
RELOADED = object_with(changed=array_of(TEXT), restart=array_of(TEXT), faults=array_of(TEXT), restarting=FLAG)

_REFUSED = {
    400: "A value is refused: `detail` begins with the field's name and a colon.",
    503: "The disk takes no writes: nothing was changed.",
}
_OF_CAMERA = {**NO_CAMERA, **_REFUSED}


def _text(name: str, words: str, *, required: bool = False, most: int = MAX_TEXT) -> Field:
    return Field(name, {"type": "string", "maxLength": most}, words, required)


def _choice(name: str, words: str, *choices: str, required: bool = False) -> Field:
    return Field(name, {"type": "string", "enum": list(choices)}, words, required)


_VERSION = Field(
    "version",
    {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
    "`version` of the answer that the change is based on; refused if the camera was changed since.",
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
        "What you decided about this camera, and its own values otherwise, each with its source.",
        DECIDED,
        problems=NO_CAMERA,
        command=True,
    ),
    _camera(
        "name",
        'Set the name, area, note and expected network of this camera; "" removes a value.',
        DECIDED,
        _text("name", "Replaces the camera's own name."),
        _text("area", "Where it is installed."),
        _text("note", "A note for people."),
        _text("network", "Where it is expected, in CIDR notation."),
        _VERSION,
    ),
    _camera(
        "stream",
        'Set the URLs of this camera\'s streams; "" lets camdetect find one again.',
        DECIDED,
        _text("main", "`rtsp://…` with port and path; a login in it is removed and saved as the camera's."),
        _text("sub", "The same for the smaller stream."),
        _VERSION,
    ),
    _camera(
        "login",
        "Try, save or remove this camera's login, or retry those that it refused.",
        LOGIN,
        _choice("action", "What to do.", "try", "save", "clear", "retry", required=True),
        _text("user", "The user's name."),
        _text("password", "The password; no answer ever contains it."),
        _choice("keep", "For which cameras it is saved.", "camera", "network", "vendor", "all", "no"),
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
    _route("GET", "/add/{job}", "add", "The progress of a job: each step, its reason and what would help.", ADDING),
    _route("GET", "/networks", "networks", "The networks, and how each is searched.", NETWORKS),
    _route(
        "POST",
        "/networks",
        "networks",
        "Start or stop searching a network.",
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
        "Reload the configuration file, the login files and the file of decisions.",
        RELOADED,
        body=(Field("restart", {"type": "boolean"}, "Also restart if a setting needs it."),),
        costs=True,
    ),
)
