"""The contracts as an author of a plugin runs them: the code of docs/plugins.md and of the package's docstring."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.service.extensions.loader import CHECKOUT_PLUGINS
from twisted_detector.testing import contracts


def run(code: str) -> dict[str, Any]:
    """What the code defines; the worked examples can be imported in it."""
    defined: dict[str, Any] = {"__name__": __name__}
    sys.path.insert(0, str(CHECKOUT_PLUGINS))
    try:
        exec(compile(code, __file__, "exec"), defined)
    finally:
        sys.path.remove(str(CHECKOUT_PLUGINS))
    return defined


_page = (Path(CHECKOUT_PLUGINS).parent / "docs" / "plugins.md").read_text()
_blocks = re.findall(r"```python\n(.*?)```", _page, re.DOTALL)
(_of_page,) = (block for block in _blocks if "discoverer_contract" in block)
_, _, _of_docstring = (contracts.__doc__ or "").partition("::\n\n")
_of_docstring = dedent(re.split(r"\n(?=\S)", _of_docstring)[0])

AddressesTests = run(_of_page)["AddressesTests"]
JsonLinesTests = run(_of_docstring)["JsonLinesTests"]


class CodeTests(SynchronousTestCase):
    def test_contracts(self) -> None:
        """What stands there has the tests of its contract."""
        self.assertTrue(callable(AddressesTests.test_cancelled))
        self.assertTrue(callable(JsonLinesTests.test_every_event))
