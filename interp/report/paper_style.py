"""Figures as papers print them: as wide as a column or a page, with the paper's kind and size of letters."""

from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text

from interp.core.checks import check_instance, check_number
from interp.core.errors import check_choice

# In inches: a column and a page of two columns, as ICML and IEEE have them within a tenth.
WIDTHS = {"column": 3.25, "page": 6.75}
# Letters that Matplotlib brings along; STIX is made to stand beside Times.
FAMILIES = {"serif": "STIXGeneral", "sans-serif": "DejaVu Sans"}


def paper_style(
    figure: Figure,
    width: str | float = "column",
    *,
    height: float | None = None,
    font: str = "serif",
    font_size: float = 8,
) -> Figure:
    """Bring a figure of this package, or another one of Matplotlib, to the width and the letters of a paper, and return it.

    Args:
        figure: What is changed, such as that of `accuracy_figure`.
        width: "column" (3.25 inches), "page" (6.75 inches), or inches, such as 5.5.
        height: In inches; by default the figure keeps its proportions.
        font: "serif", "sans-serif", or a font that Matplotlib finds, such as "Times New Roman".
        font_size: Of titles and names of axes, in points; numbers at axes, legends and notes have a point less.

    Returns:
        The figure.

    Raises:
        InputError: An argument is not as described.

    Example:
        `interp.report.paper_style(interp.report.accuracy_figure(curves)).savefig("accuracy.pdf")`.
    """
    check_instance("the figure", figure, Figure, "accuracy_figure(curves)")
    inches = WIDTHS[check_choice("width", width, WIDTHS)] if isinstance(width, str) else width
    check_number("width", inches, minimum=0, strict=True)
    check_number("font_size", font_size, minimum=0, strict=True)
    family = FAMILIES.get(font) or check_choice("font", font, [*FAMILIES, *get_font_names()])
    before, tall = figure.get_size_inches()
    if height is None:
        height = tall * inches / before
    check_number("height", height, minimum=0, strict=True)
    figure.set_size_inches(inches, height)
    smaller = font_size - 1
    for text in figure.findobj(Text):
        text.set_fontfamily(family)
        text.set_fontsize(smaller)
    for axes in figure.axes:
        # Ticks that are drawn later have their letters from here.
        axes.tick_params(labelsize=smaller, labelfontfamily=family, width=0.6, length=2.5)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_fontsize(font_size)
        for spine in axes.spines.values():
            spine.set_linewidth(0.6)
        legend = axes.get_legend()
        for line in (*axes.get_lines(), *(legend.get_lines() if legend else ())):
            _thin(line)
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        # Places that were found for other letters do not fit these.
        figure.set_layout_engine("constrained")
    return figure


def _thin(line: Line2D) -> None:
    line.set_linewidth(min(line.get_linewidth(), 1.0))
    line.set_markersize(min(line.get_markersize(), 3.0))
