"""Frames: the pages of other programs that our page may show, at the addresses at which a visitor's browser has them.

They are the operator's settings and nothing else: no device and no program decides what a browser loads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)")
#: What a host and a port are made of: nothing that would begin another directive of the policy.
_AUTHORITY = re.compile(r"[A-Za-z0-9.:\[\]_-]+")


def for_visitor(url: str, host: str) -> str:
    """``url`` as a browser reaches it that called us ``host`` (a Host header): ``127.0.0.1`` in a setting is this
    machine, which a browser elsewhere calls by that name.
    """
    parts = urlsplit(url)
    match = _HOST.match(host)
    name = match[0] if match is not None and _is_host(match[0]) else ""
    if not name or not _is_loopback(parts.hostname or "") or _is_loopback(name.strip("[]")):
        return url
    port = f":{parts.port}" if parts.port is not None else ""
    return parts._replace(netloc=f"{name}{port}").geturl()


def origins(pages: Iterable[str], host: str) -> list[str]:
    """The origins of ``pages`` for such a visitor, each once."""
    seen = (urlsplit(for_visitor(page, host)) for page in pages)
    return list(dict.fromkeys(f"{one.scheme}://{one.netloc}" for one in seen if _AUTHORITY.fullmatch(one.netloc)))


def allow(policy: str, pages: Iterable[str], host: str) -> str:
    """A Content-Security-Policy that allows frames of ``pages`` too, and to look whether they answer this browser."""
    found = " ".join(origins(pages, host))
    if not found:
        return policy
    return policy.replace("connect-src 'self'", f"connect-src 'self' {found}") + f"; frame-src {found}"


def _is_host(name: str) -> bool:
    """Whether it can stand in a URL; through ingress a Host header is whatever a browser's way to it made of it."""
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9._-]+", name)
    try:
        return found is not None and (not found[1] or ip_address(found[1]).version == 6)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
