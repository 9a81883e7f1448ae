"""Tests of the maker of releases: what makes two runs equal, and what must not be in a release."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import tarfile
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

_SPEC = importlib.util.spec_from_file_location(
    "release", Path(__file__).resolve().parent.parent / "packaging" / "release.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
release = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(release)


class ReleaseTests(SynchronousTestCase):
    """``packaging/release.py``; ``make release`` runs all of it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def source_archive(self, name: str, *, mtime: int, mode: int, files: list[str]) -> Path:
        path = self.folder / name
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for file in files:
                member = tarfile.TarInfo(f"camdetect-1/{file}")
                member.size, member.mtime, member.mode, member.uname = len(file), mtime, mode, name
                tar.addfile(member, io.BytesIO(file.encode()))
        path.write_bytes(gzip.compress(raw.getvalue(), mtime=mtime))
        return path

    def test_two_machines(self) -> None:
        """Two archives that differ in times, owners, modes and order are one after packing; what is in them stays."""
        one = self.source_archive("one", mtime=5, mode=0o600, files=["a", "b/c"])
        two = self.source_archive("two", mtime=900, mode=0o664, files=["b/c", "a"])
        self.assertNotEqual(one.read_bytes(), two.read_bytes())
        for path in (one, two):
            release.repack(path, 1_700_000_000)
        self.assertEqual(one.read_bytes(), two.read_bytes())
        with tarfile.open(one) as tar:
            self.assertEqual(["camdetect-1/a", "camdetect-1/b/c"], tar.getnames())
            self.assertEqual({1_700_000_000}, {member.mtime for member in tar})

    def test_what_must_not_be_in_it(self) -> None:
        """A database, a secret or a cache in either archive, or a missing page, is told by name."""
        wheel = self.folder / "w.whl"
        with zipfile.ZipFile(wheel, "w") as made:
            made.writestr("twisted_detector/__init__.py", "")
            made.writestr("twisted_detector/__pycache__/x.pyc", "")
        wanted = ["pyproject.toml", "README.md", "LICENSE", "twisted_detector/__init__.py"]
        sdist = self.source_archive("s", mtime=1, mode=0o600, files=[*wanted, "state.db", "secrets/logins"])
        found = " ".join(release.problems(wheel, sdist))
        for part in ("has no page", "__pycache__/x.pyc must", "state.db must", "secrets/logins must"):
            self.assertIn(part, found)
        self.assertNotIn("has no README", found)

    def test_licences(self) -> None:
        """The licence is taken from expression, id or name; one that is unknown or does not fit stops it."""
        document = json.dumps(
            {
                "components": [
                    {"name": "a", "version": "1", "licenses": [{"expression": "MIT OR Apache-2.0"}]},
                    {"name": "b", "version": "2", "licenses": [{"license": {"id": "BSD-3-Clause"}}]},
                    {"name": "c", "version": "3", "licenses": [{"license": {"name": "GPL-3.0-only"}}]},
                    {"name": "d", "version": "4"},
                ]
            }
        ).encode()
        found = release.licences_of(document)
        self.assertEqual(["c 3: GPL-3.0-only", "d 4: unknown"], release.unfit(found))
        self.assertEqual("MIT OR Apache-2.0", found["a 1"])
