"""Snapshots of a simulated camera: a small JPEG of a moving bar in a field of noise.

Baseline JPEG (ITU-T T.81) of one component, each block of 8 x 8 one shade: only its mean (DC) is coded.
"""

from __future__ import annotations

from random import Random

WIDTH, HEIGHT = 160, 90
#: Shades of a bar that goes from left to right once in so many seconds.
_PERIOD = 20.0
_DARK, _BRIGHT, _NOISE = 60, 220, 12

_COLUMNS, _ROWS = (WIDTH + 7) // 8, (HEIGHT + 7) // 8
#: Annex K.3.1: number of codes of each length, and their values: the size of a difference in bits.
_DC_COUNTS = bytes((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0))
_DC_VALUES = bytes(range(12))
#: One code of one bit: end of block. Nothing but the mean follows.
_AC_COUNTS = bytes((1, *[0] * 15))
_AC_VALUES = b"\0"


def _codes() -> dict[int, str]:
    """The Huffman codes of the differences' sizes (annex C.2)."""
    codes, code, position = {}, 0, 0
    for length, count in enumerate(_DC_COUNTS, 1):
        for _ in range(count):
            codes[_DC_VALUES[position]] = format(code, f"0{length}b")
            code, position = code + 1, position + 1
        code <<= 1
    return codes


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + (len(body) + 2).to_bytes(2, "big") + body


_FRAME = b"\x08" + HEIGHT.to_bytes(2, "big") + WIDTH.to_bytes(2, "big") + b"\x01\x01\x11\x00"
_HEAD = (
    b"\xff\xd8"
    + _segment(0xDB, b"\0" + b"\x08" * 64)
    + _segment(0xC0, _FRAME)
    + _segment(0xC4, b"\x00" + _DC_COUNTS + _DC_VALUES)
    + _segment(0xC4, b"\x10" + _AC_COUNTS + _AC_VALUES)
    + _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
)
_CODES = _codes()


def _difference(value: int) -> str:
    """Size and bits of one difference (annex F.1.2.1)."""
    size = abs(value).bit_length()
    bits = value if value >= 0 else value + (1 << size) - 1
    return _CODES[size] + (format(bits, f"0{size}b") if size else "")


def paint(moment: float, noise: Random) -> bytes:
    """The JPEG of one moment.

    :param moment: seconds; where the bar stands.
    :param noise: the sensor's: no two pictures are equal.
    """
    bar = int(moment % _PERIOD / _PERIOD * _COLUMNS)
    text, before = "", 0
    for _ in range(_ROWS):
        for column in range(_COLUMNS):
            # The mean of 8 x 8 samples is an eighth of DC, which is counted in steps of 8: one step is one shade.
            shade = (_BRIGHT if column == bar else _DARK) + noise.randrange(-_NOISE, _NOISE + 1) - 128
            text += _difference(shade - before) + "0"
            before = shade
    text += "1" * (-len(text) % 8)
    scan = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    return _HEAD + scan + b"\xff\xd9"
