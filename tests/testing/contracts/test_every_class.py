"""Every class of ours that provides an interface with a contract is held to it."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from tests.test_layers import sources
from tests.testing.contracts import (
    test_delivery,
    test_discovery,
    test_inspection,
    test_listeners,
    test_liveness,
    test_mqtt,
    test_neighbours,
    test_outputs,
    test_store,
)

#: The interfaces that have a contract.
INTERFACES = {
    "IDiscoverer", "IQuickSweep", "INetworkSweep", "IAddressProbe", "IFinder", "IWatcher", "INeighbours", "ILiveness",
    "IInspector",
    "IStreamValidator", "IOutput", "IEventListener", "ISyncDestination", "ISharedDestination", "IVariablesDestination",
    "IPublisher", "ISubscriber", "IOutbox", "IStateStore",
}  # fmt: skip
MODULES = (
    test_delivery, test_discovery, test_inspection, test_listeners, test_liveness, test_mqtt, test_neighbours,
    test_store,
)  # fmt: skip
#: What a stage calls that which is tested.
PARTS = (
    "discoverer", "watcher", "neighbours", "liveness", "inspector", "validator", "listener", "destination", "publisher",
    "subscriber", "outbox", "store",
)  # fmt: skip


def held(module: ModuleType) -> Iterator[str]:
    """The classes that the stages of a module have on them."""
    for name, stage in vars(module).items():
        if name.endswith("Stage") and getattr(stage, "__module__", "") == module.__name__:
            with contextlib.suppress(NotImplementedError, AttributeError):  # what other stages are derived from
                built = stage()
                yield from (type(vars(built)[part]).__name__ for part in PARTS if part in vars(built))


def providers(tree: ast.AST) -> Iterator[str]:
    """The classes that are declared to provide one of the interfaces."""
    for node in ast.walk(tree):
        for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            call = (
                decorator if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "implementer" else None
            )
            if call is not None and INTERFACES.intersection(map(ast.unparse, call.args)):
                yield node.name  # type: ignore[union-attr]


class EveryClass(SynchronousTestCase):
    def test_every_class(self) -> None:
        """No class is declared to provide such an interface without its contract."""
        found = {name for module in MODULES for name in held(module)}
        outputs = test_outputs.topics, test_outputs.home_assistant, test_outputs.by_component, test_outputs.descriptions
        found |= {type(build()).__name__ for build in outputs}
        declared = {name for text in sources().values() for name in providers(ast.parse(text))}
        self.assertGreater(len(declared), 40)
        self.assertEqual(set(), declared - found)

    def test_breaches_are_seen(self) -> None:
        """A class that is declared, in any of the ways, is seen."""
        code = "@implementer(IPlugin, IOutput)\nclass A: ...\n@implementer(IReader)\nclass B: ..."
        self.assertEqual(["A"], list(providers(ast.parse(code))))
