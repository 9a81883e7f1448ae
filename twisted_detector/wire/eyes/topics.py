"""Names of the topics of one eye."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EyeTopics:
    """Topics of the eye ``name`` below a prefix.

    :ivar prefix: MQTT_TOPIC_PREFIX, or "".
    """

    prefix: str
    name: str

    def _below(self, last: str) -> str:
        root = f"{self.prefix}/" if self.prefix else ""
        return f"{root}system/camera_detector_eye/{self.name}/{last}"

    @property
    def report(self) -> str:
        """What the eye reports."""
        return self._below("report")

    @property
    def invitation(self) -> str:
        """By which the node invites it to report; retained."""
        return self._below("invitation")

    @property
    def lwt(self) -> str:
        """Will and birth of the eye; unsigned, for people."""
        return self._below("lwt")
