"""Every module goes in as source text; what it imports or names against the ring rule (docs/architecture.md) comes out.

A new module needs a place in ROOMS before it passes: choose its ring first, then write it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "twisted_detector"
MAX_LINES = 350
STANDARD_LIBRARY = set(sys.stdlib_module_names)

#: ring → room → modules (patterns of the first name below the package).
ROOMS: dict[int, dict[str, str]] = {
    0: {"values": "model secret records events errors documents addressing delivery picture reasons"},
    1: {"wire": "wire"},
    2: {"seams": "interfaces budgeting looking picturing following"},
    3: {
        "knowledge": "identity identity_* kinship recognition whereabouts lifecycle registry device cameras channels"
        " connection connection_machine backoff backlog journal outbox outbox_* quarantine receipt retained bus outputs"
        " schedule casebook diagnosis standing frozen album"
    },
    4: {
        "discovery": "discovery",
        "inspection": "inspection",
        "neighbours": "neighbours neighbours_* networks",
        "mqtt": "mqtt mqtt_*",
        "store": "store store_* keeper",
        "speaker": "speaker narrator",
        "broker": "broker broker_*",
        "web": "web",
        "followers": "followers",
        "announcer": "announcer",
        "metrics": "metrics",
        "supervisor": "supervisor",
        "health": "health resources",
        "control": "control",
    },
    5: {
        "detector": "detector examiner visit workqueue commands sweeper refinder newcomers photographer spending"
        " rollcall doorstep guestbook settling",
    },
    6: {
        "joining": "config config_* plugins plugin_loader service service_* report mqtt_service steady"
        " collector testing simulator cli cli_* why doctor doctor_* desk exporting scanning"
    },
}

#: ring → rings that it may import; its own ring only where it is named. Hands (4) may use their own room only.
MAY_IMPORT: dict[int, set[int]] = {
    0: {0},
    1: {0, 1},
    2: {0, 2},
    3: {0, 2, 3},
    4: {0, 1, 2},
    5: {0, 2, 3, 5},
    6: {0, 1, 2, 3, 4, 5, 6},
}

#: room → rooms of its own ring that it may import although it is a hand, each with the reason.
DECLARED: dict[str, set[str]] = {}

#: ring → names from outside the standard library that it may import (with everything below them).
OUTSIDE: dict[int, set[str]] = {
    0: set(),
    1: {"lxml"},
    2: {"zope.interface", "twisted.internet.defer", "twisted.internet.interfaces", "twisted.application.service"},
    3: {"zope.interface", "twisted.internet.defer", "automat", "txaio.tx"},
    4: {
        "zope.interface",
        "twisted",
        "automat",
        "txaio.tx",
        "lxml",
        "klein",
        "werkzeug",
        "OpenSSL",
        "paho",
        "amqtt",
        "av",
        "netaddr",
        "prometheus_client",
        "ruamel.yaml",
    },
    5: {"zope.interface", "twisted", "automat", "txaio.tx"},
    6: {
        "zope.interface",
        "twisted",
        "automat",
        "txaio",
        "lxml",
        "klein",
        "werkzeug",
        "OpenSSL",
        "prometheus_client",
        "rich",
    },
}

#: The parts of the standard library that touch the world: nothing of them where decisions are made (rings 0 to 3).
WORLD = {
    "asyncio", "ftplib", "http", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select",
    "selectors", "shutil", "signal", "smtplib", "socket", "socketserver", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib.request",
}  # fmt: skip

ROOTS = {"camdetect.tac", "twisted/plugins/camdetect_plugin.py", f"{PACKAGE}/cli.py"}
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
    "threading": {f"{PACKAGE}/mqtt_pool.py"},  # a pool of daemon threads: the factory is threading's
    "twisted.internet.defer.inlineCallbacks": NOWHERE,
    "txaio.make_logger": NOWHERE,
    "unittest.mock": NOWHERE,
    "paho": {f"{PACKAGE}/mqtt*.py"},
    "sqlite3": {f"{PACKAGE}/store*.py"},
}

LOG_LEVELS = {"trace", "debug", "info", "warn", "error", "critical", "failure"}


def place(module: str) -> tuple[int, str]:
    """The ring and the room of a module of the package; the package's own ``__init__`` belongs to the values."""
    names = module.split(".")
    if len(names) == 1:
        return 0, "values"
    places = [
        ("*" in pattern, ring, room)  # a full name wins over a pattern
        for ring, rooms in ROOMS.items()
        for room, patterns in rooms.items()
        for pattern in patterns.split()
        if fnmatchcase(names[1], pattern)
    ]
    if not places:
        raise KeyError(module)
    return min(places)[1:]


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
    module = module_name(path)
    ring, room = place(module)
    if below(origin, {PACKAGE}):
        names = origin.split(".")
        if len(names) == 2 and names[1].startswith("__"):
            return
        try:
            other_ring, other_room = place(origin)
        except KeyError:
            yield f"imports {origin}, which has no place in ROOMS"
            return
        own = other_ring == ring and (other_room == room or other_room in DECLARED.get(room, set()))
        if other_ring not in MAY_IMPORT[ring] and not own:
            yield f"ring {ring} ({room}) imports {origin} of ring {other_ring} ({other_room})"
    elif below(origin, STANDARD_LIBRARY):
        if ring <= 3 and below(origin, WORLD):
            yield f"ring {ring} ({room}) imports {origin}, which touches the world"
    elif not below(origin, OUTSIDE[ring]):
        yield f"ring {ring} ({room}) imports {origin} from outside"


def faults(path: str, source: str) -> list[str]:
    """All that the module at ``path`` (relative to the repository) does against the rules."""
    if path.startswith(f"{PACKAGE}/"):
        try:
            place(module_name(path))
        except KeyError:
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


#: A name of a rule, the module it would stand in, and a source that breaks it.
BAD = (
    ("values import nothing of ours", "model.py", "from twisted_detector.interfaces import IOutput", "of ring 2"),
    ("values import nothing from outside", "events.py", "import attrs", "from outside"),
    ("wire knows no seams", "wire/soap.py", "from twisted_detector.interfaces import IOutput", "of ring 2"),
    ("wire does no I/O", "wire/soap.py", "import socket", "touches the world"),
    ("relative imports count", "wire/soap.py", "from ..registry import Registry", "of ring 3"),
    ("packages' relative imports count", "wire/__init__.py", "from ..registry import Registry", "of ring 3"),
    ("knowledge imports no hand", "registry.py", "import twisted_detector.store", "of ring 4"),
    ("knowledge has no clock", "outbox.py", "from time import monotonic", "touches the world"),
    ("knowledge has of Twisted only Deferred", "bus.py", "from twisted.internet import task", "from outside"),
    ("an import within a function counts", "bus.py", "def f():\n    import twisted_detector.mqtt", "of ring 4"),
    ("hands do not import knowledge", "mqtt.py", "from twisted_detector.outbox import Outbox", "of ring 3"),
    ("hands do not import each other", "discovery/a.py", "from twisted_detector.inspection import b", "(inspection)"),
    ("the conductor knows hands by interfaces", "detector.py", "from twisted_detector import store", "of ring 4"),
    ("a module must have a place", "kitchen.py", "import re", "no place in ROOMS"),
    ("the reactor is for the roots", "service.py", "from twisted.internet import reactor", "reactor is not for"),
    ("the environment is for the roots", "config.py", "import os\nx = os.environ['HOME']", "os.environ is not for"),
    ("under another name too", "config.py", "import os as o\nx = o.environ['HOME']", "os.environ is not for"),
    ("and taken out of its module", "config.py", "from os import getenv", "os.getenv is not for"),
    ("the clock comes as an argument", "mqtt.py", "import time\nx = time.time()", "time.time is not for"),
    ("dates too", "health.py", "from datetime import datetime\nx = datetime.now()", "datetime.now is not for"),
    ("through the module too", "health.py", "import datetime\nx = datetime.datetime.now()", "datetime.now is not for"),
    ("no threads of our own", "store.py", "import threading", "threading is not for"),
    ("paho is for mqtt", "health.py", "import paho.mqtt.client as c", "paho is not for"),
    ("SQLite is for the store", "web/api.py", "import sqlite3", "sqlite3 is not for"),
    ("no inlineCallbacks", "store.py", "from twisted.internet.defer import inlineCallbacks", "inlineCallbacks is not"),
    ("no f-strings in log calls", "mqtt.py", "self.log.warn(f'gone: {x}')", "f-string in a log call"),
    ("modules stay short", "mqtt.py", "x = 1\n" * 351, "at most 350"),
)

#: What looks like a breach and is none.
GOOD = (
    ("values import values", "model.py", "from twisted_detector.errors import RemoteError"),
    ("hands use wire", "discovery/wsdiscovery.py", "from twisted_detector.wire import wsdiscovery"),
    ("a room uses itself", "inspection/onvif.py", "from twisted_detector.inspection.catalog import paths"),
    ("mqtt has paho", "mqtt.py", "import paho.mqtt.client as paho"),
    ("the version is for all", "outputs/topics.py", "from twisted_detector import __version__"),
    ("a function of ours may be called time", "outbox.py", "self.time.time()"),
    ("joining imports everything", "service.py", "from twisted_detector import store, outbox, detector, mqtt"),
    ("350 lines are allowed", "mqtt.py", "x = 1\n" * 350),
)


class TheRingRule(SynchronousTestCase):
    """Imports point to lower rings, and what comes in at the root is taken from nowhere else."""

    def test_every_module_keeps_it(self) -> None:
        """No module imports upwards, sideways or from the world where it must not, or is too long."""
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
        """The rule is tried on the whole package, not on an empty list."""
        self.assertIn(f"{PACKAGE}/model.py", modules())
        self.assertIn(f"{PACKAGE}/wire/soap.py", modules())
