"""Progress of one job: its steps at each address, as the page and the command line show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Addresses whose steps are told: more cameras than are put up at a time. Of the others there are numbers.
MAX_TOLD = 128


@dataclass
class Progress:
    """Steps of a job; each is told once for an address, in its last state.

    :ivar number: of the addresses.
    :ivar camera_ids: cameras that were added.
    :ivar silent: addresses where nobody answers; ``others``: hosts without a port of a camera.
    :ivar ended_at: monotonic seconds of its end; None while it runs.
    """

    job: str
    target: str
    number: int = 1
    ended_at: float | None = None
    camera_ids: list[str] = field(default_factory=list)
    silent: int = 0
    others: int = 0
    _steps: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _not_asked: int = 0
    _why_not: str = ""

    def doing(self, address: str, step: str, text: str) -> None:
        """A step begins."""
        self._put(address, step, "doing", text)

    def succeeded(self, address: str, step: str, text: str, helps: Sequence[Mapping[str, str]] = ()) -> None:
        """A step is done."""
        self._put(address, step, "ok", text, "", helps)

    def skipped(self, reason: str) -> None:
        """An address of many may not be asked."""
        self._not_asked += 1
        self._why_not = self._why_not or reason

    def failed(self, address: str, step: str, text: str, reason: str, helps: Sequence[Mapping[str, str]] = ()) -> None:
        """A step came to nothing. ``reason``: in plain words why; ``helps``: see :func:`help_for`."""
        self._put(address, step, "failed", text, reason, helps)

    def _put(
        self,
        address: str,
        step: str,
        state: str,
        text: str,
        reason: str = "",
        helps: Sequence[Mapping[str, str]] = (),
    ) -> None:
        if address not in self._told and len(self._told) >= MAX_TOLD:
            return
        self._told.add(address)
        self._steps[address, step] = {
            "address": address,
            "step": step,
            "state": state,
            "text": text,
            "reason": reason,
            "help": [dict(one) for one in helps],
        }

    def drop(self, address: str) -> None:
        """Nothing is at this address of many that has to be told."""
        for key in [key for key in self._steps if key[0] == address]:
            del self._steps[key]
        self._told.discard(address)

    def end(self, at: float) -> None:
        """It is over: what was under way is not done any more."""
        self.ended_at = at
        for step in self._steps.values():
            if step["state"] == "doing":
                step |= {"state": "failed", "reason": "it was stopped"}

    def document(self) -> dict[str, Any]:
        """The answer of ``add``."""
        steps = list(self._steps.values())
        if self.number > 1:
            steps.insert(0, self._summary())
        return {
            "job": self.job,
            "target": self.target,
            "done": self.ended_at is not None,
            "steps": steps,
            "camera_ids": list(self.camera_ids),
        }

    def _summary(self) -> dict[str, Any]:
        texts = [f"{self.number} addresses"]
        texts += [f"{self.silent} do not answer"] if self.silent else []
        texts += [f"{self.others} answer, but have no camera port open"] if self.others else []
        texts += [f"{self._not_asked} are not asked ({self._why_not})"] if self._not_asked else []
        return {
            "address": self.target,
            "step": "search",
            "state": "doing" if self.ended_at is None else "ok" if self.camera_ids else "failed",
            "text": ": ".join((texts[0], "; ".join(texts[1:]))) if texts[1:] else texts[0],
            "reason": "" if self.camera_ids or self.ended_at is None else "no camera was found there",
            "help": [],
        }
