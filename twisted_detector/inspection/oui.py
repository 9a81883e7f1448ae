"""IEEE's registry of MAC address blocks: the vendor whose block a MAC is of, as IEEE has it.

The registry comes with netaddr (BSD), which reads its whole index when it is imported: 20 MB and 0.2 s for good. So
its files are read here, without it: the index is searched on the disk, and one record is read. The first query of a
vendor takes some 2 ms, and nothing is kept but its result.
"""

from __future__ import annotations

import mmap
import re
from importlib.util import find_spec
from pathlib import Path

from txaio.tx import make_logger

from twisted_detector.model import Mac
from twisted_detector.model.bounds import BoundedDict

#: Results that are cached: many times the vendors on one network.
MAX_CACHED = 1024
#: A record has a name and an address: the longest has below 400 bytes.
MAX_RECORD = 4096
#: The longest name has below 130 characters; what is published of a camera stays shorter.
MAX_NAME = 64
#: The bit of the first octet of a locally administered address (IEEE 802, 8.2).
_LOCAL = 0x02
_NAME = re.compile(rb"\(hex\)\s+([^\r\n]+)")
#: The name that IEEE writes for blocks that it gives out in smaller pieces, and for holders who want no name.
_UNNAMED = frozenset({"", "ieee registration authority", "private"})


def registry_files() -> Path | None:
    """Where netaddr has the registry; None where it is not installed. It is not imported."""
    spec = find_spec("netaddr")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "eui"


class OuiRegistry:
    """The registry, with a cache of the last results.

    :param directory: has ``oui.idx`` (lines of number, offset and size), ``oui.txt``, and the same of ``iab`` for
        blocks of 36 bits; None: wherever netaddr is.
    """

    log = make_logger()

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._names: BoundedDict[tuple[str, int], str] = BoundedDict(MAX_CACHED)
        self._broken = False

    def vendor_of(self, mac: Mac) -> str:
        """The name, "" when there is none: a MAC of no registered block, or no registry here. Never raises."""
        octets = bytes.fromhex(mac.compact)
        if octets[0] & _LOCAL:
            return ""
        number = int.from_bytes(octets, "big")
        name = self._name("oui", number >> 24)
        if name.lower() in _UNNAMED:
            name = self._name("iab", number >> 12)
        return "" if name.lower() in _UNNAMED else name

    def _name(self, kind: str, number: int) -> str:
        if (kind, number) not in self._names:
            self._names[kind, number] = self._read(kind, number)
        return self._names[kind, number]

    def _read(self, kind: str, number: int) -> str:
        try:
            directory = self._directory or registry_files()
            return _record(directory, kind, number) if directory is not None else ""
        except (OSError, ValueError) as error:
            if not self._broken:
                self._broken = True
                self.log.warn("Makers of devices are not shown: their registry cannot be read: {error}", error=error)
            return ""


def _record(directory: Path, kind: str, number: int) -> str:
    """The name in one registry, "" when the number is not in it.

    :raises OSError: its files cannot be read. ValueError: they are not what they were.
    """
    with (directory / f"{kind}.idx").open("rb") as index, mmap.mmap(index.fileno(), 0, prot=mmap.PROT_READ) as lines:
        wanted = b"%d," % number
        start = 0 if lines[: len(wanted)] == wanted else lines.find(b"\n" + wanted) + 1
        if not start and lines[: len(wanted)] != wanted:
            return ""
        end = lines.find(b"\n", start)
        _, offset, size = (int(field) for field in lines[start : end if end >= 0 else len(lines)].split(b","))
    with (directory / f"{kind}.txt").open("rb") as records:
        records.seek(offset)
        found = _NAME.search(records.read(min(size, MAX_RECORD)))
    text = found[1].decode("utf-8", "replace") if found else ""
    return "".join(one for one in text if one.isprintable()).strip()[:MAX_NAME]
