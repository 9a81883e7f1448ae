"""State machine of one device: from first sighting over inspections and missed checks to offline."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """State of a device, as the detector schedules by it."""

    CANDIDATE = "candidate"  #: seen, not yet inspected
    INSPECTING = "inspecting"  #: under its first inspection
    ONLINE = "online"  #: answers, and a stream of it was proved
    TROUBLED = "troubled"  #: answers, but no stream could be proved
    REFUSED = "refused"  #: wants a login that we have not
    SUSPECT = "suspect"  #: missed a check, but not enough of them
    OFFLINE = "offline"  #: missed enough checks, or said goodbye
    FOREIGN = "foreign"  #: not a camera: not inspected at every sweep


#: A device in one of these was a camera once. It keeps its id, and never becomes a candidate or foreign again.
_CAMERAS = (Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED, Phase.SUSPECT, Phase.OFFLINE)


class Lifecycle:
    """State machine of one device; every input is allowed in every phase.

    :param missed_limit: that many missed checks in a row make a camera offline (>= 1).
    :ivar missed_checks: checks in a row that were not answered.
    """

    def __init__(self, missed_limit: int) -> None:
        self.phase = Phase.CANDIDATE
        self.missed_checks = 0
        self._limit = missed_limit

    @property
    def is_missing(self) -> bool:
        """Whether the device did not answer when it was asked last, or said goodbye."""
        return self.phase is Phase.OFFLINE or (self.phase is Phase.SUSPECT and self.missed_checks > 0)

    @property
    def awaits_first_check(self) -> bool:
        """Whether an earlier run knew it as a camera, and it was not asked since, or has not answered yet."""
        return self.phase is Phase.SUSPECT and not self.missed_checks

    def reset(self) -> None:
        """It was no camera: what an attempt found out about it is forgotten."""
        if self.phase in _CAMERAS:
            self.phase, self.missed_checks = Phase.CANDIDATE, 0

    def inspection_began(self) -> None:
        """An inspection begins; the phase of a camera holds until it ends."""
        if self.phase not in _CAMERAS:
            self.phase = Phase.INSPECTING

    def restored(self) -> None:
        """An earlier run knew the device as a camera: suspect until it is checked."""
        if self.phase not in _CAMERAS:
            self.phase = Phase.SUSPECT

    def stream_proved(self) -> None:
        """The device answered and a stream of it was proved."""
        self._answered(Phase.ONLINE)

    def no_stream_proved(self) -> None:
        """The device answered, but no stream could be proved."""
        self._answered(Phase.TROUBLED)

    def login_required(self) -> None:
        """The device answered and wants a login that we have not."""
        self._answered(Phase.REFUSED)

    def not_a_camera(self) -> None:
        """An inspection found no camera. One that stops looking like a camera keeps its id: it is in trouble."""
        if self.phase in _CAMERAS:
            self._answered(Phase.TROUBLED)
        else:
            self.phase = Phase.FOREIGN

    def check_missed(self) -> None:
        """The device did not answer a check."""
        self.missed_checks += 1
        self._unanswered(Phase.OFFLINE if self.missed_checks >= self._limit else Phase.SUSPECT)

    def departed(self) -> None:
        """The device said goodbye."""
        self._unanswered(Phase.OFFLINE)

    def _answered(self, phase: Phase) -> None:
        self.phase = phase
        self.missed_checks = 0

    def _unanswered(self, phase: Phase) -> None:
        if self.phase in (Phase.CANDIDATE, Phase.INSPECTING):
            self.phase = Phase.CANDIDATE  # nothing is known of it: the next sighting has it inspected
        elif self.phase not in (Phase.OFFLINE, Phase.FOREIGN):
            self.phase = phase
