"""What reaches the terminal."""

from __future__ import annotations

import io

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.screen import pairs, screen


class Terminal(SynchronousTestCase):
    def test_nothing_moves_the_cursor(self) -> None:
        """What a device says of itself is shown without control characters, and not read as markup."""
        out = io.StringIO()
        screen(out).print(pairs((("name", "a\x1b[2J\x07[bold red]b"), ("none", ""))))
        self.assertEqual("name  a[2J[bold red]b\n", out.getvalue())
