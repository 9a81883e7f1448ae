"""Routes of the fleet: the nodes of one broker and the cameras of each; a command of the router."""

from __future__ import annotations

from twisted_detector.web.api.route import Route
from twisted_detector.web.api.schemas import FLAG, STAMP, TEXT, WHOLE, array_of, nullable, object_with

NODE = object_with(
    node_id=TEXT,
    this=FLAG,
    version=TEXT,
    page=TEXT,
    networks=array_of(TEXT),
    shared=array_of(TEXT),
    known=WHOLE,
    owned=WHOLE,
    away=FLAG,
    since=nullable(STAMP),
)
CAMERA = object_with(
    owner=TEXT,
    known_to=array_of(TEXT),
    away=TEXT,
    name=TEXT,
    area=TEXT,
    ip=TEXT,
    status=TEXT,
    reason=TEXT,
    since=TEXT,
)

FLEET_ROUTES = (
    Route(
        "GET",
        "/fleet",
        "fleet",
        "The nodes that share one broker, those that are away too, and all their cameras by id: the node that publishes"
        " each, those that know it, and its state as it is published.",
        object_with(nodes=array_of(NODE), cameras={"type": "object", "additionalProperties": CAMERA}),
        problems={404: "This daemon shares its cameras with no other one (NODES_ENABLED)."},
        command=True,
    ),
)
