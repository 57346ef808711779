"""Coherence by hand."""

import numpy as np
import pytest

from interp.core.errors import InputError
from interp.evaluation import coherence, ink

MAPS = np.array([[[3.0, -1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]], np.float32)[..., None]
OBJECTS = np.array([[[1, 0], [1, 0]], [[1, 0], [1, 0]]], bool)


def test_the_share_on_the_object_is_one_of_magnitudes():
    found = coherence({"map": MAPS, "nothing": 0 * MAPS}, OBJECTS)
    assert found.on_object[0].value == pytest.approx((0.75 + 0.5) / 2)
    assert found.object_share == 0.5
    assert found.on_object[1].value is None
    assert found.on_object[1].count == 0


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
        ({}, None, "no maps"),
        ({"a": MAPS, "b": MAPS[:1]}, None, "expected those of the same images"),
        ({"a": MAPS}, OBJECTS[:1], "masks came with shape (1, 2, 2)"),
    ],
)
def test_what_does_not_fit_is_refused(maps, objects, said):
    with pytest.raises(InputError) as caught:
        coherence(maps, objects)
    assert said in str(caught.value)
