"""The kernel's room for neighbours is raised for who needs it, and put back by the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lan.neighbour_bounds import FEW, NeighbourBounds


class Kernel:
    """Three files as those of the kernel, and the ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dead: set[int] = set()
        for name, value in (("gc_thresh1", 128), ("gc_thresh2", 512), ("gc_thresh3", 1024)):
            (folder / name).write_text(f"{value}\n")

    def bed(self) -> NeighbourBounds:
        return NeighbourBounds(self.folder, self.folder / "ledger", alive=lambda pid: pid not in self.dead)

    @property
    def bounds(self) -> tuple[int, ...]:
        return tuple(int((self.folder / f"gc_thresh{n}").read_text()) for n in (1, 2, 3))


OWN = (128, 512, 1024)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_small_bed_changes_nothing(kernel: Kernel) -> None:
    bed = kernel.bed()
    bed.expect(FEW)
    assert kernel.bounds == OWN
    bed.put_back()
    assert kernel.bounds == OWN


def test_a_large_bed_has_room_and_puts_it_back(kernel: Kernel) -> None:
    """What two farms of one bed need is one sum."""
    bed = kernel.bed()
    bed.expect(300)
    bed.expect(700)
    assert kernel.bounds == (1000, 2000, 4000)
    bed.put_back()
    assert kernel.bounds == OWN


def test_two_beds_at_one_time(kernel: Kernel) -> None:
    """Both fit into the one table; who ends first leaves the other his room, in either order."""
    for first_ends_first in (True, False):
        first, second = kernel.bed(), kernel.bed()
        first.expect(1000)
        second.expect(2000)
        assert kernel.bounds == (3000, 6000, 12_000)
        ending, staying, left = (first, second, 2000) if first_ends_first else (second, first, 1000)
        ending.put_back()
        assert kernel.bounds == (left, 2 * left, 4 * left)
        staying.put_back()
        assert kernel.bounds == OWN


def test_what_a_killed_run_left_is_put_back_by_the_next(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed:
        killed.setattr("tests.lan.neighbour_bounds.os.getpid", lambda: 4711)
        kernel.bed().expect(5000)
    kernel.dead.add(4711)
    bed = kernel.bed()
    bed.expect(600)
    assert kernel.bounds == (600, 1200, 2400)
    bed.put_back()
    assert kernel.bounds == OWN


def test_bounds_that_are_larger_already_stay(kernel: Kernel) -> None:
    (kernel.folder / "gc_thresh3").write_text("65536\n")
    bed = kernel.bed()
    bed.expect(1000)
    assert kernel.bounds == (1000, 2000, 65_536)
    bed.put_back()
    assert kernel.bounds == (128, 512, 65_536)
