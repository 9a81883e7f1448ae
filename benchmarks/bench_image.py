"""The container's image goes in; its size, and what takes it, come out.

make bench-image           builds it, and puts the table into docs/benchmarks.md (as root; minutes)
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.page import write_section

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / ".ci" / "containers"
TITLE = "## The container's image"
IMAGE = "localhost/camdetect"
#: Part → the paths that are of it; the first that fits counts.
PARTS = {
    "FFmpeg and its bindings (`decode`)": r"/opt/camdetect/lib/[^/]+/site-packages/av(\.libs)?/",
    "camdetect": r"/opt/camdetect/lib/[^/]+/site-packages/(twisted_detector|twisted/plugins/camdetect)",
    "other packages of Python": r"/opt/camdetect/",
    "Python": r"/usr/(bin/python|lib/python3)",
    "mosquitto, libraries, time zones, certificates": r"/",
}


def command(*words: str) -> str:
    """What a command printed; podman's with the storage that only this checkout uses."""
    storage, settings = subprocess.run([TOOL, "settings"], capture_output=True, text=True, check=True).stdout.split()
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": storage, "CONTAINERS_CONF": settings}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def parts(root: Path) -> Counter[str]:
    """Octets of each part of a mounted image."""
    found: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            name = "/" + str(path.relative_to(root))
            found[next(part for part, where in PARTS.items() if re.match(where, name))] += path.stat().st_size
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    subprocess.run([TOOL, "build", ROOT, IMAGE], check=True, stdout=subprocess.DEVNULL)
    size = int(command("podman", "image", "inspect", "--format", "{{.Size}}", IMAGE))
    with tempfile.TemporaryDirectory() as folder:
        command("podman", "push", "--quiet", "--compress", IMAGE, f"dir:{folder}")
        pulled = sum(path.stat().st_size for path in Path(folder).iterdir())
    mounted = Path(command("podman", "image", "mount", IMAGE))
    try:
        found = parts(mounted)
    finally:
        command("podman", "image", "unmount", IMAGE)
    rows = "".join(f"| {part} | {found[part] / 1e6:.0f} MB |\n" for part in PARTS)
    text = (
        f"`make bench-image`, {platform.machine()}; `tests/containers/test_image.py` allows 160 MB on disk. The image"
        " is what the loader and Python need of Debian, not a distribution (`packaging/container/gather.py`), with"
        " FFmpeg but without the encoders, screens and networks that it brings (`packaging/container/trim_decoder.py`);"
        " on Debian's slim image, with all of FFmpeg, it was 311 MB and 104 MB.\n\n"
        "| image | size |\n|---|---|\n"
        f"| on disk | {size / 1e6:.0f} MB |\n| to pull, compressed | {pulled / 1e6:.0f} MB |\n{rows}"
    ).rstrip("\n")
    print(text)
    if options.write:
        write_section(TITLE, text)


if __name__ == "__main__":
    main()
