"""What all pictures share: the figure itself, colours, names as they are drawn, and the magnitude at which the colours of a map end."""

import io
import re
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from interp.core.checks import check_listed, kind_of
from interp.core.errors import InputError

# Distinct for common forms of colour blindness (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Of a map's magnitudes; a few extreme pixels would leave the rest pale.
_STRONGEST = 99.5


def plain_text(name: str) -> str:
    """A name as matplotlib shows it letter by letter.

    Dollar signs would start a formula, letters that its font lacks would be boxes, and a legend leaves out what begins with "_".
    """
    letters = _letters(findfont(FontProperties()))
    shown = "".join(each if ord(each) in letters or each == "\n" else "?" for each in name).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


@cache
def _letters(font: str) -> frozenset[int]:
    return frozenset(get_font(font).get_charmap())


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines after _ and : too, which names of methods and classes have in place of spaces."""

    wordsep_re = re.compile(r"(\s+|[^\s_:]*[_:])")


def wrapped(text: str, width: int, lines: int) -> str:
    """A text in at most so many `lines` of at most `width` letters; "..." stands for what is left out."""
    return "\n".join(_Wrapper(width, max_lines=lines, placeholder="...").wrap(text))


def colour_limit(map_: np.ndarray) -> float:
    """The magnitude of a map at which its colours end, above 0: all but its strongest pixels are below."""
    magnitudes = np.abs(map_)
    return float(np.percentile(magnitudes, _STRONGEST)) or float(magnitudes.max()) or 1.0


def names_of_classes(labels: Any, names: Sequence[str] | None, classes: int | None = None) -> list[str]:
    """The name of each of the `labels` (n,), "class 3" without `names`.

    Raises InputError where `names` are no texts, too few, or not as many as the `classes` of a model.
    """
    if names is None:
        return [f"class {label}" for label in labels]
    check_listed("class_names", names, "['cat', 'dog']")
    wrong = next((name for name in names if not isinstance(name, str)), None)
    if wrong is not None:
        raise InputError(f"a name of class_names came as {kind_of(wrong)}, expected a string")
    if classes is not None and len(names) != classes:
        raise InputError(f"{len(names)} class_names came, the model has {classes} classes: give a name for each class")
    if max(labels) >= len(names):
        raise InputError(f"{len(names)} class_names came, class {max(labels)} has none: give a name for each class")
    return [str(names[label]) for label in labels]


class ShownFigure(Figure):
    """A figure that a notebook shows where it is the value of a cell, once, whether or not pyplot was imported.

    PDF files embed its fonts as TrueType, as publishers ask for.
    """

    def savefig(self, *arguments: Any, **options: Any) -> None:
        """As Matplotlib's."""
        with rc_context({"pdf.fonttype": 42}):
            super().savefig(*arguments, **options)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
