"""Table of routes of the API: what each takes, what it answers, and whether it needs the token.

The table is what is served *and* what the OpenAPI document is made of (``openapi.py``), so the document cannot lie.
"""

from __future__ import annotations

from twisted_detector.web.api import schemas
from twisted_detector.web.api.decisions import DECISION_ROUTES
from twisted_detector.web.api.first_run import FIRST_RUN_ROUTES
from twisted_detector.web.api.fleet import FLEET_ROUTES
from twisted_detector.web.api.notices import NOTICE_ROUTES
from twisted_detector.web.api.route import ID, NO_CAMERA, Field, Route

LIMIT_MOST = 1000

_ADDRESS = Field(
    "address",
    {"type": "string", "minLength": 1, "maxLength": 64},
    "An IPv4 or IPv6 address (link-local with %interface).",
    required=True,
)
_DEVICE = Field(
    "device",
    {"type": "string", "minLength": 1, "maxLength": 256},
    "The id that it had, its MAC or its EndpointReference.",
    required=True,
)
_ADOPTION = (
    ("adopt", "Adopt this camera's device: it may be given logins."),
    ("unadopt", "Take its adoption back: it is given none any more."),
    ("block", "Block this camera's device: it is forgotten, asked nothing and never shown again."),
)
_LIMIT = Field("limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST}, "At most so many.")
_REFUSED = {400: "The request is invalid; `detail` says why."}
_NO_ANSWER = {404: "This daemon does not answer that."}

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/cameras",
        "cameras",
        "The cameras, ordered by id, some at a time.",
        schemas.CAMERAS,
        query=(
            _LIMIT,
            Field("after", ID, "Those whose id comes after this one: `next` of the answer before."),
            Field("fields", {"type": "string", "enum": ["full", "brief"]}, "`brief`: what a card shows."),
            Field("status", {"type": "string", "enum": list(schemas.STATUSES)}, "Only those."),
        ),
    ),
    Route(
        "GET",
        "/cameras/{camera_id}",
        "camera",
        "One camera: its facts, where it has been, what happened to it lately.",
        schemas.CAMERA_WHOLE,
        problems=NO_CAMERA,
    ),
    Route(
        "GET",
        "/cameras/{camera_id}/history",
        "history",
        "What this camera was in the last days, without a hole, in at most 500 segments: where there are more, short"
        " neighbours are one segment, which has the worst state of them, their number and the seconds of each.",
        schemas.HISTORY,
        query=(Field("days", {"type": "integer", "minimum": 1, "maximum": 400}, "So many days; 7 without it."),),
        problems={**NO_CAMERA, 503: "The disk cannot be read now."},
    ),
    Route(
        "POST",
        "/cameras/{camera_id}/check",
        "check",
        "Ask this camera again now.",
        schemas.OBEYED,
        problems=NO_CAMERA,
        costs=True,
        command=True,
    ),
    Route(
        "POST",
        "/cameras/{camera_id}/forget",
        "forget",
        "Forget this camera and empty its retained topics. One that is still there is found again.",
        schemas.OBEYED,
        problems=NO_CAMERA,
        costs=True,
        command=True,
    ),
    *(
        Route(
            "POST",
            f"/cameras/{{camera_id}}/{name}",
            name,
            summary,
            schemas.OBEYED,
            problems={**NO_CAMERA, **_REFUSED},
            costs=True,
            command=True,
        )
        for name, summary in _ADOPTION
    ),
    *DECISION_ROUTES,
    *FIRST_RUN_ROUTES,
    *FLEET_ROUTES,
    *NOTICE_ROUTES,
    Route(
        "GET",
        "/blocked",
        "blocked",
        "The blocked devices.",
        schemas.BLOCKED,
        command=True,
    ),
    Route(
        "POST",
        "/unblock",
        "unblock",
        "Unblock a device, and look for it.",
        schemas.OBEYED,
        body=(_DEVICE,),
        problems=_REFUSED,
        costs=True,
        command=True,
    ),
    Route(
        "GET",
        "/cameras/{camera_id}/picture",
        "picture",
        "The latest picture.",
        media=("image/jpeg", "image/png"),
        query=(
            Field("v", {"type": "string", "maxLength": 32}, "`version` of the picture, so that it may be kept."),
            Field(
                "size",
                {"type": "string", "enum": ["thumb"]},
                "`thumb`: at most 480 pixels wide and high; the picture itself where this daemon cannot scale.",
            ),
        ),
        problems={404: "There is no such camera, or no picture of it; `detail` tells."},
    ),
    Route(
        "POST",
        "/cameras/{camera_id}/picture",
        "take_picture",
        "Take a new picture.",
        schemas.PICTURE,
        problems={404: "There is no such camera, or it gave no picture; `detail` tells."},
        costs=True,
    ),
    Route(
        "GET",
        "/cameras/{camera_id}/live",
        "players",
        "The pages of Frigate and go2rtc on which this camera is seen live; nothing is asked of the camera.",
        schemas.PLAYERS,
        problems=NO_CAMERA,
    ),
    Route(
        "POST",
        "/cameras/{camera_id}/live",
        "live",
        "A picture of this moment, as soon as there is one of another version than `seen`: ask again for the next, a"
        " second later. `X-Taken-At` says when it was taken. Nothing is asked of the camera while no such request"
        " waits.",
        media=("image/jpeg", "image/png"),
        query=(
            Field("seen", {"type": "string", "maxLength": 32}, "The `ETag` of the picture before, without quotes."),
        ),
        problems={
            404: "There is no camera with that id, or no pictures are taken.",
            503: "None now; `detail` tells why.",
        },
    ),
    Route(
        "GET",
        "/activity",
        "activity",
        "What happened lately, the latest first.",
        schemas.ACTIVITY,
        query=(_LIMIT, Field("camera_id", ID, "Only to this camera.")),
    ),
    Route("GET", "/status", "status", "The health document's blocks.", schemas.ANY),
    Route("GET", "/discovery", "discovery", "Sweeps: running or not, and the latest of each method.", schemas.ANY),
    Route("GET", "/mqtt", "mqtt", "The MQTT connection: now, the hour behind it, why it was away.", schemas.MQTT),
    Route(
        "GET",
        "/why",
        "why",
        "Why an address is, or is not, shown. Asks the address itself, which takes some seconds.",
        schemas.WHY,
        query=(_ADDRESS,),
        problems=_REFUSED,
        costs=True,
        command=True,
    ),
    Route(
        "GET",
        "/doctor",
        "doctor",
        "What is well with this daemon and what is not.",
        schemas.DOCTOR,
        costs=True,
        command=True,
    ),
    Route(
        "GET",
        "/plugins",
        "plugins",
        "The plugins: where each comes from, whether it is loaded and why not, and what it did.",
        schemas.PLUGINS,
        command=True,
    ),
    Route("POST", "/rescan", "rescan", "Sweep now.", schemas.RESCAN, costs=True, command=True),
    Route(
        "POST",
        "/probe",
        "probe",
        "Ask an address whether a camera is there.",
        schemas.OBEYED,
        body=(_ADDRESS,),
        problems=_REFUSED,
        costs=True,
        command=True,
    ),
    Route(
        "GET",
        "/export/{format}",
        "export",
        "The cameras as a configuration, without logins.",
        media=("text/plain", "application/yaml", "application/json", "text/csv"),
        problems=_NO_ANSWER,
        costs=True,
    ),
    Route(
        "GET",
        "/events",
        "events",
        "What changes, as server-sent events: `camera` (a brief camera), `gone`, `happened` (`activity`, the latest"
        " first), `discovery`, `mqtt` (a row of the series), `connection`, `notice` (`id` and `event`)."
        " After `reset`, ask for everything.",
        media=("text/event-stream",),
        query=(Field("last_event_id", {"type": "string", "maxLength": 64}, "As the header Last-Event-ID."),),
        problems={503: "As many pages are open as there is room for."},
    ),
    Route("GET", "/session", "session", "Whether a token is needed, and was given.", schemas.SESSION, public=True),
    Route(
        "POST",
        "/session",
        "log_in",
        "Give the token, or the code of a link that signs in once, and get a cookie.",
        schemas.SESSION,
        body=(
            Field("token", {"type": "string", "minLength": 1, "maxLength": 4096}, "The token; no code is given then."),
            Field("code", {"type": "string", "minLength": 1, "maxLength": 64}, "What `#login=` has in the link."),
        ),
        problems={401: "Wrong token, or a code that was used already or is too old."},
        public=True,
    ),
    Route("DELETE", "/session", "log_out", "Take the cookie back.", schemas.SESSION, public=True),
    Route("GET", "/openapi.json", "openapi", "This document.", schemas.ANY, public=True),
)
