"""A small file: whole or not at all, and for this user only."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.store.small_file import write_small_file


class SmallFileTests(SynchronousTestCase):
    def test_made_and_replaced(self) -> None:
        """Its folder is made with it, others may read neither; a second text takes the place of the first."""
        path = Path(self.mktemp()) / "folder" / "file"
        for text in ("one\n", "zwölf\n"):
            write_small_file(path, text)
            self.assertEqual(text, path.read_text("utf-8"))
        self.assertEqual((0o600, 0o700), (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777))
        self.assertEqual([path], list(path.parent.iterdir()))

    def test_no_link_is_followed(self) -> None:
        """What a link at its place, or at that of the new one, leads to stays as it is."""
        folder = Path(self.mktemp())
        folder.mkdir()
        other = folder / "other"
        other.write_text("theirs")
        for name in ("file", ".file.new"):
            (folder / name).symlink_to("other")
        write_small_file(folder / "file", "ours")
        self.assertEqual(("theirs", "ours"), (other.read_text(), (folder / "file").read_text()))
