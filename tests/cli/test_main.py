"""The command line: its grammar, its help and what it refuses."""

from __future__ import annotations

import io
import sys

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import __version__
from twisted_detector.cli.main import AUTH_WORDS, main
from twisted_detector.testing.simulator.camera import Auth, Quirks


class Grammar(SynchronousTestCase):
    def printed(self, *words: str) -> str:
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        with self.assertRaises(SystemExit) as caught:
            main(words)
        self.assertEqual(caught.exception.code, 0)
        return out.getvalue()

    def test_version_and_help(self) -> None:
        """--version and --help answer; the help of simulate names every quirk."""
        self.assertEqual(self.printed("--version").split(), ["camdetect", __version__])
        self.assertIn("simulate", self.printed("--help"))
        told = self.printed("simulate", "--help")
        for quirk in Quirks.__dataclass_fields__:
            self.assertIn(quirk, told)

    def test_words_are_those_of_the_simulator(self) -> None:
        """--auth offers what the simulator knows."""
        self.assertEqual(AUTH_WORDS, tuple(Auth))

    def test_nothing_chosen(self) -> None:
        """No command, or an unknown one, is exit status 2."""
        for words in ((), ("dance",)):
            self.patch(sys, "stderr", io.StringIO())
            with self.assertRaises(SystemExit) as caught:
                main(words)
            self.assertEqual(caught.exception.code, 2)
