"""``camdetect new-plugin``: writes a plugin to begin with, and the test of its contract."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TextIO

from twisted_detector.config.config import Config
from twisted_detector.service.extensions.loader import CHECKOUT_PLUGINS, MACHINE_PLUGINS, builtin_names, is_checkout

_TEMPLATES = Path(__file__).parent / "templates"
#: As a module, a table of the configuration file and a discovery method are called.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def new_plugin(name: str, kind: str, *, folder: str | None, config: Config, out: TextIO, err: TextIO) -> int:
    """Write both files; exit status 1, and neither is written, when that cannot be done."""
    reason = _why_not(name, kind)
    where = Path(folder) if folder else _folder(config)
    files = where / f"{name}.py", where / f"test_{name}.py"
    there = [str(file) for file in files if file.exists()]
    if not reason and there:
        reason = f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already: nothing is overwritten"
    if reason:
        err.write(f"camdetect new-plugin: {reason}\n")
        return 1
    try:
        if not where.exists():
            where.mkdir(parents=True)
            where.chmod(0o755)  # whatever the umask: the daemon's user reads it, and nobody else writes it
        for file, template in zip(files, _templates(kind), strict=True):
            with file.open("x", encoding="utf-8") as opened:
                opened.write(written(template, name))
            file.chmod(0o644)
    except OSError as error:
        err.write(f"camdetect new-plugin: {where} cannot be written: {error.strerror}\n")
        return 1
    out.write(
        f"{files[0]}: the plugin\n{files[1]}: its test\n\nNext:\n"
        f"  {sys.executable} {files[1]}\n  camdetect plugins\nand restart the daemon. docs/plugins.md says the rest.\n"
    )
    if where.resolve() not in _searched(config):
        out.write(f"The daemon looks there when PLUGIN_PATH names it: PLUGIN_PATH={where.resolve()}\n")
    return 0


def written(template: str, name: str) -> str:
    """A template with the name of the plugin in it."""
    words = {"name": name, "Name": "".join(word.capitalize() for word in name.split("_")), "UPPER": name.upper()}
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)


def _templates(kind: str) -> tuple[str, str]:
    return f"{kind}.template", f"{kind}_test.template"


def _why_not(name: str, kind: str) -> str:
    if not _NAME.fullmatch(name) or name.startswith("test_") or keyword.iskeyword(name):
        return f"{name!r} is no name: small letters, digits and _, as acme or acme_doorbell"
    if name in builtin_names():
        return f"camdetect itself has a plugin of the name {name}"
    if name in sys.stdlib_module_names:
        return f"Python itself has a module of the name {name}"
    if find_spec(name) is not None:
        return f"a package of the name {name} is installed here: the plugin would take its place in the test"
    if any(map(_is_ambiguous, (written(template, name) for template in _templates(kind)))):
        return f"{name} means something else in the file already: add a word, as {name}_cameras"
    return ""


def _is_ambiguous(source: str) -> bool:
    """Whether one name of a module stands for two things in it, or for something that Python itself has."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return True
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if {*names} & {*dir(builtins)}:
        return True
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names += [one.asname or one.name for one in node.names]
    return len(names) > len({*names})


def _folder(config: Config) -> Path:
    if config.plugin_path:
        return config.plugin_path[0]
    return CHECKOUT_PLUGINS if is_checkout(CHECKOUT_PLUGINS.parent) else MACHINE_PLUGINS


def _searched(config: Config) -> list[Path]:
    checkout = [CHECKOUT_PLUGINS] if is_checkout(CHECKOUT_PLUGINS.parent) else []
    return [one.resolve() for one in (*checkout, *(config.plugin_path or (MACHINE_PLUGINS,)))]
