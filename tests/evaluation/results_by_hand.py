"""Every result with its table by hand, and what its record says."""

import dataclasses
from math import sqrt

import numpy as np
import pytest

from interp.attributions import Explanation
from interp.core.tables import NOTHING
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
        **{Retrained("roar", "cam", 0.5, seed): value for seed, value in ((3, 0.234375), (4, 0.265625))},
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
        "1 image; 32 points",
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
            ("gradient", 0.5, "-", 0.6),
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
            ("cam", 0.5, 0.25, 0.015625, "yes"),
        ],
        PAPER,
    ),
    "roar and kar": (
        BOTH,
        [
            ("metric", "method", "ratio", "accuracy", "standard error", "beats random"),
            ("roar", "random", 0.5, 0.6, 0.0, NOTHING),
            ("roar", "cam", 0.5, 0.25, 0.015625, "yes"),
            ("kar", "random", 0.5, 0.4, 0.0, NOTHING),
            ("kar", "cam", 0.5, 0.4, 0.0, "no"),
        ],
        PAPER,
    ),
}
# Of to_json(): what is computed, so that from_json() does not need it. Flags of a radius stand with it.
DERIVED = {
    AgreementCurve: {"flags"},
    Tradeoff: {"flags"},
    Validity: {"flagged", "flags"},
    Sneaking: {"standard_error"},
    RoarKar: {"unerased"},
    Faithfulness: {"means", "agreement", "agreement_over_images"},
}
