"""Configuration of Frigate 0.14 to 0.18 for our cameras and the logins that they accept.

Checked against Frigate's own models (docs/operations/frigate.md tells how and of which versions). What those make of a
stream's path decides how secrets are spelled here: it goes through ``str.format`` with the ``FRIGATE_…`` variables
(0.15 to 0.17 twice; 0.18 has a replacement of its own), and then ``escape_special_characters`` percent-encodes the
password of a login whose name is made of letters, digits, "_" and "-", and of no other. So the value of a variable is
the password as it is where Frigate encodes it, and encoded where it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from twisted_detector.model import Camera, Login, Stream
from twisted_detector.outputs.frigate.versions import minor_of
from twisted_detector.outputs.stream_choice import (
    SecretPlacer,
    SecretSyntax,
    SecretTags,
    StreamChoice,
    StreamDocument,
    choose_streams,
    consumer_name,
)

#: ``friendly_name`` of a camera came with 0.17; before, an unknown field makes the whole configuration invalid.
_FRIENDLY_SINCE = 17
#: Frames a second for detection (Frigate's default, and what its documentation recommends).
DETECT_FPS = 5
#: Longest name for people: devices give names of any length.
_MAX_NAME = 80
#: escape_special_characters encodes the password behind such a name (REGEX_RTSP_CAMERA_USER_PASS).
_ENCODED_BY_FRIGATE = re.compile(r"[a-zA-Z0-9_-]+")


def _login_values(login: Login) -> tuple[str, str]:
    password = login.password.reveal()
    if not _ENCODED_BY_FRIGATE.fullmatch(login.name):
        return quote(login.name, safe=""), quote(password, safe="")
    if any(one.isspace() or one in "{}" for one in password):
        # Frigate would write a blank as "+", which is another password, and until 0.17 read braces as one more
        # variable, for it formats a path twice. A name with one letter percent-encoded is the same name, but one behind
        # which Frigate leaves the password as it is.
        return f"%{ord(login.name[0]):02X}{login.name[1:]}", quote(password, safe="")
    return login.name, password


SYNTAX = SecretSyntax(
    "FRIGATE",
    reference=lambda name: "{" + name + "}",
    login=_login_values,
)


@dataclass(frozen=True, slots=True)
class FrigateOptions:
    """What the operator decides.

    :ivar version: Frigate's, as ``0.17``.
    :ivar objects: what is tracked.
    :ivar publish_credentials: write logins into the configuration instead of referring to variables.
    """

    version: str = "0.17"
    objects: tuple[str, ...] = ("fire", "smoke", "person")
    publish_credentials: bool = False

    @property
    def minor(self) -> int:
        """17 for ``0.17``."""
        return minor_of(self.version)


@dataclass(frozen=True, slots=True)
class FrigateTopics:
    """Topics of Frigate's configuration: ``configuration`` has it, retained; ``reload`` says that it changed."""

    configuration: str
    reload: str


def build(
    cameras: Iterable[Camera], logins: Mapping[str, Login], options: FrigateOptions, *, tags: SecretTags
) -> StreamDocument:
    """The blocks of all cameras that have a stream to show, by Frigate's name of each, in order.

    :param logins: by camera id, the login that each let in; none for a camera that wants none.
    :param tags: for the names of variables.
    """
    placer = SecretPlacer(SYNTAX, tags, published=options.publish_credentials)
    entries = {
        consumer_name(camera.id): _block(camera, choice, logins.get(camera.id), options, placer)
        for camera in sorted(cameras, key=lambda one: one.id)
        if (choice := choose_streams(camera)) is not None
    }
    return StreamDocument(entries, placer.variables, len(entries))


def fit_version(entries: Mapping[str, Any], version: str) -> dict[str, Any]:
    """``entries`` as a Frigate of ``version``, as its API gives it (``0.16.4-abcdef``), takes them."""
    if minor_of(version) >= _FRIENDLY_SINCE:
        return dict(entries)
    return {
        name: {key: value for key, value in block.items() if key != "friendly_name"} for name, block in entries.items()
    }


def configuration(entries: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with nothing but cameras: what the topic and a file of our own hold."""
    return {"cameras": dict(entries)}


def _block(
    camera: Camera, choice: StreamChoice, login: Login | None, options: FrigateOptions, placer: SecretPlacer
) -> dict[str, Any]:
    streams = (
        [(choice.main, ["detect", "record"])]
        if choice.single
        else [(choice.main, ["record"]), (choice.sub, ["detect"])]
    )
    block: dict[str, Any] = {
        "enabled": True,
        "ffmpeg": {"inputs": [{"path": placer.stream_url(stream, login), "roles": roles} for stream, roles in streams]},
        "detect": _detect(choice.sub),
        "objects": {"track": list(options.objects)},
    }
    name = "".join(one for one in camera.called or camera.model if one.isprintable()).strip()[:_MAX_NAME]
    if options.minor >= _FRIENDLY_SINCE and name:
        block["friendly_name"] = name
    if "ptz" in camera.capabilities and camera.onvif_url and not (login is not None and _has_braces(login)):
        block["onvif"] = _onvif(camera, login, placer)
    return block


def _detect(stream: Stream) -> dict[str, Any]:
    # On by default until 0.15, off since 0.16: written out, it is the same for all.
    detect: dict[str, Any] = {"enabled": True, "fps": DETECT_FPS}
    if 0 < stream.fps < DETECT_FPS:
        detect["fps"] = max(1, round(stream.fps))
    if stream.width > 0 and stream.height > 0:
        detect |= {"width": stream.width, "height": stream.height}
    return detect


def _onvif(camera: Camera, login: Login | None, placer: SecretPlacer) -> dict[str, Any]:
    """What Frigate needs to turn the camera. Host and port are no variables: 0.14 to 0.16 do not replace them there."""
    parts = urlsplit(camera.onvif_url)
    try:
        port = parts.port
    except ValueError:
        port = None
    onvif: dict[str, Any] = {"host": parts.hostname or camera.address, "port": port or 80}
    if login is not None:
        onvif["user"], onvif["password"] = placer.login(login)
    return onvif


def _has_braces(login: Login) -> bool:
    """Whether only 0.18 could be told a login outside of a URL: it is formatted twice, and nothing escapes it."""
    return any(one in "{}" for one in login.name + login.password.reveal())
