"""Completion scripts: the shells take them, and bash completes by its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.completion import SCRIPTS, read_commands
from twisted_detector.cli.grammar import AUTH_WORDS, EXPORT_WORDS, SHELL_WORDS, build_parser
from twisted_detector.cli.main import COMMANDS


class CompletionTests(SynchronousTestCase):
    def script(self, shell: str) -> Path:
        path = Path(self.mktemp())
        path.write_text(SCRIPTS[shell](build_parser()))
        return path

    def complete(self, *words: str) -> list[str]:
        """What bash offers for the last word."""
        line = " ".join(f"'{word}'" for word in ("camdetect", *words))
        source = (
            f"set -eu; source {self.script('bash')}; COMP_WORDS=({line}); COMP_CWORD={len(words)};"
            ' _camdetect; printf "%s\\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}; complete -p camdetect >&2'
        )
        done = subprocess.run(
            ["/bin/bash", "--norc", "-c", source], capture_output=True, text=True, timeout=60, check=True
        )
        self.assertIn("-F _camdetect camdetect", done.stderr)
        return done.stdout.split("\n")[:-1] if done.stdout.strip() else []

    def test_bash(self) -> None:
        """bash offers commands, then the options and values of the one that was chosen, wherever it stands."""
        self.assertEqual(sorted(COMMANDS), sorted(self.complete("")))
        self.assertEqual(["status", "stream"], sorted(self.complete("st")))
        self.assertEqual(["--help", "--version"], self.complete("--"))
        self.assertEqual(["-h", "--help", "--json", "--watch", "--fleet"], self.complete("list", "-"))
        self.assertEqual(["--watch"], self.complete("list", "--json", "--w"))
        self.assertEqual(list(EXPORT_WORDS), self.complete("export", ""))
        self.assertEqual(list(AUTH_WORDS), self.complete("simulate", "--auth", ""))
        self.assertEqual(["digest-sha256"], self.complete("simulate", "--count", "3", "--auth", "digest-"))
        self.assertEqual(["offline", "online"], sorted(self.complete("forget", "--status", "o"))[:2])
        self.assertEqual([], self.complete("forget", "--older-than", ""))
        self.assertEqual([], self.complete("nonsense", "-"))

    def test_bash_files(self) -> None:
        """Where a file is wanted, files are offered, those with a blank in their names whole."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "my logins").touch()
        self.assertEqual([f"{folder}/my logins"], self.complete("simulate", "--login-file", f"{folder}/m"))

    def test_all_is_in_each(self) -> None:
        """Every command, option and choice of the grammar is in every script."""
        self.assertEqual(SHELL_WORDS, tuple(SCRIPTS))
        for shell, make in SCRIPTS.items():
            script = make(build_parser())
            for command in read_commands(build_parser()):
                self.assertIn(command.name, script)
                for option in (*command.options, *command.arguments):
                    for name in option.names:
                        shown = name if shell != "fish" else f"-l {name[2:]}" if name[:2] == "--" else f"-s {name[1:]}"
                        self.assertIn(shown, script, shell)
                    self.assertIn(" ".join(option.choices), script, shell)

    def syntax(self, shell: str) -> None:
        if shutil.which(shell) is None:
            self.skipTest(f"there is no {shell} here")
        done = subprocess.run(
            [shell, "-n", str(self.script(shell))], capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_bash_syntax(self) -> None:
        """bash reads its script."""
        self.syntax("bash")

    def test_zsh_syntax(self) -> None:
        """zsh reads its script."""
        self.syntax("zsh")

    def test_fish_syntax(self) -> None:
        """fish reads its script."""
        self.syntax("fish")
