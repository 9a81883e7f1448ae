"""The token that is made where nobody set one: kept, readable by its owner only, and never one that others know."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.web.entry.token_file import NAME, read_or_make_token


class TokenFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / NAME

    def read(self) -> tuple[str, str]:
        return read_or_make_token(self.folder, os.urandom)

    def test_made_once(self) -> None:
        """It is made once, for its owner's eyes only, and read from then on."""
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        token, notice = self.read()
        self.assertEqual((32, ""), (len(token), notice))
        self.assertEqual(0o600, stat.S_IMODE(self.file.stat().st_mode))
        self.assertEqual([NAME], [one.name for one in self.folder.iterdir()])
        self.assertEqual((token, ""), self.read())

    def test_of_a_person(self) -> None:
        """A person may write his own into it."""
        self.file.write_text("  my-own-long-token \n")
        self.file.chmod(0o600)
        self.assertEqual(("my-own-long-token", ""), self.read())

    def test_replaced(self) -> None:
        """What is no token, or may be known to others, is replaced, and the log is told why."""
        for text, mode, why in (
            ("", 0o600, "no token"),
            ("short", 0o600, "no token"),
            ("two words of a token", 0o600, "no token"),
            ("\u00e4" * 20, 0o600, "no token"),
            ("a-token-that-others-read", 0o644, "other users"),
            ("a-token-that-others-read", 0o620, "other users"),
        ):
            self.file.write_text(text)
            self.file.chmod(mode)
            token, notice = self.read()
            self.assertIn(why, notice)
            self.assertNotEqual(text, token)
            self.assertEqual((token, ""), self.read(), "it is as it should be now")
            self.assertEqual(0o600, stat.S_IMODE(self.file.stat().st_mode))

    def test_links_and_pipes(self) -> None:
        """No link is followed, and a pipe is not waited for."""
        other = self.folder / "other"
        other.write_text("a-token-of-somebody-else")
        other.chmod(0o600)
        for make in (lambda: self.file.symlink_to(other), lambda: os.mkfifo(self.file, 0o600)):
            self.file.unlink(missing_ok=True)
            make()
            token, notice = self.read()
            self.assertTrue(notice)
            self.assertEqual((token, ""), self.read())
        self.assertEqual("a-token-of-somebody-else", other.read_text())

    def test_no_disk(self) -> None:
        """Where it cannot be written there is a token all the same, and the log is told what follows."""
        token, notice = read_or_make_token(self.folder / "nowhere", os.urandom)
        self.assertEqual(32, len(token))
        self.assertIn("browsers have to sign in again after each restart", notice)
