"""Holds the package against the rules of wiring: parts come as few, typed arguments, and are looked up in no table."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.test_layers import PACKAGE, sources

MAX_ARGUMENTS = 8
#: Rooms in which parts are joined.
JOINING = ("service", "plugins", "web", "operations")
#: Attributes of Twisted's and of libraries' own objects, which they give no other way to set.
FOREIGN = {"clock", "noisy", "merge_slashes"}

#: paho wants its callbacks to be hung on its client.
HANGING = {f"{PACKAGE}/mqtt/network/paho_session.py"}
#: Attributes of a given object that may be set, each with its reason.
SETS = {
    f"{PACKAGE}/service/monotonic_reactor.py": {"reactor.seconds"},  # what this module is for: Twisted has no other way
}


def constructors(tree: ast.AST) -> Iterator[tuple[int, str, ast.arguments]]:
    """(line, class, arguments) of every constructor; of its arguments, ``self`` is the first."""
    for node in ast.walk(tree):
        for one in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                yield one.lineno, node.name, one.args  # type: ignore[union-attr]


def wide(path: str, tree: ast.AST) -> Iterator[str]:
    """Constructors with too many arguments."""
    for line, name, arguments in constructors(tree):
        count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs) - 1
        if count > MAX_ARGUMENTS:
            yield f"{path}:{line}: {name} takes {count} arguments; {MAX_ARGUMENTS} at most"


def builders(path: str, tree: ast.AST) -> Iterator[str]:
    """In the joining rooms: functions with too many arguments."""
    if room(path) not in JOINING:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len([name for name in names if name != "self"])
            if count > MAX_ARGUMENTS:
                yield f"{path}:{node.lineno}: {node.name} takes {count} arguments; {MAX_ARGUMENTS} at most"


def casts(path: str, tree: ast.AST) -> Iterator[str]:
    """Casts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("cast", "typing.cast"):
            yield f"{path}:{node.lineno}: a cast"


def tables(path: str, tree: ast.AST) -> Iterator[str]:
    """In the joining rooms: tables of anything by anything, and what is looked up in ``parts``."""
    if room(path) not in JOINING:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            text = ast.unparse(node)
            if text.replace(" ", "").lower() in ("mapping[any,any]", "dict[any,any]"):
                yield f"{path}:{node.lineno}: {text}"
            if text.startswith(("parts[", "context.parts[")):
                yield f"{path}:{node.lineno}: a part is looked up: {text}"
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr) and ast.unparse(node.target) == "parts":
            yield f"{path}:{node.lineno}: parts are added to a shared table"


def settings_of_given(path: str, tree: ast.AST) -> Iterator[str]:
    """In the joining rooms: attributes that are set on an argument of the function that sets them."""
    if room(path) not in JOINING:
        return
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = {one.arg for one in (*function.args.args, *function.args.kwonlyargs)} - {"self"}
        for node in ast.walk(function):
            targets = node.targets if isinstance(node, ast.Assign) else ()
            for target in (*targets, *([node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else ())):
                text = ast.unparse(target)
                if (
                    isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id in given
                    and target.attr not in FOREIGN
                    and text not in SETS.get(path, ())
                ):
                    yield f"{path}:{node.lineno}: {text} is set on an object that was given"


def hooks(path: str, tree: ast.AST) -> Iterator[str]:
    """Callbacks that are hung on another object (``other.on_…=``): observers are added, or given to the constructor."""
    for node in ast.walk(tree) if path not in HANGING else ():
        for target in node.targets if isinstance(node, ast.Assign) else ():
            for one in target.elts if isinstance(target, ast.Tuple) else (target,):
                if isinstance(one, ast.Attribute) and one.attr.startswith("on_") and ast.unparse(one.value) != "self":
                    yield f"{path}:{node.lineno}: {ast.unparse(one)} is hung on another object"


RULES = (wide, builders, casts, tables, settings_of_given, hooks)


def room(path: str) -> str:
    return path.removeprefix(f"{PACKAGE}/").partition("/")[0]


def faults(path: str, source: str) -> list[str]:
    """All that a module does against the rules."""
    tree = ast.parse(source, path)
    return [fault for rule in RULES for fault in rule(path, tree)]


#: A rule, the module that would break it, its source.
BAD = (
    ("a wide constructor", "mqtt/a.py", "class A:\n def __init__(self, a, b, *, c, d, e, f, g, h, i): pass"),
    ("a wide builder", "service/a.py", "async def make(a, b, c, d, e, f, g, h, i): pass"),
    ("a cast", "web/a.py", "from typing import cast\nx = cast('int', y)"),
    ("a table of parts", "service/a.py", "def f(parts: 'int') -> dict[Any, Any]: pass"),
    ("a look-up", "plugins/a.py", "x = context.parts[Registry]"),
    ("an addition", "service/a.py", "parts |= {1: 2}"),
    ("an attribute of an argument", "service/a.py", "def f(watcher):\n watcher.changed = print"),
    ("a hook", "mqtt/a.py", "outbox.on_ready = self.send"),
    ("two hooks", "mqtt/a.py", "a.on_ready, b.x = c, d"),
)


class Wiring(SynchronousTestCase):
    """Whoever reads a constructor knows what an object knows."""

    def test_every_module(self) -> None:
        """No constructor with more than eight arguments, no cast, no table of parts, nothing hung on given objects."""
        found = [fault for path, source in sources().items() for fault in faults(path, source)]
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_breaches_are_seen(self) -> None:
        """Each kind of breach is found, once."""
        for rule, path, source in BAD:
            with self.subTest(rule):
                self.assertEqual(1, len(faults(f"{PACKAGE}/{path}", source)), rule)

    def test_nothing_else_is(self) -> None:
        """Eight arguments, own attributes, and those that Twisted wants to be set are no breach."""
        for source in (
            "class A:\n def __init__(self, a, b, *, c, d, e, f, g, h):\n  self.a = a\n  self.on_lost = b",
            "def f(timer, clock):\n timer.clock = clock",
        ):
            self.assertEqual([], faults(f"{PACKAGE}/service/a.py", source))

    def test_exceptions_are_needed(self) -> None:
        """What is excepted is there: an exception goes with what it was for."""
        for path in HANGING:
            self.assertIn("client.on_message = ", sources()[path])
        for path, texts in SETS.items():
            for text in texts:
                self.assertIn(f"{text} = ", sources()[path])
