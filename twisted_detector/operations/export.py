"""Export of the cameras: configuration of Frigate or go2rtc, JSON, CSV."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.config.frigate_go2rtc import FrigateSection, Go2rtcSection
from twisted_detector.config.page_settings import FILE
from twisted_detector.errors import CamdetectError, RemoteError, StoreError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.model import Adoption, Camera, Candidate, Login
from twisted_detector.model.addresses import masked
from twisted_detector.model.decisions import Decisions
from twisted_detector.model.login_rules import networks_with_logins
from twisted_detector.operations.decisions.document import parse
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.outputs.frigate import document as frigate
from twisted_detector.outputs.go2rtc import document as go2rtc
from twisted_detector.outputs.stream_choice import SecretTags
from twisted_detector.outputs.sync.documents import serialise
from twisted_detector.outputs.sync.file import read_text
from twisted_detector.store.store import Store

#: Format → media type (RFC 9512, 8259, 4180) and the name under which it is saved.
FORMATS = {
    "frigate": ("application/yaml", "frigate-cameras.yml"),
    "go2rtc": ("application/yaml", "go2rtc-streams.yaml"),
    "json": ("application/json", "cameras.json"),
    "csv": ("text/csv", "cameras.csv"),
}

_COLUMNS = ("id", "name", "status", "ip", "mac", "manufacturer", "model", "firmware_version", "stream", "codec", "size")

#: A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection"); devices choose their names.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COMMENT = "# Belongs into the configuration of {whose}. The logins are variables: {place}\n"
_PROGRAMS = {"frigate": "Frigate", "go2rtc": "go2rtc"}


def frigate_options(section: FrigateSection, *, publish: bool) -> frigate.FrigateOptions:
    """Settings for one Frigate; its current version where the setting is ``auto``."""
    version = "0.17" if section.version == "auto" else section.version
    return frigate.FrigateOptions(version, section.objects, publish)


def go2rtc_options(section: Go2rtcSection, *, publish: bool) -> go2rtc.Go2rtcOptions:
    """Settings for one go2rtc."""
    return go2rtc.Go2rtcOptions(section.prefix, section.onvif, publish)


def export(
    name: str,
    cameras: Sequence[Camera],
    login_of: Callable[[Camera], Login | None],
    config: Config,
    *,
    tags: SecretTags,
    withheld: Callable[[Camera], str] = lambda camera: "",
    consumer: str = "",
) -> dict[str, str]:
    """``text``, ``media_type`` and ``filename``. No login is ever in it, whatever PUBLISH_CREDENTIALS is.

    :param name: the format, a key of :data:`FORMATS`.
    :param consumer: name of the Frigate or go2rtc that it is for; "" for that of the plain settings.
    :param tags: for the names of the variables that stand for logins.
    :param withheld: why a camera stands there without a login that it accepts; "" when it does not.
    :raises RemoteError: there is no such format, or no such Frigate or go2rtc.
    """
    if name not in FORMATS:
        raise RemoteError("no such format", shown=repr(name)[:40])
    ordered = sorted(cameras, key=lambda one: one.id)
    section = _section(config, name, consumer)
    if section is None:
        text = _as_json(ordered) if name == "json" else _as_csv(ordered)
    else:
        text = _as_configuration(ordered, login_of, section, tags=tags, withheld=withheld)
    media_type, filename = FORMATS[name]
    return {"text": text, "media_type": media_type, "filename": f"{consumer}-{filename}" if consumer else filename}


def _section(config: Config, name: str, consumer: str) -> FrigateSection | Go2rtcSection | None:
    """The settings of the Frigate or go2rtc that an export is for; None where it is for neither."""
    sections: Sequence[FrigateSection | Go2rtcSection] = ()
    if name in _PROGRAMS:
        sections = config.frigates if name == "frigate" else config.go2rtcs
    if not sections and not consumer:
        return None
    found = next((one for one in sections if one.name == consumer), None)
    if found is None:
        if not sections:
            raise RemoteError("only a Frigate or go2rtc has a name of its own")
        names = ", ".join(one.name for one in sections if one.name) or "none"
        raise RemoteError(f"no [{name}.{consumer[:40]}] in the configuration file", shown=f"there are: {names}")
    return found


def _as_configuration(
    cameras: Sequence[Camera],
    login_of: Callable[[Camera], Login | None],
    section: FrigateSection | Go2rtcSection,
    *,
    tags: SecretTags,
    withheld: Callable[[Camera], str],
) -> str:
    held = [one for one in cameras if section.choice.holds(one)]
    logins = {one.id: login for one in held if (login := login_of(one)) is not None}
    document: Mapping[str, Any]
    if isinstance(section, FrigateSection):
        options = frigate_options(section, publish=False)
        document = frigate.configuration(frigate.build(held, logins, options, tags=tags).entries)
    else:
        streams = go2rtc_options(section, publish=False)
        document = go2rtc.configuration(go2rtc.build(held, logins, streams, tags=tags).entries)
    consumer = section.consumer
    whose = f"{_PROGRAMS[consumer.program]} {consumer.name}".strip()
    without = "".join(f"# {one.id} stands without a login: {why}\n" for one in held if (why := withheld(one)))
    comment = _COMMENT.format(whose=whose, place=consumer.settings("env_path"))
    return comment + without + serialise(document, yaml=True)


def _as_json(cameras: Sequence[Camera]) -> str:
    return json.dumps([camera_document(one) for one in cameras], indent=2, sort_keys=True) + "\n"


def _as_csv(cameras: Sequence[Camera]) -> str:
    import csv  # rarely needed by the daemon

    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(_COLUMNS)
    for camera in cameras:
        streams = camera.streams or (None,)
        for stream in streams:
            cells = (
                camera.id,
                camera.called,
                camera.status.value,
                camera.address,
                camera.mac.text if camera.mac is not None else "",
                camera.manufacturer,
                camera.model,
                camera.firmware_version,
                masked(stream.url) if stream is not None else "",
                stream.codec if stream is not None else "",
                f"{stream.width}x{stream.height}" if stream is not None and stream.width else "",
            )
            table.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return out.getvalue()


def export_handler(
    cameras: Callable[[], Sequence[Camera]],
    login_of: Callable[[Camera], Login | None],
    config: Config,
    what_would_change: Callable[[str | None], Awaitable[list[str]]],
    *,
    tags: SecretTags,
    withheld: Callable[[Camera], str] = lambda camera: "",
) -> Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]:
    """Handler of the request ``export``: ``{"format": …}``, with ``"for": NAME`` for the Frigate or go2rtc of that
    table, and for Frigate also with ``"diff": true``.

    :param what_would_change: by the name of one Frigate, or None for all of them.
    """

    async def answer(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        name, consumer = fields.get("format"), fields.get("for", "")
        if not isinstance(consumer, str):
            raise RemoteError("no name of a Frigate or go2rtc", shown=repr(consumer)[:40])
        if fields.get("diff") is True:
            if name != "frigate":
                raise RemoteError("only of Frigate can be told what would change")
            _section(config, name, consumer)
            lines = await what_would_change(consumer or None)
            text = "\n".join([*lines, ""]) if lines else "Nothing would change.\n"
            return {"text": text, "media_type": "text/x-diff", "filename": "frigate.diff"}
        return export(str(name), cameras(), login_of, config, tags=tags, withheld=withheld, consumer=consumer)

    return answer


def accepted_login(budget: LoginBudget, camera: Camera, candidate: Candidate | None = None) -> Login | None:
    """The login that a camera accepted last; None for one that is not adopted: it would be told to whoever asks there.

    :param candidate: its device as the daemon sees it now; None while no daemon runs.
    """
    return budget.known_good(candidate or _stored_candidate(camera))


def withheld_reason(budget: LoginBudget, camera: Camera, candidate: Candidate | None = None) -> str:
    """Why programs are given no login of a camera that accepted one; "" when they are, or when it accepted none."""
    candidate = candidate or _stored_candidate(camera)
    if not budget.ever_accepted(candidate) or budget.known_good(candidate) is not None:
        return ""
    if candidate.adoption.is_adopted:
        return (
            "the login that it accepted is not there any more, its MAC is not seen at its address, or it is not where"
            " you expect it"
        )
    return candidate.not_adopted or "it is not adopted: adopt it"


def _stored_candidate(camera: Camera) -> Candidate:
    return Candidate(
        camera.device_id,
        camera.address,
        mac=camera.mac,
        endpoint_reference=camera.endpoint_reference,
        adoption=camera.adopted,
        is_bound=camera.adopted in (Adoption.PERSON, Adoption.FIRST_RUN, Adoption.SEEN),
        vendors=tuple(filter(None, (camera.proved_manufacturer,))),
    )


async def stored_cameras(reactor: Any, config: Config) -> tuple[list[Camera], LoginBudget]:
    """The cameras of the state directory while no daemon runs, and a budget that knows which login each accepted.

    :raises StoreError: the directory cannot be read.
    """
    store = Store(reactor, config.state_dir)
    cameras: list[Camera] = []
    salt: str = ""
    saved: Any = {}
    if store.path.exists():
        await store.open()
        try:
            cameras = list(await store.load_cameras())
            salt = (await store.load_values("salt")).get("login_budget", "")
            saved = await store.load_values("login_budget")
            if store.degraded:
                raise StoreError(store.degraded)
        finally:
            await store.close()
    try:
        decided = parse(read_text(config.state_dir / FILE)[0]).decisions
    except CamdetectError:
        decided = Decisions()  # the daemon says what is wrong with the file
    budget = LoginBudget(
        ConfiguredLogins(config.inspection.credentials, decided=decided),
        confirmed=lambda: (*config.confirmed_networks, *decided.networks, *networks_with_logins(decided.logins)),
        salt=salt,
        save=lambda key, text: None,
    )
    budget.restore(saved)
    return cameras, budget
