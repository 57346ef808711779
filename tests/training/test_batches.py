"""Batches are those of the documented order, and the next one is made while one is computed with."""

import threading

import numpy as np
import pytest

from interp import data
from interp.core.errors import InputError
from interp.training.batches import made_ahead


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", "train").take(25)


def plain(images, _):
    return images


def test_batches_are_the_rows_of_each_epochs_permutation(digits):
    found = list(made_ahead(digits, plain, 10, 7, range(4)))
    for step, (images, labels) in enumerate(found):
        epoch, number = divmod(step, 2)
        rows = np.random.RandomState(7 + epoch).permutation(25)[number * 10 : (number + 1) * 10]
        np.testing.assert_array_equal(images, digits.images[rows])
        np.testing.assert_array_equal(labels, digits.labels[rows])


def test_those_that_begin_in_the_middle_are_the_same(digits):
    whole = list(made_ahead(digits, plain, 10, 7, range(5)))
    for found, expected in zip(made_ahead(digits, plain, 10, 7, range(3, 5)), whole[3:], strict=True):
        np.testing.assert_array_equal(found[0], expected[0])


def test_no_steps_are_no_batches(digits):
    assert not list(made_ahead(digits, plain, 10, 7, range(4, 4)))


def test_the_next_batch_is_made_before_it_is_asked_for_and_no_more_than_that(digits):
    made, second = [], threading.Event()

    def noting(images, seed):
        made.append(seed)
        if seed[1] == 1:
            second.set()
        return images

    batches = made_ahead(digits, noting, 10, 7, range(8))
    next(batches)
    assert second.wait(10)
    batches.close()
    assert made == [(7, 0), (7, 1)]


def test_an_error_of_the_augmentation_reaches_the_training(digits):
    def failing(images, seed):
        if seed[1] == 1:
            raise InputError("no such image")
        return images

    batches = made_ahead(digits, failing, 10, 7, range(3))
    next(batches)
    with pytest.raises(InputError, match="no such image"):
        next(batches)
