"""One route of the API, and what stands in its path, query and body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROOT = "/api/v1"

#: As in model.MAX_ID_LENGTH: what an id may be; anything else is no camera.
ID = {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"}


#: How a request for a camera that is not there is refused.
NO_CAMERA = {404: "There is no camera with that id."}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter, or one member of a body, as JSON Schema has it (a few keywords only)."""

    name: str
    schema: Mapping[str, Any]
    help: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One path and method.

    :ivar path: below ROOT, with ``{name}`` for what varies.
    :ivar handler: name of the method of :class:`Api`; with ``command``, of the operator's command.
    :ivar command: the request is passed on to the router: what stands in path, query and body are its fields.
    :ivar fixed: fields of the command that are always the same.
    :ivar operation: name of it where another route has the same method, handler and fixed fields.
    :ivar answer: schema of the answer with status 200; None where it is not JSON.
    :ivar media: its media type, or several.
    :ivar problems: statuses by which it may be refused, besides those of every route, each with the reason.
    :ivar public: needs no token. :ivar changes: it changes something. :ivar costs: it makes us work: limited in rate.
    """

    method: str
    path: str
    handler: str
    summary: str
    answer: Mapping[str, Any] | None = None
    media: tuple[str, ...] = ("application/json",)
    query: tuple[Field, ...] = ()
    body: tuple[Field, ...] = ()
    problems: Mapping[int, str] = field(default_factory=dict)
    public: bool = False
    costs: bool = False
    command: bool = False
    fixed: Mapping[str, str] = field(default_factory=dict)
    operation: str = ""

    @property
    def changes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def path_fields(self) -> tuple[Field, ...]:
        """What varies in the path."""
        return tuple(PATH_FIELDS[name] for name in re.findall(r"\{(\w+)\}", self.path))

    @property
    def name(self) -> str:
        """For OpenAPI's ``operationId``: of each route its own."""
        return f"{self.method.lower()}_{self.operation or '_'.join((self.handler, *self.fixed.values()))}"


PATH_FIELDS = {
    "camera_id": Field("camera_id", ID, "The camera's id.", required=True),
    "job": Field("job", {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "`job` of an answer.", required=True),
    "format": Field(
        "format", {"type": "string", "enum": ["frigate", "go2rtc", "json", "csv"]}, "For whom.", required=True
    ),
}
