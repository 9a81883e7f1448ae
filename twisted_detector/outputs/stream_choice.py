"""Choice of the streams of a camera to record and to detect on, with their names and URLs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol
from urllib.parse import quote

from twisted_detector.model import Camera, Login, Secret, Stream
from twisted_detector.model.addresses import masked, without_login
from twisted_detector.model.cameras import MAIN, SUB

#: What NVRs decode as a camera's video; JPEG is taken where there is nothing else.
_VIDEO = ("H264", "H265")
#: A detector looks at pictures of a few hundred pixels a side: more is decoded for nothing (Frigate's documentation,
#: "Camera setup", recommends 720p at most and 5 frames a second).
MAX_DETECT_AREA = 1280 * 720
_NAME = re.compile(r"[a-z0-9_-]+")
_RTSP = re.compile(r"(rtsps?://)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
#: What may stand in path and query of a URL (RFC 3986), but "@" and braces: Frigate takes all before the last "@" for a
#: login (REGEX_RTSP_CAMERA_USER_PASS) and reads braces as variables.
_SAFE = "/?&=:;!$'()*+,%~-._#[]"


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """The stream to record and the one to detect on; the same where there is only one."""

    main: Stream
    sub: Stream

    @property
    def single(self) -> bool:
        return self.main is self.sub


def choose_streams(camera: Camera) -> StreamChoice | None:
    """Main: the largest picture. Sub: the largest that a detector can use, else the smallest. But before these the ones
    that a person gave, whatever they are.

    Decided by what the streams are, never by whether they play just now: a camera that is away for a minute must not
    look like another one. None for a camera of which no stream was ever proved.
    """
    if not camera.last_validated:
        return None
    rtsp = [one for one in camera.streams if _RTSP.fullmatch(one.url) and not any(c.isspace() for c in one.url)]
    known = [one for one in rtsp if one.codec] or rtsp
    usable = [one for one in known if one.codec.upper() in _VIDEO] or known
    if not usable:
        return None
    given = {one.name: one for one in rtsp if one.own}
    main = given.get(MAIN) or max(usable, key=_area)  # the first of equals: the device names its best one first
    if SUB in given:
        # One that never played would stop a detector that could look at the other.
        return StreamChoice(main, given[SUB] if given[SUB].codec else main)
    others = [one for one in usable if one.url != main.url]
    fit = [one for one in others if 0 < _area(one) <= MAX_DETECT_AREA]
    if fit:
        sub = max(fit, key=_area)
    else:
        sub = min((one for one in others if 0 < _area(one) < _area(main)), key=_area, default=main)
        if sub is main and others and not _area(main):
            sub = others[-1]  # nothing is known of any: devices name the smallest one last
    return StreamChoice(main, sub)


def _area(stream: Stream) -> int:
    return stream.width * stream.height


def consumer_name(camera_id: str) -> str:
    """The name of a camera in Frigate and go2rtc: its id, so that it stays when the camera is renamed.

    Frigate wants ``^[a-zA-Z0-9_-]+$``.
    """
    if _NAME.fullmatch(camera_id):
        return camera_id
    return f"{re.sub('[^a-z0-9_-]', '-', camera_id.lower())}-{_digest(camera_id)}"


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()


@dataclass(frozen=True, slots=True)
class StreamDocument:
    """Our entries in one program's configuration, by name, and the variables that they refer to.

    :ivar cameras: how many they are of.
    """

    entries: Mapping[str, Any]
    variables: Mapping[str, Secret]
    cameras: int = 0


class SecretTags(Protocol):
    """Maker of tags for the names of variables: the same for the same secret, which nobody can guess from them."""

    def tag_login(self, login: Login) -> str: ...

    def tag_text(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class CameraLogins:
    """What other programs may be told of the logins of cameras.

    :ivar accepted: the login that a camera lets in, None where it wants none, none is known or none may be told:
        Frigate and go2rtc send what they have to whoever asks at its address, in clear if that is what is asked for.
    :ivar withheld: why a camera stands there without a login that it accepts; "" when it does not.
    :ivar tags: for the names of variables.
    """

    accepted: Callable[[Camera], Login | None]
    withheld: Callable[[Camera], str]
    tags: SecretTags


@dataclass(frozen=True, slots=True)
class SecretSyntax:
    """Syntax in which one program takes secrets in its configuration.

    :ivar prefix: of the variables' names.
    :ivar reference: a variable's name → the reference to it in the configuration.
    :ivar login: a login → its name and its password as they stand in a URL there.
    """

    prefix: str
    reference: Callable[[str], str]
    login: Callable[[Login], tuple[str, str]]


class SecretPlacer:
    """Writer of the secrets of one document: as references to variables, or literally where they are published.

    A variable is named by what it holds, not by the camera: a program that reads its variables when it starts has those
    of a new camera then, whose login it knows from another.

    :param published: write the secrets themselves; then there are no variables.
    :ivar variables: the values of those that were referred to, by name.
    """

    def __init__(self, syntax: SecretSyntax, tags: SecretTags, *, published: bool) -> None:
        self._syntax = syntax
        self._tags = tags
        self._published = published
        self.variables: dict[str, Secret] = {}

    def _place(self, kind: str, tag: str, value: str) -> str:
        if self._published:
            return value
        name = f"{self._syntax.prefix}_{kind.format(tag.upper())}"
        self.variables[name] = Secret(value)
        return self._syntax.reference(name)

    def login(self, login: Login) -> tuple[str, str]:
        """What stands for name and password of a login outside of a URL, where nothing is encoded."""
        tag = self._tags.tag_login(login)
        return (
            self._place("LOGIN_{}_PLAIN_USER", tag, login.name),
            self._place("LOGIN_{}_PLAIN_PASSWORD", tag, login.password.reveal()),
        )

    def user_info(self, login: Login | None) -> str:
        """``user:password@`` of a URL; "" for no login."""
        if login is None:
            return ""
        name, password = self._syntax.login(login)
        tag = self._tags.tag_login(login)
        return f"{self._place('LOGIN_{}_USER', tag, name)}:{self._place('LOGIN_{}_PASSWORD', tag, password)}@"

    def stream_url(self, stream: Stream, login: Login | None) -> str:
        """A stream's URL as it is published; "" for one that is not RTSP."""
        match = _RTSP.fullmatch(without_login(stream.url))
        if match is None:
            return ""
        scheme, authority, rest = match.groups()
        user_info = self.user_info(login)
        quoted = quote(rest, safe=_SAFE)
        if masked(scheme + authority + rest) != scheme + authority + rest:
            quoted = self._place("PATH_{}", self._tags.tag_text(quoted), quoted)
        return f"{scheme.lower()}{user_info}{authority}{quoted}"
