"""Loader of plugins: finds the makers of one kind, built-in ones and those of the user.

Rules:

1. A plugin runs with every right and every password of this program. So a folder of plugins counts only when nobody
   can write it, or one that it stands in, who could not write the program itself; any other is left out, loudly.
2. Where ``PLUGINS`` names some, no other file is imported: a file is known by its name, or by the ``name`` of its
   makers, which are read without running it.
3. The folder ``plugins`` beside the package counts in a checkout of camdetect only. Where a wheel is installed, that
   folder is ``site-packages/plugins``, which belongs to whichever distribution made it.
4. Of two makers of one name, in different files, the first counts, and built-in ones come first; so does the first of
   two files of one name. The other one is left out, and named. Files whose name begins with ``_`` or ``test_`` are none
   of plugins: they belong to those beside them.

A maker provides ``twisted.plugin.IPlugin`` and the interface of its kind, as ``twisted.plugin.getPlugins`` has it. Our
own search takes its place because that one imports every file that it finds, and believes a pickle beside them.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.plugin import IPlugin
from txaio.tx import make_logger

from twisted_detector import plugins
from twisted_detector.interfaces import IMaker
from twisted_detector.model.bounds import MAX_NAME
from twisted_detector.service.extensions import entry_points
from twisted_detector.store.ownership import why_replaceable, why_untrusted

log = make_logger()

_BUILTIN_FOLDER = Path(plugins.__file__).resolve().parent
#: What stands beside the package: in a checkout its root, else ``site-packages``.
_BESIDE = _BUILTIN_FOLDER.parents[1]
#: The folder of a checkout where a user puts files.
CHECKOUT_PLUGINS = _BESIDE / "plugins"
#: The folder of a machine where a user puts files, unless PLUGIN_PATH has others.
MACHINE_PLUGINS = Path("/etc/camdetect/plugins")

#: How our makers are given their names. To parse our sources costs a megabyte that is never given back.
_OUR_NAME = re.compile(r'^    name = "(\w+)"|^\w+ = \w*Maker\("(\w+)"\)', re.MULTILINE)
_NO_MAKER = (
    "no maker is in it: that is an object at module level, not a class, which provides IPlugin and one of the maker"
    " interfaces (docs/plugins.md)"
)
_NO_MODULE = "its name is none that Python imports: letters, digits and _, as acme_doorbell.py"
#: What an import may end with: a script that is no plugin calls sys.exit.
_FAILURES = (Exception, SystemExit)


def look_in(folders: Iterable[Path]) -> None:
    """Search for plugins in these folders too, in those that exist."""
    for folder in folders:
        if folder.is_dir() and str(folder) not in plugins.__path__:
            plugins.__path__.append(str(folder))


def is_checkout(folder: Path) -> bool:
    """Whether ``folder`` is the root of a checkout of camdetect."""
    file = folder / "pyproject.toml"
    if not file.exists():
        return False
    import tomllib  # only where there is such a file

    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == "camdetect"


def broken(wanted: Sequence[str] = ()) -> dict[str, str]:
    """Plugin files that are wanted and left out, each with the reason in one line.

    So are the entry points of installed distributions, by the file that they name.
    """
    faults = {}
    for file in _files(wanted):
        if reason := _why_unsafe(file):
            faults[str(file)] = f"it {reason}, {_UNSAFE}"
            continue
        try:
            module = importlib.import_module(f"{plugins.__name__}.{file.stem}")
        except _FAILURES as error:
            faults[str(file)] = f"{type(error).__name__}: {error}"
            continue
        if file.parent != _BUILTIN_FOLDER and (reason := _why_no_maker(vars(module).values())):
            faults[str(file)] = reason
    faults |= {str(file): _NO_MODULE for file in _misnamed(wanted)}
    faults |= {str(file): f"{first} has the same name, and comes first" for file, first in _shadowed(wanted)}
    for declared in entry_points.wanted_plugins(wanted):
        if reason := _fault_of(declared):
            faults[entry_points.file_of(declared) or f"{declared.package} ({declared.value})"] = reason
    return faults


_UNSAFE = "who could run anything with the rights of camdetect (chown, chmod go-w)"


def _fault_of(declared: entry_points.DeclaredPlugin) -> str:
    """Why an entry point gives no maker, "" when it does."""
    if reason := entry_points.why_unsafe(declared, _why_unsafe):
        return f"{reason}, {_UNSAFE}"
    try:
        values = entry_points.loaded_values(declared)
    except _FAILURES as error:
        return f"{type(error).__name__}: {error}"
    return _why_no_maker(values)


def makers(kind: Any, wanted: Sequence[str] = ()) -> list[Any]:
    """All makers that provide ``kind``, an interface; :mod:`service.extensions.order` has the order of their calls.

    :param wanted: names of the user's plugins to load; none: all that are found. Built-in ones are always there.
    """
    ours = [maker for module in _builtin_modules(kind) for maker in _makers_in(vars(module).values(), kind)]
    return ours + [maker for maker, first in _users(wanted) if not first and kind.providedBy(maker)]


def doubled(wanted: Sequence[str] = ()) -> list[tuple[Any, str]]:
    """The user's makers that are left out because another one has their name, each with where that is."""
    return [(maker, first) for maker, first in _users(wanted) if first]


def package_of(maker: Any) -> str:
    """Name and version of the distribution that declares a maker as an entry point; "" for one of a file."""
    declared = _declared_as(maker)
    return declared.package if declared is not None else ""


def file_of(maker: Any) -> str:
    """The file in which a maker stands, whosever class it is of; "" where there is none."""
    of_class = sys.modules.get(type(maker).__module__)
    modules = (sys.modules.get(f"{plugins.__name__}.{file.stem}") for file in _files(()))
    having = [one for one in modules if one is not None and any(value is maker for value in vars(one).values())]
    if having and of_class not in having:
        return str(having[0].__file__)
    declared = None if having else _declared_as(maker)
    return entry_points.file_of(declared) if declared is not None else str(getattr(of_class, "__file__", ""))


def _declared_as(maker: Any) -> entry_points.DeclaredPlugin | None:
    for declared in entry_points.declared_plugins():
        if declared.value.partition(":")[0].strip() not in sys.modules or _fault_of(declared):
            continue
        if any(value is maker for value in entry_points.loaded_values(declared)):
            return declared
    return None


def _users(wanted: Sequence[str]) -> list[tuple[Any, str]]:
    """The makers of the user, each with where another one of its name is that comes first, "" for none."""
    found: list[tuple[str, Any]] = []
    for file in _files(wanted):
        if file.parent != _BUILTIN_FOLDER and (module := _imported(file)) is not None:
            chosen = [one for one in _makers_in(vars(module).values(), IMaker) if not is_builtin(one)]
            found += [(str(file), one) for one in chosen if not wanted or {one.name, file.stem} & {*wanted}]
    for declared in entry_points.wanted_plugins(wanted):
        if not _fault_of(declared):
            values = entry_points.loaded_values(declared)
            found += [(declared.package, one) for one in _makers_in(values, IMaker)]
    places = dict.fromkeys(builtin_names(), "camdetect itself")
    several: list[tuple[Any, str]] = []
    for place, maker in found:
        first = places.setdefault(maker.name, place)
        several.append((maker, "" if first == place else first))
    return several


def _imported(file: Path) -> ModuleType | None:
    """The module of a file, None where it cannot be had; :func:`broken` says why."""
    if _why_unsafe(file):
        return None
    try:
        return importlib.import_module(f"{plugins.__name__}.{file.stem}")
    except _FAILURES as error:
        log.debug("Plugin {file} cannot be imported: {error}", file=str(file), error=str(error))
        return None


def _builtin_modules(kind: Any) -> Iterator[ModuleType]:
    """Ours that name an interface as it is called: what makes nothing of this kind is not imported for it."""
    for file in _builtin_files():
        if kind.__name__ in file.read_text(encoding="utf-8"):
            yield importlib.import_module(f"{plugins.__name__}.{file.stem}")


@cache  # the package does not change while it runs
def _builtin_files() -> tuple[Path, ...]:
    """Ours: ``builtin.py`` and, by family, ``builtin_<family>.py``."""
    return tuple(sorted(_BUILTIN_FOLDER.glob("builtin*.py")))


@cache
def builtin_names() -> frozenset[str]:
    """The names of our own makers, read off their sources."""
    sources = (file.read_text(encoding="utf-8") for file in _builtin_files())
    return frozenset(name for source in sources for pair in _OUR_NAME.findall(source) for name in pair if name)


def _makers_in(values: Iterable[Any], kind: Any) -> list[Any]:
    return [value for value in values if _is_maker(value, kind) and not _why_unnamed(value)]


def _is_maker(value: Any, kind: Any = IMaker) -> bool:
    try:
        return bool(IPlugin.providedBy(value) and IMaker.providedBy(value) and kind.providedBy(value))
    except Exception:  # a module may hold anything: a proxy that cannot be asked before it stands for something
        return False


def _why_no_maker(values: Iterable[Any]) -> str:
    """Why one of the values is a maker that cannot be called, or none is one; "" when all is well."""
    reasons = [_why_unnamed(value) for value in values if _is_maker(value)]
    return next(filter(None, reasons), "") if reasons else _NO_MAKER


def _why_unnamed(maker: Any) -> str:
    try:
        name = maker.name
    except Exception:
        name = None
    is_name = isinstance(name, str) and name.isprintable() and name == name.strip() and 0 < len(name) <= MAX_NAME
    return "" if is_name else f"a maker in it has no name: a text of 1 to {MAX_NAME} characters that can be printed"


def is_builtin(maker: Any) -> bool:
    """Whether a maker is one of ours: one that a user's file makes of a class of ours, or in a file that is called as
    ours are, is none.
    """
    modules = (sys.modules.get(f"{plugins.__name__}.{file.stem}") for file in _builtin_files())
    return any(value is maker for module in modules if module is not None for value in vars(module).values())


def _files(wanted: Sequence[str]) -> Iterator[Path]:
    """The files in which plugins may be, of the folders that are trusted, without importing one."""
    _leave_out_untrusted_folders()
    found: set[str] = set()
    for file in _candidates():
        if file.stem not in found and _is_wanted(file, wanted):
            yield file
        found.add(file.stem)


def _shadowed(wanted: Sequence[str]) -> list[tuple[Path, Path]]:
    """The files that are wanted and not loaded because an earlier one has the same name, each with that one."""
    first: dict[str, Path] = {}
    return [
        (file, before) for file in _candidates()
        if (before := first.setdefault(file.stem, file)) != file and _is_wanted(file, wanted)
    ]  # fmt: skip


def _misnamed(wanted: Sequence[str]) -> list[Path]:
    """The files that are wanted and cannot be imported under their names."""
    return [file for file in _sources() if not file.stem.isidentifier() and _is_wanted(file, wanted)]


def _candidates() -> Iterator[Path]:
    return (file for file in _sources() if file.stem.isidentifier())


def _sources() -> Iterator[Path]:
    for folder in map(Path, plugins.__path__):
        for file in sorted(folder.glob("*.py")):
            if not file.stem.startswith(("_", "test_", ".")):
                yield file


def _is_wanted(file: Path, wanted: Sequence[str]) -> bool:
    ours = file.parent.resolve() == _BUILTIN_FOLDER
    return ours or not wanted or bool({file.stem, *_declared_names(file)} & {*wanted})


def not_wanted(wanted: Sequence[str]) -> list[Path]:
    """The user's files that ``PLUGINS`` leaves out; none of them is imported."""
    return [file for file in _files(()) if file not in {*_files(wanted)}]


def not_wanted_entry_points(wanted: Sequence[str]) -> list[tuple[entry_points.DeclaredPlugin, str]]:
    """The entry points that ``PLUGINS`` leaves out, each with its file; none of them is imported."""
    chosen = [*entry_points.wanted_plugins(wanted)]
    return [(one, entry_points.file_of(one)) for one in entry_points.declared_plugins() if one not in chosen]


def unknown_names(wanted: Sequence[str]) -> list[str]:
    """The names of ``PLUGINS`` that neither a file nor a maker in one has, as far as the sources tell."""
    known = {name for file in _files(()) for name in (file.stem, *_declared_names(file))} if wanted else set()
    known |= {one.name for one in entry_points.declared_plugins()}
    return [name for name in wanted if name not in known]


def _declared_names(file: Path) -> set[str]:
    """The texts that are given to ``name`` in a class of ``file``, read off its source; none when it cannot be read."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return set()
    found = set()
    for node in ast.walk(tree):
        for statement in node.body if isinstance(node, ast.ClassDef) else ():
            targets = statement.targets if isinstance(statement, ast.Assign) else ()
            named = any(isinstance(target, ast.Name) and target.id == "name" for target in targets)
            if named and isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
                found.add(str(statement.value.value))
    return found


def _leave_out_untrusted_folders() -> None:
    """Remove the folders that others can write from the search, each with a line in the log.

    Our own is not asked: who can write it has no need of a plugin.
    """
    for folder, reason in untrusted_folders().items():
        plugins.__path__.remove(folder)
        log.error(
            "Plugins in {folder} are not loaded: it {reason}, who could run anything with the rights of camdetect."
            " Give what is named to the user that camdetect runs as, or to root: chown, chmod go-w",
            folder=folder,
            reason=reason,
        )


def untrusted_folders() -> dict[str, str]:
    """The folders of the search, until they are left out, that others can write; each with the reason."""
    faults = {}
    for folder in plugins.__path__:
        if Path(folder).resolve() == _BUILTIN_FOLDER:
            continue
        if reason := _why_unsafe(Path(folder)) or _why_unsafe(Path(folder) / "__pycache__"):
            faults[folder] = reason
    return faults


def _why_unsafe(path: Path) -> str:
    """Who may write ``path``, or put another in its place, besides us, root, and the owner of the program; "" where
    nobody may, or there is no such file.
    """
    if path.parent == _BUILTIN_FOLDER:
        return ""
    owners = {os.geteuid(), _BUILTIN_FOLDER.stat().st_uid}
    try:
        found = path.stat()
    except OSError:
        return ""
    above = _BUILTIN_FOLDER.parents  # who can write these can write the program
    return why_untrusted(found, owners=owners) or why_replaceable(path, owners=owners, trusted=above)


def look_for_plugins(folders: Sequence[Path]) -> None:
    """Search the folder of a checkout, where there is one, and those of PLUGIN_PATH, or without any the machine's."""
    look_in([CHECKOUT_PLUGINS] if is_checkout(_BESIDE) else [])
    look_in(folders or [MACHINE_PLUGINS])
    for folder in missing_folders(folders):
        log.error("PLUGIN_PATH: {folder} is no folder that can be read", folder=str(folder))


def missing_folders(folders: Sequence[Path]) -> list[Path]:
    """Those of PLUGIN_PATH that are not there."""
    return [folder for folder in folders if not folder.is_dir()]
