"""Drawing of a soak as SVG: panels over one axis of time, and the deeds below them. Pure; no library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from tests.soak.scenario import KINDS, Deed, clock

WIDTH, LEFT, RIGHT = 1000, 74, 16
PANEL, GAP, TOP = 120, 30, 46
LANE = 15
#: Colours that stay apart for most eyes (Okabe and Ito), on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
INK, FAINT = "#333333", "#dddddd"


@dataclass(frozen=True)
class Line:
    """One line of a panel: (seconds, value) each."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Lines that share a scale.

    :ivar zero: whether the scale begins at 0. :ivar marks: (seconds, whether it is a fault) of what stands by itself.
    """

    title: str
    lines: Sequence[Line]
    zero: bool = True
    marks: Sequence[tuple[float, bool]] = ()


def draw(title: str, seconds: float, panels: Sequence[Panel], deeds: Sequence[Deed]) -> str:
    """The picture."""
    kinds = [kind for kind in KINDS if any(deed.kind == kind for deed in deeds)]
    below = TOP + len(panels) * (PANEL + GAP)
    height = below + len(kinds) * LANE + 34
    across = (WIDTH - LEFT - RIGHT) / max(seconds, 1.0)

    def x(at: float) -> float:
        return LEFT + min(max(at, 0.0), seconds) * across

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11" fill="{INK}"><rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for at in _steps(seconds):
        parts.append(f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{height - 22}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{x(at):.1f}" y="{height - 8}" text-anchor="middle">{clock(at)}</text>')
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (PANEL + GAP), x)
    for number, kind in enumerate(kinds):
        y = below + number * LANE
        parts.append(f'<text x="{LEFT - 6}" y="{y + 9}" text-anchor="end" font-size="9">{escape(kind)}</text>')
        for deed in deeds:
            if deed.kind == kind:
                long = max(2.0, x(deed.until) - x(deed.at))
                parts.append(
                    f'<rect x="{x(deed.at):.1f}" y="{y + 1}" width="{long:.1f}" height="{LANE - 5}" '
                    f'fill="{COLOURS[number % len(COLOURS)]}"><title>{escape(str(deed))}</title></rect>'
                )
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: float, x: Callable[[float], float]) -> list[str]:
    values = [value for line in panel.lines for _, value in line.points]
    least, most = (0.0 if panel.zero else min(values, default=0.0)), max(values, default=1.0)
    if not panel.zero:
        room = max((most - least) * 0.1, 1.0)
        least, most = least - room, most + room
    most = max(most, least + 1.0)

    def y(value: float) -> float:
        return top + PANEL - (value - least) / (most - least) * PANEL

    parts = [
        f'<text x="{LEFT}" y="{top - 7}" font-weight="bold">{escape(panel.title)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}" fill="none" stroke="{FAINT}"/>',
    ]
    for value in _scale(least, most):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{FAINT}"/>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.10g}</text>')
    end = WIDTH - RIGHT
    for number, line in enumerate(panel.lines):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in line.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    for number, line in reversed(list(enumerate(panel.lines))):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<text x="{end}" y="{top - 7}" text-anchor="end" fill="{colour}">{escape(line.name)}</text>')
        end -= 7 * len(line.name) + 14
    for at, fault in panel.marks:
        colour, size = ("#c00000", 5) if fault else ("#777777", 3)
        parts.append(f'<circle cx="{x(at):.1f}" cy="{top + PANEL / 2}" r="{size}" fill="{colour}"/>')
    return parts


def _scale(least: float, most: float) -> list[float]:
    """Three to six round numbers between them."""
    size = 10.0 ** (len(str(int(max(most - least, 1)))) - 1)
    step = next(size * part for part in (0.2, 0.5, 1, 2, 5, 10) if (most - least) / (size * part) <= 5)
    number = least // step + (1 if least % step else 0)
    found = []
    while number * step <= most:
        found.append(round(number * step, 6))
        number += 1
    return found


def _steps(seconds: float) -> list[float]:
    step = next((one for one in (60, 120, 300, 600, 1200, 1800, 3600) if seconds / one <= 10), 7200)
    return [float(at) for at in range(0, int(seconds) + 1, step)]
