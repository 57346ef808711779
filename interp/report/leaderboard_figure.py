"""The leaderboard as a picture: how well explanations hold up against how well predictions do."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from interp.core.checks import check_instance
from interp.core.drawing import COLOURS, ShownFigure, plain_text
from interp.core.tables import NOTHING
from interp.evaluation import LeaderboardRow
from interp.report.leaderboard import Leaderboard, leaderboard_groups

# Areas of markers, in square points, of a clean accuracy of 0 and of 1.
SMALLEST, LARGEST = 6.0, 110.0
# Where a label is tried, one after the other: distances from its marker in points, and directions.
DISTANCES, DIRECTIONS = (9, 14, 20, 27, 35, 44, 54, 66, 80, 96), 24
# A label whose edge is farther away, in points, has a line to its marker.
FAR = 7


def leaderboard_figure(board: Leaderboard) -> Figure:
    """Draw Kendall tau of the strongest attack on maps against the accuracy under the strongest attack on predictions.

    A panel for each dataset, architecture, ball and explanation of which there are two networks or more; the area of a marker
    grows with the clean accuracy, its colour says who trained the network, and its label by which method.

    Args:
        board: What `interp.leaderboard` returned.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: An argument is not as described.
    """
    check_instance("the leaderboard", board, Leaderboard, "interp.leaderboard()")
    panels = compared(board)
    trained_by = sorted({row.facts.trained_by for *_, rows in panels for row in rows})
    colours = {who: COLOURS[place % len(COLOURS)] for place, who in enumerate(trained_by)}
    down = max(1, -(-len(panels) // 2))
    figure = ShownFigure(figsize=(12, 5.2 * down), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(down, 2, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (title, name, rows) in zip(grid, panels, strict=False):
        _points(axes, rows, name, colours)
        axes.set(
            title=plain_text(title),
            xlabel="accuracy, strong protocol",
            ylabel="Kendall tau of maps, strong protocol",
        )
        axes.margins(0.16)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=_legend(colours), loc="outside lower center", ncols=len(colours) + 3, frameon=False)
    # Where labels have room is known when the panels have their places.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, (_, name, rows) in zip(grid, panels, strict=False):
        _label(axes, rows, name, colours, canvas.get_renderer())
    return figure


def compared(board: Leaderboard) -> list[tuple[str, str, list[LeaderboardRow]]]:
    """What there is to compare: a title, an explanation, and the rows of two networks or more that were attacked by it."""
    panels = [
        (f"{title}: {name}", name, [row for row in rows if _tau(row, name) is not None])
        for title, rows in leaderboard_groups(board).items()
        for name in dict.fromkeys(moved.explanation for row in rows for moved in row.explanations)
    ]
    return [panel for panel in panels if len(panel[2]) > 1]


def _tau(row: LeaderboardRow, name: str) -> float | None:
    return next((moved.worst_case.value for moved in row.explanations if moved.explanation == name), None)


def _area(clean: float | None) -> float:
    return SMALLEST + (LARGEST - SMALLEST) * (clean or 0.0)


def _places(rows: Sequence[LeaderboardRow], name: str) -> np.ndarray:
    """Accuracy and Kendall tau (n, 2) of the rows."""
    return np.array([(row.strong.value, _tau(row, name)) for row in rows], np.float64)


def _points(axes: Axes, rows: Sequence[LeaderboardRow], name: str, colours: dict[str, str]) -> None:
    areas, shown = [_area(row.clean.value) for row in rows], [colours[row.facts.trained_by] for row in rows]
    across, up = _places(rows, name).T
    axes.scatter(across, up, s=areas, c=shown, alpha=0.75, lw=0)


def _legend(colours: dict[str, str]) -> list[Line2D]:
    who = [Line2D([], [], ls="", marker="o", color=colour, label=plain_text(name)) for name, colour in colours.items()]
    for clean in (0.4, 0.7, 1.0):
        size, told = _area(clean) ** 0.5, f"clean accuracy {clean:g}"
        who.append(Line2D([], [], ls="", marker="o", color="grey", ms=size, label=told))
    return who


def _label(
    axes: Axes, rows: Sequence[LeaderboardRow], name: str, colours: dict[str, str], renderer: RendererAgg
) -> None:
    """Write the method beside each marker, where it covers no marker and no other label."""
    scale = renderer.dpi / 72
    centres = axes.transData.transform(_places(rows, name))
    radii = np.array([scale * (_area(row.clean.value) / np.pi) ** 0.5 for row in rows])[:, None]
    # Corners (left, bottom, right, top), in pixels.
    taken = np.concatenate([centres - radii, centres + radii], 1)
    for row, point, centre in zip(rows, _places(rows, name), centres, strict=True):
        text = axes.annotate(
            plain_text(row.facts.name if row.facts.method == NOTHING else row.facts.method),
            point,
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7,
            color=colours[row.facts.trained_by],
        )
        box, room = (np.array(part.get_window_extent(renderer).extents) for part in (text, axes))
        offset = _free_offset(box, taken, room, scale)
        text.set_position(tuple(offset))
        moved = box + scale * np.tile(offset, 2)
        taken = np.concatenate([taken, moved[None]])
        nearest = (np.clip(centre, moved[:2], moved[2:]) - centre) / scale
        if np.hypot(*nearest) > FAR:
            line = {"arrowstyle": "-", "color": "grey", "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
            axes.annotate("", point, xytext=tuple(nearest), textcoords="offset points", arrowprops=line)


def _free_offset(box: np.ndarray, taken: np.ndarray, room: np.ndarray, scale: float) -> np.ndarray:
    """Where, in points from its marker, a label covers least, the nearest place of several."""
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)], 1)
    half = (box[2:] - box[:2]) / 2 / scale
    # The edge of the label is so far away, whatever its width.
    distances = np.array(DISTANCES)[:, None] + (np.abs(directions) @ half - half.min())
    offsets = (distances[..., None] * directions).reshape(-1, 2)
    moved = box + scale * np.tile(offsets, 2)
    outside = np.prod(box[2:] - box[:2]) - _common(moved, room[None])[:, 0]
    # To thousandths of a pixel, so that the nearest of those that cover nothing is the first.
    return offsets[np.argmin(np.round(_common(moved, taken).sum(1) + outside, 3))]


def _common(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The areas (n, m) that boxes (n, 4) and others (m, 4) have in common."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.prod((high - low).clip(0), -1)
