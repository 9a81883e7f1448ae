"""The text of ``STATE_DIR/overrides`` goes in, and decisions come out; :mod:`.editing` edits that text.

::

    [camera.00408cabcdef]
    name = "Barn"
    area = "Yard"
    note = "on the gable"
    adopted = "yes"                       # yes, no, blocked
    login = "viewer:password"             # for this camera only
    main = "rtsp://camera:5566/live/1"    # "camera" stands for its address, which may change
    sub = "rtsp://camera:5566/live/2"
    network = "10.20.0.0/24"              # where it is expected

    [site]
    networks = ["10.30.0.0/24"]           # searched besides SCAN_NETWORKS

    [logins]                              # headings as in CAMERA_CREDENTIALS
    "network 10.20.0.0/24" = ["viewer:password"]

    [settings]
    MQTT_BROKER = "192.168.1.5"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from twisted_detector.config.kinds import MAX_SWEPT_ADDRESSES, ValueRefused
from twisted_detector.config.logins import LOGINS
from twisted_detector.config.page_settings import setting_text
from twisted_detector.errors import RemoteError
from twisted_detector.model import MAX_ID_LENGTH, Login
from twisted_detector.model.decisions import NOTHING_DECIDED, CameraDecisions, Decisions, Description, StreamAddress
from twisted_detector.model.reach import Network
from twisted_detector.operations.decisions.fields import (
    read_line,
    read_login,
    read_network,
    read_note,
    read_searched_network,
    read_stream,
    read_verdict,
)

#: Host that stands for the camera's address, in the file and in a URL that is typed.
STAND_IN = "camera"
#: Decisions that are kept: as many cameras as a person names by hand, networks and logins as a site has.
MAX_CAMERAS, MAX_NETWORKS, MAX_LOGINS, MAX_SETTINGS = 4096, 256, 256, 64
#: Faults that are told: each is a line of the log and of an answer.
MAX_FAULTS = 100
_ID = re.compile(rf"[a-z0-9_-]{{1,{MAX_ID_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class ReadDecisions:
    """What a text decides; ``faults``: entries that were left out, each with its place and what is wrong."""

    decisions: Decisions
    faults: tuple[str, ...] = ()


def parse(text: str) -> ReadDecisions:
    """Read the file's text.

    :raises RemoteError: it is no TOML. What it says is not shown but for the line: it has passwords in it.
    """
    import tomllib  # only where something was decided

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at [^)]*\)\Z", str(error))
        raise RemoteError("it is not valid TOML", shown=where.group()[1:-1] if where else "") from None
    except RecursionError:
        raise RemoteError("it is nested too deeply") from None
    except ValueError:  # Python's own bound of what it reads
        raise RemoteError("it has a number of too many digits") from None
    faults: list[str] = [
        f"{ascii(key)[1:-1][:60]}: unknown; there are [camera.ID], [site], [logins] and [settings]"
        for key in document
        if key not in ("camera", "site", "logins", "settings")
    ]
    return ReadDecisions(
        Decisions(
            cameras=MappingProxyType(_cameras(_table(document, "camera", faults), faults)),
            networks=tuple(_networks(_table(document, "site", faults), faults)),
            logins=read_logins(_table(document, "logins", faults), faults),
            settings=MappingProxyType(_settings(_table(document, "settings", faults), faults)),
        ),
        (*faults[:MAX_FAULTS], *([f"and {len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else [])),
    )


def _table(document: Mapping[str, Any], name: str, faults: list[str]) -> Mapping[str, Any]:
    table = document.get(name, {})
    if isinstance(table, dict):
        return table
    faults.append(f"{name}: must be a table")
    return {}


# --- cameras ----------------------------------------------------------------------------------------------------------


def _cameras(tables: Mapping[str, Any], faults: list[str]) -> dict[str, CameraDecisions]:
    found: dict[str, CameraDecisions] = {}
    for camera_id, table in tables.items():
        place = f"[camera.{camera_id[:MAX_ID_LENGTH]}]"
        if not _ID.fullmatch(camera_id) or not isinstance(table, dict):
            faults.append(f"{ascii(place)[1:-1]}: must be a table named by a camera's id")
        elif len(found) >= MAX_CAMERAS:
            faults.append(f"{place}: at most {MAX_CAMERAS} cameras")
        elif (made := _camera(place, table, faults)) != NOTHING_DECIDED:
            found[camera_id] = made
    return found


def _camera(place: str, table: Mapping[str, Any], faults: list[str]) -> CameraDecisions:
    texts: dict[str, str] = {}
    values: dict[str, Any] = {}
    for field, value in table.items():
        try:
            if field in _TEXTS:
                texts[field] = _TEXTS[field](field, value)
            elif field in _VALUES:
                values[field] = _VALUES[field](field, value)
            else:
                raise RemoteError(f"{ascii(field)[1:-1][:40]}: unknown; there are {', '.join((*_TEXTS, *_VALUES))}")
        except RemoteError as error:
            faults.append(f"{place} {error}")
    login = values.get("login")
    streams = {}
    for field in ("main", "sub"):
        if field in values:
            streams[field], in_url, _ = values[field]
            login = login or in_url  # its own entry is the clearer word
    return CameraDecisions(Description(**texts), values.get("adopted"), login, network=values.get("network"), **streams)


def _login(field: str, value: object) -> Login | None:
    if value == "":
        return None
    user, colon, password = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon:
        raise RemoteError(f"{field}: must be user:password")
    return read_login(user, password)


_TEXTS: Mapping[str, Callable[[str, object], str]] = {"name": read_line, "area": read_line, "note": read_note}
_VALUES: Mapping[str, Callable[[str, object], Any]] = {
    "adopted": read_verdict,
    "login": _login,
    "main": read_stream,
    "sub": read_stream,
    "network": read_network,
}


def entries(
    decided: CameraDecisions, *, login: Callable[[Login], str], stream: Callable[[StreamAddress], str]
) -> dict[str, str]:
    """The entries of a camera's table, "" for what is left to camdetect; ``login`` and ``stream`` write those."""
    described = decided.description
    return {
        "name": described.name,
        "area": described.area,
        "note": described.note,
        "adopted": decided.verdict.value if decided.verdict is not None else "",
        "login": login(decided.login) if decided.login is not None else "",
        "main": stream(decided.main) if decided.main is not None else "",
        "sub": stream(decided.sub) if decided.sub is not None else "",
        "network": str(decided.network) if decided.network is not None else "",
    }


# --- site, logins, settings -------------------------------------------------------------------------------------------


def _networks(table: Mapping[str, Any], faults: list[str]) -> Iterator[Network]:
    faults += [f"[site] {ascii(key)[1:-1]}: unknown; there is networks" for key in table if key != "networks"]
    entries = table.get("networks", [])
    if not isinstance(entries, list):
        faults.append("[site] networks: must be a list of texts")
        return
    if len(entries) > MAX_NETWORKS:
        faults.append(f"[site] networks: at most {MAX_NETWORKS}")
    addresses = 0
    for entry in entries[:MAX_NETWORKS]:
        try:
            network = read_searched_network("networks", entry)
        except RemoteError as error:
            faults.append(f"[site] {error}")
            continue
        addresses += network.num_addresses
        if addresses > MAX_SWEPT_ADDRESSES:
            faults.append(f"[site] networks: at most {MAX_SWEPT_ADDRESSES} addresses together; {network} is left out")
        else:
            yield network


def read_logins(table: Mapping[str, Any], faults: list[str]) -> tuple[Login, ...]:
    """Logins by heading; each heading with a mistake is left out and added to ``faults``."""
    logins: list[Login] = []
    for heading, value in table.items():
        try:
            found = LOGINS.read_table({heading: value}) if LOGINS.read_table else ()
        except ValueRefused as refusal:
            faults.append(f"[logins] {ascii(heading)[1:-1][:60]}: {refusal}")
            continue
        logins += found
    if len(logins) > MAX_LOGINS:
        faults.append(f"[logins] at most {MAX_LOGINS}")
    return tuple(dict.fromkeys(logins))[:MAX_LOGINS]


def _settings(table: Mapping[str, Any], faults: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in list(table.items())[:MAX_SETTINGS]:
        if (text := setting_text(value)) is not None:
            found[name] = text
        else:
            faults.append(f"[settings] {ascii(name)[1:-1][:60]}: must be text")
    if len(table) > MAX_SETTINGS:
        faults.append(f"[settings] at most {MAX_SETTINGS}")
    return found
