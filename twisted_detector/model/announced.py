"""Values of what a device says of itself before anybody inspects it: hearsay, all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """Why a device's streams cannot be played, or what its owner should know of it. The values never change."""

    NOT_ACTIVATED = "not-activated"  #: no password was ever set: RTSP, HTTP and ONVIF are shut until somebody sets one
    OPEN = "no-password-set"  #: it lets anybody in
    DEFAULT_STATE = "default-state"  #: it is as the factory left it: nobody has set it up
    CLOUD_ONLY = "cloud-only"  #: it speaks its manufacturer's relay protocol (PPPP) only
    MANAGED = "managed-by"  #: its streams are at a console that manages it
    SLEEPS = "sleeps"  #: it has a battery, and is on the network now and then
    MATTER = "matter"
    HOMEKIT_ONLY = "homekit-only"


class DeviceKind(StrEnum):
    """What a device says it is."""

    UNKNOWN = ""
    CAMERA = "camera"
    RECORDER = "recorder"
    DOORBELL = "doorbell"
    ENCODER = "encoder"
    OTHER = "other"  #: a lamp, a switch, an access point: not reported


@dataclass(frozen=True, slots=True)
class Announced:
    """What a device says of itself in its manufacturer's own protocol. Empty: it does not say.

    :ivar channels: video inputs, 0 when unknown.
    :ivar managed_by: name or address of the console that manages it, for people.
    :ivar address: the address that it says it has, where it speaks from another one: it may not have taken it up.
    :ivar others: how many more that are new spoke from its address within an hour, at least: the registry counts them.
    """

    manufacturer: str = ""
    model: str = ""
    name: str = ""
    serial_number: str = ""
    firmware_version: str = ""
    kind: DeviceKind = DeviceKind.UNKNOWN
    channels: int = 0
    conditions: tuple[Condition, ...] = ()
    managed_by: str = ""
    address: str = ""
    others: int = 0

    @property
    def may_be_camera(self) -> bool:
        """Whether it does not say that it is something else."""
        return self.kind is not DeviceKind.OTHER


#: Conditions by which there is no stream to be had: an inspection that finds a camera there disproves them.
STREAMLESS = (Condition.CLOUD_ONLY, Condition.MATTER, Condition.HOMEKIT_ONLY)
#: Conditions of a device that nobody has set up: new ones of one manufacturer all come with one address.
FRESH = (Condition.NOT_ACTIVATED, Condition.DEFAULT_STATE)
#: Conditions that are told as the reason why a camera's streams do not play; of several the first.
EXPLAINING = (
    Condition.NOT_ACTIVATED,
    Condition.MANAGED,
    Condition.DEFAULT_STATE,
    Condition.CLOUD_ONLY,
    Condition.HOMEKIT_ONLY,
    Condition.MATTER,
)

#: Of each condition what is so, and what its owner can do.
_WORDS: Mapping[Condition, tuple[str, str]] = {
    Condition.NOT_ACTIVATED: (
        "it was never activated, and its streams are shut until it is",
        "set its password with its manufacturer's tool or on its web page, then enter that login here",
    ),
    Condition.OPEN: ("no password is set: it lets anybody in", "set one on its web page, then enter that login here"),
    Condition.DEFAULT_STATE: (
        "it is as it left the factory",
        "set it up with its manufacturer's app or tool, and switch ONVIF or RTSP on there",
    ),
    Condition.CLOUD_ONLY: (
        "it speaks its manufacturer's relay protocol (PPPP) only, and has no stream on the network",
        "watch it in its app, and look there for a switch for RTSP or ONVIF",
    ),
    Condition.MANAGED: (
        "manages it, and has its streams",
        "switch RTSP on for this camera there, and add the address that it shows (UniFi: rtsps://console:7441/…)",
    ),
    Condition.SLEEPS: (
        "it has a battery and sleeps: it is on the network now and then, and is not asked meanwhile",
        "nothing has to be done; while it sleeps, its manufacturer's app or its base station has its pictures",
    ),
    Condition.MATTER: (
        "it is a Matter camera: these stream to their controller only, and have no address that a recorder can play",
        "look in its app for a switch for RTSP or ONVIF",
    ),
    Condition.HOMEKIT_ONLY: (
        "it speaks HomeKit only, and has no stream that a recorder can play",
        "pair it with a program that turns HomeKit into RTSP, such as go2rtc, and add the stream that this one has",
    ),
}


def explain(condition: Condition, announced: Announced | None = None) -> tuple[str, str]:
    """What is so under a condition, and what its owner can do: parts of a sentence."""
    what, advice = _WORDS[condition]
    if condition is Condition.MANAGED:
        console = (announced.managed_by if announced is not None else "") or "a console"
        what = f"{console} {what}"
    return what, advice
