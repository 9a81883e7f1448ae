"""Entries of the list of plugins, as ``camdetect plugins`` and the page show them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PluginState(StrEnum):
    """Whether the daemon uses a plugin."""

    LOADED = "loaded"
    #: PLUGINS does not name it, or its maker made nothing: its settings are missing, or switch it off.
    OFF = "off"
    #: It is wanted and cannot be had.
    LEFT_OUT = "left out"
    #: It was loaded, and raised too often.
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One plugin, or one file or folder in which there should be some.

    :ivar kinds: words of ``plugin_inventory.KINDS``; empty where the file was not imported.
    :ivar file: of its maker, or the folder.
    :ivar why: "" for one that is loaded.
    :ivar package: name and version of the distribution that declares it as an entry point; "" for a file of a folder.
    """

    name: str
    kinds: tuple[str, ...]
    file: str
    state: PluginState
    why: str = ""
    is_builtin: bool = False
    package: str = ""
