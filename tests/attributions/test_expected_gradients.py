"""Expected gradients by hand, with the draws that the method makes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attributions import ExpectedGradients, SmoothGrad
from interp.core.errors import InputError

L = keras.layers
SHAPE = (6, 4, 2)
IMAGES, LABELS = np.random.RandomState(0).rand(5, *SHAPE).astype(np.float32), np.array([0, 1, 1, 0, 1])
SEVERAL = np.random.RandomState(1).rand(6, *SHAPE).astype(np.float32)


@pytest.mark.parametrize("baselines", [0.25, "mean"])
def test_of_a_linear_model_with_one_baseline(linear, baselines):
    weights = linear.layers[-1].kernel.numpy().T[LABELS].reshape(IMAGES.shape)
    baseline = 0.25 if baselines == 0.25 else IMAGES.mean((1, 2), keepdims=True)
    maps = ExpectedGradients(linear, baselines=baselines, samples=3)(IMAGES, LABELS)
    np.testing.assert_allclose(maps, weights * (IMAGES - baseline), rtol=1e-4, atol=1e-6)


def test_of_a_linear_model_it_is_the_weight_times_the_way_from_the_mean_baseline(linear):
    """Each baseline is drawn about 2000 / 6 times."""
    weights = linear.layers[-1].kernel.numpy().T[LABELS].reshape(IMAGES.shape)
    maps = ExpectedGradients(linear, baselines=SEVERAL, samples=2000)(IMAGES, LABELS)
    error = 5 * SEVERAL.std(0) * np.abs(weights) / np.sqrt(2000)
    assert (np.abs(maps - weights * (IMAGES - SEVERAL.mean(0))) <= error + 1e-5).all()


@pytest.mark.integration
def test_by_the_draws(bent):
    method = ExpectedGradients(bent, baselines=SEVERAL, samples=7, seed=2)
    chosen, positions = (part.numpy() for part in method.draws(tf.range(3, 3 + len(IMAGES)), len(SEVERAL)))
    expected = np.zeros_like(IMAGES)
    for sample in range(7):
        way = IMAGES - SEVERAL[chosen[:, sample]]
        points = tf.constant(SEVERAL[chosen[:, sample]] + positions[:, sample, None, None, None] * way)
        with tf.GradientTape() as tape:
            tape.watch(points)
            scores = tf.gather(bent(points), LABELS, batch_dims=1)
        expected += way * tape.gradient(scores, points).numpy() / 7
    np.testing.assert_allclose(method.explain(IMAGES, LABELS, first=3).maps, expected, rtol=1e-4, atol=1e-6)
    assert len({tuple(row) for row in chosen}) == len(IMAGES)


@pytest.mark.integration
def test_draws_belong_to_the_place_of_an_image(bent):
    method = ExpectedGradients(bent, baselines=SEVERAL, samples=5)
    whole = method(IMAGES, LABELS)
    for chunk_size in (1, 3):
        parts = ExpectedGradients(bent, baselines=SEVERAL, samples=5, chunk_size=chunk_size)(IMAGES, LABELS)
        np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)
    later = method.explain(IMAGES[3:], LABELS[3:], first=3).maps
    np.testing.assert_allclose(later, whole[3:], rtol=1e-4, atol=1e-6)
    assert not np.allclose(method(IMAGES[3:], LABELS[3:]), whole[3:])


@pytest.mark.integration
def test_every_argument_counts(bent):
    maps = ExpectedGradients(bent, samples=5)(IMAGES, LABELS)
    for options in ({"samples": 6}, {"seed": 1}, {"baselines": 0.5}, {"baselines": SEVERAL}, {"baselines": "blur"}):
        assert not np.allclose(ExpectedGradients(bent, **{"samples": 5, **options})(IMAGES, LABELS), maps), options


def test_searches_follow_few_samples():
    method = ExpectedGradients(samples=50)
    assert method.for_search().samples == 4
    assert ExpectedGradients(samples=2).for_search().samples == 2
    assert method.for_search().softplus == 20
    assert method.for_training().at_once


@pytest.mark.slow
def test_all_samples_at_once_are_the_same(bent):
    one = ExpectedGradients(bent, baselines=SEVERAL, samples=5)(IMAGES, LABELS)
    other = ExpectedGradients(bent, baselines=SEVERAL, samples=5, at_once=True)(IMAGES, LABELS)
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert np.isfinite(SmoothGrad(ExpectedGradients(bent, samples=3), samples=3)(IMAGES, LABELS)).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda m: ExpectedGradients(m, samples=0), "samples came as 0"),
        (lambda m: ExpectedGradients(m, seed=-1), "seed came as -1"),
        (lambda m: ExpectedGradients(m, baselines=2.0), r"baselines came with values in \[2, 2\]"),
        (
            lambda m: ExpectedGradients(m, baselines=SEVERAL[:, :2])(IMAGES, LABELS),
            r"the baselines came with shape \(6, 2, 4, 2\)",
        ),
    ],
)
def test_settings_are_refused(linear, make, said):
    with pytest.raises(InputError, match=said):
        make(linear)
