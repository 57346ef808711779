"""Every result: its table by hand, and what becomes of it in a record."""

import copy
import dataclasses
import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.core.errors import InputError
from interp.core.json_values import parse_json
from interp.core.tables import FORMATS, render
from interp.evaluation import AccuracyCurve, Flag, MapSummary, SelectivityCurves, UnforeseenAccuracies
from tests.evaluation.results_by_hand import (
    AGREEMENT,
    BOTH,
    BOUND,
    COHERENT,
    CURVE,
    DERIVED,
    OVERLAP,
    RESULTS,
    ROAR,
    SANE,
    SELECTIVE,
    SELECTIVE_CURVES,
    SNEAKING,
    SPARED,
    STRONG,
    UNFORESEEN,
    UNMASKED,
)

NAMES = list(RESULTS)


@pytest.mark.parametrize("name", NAMES)
def test_tables_by_hand(name):
    result, (header, *rows), caption = RESULTS[name]
    table = result.table()
    assert header is None or table.header == header
    assert len(table.rows) == len(rows)
    for row, expected in zip(table.rows, rows, strict=True):
        assert row == tuple(pytest.approx(cell) if isinstance(cell, float) else cell for cell in expected)
    assert caption is None or table.caption == caption
    assert result.columns() == {key: list(cells) for key, cells in zip(table.header, zip(*table.rows), strict=True)}
    # Plain numbers, which tables and JSON take.
    assert all(cell is None or type(cell) in (str, int, float) for row in table.rows for cell in row)
    for format in FORMATS:
        assert render(table, format)


def same(before, after):
    """Whether fields are equal; what a record leaves out is at its default."""
    if dataclasses.is_dataclass(before):
        for each in dataclasses.fields(before):
            if each.metadata.get("json") is not False:
                same(getattr(before, each.name), getattr(after, each.name))
    elif isinstance(before, np.ndarray):
        np.testing.assert_array_equal(after, before)
    elif isinstance(before, Mapping):
        assert before.keys() == after.keys()
        for key in before:
            same(before[key], after[key])
    elif isinstance(before, tuple):
        assert len(before) == len(after)
        for pair in zip(before, after, strict=True):
            same(*pair)
    else:
        assert after == before
        assert type(after) is type(before)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read(name):
    result = RESULTS[name][0]
    values = parse_json(json.dumps(result.to_json(), allow_nan=False))
    # A record has these of its own.
    assert not values.keys() & {"header", "rows", "caption", "files", "arguments", "data", "pictures", "notes"}
    record = {**values, "header": list(result.table().header), "rows": [list(row) for row in result.table().rows]}
    for kept in (values, parse_json(json.dumps({**record, "caption": result.caption, "notes": ["x"]}))):
        read = type(result).from_json(kept)
        same(result, read)
        assert read.table() == result.table()
        assert read.to_json() == result.to_json()
        assert read.notes == result.notes


@pytest.mark.parametrize("name", NAMES)
def test_missing_fields(name):
    result = RESULTS[name][0]
    values, kind = result.to_json(), type(result)
    needed = {
        each.metadata.get("json", each.name)
        for each in dataclasses.fields(kind)
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    }
    for key in values.keys() - DERIVED.get(kind, set()):
        left = {other: value for other, value in values.items() if other != key}
        if key in needed:
            with pytest.raises(InputError, match=rf"{kind.__name__}.*{key}"):
                kind.from_json(left)
    assert kind.from_json({key: values[key] for key in values.keys() & {*needed, "unerased_by_seed"}}).table().rows


def leaves(value, path=()):
    """The places of numbers, texts and nulls."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield path
    for key, part in parts or ():
        yield from leaves(part, (*path, key))


def replaced(values, path, value):
    changed = copy.deepcopy(values)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


@pytest.mark.parametrize("name", NAMES)
def test_another_kind_of_value_is_refused_wherever_it_stands(name):
    result = RESULTS[name][0]
    values, kind = result.to_json(), type(result)
    for path in leaves(values):
        if path[0] not in DERIVED.get(kind, set()):
            with pytest.raises(InputError) as caught:
                kind.from_json(replaced(values, path, {"a": [1]}))
            assert str(caught.value).startswith(kind.__name__)
            assert "\n" not in str(caught.value)


VALUES = (
    5,
    -1,
    0,
    1.5,
    2,
    True,
    None,
    "x",
    "",
    "-",
    "a0",
    [],
    {},
    [[]],
    10**400,
    1e299,
    "\x00\n",
    [1, "a"],
    0.25,
    10**15,
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_values_are_refused_or_usable(name, data):
    result = RESULTS[name][0]
    values = result.to_json()
    for _ in range(data.draw(st.integers(1, 2))):
        places = list(leaves(values))
        values = replaced(values, data.draw(st.sampled_from(places)), data.draw(st.sampled_from(VALUES)))
    try:
        read = type(result).from_json(values)
    except InputError as error:
        message = str(error)
    else:
        for format in FORMATS:
            render(read.table(), format)
        json.dumps(read.to_json(), allow_nan=False)
        assert isinstance(read.notes, tuple)
        return
    assert "\n" not in message
    assert type(result).__name__ in message


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_and_data_frames(name):
    result = RESULTS[name][0]
    assert result._repr_html_() == render(result.table(), "html")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = result.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(result.columns())
    assert len(frame) == len(result.table().rows)


def test_texts_of_others_are_escaped():
    evil = "<script>alert('x')</script>"
    for result in (
        dataclasses.replace(CURVE, protocol=evil),
        dataclasses.replace(OVERLAP, against=evil),
        dataclasses.replace(SPARED, flags=(Flag(evil, "text"),)),
        dataclasses.replace(SELECTIVE_CURVES, curves={evil: (0.5,)}, accuracies={evil: (0.5,)}),
    ):
        shown = result._repr_html_()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


def test_records_keep_their_names():
    """What eval.py and eval_cmd.py have always written, in the form that it has."""
    assert CURVE.to_json() == {
        "epsilons": [0.0, 0.1],
        "accuracies": [0.5, 0.2],
        "images": 10,
        "protocol": "PGD-10",
        "right": ["f800", "c000"],
        "flags": [{"kind": "weak attack", "text": "steps are short"}],
    }
    strong = STRONG.to_json()
    assert strong["flagged"] is True
    assert strong["flags"] == [
        {"kind": "random output", "text": "two calls differ"},
        {"kind": "black box", "text": "it finds more", "eps": 0.1},
    ]
    assert AGREEMENT.to_json()["flags"] == [{"kind": "weak attack", "text": "steps are short", "eps": 0.1}]
    assert BOUND.to_json()["broken"] == [0, 2, 3]
    assert BOUND.to_json()["margins"] == [1.0, 2.0, 4.0]
    assert BOUND.to_json()["bounded"] is True
    sneaking = SNEAKING.to_json()
    assert sneaking["qualified"] == [1, 3]
    assert sneaking["discrepancies"] == [[4.0, 2.0], [3.0, 2.0]]
    assert sneaking["pearson_rs"] == [[0.2, None], [0.4, None]]
    assert sneaking["standard_error"] == pytest.approx(0.75)
    assert "adversarial" not in sneaking
    assert COHERENT.to_json()["object_share"] == 0.25
    assert UNMASKED.to_json()["agreement"] == [[1.0, None], [None, 1.0]]
    assert SELECTIVE_CURVES.to_json()["curves"]["cam"] == [0.75, 0.25, 0.0, 0.0]
    roar = ROAR.to_json()
    assert roar["accuracies"] == {"random 0.5": [0.6, 0.6], "cam 0.5": [0.234375, 0.265625]}
    assert roar["unerased"] == pytest.approx(0.85)
    assert roar["layers"] == {"random": None, "cam": "conv"}
    assert BOTH.to_json()["accuracies"]["kar cam 0.5"] == [0.4, 0.4]
    assert {"signed", "magnitudes", "stages", "layers"} <= SANE.to_json().keys()


def test_notes():
    assert SANE.notes[0] == "gradient fails, expected: passes"
    assert SANE.notes[1].startswith("measured: whether maps still agree once 1 of 2 layers are random")
    assert len(SANE.notes) == 2
    assert ROAR.notes[0] == "ROAR at ratio 0.5: beat the random baseline: cam; do not: none"
    assert BOTH.notes[1] == "KAR at ratio 0.5: beat the random baseline: none; do not: cam"
    assert "read a method beside the random baseline only" in ROAR.notes[-1]
    assert CURVE.notes == ()


def test_fields_that_do_not_fit_are_refused():
    for wrong in (
        lambda: AccuracyCurve((0.0, 0.1), (0.5,), 10, "PGD-10"),
        lambda: dataclasses.replace(CURVE, count=11),
        lambda: dataclasses.replace(BOUND, margins=np.zeros(2)),
        lambda: dataclasses.replace(SNEAKING, penalties=(1.5,)),
        lambda: dataclasses.replace(COHERENT, methods=("cam",)),
        lambda: dataclasses.replace(SANE, layers=(1,)),
        lambda: dataclasses.replace(ROAR, seeds=(3, 4, 5)),
        lambda: dataclasses.replace(SELECTIVE_CURVES, accuracies={}),
        lambda: UnforeseenAccuracies(()),
    ):
        with pytest.raises(InputError, match="do not fit each other: expected"):
            wrong()


def test_unforeseen_accuracies_are_a_sequence_and_get_scores():
    assert len(UNFORESEEN) == 2
    assert [row.attack for row in UNFORESEEN] == ["fog", "snow"]
    assert UNFORESEEN[1].epsilon == 2.0
    scored = UNFORESEEN.scored({("fog", 128.0): 0.8, ("snow", 2.0): 0.5})
    assert scored.scores == {"fog": {"untargeted": pytest.approx(62.5)}, "snow": {"untargeted": 0.0}}
    assert scored.settings == UNFORESEEN.settings


def test_curves_of_several_methods():
    erased = np.zeros((2, 28, 28), bool)
    one = dataclasses.replace(SELECTIVE, erased=erased)
    found = SelectivityCurves.of({"one": one, "other": one}, settings="signed ranking")
    assert found.curves["one"] == pytest.approx((0.8, 0.3, 0.1))
    assert found.accuracies["other"] == (1.0, 0.5, 0.0)
    assert (found.count, found.patch, found.pixels) == (2, 3, 784)
    with pytest.raises(InputError, match="an instance such as selectivity"):
        SelectivityCurves.of({"one": 1})


@pytest.mark.parametrize("found", [{}, {"cam": np.zeros((1, 2, 2, 1))}])
def test_a_summary_is_of_explanations(found):
    with pytest.raises(InputError, match=r"explanations came as|'cam' of explanations came as ndarray"):
        MapSummary.of(found)
