"""Wording of what hinders a node, for the health document and the command ``doctor``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twisted_detector.operations.host_checks import FAIL, OK, WARN, Finding


def slow_broker(round_trip: float, most: float) -> str:
    """Fault of a broker that returns our messages too late. :param most: seconds within which it would have to."""
    return (
        "cameras that other nodes know, too, are not published: the broker needs"
        f" {1000 * round_trip:.0f} ms there and back, and {1000 * most:.0f} ms are the most. Find what delays it, or"
        " give this site a broker of its own and join the two by a bridge"
    )


def findings(block: Mapping[str, Any]) -> Iterator[Finding]:
    """Check of the command ``doctor``. :param block: that of the health document."""
    fault, rival = block["fault"], block["rival"]
    if fault:
        yield Finding("nodes", FAIL, fault, "docs/operations/sites.md says what nodes need of a broker")
    if rival:
        yield Finding("nodes", WARN, f"another daemon has our node id (instance {rival})", "give each its own NODE_ID")
    if not fault and not rival:
        others = ", ".join(block["others"]) or "no other node"
        yield Finding("nodes", OK, f"publishes {block['owned']} of {block['known']} cameras; there: {others}")
