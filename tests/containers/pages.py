"""The commands that a user copies from a page, as they stand there, and the programs of his machine that they call."""

from __future__ import annotations

from pathlib import Path

from tests.containers.engine import TOOL
from tests.documents import pages
from tests.processes import ROOT

PACKAGES = ROOT / "docs" / "operations" / "packages.md"
#: Podman in the place of Docker. Images are built by the tool, with the package index of this machine, and before.
_DOCKER = """#!/bin/sh -eu
case $1 in
build) exec {tool} build "$4" "localhost/$3" ;;
compose)
    shift
    for word; do
        shift
        [ "$word" = --build ] || set -- "$@" "$word"
    done
    exec {compose} --project-name camdetect "$@"
    ;;
esac
exec podman "$@"
"""


def blocks() -> dict[str, str]:
    """The commands that are marked as executed here, by their name."""
    return {one.why: one.text for one in pages.blocks(PACKAGES) if one.mark == "executed"}


def shims(folder: Path, compose: str = "false") -> Path:
    """A folder for the PATH with docker and sudo."""
    folder.mkdir()
    docker = _DOCKER.format(tool=TOOL, compose=compose)
    for name, text in (("docker", docker), ("sudo", '#!/bin/sh\nexec "$@"\n')):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
