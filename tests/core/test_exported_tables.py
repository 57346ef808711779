"""Tables in files: one function for every result, each format by the file's suffix; LaTeX by hand; results of attacks have tables."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.attacks.auto_attack import AutoAttackResult
from interp.attacks.explanation_attack import ManipulatedImages
from interp.attacks.interpretability_sneaking import InterpretabilitySneakingResult
from interp.attacks.map_comparison import ExplanationAttackResult
from interp.attacks.minimum_epsilon import MinimumEpsilonResult
from interp.core.errors import InputError
from interp.core.tables import FORMATS, NOTHING, SUFFIXES, Table, cells_of, render
from interp.report import write_table

TABLE = Table(("net_1", "acc"), (("a&b", 0.123456), ("c%", None)), "50% of images")
LATEX = r"""% needs \usepackage{booktabs}
\begin{table}
\centering
\caption{50\% of images}
\begin{tabular}{lr}
\toprule
net\_1 & acc \\
\midrule
a\&b & 0.1235 \\
c\% & none qualified \\
\bottomrule
\end{tabular}
\end{table}"""


def test_latex_by_hand():
    assert render(TABLE, "latex") == LATEX
    assert r"\caption" not in render(Table(TABLE.header, TABLE.rows), "latex")


@given(st.text(max_size=12))
def test_no_text_ends_a_cell_or_starts_a_command(text):
    line = render(Table(("one", "two"), ((text, 1),)), "latex").splitlines()[7]
    known = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|textbar|textless|textgreater)\{\}|\\[&%$#_{}]|\{[[*]\}",
        "",
        line,
    )
    assert known.count("&") == 1
    assert not set(known.removesuffix(r" \\")) & set("\\%$#_{}~^")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on the PATH")
def test_latex_sets_it(tmp_path):
    text = (
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{render(TABLE, 'latex')}\end{{document}}"
    )
    (tmp_path / "page.tex").write_text(text)
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "page.tex"], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_written_in_the_format_of_its_suffix(tmp_path, format):
    path = write_table(TABLE, tmp_path / f"table{SUFFIXES[format]}")
    # Ended by a newline, as files of text are.
    assert path.read_bytes().decode() == f"{render(TABLE, format).removesuffix(chr(10))}\n"


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a name that ends in .*\.csv"):
        write_table(TABLE, tmp_path / "table.xls")
    with pytest.raises(InputError, match="what is written"):
        write_table([1, 2], tmp_path / "table.csv")


def test_a_table_shows_itself_and_gives_a_data_frame():
    assert TABLE._repr_html_() == render(TABLE, "html")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = TABLE.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["net_1", "acc"]
    assert frame["acc"].isna().tolist() == [False, True]


def test_cells_of_arrays():
    assert cells_of(np.array([True, False])) == ["yes", "no"]
    assert cells_of(np.array([0.5, np.nan], np.float32)) == [0.5, None]
    assert cells_of(np.array(["a", "b"], object)) == ["a", "b"]
    assert [type(cell) for cell in cells_of(np.arange(2))] == [int, int]


IMAGES = np.zeros((2, 1, 1, 1), np.float32)
RESULTS = [
    (
        AutoAttackResult(IMAGES, np.array([True, False]), np.array(["APGD-CE", ""]), ("APGD-CE",)),
        ("image", "broken", "broken by"),
        ((0, "yes", "APGD-CE"), (1, "no", NOTHING)),
    ),
    (
        MinimumEpsilonResult(IMAGES, np.array([0.25, np.nan]), np.array([True, False])),
        ("image", "broken", "eps"),
        ((0, "yes", 0.25), (1, "no", None)),
    ),
    (
        InterpretabilitySneakingResult(IMAGES, np.array([True, False])),
        ("image", "succeeded"),
        ((0, "yes"), (1, "no")),
    ),
    (
        ManipulatedImages(IMAGES, IMAGES, np.array([0.5, 1.0]), np.array([2.0, 2.0])),
        ("image", "clean distance", "distance"),
        ((0, 2.0, 0.5), (1, 2.0, 1.0)),
    ),
    (
        ExplanationAttackResult(
            {}, {"tau": np.array([0.5, np.nan])}, {"tau": np.array(["a", "clean"], object)}, {}, np.array([False] * 2)
        ),
        ("image", "tau", "tau: search"),
        ((0, 0.5, "a"), (1, None, "clean")),
    ),
]


@pytest.mark.parametrize(("result", "header", "rows"), RESULTS, ids=lambda each: type(each).__name__)
def test_results_of_attacks_have_a_table_of_images(tmp_path, result, header, rows):
    table = result.table()
    assert (table.header, table.rows) == (header, rows)
    assert result._repr_html_() == render(table, "html")
    assert write_table(result, tmp_path / "images.tex").read_text() == f"{render(table, 'latex')}\n"
