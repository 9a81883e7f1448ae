"""Builder of the OpenAPI 3.1 document that describes the table of routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted_detector.web.access import HEADER
from twisted_detector.web.api import schemas
from twisted_detector.web.api.route import ROOT, Field, Route
from twisted_detector.web.problem import MEDIA_TYPE

#: Why any request may be refused.
_EVERYWHERE = {
    400: "The request is not what the table says; `detail` tells what is wrong.",
    403: "Another site is behind it, or the header X-Camdetect is missing.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The Host header does not name this daemon.",
    429: "Too many requests, or too many wrong tokens; see Retry-After.",
    431: "The head of the request is too large.",
}
_TOKEN = {401: "The token is needed, or wrong."}


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole; ``version`` of the daemon, "" for who is not told it (the member itself is required)."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(ROOT + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "camdetect",
            "version": version,
            "description": "The cameras of your networks. No answer has a login in it. Requests that change something"
            " need the header `X-Camdetect: 1`, or the token as `Authorization: Bearer …`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": schemas.PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "camdetect_session"},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    parameters = [_parameter(one, "path") for one in route.path_fields]
    parameters += [_parameter(one, "query") for one in route.query]
    if route.changes:
        header = Field(HEADER, {"type": "string", "enum": ["1"]}, "No other site can send it.", required=True)
        parameters.append(_parameter(header, "header"))
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters,
        "responses": _responses(route),
        "security": [{}] if route.public else [{}, {"token": []}, {"cookie": []}],
    }
    if route.body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": body_schema(route.body)}},
        }
    return operation


def _parameter(one: Field, where: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": where,
        "required": one.required,
        "description": one.help,
        "schema": dict(one.schema),
    }


def body_schema(fields: Sequence[Field]) -> dict[str, Any]:
    """The JSON Schema of a body."""
    return {
        "type": "object",
        "properties": {one.name: {**one.schema, "description": one.help} for one in fields},
        "required": [one.name for one in fields if one.required],
        "additionalProperties": False,
    }


def _responses(route: Route) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "It is so."}
    if route.answer is not None:
        good["content"] = {route.media[0]: {"schema": dict(route.answer)}}
    else:
        good["content"] = {media: {} for media in route.media}
    problems = {**_EVERYWHERE, **({} if route.public else _TOKEN), **route.problems}
    responses = {"200": good}
    for status, reason in sorted(problems.items()):
        responses[str(status)] = {
            "description": reason,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return responses
