"""What happens to one device goes in (asked, answered, silent, departed); the phase of its life comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from automat import TypeMachineBuilder


class Phase(StrEnum):
    """Where a device stands in its life with us."""

    CANDIDATE = "candidate"  #: seen, not yet asked
    INSPECTING = "inspecting"  #: being asked for the first time
    ONLINE = "online"  #: answers, and a stream of it was proved
    TROUBLED = "troubled"  #: answers, but no stream could be proved
    REFUSED = "refused"  #: wants a login that we have not
    SUSPECT = "suspect"  #: missed a check, but not enough of them
    OFFLINE = "offline"  #: missed enough checks, or said goodbye
    FOREIGN = "foreign"  #: not a camera: not asked at every sweep


class _Life(Protocol):
    """The inputs of the machine."""

    def ask(self) -> None:
        """An inspection begins."""

    def restore(self) -> None:
        """It was known before this start."""

    def prove(self) -> None:
        """It answered and a stream was proved."""

    def trouble(self) -> None:
        """It answered, its streams did not."""

    def refuse(self) -> None:
        """It wants a login that we have not."""

    def disown(self) -> None:
        """It is no camera."""

    def miss(self) -> None:
        """It did not answer, but that may be chance."""

    def lose(self) -> None:
        """It did not answer too often, or it said goodbye."""


@dataclass
class _Core:
    """What the machine acts on: it tells where it came to, nothing else."""

    entered: Callable[[Phase], None]


def _make_machine() -> Callable[[_Core], _Life]:
    machine = TypeMachineBuilder(_Life, _Core)

    def entering(phase: Phase) -> Callable[[_Life, _Core], Phase]:
        def enter(life: _Life, core: _Core) -> Phase:
            core.entered(phase)
            return phase

        return enter

    def again(life: _Life, core: _Core, *data: object) -> None:
        core.entered(Phase.CANDIDATE)

    # The initial state is entered by being born: nobody is told.
    candidate = machine.state(Phase.CANDIDATE.value)
    state = {phase: machine.state(phase.value, entering(phase)) for phase in Phase if phase is not Phase.CANDIDATE}
    # States with and without data are of two types to automat; both take inputs alike.
    everything: tuple[Any, ...] = (candidate, *state.values())
    known = tuple(state[phase] for phase in (Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED, Phase.SUSPECT, Phase.OFFLINE))
    unknown = tuple(one for one in everything if one not in known)

    for one in everything:
        one.upon(_Life.prove).to(state[Phase.ONLINE]).returns(None)
        one.upon(_Life.trouble).to(state[Phase.TROUBLED]).returns(None)
        one.upon(_Life.refuse).to(state[Phase.REFUSED]).returns(None)
    for one in unknown:
        one.upon(_Life.ask).to(state[Phase.INSPECTING]).returns(None)
        one.upon(_Life.restore).to(state[Phase.SUSPECT]).returns(None)
        one.upon(_Life.disown).to(state[Phase.FOREIGN]).returns(None)
        if one is not state[Phase.FOREIGN]:
            # Never reached, so nothing is known: it is asked again when it is seen again.
            one.upon(_Life.lose).to(candidate)(again)
            one.upon(_Life.miss).to(candidate)(again)
    for one in known:
        one.upon(_Life.ask).loop().returns(None)
        one.upon(_Life.restore).loop().returns(None)
        # A camera that stops looking like one keeps its name; it is in trouble, not foreign.
        one.upon(_Life.disown).to(state[Phase.TROUBLED]).returns(None)
        if one is not state[Phase.OFFLINE]:
            one.upon(_Life.lose).to(state[Phase.OFFLINE]).returns(None)
            one.upon(_Life.miss).to(state[Phase.SUSPECT]).returns(None)
    for one in (state[Phase.OFFLINE], state[Phase.FOREIGN]):
        one.upon(_Life.lose).loop().returns(None)
        one.upon(_Life.miss).loop().returns(None)
    return machine.build()


_new_machine = _make_machine()


class Lifecycle:
    """The life of one device.

    :param missed_limit: that many missed checks in a row make it offline (>= 1).
    """

    def __init__(self, missed_limit: int) -> None:
        self.phase = Phase.CANDIDATE
        self.missed = 0
        self._limit = missed_limit
        self._machine = _new_machine(_Core(self._entered))

    def _entered(self, phase: Phase) -> None:
        self.phase = phase
        if phase in (Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED):
            self.missed = 0

    def ask(self) -> None:
        """An inspection begins."""
        self._machine.ask()

    def restore(self) -> None:
        """It was known before this start: its state holds until it is checked."""
        self._machine.restore()

    def prove(self) -> None:
        """It answered and a stream of it was proved."""
        self._machine.prove()

    def trouble(self) -> None:
        """It answered, but no stream could be proved."""
        self._machine.trouble()

    def refuse(self) -> None:
        """It wants a login that we have not."""
        self._machine.refuse()

    def disown(self) -> None:
        """It is no camera."""
        self._machine.disown()

    def silent(self) -> None:
        """It did not answer a check."""
        self.missed += 1
        if self.missed >= self._limit:
            self._machine.lose()
        else:
            self._machine.miss()

    def depart(self) -> None:
        """It said goodbye."""
        self._machine.lose()
