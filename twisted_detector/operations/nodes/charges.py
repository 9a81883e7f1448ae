"""Distribution of the networks without a node: which of those that reach one searches it. Pure.

A network is in the documents of all nodes that have it in NODES_NETWORKS, each with how well it reaches it. The best
of those that are there searches it, of equals the first by name: everybody comes to the same answer from the same
documents, nothing is asked and nothing is answered, and when it goes the next one follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_detector.operations.nodes.values import NodeDocument, Reached

#: Seconds after which a sweep that nothing answered is tried once more where nobody does better.
FORGIVEN = 3600.0


def searcher_of(network: str, documents: Iterable[NodeDocument]) -> str:
    """The node that searches a network, of those whose documents these are; "" for none."""
    able = [(-one.about.shared[network], one.node_id) for one in documents if network in one.about.shared]
    return min(able)[1] if able else ""


class Outcomes:
    """Record of what sweeps of the shared networks found. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Reached, float]] = {}
        self._seen: dict[str, float] = {}

    def swept(self, network: str, at: float, hosts: int, now: float) -> None:
        """The last sweep of a network ended at ``at``, and so many hosts answered it."""
        if self._seen.get(network) != at:
            self._seen[network] = at
            self._found[network] = (Reached.ANSWERED if hosts else Reached.SILENT, now)

    def reached(self, network: str, now: float) -> Reached:
        """How well we reach it, as far as is known."""
        reached, since = self._found.get(network, (Reached.UNTRIED, now))
        return Reached.UNTRIED if reached is Reached.SILENT and now - since > FORGIVEN else reached
