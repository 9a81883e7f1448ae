"""What describes a file goes in; who else may write it comes out."""

from __future__ import annotations

import grp
import os
import pwd
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.store import ownership
from twisted_detector.store.ownership import why_untrusted

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
