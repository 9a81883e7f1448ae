"""Maker of a release: wheel, source archive, bill of materials, licences and checksums in ``dist/``, each checked.

``make release`` runs it. Made twice from one commit, on any machine, every file is the same bit for bit: times are the
commit's, owners are nobody's, and the list of what is in a release stands in one order.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Licences of what a release brings along that fit our own (MIT): permissive, or weak where it is only linked to.
FITTING = (
    "MIT",
    "BSD",
    "Apache",
    "ISC",
    "Python",
    "PSF",
    "Zope",
    "ZPL",
    "MPL",
    "EPL",
    "EDL",
    "Unlicense",
    "0BSD",
    "LGPL",
)


def run(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run a command to its end; what it printed.

    :raises SystemExit: it failed; its output is shown.
    """
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def stamp() -> str:
    """Seconds of the commit that is released."""
    return os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct").strip()


def clean_source(folder: Path) -> Path:
    """The files of the commit and nothing else: what lies about in a working copy is not released."""
    archive = folder / "source.tar"
    run("git", "archive", "--format=tar", "-o", archive, "HEAD")
    source = folder / "source"
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12 has Python 3.11.2, without filters
        tar.extractall(source)  # noqa: S202  what git archive made
    return source


def make(source: Path, target: Path, epoch: str) -> tuple[Path, Path]:
    """Wheel and source archive."""
    environment = {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0"}
    run(sys.executable, "-m", "build", "--outdir", target, source, env=environment, cwd=source)
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    repack(sdist, int(epoch))
    return wheel, sdist


def repack(archive: Path, epoch: int) -> None:
    """Write a source archive anew without what differs between two machines: times, owners, modes, order."""
    with tarfile.open(archive) as tar:
        members = [(one, tar.extractfile(one).read() if one.isreg() else b"") for one in tar.getmembers()]  # type: ignore[union-attr]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in sorted(members, key=lambda one: one[0].name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)
    archive.write_bytes(gzip.compress(raw.getvalue(), 9, mtime=0))


def installed(wheel: Path, folder: Path) -> Path:
    """Python of an empty environment with the wheel in it, and a proof that it works there."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    version = run(folder / "bin" / "camdetect", "--version", cwd=folder).strip()
    if version != f"camdetect {metadata_version(wheel)}":
        sys.exit(f"the installed command calls itself {version!r}")
    environment = {"STATE_DIR": str(folder / "state"), "CAMDETECT_CONFIG": ""}
    run(folder / "bin" / "camdetect", "config", "--check", cwd=folder, env=environment)
    run(folder / "bin" / "camdetect", "plugins", cwd=folder, env=environment)
    return python


def metadata_version(wheel: Path) -> str:
    """Version in a wheel's name."""
    return wheel.name.split("-")[1]


def bill(python: Path, source: Path) -> bytes:
    """Bill of materials of an environment (CycloneDX 1.6, ECMA-424), without what would differ between two runs."""
    text = run(
        *(sys.executable, "-m", "cyclonedx_py", "environment", python, "--pyproject", source / "pyproject.toml"),
        *("--mc-type", "application", "--spec-version", "1.6", "--output-reproducible", "--gather-license-texts"),
        *("--output-format", "JSON"),
    )
    document = json.loads(text)
    # Python's own tools are in every environment, and no part of what is released.
    document["components"] = [
        one for one in document["components"] if one["name"] not in ("pip", "setuptools", "wheel")
    ]
    for one in document["components"]:
        one.pop("externalReferences", None)  # it would say from where this machine installs
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def licences_of(document: bytes) -> dict[str, str]:
    """The licence of each distribution in a bill, as that names it."""
    found: dict[str, str] = {}
    for one in json.loads(document)["components"]:
        names = []
        for choice in one.get("licenses", ()):
            licence = choice.get("license", {})
            names.append(choice.get("expression") or licence.get("id") or licence.get("name", ""))
        found[f"{one['name']} {one['version']}"] = ", ".join(dict.fromkeys(filter(None, names))) or "unknown"
    return found


def unfit(licences: Mapping[str, str]) -> list[str]:
    """Distributions whose licence does not fit, or that nobody has named."""
    return [f"{name}: {text}" for name, text in licences.items() if not any(word in text for word in FITTING)]


def checksums(files: Sequence[Path]) -> bytes:
    """As ``sha256sum -c`` reads them."""
    return b"".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n".encode() for path in sorted(files)
    )


def problems(wheel: Path, sdist: Path) -> Iterator[str]:
    """What would be wrong with the files: what is missing, and what must never be in them."""
    import zipfile

    names = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(sdist) as tar:
        sources = [one.partition("/")[2] for one in tar.getnames()]
    if not any(name.endswith("web/static/index.html") for name in names):
        yield "the wheel has no page"
    for wanted in ("pyproject.toml", "README.md", "LICENSE", "twisted_detector/__init__.py"):
        if wanted not in sources:
            yield f"the source archive has no {wanted}"
    for name in (*names, *sources):
        if re.search(r"(^|/)(\.git|\.venv|\.make|secrets|__pycache__)(/|$)|\.(db|env|pem|key)$", name):
            yield f"{name} must not be released"


def main() -> int:
    """Make a release; print what it is."""
    parser = argparse.ArgumentParser(prog="release", description="Makes and checks the files of a release.")
    parser.add_argument("--target", type=Path, default=ROOT / "dist", help="folder (default dist)")
    target = parser.parse_args().target.resolve()
    epoch = stamp()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = clean_source(folder)
        wheel, sdist = make(source, target, epoch)
        again = folder / "again"
        again.mkdir()
        for once, twice in zip((wheel, sdist), make(source, again, epoch), strict=True):
            if once.read_bytes() != twice.read_bytes():
                sys.exit(f"{once.name} is not the same when it is made twice")
        found = [*problems(wheel, sdist)]
        if found:
            sys.exit("\n".join(found))
        run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
        document = bill(installed(wheel, folder / "environment"), source)
    licences = licences_of(document)
    if strangers := unfit(licences):
        sys.exit("licences that do not fit, or that nobody has named:\n" + "\n".join(strangers))
    version = metadata_version(wheel)
    bom = target / f"camdetect-{version}.cdx.json"
    bom.write_bytes(document)
    listed = target / f"camdetect-{version}-licences.txt"
    listed.write_text("".join(f"{name}: {text}\n" for name, text in sorted(licences.items())), "utf-8")
    files = [wheel, sdist, bom, listed]
    (target / "SHA256SUMS").write_bytes(checksums(files))
    for path in files:
        print(f"{path.stat().st_size:>9}  {path.name}")
    print(
        f"{len(licences)} distributions; made twice, equal; installed and started with Python {sys.version.split()[0]}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
