"""Comparison of two configurations: what a reload changes, in sentences without a secret, and what needs a restart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.model import Login
from twisted_detector.model.login_rules import LoginRule

#: Settings that are followed at once, by key.
LIVE = ("scan_networks", "scan_exclude", "scan_rate", "log_level")
#: These make the logins, which are followed at once, too.
LOGINS = ("camera_credentials", "camera_username", "camera_password")
_NOUN = re.compile(" logins?")


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between the configuration in use and the one that was read.

    :ivar changed: sentences on what is followed at once.
    :ivar restart: names of the settings that need a restart, and of the file's tables.
    :ivar applied: the configuration in use with what is followed at once.
    """

    changed: tuple[str, ...]
    restart: tuple[str, ...]
    applied: Config


def differences(before: Config, after: Config) -> Differences:
    """What differs."""
    changed = [line for key in LIVE for line in _told(key, before.value_of(key), after.value_of(key))]
    changed += told_logins(before.inspection.credentials, after.inspection.credentials)
    return Differences(tuple(changed), tuple(_needing_restart(before, after)), _applied(before, after))


def _told(key: str, before: Any, after: Any) -> Iterator[str]:
    name = key.upper()
    if isinstance(before, tuple):
        yield from (f"{name}: {one} added" for one in after if one not in before)
        yield from (f"{name}: {one} removed" for one in before if one not in after)
    elif before != after:
        yield f"{name} is {after}"


def told_logins(before: Iterable[Login], after: Iterable[Login]) -> Sequence[str]:
    """How many logins came, went, or have another password: one sentence, or none."""
    old, new = _by_user(before), _by_user(after)
    numbers = {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": sum(old[user] != new[user] for user in old.keys() & new.keys()),
    }
    told = [f"{number} login{'s' * (number > 1)} {what}" for what, number in numbers.items() if number]
    # "2 logins added, 1 removed": the noun stands once.
    return [", ".join([told[0], *(_NOUN.sub("", one) for one in told[1:])])] if told else []


def _by_user(logins: Iterable[Login]) -> Mapping[tuple[Any, ...], list[str]]:
    """Passwords by user and by whom the login is for."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for login in logins:
        audience = (login.audience, login.value) if isinstance(login, LoginRule) else ()
        found.setdefault((login.name, *audience), []).append(login.password.reveal())
    return found


def _needing_restart(before: Config, after: Config) -> Iterator[str]:
    for key, setting in Config.settings().items():
        if key not in (*LIVE, *LOGINS) and before.value_of(key) != after.value_of(key):
            yield setting.name
    for program in ("frigate", "go2rtc"):
        old = {one.name: one for one in getattr(before, f"named_{program}s")}
        new = {one.name: one for one in getattr(after, f"named_{program}s")}
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name):
                yield f"[{program}.{name}]"
    for name in dict.fromkeys((*before.plugin_settings, *after.plugin_settings)):
        if before.plugin_settings.get(name) != after.plugin_settings.get(name):
            yield f"[plugins.{name}]"


def _applied(before: Config, after: Config) -> Config:
    discovery, inspection = after.discovery, after.inspection
    followed = (*LIVE, *LOGINS)
    sources = {key: text for key, text in before.sources.items() if key not in followed}
    sources |= {key: text for key, text in after.sources.items() if key in followed}
    return replace(
        before,
        log_level=after.log_level,
        discovery=replace(
            before.discovery,
            scan_networks=discovery.scan_networks,
            scan_exclude=discovery.scan_exclude,
            scan_rate=discovery.scan_rate,
        ),
        inspection=replace(
            before.inspection,
            credentials=inspection.credentials,
            username=inspection.username,
            password=inspection.password,
        ),
        sources=MappingProxyType(sources),
        warnings=after.warnings,
    )
