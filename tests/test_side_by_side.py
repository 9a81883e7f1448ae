"""Scheduler of the tests that run side by side: nothing is left out, files stay whole, and the longest begin."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.processes import ROOT
from tests.side_by_side import APART, LONG, ByFile, longest_first

SHORT = "tests/lan/test_idle.py"


class Node:
    """A process that runs tests."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.shutting_down = False
        self.gateway = SimpleNamespace(id="gw0", spec="popen")

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(collected: list[str]) -> ByFile:
    """After each of two processes has got its first tests."""
    config: Any = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True, numprocesses=2, tx=["popen"] * 2, maxprocesses=None, px=None),
        getoption=lambda *_: ["popen"] * 2,
        getvalue=lambda *_: ["popen"] * 2,
    )
    scheduler = ByFile(config)
    for node in (Node(), Node()):
        scheduler.add_node(node)  # type: ignore[arg-type]
        scheduler.add_node_collection(node, collected)  # type: ignore[arg-type]
    scheduler.schedule()
    return scheduler


class SideBySideTests(SynchronousTestCase):
    def test_there_are_such_files(self) -> None:
        """A file that was renamed would begin late, and nobody would see why; one that shares something stays whole."""
        self.assertEqual([], [file for file in LONG if not (ROOT / file).is_file()])
        self.assertEqual(len(set(LONG)), len(LONG))
        shares = re.compile(r"scope=.(module|class|session)")
        self.assertEqual([], [file for file in APART if shares.search((ROOT / file).read_text("utf-8"))])

    def test_longest_first(self) -> None:
        """The tests of a file keep their order, and so do files that are not named."""
        long, longer = LONG[-1], LONG[0]
        ids = ["a.py::one", f"{long}::two", f"{long}::one", "b.py::one", f"{longer}::one"]
        items: list[Any] = [SimpleNamespace(nodeid=one) for one in ids]
        longest_first(items)
        self.assertEqual([ids[4], ids[1], ids[2], ids[0], ids[3]], [item.nodeid for item in items])

    def test_files_stay_whole(self) -> None:
        """As they were collected, however few tests a file has; those that are taken apart go to both processes."""
        apart = [f"{APART[0]}::test_{number}" for number in range(3)]
        whole = [f"{SHORT}::test_{number}" for number in range(6)]
        scheduler = scheduled([*apart, *whole])
        given = [node.given for node in scheduler.assigned_work]  # type: ignore[attr-defined]
        self.assertEqual([0, 2], given[0][:2])
        self.assertEqual(1, given[1][0])
        self.assertEqual([False, True], [set(range(3, 9)) <= set(one) for one in given])
