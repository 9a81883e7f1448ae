"""Loader of plugins: finds the makers of one kind, built-in ones and those of the user.

Rules:

1. A plugin runs with every right and every password of this program. So a folder of plugins counts only when nobody
   can write it who could not write the program itself; any other is left out, loudly.
2. Where ``PLUGINS`` names some, no other file is imported: a file is known by its name, or by the ``name`` of its
   makers, which are read without running it.
3. The folder ``plugins`` beside the package counts in a checkout of camdetect only. Where a wheel is installed, that
   folder is ``site-packages/plugins``, which belongs to whichever distribution made it.

A maker provides ``twisted.plugin.IPlugin`` and the interface of its kind, as ``twisted.plugin.getPlugins`` has it. Our
own search takes its place because that one imports every file that it finds, and believes a pickle beside them.
"""

from __future__ import annotations

import ast
import importlib
import os
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.plugin import IPlugin
from txaio.tx import make_logger

from twisted_detector import plugins
from twisted_detector.interfaces import IMaker
from twisted_detector.store.ownership import why_untrusted

log = make_logger()

_BUILTIN_FOLDER = Path(plugins.__file__).resolve().parent
#: What stands beside the package: in a checkout its root, else ``site-packages``.
_BESIDE = _BUILTIN_FOLDER.parents[1]
#: The folder of a checkout where a user puts files.
CHECKOUT_PLUGINS = _BESIDE / "plugins"

#: Ours are in ``builtin.py`` and, by family, in ``builtin_<family>.py``.
BUILTIN = f"{plugins.__name__}.builtin"


def look_in(folders: Iterable[Path]) -> None:
    """Search for plugins in these folders too, in those that exist."""
    for folder in folders:
        if folder.is_dir() and str(folder) not in plugins.__path__:
            plugins.__path__.append(str(folder))


def is_checkout(folder: Path) -> bool:
    """Whether ``folder`` is the root of a checkout of camdetect."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == "camdetect"


def broken(wanted: Sequence[str] = ()) -> dict[str, str]:
    """Plugin files that are wanted and left out, each with the reason in one line."""
    faults = {}
    for file in _files(wanted):
        if reason := _why_unsafe(file):
            faults[str(file)] = f"it {reason}, who could run anything with the rights of camdetect (chown, chmod go-w)"
            continue
        try:
            importlib.import_module(f"{plugins.__name__}.{file.stem}")
        except Exception as error:
            faults[str(file)] = f"{type(error).__name__}: {error}"
    return faults


def makers(kind: Any, wanted: Sequence[str] = ()) -> list[Any]:
    """All makers that provide ``kind``, an interface; :mod:`service.plugin_order` has the order of their calls.

    :param wanted: names of the user's plugins to load; none: all that are found. Built-in ones are always there.
    """
    return [
        maker
        for module in _modules(kind, wanted)
        for maker in _makers_in(module, kind)
        if is_builtin(maker) or not wanted or {maker.name, module.__name__.rpartition(".")[2]} & {*wanted}
    ]


def _modules(kind: Any, wanted: Sequence[str]) -> Iterator[ModuleType]:
    """The modules in which a maker of ``kind`` may be; those that cannot be imported are named by :func:`broken`."""
    for file in _files(wanted):
        # Ours name the interfaces as they are called: what makes nothing of this kind is not imported for it.
        if file.parent == _BUILTIN_FOLDER and kind.__name__ not in file.read_text(encoding="utf-8"):
            continue
        if _why_unsafe(file):
            continue
        try:
            yield importlib.import_module(f"{plugins.__name__}.{file.stem}")
        except Exception as error:
            log.debug("Plugin {file} cannot be imported: {error}", file=str(file), error=str(error))


def _makers_in(module: ModuleType, kind: Any) -> list[Any]:
    return [
        value
        for value in vars(module).values()
        if IPlugin.providedBy(value) and IMaker.providedBy(value) and kind.providedBy(value)
    ]


def is_builtin(maker: Any) -> bool:
    """Whether a maker is one of ours."""
    return type(maker).__module__.startswith(BUILTIN)


def _files(wanted: Sequence[str]) -> Iterator[Path]:
    """The files in which plugins may be, of the folders that are trusted, without importing one."""
    _leave_out_untrusted_folders()
    for folder in map(Path, plugins.__path__):
        ours = folder.resolve() == _BUILTIN_FOLDER
        for file in sorted(folder.glob("*.py")):
            if file.stem == "__init__" or not file.stem.isidentifier():
                continue
            if ours or not wanted or {file.stem, *_declared_names(file)} & {*wanted}:
                yield file


def not_wanted(wanted: Sequence[str]) -> list[Path]:
    """The user's files that ``PLUGINS`` leaves out; none of them is imported."""
    return [file for file in _files(()) if file not in {*_files(wanted)}]


def unknown_names(wanted: Sequence[str]) -> list[str]:
    """The names of ``PLUGINS`` that neither a file nor a maker in one has, as far as the sources tell."""
    known = {name for file in _files(()) for name in (file.stem, *_declared_names(file))} if wanted else set()
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
            " Give it to the user that camdetect runs as, or to root: chown, chmod -R go-w",
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
    """Who may write ``path`` besides us, root, and the owner of the program itself; "" for nobody, or no such file."""
    if path.parent == _BUILTIN_FOLDER:
        return ""
    try:
        found = path.stat()
    except OSError:
        return ""
    return why_untrusted(found, owners={os.geteuid(), _BUILTIN_FOLDER.stat().st_uid})


def look_for_plugins(folder: Path | None) -> None:
    """Search the folder of a checkout, where there is one, and ``folder``, that of PLUGIN_PATH."""
    look_in([CHECKOUT_PLUGINS] if is_checkout(_BESIDE) else [])
    if folder is not None:
        look_in([folder])
        if not folder.is_dir():
            log.error("PLUGIN_PATH: {folder} is no folder that can be read", folder=str(folder))
