"""Images down, methods across: a figure of explanations with its colour bars, laid out in inches."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from interp.core.drawing import ShownFigure, colour_limit, plain_text, wrapped
from interp.report.figures import draw_map, draw_picture

# Inches: the longer side of an image, what a column is wide at least, the titles of rows, a line of a title, a colour bar, the width and
# the height of its labels, and what lies between pictures.
_SIDE, _NARROWEST, _NAME, _LINE, _BAR, _LABEL, _PAD = 1.5, 0.9, 1.2, 0.13, 0.07, (0.45, 0.12), 0.1
# Letters of 8 points in an inch.
_LETTERS = 15
# Of notebooks, and of files.
_DPI, FILE_DPI = 100, 200


def explanation_figure(
    images: np.ndarray,
    maps: np.ndarray,
    titles: Sequence[tuple[str, str]],
    columns: Sequence[tuple[str, str | None]],
    *,
    shared_scale: bool,
    opacity: float,
) -> Figure:
    """Images (n, height, width, channels) down and their maps (n, methods, height, width) across, with colour bars.

    `titles` (n,) are names of the explained classes with what is told of them, `columns` names of methods with the layers they look at.
    """
    count, height, width, _ = images.shape
    wide, high = (_SIDE * side / max(height, width) for side in (width, height))
    letters = int(max(wide, _NARROWEST) * _LETTERS)
    heads = [
        _lines(name, letters, 4) + ("" if layer is None else f"\n{_lines(f'at {layer}', letters, 3)}")
        for name, layer in columns
    ]
    names = [f"{_lines(name, int(_NAME * _LETTERS), 4)}\n{told}" for name, told in titles]
    # A bar has a row of its own below its maps, or a column where the row shares it.
    widths = [max(wide, _NARROWEST)] * (1 + len(columns)) + ([_BAR] if shared_scale else [])
    heights = [high] * count if shared_scale else [high, _BAR] * count
    lowest = _LINE * max(title.count("\n") + 1 for title in names)
    figure = ShownFigure(
        figsize=(
            _NAME + sum(widths) + _PAD * len(widths) + (_LABEL[0] if shared_scale else 0),
            _LINE * max(head.count("\n") + 1 for head in heads)
            + count * (max(high, lowest) + _PAD)
            + (0 if shared_scale else count * (_BAR + _LABEL[1])),
        ),
        dpi=_DPI,
        layout=ConstrainedLayoutEngine(w_pad=_PAD / 2, h_pad=_PAD / 4, wspace=0, hspace=0),
    )
    grid = figure.add_gridspec(len(heights), len(widths), width_ratios=widths, height_ratios=heights)
    for index, (image, of_image, title) in enumerate(zip(images, maps, names, strict=True)):
        place = index if shared_scale else 2 * index
        row = [_bare(figure.add_subplot(grid[place, column])) for column in range(1 + len(columns))]
        draw_picture(row[0], image)
        row[0].set_ylabel(title, fontsize=8, rotation=0, ha="right", va="center", multialignment="right")
        limits = [colour_limit(map_) for map_ in of_image]
        if shared_scale:
            limits = [max(limits)] * len(limits)
        for column, (axes, map_, limit) in enumerate(zip(row[1:], of_image, limits, strict=True), 1):
            draw_map(axes, image, map_, limit, opacity)
            if index == 0:
                axes.set_title(heads[column - 1], fontsize=8)
            if not shared_scale:
                _colour_bar(figure, figure.add_subplot(grid[place + 1, column]), limit, widths[0])
        if shared_scale:
            _colour_bar(figure, figure.add_subplot(grid[place, -1]), limits[0], None)
    return figure


def _lines(text: str, letters: int, most: int) -> str:
    return plain_text(wrapped(text, letters, most))


def _bare(axes: Axes) -> Axes:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def _colour_bar(figure: Figure, axes: Axes, limit: float, wide: float | None) -> None:
    """A bar whose ends say the values: below a map, as `wide` as it is, or beside a row."""
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), "seismic"),
        cax=axes,
        orientation="horizontal" if wide else "vertical",
    )
    bar.outline.set_linewidth(0.4)
    bar.set_ticks([-limit, limit], labels=[f"{-limit:.2g}", f"{limit:.2g}"], fontsize=6)
    axes.tick_params(length=1.5, width=0.4, pad=1)
    # Labels stay within their bar, so those of neighbours do not run into each other.
    if wide:
        axes.set_box_aspect(_BAR / wide)
        low, high = axes.get_xticklabels()
        low.set_horizontalalignment("left")
        high.set_horizontalalignment("right")
    else:
        low, high = axes.get_yticklabels()
        low.set_verticalalignment("bottom")
        high.set_verticalalignment("top")
