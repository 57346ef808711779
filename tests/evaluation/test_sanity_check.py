"""The sanity check: what depends on the weights, and what does not."""

import keras
import numpy as np
import pytest

from interp.attributions import GuidedBackprop, RandomBaseline, VanillaGradient
from interp.core.errors import InputError
from interp.evaluation import sanity_check
from interp.models import build_network

IMAGES, LABELS = np.random.RandomState(0).rand(6, 12, 12, 1).astype(np.float32), np.arange(6) % 3
L = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            L.Conv2D(6, 3, activation="relu", name="first"),
            keras.Sequential(
                [L.Conv2D(6, 3, name="second"), L.BatchNormalization(name="norm"), L.ReLU()], name="inner"
            ),
            L.Flatten(),
            L.Dense(3, name="top"),
        ]
    )


def test_layers_are_randomised_from_the_top_and_the_model_stays(model):
    before = [variable.numpy() for variable in model.variables]
    methods = {"gradient": VanillaGradient, "random": RandomBaseline}
    told = []
    found = sanity_check(model, methods, IMAGES, LABELS, report=lambda: told.append(1))
    assert found.stages == ("top", "inner/norm", "inner/second", "first")
    assert len(told) == 5
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable)
    assert all(mean.value == pytest.approx(1) for mean in found.correlations["random"])
    assert found.passes("random") is False
    assert found.passes("gradient") is True
    assert found.correlations["gradient"][0].value < 0.9
    assert found.count == 6


def test_every_argument_counts(model):
    methods = {"guided": GuidedBackprop}
    found = sanity_check(model, methods, IMAGES, LABELS)
    again = sanity_check(model, methods, IMAGES, LABELS)
    assert found.correlations == again.correlations
    assert sanity_check(model, methods, IMAGES, LABELS, seed=1).correlations != found.correlations
    assert found.magnitudes != found.correlations
    fewer = sanity_check(model, methods, IMAGES, LABELS, stages=2)
    assert fewer.stages == ("top to inner/norm", "inner/second to first")
    # The same draws, so the same weights at the end.
    assert fewer.correlations["guided"][-1].value == pytest.approx(found.correlations["guided"][-1].value)


def test_guided_backpropagation_fails_it():
    """The published finding, on a network deep enough to show it."""
    network = build_network("small", (28, 28, 1), 10, seed=1)
    images = np.zeros((10, 28, 28, 1), np.float32)
    images[:, 8:20, 12:16] = 1
    found = sanity_check(
        network, {"guided": GuidedBackprop, "gradient": VanillaGradient}, images, np.arange(10), stages=3
    )
    assert abs(found.correlations["gradient"][0].value) < found.correlations["guided"][0].value


class NotCopied(L.Layer):
    """A layer that says nothing about how to make it again."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (
            lambda: keras.Sequential([keras.Input((12, 12, 1)), L.Flatten(), NotCopied(lambda x: x), L.Dense(2)]),
            {},
            "Keras cannot copy",
        ),
        (lambda: keras.Sequential([keras.Input((12, 12, 1)), L.Flatten()]), {}, "no weights to randomise"),
        (None, {"stages": 0}, "stages came as 0"),
        (None, {"seed": -1}, "seed came as -1"),
    ],
)
def test_what_cannot_be_checked_is_refused(model, make, options, said):
    with pytest.raises(InputError) as caught:
        sanity_check(make() if make else model, {"gradient": VanillaGradient}, IMAGES, LABELS, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
