"""Curves as SVG inside a page: sharp at any size, and every point says its value."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interp.core.drawing import COLOURS
from interp.core.errors import InputError
from interp.core.tables import counted

# Of the curves, and of what is around them.
WIDTH, HEIGHT = 478, 340
LEFT, TOP, BOTTOM = 52, 14, 44
# Of the list of names beside the curves: a row, what stands before a name, and a letter.
ROW, LINE, LETTER = 17, 44, 7


@dataclass(frozen=True)
class Curve:
    """Points of a line.

    Args:
        x: Places of the points, such as radii.
        y: Values there, from 0 to 1.
        errors: Standard error of each value, drawn as a band (default: none).

    Raises:
        InputError: There are no points, or not as many places, values and errors.
    """

    x: Sequence[float]
    y: Sequence[float]
    errors: Sequence[float] = ()

    def __post_init__(self) -> None:
        counts = len(self.x), len(self.y), len(self.errors)
        if not counts[0] or counts[1] != counts[0] or counts[2] not in (0, counts[0]):
            raise InputError(
                f"a curve came with {counted(counts[0], 'place')}, {counted(counts[1], 'value')} and {counted(counts[2], 'error')}, "
                "expected at least one place, a value for each, and an error for each or none"
            )


def svg_curves(curves: Mapping[str, Curve], x_label: str, y_label: str, *, of_networks: bool = False) -> str:
    """The SVG element of curves by name, y from 0 to 1, each with one standard error as a band; points take the keyboard's focus.

    Curves `of_networks` are marked with the names of those.
    """
    last = max(max(curve.x) for curve in curves.values()) or 1.0
    total = max(HEIGHT, TOP + BOTTOM + ROW * len(curves))
    height, end = total - TOP - BOTTOM, LEFT + WIDTH
    names = LINE + LETTER * max(20, *map(len, curves))

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + WIDTH * x / last, TOP + height * (1 - min(max(y, 0.0), 1.0))

    parts = [
        f'<svg class="curves" viewBox="0 0 {end + names} {total}" role="group" '
        f'aria-label="{html.escape(y_label)} against {html.escape(x_label)}">'
    ]
    parts += _axes(at, last, x_label, y_label)
    for index, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        dashes = ' stroke-dasharray="6 3"' if index >= len(COLOURS) else ""
        points = [at(x, y) for x, y in zip(curve.x, curve.y, strict=True)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        marked = f' data-network="{html.escape(name)}"' if of_networks else ""
        parts.append(f'<g class="line"{marked}>')
        if len(curve.errors):
            edges = [at(x, y + error) for x, y, error in zip(curve.x, curve.y, curve.errors, strict=True)]
            edges += [at(x, y - error) for x, y, error in zip(curve.x, curve.y, curve.errors, strict=True)][::-1]
            band = " ".join(f"{x:.1f},{y:.1f}" for x, y in edges)
            parts.append(f'<polygon points="{band}" fill="{colour}" opacity="0.15"/>')
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>')
        for (x, y), x_value, y_value in zip(points, curve.x, curve.y, strict=True):
            told = html.escape(f"{name}: {y_value:.3g} at {x_label} {x_value:.3g}")
            parts.append(
                f'<circle class="mark" tabindex="0" role="img" aria-label="{told}" cx="{x:.1f}" cy="{y:.1f}" r="4" '
                f'fill="{colour}"><title>{told}</title></circle>'
            )
        row = TOP + 8 + ROW * index
        parts.append(
            f'<line x1="{end + 16}" x2="{end + 38}" y1="{row}" y2="{row}" stroke="{colour}" '
            f'stroke-width="2.5"{dashes}/><text x="{end + LINE}" y="{row + 4}">{html.escape(name)}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _axes(at: Callable[[float, float], tuple[float, float]], last: float, x_label: str, y_label: str) -> list[str]:
    parts = []
    for value in np.linspace(0, 1, 6):
        x, y = at(0, value)
        end, _ = at(last, value)
        parts.append(f'<line x1="{x}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.1f}</text>')
    for value in np.linspace(0, last, 5):
        x, y = at(value, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{value:.3g}</text>')
    middle, base = at(last / 2, 0)
    parts.append(f'<text x="{middle:.1f}" y="{base + 38:.1f}" text-anchor="middle">{html.escape(x_label)}</text>')
    _, centre = at(0, 0.5)
    turned = f'transform="rotate(-90 14 {centre:.1f})"'
    return [*parts, f'<text x="14" y="{centre:.1f}" {turned} text-anchor="middle">{html.escape(y_label)}</text>']
