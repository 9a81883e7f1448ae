"""The texts of errors."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import errors
from twisted_detector.errors import CamdetectError


class ErrorTests(SynchronousTestCase):
    def test_every_error_has_a_text(self) -> None:
        """An error without words says the first line of its docstring, one without docstring its name."""
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CamdetectError)]
        self.assertGreater(len(kinds), 10)
        for kind in kinds:
            if kind is not errors.ConfigError:
                self.assertEqual((kind.__doc__ or "").splitlines()[0], str(kind()))

        class Nameless(CamdetectError):
            pass

        self.assertEqual("Nameless", str(Nameless()))

    def test_config_error_lists_every_fault(self) -> None:
        """Every fault stands in the text."""
        text = str(errors.ConfigError(("A: 1; allowed: 2", "B: 3; allowed: 4")))
        self.assertIn("  A: 1; allowed: 2\n  B: 3; allowed: 4", text)
