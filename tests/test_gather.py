"""Tests of what puts the container's image together; ``tests/containers/test_image.py`` looks at the image itself."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.processes import ROOT

_SPEC = importlib.util.spec_from_file_location("gather", ROOT / "packaging" / "container" / "gather.py")
assert _SPEC is not None
assert _SPEC.loader is not None
gather = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(gather)


class GatherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        (self.folder / "real" / "inner").mkdir(parents=True)
        (self.folder / "real" / "inner" / "file").write_text("x")

    def test_links(self) -> None:
        """A link comes with what it points at, by a name without links in its folders, and once."""
        (self.folder / "linked").symlink_to("real")
        (self.folder / "real" / "alias").symlink_to("inner/file")
        found = [str(path.relative_to(self.folder)) for path in gather.found(self.folder / "linked" / "alias")]
        self.assertEqual(["real/alias", "real/inner/file"], found)
        found = [str(path.relative_to(self.folder)) for path in gather.found(self.folder / "linked")]
        self.assertEqual("linked", found[0])
        self.assertEqual({"real", "real/alias", "real/inner", "real/inner/file"}, set(found[1:]))

    def test_copies(self) -> None:
        """Modes come along, and the folders in between are those of the original."""
        (self.folder / "real").chmod(0o750)
        (self.folder / "real" / "inner" / "file").chmod(0o640)
        root = self.folder / "root"
        root.mkdir()
        gather.copy(self.folder / "real" / "inner" / "file", root)
        copied = root / (self.folder / "real").relative_to("/")
        self.assertEqual(0o750, copied.stat().st_mode & 0o777)
        self.assertEqual(0o640, (copied / "inner" / "file").stat().st_mode & 0o777)
        self.assertEqual(os.geteuid(), copied.stat().st_uid)

    def test_left_out(self) -> None:
        """What nobody runs in a container stays behind, and nothing that sounds like it."""
        python = "/usr/lib/python3.13/"
        for name in (
            "test",
            "test/support",
            "ensurepip/_bundled/pip.whl",
            "turtle.py",
            "lib-dynload/_dbm.cpython-313.so",
        ):
            self.assertTrue(gather.LEFT_OUT.match(python + name), name)
        for name in ("unittest/case.py", "testing.py", "lib-dynload/_ssl.cpython-313.so", "sqlite3/__init__.py"):
            self.assertFalse(gather.LEFT_OUT.match(python + name), name)
        self.assertFalse(gather.LEFT_OUT.match("/opt/camdetect/lib/python3.13/site-packages/x/test"))
