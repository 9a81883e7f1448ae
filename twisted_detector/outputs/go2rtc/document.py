"""Streams of go2rtc, for its configuration and its API, for our cameras and the logins that they accept.

go2rtc replaces ``${NAME}`` in its file when it reads it (``creds.ReplaceVars``), from its own ``env`` table, systemd's
credentials or the environment; the API takes sources as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from twisted_detector.model import Camera, Login, Stream
from twisted_detector.model.addresses import without_login
from twisted_detector.model.cameras import WSS_CAPABILITY
from twisted_detector.outputs.stream_choice import (
    SecretPlacer,
    SecretSyntax,
    SecretTags,
    StreamDocument,
    choose_streams,
    consumer_name,
)

#: What cameras may be called by ``onvif://``.
NEVER, ROTATING, ALWAYS = "never", "rotating", "always"

SYNTAX = SecretSyntax(
    "CAMDETECT",
    reference=lambda name: "${" + name + "}",
    login=lambda login: (quote(login.name, safe=""), quote(login.password.reveal(), safe="")),
)


@dataclass(frozen=True, slots=True)
class Go2rtcOptions:
    """What the operator decides.

    :ivar prefix: put before every name of a stream.
    :ivar onvif: for which cameras go2rtc asks for the URL itself: NEVER, ROTATING (those whose URLs change), ALWAYS.
    :ivar publish_credentials: write logins into the sources instead of referring to variables.
    """

    prefix: str = ""
    onvif: str = ROTATING
    publish_credentials: bool = False


def build(
    cameras: Iterable[Camera],
    logins: Mapping[str, Login],
    options: Go2rtcOptions,
    *,
    tags: SecretTags,
    rotating: AbstractSet[str] = frozenset(),
) -> StreamDocument:
    """The sources of each stream by name: the camera's for the main one, the same with ``_sub`` for the other.

    :param tags: for the names of variables.
    :param rotating: ids of cameras whose URLs change by themselves.
    """
    entries: dict[str, Any] = {}
    count = 0
    placer = SecretPlacer(SYNTAX, tags, published=options.publish_credentials)
    for camera in sorted(cameras, key=lambda one: one.id):
        choice = choose_streams(camera)
        if choice is None:
            continue
        count += 1
        name = f"{options.prefix}{consumer_name(camera.id)}"
        roles = [(name, choice.main)] + ([] if choice.single else [(f"{name}_sub", choice.sub)])
        login = logins.get(camera.id)
        by_onvif = options.onvif == ALWAYS or (options.onvif == ROTATING and camera.id in rotating)
        # go2rtc's ONVIF knows the UsernameToken alone: with any other camera the stream would never play.
        by_onvif = by_onvif and (login is None or WSS_CAPABILITY in camera.capabilities)
        for key, stream in roles:
            if by_onvif and camera.onvif_url and stream.profile:
                entries[key] = [_onvif_url(camera, stream, placer.user_info(login))]
            else:
                entries[key] = [placer.stream_url(stream, login)]
    return StreamDocument(entries, placer.variables, count)


def configuration(entries: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with nothing but streams."""
    return {"streams": dict(entries)}


def rotates(old: Iterable[Stream], new: Iterable[Stream]) -> bool:
    """Whether a profile of a camera has another URL on the same host than before: the camera makes up new ones."""
    before = {one.profile: urlsplit(without_login(one.url)) for one in old if one.profile}
    for stream in new:
        was, now = before.get(stream.profile), urlsplit(without_login(stream.url))
        if was is not None and was.netloc == now.netloc and (was.path, was.query) != (now.path, now.query):
            return True
    return False


def _onvif_url(camera: Camera, stream: Stream, user_info: str) -> str:
    """``onvif://user:password@host:port?subtype=TOKEN``: go2rtc requests the profile's URL when it has a viewer."""
    parts = urlsplit(without_login(camera.onvif_url))
    path = "" if parts.path == "/onvif/device_service" else quote(parts.path, safe="/%")
    return f"onvif://{user_info}{parts.netloc}{path}?subtype={quote(stream.profile, safe='')}"
