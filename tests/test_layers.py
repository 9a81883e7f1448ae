"""Holds every module against the table of rooms (docs/architecture.md): who imports whom, and what no room may touch.

A new room, or a new edge between two rooms, is written into the table first, with its reason in the architecture page.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "twisted_detector"
MAX_LINES = 400
MAX_MODULES = 20
STANDARD_LIBRARY = set(sys.stdlib_module_names)

_VALUES = "model errors"
_SEAMS = f"{_VALUES} events interfaces seams"
_TELL = "web outputs mqtt"
_KNOW = "detector registry discovery inspection"
_GROUND = f"{_SEAMS} bus config store wire"

#: room, or loose file → the others that it may import.
ROOMS: dict[str, str] = {
    # ground
    "errors": "",
    "model": "errors",
    "events": _VALUES,
    "interfaces": f"{_VALUES} events",
    "seams": f"{_VALUES} events interfaces",
    "bus": f"{_VALUES} events interfaces",
    "wire": _VALUES,
    "store": _SEAMS,
    "config": _VALUES,
    # see, ask, know, decide
    "registry": f"{_VALUES} events interfaces",
    "discovery": f"{_VALUES} interfaces wire",
    "inspection": f"{_VALUES} interfaces seams wire",
    "detector": f"{_SEAMS} registry",
    # tell
    "outputs": f"{_SEAMS} wire",
    "mqtt": f"{_SEAMS} store wire",
    "web": _SEAMS,
    "operations": f"{_GROUND} {_KNOW} outputs mqtt",
    # join and show
    "plugins": f"{_GROUND} {_KNOW} {_TELL} operations",
    "service": f"{_GROUND} {_KNOW} {_TELL} operations plugins",
    "testing": f"{_SEAMS} wire mqtt discovery outputs",
    "cli": f"{_SEAMS} service operations testing config store",
}

#: Rooms and files that decide and never act: nothing of the standard library's WORLD, of Twisted only Deferred.
PURE = (
    "errors.py", "events.py", "interfaces.py", "seams.py", "bus.py", "model/*", "wire/*", "registry/*",
    "mqtt/connection/*", "mqtt/outbox/*", "mqtt/seams.py",
    "outputs/*.py", "outputs/*/document.py", "outputs/homeassistant/output.py", "outputs/homeassistant/payloads.py",
    "outputs/frigate/merging.py", "outputs/frigate/refusals.py", "outputs/frigate/versions.py",
    "outputs/sync/merging.py", "outputs/sync/seams.py", "outputs/sync/yaml_block.py",
    "outputs/notices/conditions.py", "outputs/notices/grouping.py", "outputs/notices/mailbox.py",
    "outputs/notices/quiet_hours.py", "outputs/notices/rules.py", "outputs/notices/saved.py",
    "outputs/notices/wording.py",
    "detector/schedule.py", "detector/session_cache.py", "operations/diagnosis.py",
    "operations/nodes/charges.py", "operations/nodes/election.py", "operations/nodes/fleet.py",
    "operations/nodes/handover/described.py", "operations/nodes/link.py",
    "operations/nodes/others.py", "operations/nodes/sites.py", "operations/nodes/timing.py",
    "operations/nodes/values.py",
    "inspection/logins/history.py", "inspection/logins/realms.py", "inspection/logins/window_clock.py",
)  # fmt: skip
#: What they are although a pattern above says otherwise, each with the reason.
NOT_PURE = {
    "outputs/dispatcher.py": "it logs",
    "outputs/event_log.py": "it is a log",
    "outputs/sync_service.py": "a service with timers",
    "wire/http/body.py": "a Twisted Protocol that reads a response off its transport",
    "wire/http/any_certificate.py": "the TLS options of peers that are never verified",
}
#: Pure files know these names from outside the standard library, and what stands below them.
PURE_OUTSIDE = {
    "zope.interface", "twisted.internet.defer", "twisted.internet.interfaces", "twisted.application.service",
    "automat", "txaio.tx", "lxml",
}  # fmt: skip

#: The parts of the standard library that touch the world.
WORLD = {
    "asyncio", "ftplib", "http", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select",
    "selectors", "shutil", "signal", "smtplib", "socket", "socketserver", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib.request",
}  # fmt: skip

#: Names from outside the standard library → where they may be imported (patterns below the package).
OUTSIDE: dict[str, tuple[str, ...]] = {
    "zope.interface": ("*",),
    "twisted": ("*",),
    "txaio": ("*",),
    "automat": ("mqtt/connection/*", "registry/*", "detector/*"),
    "lxml": ("wire/soap/*", "wire/onvif/*", "wire/lan/*"),
    "werkzeug": ("web/*",),
    "OpenSSL": ("wire/http/any_certificate.py",),
    "cryptography": ("wire/http/any_certificate.py",),
    "treq": ("outputs/sync/http.py",),
    "paho": ("mqtt/network/paho_session.py",),
    "amqtt": ("mqtt/broker/*",),
    "av": ("inspection/pictures/decoder_child.py",),
    "netaddr": ("inspection/oui.py",),
    "prometheus_client": ("operations/prometheus.py",),
    "ruamel.yaml": ("outputs/sync/*",),
    "rich": ("cli/*",),
    "tomlkit": ("operations/decisions/editing.py",),
}

ROOTS = {"camdetect.tac", "twisted/plugins/camdetect_plugin.py", f"{PACKAGE}/cli/main.py"}
NOWHERE: set[str] = set()

#: name → the only files that may import or use it (patterns).
ONLY_IN: dict[str, set[str]] = {
    "twisted.internet.reactor": ROOTS,
    "os.environ": ROOTS,
    "os.environb": ROOTS,
    "os.getenv": ROOTS,
    "time.time": NOWHERE,
    "time.sleep": NOWHERE,
    "datetime.datetime.now": NOWHERE,
    "datetime.datetime.utcnow": NOWHERE,
    "datetime.datetime.today": NOWHERE,
    "datetime.date.today": NOWHERE,
    "threading": {
        f"{PACKAGE}/mqtt/network/thread.py",  # a pool of daemon threads: the factory is threading's
        f"{PACKAGE}/service/extensions/stalls.py",  # whoever blocks the reactor is seen from another thread only
    },
    "twisted.internet.defer.inlineCallbacks": NOWHERE,
    "txaio.make_logger": NOWHERE,
    "unittest.mock": NOWHERE,
    "sqlite3": {f"{PACKAGE}/store/*.py"},
}

LOG_LEVELS = {"trace", "debug", "info", "warn", "error", "critical", "failure"}


def room_of(module: str) -> str:
    """The room, or the loose file, of a dotted module below the package; "" for the package's own ``__init__``."""
    return module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]


def is_pure(path: str) -> bool:
    """Whether the module at ``path`` (below the package) decides and never acts."""
    if path in NOT_PURE:
        return False
    return any(fnmatchcase(path, one) and (one.count("/") == path.count("/") or one.endswith("/*")) for one in PURE)


def below(name: str, roots: set[str]) -> bool:
    """Whether ``name`` is one of ``roots`` or stands below one."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in roots for count in range(1, len(parts) + 1))


def module_name(path: str) -> str:
    """``twisted_detector/wire/soap.py`` → ``twisted_detector.wire.soap``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[tuple[int, str, str, str]]:
    """(line, dotted name, local name, what that is bound to) of every import, wherever it stands in the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]  # ``import a.b`` binds ``a``; ``import a.b as c`` binds ``a.b``
                yield node.lineno, alias.name, alias.asname or top, alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            parent = module.split(".")
            base = parent[: len(parent) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{origin}.{alias.name}"
                yield node.lineno, name, alias.asname or alias.name, name


def uses(tree: ast.AST, local_names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every attribute that is reached through an imported name."""
    for node in ast.walk(tree):
        names: list[str] = []
        reached: ast.AST = node
        while isinstance(reached, ast.Attribute):
            names.append(reached.attr)
            reached = reached.value
        if names and isinstance(reached, ast.Name) and reached.id in local_names:
            yield reached.lineno, ".".join([local_names[reached.id], *reversed(names)])


def import_faults(path: str, origin: str) -> Iterator[str]:
    """What is wrong with ``path`` importing ``origin``, by the tables above."""
    if not path.startswith(f"{PACKAGE}/"):
        return
    inner, room = path.removeprefix(f"{PACKAGE}/"), room_of(module_name(path))
    if below(origin, {PACKAGE}):
        other = room_of(origin)
        if other.startswith("__") or other == room:
            return
        if other not in ROOMS:
            yield f"imports {origin}, which has no place in ROOMS"
        elif room and other not in ROOMS[room].split():
            yield f"{room} imports {origin} of {other}"
    elif below(origin, STANDARD_LIBRARY):
        if is_pure(inner) and below(origin, WORLD):
            yield f"{inner} is pure and imports {origin}, which touches the world"
    else:
        places = next((where for name, where in OUTSIDE.items() if below(origin, {name})), ())
        if not any(fnmatchcase(inner, where) for where in places):
            yield f"imports {origin} from outside"
        elif is_pure(inner) and not below(origin, PURE_OUTSIDE):
            yield f"{inner} is pure and imports {origin}"


def faults(path: str, source: str) -> list[str]:
    """All that the module at ``path`` (relative to the repository) does against the rules."""
    if path.startswith(f"{PACKAGE}/"):
        room = room_of(module_name(path))
        if room and room not in ROOMS:
            return [f"{path}: has no place in ROOMS"]
    tree = ast.parse(source, path)
    found: list[str] = []
    local_names: dict[str, str] = {}
    named: list[tuple[int, str]] = []
    for line, origin, local, bound in imports(tree, module_name(path), is_package=path.endswith("/__init__.py")):
        local_names[local] = bound
        named.append((line, origin))
        found += [f"{path}:{line}: {fault}" for fault in import_faults(path, origin)]
    named += uses(tree, local_names)
    for line, name in named:
        for banned, files in ONLY_IN.items():
            if below(name, {banned}) and not any(fnmatchcase(path, pattern) for pattern in files):
                found.append(f"{path}:{line}: {banned} is not for this file")
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LOG_LEVELS
            and isinstance(node.func.value, ast.Attribute | ast.Name)
            and getattr(node.func.value, "attr", getattr(node.func.value, "id", "")) in {"log", "_log"}
            and any(isinstance(argument, ast.JoinedStr) for argument in node.args)
        ):
            found.append(f"{path}:{node.lineno}: an f-string in a log call; use fields")
    lines = source.count("\n")
    if lines > MAX_LINES:
        found.append(f"{path}: {lines} lines; a module has at most {MAX_LINES}")
    return sorted(set(found))


def modules() -> list[str]:
    """Every module that the rules are for, relative to the repository."""
    paths = [*(ROOT / PACKAGE).rglob("*.py"), *(ROOT / "plugins").glob("*.py"), *(ROOT / "twisted").rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*paths, ROOT / "camdetect.tac"])


def cycles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The groups of more than one node that reach each other (Tarjan's strongly connected components)."""
    graph: Mapping[str, set[str]] = defaultdict(set)
    for one, other in edges:
        graph[one].add(other)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def file_edges(sources: Mapping[str, str]) -> set[tuple[str, str]]:
    """(importer, imported) for every import of ours between two of the files; paths are relative to the repository."""
    by_module = {module_name(path): path for path in sources}
    edges = set()
    for path, source in sources.items():
        tree = ast.parse(source, path)
        for _, origin, *_ in imports(tree, module_name(path), is_package=path.endswith("/__init__.py")):
            other = by_module.get(origin) or by_module.get(origin.rpartition(".")[0])
            if other is not None and other != path:
                edges.add((path, other))
    return edges


def folded(edges: Iterable[tuple[str, str]], depth: int) -> set[tuple[str, str]]:
    """The same edges between folders: the first ``depth`` names of each path below the package."""

    def short(path: str) -> str:
        return "/".join(path.removesuffix(".py").split("/")[: depth + 1])

    return {(short(one), short(other)) for one, other in edges if short(one) != short(other)}


def all_cycles(sources: Mapping[str, str]) -> list[list[str]]:
    """Cycles between rooms, between the parts of a room, and between files. A package's door may import its own parts,
    and a part is not held to import its own package's door.
    """
    edges = {
        (one, other)
        for one, other in file_edges(sources)
        if not (PurePosixPath(other).name == "__init__.py" and one.startswith(f"{PurePosixPath(other).parent}/"))
        and not (PurePosixPath(one).name == "__init__.py" and other.startswith(f"{PurePosixPath(one).parent}/"))
    }
    return [group for level in (folded(edges, 1), folded(edges, 2), edges) for group in cycles(level)]


def sources() -> dict[str, str]:
    """Every module of the package with its text."""
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in modules() if path.startswith(f"{PACKAGE}/")}


#: A name of a rule, the module it would stand in, and a source that breaks it.
BAD = (
    (
        "values import nothing of ours",
        "model/devices.py",
        "from twisted_detector.interfaces import IOutput",
        "of int",
    ),
    ("values import nothing from outside", "events.py", "import attrs", "from outside"),
    ("wire knows no seams", "wire/soap/xml.py", "from twisted_detector.interfaces import IOutput", "of interfaces"),
    ("wire does no I/O", "wire/soap/xml.py", "import socket", "touches the world"),
    ("relative imports count", "wire/soap/xml.py", "from ...registry import registry", "of registry"),
    ("packages' relative imports count", "wire/__init__.py", "from ..registry import registry", "of registry"),
    ("the registry does not store", "registry/device.py", "import twisted_detector.store.store", "of store"),
    ("the outbox has no clock", "mqtt/outbox/queue.py", "from time import monotonic", "touches the world"),
    ("the bus has of Twisted only Deferred", "bus.py", "from twisted.internet import task", "is pure and imports"),
    ("an import within a function counts", "bus.py", "def f():\n    import twisted_detector.mqtt.client", "of mqtt"),
    ("discovery does not ask", "discovery/a.py", "from twisted_detector.inspection import b", "of inspection"),
    ("the detector knows no disk", "detector/visit.py", "from twisted_detector import store", "of store"),
    ("a module must have a place", "kitchen.py", "import re", "no place in ROOMS"),
    ("the reactor is for the roots", "service/daemon.py", "from twisted.internet import reactor", "reactor is not for"),
    ("the environment is for the roots", "config/load.py", "import os\nx = os.environ['A']", "os.environ is not for"),
    ("under another name too", "config/load.py", "import os as o\nx = o.environ['A']", "os.environ is not for"),
    ("and taken out of its module", "config/load.py", "from os import getenv", "os.getenv is not for"),
    ("the clock comes as an argument", "mqtt/client.py", "import time\nx = time.time()", "time.time is not for"),
    ("dates too", "web/api.py", "from datetime import datetime\nx = datetime.now()", "datetime.now is not for"),
    ("through the module too", "web/api.py", "import datetime\nx = datetime.datetime.now()", "now is not for"),
    ("no threads of our own", "store/store.py", "import threading", "threading is not for"),
    ("paho has one home", "mqtt/client.py", "import paho.mqtt.client as c", "from outside"),
    ("SQLite is for the store", "web/api.py", "import sqlite3", "sqlite3 is not for"),
    (
        "no inlineCallbacks",
        "store/store.py",
        "from twisted.internet.defer import inlineCallbacks",
        "inlineCallbacks",
    ),
    ("no f-strings in log calls", "mqtt/client.py", "self.log.warn(f'gone: {x}')", "f-string in a log call"),
    ("modules stay short", "mqtt/client.py", "x = 1\n" * 401, "at most 400"),
)

#: What looks like a breach and is none.
GOOD = (
    ("values import values", "model/devices.py", "from twisted_detector.errors import RemoteError"),
    ("discovery uses wire", "discovery/ssdp.py", "from twisted_detector.wire.lan import wsdiscovery"),
    ("a room uses itself", "inspection/onvif/session.py", "from twisted_detector.inspection.rtsp.catalog import paths"),
    ("the session has paho", "mqtt/network/paho_session.py", "import paho.mqtt.client as paho"),
    ("the version is for all", "outputs/topics.py", "from twisted_detector import __version__"),
    ("a function of ours may be called time", "mqtt/outbox/outbox.py", "self.time.time()"),
    (
        "joining imports everything",
        "service/daemon.py",
        "from twisted_detector import store, detector, mqtt, plugins",
    ),
    ("400 lines are allowed", "mqtt/client.py", "x = 1\n" * 400),
)


class Rooms(SynchronousTestCase):
    """Imports go only where the table allows, and what comes in at the root is taken from nowhere else."""

    def test_every_module_keeps_the_table(self) -> None:
        """No module imports a room or a library that the table does not give it, or is too long."""
        found = [fault for path in modules() for fault in faults(path, (ROOT / path).read_text(encoding="utf-8"))]
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_breaches_are_seen(self) -> None:
        """Each kind of breach is found, and found as what it is."""
        for rule, path, source, expected in BAD:
            with self.subTest(rule):
                found = faults(f"{PACKAGE}/{path}", source)
                self.assertTrue(any(expected in fault for fault in found), f"{rule}: {found}")

    def test_nothing_else_is(self) -> None:
        """What is allowed is not called a breach."""
        for rule, path, source in GOOD:
            with self.subTest(rule):
                self.assertEqual([], faults(f"{PACKAGE}/{path}", source), rule)

    def test_roots_may(self) -> None:
        """The reactor and the environment may be taken by the roots."""
        for path in sorted(ROOTS):
            self.assertEqual([], faults(path, "import os\nfrom twisted.internet import reactor\nx = os.environ"))

    def test_no_cycles(self) -> None:
        """Neither rooms, nor the parts of a room, nor files import each other in a circle."""
        self.assertEqual([], all_cycles(sources()))

    def test_cycles_are_seen(self) -> None:
        """A circle of two rooms, of two parts of one room, and of two files is found."""
        for one, other in (("a/x", "b/y"), ("a/p/x", "a/q/y"), ("a/x", "a/y")):
            names = [f"{PACKAGE}.{path.replace('/', '.')}" for path in (one, other)]
            circle = {f"{PACKAGE}/{one}.py": f"import {names[1]}", f"{PACKAGE}/{other}.py": f"import {names[0]}"}
            self.assertTrue(all_cycles(circle), (one, other))

    def test_folders_stay_small(self) -> None:
        """Sixteen rooms, six loose files, at most twenty modules in one folder, none of a family of prefixes."""
        inner = [path.removeprefix(f"{PACKAGE}/") for path in sources()]
        loose = sorted(path for path in inner if "/" not in path)
        self.assertEqual(
            ["__init__.py", "bus.py", "errors.py", "events.py", "interfaces.py", "seams.py"], loose, "loose files"
        )
        self.assertEqual(16, len({path.split("/")[0] for path in inner if "/" in path}))
        folders = Counter(str(PurePosixPath(path).parent) for path in inner if not path.endswith("__init__.py"))
        self.assertEqual([], [name for name, count in folders.items() if count > MAX_MODULES])

    def test_drivers_have_one_home(self) -> None:
        """At most one module imports paho, and at most one SQLite."""
        for driver in ("paho", "sqlite3"):
            having = []
            for path in modules():
                tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
                if any(below(origin, {driver}) for _, origin, *_ in imports(tree, module_name(path), is_package=False)):
                    having.append(path)
            self.assertLessEqual(len(having), 1, having)

    def test_the_tree_is_there(self) -> None:
        """The table is tried on the whole package, not on an empty list."""
        self.assertIn(f"{PACKAGE}/model/devices.py", modules())
        self.assertIn(f"{PACKAGE}/wire/soap/xml.py", modules())
