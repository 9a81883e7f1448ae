"""Album of pictures: what is saved comes back, what is none of ours does not, and a bad disk hurts nobody."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.cameras import Picture
from twisted_detector.store import album as module
from twisted_detector.store.album import MAX_PICTURE, Album

PICTURE = Picture("020000000001", b"\xff\xd8picture", "image/jpeg", 1000.0, "snapshot")
ALL = ("020000000001", "020000000002")


class AlbumCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "pictures"
        self.folder.parent.mkdir()
        self.album = Album(self.folder)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


class AlbumTests(AlbumCase):
    def test_there_and_back(self) -> None:
        """Bytes, kind, source and time of each camera's latest; nobody but the owner reads them."""
        self.album.save(PICTURE)
        newer = replace(PICTURE, data=b"\x89PNG", media_type="image/png", source="keyframe", taken_at=2000.5)
        self.album.save(newer)
        other = replace(PICTURE, camera_id=ALL[1])
        self.album.save(other)
        self.assertEqual([newer, other], Album(self.folder).load(ALL))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in self.folder.iterdir()}
        self.assertEqual(({0o600}, 0o700), (modes, stat.S_IMODE(self.folder.stat().st_mode)))

    def test_nothing_there(self) -> None:
        """Before the first picture there is no folder, and nothing to read."""
        self.assertEqual([], self.album.load(ALL))
        self.assertFalse(self.folder.exists())

    def test_forgotten(self) -> None:
        """A picture of a camera that is forgotten, or was meanwhile, is not on the disk any more."""
        for one in ALL:
            self.album.save(replace(PICTURE, camera_id=one))
        self.album.forget(ALL[0])
        self.assertEqual([ALL[1]], [picture.camera_id for picture in self.album.load(ALL)])
        self.assertEqual([], self.album.load(ALL[:1]))
        self.assertEqual([], self.names())

    def test_bounds(self) -> None:
        """What is too large, or of an odd kind, is not kept; and no more together than the bound."""
        for odd in (
            replace(PICTURE, data=b"x" * (MAX_PICTURE + 1)),
            replace(PICTURE, media_type="image/../x"),
            replace(PICTURE, source="../x"),
        ):
            self.album.save(odd)
        self.assertEqual([], self.album.load(ALL))
        self.patch(module, "MAX_BYTES", len(PICTURE.data))
        for number, one in enumerate(("a", "b", "c")):
            self.album.save(replace(PICTURE, camera_id=one, taken_at=float(number)))
        self.assertEqual(["c"], [picture.camera_id for picture in self.album.load(("a", "b", "c"))])
        self.assertEqual(1, len(self.names()))

    def test_what_is_none_of_ours(self) -> None:
        """Links, folders, pipes, empty and strange files are no pictures, and no reason to wait or to fail."""
        self.album.save(PICTURE)
        secret = self.folder.parent / "secret"
        secret.write_bytes(b"secret")
        (self.folder / f"{ALL[1]}.snapshot.jpg").symlink_to(secret)
        (self.folder / f"{ALL[1]}.keyframe.jpg").touch()
        (self.folder / f"{ALL[1]}.other.jpg").write_bytes(b"x")
        (self.folder / f"{ALL[1]}.snapshot.png").mkdir()
        os.mkfifo(self.folder / f"{ALL[1]}.keyframe.png")
        self.assertEqual([PICTURE], self.album.load(ALL))
        self.assertEqual(b"secret", secret.read_bytes())

    def test_a_planted_link(self) -> None:
        """What waits in the place of the new file is not written to."""
        self.album.save(PICTURE)
        victim = self.folder.parent / "victim"
        victim.write_bytes(b"before")
        (self.folder / f"{ALL[0]}.new").symlink_to(victim)
        self.album.save(replace(PICTURE, data=b"newer"))
        self.assertEqual((b"before", b"newer"), (victim.read_bytes(), self.album.load(ALL)[0].data))

    def test_a_bad_disk(self) -> None:
        """What cannot be written is said to the caller; to forget and to load need no disk that works."""
        self.folder.write_text("in the place of the folder")
        self.assertRaises(OSError, self.album.save, PICTURE)
        self.album.forget(ALL[0])
        self.assertEqual([], self.album.load(ALL))
