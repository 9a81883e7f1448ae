"""An environment with the extra ``decode`` goes in; it comes out without the libraries that decoding never calls.

    trim_decoder.py SITE-PACKAGES CLIP

PyAV's wheel has an FFmpeg for everything: encoders of video, X11, sound cards, TLS. Of it camdetect calls the decoders
of H.264, H.265 and JPEG and the encoder of JPEG, which are FFmpeg's own; but the loader wants every library that it
names. So each library that is not FFmpeg's gives its name to an empty one with the functions that are wanted of it; to
call one ends the decoder's process, and only that. Where the loader or the decoder does not bear it, the library stays:
after each step camdetect's own decoder process has to make a picture of the clip and a thumbnail of that. FFmpeg's
libraries are left as they are. Needs ``as``, ``ld`` and ``nm`` (binutils).
"""

from __future__ import annotations

import platform
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

#: FFmpeg's own: they stay.
FFMPEG = ("libav", "libsw")
H264, JPEG = 1, 3
#: An instruction that no processor of the kind carries out.
TRAPS = {"x86_64": "ud2", "aarch64": ".inst 0"}
#: Seconds: also for an emulated processor.
PATIENCE = 300


def decodes(python: Path, child: Path, clip: bytes) -> bool:
    """Whether the decoder process makes a picture of the clip's first keyframe, and a thumbnail of that."""

    def ask(codec: int, data: bytes) -> bytes:
        done = subprocess.run(
            [python, "-I", "-B", child],
            input=struct.pack("!BI", codec, len(data)) + data,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        # the first answer says that it is ready, the second is the picture
        answer, contents = done.stdout, []
        while len(answer) >= 5:
            status, length = struct.unpack_from("!BI", answer)
            if status != 0:
                return b""
            contents.append(answer[5 : 5 + length])
            answer = answer[5 + length :]
        return contents[1] if len(contents) == 2 and contents[1].startswith(b"\xff\xd8") else b""

    picture = ask(H264, clip)
    return bool(picture) and bool(ask(JPEG, picture))


def names(path: Path, kind: str) -> set[str]:
    """Dynamic symbols of a library, without versions: those that it has ("defined") or wants ("undefined")."""
    told = subprocess.run(
        ["nm", "--dynamic", f"--{kind}-only", path], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[-1].partition("@")[0] for line in told.splitlines()}


def empty_library(path: Path, wanted: set[str]) -> None:
    """Write a shared library that has the wanted symbols, each of them an instruction that ends the process."""
    lines = [f".globl {name}\n.type {name}, @function\n{name}:" for name in sorted(wanted)]
    source = "\n".join([".text", *lines, TRAPS[platform.machine()], ""])
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder, "empty.o")
        subprocess.run(["as", "-o", code, "-"], input=source, text=True, check=True)
        subprocess.run(["ld", "-shared", "-z", "noexecstack", "-soname", path.name, "-o", path, code], check=True)


def trim(site: Path, clip: Path) -> None:
    """Make it small."""
    python = site.parents[2] / "bin" / "python"
    child = site / "twisted_detector" / "inspection" / "pictures" / "decoder_child.py"
    data = clip.read_bytes()
    if platform.machine() not in TRAPS or not decodes(python, child, data):
        print("the decoder cannot be tried here (an emulated processor?): it stays as it is")
        return
    folder = site / "av.libs"
    others = [path for path in folder.iterdir() if not path.name.startswith(FFMPEG)]
    freed = 0
    for path in sorted(others, key=lambda path: path.stat().st_size, reverse=True):
        aside = path.with_suffix(path.suffix + ".aside")
        size = path.stat().st_size
        path.rename(aside)
        wanted = {name for user in folder.glob("*.so*[0-9]") for name in names(user, "undefined")}
        empty_library(path, wanted & names(aside, "defined"))
        if decodes(python, child, data):
            freed += size - path.stat().st_size
            aside.unlink()
        else:
            aside.replace(path)
            print(f"{path.name} stays")
    print(f"the decoder is {freed / 1e6:.0f} MB smaller")


if __name__ == "__main__":
    trim(Path(sys.argv[1]), Path(sys.argv[2]))
