"""The command line: its grammar, its help and what it refuses."""

from __future__ import annotations

import io
import shlex
import sys

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import __version__
from twisted_detector.cli.completion import read_commands
from twisted_detector.cli.grammar import AUTH_WORDS, STATUS_WORDS, build_parser
from twisted_detector.cli.main import COMMANDS, main
from twisted_detector.model import Status
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

    def test_export_for_one_of_several(self) -> None:
        """--for names the Frigate or go2rtc; without it, it is the one without a name."""
        given = build_parser().parse_args(["export", "frigate", "--for", "north", "--diff"])
        self.assertEqual(("frigate", "north", True), (given.format, given.consumer, given.diff))
        self.assertEqual("", build_parser().parse_args(["export", "go2rtc"]).consumer)
        self.assertIn("--for north", self.printed("export", "--help"))

    def test_nothing_chosen(self) -> None:
        """No command is the help and exit status 2; an unknown one is a fault, with the same status."""
        err = io.StringIO()
        self.patch(sys, "stderr", err)
        self.assertEqual(2, main(()))
        self.assertEqual(build_parser().format_help(), err.getvalue())
        with self.assertRaises(SystemExit) as caught:
            main(("dance",))
        self.assertEqual(caught.exception.code, 2)

    def test_no_address(self) -> None:
        """What is no address is a wrong argument, whether or not a daemon runs."""
        err = io.StringIO()
        self.patch(sys, "stderr", err)
        with self.assertRaises(SystemExit) as caught:
            main(("why", "foo"))
        self.assertEqual(2, caught.exception.code)
        self.assertIn("'foo' is not an IP address", err.getvalue())
        self.assertEqual("fe80::1%eth0", build_parser().parse_args(["why", "fe80::1%eth0"]).address)

    def test_each_is_there(self) -> None:
        """Every command of the grammar has a function, and the other way round."""
        self.assertEqual({one.name for one in read_commands(build_parser())} - {""}, set(COMMANDS))

    def test_words_of_statuses(self) -> None:
        """forget --status offers what a camera may be."""
        self.assertEqual(sorted(STATUS_WORDS), sorted(one.value for one in Status))

    def test_each_help(self) -> None:
        """Each help begins with a sentence, fits a terminal, and its examples are commands that there are."""
        for name in COMMANDS:
            told = self.printed(name, "--help")
            for line in told.splitlines() if name != "simulate" else ():
                self.assertLessEqual(len(line), 100, line)
            purpose = told.partition("\n\n")[2]
            self.assertRegex(purpose, r"\A[A-Z`]", name)
            if name in ("simulate", "completion"):
                continue
            examples = told.partition("example:\n")[2].partition("\n\n")[0].splitlines()
            self.assertTrue(examples, name)
            self.assertIn("exit status:\n  0 ", told, name)
            for line in examples:
                words = shlex.split(line.partition("|")[0].partition(">")[0].partition("<")[0])
                words = words[words.index("camdetect") + 1 :]
                self.assertEqual(name, build_parser().parse_args(words).command)
