"""Parser of requests: their parts, validated by the table of routes; else a Problem."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from twisted_detector.web.access import RequestHead
from twisted_detector.web.api.route import Field, Route
from twisted_detector.web.problem import Problem, excerpt

#: Parameters of one request; the table has four at most.
_MAX_PARAMETERS = 16
#: Characters of a text that the table gives no bound.
MAX_TEXT = 4096
_WHOLE = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """One request to one route. ``query``, ``path`` and ``body`` are validated; what was not given is not there.

    :ivar raw: Twisted's, for an answer that is a stream.
    """

    head: RequestHead
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any] = field(repr=False)  # it may have a password
    raw: Any
    secure: bool


def parse_head(request: Any) -> RequestHead:
    """The head, for :class:`AccessControl`. :raises Problem: two Host headers."""
    headers: dict[str, str] = {}
    for name, values in request.requestHeaders.getAllRawHeaders():
        if name.lower() == b"host" and len(values) != 1:
            raise Problem(400, "there is more than one Host header")
        headers[name.decode("latin-1").lower()] = values[-1].decode("latin-1")
    cookies = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in (request.received_cookies or {}).items()
    }
    return RequestHead(request.method.decode("latin-1"), headers, str(getattr(request.client, "host", "")), cookies)


def parse_request(request: Any, head: RequestHead, route: Route, path: Mapping[str, str]) -> ParsedRequest:
    """Parse and validate the rest of a request. :raises Problem: 400 or 404."""
    for one in route.path_fields:
        try:
            _validate(path[one.name], one)
        except Problem as problem:
            raise Problem(404, f"there is no such {one.name}: {excerpt(path[one.name])}") from problem
    query = _query(request.uri.partition(b"?")[2], route.query)
    body = _body(request.content.getvalue(), route.body) if route.changes else {}
    # Only for the cookie's Secure: a client that lies about it locks itself out.
    secure = request.isSecure() or head.headers.get("x-forwarded-proto", "") == "https"
    return ParsedRequest(head, path, query, body, request, secure)


def _query(text: bytes, fields: Sequence[Field]) -> dict[str, Any]:
    try:
        pairs = parse_qsl(text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise Problem(400, "the query is not UTF-8, or has too many parameters") from None
    known = {one.name: one for one in fields}
    found: dict[str, Any] = {}
    for name, value in pairs:
        one = known.get(name)
        if one is None:
            raise Problem(400, f"there is no parameter {excerpt(name)}")
        if name in found:
            raise Problem(400, f"the parameter {name} is given twice")
        found[name] = _validate(_number(value, one), one)
    return _complete(found, fields)


def _number(value: str, one: Field) -> Any:
    if one.schema["type"] != "integer":
        return value
    if not _WHOLE.fullmatch(value):
        raise Problem(400, f"{one.name}: must be a whole number")
    return int(value)


def _body(data: bytes, fields: Sequence[Field]) -> dict[str, Any]:
    if not data and not fields:
        return {}
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise Problem(400, "the body must be a JSON object")
    known = {one.name: one for one in fields}
    for name, value in document.items():
        if name not in known:
            raise Problem(400, f"the body has an unknown member {excerpt(name)}")
        _validate(value, known[name])
    return _complete(document, fields)


def _complete(found: dict[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    for one in fields:
        if one.required and one.name not in found:
            raise Problem(400, f"{one.name}: is missing")
    return found


def _validate(value: Any, one: Field) -> Any:
    """``value`` itself. :raises Problem: it is not what the schema says (the few keywords that the table uses)."""
    schema = one.schema
    if schema["type"] == "array":
        if not isinstance(value, list) or len(value) > schema["maxItems"]:
            raise Problem(400, f"{one.name}: must be a list of at most {schema['maxItems']}")
        for each in value:
            _validate(each, replace(one, schema=schema["items"]))
        return value
    if schema["type"] == "integer":
        low, high = schema["minimum"], schema["maximum"]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Problem(400, f"{one.name}: must be a whole number from {low} to {high}")
        return value
    if schema["type"] == "boolean":
        if not isinstance(value, bool):
            raise Problem(400, f"{one.name}: must be true or false")
        return value
    if not isinstance(value, str):
        raise Problem(400, f"{one.name}: must be text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Problem(400, f"{one.name}: must be valid Unicode")
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", MAX_TEXT):
        raise Problem(400, f"{one.name}: {_length(schema)}")
    if "enum" in schema and value not in schema["enum"]:
        raise Problem(400, f"{one.name}: must be one of {', '.join(schema['enum'])}")
    if "pattern" in schema and not re.fullmatch(schema["pattern"].removeprefix("^").removesuffix("$"), value):
        raise Problem(400, f"{one.name}: has characters that it cannot have")
    return value


def _length(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength", MAX_TEXT)
    return f"must have {least} to {most} characters" if least else f"at most {most} characters"
