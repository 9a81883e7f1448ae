"""Every reason that people can be told has a test: the rooms' texts are collected, and looked for among the tests' own.

A reason is any text of three words or more in a module that judges devices, brokers or servers, but for docstrings,
what is logged, and errors of ours. A test has it when it names the constant, or holds a fair part of the text's longest
piece without a gap. Whether the test's device is the one that causes it, only a person can see.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

HERE = Path(__file__).parent
ROOT = HERE.parent / "twisted_detector"
#: Where reasons are made.
ROOMS = (
    "detector",
    "inspection/http",
    "inspection/logins",
    "inspection/onvif",
    "inspection/pictures/decoder.py",
    "inspection/pictures/keyframe.py",
    "inspection/pictures/snapshot.py",
    "inspection/rtsp",
    "model/announced.py",
    "model/reach.py",
    "mqtt/client.py",
    "mqtt/connection",
    "mqtt/network",
    "operations/diagnosis.py",
    "outputs/frigate",
    "outputs/go2rtc",
    "outputs/notices/board.py",
    "outputs/notices/conditions.py",
    "outputs/notices/http.py",
    "outputs/notices/mail.py",
    "outputs/notices/mqtt.py",
    "outputs/notices/ntfy.py",
    "outputs/notices/telegram.py",
    "outputs/notices/way.py",
    "outputs/notices/webhook.py",
    "outputs/sync",
    "registry/adoption.py",
    "registry/camera_set.py",
    "registry/device.py",
    "registry/facts",
    "registry/freeze_detector.py",
    "registry/observations.py",
    "registry/quotas.py",
    "registry/registry.py",
)
#: Texts that are no reasons, and reasons without a test: why.
EXCEPTIONS = {
    'application/soap+xml; charset=utf-8; action="': "a header",
    "as it would be": "the head of a difference",
    "Your configuration is invalid": "a heading of Frigate's, which is left out",
    "See the official documentation at docs.frigate.video": "a heading of Frigate's, which is left out",
    "not there, or with another source": "a word for readers of the code",
    "idle, with this very source": "a word for readers of the code",
    "idle, with a source that differs by stars at most": "a word for readers of the code",
    "the system's certificates": "a name, which the test of a file that is missing has",
    "it is no YAML that is known": "a kind of node that ruamel does not make today",
    "the device closes every connection before it answers": "a bound on tries that no device is known to reach",
    "the snapshot was never answered with a picture": "a bound on requests that no device is known to reach",
    "TLS cannot begin": "OpenSSL itself refuses a host name; needs a socket",
    "no TLS within": "a broker that is silent in the handshake for five seconds; tests/faults has one that is no TLS",
    "larger than the broker allows": "told in an outbox's counters; needs a broker with a limit",
    "its answer is larger than any configuration": "needs a server over HTTP",
    "its answer broke off": "needs a server over HTTP",
}
#: Calls whose texts nobody is told as a reason: errors of ours, names of tasks, documentation of interfaces.
OURS = frozenset({"LocalError", "TypeError", "ValueError", "re.compile", "TaskGroup", "Observers", "Attribute"})
#: Of a piece so much has to stand in a test, and two words at least.
SHARE = 0.35


@dataclass(frozen=True)
class Text:
    """A text in a source, with NUL in each gap; ``name``: of the constant that holds it, or ""."""

    line: int
    text: str
    name: str = ""


def words(text: str) -> int:
    return sum(any(map(str.isalpha, word)) for word in text.split())


def texts_of(tree: ast.Module) -> Iterator[Text]:
    """Every text but docstrings."""
    nodes = list(ast.walk(tree))
    formatted = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    skipped = {id(part) for node in formatted for part in ast.walk(node)} - {id(node) for node in formatted}
    skipped |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    names = {
        id(part): target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
        for part in ast.walk(node)
    }
    for node in nodes:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
            yield Text(node.lineno, "".join(parts), names.get(id(node), ""))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(node.lineno, node.value, names.get(id(node), ""))


class _WithoutOurs(ast.NodeTransformer):
    """Removes what is logged, and what is in :data:`OURS`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = ast.unparse(node.func)
        return ast.Constant(value=None) if ".log." in name or name in OURS else self.generic_visit(node)


def reasons(source: str) -> Iterator[Text]:
    """The longest piece of each reason in a module."""
    for one in texts_of(_WithoutOurs().visit(ast.parse(source))):
        piece = max(one.text.split("\0"), key=words).strip(" ;:,.()")
        if words(piece) >= 3:
            yield Text(one.line, piece, one.name)


class Tested:
    """What the tests hold."""

    def __init__(self, sources: list[str]) -> None:
        trees = [ast.parse(source) for source in sources]
        texts = {one.text.strip(" ;:,.()") for tree in trees for one in texts_of(tree)}
        texts = {text for text in texts if " " in text}
        self._parts = {part.strip() for text in texts for part in text.split("\0") if words(part) >= 2}
        self._whole = "\n".join(texts)
        nodes = [node for tree in trees for node in ast.walk(tree)]
        self._names = {node.id for node in nodes if isinstance(node, ast.Name)}
        self._names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}

    def has(self, one: Text) -> bool:
        if one.name in self._names or one.text in self._whole:
            return True
        return any(len(part) >= SHARE * len(one.text) and part in one.text for part in self._parts)


def modules() -> Iterator[Path]:
    for room in ROOMS:
        place = ROOT / room
        yield from sorted(place.rglob("*.py")) if place.is_dir() else [place]


class ReasonTests(SynchronousTestCase):
    def test_each_has_a_test(self) -> None:
        """None is told that no test has seen."""
        own = [path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("test_*.py")) if path != Path(__file__)]
        tested = Tested(own)
        without = [
            f"{path.relative_to(ROOT)}:{one.line}: {one.text}"
            for path in modules()
            for one in reasons(path.read_text(encoding="utf-8"))
            if one.text not in EXCEPTIONS and not tested.has(one)
        ]
        self.assertEqual([], without, "\n".join(("reasons without a test:", *without)))

    def test_it_sees_them(self) -> None:
        """A new reason is found in each way in which it may be written, and its test by text, by part and by name."""
        source = '''
"""Not this docstring of a module."""
NAME = "a reason that is a constant"
def f(self, x):
    """Nor this docstring of a function."""
    self.log.info("what is logged is no reason")
    raise Unreachable(f"no reason {x} was ever given without a test", shown="two words")
'''
        found = list(reasons(source))
        self.assertEqual(["a reason that is a constant", "was ever given without a test"], [one.text for one in found])
        constant, text = found
        for tests, expected in (
            ("x = 'another text that is here'", (False, False)),
            ("assert x == NAME", (True, False)),
            ("assert 'ever given without' in x", (False, True)),
            ("assert 'reason' in x or 'ever' in x", (False, False)),
            ("assert x == f'no reason {1} was ever given without a test'", (False, True)),
        ):
            tested = Tested([tests])
            self.assertEqual(expected, (tested.has(constant), tested.has(text)), tests)
