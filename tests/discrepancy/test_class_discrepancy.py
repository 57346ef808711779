"""The one, two and all-class discrepancies, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from interp.discrepancy import class_discrepancy, select_classes

# One image, two classes, two positions; the classes move by (3, 4) and (0, -1).
CLEAN = tf.constant([[[0.0, 2.0], [1.0, 5.0]]])
MOVED = tf.constant([[[3.0, 6.0], [1.0, 4.0]]])


@pytest.mark.parametrize(
    ("norm", "normalised", "expected"),
    [
        ("l1", False, (7 + 1) / 2),
        ("l2", False, (5 + 1) / 2),
        ("l1", True, (7 / 2 + 1 / 4) / 2),
        ("l2", True, (5 / 2 + 1 / 4) / 2),
    ],
)
def test_the_mean_over_classes(norm, normalised, expected):
    np.testing.assert_allclose(class_discrepancy(CLEAN, MOVED, norm, normalised=normalised), [expected])


def test_a_flat_clean_map_has_no_range_to_divide_by():
    assert class_discrepancy(tf.ones((1, 1, 3)), tf.zeros((1, 1, 3)), "l1", normalised=True) == 0


def test_which_classes_are_looked_at():
    labels, targets = tf.constant([2, 0]), tf.constant([1, 1])
    np.testing.assert_array_equal(select_classes("one_class", labels, targets, 3), [[2], [0]])
    np.testing.assert_array_equal(select_classes("two_class", labels, targets, 3), [[2, 1], [0, 1]])
    np.testing.assert_array_equal(select_classes("all_class", labels, targets, 3), [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(select_classes("two_class", np.array([2, 0]), targets, 3), [[2, 1], [0, 1]])
    np.testing.assert_array_equal(select_classes("two_class", tf.cast(labels, tf.int64), targets, 3), [[2, 1], [0, 1]])


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="did you mean 'l1'"):
        class_discrepancy(CLEAN, MOVED, "l11")
    with pytest.raises(InputError, match="did you mean 'two_class'"):
        select_classes("two_clas", tf.constant([0]), tf.constant([1]), 2)
