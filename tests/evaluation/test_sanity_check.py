"""The sanity check: what depends on the weights, and what does not."""

import keras
import numpy as np
import pytest

from interp import data
from interp.attributions import GuidedBackprop, RandomBaseline, VanillaGradient
from interp.core.errors import InputError
from interp.evaluation import SanityCheck, mean_of, sanity_check
from interp.evaluation.sanity_check import THRESHOLD
from interp.models import build_network
from interp.training import plain_schedule, train

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


@pytest.mark.integration
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


@pytest.fixture(scope="module")
def digits():
    """A network that has learnt the digits, and a few of them."""
    network = build_network("small", (28, 28, 1), 10, seed=1)
    train(network, "normal", data.load("digits", "train"), plain_schedule(epochs=6, batch_size=50, learning_rate=2e-3))
    return network, data.load("digits", "test").take(20)


@pytest.mark.integration
def test_guided_backpropagation_fails_it_on_a_real_network(digits):
    """Its maps change when the first layer does, and hardly before: judged by the last stage alone it would pass."""
    network, sample = digits
    methods = {"guided": GuidedBackprop, "gradient": VanillaGradient}
    found = sanity_check(network, methods, sample.images, sample.labels)
    assert found.stages == ("head", "conv3", "conv2", "conv1")
    assert found.layers == (1, 2, 3, 4)
    assert found.half == 1
    assert abs(found.correlations["guided"][-1].value) < THRESHOLD
    assert found.remaining("guided") > 0.4
    assert found.passes("guided") is False
    assert found.passes("gradient") is True


def curve(*values, layers=None):
    means = tuple(mean_of([] if value is None else [value]) for value in values)
    places = tuple(range(1, len(values) + 1)) if layers is None else layers
    return SanityCheck(tuple(f"stage {place}" for place in places), places, {"it": means}, {"it": means}, 1)


@pytest.mark.parametrize(
    ("check", "half", "passes"),
    [
        # A guided backpropagation that falls when the very first layer is random.
        (curve(0.997, 0.972, 0.911, 0.774, 0.512, -0.04), 2, False),
        # What happens before half of the layers are random does not count.
        (curve(0.9, 0.8, 0.1, 0.0, 0.05, -0.04), 2, True),
        # Nor may anything come back, of either sign.
        (curve(0.9, 0.1, 0.1, -0.4), 1, False),
        (curve(0.1, 0.1, 0.1, 0.5), 1, False),
        # Three layers: half of them are two. Of two it is the first, of one the only one.
        (curve(0.9, 0.2, 0.1), 1, True),
        (curve(0.9, 0.1), 0, False),
        (curve(0.2), 0, True),
        # Stages of several layers.
        (curve(0.9, 0.2, 0.1, layers=(3, 6, 8)), 1, True),
        (curve(0.9, 0.2, layers=(5, 8)), 0, False),
        # Maps without ranks do not count.
        (curve(0.9, None, 0.1, 0.2), 1, True),
        (curve(0.9, None, None, None), 1, None),
    ],
)
def test_the_verdict_rests_on_half_of_the_layers(check, half, passes):
    assert check.half == half
    assert check.passes("it") is passes


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
