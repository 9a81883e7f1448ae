"""The section ``config.inspection``: how cameras are inspected, proved and logged in to."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.config.declarations import setting
from twisted_detector.config.kinds import SECRET, TEXT, choice, seconds, whole
from twisted_detector.config.logins import LOGINS
from twisted_detector.model import Login, Secret

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionSection:
    """Inspections, health checks, pictures, and the logins for them.

    :ivar credentials: all logins, those with an audience as ``LoginRule``; the first is ``username`` with ``password``
        when those are given.
    """

    username: str = setting(
        "CAMERA_USERNAME", TEXT, "", "User name of the login that is tried first.", heading="The cameras"
    )
    password: Secret = setting("CAMERA_PASSWORD", SECRET, Secret(""), "Its password.", secret=True)
    credentials: tuple[Login, ...] = setting(
        "CAMERA_CREDENTIALS",
        LOGINS,
        (),
        "Logins to try: the most particular first, of one kind in this order.",
        default_text="none: no password is ever guessed",
        example="admin:s3cret,viewer:look",
        secret=True,
        private_file=True,
    )
    adoption: str = setting(
        "ADOPTION",
        choice("first-run", "all", "ask"),
        "first-run",
        "Which devices may be given logins without being listed here (their network in SCAN_NETWORKS or under a"
        " `[network]` heading, themselves under `[camera]`) or accepted by a person (`camdetect adopt`): those found in"
        " the first round of sweeps on an empty STATE_DIR, all whose MAC is seen on a link, or none.",
    )
    allow_basic_auth: str = setting(
        "ALLOW_BASIC_AUTH",
        choice("never", "known", "always"),
        "known",
        "Send a password in clear (HTTP or RTSP Basic): never; to devices that are listed or that a person accepted,"
        " and that never took Digest; or always.",
    )
    onvif_timeout: float = setting("ONVIF_TIMEOUT", seconds(0.1, 600), 5.0, "Longest wait for an ONVIF answer.")
    rtsp_timeout: float = setting("RTSP_TIMEOUT", seconds(0.1, 600), 10.0, "Longest duration of a stream check.")
    health_check_interval: float = setting(
        "HEALTH_CHECK_INTERVAL", seconds(1, _DAY), 60.0, "Time between checks of a known camera."
    )
    full_proof_interval: float = setting(
        "FULL_PROOF_INTERVAL",
        seconds(1, 7 * _DAY),
        900.0,
        "Time between full proofs of a camera that is well: a picture is received. The checks between are cheaper: the"
        " camera answered a question to all, or one to itself.",
    )
    offline_threshold: float = setting(
        "OFFLINE_THRESHOLD", seconds(1, 7 * _DAY), 180.0, "Silence after which a camera is offline."
    )
    snapshot_interval: float = setting(
        "SNAPSHOT_INTERVAL",
        seconds(0, _DAY),
        3600.0,
        "Time between pictures of a camera that is online; 0: only when somebody asks for one.",
    )
    snapshot_max_bytes: int = setting(
        "SNAPSHOT_MAX_BYTES",
        whole(10_240, 16_777_216),
        2_097_152,
        "Largest picture that is taken from a camera, in bytes.",
    )
    frozen_after: float = setting(
        "FROZEN_AFTER",
        seconds(0, _DAY),
        600.0,
        "Time for which every proof, or every picture, must be the very same before the camera has `stream_error`,"
        " reason `frozen`; 0: never, for synthetic sources.",
    )
