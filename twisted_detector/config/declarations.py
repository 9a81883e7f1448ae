"""Declarations of settings: a section is a frozen dataclass whose fields are declared by :func:`setting`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from twisted_detector.config.kinds import Kind

T = TypeVar("T")
D = TypeVar("D")

#: Stands for a secret wherever it would be shown.
MASKED = "***"


@dataclass(frozen=True, slots=True)
class Setting:
    """All that is known of one setting besides its default.

    :ivar name: the environment variable, ``MQTT_PORT``.
    :ivar default_text: how the default reads in the documents where it is not simply the default.
    :ivar secret: the value is masked wherever it would be shown, and ``<NAME>_FILE`` may name a file that has it.
    :ivar private_file: that file must be readable by its owner only, and each of its lines is an entry.
    :ivar heading: the heading of the reference page below which this setting stands, and all that are declared after
        it up to the next one with a heading.
    """

    name: str
    kind: Kind[Any]
    help: str
    default_text: str = ""
    example: str = ""
    secret: bool = False
    private_file: bool = False
    heading: str = ""

    @property
    def key(self) -> str:
        """The key of the TOML file, ``mqtt_port``."""
        return self.name.lower()


def shown_value(one: Setting, value: Any) -> str:
    """The value of a setting as it may be shown: as one would type it, masked when it is a secret."""
    if one.secret:
        return MASKED if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return (":" if one.name == "WEB_LISTEN" else ",").join(map(str, value))
    return "" if value is None else str(value)


def setting(name: str, kind: Kind[T], default: D, help: str, **more: Any) -> T | D:
    """Declare one field of a section; ``more`` are the remaining fields of :class:`Setting`."""
    declared: Any = field(default=default, metadata={"setting": Setting(name, kind, help, **more)})
    value: T | D = declared  # of an instance; of the class while it is declared
    return value


def section(kind: type[T]) -> T:
    """Declare a field of Config that holds a section."""
    return field(default_factory=kind, metadata={"section": kind})


def declared(kind: Any, path: str = "") -> Iterator[tuple[str, Setting]]:
    """(attribute, setting) of every setting of a section and of the sections in it: ``mqtt.port`` and ``MQTT_PORT``."""
    for each in fields(kind):
        if "section" in each.metadata:
            yield from declared(each.metadata["section"], f"{path}{each.name}.")
        elif "setting" in each.metadata:
            yield path + each.name, each.metadata["setting"]


def filled(kind: type[T], values: Mapping[str, Any]) -> T:
    """The section with these values by key of the setting; what is not among them keeps its default."""
    given: dict[str, Any] = {}
    section_class: Any = kind
    for each in fields(section_class):
        if "section" in each.metadata:
            given[each.name] = filled(each.metadata["section"], values)
        elif "setting" in each.metadata and each.metadata["setting"].key in values:
            given[each.name] = values[each.metadata["setting"].key]
    return kind(**given)
