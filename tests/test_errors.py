"""The texts of errors."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import errors
from twisted_detector.errors import CamdetectError


class ErrorTests(SynchronousTestCase):
    def test_every_error_has_a_text(self) -> None:
        """One without words says the first line of its docstring, as it stands within a sentence, or else its name."""
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CamdetectError)]
        self.assertGreater(len(kinds), 10)
        for kind in kinds:
            if kind is not errors.ConfigError:
                line, text = (kind.__doc__ or "").splitlines()[0], str(kind())
                self.assertEqual(line.removesuffix(".")[1:], text[1:])
                self.assertTrue(text[0].islower(), text)

        class Nameless(CamdetectError):
            pass

        class Abbreviated(CamdetectError):
            """
            RTSP is not spoken there.
            """

        self.assertEqual("Nameless", str(Nameless()))
        self.assertEqual("RTSP is not spoken there", str(Abbreviated()))

    def test_config_error_lists_every_fault(self) -> None:
        """Every fault stands in the text."""
        text = str(errors.ConfigError(("A: 1; allowed: 2", "B: 3; allowed: 4")))
        self.assertIn("  A: 1; allowed: 2\n  B: 3; allowed: 4", text)
