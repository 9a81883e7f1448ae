"""The runner itself: what it takes for a command, and that one that fails is red, with page, line and output."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import pages
from tests.documents.index import needed
from tests.documents.pages import Command, blocks
from tests.documents.systemctl import read
from tests.documents.typist import Typist
from tests.lan.lab import REASON, Lab

PAGE = """# A page

```sh
# said, not typed
one && \\
  two   # three
cat <<END
four
END
```

<!-- not run: needs a moon -->
```sh
five
```

```toml
six = 6
```
"""


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments are none; continued lines and here-documents are one; a mark is told; other languages are not typed."""
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(PAGE)
    first, marked, toml = blocks(tmp_path / "page.md")
    assert [(one.line, one.text) for one in first.commands()] == [
        (5, "one && \\\n  two   # three"),
        (7, "cat <<END\nfour\nEND"),
    ]
    assert (marked.mark, marked.why, toml.is_shell) == ("not run", "needs a moon", False)


def test_a_block_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a page is not run by half."""
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    for text, words in (("```sh\none\n", "has no end"), ("```sh\none '\n```\n", "no shell command")):
        (tmp_path / "page.md").write_text(text)
        with pytest.raises(ValueError, match=words):
            [one.commands() for one in blocks(tmp_path / "page.md")]


@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_a_command_that_fails(tmp_path: Path) -> None:
    """It is red with page, line and output, in a pipe too, and leaves nothing on this machine."""
    with Lab(tmp_path) as lab:
        typist = Typist(lab, "docs/cli.md")
        with typist.at_the_machine():
            typist.type(Command("docs/cli.md", 1, "touch /etc/of-a-document && test -e /etc/of-a-document"))
            for text in ("echo it breaks; false", "(echo it breaks; false) | cat"):
                with pytest.raises(AssertionError, match=r"(?s)docs/cli.md:7: .*status 1:\nit breaks"):
                    typist.type(Command("docs/cli.md", 7, text))
    assert not Path("/etc/of-a-document").exists()


def test_what_a_wheel_needs() -> None:
    """The package index has what is needed and not all that is here."""
    found = needed("camdetect", frozenset({"broker"}))
    assert {"twisted", "amqtt", "cffi"} <= set(found)
    assert not {"pytest", "av", "mypy"} & set(found)


def test_a_directive_that_nobody_thought_about(tmp_path: Path) -> None:
    """A unit with one is refused: it would not be held."""
    (tmp_path / "camdetect.service").write_text("[Service]\nExecStart=/bin/true\nMemoryLow=1G\n")
    with pytest.raises(SystemExit, match="does not know MemoryLow"):
        read(tmp_path / "camdetect.service")
