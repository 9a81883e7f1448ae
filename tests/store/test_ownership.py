"""What describes a file goes in; who else may write it comes out."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.store import ownership
from twisted_detector.store.ownership import why_replaceable, why_untrusted

#: Numbers that no machine gives to a person.
OURS, THEIRS = 4294900, 4294901


def found(mode: int, uid: int = OURS, gid: int = OURS) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


class Ownership(SynchronousTestCase):
    def setUp(self) -> None:
        ownership._is_private.cache_clear()
        self.addCleanup(ownership._is_private.cache_clear)

    def private_group(self, *members: str, primary: int = OURS) -> None:
        ownership._is_private.cache_clear()
        self.patch(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=f"u{uid}", pw_gid=primary))
        self.patch(grp, "getgrgid", lambda gid: SimpleNamespace(gr_name=f"u{gid}", gr_mem=list(members)))

    def test_ours_and_roots(self) -> None:
        """What is ours or root's, and writable to nobody else, is trusted; what is another's is not."""
        for uid in (OURS, 0):
            self.assertEqual("", why_untrusted(found(0o40755, uid), owners={OURS}))
        self.assertIn(f"user {THEIRS}", why_untrusted(found(0o40700, THEIRS), owners={OURS}))
        self.assertEqual("", why_untrusted(found(0o40700, THEIRS), owners={OURS, THEIRS}))

    def test_everybody(self) -> None:
        """A sticky bit does not help: files can be put there."""
        for mode in (0o40777, 0o41777, 0o100666):
            self.assertIn("everybody", why_untrusted(found(mode), owners={OURS}))

    def test_group(self) -> None:
        """A group may write when it is the owner's own; not when it has another member, or another name."""
        self.assertIn(f"group {OURS}", why_untrusted(found(0o40775), owners={OURS}))
        self.assertEqual("", why_untrusted(found(0o40775, OURS, 0), owners={OURS}))
        self.private_group()
        self.assertEqual("", why_untrusted(found(0o40775), owners={OURS}))
        self.assertIn("group", why_untrusted(found(0o40775, OURS, THEIRS), owners={OURS}))
        self.private_group("somebody")
        self.assertIn("group", why_untrusted(found(0o40775), owners={OURS}))


class Replaceable(SynchronousTestCase):
    """Folders of which each is closed to others, below one that this test gives other modes and owners."""

    def setUp(self) -> None:
        top = Path(self.mktemp()).resolve()
        self.shared, self.path = top / "shared", top / "shared" / "closed" / "plugins"
        self.path.mkdir(parents=True)
        for folder in (top, self.shared, self.path.parent, self.path):
            folder.chmod(0o755)
        self.trusted = [top, *top.parents]

    def why(self, path: Path | None = None) -> str:
        return why_replaceable(path or self.path, owners={os.geteuid()}, trusted=self.trusted)

    def test_above(self) -> None:
        """Who may write any folder that it stands in may put another one there; a closed one says nothing."""
        self.assertEqual("", self.why())
        for mode in (0o777, 0o757):
            self.shared.chmod(mode)
            self.assertEqual(f"stands in {self.shared}, which may be written by everybody", self.why())
        self.shared.chmod(0o755)
        self.path.parent.chmod(0o777)
        self.assertEqual(f"stands in {self.path.parent}, which may be written by everybody", self.why())

    def test_sticky(self) -> None:
        """Of a folder such as /tmp nobody takes away what is ours."""
        self.shared.chmod(0o1777)
        self.assertEqual("", self.why())

    def test_owner(self) -> None:
        """A folder above that is another user's is his to change, a sticky one too; root's is not."""
        if os.geteuid() != 0:
            self.skipTest("only root gives folders away")
        for mode in (0o755, 0o1777):
            os.chown(self.shared, THEIRS, 0)
            self.shared.chmod(mode)
            self.assertEqual(f"stands in {self.shared}, which belongs to user {THEIRS}", self.why())
            os.chown(self.shared, 0, 0)
            self.assertEqual("", self.why())

    def test_links(self) -> None:
        """Of a link count the folder where it stands and the one where it leads, and whose it is."""
        open_to_all = self.shared / "open"
        open_to_all.mkdir()
        link = open_to_all / "link"
        link.symlink_to(self.path)
        self.assertEqual("", self.why(link))
        open_to_all.chmod(0o777)
        self.assertIn(f"stands in {open_to_all}", self.why(link))
        inside = open_to_all / "plugins"
        inside.mkdir()
        other = self.path / "other"
        other.symlink_to(Path("..") / ".." / "open" / "plugins")
        self.assertIn(f"stands in {open_to_all}, which may be written", self.why(other))
        self.assertIn("which may be written by everybody", self.why(self.path / ".." / ".." / "open" / "plugins"))
        open_to_all.chmod(0o1777)
        self.assertEqual("", self.why(link))
        if os.geteuid() == 0:
            os.chown(link, THEIRS, 0, follow_symlinks=False)
            self.assertEqual(f"is reached by {link}, which belongs to user {THEIRS}", self.why(link))

    def test_up_to_the_root(self) -> None:
        """Without a folder that is trusted all are judged, the root of the file system too."""
        asked: list[Path] = []
        self.patch(ownership, "_why_taken_away", lambda path, owners: asked.append(path) or "")
        why_replaceable(self.path, owners={os.geteuid()})
        self.assertLessEqual({self.path, *self.path.parents}, set(asked))

    def test_not_judged(self) -> None:
        """What cannot be looked at is not taken for closed."""

        def fail(path: Path, owners: object) -> str:
            raise PermissionError(13, "Permission denied")

        self.patch(ownership, "_why_taken_away", fail)
        self.assertIn("which cannot be judged (Permission denied)", self.why())
