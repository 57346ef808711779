"""Results as values of JSON and back, by the types of their fields."""

import dataclasses
import json
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interp.core.errors import InputError
from interp.core.json_fields import Bits, Count, Places, Share
from interp.core.results import Result
from interp.core.tables import NOTHING


@dataclass(frozen=True)
class Part:
    value: float | None
    name: str
    eps: float | None = None


@dataclass(frozen=True)
class Everything(Result):
    """A field of every kind."""

    number: float
    count: Count = field(metadata={"json": "images"})
    yes: bool
    maybe: float | None
    shares: tuple[Share, ...]
    pair: tuple[str, int]
    parts: Mapping[str, tuple[Part, ...]]
    figures: np.ndarray
    places: Places
    right: Annotated[np.ndarray, Bits("count")]
    also: Annotated[np.ndarray, Bits("figures")]
    pictures: np.ndarray = field(default_factory=lambda: np.zeros(0), metadata={"json": False})
    text: str = ""

    def columns(self):
        return {"name": [self.text, "<b>"], "figure": [self.number, NOTHING]}

    @property
    def caption(self):
        return self.text

    def _derived(self):
        return {"twice": 2 * self.number}


def make(**changes):
    values = {
        "number": 0.5,
        "count": 3,
        "yes": True,
        "maybe": None,
        "shares": (0.0, 1.0),
        "pair": ("a", -1),
        "parts": {"x": (Part(None, "n"), Part(1.5, "m", 0.1)), "y": ()},
        "figures": np.array([[0.25, np.nan], [np.inf, -1.0]], np.float32),
        "places": np.array([4, 0]),
        "right": np.array([[True, False, True], [False, False, True]]),
        "also": np.array([[True, False]]),
        "pictures": np.ones((2, 2)),
    }
    return Everything(**{**values, **changes})


def test_values_by_hand():
    values = make().to_json()
    assert values == {
        "number": 0.5,
        "images": 3,
        "yes": True,
        "maybe": None,
        "shares": [0.0, 1.0],
        "pair": ["a", -1],
        "parts": {"x": [{"value": None, "name": "n"}, {"value": 1.5, "name": "m", "eps": 0.1}], "y": []},
        "figures": [[0.25, None], [None, -1.0]],
        "places": [4, 0],
        "right": ["a0", "20"],
        "also": ["80"],
        "text": "",
        "twice": 1.0,
    }
    read = Everything.from_json(json.loads(json.dumps({**values, "unknown": [1]})))
    assert (read.number, read.count, read.yes, read.maybe, read.text) == (0.5, 3, True, None, "")
    assert (read.shares, read.pair, read.parts) == ((0.0, 1.0), ("a", -1), make().parts)
    np.testing.assert_array_equal(read.figures, [[0.25, np.nan], [np.nan, -1]])
    for name in ("places", "right", "also"):
        np.testing.assert_array_equal(getattr(read, name), getattr(make(), name))
        assert getattr(read, name).dtype == getattr(make(), name).dtype
    assert read.pictures.shape == (0,)


@given(
    number=st.floats(-1e200, 1e200),
    maybe=st.none() | st.floats(-1e9, 1e9),
    shares=st.lists(st.floats(0, 1), max_size=3).map(tuple),
    pair=st.tuples(st.text(max_size=3), st.integers(-(2**53), 2**53)),
    names=st.dictionaries(st.text(max_size=3), st.floats(0, 1) | st.none(), max_size=3),
    figures=arrays.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(0, 3)), elements=st.floats(-1e9, 1e9)),
    right=arrays.arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 20))),
)
def test_what_is_written_is_read(number, maybe, shares, pair, names, figures, right):
    parts = {name: (Part(value, name, value),) for name, value in names.items()}
    result = make(
        number=number,
        maybe=maybe,
        shares=shares,
        pair=pair,
        parts=parts,
        figures=figures,
        right=right,
        count=right.shape[1],
        also=np.ones((2, figures.shape[1]), bool),
    )
    read = Everything.from_json(json.loads(json.dumps(result.to_json())))
    for each in dataclasses.fields(result):
        before, after = getattr(result, each.name), getattr(read, each.name)
        if isinstance(before, np.ndarray) and each.name != "pictures":
            np.testing.assert_array_equal(after, before)
        elif each.name != "pictures":
            assert after == before
    assert read.table() == result.table()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("number", "x", "Everything.number came as 'x', expected a number"),
        ("number", True, "Everything.number came as True, expected a number"),
        ("number", float("nan"), "Everything.number came as nan, expected a number"),
        pytest.param("number", 10**400, "expected a number", id="large"),
        pytest.param("number", 10**5000, "Everything.number came as int, expected a number", id="huge"),
        ("images", 0, "Everything.images came as 0, expected a number from 1 to"),
        ("images", 2.5, "expected a whole number"),
        ("yes", 1, "Everything.yes came as 1, expected true or false"),
        ("maybe", [], "Everything.maybe came as [], expected a number"),
        ("shares", 0.5, "Everything.shares came as 0.5, expected a list"),
        ("shares", [0.5, 1.5], "Everything.shares[1] came as 1.5, expected a number from 0 to 1"),
        ("pair", ["a"], "expected a list of 2"),
        ("pair", ["a", "b"], "Everything.pair[1] came as 'b', expected a whole number"),
        ("parts", [], "Everything.parts came as [], expected an object"),
        ("parts", {"x": [{"value": 1}]}, "Everything.parts['x'][0] has no 'name'"),
        ("parts", {"a\nb": [{"value": "v", "name": "n"}]}, "Everything.parts['a\\nb'][0].value came as 'v'"),
        ("parts", {"x": [3]}, "Everything.parts['x'][0] came as 3, expected an object"),
        ("figures", [[1, 2], [3]], "Everything.figures came with rows of several lengths"),
        ("figures", [["a\nb"]], "Everything.figures[0][0] came as 'a\\nb', expected a number"),
        ("figures", 1.0, "Everything.figures came as 1.0, expected a list"),
        ("places", [0.5], "Everything.places[0] came as 0.5, expected a whole number"),
        ("places", [-1], "Everything.places[0] came as -1, expected a number from 0 to"),
        ("right", ["a0", "xy"], "Everything.right[1]: expected hexadecimal digits"),
        ("right", [""], "Everything.right[0]: 0 values came where 3 were expected"),
        ("right", "a0", "Everything.right came as 'a0', expected a list"),
    ],
)
def test_what_is_damaged_is_named(name, value, said):
    with pytest.raises(InputError) as caught:
        Everything.from_json({**make().to_json(), name: value})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named():
    values = make().to_json()
    for name in values.keys() - {"text", "twice"}:
        with pytest.raises(InputError, match=f"Everything has no '{name}'"):
            Everything.from_json({key: value for key, value in values.items() if key != name})
    for other in (None, [], "text"):
        with pytest.raises(InputError, match=r"Everything came as .* expected an object"):
            Everything.from_json(other)


def test_a_notebook_shows_a_table():
    assert "<td>&lt;b&gt;</td>" in make()._repr_html_()
    assert "<caption>a &amp; b</caption>" in make(text="a & b")._repr_html_()


def test_print_shows_a_table():
    shown = make(text="a & b")
    assert str(shown) == str(shown.table()) == shown.table().text()


def test_data_frames_need_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        make().to_dataframe()
    # What pandas is given.
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=dict))
    assert make(text="a").to_dataframe() == {"name": ["a", "<b>"], "figure": [0.5, None]}


def test_a_data_frame_has_the_columns():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = make(text="a").to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["name", "figure"]
    assert frame["figure"].isna().tolist() == [False, True]
