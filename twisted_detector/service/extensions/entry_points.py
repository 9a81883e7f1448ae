"""Search for plugins that installed distributions declare: entry points of the group ``camdetect.plugins``.

The value of such an entry point is a maker (``acme_camdetect:maker``) or a module with makers (``acme_camdetect``), its
name that of the plugin. What is not wanted is not imported, nor is a module that others can write.

The files are read here, for importlib.metadata costs every daemon half a megabyte.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

GROUP = "camdetect.plugins"
#: Folders in which installers write what a distribution is.
_INFORMATION = (".dist-info", ".egg-info")


@dataclass(frozen=True, slots=True)
class DeclaredPlugin:
    """One entry point.

    :ivar name: its own; ``package``: name and version of its distribution.
    """

    name: str
    package: str
    value: str

    def load(self) -> Any:
        """What it names.

        :raises Exception: whatever the import of it raises.
        """
        module, _, path = self.value.partition(":")
        found: Any = importlib.import_module(module.strip())
        for name in path.split(".") if path else ():
            found = getattr(found, name.strip())
        return found

    @property
    def files(self) -> tuple[Path, ...]:
        """The folders and files that are read when it is imported, from the outermost; () where there are none."""
        found: list[Path] = []
        folders: list[str] | None = None
        words = self.value.partition(":")[0].strip().split(".")
        for number in range(len(words)):
            spec = PathFinder.find_spec(".".join(words[: number + 1]), folders)
            if spec is None:
                return ()
            folders = list(spec.submodule_search_locations or ())
            if spec.origin and spec.has_location:
                found += [Path(spec.origin).parent, Path(spec.origin)]
        return tuple(dict.fromkeys(found))


@cache  # what is installed is read once in a process: a millisecond for a hundred distributions
def declared_plugins() -> tuple[DeclaredPlugin, ...]:
    """The entry points of all distributions, by name."""
    found: dict[tuple[str, str], DeclaredPlugin] = {}
    for folder in dict.fromkeys(sys.path):
        with suppress(OSError):
            for entry in sorted(Path(folder or ".").iterdir()):
                if entry.suffix in _INFORMATION:
                    for one in _declared_by(entry):
                        found.setdefault((one.name, one.value), one)
    return tuple(sorted(found.values(), key=lambda one: (one.name, one.package)))


def _declared_by(information: Path) -> Iterator[DeclaredPlugin]:
    """The entry points of one distribution; see the Python Packaging Guide, "Entry points specification"."""
    package = information.stem.replace("-", " ")
    group = ""
    try:
        lines = (information / "entry_points.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in map(str.strip, lines):
        if line.startswith("["):
            group = line.strip("[] ")
        elif group == GROUP and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield DeclaredPlugin(name.strip(), package, value.partition("[")[0].strip())


def wanted_plugins(wanted: Sequence[str]) -> Iterator[DeclaredPlugin]:
    """Those that ``PLUGINS`` names; all where it names none."""
    return (one for one in declared_plugins() if not wanted or one.name in wanted)


def why_unsafe(one: DeclaredPlugin, judge: Callable[[Path], str]) -> str:
    """The first of its files and folders that ``judge`` has something against, with what; "" for none."""
    for path in one.files:
        if reason := judge(path):
            return f"{path} {reason}"
    return ""


def loaded_values(one: DeclaredPlugin) -> tuple[Any, ...]:
    """What may be a maker: the object that the entry point names, or all that its module has.

    :raises Exception: whatever the import of it raises.
    """
    value = one.load()
    return tuple(vars(value).values()) if isinstance(value, ModuleType) else (value,)


def file_of(one: DeclaredPlugin) -> str:
    """The file that is imported, "" where there is none."""
    files = [path for path in one.files if not path.is_dir()]
    return str(files[-1]) if files else ""
