"""One measured figure of an attack with its goal, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure.

    :ivar most: the goal: more is a failure; None for a figure that is told only, beside another.
    :ivar remark: what else is to be known; of a failure the evidence.
    :ivar void: why this run is no evidence, "" when it is.
    """

    scenario: str
    what: str
    value: float
    most: float | None = None
    unit: str = ""
    remark: str = ""
    void: str = ""

    @property
    def key(self) -> str:
        return f"{self.scenario}: {self.what}"

    @property
    def holds(self) -> bool:
        return not self.void and (self.most is None or self.value <= self.most)

    def __str__(self) -> str:
        goal = "" if self.most is None else f" (at most {self.most:g})"
        verdict = f"VOID: {self.void}" if self.void else "holds" if self.holds else "FAILS"
        remark = f" [{self.remark}]" if self.remark else ""
        return f"{self.scenario}: {self.what}: {self.value:g} {self.unit}{goal} {verdict}{remark}"


def table(figures: Sequence[Figure], before: Mapping[str, float]) -> str:
    """The figures as Markdown.

    :param before: by :attr:`Figure.key`, what was measured of the code before it withstood these attacks.
    """
    lines = ["| attack | figure | before | measured | at most | |", "|---|---|---:|---:|---:|---|"]
    for one in figures:
        value = f"{one.value:g} {one.unit}".strip()
        goal = "" if one.most is None else f"{one.most:g} {one.unit}".strip()
        earlier = f"{before[one.key]:g} {one.unit}".strip() if one.key in before else ""
        verdict = f"no evidence: {one.void}" if one.void else "" if one.holds else "**fails**"
        notes = "; ".join(filter(None, (verdict, one.remark)))
        lines.append(f"| {one.scenario} | {one.what} | {earlier} | {value} | {goal} | {notes} |")
    return "\n".join(lines)


def most_in_window(times: Sequence[float], seconds: float) -> int:
    """The most of them that lie within any ``seconds``."""
    ordered = sorted(times)
    most = first = 0
    for last, time in enumerate(ordered):
        while time - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
