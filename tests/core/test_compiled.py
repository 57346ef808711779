"""What is compiled for a model is shared, and freed with it."""

import gc
import logging
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import ProjectedGradientDescent
from interp.attributions import GradCAM, IntegratedGradients, SmoothGrad, VanillaGradient
from interp.core import compiled
from interp.core.compiled import keep_for
from interp.models import adapt, build_network
from interp.models.model_check import run_for_logits

L = keras.layers
IMAGES, LABELS = np.random.RandomState(0).rand(3, 8, 8, 3).astype(np.float32), np.arange(3)


def make_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(8, 3, name="first"),
            L.BatchNormalization(),
            L.ReLU(),
            L.Conv2D(8, 3, name="last"),
            L.GlobalAveragePooling2D(),
            L.Dense(4),
        ]
    )


@pytest.fixture
def count_compilations(monkeypatch):
    """A list that grows with every graph that is compiled and kept."""
    seen = []
    monkeypatch.setattr(compiled, "drop_dead_losses", lambda *_: seen.append(None))
    return seen


@pytest.mark.integration
def test_methods_of_the_same_settings_share_a_graph_and_others_do_not(count_compilations):
    model = make_model()
    first = GradCAM(model)(IMAGES, LABELS)
    np.testing.assert_array_equal(GradCAM(model)(IMAGES, LABELS), first)
    assert len(count_compilations) == 1
    other = GradCAM(model, layer="first")(IMAGES, LABELS)
    assert len(count_compilations) == 2
    assert np.abs(other - first).max() > 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (IntegratedGradients(), IntegratedGradients(chunk_size=3)),
        (IntegratedGradients(baseline=np.zeros((2, 2, 1))), IntegratedGradients(baseline=np.ones((2, 2, 1)))),
        (SmoothGrad(VanillaGradient()), SmoothGrad(VanillaGradient(chunk_size=3))),
        (SmoothGrad(VanillaGradient()), SmoothGrad(VanillaGradient()).for_training()),
        (VanillaGradient(), GradCAM()),
    ],
)
def test_all_that_shapes_a_graph_is_in_its_key(one, other):
    assert one.graph_key() == one.with_model(make_model()).graph_key()
    assert one.graph_key() != other.graph_key()


@pytest.mark.integration
def test_attacks_of_other_numbers_share_a_graph_and_weights_are_the_present_ones(count_compilations):
    model = make_model()
    before = ProjectedGradientDescent(epsilon=0.1, step_size=0.05, steps=2)(model, IMAGES, LABELS)
    for variable in model.trainable_variables:
        variable.assign(-variable)
    after = ProjectedGradientDescent(epsilon=0.1, step_size=0.05, steps=3)(model, IMAGES, LABELS)
    assert len(count_compilations) == 1
    assert np.abs(after - before).max() > 0.01


@pytest.mark.integration
def test_a_model_that_is_no_longer_used_is_freed():
    model = make_model()
    GradCAM(model)(IMAGES, LABELS)
    ProjectedGradientDescent(epsilon=0.1, step_size=0.05, steps=2)(model, IMAGES, LABELS)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_what_is_shared_is_bounded_and_what_was_asked_for_last_stays(monkeypatch):
    monkeypatch.setattr(compiled, "MOST_SHARED", 2)
    model, made = make_model(), []

    def ask(key):
        return keep_for(model, key, lambda: made.append(key) or key)

    assert [ask(key) for key in "abab"] == list("abab")
    ask("c")
    ask("b")
    assert made == list("abc")
    ask("a")
    assert made == list("abca")


def test_models_share_nothing():
    models = [make_model(), make_model()]
    assert [keep_for(model, "key", lambda place=place: place) for place, model in enumerate(models)] == [0, 1]


def test_other_variables_and_activations_make_everything_anew():
    model = make_model()
    keep_for(model, "key", lambda: 0)
    model.add(L.Dense(2))
    assert keep_for(model, "key", lambda: 1) == 1
    model.layers[-1].activation = keras.activations.relu
    assert keep_for(model, "key", lambda: 2) == 2
    assert keep_for(model, "key", lambda: 3) == 2


def test_an_exchanged_layer_without_variables_makes_everything_anew():
    model = make_model()
    model.add(L.ReLU())
    keep_for(model, "key", lambda: 0)
    model.pop()
    model.add(L.LeakyReLU(0.3))
    assert keep_for(model, "key", lambda: 1) == 1


@pytest.mark.integration
@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("end", [[], [L.Softmax()]])
def test_what_layers_compute_with_is_the_present_one(adapted, end):
    """Predictions and maps follow activations that are exchanged, and a Normalization that is adapted anew."""
    known, bent = L.Normalization(), L.Activation("relu")
    known.adapt(IMAGES)
    layers = [keras.Input((8, 8, 3)), known, L.Conv2D(4, 3), bent, L.GlobalAveragePooling2D(), L.Dense(4)]
    scores = keras.Sequential(layers)
    model = keras.Sequential([keras.Input((8, 8, 3)), scores, *end])
    used = adapt(model, scale="0..1") if adapted else model

    def check():
        np.testing.assert_allclose(run_for_logits(used, tf.constant(IMAGES)), scores(IMAGES), rtol=1e-4, atol=1e-6)
        points = tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(points)
            of_labels = tf.reduce_sum(tf.gather(scores(points), LABELS, batch_dims=1))
        expected = tape.gradient(of_labels, points)
        np.testing.assert_allclose(VanillaGradient(used)(IMAGES, LABELS), expected, rtol=1e-4, atol=1e-6)
        return np.asarray(expected)

    seen = [check()]
    bent.activation = keras.activations.tanh
    seen.append(check())
    known.adapt(3 * IMAGES)
    seen.append(check())
    assert np.abs(seen[0] - seen[1]).max() > 1e-3
    assert np.abs(seen[1] - seen[2]).max() > 1e-3


@pytest.mark.integration
def test_many_models_are_used_without_a_warning_of_retracing():
    """TensorFlow counts the functions that come from one place in the code, whatever model they are of."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    try:
        for number in range(7):
            model = keras.Sequential([keras.Input((8, 8, 3)), *make_model().layers, L.Softmax()])
            for used in (model, adapt(model, scale="0..255")):
                run_for_logits(used, tf.constant(IMAGES))
                VanillaGradient(used)(IMAGES, LABELS)
            network = build_network("small", (28, 28, 1), 3, seed=number)
            network.integrated_gradients(np.zeros((1, 28, 28, 1), np.float32), np.array([0]), steps=2)
    finally:
        tf.get_logger().removeHandler(handler)
    assert not [message for message in said if "retracing" in message]
