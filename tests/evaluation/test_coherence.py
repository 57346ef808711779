"""Coherence by hand."""

import numpy as np
import pytest

from interp.attributions import pixel_scores
from interp.core.errors import InputError
from interp.core.map_strip import map_strip
from interp.data import Dataset
from interp.discrepancy import kendall_tau, pearson_r, spearman_r, top_k_overlap
from interp.evaluation import coherence, ink
from interp.evaluation.erasure import erase, find_protocol, pixel_ranks
from interp.report import attributions_figure, maps_figure

MAPS = np.array([[[3.0, -1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]], np.float32)[..., None]
OBJECTS = np.array([[[1, 0], [1, 0]], [[1, 0], [1, 0]]], bool)


def test_the_share_on_the_object_is_one_of_magnitudes():
    found = coherence({"map": MAPS, "nothing": 0 * MAPS}, OBJECTS)
    assert found.on_object[0].value == pytest.approx((0.75 + 0.5) / 2)
    assert found.object_share == 0.5
    assert found.on_object[1].value is None
    assert found.on_object[1].count == 0


def test_of_one_image_there_is_no_standard_error():
    """It is nothing to state, not a figure that is not defined."""
    columns = coherence({"map": MAPS[:1]}, OBJECTS[:1]).columns()
    assert columns["share on object"] == [0.75]
    assert columns["standard error"] == ["-"]


def test_agreement_is_a_rank_correlation():
    found = coherence({"map": MAPS[:1], "cubed": MAPS[:1] ** 3, "against": -MAPS[:1]})
    np.testing.assert_allclose(found.agreement, [[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    assert found.on_object is None
    signless = coherence({"map": MAPS[:1], "against": -MAPS[:1]}, ranking="magnitude")
    np.testing.assert_allclose(signless.agreement, 1)


def test_ink_is_what_is_bright_in_any_channel():
    image = np.zeros((1, 1, 3, 2), np.float32)
    image[0, 0, 1, 1], image[0, 0, 2, 0] = 0.2, 0.05
    assert ink(image).tolist() == [[[False, True, False]]]


@pytest.mark.parametrize(
    ("maps", "objects", "said"),
    [
        ({}, None, "maps came as nothing"),
        (MAPS, None, "maps came as ndarray"),
        ({"a": MAPS, "b": MAPS[:1]}, None, "expected those of the same images"),
        ({"a": MAPS}, OBJECTS[:1], "masks came with shape (1, 2, 2)"),
    ],
)
def test_what_does_not_fit_is_refused(maps, objects, said):
    with pytest.raises(InputError) as caught:
        coherence(maps, objects)
    assert said in str(caught.value)


def spoiled(shape, dtype=np.float32):
    values = np.ones(shape, dtype)
    values[1] = np.nan
    return values


DATA = Dataset(
    images=np.full((2, 2, 2, 1), 0.5, np.float32),
    labels=np.array([0, 1]),
    class_names=("a", "b"),
    source="hand",
    split="train",
    name="toy",
)
FLAT, PLAIN = np.arange(8.0).reshape(2, 4), np.ones((2, 2, 2, 1), np.float32)
READERS = {
    "pixel scores": lambda: pixel_scores(spoiled((2, 2, 2, 1))),
    "magnitudes": lambda: pixel_scores(np.array([PLAIN[0], PLAIN[1] * np.inf]), "magnitude"),
    "pixel ranks": lambda: pixel_ranks(spoiled((2, 2, 2))),
    "erase": lambda: erase(DATA, spoiled((2, 4)), "roar", 0.5, find_protocol("paper"), np.zeros(1)),
    "fill": lambda: erase(DATA, FLAT, "roar", 0.5, find_protocol("paper"), np.array([0.1, np.nan])),
    "coherence": lambda: coherence({"a": PLAIN, "b": spoiled((2, 2, 2, 1))}),
    "masks": lambda: coherence({"a": PLAIN}, spoiled((2, 2, 2))),
    "kendall": lambda: kendall_tau(FLAT, spoiled((2, 4))),
    "pearson": lambda: pearson_r(spoiled((2, 4)), FLAT),
    "spearman": lambda: spearman_r(FLAT, spoiled((2, 4))),
    "top k": lambda: top_k_overlap(spoiled((2, 4)), FLAT, 2),
    "attributions figure": lambda: attributions_figure(PLAIN, {"a": spoiled((2, 2, 2, 1))}, ["a", "b"]),
    "maps figure": lambda: maps_figure([[("a", PLAIN[0], None), ("b", PLAIN[0], spoiled((2, 2)))]]),
    "strip": lambda: map_strip([(PLAIN[0], spoiled((2, 2)))]),
}


@pytest.mark.parametrize("reader", READERS)
def test_maps_that_are_not_finite_are_refused(reader):
    """NaN has no rank, and a picture of it is blank: neither is a figure."""
    with pytest.raises(InputError, match=r"hold NaN or infinite values in 1 of \d rows \(the first is row 1\)"):
        READERS[reader]()


@pytest.mark.parametrize("maps", [None, "maps", [[[[1.0]]], [[[1.0, 2.0]]]], np.array([[[["a"]]]])])
def test_what_is_no_array_of_numbers_is_refused(maps):
    for read in (pixel_scores, lambda maps: kendall_tau(maps, maps), lambda maps: coherence({"a": maps})):
        with pytest.raises(InputError, match=r"expected an array of numbers|cannot be read as one array"):
            read(maps)
