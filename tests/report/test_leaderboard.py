"""The leaderboard: shipped rows and those of records, in order, as a table and as a picture; what is damaged is named."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import interp
from interp.core.errors import InputError
from interp.core.used_files import fingerprint
from interp.report import Leaderboard, leaderboard, leaderboard_figure, render
from interp.report.leaderboard import in_order
from interp.report.leaderboard_figure import LARGEST, SMALLEST
from tests.report.leaderboard_rows import keep, published, row

WEAK = row("weak", 0.2, {"cam": 0.5, "ig": 0.4}, minutes=None)
STRONG = row("strong", 0.8, {"cam": 0.7, "ig": None})
POOLED = row("own", 0.5, {"grad_cam": 0.6}, architecture="Sequential, 90 weights", dataset="photos", method="-")


@pytest.fixture
def nothing_shipped(monkeypatch, tmp_path):
    (tmp_path / "shipped.json").write_text('{"networks": []}')
    monkeypatch.setattr(leaderboard, "SHIPPED", tmp_path / "shipped.json")


def test_the_shipped_rows_are_there():
    shipped = json.loads(Path(leaderboard.SHIPPED).read_text())
    board = interp.leaderboard()
    assert len(board.rows) == len(shipped["networks"])
    assert board == in_order(Leaderboard.from_json(shipped).rows)


def test_without_a_row_there_is_a_header(nothing_shipped):
    board = interp.leaderboard()
    assert board.table().rows == ()
    assert {"network", "clean", "strong", "flags", "record", "weights"} <= set(board.columns())
    assert "<th" in board._repr_html_()


def test_rows_of_folders_by_dataset_and_accuracy(nothing_shipped, tmp_path):
    """Each names its record and its weights; what was not attacked or is not known has no figure."""
    paths = [keep(tmp_path / "a", measured) for measured in (WEAK, STRONG)]
    paths.append(keep(tmp_path / "b", POOLED, "leaderboard"))
    # As eval.py leaves them beside a table.
    (tmp_path / "b" / "settings.json").write_text("{}")
    board = interp.leaderboard(tmp_path / "a", str(tmp_path / "b"))
    columns = board.columns()
    assert columns["network"] == ["strong", "weak", "own"]
    assert columns["strong"] == [0.8, 0.2, 0.5]
    assert columns["cam"] == [0.7, 0.5, "-"]
    assert columns["ig"] == [None, 0.4, "-"]
    assert columns["cam noise"] == [0.9, 0.9, "-"]
    assert columns["grad_cam"] == ["-", "-", 0.6]
    assert columns["minutes"] == [1.5, "-", 1.5]
    assert columns["flags"] == ["restarts, cam: noise"] * 3
    assert columns["record"] == [str(paths[place]) for place in (1, 0, 2)]
    assert columns["weights"][0] == fingerprint(tmp_path / "a" / "strong.safetensors")
    assert board.notes == (
        "mnist: linf eps 0.3; accuracies of 200 images, all attacks; Kendall tau of those of 60 images that are classified right, all "
        "searches; official files",
        "photos: linf eps 0.3; accuracies of 200 images, all attacks; Kendall tau of those of 60 images that are classified right, all "
        "searches; official files",
    )
    assert Leaderboard.from_json(json.loads(json.dumps(board.to_json()))) == board
    assert render(board.table(), "markdown").splitlines()[2].startswith("| network | method | architecture |")
    assert (
        render(board.table(), "csv")
        .splitlines()[1]
        .startswith("strong,Adv,small,mnist,here,linf,0.3,200,0.9,0.02,0.8,0.03,0.7,")
    )


def test_shipped_rows_come_first_into_the_same_order(monkeypatch, tmp_path):
    (tmp_path / "shipped.json").write_text(json.dumps(Leaderboard((STRONG,)).to_json()))
    monkeypatch.setattr(leaderboard, "SHIPPED", tmp_path / "shipped.json")
    keep(tmp_path / "own", row("best", 0.95, {"cam": 0.1}))
    assert interp.leaderboard(tmp_path / "own").columns()["network"] == ["best", "strong"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strong": {"value": 1.5, "standard_error": 0.1, "count": 9}}, "accuracies from 0 to 1"),
        ({"strong": {"value": None, "standard_error": None, "count": 0}}, "accuracies from 0 to 1"),
        ({"norm": "l7"}, "a norm of linf or l2"),
        ({"facts": {"name": "weak"}}, "has no 'method'"),
        ({"explanations": 3}, "a list"),
        ({"files": {}}, "does not say the digest of weak.safetensors"),
        ({"rows": []}, "one at least"),
        ({"result": "Validity", "facts": None}, "an object"),
    ],
)
def test_damaged_records_are_one_line(nothing_shipped, tmp_path, change, message):
    path = keep(tmp_path, WEAK)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message) as refused:
        interp.leaderboard(tmp_path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_record_cut_short_and_a_tau_beyond_1_are_named(nothing_shipped, tmp_path):
    path = keep(tmp_path, WEAK)
    record = json.loads(path.read_text())
    record["explanations"][0]["noise"]["value"] = 1.5
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="each Kendall tau from -1 to 1"):
        interp.leaderboard(tmp_path)
    path.write_text(path.read_text()[:200])
    with pytest.raises(InputError, match=r"weak\.json cannot be read as record of a result"):
        interp.leaderboard(tmp_path)


def test_folders_without_rows_say_how_to_write_them(nothing_shipped, tmp_path):
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard" / "settings.json").write_text("{}")
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="--task leaderboard --output-dir"):
            interp.leaderboard(folder)


@pytest.mark.parametrize("folder", [None, ["tables"], 5])
def test_what_is_no_folder_is_told(nothing_shipped, folder):
    with pytest.raises(InputError, match="a folder of records came as"):
        interp.leaderboard(folder)


def test_shipped_rows_that_are_damaged_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(leaderboard, "SHIPPED", tmp_path / "gone.json")
    with pytest.raises(InputError, match="install the package again"):
        interp.leaderboard()


def crowded():
    """Twelve methods of two sources at nearly the same place, and some at the left border."""
    generator = np.random.RandomState(0)
    rows = []
    for place, who in itertools.product(range(12), ("here", "published")):
        strong = 0.0 if place < 3 else 0.85 + 0.02 * generator.randn()
        made = row(
            f"{who}{place}", strong, {"cam": 0.9 + 0.02 * generator.randn()}, method=f"Method-{place}", clean=0.5
        )
        rows.append(published(made) if who == "published" else made)
    return in_order([*rows, POOLED])


def test_labels_of_the_picture_cover_neither_each_other_nor_markers():
    figure = leaderboard_figure(crowded())
    figure.draw_without_rendering()
    [axes] = figure.axes
    assert axes.get_title() == "mnist, small, linf 0.3: cam"
    texts = [text for text in axes.texts if text.get_text()]
    assert sorted(text.get_text() for text in texts) == sorted(2 * [f"Method-{place}" for place in range(12)])
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    [points] = axes.collections
    centres = axes.transData.transform(points.get_offsets())
    assert not any(box.contains(*centre) for box, centre in itertools.product(boxes, centres))
    assert set(points.get_sizes()) == {(SMALLEST + LARGEST) / 2}
    assert len({tuple(colour) for colour in points.get_facecolors()}) == 2
    room = axes.get_window_extent()
    assert all(room.x0 <= box.x0 and box.x1 <= room.x1 for box in boxes)


def test_the_picture_shows_what_there_is_to_compare():
    figure = leaderboard_figure(in_order([WEAK, STRONG, POOLED]))
    # Integrated gradients of one of them have no figure, and the third network stands alone.
    [axes] = figure.axes
    assert axes.get_title() == "mnist, small, linf 0.3: cam"
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[0.8, 0.7], [0.2, 0.5]])
    with pytest.raises(InputError, match=r"interp\.leaderboard\(\)"):
        leaderboard_figure([WEAK])


def test_rows_of_other_balls_are_not_compared():
    others = [dataclasses.replace(WEAK, norm="l2", epsilon=1.5), dataclasses.replace(WEAK, epsilon=2 / 255)]
    board = in_order([STRONG, *others, WEAK])
    titles = ["mnist, small, l2 1.5", "mnist, small, linf 2/255", "mnist, small, linf 0.3"]
    assert list(leaderboard.leaderboard_groups(board)) == titles
    assert [row.epsilon for row in board.rows] == [1.5, 2 / 255, 0.3, 0.3]
    [axes] = leaderboard_figure(board).axes
    assert len(axes.collections[0].get_offsets()) == 2


def test_radii_that_are_written_alike_are_one_ball():
    """8/255 in double and in single precision: one group of them was lost."""
    rows = [dataclasses.replace(WEAK, epsilon=8 / 255), dataclasses.replace(STRONG, epsilon=float(np.float32(8 / 255)))]
    [(title, found)] = leaderboard.leaderboard_groups(in_order(rows)).items()
    assert title == "mnist, small, linf 8/255"
    assert [row.facts.name for row in found] == ["strong", "weak"]
