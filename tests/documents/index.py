"""An environment goes in; a folder of wheels comes out: the package index of a network without one.

Each wheel is made of the files that pip installed, so an environment filled from it has what the packages bring and
nothing else: a dependency that is declared nowhere is missing there.
"""

from __future__ import annotations

import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: What builds a wheel of ours (pyproject.toml: build-system).
BUILDING = ("setuptools",)


def needed(name: str, extras: frozenset[str] = frozenset()) -> dict[str, Distribution]:
    """The distributions that ``name`` with these extras needs, and those that they need."""
    found: dict[str, Distribution] = {}
    _follow(distribution(name), extras, found)
    return found


def _follow(one: Distribution, extras: frozenset[str], found: dict[str, Distribution]) -> None:
    for text in one.requires or ():
        requirement = Requirement(text)
        chosen = (
            any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras})
            if requirement.marker
            else True
        )
        key = canonicalize_name(requirement.name)
        if chosen and key not in found:
            found[key] = distribution(requirement.name)
            _follow(found[key], frozenset(requirement.extras), found)


def make_index(folder: Path) -> int:
    """How many wheels it is filled with."""
    wanted = {**needed("camdetect", frozenset({"broker"})), **{name: distribution(name) for name in BUILDING}}
    for one in wanted.values():
        _pack(one, folder)
    return len(wanted)


def _pack(one: Distribution, folder: Path) -> None:
    lines = (one.read_text("WHEEL") or "").splitlines()
    tags = [line.partition(": ")[2] for line in lines if line.startswith("Tag: ")]
    parts = zip(*(tag.split("-") for tag in tags), strict=True)
    tag = "-".join(".".join(dict.fromkeys(part)) for part in parts)
    name = canonicalize_name(one.metadata["Name"]).replace("-", "_")
    with zipfile.ZipFile(folder / f"{name}-{one.version}-{tag}.whl", "w") as wheel:
        for file in one.files or ():
            outside = ".." in file.parts or "__pycache__" in file.parts
            if not outside and file.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                wheel.write(str(file.locate()), str(file))
