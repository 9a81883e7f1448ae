"""Paths at which ONVIF services are, and those at which one could be: a login goes nowhere else."""

from __future__ import annotations

import re

#: Where a device service is by the specification (Core, 5.1.1).
DEVICE_PATH = "/onvif/device_service"
#: Paths below which nothing but services are: there a bare 401 may be a service's.
_SERVICE = re.compile(r"/onvif/[A-Za-z0-9_.-]{1,64}")
#: Paths that may be a service's if they say so in SOAP: real ones name what they are, or are the root (gSOAP).
_POSSIBLE = re.compile(r"/?|/[A-Za-z0-9_./-]*(?:onvif|soap|service|media|device)[A-Za-z0-9_./-]*", re.IGNORECASE)


def path_of(url: str) -> str:
    """What stands behind the host of a URL, with the query."""
    rest = url.partition("://")[2]
    start = min((position for position in map(rest.find, "/?#") if position >= 0), default=len(rest))
    return rest[start:]


def may_be_service(url: str) -> bool:
    """Whether a service could be at a URL that a device named: no query, and a path that is no other program's."""
    return _POSSIBLE.fullmatch(path_of(url)) is not None


def is_service(url: str) -> bool:
    """Whether a URL is below the path where nothing but services are."""
    return _SERVICE.fullmatch(path_of(url)) is not None
