"""Each method by hand on toy networks."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import attributions
from interp.attributions import (
    GuidedBackprop,
    IntegratedGradients,
    Maps,
    SmoothGrad,
    SmoothGradSquared,
    SmoothGradVar,
    VanillaGradient,
    attribution,
)
from interp.attributions.smooth_grad import standard_normal
from interp.core.compiled import run_in_batches
from interp.core.errors import InputError

L = keras.layers
IMAGE = np.array([[[[0.5], [0.25]], [[0.75], [1.0]]]], np.float32)


@pytest.fixture(scope="module")
def gates():
    """Pixel 0 speaks for class 0 through an active unit, pixel 1 against it, pixel 2 for it through a unit that is silent."""
    model = keras.Sequential([keras.Input((2, 2, 1)), L.Flatten(), L.Dense(3, activation="relu"), L.Dense(2)])
    first, bias = np.zeros((4, 3), np.float32), np.array([0, 0, -1], np.float32)
    first[0, 0], first[1, 1], first[2, 2] = 1, 1, 1
    second = np.array([[2, -1], [-3, 1], [5, 0]], np.float32)
    model.set_weights([first, bias, second, np.array([0.5, 0], np.float32)])
    return model


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("VanillaGradient", [2, -3, 0, 0]),
        ("InputXGradient", [1, -0.75, 0, 0]),
        ("IntegratedGradients", [1, -0.75, 0, 0]),
        ("DeconvNet", [2, 0, 5, 0]),
        ("GuidedBackprop", [2, 0, 0, 0]),
    ],
)
def test_gates(gates, method, expected):
    maps = getattr(attributions, method)(gates)(IMAGE, [0])
    np.testing.assert_allclose(maps.ravel(), expected, atol=1e-6)


def test_gates_of_two_layers_are_passed_one_after_the_other():
    """Twice negative is positive for the gradient; both rules stop it where it arrives negative at a ReLU."""
    model = keras.Sequential(
        [keras.Input((1, 1, 1)), L.Flatten(), L.Dense(1, activation="relu"), L.Dense(1), L.ReLU(), L.Dense(2)]
    )
    model.set_weights(
        [np.full(shape, value, np.float32) for shape, value in (((1, 1), -1), (1, 1), ((1, 1), -1), (1, 1))]
        + [np.array([[1, -1]], np.float32), np.zeros(2, np.float32)]
    )
    image = np.full((1, 1, 1, 1), 0.5, np.float32)
    assert attributions.VanillaGradient(model)(image, [0]).item() == 1
    assert GuidedBackprop(model)(image, [0]).item() == 0
    assert attributions.DeconvNet(model)(image, [1]).item() == 0


def test_relu6_is_closed_above_six():
    model = keras.Sequential([keras.Input((1, 1, 2)), L.Flatten(), L.Dense(2), L.ReLU(6.0), L.Dense(2)])
    model.set_weights(
        [
            np.diag([10.0, 2.0]).astype(np.float32),
            np.zeros(2, np.float32),
            np.ones((2, 2), np.float32),
            np.zeros(2, np.float32),
        ]
    )
    image = np.ones((1, 1, 1, 2), np.float32)
    assert GuidedBackprop(model)(image, [0]).ravel().tolist() == [0, 2]
    assert attributions.DeconvNet(model)(image, [0]).ravel().tolist() == [10, 2]


@pytest.fixture(scope="module")
def maps_and_head():
    """A 1x1 convolution to two maps, and a head that reads each place of them; returns the model, the maps and the head of class 0."""
    model = keras.Sequential([keras.Input((2, 2, 1)), L.Conv2D(2, 1, name="maps"), L.Flatten(), L.Dense(2)])
    kernel = np.array([1.0, -2.0], np.float32).reshape(1, 1, 1, 2)
    head = np.array([[3, 1], [0, -1], [1, 2], [2, -4], [1, 0], [0, 1], [-2, 2], [1, 1]], np.float32)
    model.set_weights([kernel, np.array([0.0, 1.0], np.float32), head, np.zeros(2, np.float32)])
    maps = np.concatenate([IMAGE, 1 - 2 * IMAGE], -1)
    return model, maps, head[:, 0].reshape(1, 2, 2, 2)


def test_grad_cam(maps_and_head):
    model, maps, _ = maps_and_head
    # Mean gradients (3 + 1 + 1 - 2) / 4 and (0 + 2 + 0 + 1) / 4.
    expected = np.maximum(0.75 * maps[..., :1] + 0.75 * maps[..., 1:], 0)
    explanation = attributions.GradCAM(model).explain(IMAGE, [0])
    np.testing.assert_allclose(explanation.maps, expected, atol=1e-6)
    assert explanation.layer == "maps"
    assert explanation.method == "GradCAM"


def test_grad_cam_plus_plus(maps_and_head):
    model, maps, gradient = maps_and_head
    sums = maps.sum((1, 2), keepdims=True)
    denominator = 2 * gradient**2 + sums * gradient**3
    assert (denominator[gradient != 0] == 0).any()
    alpha = np.where(denominator == 0, 0, gradient**2 / np.where(denominator == 0, 1, denominator))
    weights = (alpha * np.maximum(gradient, 0)).sum((1, 2), keepdims=True)
    expected = np.maximum((weights * maps).sum(-1, keepdims=True), 0)
    np.testing.assert_allclose(attributions.GradCAMPlusPlus(model)(IMAGE, [0]), expected, rtol=1e-5)


def test_guided_grad_cam(maps_and_head):
    """No ReLU between image and logit: guided backpropagation is the gradient, head times kernel at each place."""
    model, maps, gradient = maps_and_head
    coarse = np.maximum(0.75 * maps[..., :1] + 0.75 * maps[..., 1:], 0)
    expected = coarse * (gradient[..., :1] - 2 * gradient[..., 1:])
    np.testing.assert_allclose(attributions.GuidedGradCAM(model)(IMAGE, [0]), expected, atol=1e-6)


def test_cam():
    inputs = keras.Input((2, 2, 1))
    pooled = L.GlobalAveragePooling2D()(L.Conv2D(2, 1, name="maps")(inputs))
    model = keras.Model(inputs, L.Dense(2, activation="softmax")(L.Dropout(0.3)(pooled)))
    kernel, head = np.array([1.0, -2.0], np.float32).reshape(1, 1, 1, 2), np.array([[3, 1], [2, 5]], np.float32)
    model.set_weights([kernel, np.zeros(2, np.float32), head, np.ones(2, np.float32)])
    explanation = attributions.CAM(model).explain(np.repeat(IMAGE, 2, 0), [0, 1])
    np.testing.assert_allclose(explanation.maps, np.concatenate([(3 - 4) * IMAGE, (1 - 10) * IMAGE]), rtol=1e-5)
    assert explanation.layer is None


def test_cam_is_that_of_the_network():
    from interp.models import build_network

    network = build_network("small", (28, 28, 1), 4, seed=3)
    images = np.random.RandomState(0).rand(3, 28, 28, 1).astype(np.float32)
    maps = attributions.CAM(network)(images, [0, 1, 3])
    own = np.asarray(network.cam(images))[range(3), ..., [0, 1, 3]]
    upsampled = np.stack([cv2.resize(map_, (28, 28), interpolation=cv2.INTER_LINEAR) for map_ in own])
    np.testing.assert_allclose(maps[..., 0], upsampled, atol=1e-4 * np.abs(own).max())


def _layer(function):
    return keras.layers.Lambda(function)


@pytest.mark.integration
def test_smooth_grad_of_a_square():
    """f = sum of x^2: gradients 2 x, so the mean over noise is 2 x, the variance 4 sigma^2, the mean square their sum."""
    model = keras.Sequential([keras.Input((2, 2, 1)), L.Flatten(), _layer(lambda x: x**2), L.Dense(2)])
    model.set_weights([np.ones((4, 2), np.float32), np.zeros(2, np.float32)])
    gradient = attributions.VanillaGradient(model)
    options = {"samples": 40_000, "noise_level": 0.4, "seed": 1}
    sigma = 0.4 * 0.75
    error = 4 * 2 * sigma / 200
    mean = SmoothGrad(gradient, **options)(IMAGE, [0])
    np.testing.assert_allclose(mean, 2 * IMAGE, atol=error)
    variance = SmoothGradVar(gradient, **options)(IMAGE, [0])
    np.testing.assert_allclose(variance, np.full_like(IMAGE, 4 * sigma**2), rtol=0.04)
    square = SmoothGradSquared(gradient, **options)(IMAGE, [0])
    np.testing.assert_allclose(square, variance + mean**2, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "base", ["VanillaGradient", "IntegratedGradients", "GradCAM", "GuidedBackprop", "RandomBaseline"]
)
def test_without_noise_smooth_grad_is_the_map(maps_and_head, base):
    model = maps_and_head[0]
    method = getattr(attributions, base)(model)
    maps = method(IMAGE, [0])
    np.testing.assert_allclose(SmoothGrad(method, samples=5, noise_level=0)(IMAGE, [0]), maps, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        SmoothGradSquared(method, samples=5, noise_level=0)(IMAGE, [0]), maps**2, rtol=1e-5, atol=1e-7
    )
    np.testing.assert_array_equal(SmoothGradVar(method, samples=5, noise_level=0)(IMAGE, [0]), 0 * maps)


@pytest.mark.integration
def test_smooth_grad_takes_the_maps_of_a_subclass(gates):
    class Magnitudes(VanillaGradient):
        def maps_of_labels(self, model, points, labels, rows):
            gradient, logits = self.label_gradient(model, points, labels)
            return Maps(tf.abs(gradient), logits)

    maps = SmoothGrad(Magnitudes(gates), samples=2, noise_level=0.0)(IMAGE, [0])
    np.testing.assert_allclose(maps.ravel(), [2, 3, 0, 0], atol=1e-6)


def test_every_argument_of_smooth_grad_counts(gates):
    base = attributions.InputXGradient(gates)
    options = {"samples": 5, "noise_level": 0.2, "seed": 0}
    maps = SmoothGrad(base, **options)(IMAGE, [0])
    for name, value in {"samples": 6, "noise_level": 0.3, "seed": 1}.items():
        assert not np.allclose(SmoothGrad(base, **{**options, name: value})(IMAGE, [0]), maps), name
    np.testing.assert_allclose(SmoothGrad(base, **options, chunk_size=2)(IMAGE, [0]), maps, rtol=1e-5, atol=1e-7)


@pytest.mark.integration
def test_ensembles_of_ensembles(gates):
    inner = SmoothGrad(attributions.InputXGradient(gates), samples=3)
    explanation = SmoothGradVar(inner, samples=4).explain(IMAGE, [0])
    assert explanation.method == "SmoothGradVar(SmoothGrad(InputXGradient))"
    assert (explanation.maps > 0).any()


def test_the_random_baseline_depends_on_seed_and_place(gates):
    images = np.repeat(IMAGE, 3, 0)
    maps = attributions.RandomBaseline(gates, seed=1)(images, [0, 0, 0])
    assert not np.allclose(maps[0], maps[1])
    np.testing.assert_array_equal(attributions.RandomBaseline(gates, seed=1, chunk_size=1)(images, [0, 0, 0]), maps)
    assert not np.allclose(attributions.RandomBaseline(gates, seed=2)(images, [0, 0, 0]), maps)
    assert ((maps >= 0) & (maps < 1)).all()


def test_edges_by_hand(gates):
    """A step of .5 from left to right: Sobel's columns see it at both sides of the step, 4 * .5, and nowhere else."""
    image = np.zeros((1, 4, 4, 1), np.float32)
    image[:, :, 2:] = 0.5
    model = keras.Sequential([keras.Input((4, 4, 1)), L.Flatten(), L.Dense(2)])
    maps = attributions.EdgeMap(model)(image, [0])
    np.testing.assert_allclose(maps[0, :, :, 0], [[0, 2, 2, 0]] * 4, atol=1e-6)
    assert attributions.find_attribution("edges") == attributions.EdgeMap()


def test_one_row_of_pixels_has_no_edges():
    model = keras.Sequential([keras.Input((1, 4, 1)), L.Flatten(), L.Dense(2)])
    with pytest.raises(InputError, match="images of 1x4"):
        attributions.EdgeMap(model)(np.zeros((1, 1, 4, 1), np.float32), [0])


def _bent(seed):
    """A network whose gradient changes along the way from black."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((4, 4, 1)), L.Flatten(), L.Dense(30, activation="relu"), L.Dense(3)])
    model.layers[-2].bias.assign(np.random.RandomState(seed).uniform(-0.5, 0.5, 30))
    return model


# A baseline of its own is a graph of its own, so few examples.
@settings(max_examples=2)
@given(seed=st.integers(0, 1000))
def test_integrated_gradients_are_complete(seed):
    model = _BENT
    images = np.random.RandomState(seed).rand(3, 4, 4, 1).astype(np.float32)
    baseline = np.random.RandomState(seed + 1).rand(4, 4, 1).astype(np.float32)
    labels = np.array([0, 1, 2])
    maps = IntegratedGradients(model, steps=256, baseline=baseline)(images, labels)
    change = np.asarray(model(images) - model(baseline[None]))[range(3), labels]
    np.testing.assert_allclose(maps.sum((1, 2, 3)), change, atol=0.02)


_BENT = _bent(0)


def test_integrated_gradients_by_hand_with_a_kink():
    """f = relu(x - 0.25): half of the way of 0.5 is flat, so the midpoint rule of 4 points gives 0.5 times a mean of 2/4."""
    model = keras.Sequential([keras.Input((1, 1, 1)), L.Flatten(), L.Dense(1, activation="relu"), L.Dense(2)])
    model.set_weights(
        [
            np.ones((1, 1), np.float32),
            np.array([-0.25], np.float32),
            np.ones((1, 2), np.float32),
            np.zeros(2, np.float32),
        ]
    )
    image = np.full((1, 1, 1, 1), 0.5, np.float32)
    explanation = IntegratedGradients(model, steps=4, rule="midpoint").explain(image, [0])
    assert explanation.maps.item() == pytest.approx(0.25)
    assert explanation.values["gap"].item() == pytest.approx(0, abs=1e-6)
    right = IntegratedGradients(model, steps=1, rule="right").explain(image, [0])
    assert right.maps.item() == pytest.approx(0.5)
    assert right.values["gap"].item() == pytest.approx(0.25)


@pytest.mark.slow
def test_the_tolerance_chooses_the_number_of_points():
    images = np.random.RandomState(5).rand(20, 4, 4, 1).astype(np.float32)
    labels = np.arange(20) % 3
    fixed = IntegratedGradients(_BENT, steps=8).explain(images, labels)
    tolerance = float(np.median(fixed.values["gap"]))
    found = IntegratedGradients(_BENT, steps=512, tolerance=tolerance).explain(images, labels)
    few = fixed.values["gap"] <= tolerance
    assert set(found.values["points"][few]) == {8}
    np.testing.assert_allclose(found.maps[few], fixed.maps[few], rtol=1e-5, atol=1e-7)
    assert (found.values["points"][~few] > 8).all()
    assert (found.values["gap"] <= tolerance).all()
    assert not found.values["missed"].any()
    with pytest.warns(UserWarning, match="miss the tolerance of 1e-09 logits with 12 points"):
        limited = IntegratedGradients(_BENT, steps=12, tolerance=1e-9).explain(images, labels)
    assert set(limited.values["points"]) == {12}
    np.testing.assert_allclose(limited.maps, IntegratedGradients(_BENT, steps=12)(images, labels), rtol=1e-5, atol=1e-7)


@pytest.mark.integration
def test_every_argument_of_integrated_gradients_counts():
    images, labels = np.random.RandomState(5).rand(4, 4, 4, 1).astype(np.float32), [0, 1, 2, 0]
    maps = IntegratedGradients(_BENT, steps=4)(images, labels)
    for options in ({"steps": 5}, {"rule": "left"}, {"baseline": 0.3}, {"steps": 64, "tolerance": 1e-3}):
        assert not np.allclose(IntegratedGradients(_BENT, **{"steps": 4, **options})(images, labels), maps), options


@pytest.mark.parametrize("held", [np.asarray, tf.constant, lambda values: [values, values], lambda values: ([values],)])
def test_every_value_of_arrays_that_a_method_holds_counts(held):
    """As text most of them are left out, so methods of other prototypes were the same one."""

    @dataclass(frozen=True, eq=False)
    class Own(VanillaGradient):
        prototypes: Any = field(default=None, kw_only=True)

    values = np.zeros((50, 50), np.float32)
    others = values.copy()
    others[25, 25] = 1
    assert Own(prototypes=held(values)) == Own(prototypes=held(values.copy())) != Own(prototypes=held(others))


@pytest.mark.integration
def test_the_layer_counts(maps_and_head):
    inputs = keras.Input((4, 4, 1))
    maps = L.ReLU(name="twice")(L.Conv2D(2, 1, name="first")(inputs))
    inner = keras.Sequential([L.Conv2D(3, 2, name="deep")], name="inner")
    outputs = L.Dense(2)(L.Flatten()(inner(maps)))
    keras.utils.set_random_seed(0)
    model = keras.Model(inputs, outputs)
    model.set_weights([np.abs(weight) for weight in model.get_weights()])
    images = np.random.RandomState(0).rand(2, 4, 4, 1).astype(np.float32)
    by_name = {name: attributions.GradCAM(model, layer=name).explain(images, [0, 1]) for name in ("first", "deep")}
    assert by_name["deep"].layer == "inner/deep"
    assert not np.allclose(by_name["first"].maps, by_name["deep"].maps)
    np.testing.assert_array_equal(attributions.GradCAM(model)(images, [0, 1]), by_name["deep"].maps)
    np.testing.assert_array_equal(attributions.GradCAM(model, layer="inner/deep")(images, [0, 1]), by_name["deep"].maps)


def test_a_tolerance_that_was_missed_is_told():
    """Half of the images are black, where the way is of no length and the gap is 0."""
    images, labels = np.random.RandomState(0).rand(6, *_BENT.input_shape[1:]).astype(np.float32), np.zeros(6, int)
    images[::2] = 0
    method = IntegratedGradients(_BENT, steps=2, rule="left", tolerance=1e-6)
    for ask in (method, method.explain):
        with pytest.warns(UserWarning, match="miss the tolerance") as told:
            found = ask(images, labels)
        [said] = [str(each.message) for each in told]
        assert said.startswith(
            "integrated gradients of 3 of 6 images miss the tolerance of 1e-06 logits with 2 points, by a gap of up to "
        )
        assert "\n" not in said
        assert told[0].filename == __file__ or ask is not method
    np.testing.assert_array_equal(found.values["missed"], [False, True] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        IntegratedGradients(_BENT, steps=2, rule="left").explain(images, labels)
        IntegratedGradients(_BENT, steps=2, rule="left", tolerance=1e6)(images, labels)


@pytest.mark.parametrize(
    ("shape", "count"),
    [((28, 28, 1), 512), ((32, 32, 3), 130), ((224, 224, 3), 4), ((300, 300, 3), 2), ((2000, 2000, 3), 1)],
)
def test_few_large_images_are_in_memory_at_a_time_but_more_than_one_where_that_is_faster(shape, count):
    assert VanillaGradient().points_at_a_time(shape) == count
    assert SmoothGrad(VanillaGradient()).points_at_a_time(shape) == count


@pytest.mark.parametrize(
    ("method", "count"),
    [
        (VanillaGradient(), 8),
        (IntegratedGradients(steps=4), 8),
        (SmoothGrad(VanillaGradient(), samples=2), 4),
        (VanillaGradient(chunk_size=3), 2),
        (VanillaGradient(chunk_size=1), 1),
    ],
)
def test_each_stream_explains_as_many_photographs_as_fit_in_memory(method, count, monkeypatch):
    """Those of one stream were shared out among all, so that each explained half of what it had room for."""
    batches = []

    def noted(function, arrays, batch_size):
        batches.append(batch_size)
        return run_in_batches(function, arrays, batch_size)

    monkeypatch.setattr(attribution, "count_streams", lambda: 2)
    monkeypatch.setattr(attribution, "run_in_batches", noted)
    model = keras.Sequential([keras.Input((224, 224, 3)), L.GlobalAveragePooling2D(), L.Dense(2)])
    method.with_model(model)(np.zeros((9, 224, 224, 3), np.float32), np.zeros(9, int))
    assert batches == [count]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 2**31 - 1))
def test_noise_is_that_of_tensorflow(shape, seed):
    np.testing.assert_allclose(
        standard_normal(shape, tf.constant([seed, 5])),
        tf.random.stateless_normal(shape, [seed, 5]),
        rtol=1e-5,
        atol=1e-5,
    )
