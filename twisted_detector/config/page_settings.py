"""Settings that are changed on the page: which there are, what keeps the page from changing one, and their file.

They stand in the table ``[settings]`` of ``STATE_DIR/overrides`` (``operations/decisions`` writes it), by the name in
the environment, and weigh less than the environment and the configuration file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twisted_detector.model.decisions import PAGE

#: Name of the file in STATE_DIR, and of the last text of it that could be read.
FILE, LAST_GOOD = "overrides", "overrides.last-good"
#: Of a number; the largest is that of a port. Python writes none of more than 4 300 digits.
_MAX_BITS = 64


@dataclass(frozen=True, slots=True)
class SettingsGroup:
    """Settings of one program: where it is, and the login that goes there. Keys as in the configuration file.

    :ivar place: the settings that decide where the login goes, and how safely.
    :ivar login: user and password, which the page may set.
    :ivar secrets: all secrets that go to that place, the page's among them.
    """

    place: tuple[str, ...]
    login: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.place, *self.login)


GROUPS = (
    SettingsGroup(
        ("mqtt_broker", "mqtt_port", "mqtt_tls", "tls_ca_path"),
        ("mqtt_username", "mqtt_password"),
        ("mqtt_password",),
    ),
    SettingsGroup(("homeassistant_enabled",)),
    SettingsGroup(
        ("frigate_url", "frigate_tls_insecure"),
        ("frigate_user", "frigate_password"),
        ("frigate_password", "frigate_token"),
    ),
    SettingsGroup(("go2rtc_url",), ("go2rtc_user", "go2rtc_password"), ("go2rtc_password",)),
)
#: Group of each setting that the page may change, by key.
GROUP_OF: Mapping[str, SettingsGroup] = MappingProxyType({key: group for group in GROUPS for key in group.keys})


def why_fixed(key: str, sources: Mapping[str, str]) -> str:
    """For people: why the page cannot change a setting, with the name of what does; "" where it can.

    :param sources: where each setting that was given was found, as ``Config.sources`` has it.
    """
    given = sources.get(key, PAGE)
    if given != PAGE:
        return f"{_by(given)} sets {key.upper()}; change it there"
    for secret in GROUP_OF[key].secrets:
        stronger = sources.get(secret, PAGE)
        if stronger != PAGE:
            # Else whoever has the page could send that password to any host.
            return f"{_by(stronger)} sets {secret.upper()}, which is sent to this place; change both there"
    return ""


def _by(source: str) -> str:
    return "the environment" if source.startswith("environment") else "the configuration file"


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the file has: texts by key of the setting, and what is wrong with it."""

    values: Mapping[str, str]
    faults: tuple[str, ...] = ()


def read_page_settings(state_dir: Path, read: Callable[[Path], bytes]) -> PageSettings:
    """The settings of the page; none where there is no such file.

    A file that is no TOML was edited by hand: until it is corrected, the last one that could be read counts.

    :param read: the bytes of a file; raises OSError.
    """
    path = state_dir / FILE
    try:
        return _parsed(path, read(path))
    except FileNotFoundError:
        return PageSettings({})
    except OSError as error:
        what = f"{path} cannot be read, so the settings of the page are not used"
        return PageSettings({}, (f"{what}: {error.strerror or error}",))
    except ValueError as error:
        wrong = f"{path} is not a valid TOML file: {error}"
    try:
        last = _parsed(path, read(state_dir / LAST_GOOD))
    except (OSError, ValueError):
        return PageSettings({}, (f"{wrong}; the settings of the page are not used",))
    return PageSettings(last.values, (f"{wrong}; the last settings that could be read are used instead",))


def _parsed(path: Path, data: bytes) -> PageSettings:
    if b"settings" not in data:
        return PageSettings({})
    import tomllib  # only where something was set on the page

    try:
        document = tomllib.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    table = document.get("settings", {})
    values: dict[str, str] = {}
    faults: list[str] = []
    for name, value in table.items() if isinstance(table, dict) else ():
        key = name.lower()
        if key not in GROUP_OF:
            faults.append(f"{path}: {ascii(name)[1:-1][:60]} is not a setting of the page and is ignored")
        elif (text := setting_text(value)) is None:
            faults.append(f"{path}: {key.upper()} must be text, and is ignored")
        elif text:
            values[key] = text
    return PageSettings(values, tuple(faults))


def setting_text(value: Any) -> str | None:
    """A value of the file's table as one would type it; None for what is no value of a setting."""
    if isinstance(value, bool):
        return "true" if value else "false"
    is_small = isinstance(value, int) and value.bit_length() <= _MAX_BITS
    return str(value) if is_small or isinstance(value, str) else None


def effective(values: Mapping[str, str], sources: Mapping[str, str]) -> dict[str, str]:
    """Those of the page's values that count beside what environment and file give.

    :param sources: of a configuration that was read without them.
    """
    return {key: text for key, text in values.items() if key in GROUP_OF and not why_fixed(key, sources)}
