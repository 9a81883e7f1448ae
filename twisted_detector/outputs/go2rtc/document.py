"""Cameras and the logins that they let in go in; streams for go2rtc's configuration and for its API come out.

go2rtc replaces ``${NAME}`` in its file when it reads it (``creds.ReplaceVars``), from its own ``env`` table, systemd's
credentials or the environment; the API takes sources as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from twisted_detector.model import Camera, Login, Secret, Stream
from twisted_detector.model.addresses import without_login
from twisted_detector.outputs.frigate.document import Worded
from twisted_detector.outputs.stream_choice import Spelling, choose, consumer_name, told_url, variable

#: What cameras may be called by ``onvif://``.
NEVER, ROTATING, ALWAYS = "never", "rotating", "always"

SPELLING = Spelling(
    "CAMDETECT",
    refer=lambda name: "${" + name + "}",
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


def word(
    cameras: Iterable[Camera],
    logins: Mapping[str, Login],
    options: Go2rtcOptions,
    *,
    rotating: frozenset[str] = frozenset(),
) -> Worded:
    """The sources of each stream by name: the camera's for the main one, the same with ``_sub`` for the other.

    :param rotating: ids of cameras whose URLs change by themselves.
    """
    entries: dict[str, Any] = {}
    variables: dict[str, Secret] = {}
    for camera in sorted(cameras, key=lambda one: one.id):
        choice = choose(camera)
        if choice is None:
            continue
        name = f"{options.prefix}{consumer_name(camera.id)}"
        roles = [(name, choice.main, "MAIN")] + ([] if choice.single else [(f"{name}_sub", choice.sub, "SUB")])
        ask = options.onvif == ALWAYS or (options.onvif == ROTATING and camera.id in rotating)
        for key, stream, role in roles:
            login = logins.get(camera.id)
            if ask and camera.onvif_url and stream.profile:
                source, secrets = _onvif(camera, stream, login, options)
            else:
                source, secrets = told_url(stream, camera, role, login, SPELLING, published=options.publish_credentials)
            entries[key] = [source]
            variables |= secrets
    return Worded(entries, variables)


def document(entries: Mapping[str, Any]) -> dict[str, Any]:
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


def _onvif(
    camera: Camera, stream: Stream, login: Login | None, options: Go2rtcOptions
) -> tuple[str, dict[str, Secret]]:
    """``onvif://user:password@host:port?subtype=TOKEN``: go2rtc asks for the profile's URL when somebody looks."""
    parts = urlsplit(without_login(camera.onvif_url))
    secrets: dict[str, Secret] = {}
    user = ""
    if login is not None:
        placed = []
        for what, value in zip(("USER", "PASSWORD"), SPELLING.login(login), strict=True):
            name = variable(SPELLING.prefix, camera.id, what)
            if not options.publish_credentials:
                secrets[name] = Secret(value)
            placed.append(value if options.publish_credentials else SPELLING.refer(name))
        user = ":".join(placed) + "@"
    path = "" if parts.path == "/onvif/device_service" else quote(parts.path, safe="/%")
    return f"onvif://{user}{parts.netloc}{path}?subtype={quote(stream.profile, safe='')}", secrets
