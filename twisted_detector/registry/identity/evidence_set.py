"""Collection of the evidence of one device: each identifier once, with its latest source and time, within a bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twisted_detector.model import Evidence, EvidenceKind
from twisted_detector.model.devices import SHARED
from twisted_detector.registry.identity.claims import Claim, normalise_endpoint_reference

#: Identifiers that are remembered of one device.
MAX_EVIDENCE = 32


class EvidenceSet:
    """Collection of identifiers, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._found: dict[Claim, Evidence] = {}

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self._found.values())

    def get(self, kind: str, value: str) -> Evidence | None:
        """One identifier, None where it is not known."""
        return self._found.get((kind, value))

    def add(self, evidence: Iterable[Evidence]) -> None:
        """Add identifiers; a known one gets its latest source and time, and what is past the bound is left out."""
        for item in evidence:
            if len(self._found) < MAX_EVIDENCE or (item.kind, item.value) in self._found:
                self._found[item.kind, item.value] = item

    def remove(self, kind: str, value: str) -> None:
        """Remove an identifier that is not its own."""
        self._found.pop((kind, value), None)

    def mark_shared(self, claim: Claim, now: float) -> None:
        """Record that another device makes this claim at the same time."""
        if claim[0] == EvidenceKind.MAC:
            self._found.pop(claim, None)
        self.add((Evidence(SHARED + claim[0], claim[1], "identity", now),))

    @property
    def shared_claims(self) -> tuple[Claim, ...]:
        """Claims that are discredited, for another device makes them too."""
        return tuple((kind.removeprefix(SHARED), value) for kind, value in self._found if kind.startswith(SHARED))

    @property
    def vendors(self) -> tuple[str, ...]:
        """Names of the manufacturer."""
        return tuple(item.value for item in self if item.kind == EvidenceKind.VENDOR)

    @property
    def endpoint_reference(self) -> str:
        """The EndpointReference that an inspection found, or ""."""
        kind = EvidenceKind.ENDPOINT_REFERENCE
        return normalise_endpoint_reference(next((item.value for item in self if item.kind == kind), ""))
