"""The settings of what is asked of cameras go in as declarations; their part of the Config comes out."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.config.discovery import LookingSettings
from twisted_detector.config.kinds import SECRET, TEXT, choice, seconds, setting, whole
from twisted_detector.config.logins import LOGINS
from twisted_detector.model import Login, Secret

_DAY = 86_400


@dataclass(init=False, repr=False, eq=False, frozen=True, slots=True, kw_only=True)
class CameraSettings(LookingSettings):
    """How cameras are asked, proved and logged in to."""

    camera_username: str = setting(TEXT, "", "User name of the login that is tried first.", heading="The cameras")
    camera_password: Secret = setting(SECRET, Secret(""), "Its password.", secret=True)
    camera_credentials: tuple[Login, ...] = setting(
        LOGINS,
        (),
        "Logins to try: the most particular first, of one kind in this order.",
        default_text="none: no password is ever guessed",
        example="admin:s3cret,viewer:look",
        secret=True,
        private_file=True,
    )
    allow_basic_auth: str = setting(
        choice("never", "known", "always"),
        "known",
        "Send a password in clear (HTTP or RTSP Basic): never, to devices that were identified before or are listed, or"
        " always.",
    )
    onvif_timeout: float = setting(seconds(0.1, 600), 5.0, "Longest wait for an ONVIF answer.")
    rtsp_timeout: float = setting(seconds(0.1, 600), 10.0, "Longest duration of a stream check.")
    health_check_interval: float = setting(seconds(1, _DAY), 60.0, "Time between checks of a known camera.")
    full_proof_interval: float = setting(
        seconds(1, 7 * _DAY),
        900.0,
        "Time between full proofs of a camera that is well: a picture is received. The checks between are cheaper: the"
        " camera answered a question to all, or one to itself.",
    )
    offline_threshold: float = setting(seconds(1, 7 * _DAY), 180.0, "Silence after which a camera is offline.")
    snapshot_interval: float = setting(
        seconds(0, _DAY),
        3600.0,
        "Time between pictures of a camera that is online; 0: only when somebody asks for one.",
    )
    snapshot_max_bytes: int = setting(
        whole(10_240, 16_777_216), 2_097_152, "Largest picture that is taken from a camera, in bytes."
    )
    frozen_after: float = setting(
        seconds(0, _DAY),
        600.0,
        "Time for which every proof, or every picture, must be the very same before the camera has `stream_error`,"
        " reason `frozen`; 0: never, for synthetic sources.",
    )
