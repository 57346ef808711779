"""Every result: its table by hand, and what becomes of it in a record."""

import copy
import dataclasses
import json
from collections.abc import Mapping
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.attributions import Explanation
from interp.core.errors import InputError
from interp.core.json_values import parse_json
from interp.core.tables import FORMATS, NOTHING, render
from interp.evaluation import (
    AccuracyCurve,
    Agreement,
    AgreementCurve,
    AttackedAccuracy,
    BoundCheck,
    Coherence,
    Faithfulness,
    Flag,
    MapSummary,
    Mean,
    MeanCurves,
    MeasureFacts,
    NetworkOverlap,
    RoarKar,
    SanityCheck,
    Selectivity,
    SelectivityCurves,
    SneakedImages,
    Sneaking,
    StrongAccuracy,
    Tradeoff,
    UnforeseenAccuracies,
    UnforeseenAccuracy,
    Validity,
    mean_of,
)
from interp.evaluation.erasure import PROTOCOLS
from interp.evaluation.roar_kar_result import Retrained
from interp.report import Leaderboard
from tests.report.leaderboard_rows import row as leaderboard_row

ROW = leaderboard_row("net", 0.5, {"cam": 0.25, "ig": None})
WEAK = Flag("weak attack", "steps are short")
HALVES = np.arange(10) < 5
CURVE = AccuracyCurve((0.0, 0.1), (0.5, 0.2), 10, "PGD-10", np.array([HALVES, np.arange(10) < 2]), (WEAK,))

STRONG = Validity(
    "strong: all of them",
    (
        StrongAccuracy(0.0, 100, {"PGD": 0.9}, 0.9, ()),
        StrongAccuracy(0.1, 100, {"PGD": 0.5, "then Square": 0.2}, 0.2, (Flag("black box", "it finds more"),)),
    ),
    (Flag("random output", "two calls differ"),),
    100,
)
SPARED = Validity("strong: all of them", (), (Flag("probabilities", "no logits"), WEAK), 7)

AGREEMENT = AgreementCurve(
    (
        Agreement(0.1, 4, 3, mean_of([0.5, 0.7, 0.9]), mean_of([0.25]), mean_of([0.5]), mean_of([0.1, 0.3]), (WEAK,)),
        Agreement(0.2, 4, 0, *([mean_of([])] * 3), mean_of([0.5])),
    ),
    "4 images; top-8 attack on cam",
)
OVERLAP = NetworkOverlap("mnist_normal", 8, Mean(0.25, 0.125, 15), 16, "cam")
UNFORESEEN = UnforeseenAccuracies(
    (UnforeseenAccuracy("fog", 128.0, "untargeted", 0.5, 100), UnforeseenAccuracy("snow", 2.0, "untargeted", 0.0, 100)),
    {"fog": {"untargeted": 62.5}},
    "200 steps",
)
# Margins 1, 2, 4; the second discrepancy lies .5 below its margin.
BOUND = BoundCheck(
    5,
    np.array([0, 2, 3]),
    np.array([0.1, 0.2, 0.3], np.float32),
    np.array([1.0, 2.0, 4.0], np.float32),
    np.array([1.5, 1.5, 6.0], np.float32),
    protocol="cam, two_class, l1",
)
UNBOUND = dataclasses.replace(BOUND, bounded=False, flags=(WEAK,))
UNBROKEN = BoundCheck(5, np.zeros(0, int), np.zeros(0), np.zeros(0), np.zeros(0), protocol="cam")
# Slopes: (4 - 3) * .1 / (.1 * 4) = .25 and (2 - 2) = 0.
SNEAKING = Sneaking(
    5,
    4,
    1,
    (1.25, 2.0),
    np.array([1, 3]),
    np.array([[0.1, 0.2], [0.2, 0.4]]),
    np.array([[4.0, 2.0], [3.0, 2.0]]),
    np.array([[0.5, 0.7], [0.7, 0.9]]),
    np.array([[0.2, np.nan], [0.4, np.nan]]),
    np.zeros((2, 2, 3, 3, 1), np.float32),
    (WEAK,),
    "cam, two_class, l1",
)
SNEAKING_BOUNDED = dataclasses.replace(SNEAKING, bounds=np.array([1.5, 0.5]))
NOBODY = Sneaking(5, 2, 5, (1.5,), np.zeros(0, int), *(np.zeros((1, 0)) for _ in range(4)), protocol="cam")
COHERENT = Coherence(
    ("random", "gradient", "cam"),
    6,
    (mean_of([0.2, 0.4]), mean_of([0.5]), mean_of([])),
    0.25,
    np.array([[1, 0.1, 0.2], [0.1, 1, 0.6], [0.2, 0.6, 1]]),
    "32 points",
)
UNMASKED = Coherence(("random", "cam"), 6, None, None, np.array([[1, np.nan], [np.nan, 1]]))
SELECTIVE = Selectivity(
    np.array([[0.9, 0.7], [0.5, 0.1], [0.2, 0.0]]), np.array([[1, 1], [1, 0], [0, 0]], bool), patch=3
)
SELECTIVE_CURVES = SelectivityCurves(
    {"random": (0.75, 0.5, 0.5, 0.25), "cam": (0.75, 0.25, 0.0, 0.0)},
    {"random": (1.0, 1.0, 0.5, 0.5), "cam": (1.0, 0.5, 0.0, 0.0)},
    2,
    3,
    784,
    "32 points, signed ranking",
)
SANE = SanityCheck(
    ("head", "first"),
    (1, 2),
    {"gradient": (mean_of([0.5, 0.6]), mean_of([0.1, -0.3])), "guided": (mean_of([0.9]), mean_of([np.nan]))},
    {"gradient": (mean_of([0.5]), mean_of([0.25, 0.75])), "guided": (mean_of([0.9]), mean_of([]))},
    2,
    {"gradient": True, "guided": None},
    "32 points",
)
ROAR = RoarKar(
    {
        **{Retrained("", "", 0.0, seed): value for seed, value in ((3, 0.9), (4, 0.8))},
        **{Retrained("roar", "random", 0.5, seed): value for seed, value in ((3, 0.6), (4, 0.6))},
        **{Retrained("roar", "cam", 0.5, seed): value for seed, value in ((3, 0.25), (4, 0.25))},
    },
    ("roar",),
    ("random", "cam"),
    (0.5,),
    (3, 4),
    PROTOCOLS["paper"],
    "signed",
    {"random": None, "cam": "conv"},
    40,
    20,
    "maps of net, retrained: small, 2 epochs",
    "32 points",
)
# Each gain is the same on every image, and so beats or does not.
FAITHFUL = Faithfulness(
    ("random", "edges", "cam"),
    {
        "insertion": MeasureFacts("Insertion()", "is it on top", True, None),
        "entropy": MeasureFacts("Entropy()", "few", False, 2.5),
    },
    np.array([[[0.25, 0.5], [2, 2]], [[0.25, 0.5], [np.nan, 3]], [[0.5, 0.75], [1, 1]]]),
    {"insertion": MeanCurves((0.0, 1.0), np.array([[0, 1], [0, 1], [0.5, 1]]), np.full((3, 2), 0.125))},
    2,
    "32 points",
)
BOTH = dataclasses.replace(
    ROAR,
    metrics=("roar", "kar"),
    accuracies={
        **ROAR.accuracies,
        **{dataclasses.replace(job, metric="kar"): 0.4 for job in ROAR.accuracies if job.metric},
    },
)

PAPER = (
    "paper protocol: train, validation, test images erased, filled with training mean, ratio of KAR = fraction removed; 40 training and 20 "
    "test images, maps of net, retrained: small, 2 epochs, seeds 3 to 4; signed ranking, 32 points; not erased: accuracy 0.850 +- 0.050"
)
# A result, its table by hand (a header and rows), and its caption.
RESULTS = {
    "curve": (
        CURVE,
        [("eps", "accuracy", "standard error"), (0.0, 0.5, sqrt(0.025)), (0.1, 0.2, sqrt(0.016))],
        "10 images; PGD-10",
    ),
    "strong": (
        STRONG,
        [
            ("eps", "PGD", "then Square", "worst case", "standard error", "flags"),
            (0.0, 0.9, 0.9, 0.9, 0.03, "random output"),
            (0.1, 0.5, 0.2, 0.2, 0.04, "random output, black box"),
        ],
        "100 images; strong: all of them",
    ),
    "strong, not attacked": (
        SPARED,
        [("eps", "worst case", "standard error", "flags"), (NOTHING, None, NOTHING, "probabilities, weak attack")],
        "7 images; strong: all of them",
    ),
    "agreement": (
        AGREEMENT,
        [
            (
                *("eps", "images", "unchanged", "Kendall tau", "standard error", "Pearson r", "top-k overlap"),
                *("tau of all", "its standard error"),
            ),
            (0.1, 4, 3, 0.7, 0.2 / sqrt(3), 0.25, 0.5, 0.2, 0.1),
            (0.2, 4, 0, None, NOTHING, None, None, 0.5, NOTHING),
        ],
        "4 images; top-8 attack on cam",
    ),
    "overlap": (
        OVERLAP,
        [("against", "k", "images", "top-k overlap", "standard error"), ("mnist_normal", 8, 15, 0.25, 0.125)],
        "16 images; strongest positions of the true class's cam on clean images",
    ),
    "attacked accuracy": (
        AttackedAccuracy(4, 0.1, 0.75, 0.25, "maps of cam; PGD-10"),
        [("images", "eps", "clean accuracy", "attacked accuracy"), (4, 0.1, 0.75, 0.25)],
        "maps of cam; PGD-10",
    ),
    "sneaked images": (
        SneakedImages(4, np.array([1]), ("two",), ("five",), np.array([0.25]), np.array([1.5]), "cam"),
        [("image", "true class", "target", "eps", "discrepancy"), (1, "two", "five", 0.25, 1.5)],
        "4 images, 1 qualified; cam",
    ),
    "no sneaked images": (
        SneakedImages(4, np.zeros(0, np.int64), (), (), np.zeros(0), np.zeros(0), "cam"),
        [("image", "true class", "target", "eps", "discrepancy"), (None, None, None, None, None)],
        "4 images, 0 qualified; cam",
    ),
    "map summary": (
        MapSummary.of(
            {
                "cam": Explanation(np.array([[[[1.0], [-3.0]]]]), "CAM", "conv"),
                "ig": Explanation(np.array([[[[2.0], [0.0]]]]), "IG", None, {"gap": np.array([0.5])}),
            },
            settings="32 points",
        ),
        [
            ("method", "layer", "images", "mean largest magnitude", "share below 0", "completeness gap"),
            ("cam", "conv", 1, 3.0, 0.5, NOTHING),
            ("ig", NOTHING, 1, 2.0, 0.0, 0.5),
        ],
        "1 images; 32 points",
    ),
    "unforeseen": (
        UNFORESEEN,
        [
            ("attack", "goal", "budget", "accuracy", "standard error", "UAR"),
            ("fog", "untargeted", 128.0, 0.5, 0.05, 62.5),
            ("snow", "untargeted", 2.0, 0.0, 0.0, NOTHING),
        ],
        "100 images, 200 steps; random_target takes the last latents, untargeted the worst",
    ),
    "bound": (
        BOUND,
        [
            ("images", "broken", "mean eps", "mean margin", "mean discrepancy", "discrepancy below margin"),
            (5, 3, pytest.approx(0.2, rel=1e-6), pytest.approx(7 / 3), 3.0, 1),
        ],
        "5 images; cam, two_class, l1",
    ),
    "no bound": (UNBOUND, [None, (5, 3, pytest.approx(0.2, rel=1e-6), pytest.approx(7 / 3), 3.0, NOTHING)], None),
    "nothing broken": (UNBROKEN, [None, (5, 0, None, None, None, 0)], "5 images; cam"),
    "sneaking": (
        SNEAKING,
        [
            (
                *("penalty", "images", "broken", "qualified", "mean eps", "discrepancy", "Kendall tau", "Pearson r"),
                "slope",
            ),
            ("1.25", 5, 4, 2, 0.15, 3.0, 0.6, 0.2, NOTHING),
            ("2", 5, 4, 2, 0.3, 2.5, 0.8, 0.4, NOTHING),
            ("all", 5, 4, 2, NOTHING, 2.75, 0.7, 0.3, 0.125),
        ],
        "5 images, of which 1 prefer their target when clean, 4 were broken and 2 qualified; cam, two_class, l1",
    ),
    "sneaking above a bound": (
        # A mean bound of 1: 3 is twice above it.
        SNEAKING_BOUNDED,
        [
            (
                *("penalty", "images", "broken", "qualified", "mean eps", "discrepancy", "lower bound"),
                *("share above bound", "Kendall tau", "Pearson r", "slope"),
            ),
            ("1.25", 5, 4, 2, 0.15, 3.0, 1.0, 2.0, 0.6, 0.2, NOTHING),
            ("2", 5, 4, 2, 0.3, 2.5, 1.0, 1.5, 0.8, 0.4, NOTHING),
            ("all", 5, 4, 2, NOTHING, 2.75, 1.0, 1.75, 0.7, 0.3, 0.125),
        ],
        None,
    ),
    "sneaking, nobody": (
        NOBODY,
        [
            None,
            ("1.5", 5, 2, 0, None, None, None, None, NOTHING),
            ("all", 5, 2, 0, NOTHING, None, None, None, None),
        ],
        None,
    ),
    "tradeoff": (
        Tradeoff({"one_class": SNEAKING, "two_class": NOBODY}, 5, "cam, l1"),
        [
            ("image", "classes", "penalty", "eps", "discrepancy"),
            (1, "one_class", 1.25, 0.1, 4.0),
            (1, "one_class", 2.0, 0.2, 3.0),
            (3, "one_class", 1.25, 0.2, 2.0),
            (3, "one_class", 2.0, 0.4, 2.0),
        ],
        "5 images; cam, l1",
    ),
    "tradeoff, nobody": (Tradeoff({"all_class": NOBODY}, 5), [None, (None,) * 5], None),
    "coherence": (
        COHERENT,
        [
            ("method", "share on object", "standard error", "mean agreement"),
            ("random", 0.3, 0.1, 0.15),
            ("gradient", 0.5, None, 0.6),
            ("cam", None, None, 0.6),
        ],
        "6 images; the object covers 0.250 of the pixels; agreement: rank correlation with the other methods, without the random "
        "baseline; 32 points",
    ),
    "coherence, no masks": (
        UNMASKED,
        [None, ("random", NOTHING, NOTHING, None), ("cam", NOTHING, NOTHING, NOTHING)],
        "6 images; agreement: rank correlation with the other methods, without the random baseline",
    ),
    "selectivity": (
        SELECTIVE,
        [("erased patches", "probability", "accuracy"), (0, 0.8, 1.0), (1, 0.3, 0.5), (2, 0.1, 0.0)],
        "2 images; mean probability of the label",
    ),
    "selectivity of several": (
        SELECTIVE_CURVES,
        [
            ("method", "area", "p after 0", "p after 1", "p after 3", "accuracy after 3"),
            ("random", 0.5, 0.75, 0.5, 0.25, 0.5),
            ("cam", 0.25, 0.75, 0.25, 0.0, 0.0),
        ],
        "2 images, a patch of 3 x 3 pixels (1.1% of the image) a step, set to 0, maps computed anew; p: probability of the class; "
        "area: its mean over the curve, the smaller the more selective; 32 points, signed ranking",
    ),
    "sanity check": (
        SANE,
        [
            (
                *("method", "images", "layer by layer", "largest from half on", "all random, magnitudes"),
                *("measured", "expected"),
            ),
            ("gradient", 2, "| 0.55 -0.10", 0.55, 0.5, "fails", "passes"),
            ("guided", 0, "| 0.90 -", 0.9, None, "fails", NOTHING),
        ],
        "2 images; rank correlation with the maps of the trained network as layers become random from the top (head, first), after the bar "
        "half of them or more; passes: there never above 0.3 in size; expected: Adebayo et al. 2018, DeconvNet Sixt et al. 2020; images "
        "whose map is constant do not count; 32 points",
    ),
    "faithfulness": (
        FAITHFUL,
        [
            ("method", "measure", "value", "standard error", "images", "better", "beats"),
            ("random", "insertion", 0.375, 0.125, 2, "higher", "none"),
            ("edges", "insertion", 0.375, 0.125, 2, "higher", "none"),
            ("cam", "insertion", 0.625, 0.125, 2, "higher", "random, edges"),
            ("random", "entropy", 2.0, 0.0, 2, "lower", NOTHING),
            ("edges", "entropy", 3.0, NOTHING, 1, "lower", NOTHING),
            ("cam", "entropy", 1.0, 0.0, 2, "lower", "random"),
        ],
        "2 images; random: noise, edges: Sobel magnitude of the image, neither looks at the model; beats: better than these on the same "
        "images, paired t test at 5%; 32 points",
    ),
    "leaderboard row": (
        ROW,
        [
            ("figure", "value", "standard error", "images", "noise", "corner noise"),
            ("clean accuracy", 0.9, 0.02, 200, NOTHING, NOTHING),
            ("strong accuracy", 0.5, 0.03, 200, NOTHING, NOTHING),
            ("cam tau", 0.25, 0.01, 50, 0.9, 0.85),
            ("ig tau", None, 0.01, 50, 0.9, 0.85),
        ],
        "Adv, small, trained by: here; linf eps 0.3; accuracies of 200 images, all attacks; Kendall tau of those of 60 images that are "
        "classified right, all searches; official files",
    ),
    "leaderboard": (
        Leaderboard((ROW, dataclasses.replace(ROW, explanations=(), record="a/b.json", weights="0f"))),
        [
            (
                *("network", "method", "architecture", "dataset", "trained by", "norm", "eps", "images"),
                *("clean", "clean error", "strong", "strong error"),
                *("cam", "cam error", "cam noise", "cam corner noise", "cam images"),
                *("ig", "ig error", "ig noise", "ig corner noise", "ig images"),
                *("flags", "minutes", "record", "weights"),
            ),
            (
                *("net", "Adv", "small", "mnist", "here", "linf", 0.3, 200, 0.9, 0.02, 0.5, 0.03),
                *(0.25, 0.01, 0.9, 0.85, 50, None, 0.01, 0.9, 0.85, 50),
                *("restarts, cam: noise", 1.5, NOTHING, NOTHING),
            ),
            (
                *("net", "Adv", "small", "mnist", "here", "linf", 0.3, 200, 0.9, 0.02, 0.5, 0.03),
                *[NOTHING] * 10,
                *("restarts, cam: noise", 1.5, "a/b.json", "0f"),
            ),
        ],
        "2 networks; accuracies and Kendall tau are those of the strong protocols",
    ),
    "roar": (
        ROAR,
        [
            ("method", "ratio", "accuracy", "standard error", "beats random"),
            ("random", 0.5, 0.6, 0.0, NOTHING),
            ("cam", 0.5, 0.25, 0.0, "yes"),
        ],
        PAPER,
    ),
    "roar and kar": (
        BOTH,
        [
            ("metric", "method", "ratio", "accuracy", "standard error", "beats random"),
            ("roar", "random", 0.5, 0.6, 0.0, NOTHING),
            ("roar", "cam", 0.5, 0.25, 0.0, "yes"),
            ("kar", "random", 0.5, 0.4, 0.0, NOTHING),
            ("kar", "cam", 0.5, 0.4, 0.0, "no"),
        ],
        PAPER,
    ),
}
# Of to_json(): what is computed, so that from_json() does not need it. Flags of a radius stand with it.
DERIVED = {
    AgreementCurve: {"flags"},
    Validity: {"flagged", "flags"},
    Sneaking: {"standard_error"},
    RoarKar: {"unerased"},
    Faithfulness: {"means", "agreement", "agreement_over_images"},
}
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
    assert roar["accuracies"] == {"random 0.5": [0.6, 0.6], "cam 0.5": [0.25, 0.25]}
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
