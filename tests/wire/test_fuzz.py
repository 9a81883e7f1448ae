"""The table of fuzz targets in the fast suite: a few hundred inputs of hypothesis for each parser.

The parsers' own tests cut and change their tables; here every parser gets the same treatment, so none is forgotten.
"""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import targets
from tests.fuzz.targets import TARGETS, Target, passes, seed_files
from twisted_detector import wire
from twisted_detector.wire.vendors.catalog import PROTOCOLS


def damaged(seeds: tuple[bytes, ...], chance: Random) -> bytes:
    """One of the seeds with pieces of it cut out, doubled, moved or overwritten; one in eight is noise.

    By a generator of its own: drawing each choice from hypothesis costs a hundred times as much as the parsers do.
    """
    if chance.random() < 0.125:
        return chance.randbytes(chance.randrange(120))
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(5)):
        begin, length = chance.randrange(len(data) + 1), chance.randrange(24)
        piece = chance.choice((chance.randbytes(length), bytes(data[begin : begin + length]), b"\xff" * length, b""))
        at = chance.randrange(len(data) + 1)
        data[at : at + chance.choice((0, len(piece), length))] = piece
    return bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.25 else data)


class Targets(SynchronousTestCase):
    """What ``make fuzz`` runs for minutes."""

    def test_seeds_are_read(self) -> None:
        """Each target reads at least one of its own seeds, so that fuzzing begins behind the first check."""
        for name, target in TARGETS.items():
            self.assertTrue(any(passes(target, data) for data in target.seeds), name)

    def test_no_parser_is_forgotten(self) -> None:
        """Every module of ``wire`` that reads bytes is imported by the table, or by what the table drives."""
        root = Path(wire.__file__).parent
        written = {".".join(path.relative_to(root).with_suffix("").parts) for path in root.rglob("*.py")}
        tree = ast.parse(Path(targets.__file__).read_text("utf-8"))
        driven = {
            f"{node.module}.{alias.name}".removeprefix("twisted_detector.wire.")
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        imported = {name for name in written if any(f"{one}.".startswith(f"{name}.") for one in driven)}
        behind = {
            "http.encoding", "http.framing", "http.head", "http.lockout", "onvif.requests", "rtp.bits", "rtp.jpeg",
            "rtp.sps", "rtsp.headers", "rtsp.messages", "rtsp.url",
        }  # fmt: skip
        behind |= {"eyes.topics", "http.any_certificate", "http.body", "vendors.protocol"}  # they read nothing
        behind |= {"vendors.fields", *(type(one).__module__.removeprefix(f"{wire.__name__}.") for one in PROTOCOLS)}
        doors = {name for name in written if name.endswith("__init__")}
        self.assertEqual(sorted(written - doors - behind - imported), [])

    def test_seed_files(self) -> None:
        """The runner finds the seeds as files, each as it stands in the table."""
        folder = Path(self.mktemp())
        folder.mkdir()
        target = Target(bytes, (b"a", b"\0"))
        self.assertEqual(seed_files(target, folder), 2)
        self.assertEqual([path.read_bytes() for path in sorted(folder.iterdir())], [b"a", b"\0"])

    def test_what_is_no_finding(self) -> None:
        """A refusal is none; any other exception comes out."""
        self.assertFalse(passes(TARGETS["rtp"], b""))
        self.assertRaises(ZeroDivisionError, passes, Target(lambda data: 1 // len(data), ()), b"")


def _driven(name: str, target: Target):  # type: ignore[no-untyped-def]
    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 2**64 - 1))
    def test(self: SynchronousTestCase, number: int) -> None:
        chance = Random(number)
        for _ in range(4):
            passes(target, damaged(target.seeds, chance))

    test.__doc__ = f"Whatever the bytes, {name} reads or refuses them."
    return test


for _name, _target in TARGETS.items():
    setattr(Targets, f"test_{_name}", _driven(_name, _target))
