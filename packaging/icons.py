"""Drawer of icons: ``icon.svg`` as PNG for phones and Home Assistant, which take no SVG. `make icons` writes them.

The ground reaches the edges, and the drawing keeps to the middle 80 percent: a phone cuts the corners off as it likes
(www.w3.org/TR/appmanifest, "Icon masks and safe zone").
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "twisted_detector" / "web" / "static"
ADDON = Path(__file__).resolve().parent / "homeassistant"
SIZES = (180, 192, 512)
#: Of an add-on: its icon, and width and height of its logo (developers.home-assistant.io/docs/apps/presentation).
ADDON_ICON, ADDON_LOGO = 128, (250, 100)
GROUND, INK = (0x0C, 0x6B, 0x5D), (0xF5, 0xF2, 0xEC)
#: Of ``icon.svg``: units of its box, half a stroke, a circle, and lines.
BOX, HALF_STROKE, MIDDLE, RADIUS = 32.0, 0.9, 16.0, 10.0
LINES = (
    (16.0, 6.0, 21.4, 15.3), (26.0, 16.0, 15.2, 16.0), (21.4, 24.4, 16.0, 15.1),
    (10.6, 24.4, 16.0, 15.1), (6.0, 16.0, 16.8, 16.0), (10.6, 7.6, 16.0, 16.9),
)  # fmt: skip
#: Colours between ground and ink, for smooth edges.
SHADES = 32


def pixels(size: int) -> list[bytes]:
    """Rows of numbers of shades, 0 for the ground."""
    unit = BOX / size

    def distance(x: float, y: float) -> float:
        """To the nearest stroke's middle."""
        nearest = abs(math.hypot(x - MIDDLE, y - MIDDLE) - RADIUS)
        for x0, y0, x1, y1 in LINES:
            dx, dy = x1 - x0, y1 - y0
            along = max(0.0, min(1.0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)))
            nearest = min(nearest, math.hypot(x - x0 - along * dx, y - y0 - along * dy))
        return nearest

    def shade(column: int, row: int) -> int:
        covered = (HALF_STROKE - distance((column + 0.5) * unit, (row + 0.5) * unit)) / unit + 0.5
        return round(max(0.0, min(1.0, covered)) * (SHADES - 1))

    return [bytes(shade(column, row) for column in range(size)) for row in range(size)]


def png(rows: list[bytes]) -> bytes:
    """A PNG of colours by number (www.w3.org/TR/png-3)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def blend(number: int) -> bytes:
        part = number / (SHADES - 1)
        return bytes(round(a + (b - a) * part) for a, b in zip(GROUND, INK, strict=True))

    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    palette = b"".join(blend(number) for number in range(SHADES))
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", palette)
        + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )  # fmt: skip


def widened(rows: list[bytes], width: int) -> list[bytes]:
    """The same in the middle of more ground."""
    left = (width - len(rows[0])) // 2
    return [bytes(left) + row + bytes(width - left - len(row)) for row in rows]


if __name__ == "__main__":
    for each in SIZES:
        (STATIC / f"icon-{each}.png").write_bytes(png(pixels(each)))
    (ADDON / "icon.png").write_bytes(png(pixels(ADDON_ICON)))
    (ADDON / "logo.png").write_bytes(png(widened(pixels(ADDON_LOGO[1]), ADDON_LOGO[0])))
