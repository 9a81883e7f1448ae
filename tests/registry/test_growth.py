"""What one event costs does not grow with the fleet: the lines of code that it takes are counted, not the time."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import PLAYS, inspection, sighting, stream
from twisted_detector.model import Mac
from twisted_detector.registry.registry import Registry

FEW, MANY = 10, 1000


def count_lines(event: Callable[[Registry], Any], registry: Registry) -> Counter[str]:
    """The lines of this program that an event takes, by function."""
    lines: Counter[str] = Counter()

    def trace(frame: FrameType, kind: str, argument: object) -> Any:
        if "twisted_detector" not in frame.f_code.co_filename:
            return None
        if kind == "line":
            lines[frame.f_code.co_qualname] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        event(registry)
    finally:
        sys.settrace(before)
    return lines


def fleet(size: int) -> Registry:
    """So many cameras that are well, as many that are no cameras, and as many forged ones that are held back."""
    registry = Registry(lambda event: None, new_cameras_per_hour=10 * MANY)
    for number in range(size):
        see(registry, address(number), mac(number), f"epr-{number}", answers=True)
        see(registry, f"10.9.{number // 250}.{1 + number % 250}", mac(MANY + number), "")
    for number in range(size):
        see(registry, f"10.8.{number // 250}.{1 + number % 250}", None, f"epr-{number}", answers=True)
    return registry


def address(number: int) -> str:
    return f"10.{number // 250}.0.{1 + number % 250}"


def mac(number: int) -> Mac:
    return Mac.parse(f"02:00:00:00:{number // 256:02x}:{number % 256:02x}")


def see(registry: Registry, at: str, over: Mac | None, reference: str, *, answers: bool = False) -> None:
    seen = registry.record_sighting(sighting(at, over, reference), 1000.0)
    assert seen is not None
    if answers:
        registry.begin_inspection(seen.key, 1000.0)
        registry.record_inspection(seen.key, inspection(at, stream(at)), 1000.0)


def key_of(registry: Registry) -> int:
    key = registry.key_of_camera(mac(7).compact)
    assert key is not None
    return key


#: What happens to the eighth camera, or to a new one.
EVENTS: dict[str, Callable[[Registry], Any]] = {
    "seen again": lambda registry: see(registry, address(7), mac(7), "epr-7"),
    "seen elsewhere": lambda registry: see(registry, "10.7.0.1", mac(7), "epr-7"),
    "its words elsewhere": lambda registry: see(registry, "10.7.0.1", None, "epr-7"),
    "a new one": lambda registry: see(registry, "10.7.0.1", mac(5000), "epr-5000", answers=True),
    "inspected": lambda registry: registry.record_inspection(key_of(registry), inspection("10.7.0.1"), 1001.0),
    "checked": lambda registry: registry.record_check(key_of(registry), {stream("10.7.0.1").url: PLAYS}, 1001.0),
    "no answer": lambda registry: registry.record_no_answer(key_of(registry), "no answer", 1001.0),
    "a goodbye": lambda registry: registry.record_departure("10.7.0.1", 1001.0),
    "adopted": lambda registry: registry.adopt(mac(7).compact, 1001.0),
    "forgotten": lambda registry: registry.forget(mac(7).compact, 1001.0),
    "blocked": lambda registry: registry.block(mac(7).compact, 1001.0),
    "counted": lambda registry: (registry.fleet.total, registry.fleet.by_status, registry.fleet.adopted),
    "looked up": lambda registry: (registry.camera(mac(7).compact), registry.key_of(sighting(address(8), mac(8)))),
}


class GrowthTests(SynchronousTestCase):
    def test_no_event_costs_more_in_a_larger_fleet(self) -> None:
        """Each event takes as many lines in a registry of 3 000 devices as in one of 30."""
        few, many = fleet(FEW), fleet(MANY)
        for name, event in EVENTS.items():
            lines, more = count_lines(event, few), count_lines(event, many)
            self.assertEqual({}, dict(more - lines), name)
            self.assertTrue(more or name == "counted", name)
