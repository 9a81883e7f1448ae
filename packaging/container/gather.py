"""Paths go in; a root file system with them, and what they need to run, comes out: the image, without a distribution.

    gather.py ROOT PATH…

Each path is copied with all that lies in it, links with what they point at, programs and extension modules with the
shared libraries that the loader finds for them. What of it is Debian's is written down where scanners for known holes
look (``var/lib/dpkg/status.d``, as in other images without a package manager), and comes with its licence.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

#: What nobody runs in a container: tests, editors, installers and documents of Python, and modules with large libraries
#: for file formats (dbm) and screens (curses, Tk) that camdetect does not have.
LEFT_OUT = re.compile(
    r"/usr/lib/python3\.\d+/("
    r"test|idlelib|turtledemo|turtle\.py|tkinter|ensurepip|venv|lib2to3|pydoc_data|config-[^/]+"
    r"|lib-dynload/(_dbm|_gdbm|_curses|_curses_panel|_tkinter|_test|_ctypes_test|xxlimited)[^/]*\.so"
    r")(/|$)"
)
#: The first octets of a program or a shared library.
ELF = b"\x7fELF"
DOCUMENTS = Path("/usr/share/doc")
#: Arguments of one command at most.
AT_ONCE = 500


def canonical(path: Path) -> Path:
    """The path without links in its folders: /lib is /usr/lib."""
    return path.parent.resolve() / path.name


def found(start: Path) -> Iterator[Path]:
    """A path and what lies below it; of a link the link and what it points at."""
    path = canonical(start)
    if LEFT_OUT.match(str(path)):
        return
    yield path
    if path.is_symlink():
        yield from found(path.parent / path.readlink())
    elif path.is_dir():
        for one in sorted(path.iterdir()):
            yield from found(one)


def libraries(paths: Iterable[Path]) -> Iterator[Path]:
    """The shared libraries and the loader of all programs among the paths."""
    programs = []
    for path in paths:
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(ELF)) == ELF:
                    programs.append(str(path))
    for start in range(0, len(programs), AT_ONCE):
        told = subprocess.run(["ldd", *programs[start : start + AT_ONCE]], capture_output=True, text=True, check=False)
        missing = [line.strip() for line in told.stdout.splitlines() if "not found" in line]
        if missing:
            sys.exit(f"libraries are missing: {missing}")
        for name in set(re.findall(r"(/\S+) \(0x", told.stdout)):
            yield from found(Path(name))


def copy(path: Path, root: Path) -> None:
    """Copy one path with its owner and its mode; a folder without its content."""
    target = root / path.relative_to("/")
    for folder in reversed(path.relative_to("/").parents[:-1]):
        if not (root / folder).exists():
            copy(Path("/") / folder, root)
    if path.is_symlink():
        if not target.is_symlink():
            target.symlink_to(path.readlink())
    elif path.is_dir():
        target.mkdir(exist_ok=True)
        shutil.copystat(path, target)
    else:
        shutil.copy2(path, target)
    found = path.lstat()
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)


def note_packages(paths: Iterable[Path], root: Path) -> None:
    """Write down which packages the paths are of, and copy their licences."""
    names = [str(path) for path in paths if not path.is_dir()]
    packages: set[str] = set()
    for start in range(0, len(names), AT_ONCE):
        told = subprocess.run(
            ["dpkg-query", "--search", *names[start : start + AT_ONCE]], capture_output=True, text=True, check=False
        )
        for line in told.stdout.splitlines():
            owner, separator, _ = line.partition(": ")
            if separator and not owner.startswith("diversion"):
                packages.update(one.partition(":")[0] for one in owner.split(", "))
    folder = root / "var" / "lib" / "dpkg" / "status.d"
    folder.mkdir(parents=True)
    sources = source_packages()
    for package in sorted(packages):
        status = subprocess.run(["dpkg-query", "--status", package], capture_output=True, text=True, check=True).stdout
        (folder / package).write_text(status)
        # Debian policy, 12.5: it may be that of another package which was made of the same source
        same = [package, *(one for one, source in sources.items() if source == sources[package])]
        licence = next((path for path in (DOCUMENTS / one / "copyright" for one in same) if path.exists()), None)
        if licence is not None:
            target = root / DOCUMENTS.relative_to("/") / package
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(licence.resolve(), target / "copyright")


def source_packages() -> dict[str, str]:
    """The source of each package that is installed."""
    told = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${source:Package}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split() for line in told.stdout.splitlines())


def gather(root: Path, starts: Iterable[Path]) -> None:
    """Fill the folder ``root``."""
    root.mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):  # where programs look for the loader
        link = Path("/", name)
        if link.is_symlink():
            (root / name).symlink_to(link.readlink())
    paths = {path for start in starts for path in found(start)}
    paths.update(libraries(paths))
    for path in sorted(paths):
        copy(path, root)
    note_packages(sorted(paths), root)


if __name__ == "__main__":
    gather(Path(sys.argv[1]), map(Path, sys.argv[2:]))
