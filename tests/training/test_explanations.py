"""Objectives that compare other maps than CAM: their losses and weight gradients, what they hold still, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import data
from interp.attributions import CAM, GradCAM, InterpretationMaps, SmoothGrad, SmoothGradVar, VanillaGradient
from interp.core.errors import InputError
from interp.models import build_network, load_model, prepare, save_model
from interp.training import OBJECTIVES, RobustModel, Schedule, describe, find_objective, train, with_explanation
from interp.training.batches import draw_batch
from interp.training.inner_attack import attack_batch
from interp.training.model_state import ModelState, TrainingMode
from interp.training.objectives import check_explanation
from interp.training.step import make_step
from interp.training.views import Pair, View
from tests.training.by_hand import softened_integrated_gradients

LABELS = np.array([2, 0, 1])
SCHEDULE = Schedule(
    epochs=5,
    batch_size=50,
    learning_rates=((0, 3e-3),),
    epsilon=0.1,
    ramp=(0, 12),
    attack_steps=3,
    attack_step_size=0.05,
)
COMPARING = ("int", "intone", "intadv", "int2", "int2adv")


def network_of(side=8):
    network = build_network("small", (side, side, 1), 4, seed=3)
    # Untrained networks hardly tell images apart; larger weights make every term matter.
    network.set_weights([2 * weights for weights in network.get_weights()])
    return network


def images_of(side=8):
    generator = np.random.RandomState(0)
    clean = generator.rand(3, side, side, 1).astype(np.float32)
    return clean, np.clip(clean + 0.2 * generator.randn(*clean.shape), 0, 1).astype(np.float32)


def pair_of(net, objective, clean, moved):
    forward = prepare(net, rearrange=True)
    training = TrainingMode(ModelState(net, net.image_shape), tf.constant([0, 0], tf.int64))
    view = View(forward, forward.enter(tf.constant(clean)), explanation=objective.explanation, training=training)
    return Pair(view, view.at(forward.enter(tf.constant(moved))), tf.constant(LABELS), 1.0)


def loss_and_gradients(net, objective, images):
    """The summed map discrepancy of three images, and its gradients by the weights."""

    @tf.function(autograph=False)
    def run():
        with tf.GradientTape() as tape:
            values = objective.attack(pair_of(net, objective, *images))
            total = tf.reduce_sum(values)
        gradients = tape.gradient(total, net.trainable_variables)
        # What adds to logits alone has no gradient at all.
        return values, [
            tf.zeros(variable.shape) if gradient is None else gradient
            for variable, gradient in zip(net.trainable_variables, gradients, strict=True)
        ]

    return run()


def weights_of(logits):
    """1 for the true class, the softmax over the others for the others."""
    others = np.exp(logits - logits.max(-1, keepdims=True))
    others[np.arange(len(LABELS)), LABELS] = 0
    weights = others / others.sum(-1, keepdims=True)
    weights[np.arange(len(LABELS)), LABELS] = 1
    return weights


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("grad_cam", GradCAM(softplus=20.0)),
        ("gradient", VanillaGradient(softplus=20.0)),
        ("cam++", CAM(rectified=True)),
    ],
)
def test_losses_are_distances_of_the_maps_that_attributions_give(name, method):
    net, (clean, moved) = network_of(), images_of()
    classes = np.tile(np.arange(4), (3, 1))
    before, after = (InterpretationMaps(name=method).flat(net, images, classes) for images in (clean, moved))
    distances = np.abs(after - before).sum(-1)
    expected = {"intone": distances[np.arange(3), LABELS], "int": (weights_of(net(moved).numpy()) * distances).sum(-1)}
    for tag, values in expected.items():
        found, _ = loss_and_gradients(net, with_explanation(tag, name), (clean, moved))
        np.testing.assert_allclose(found, values, rtol=1e-3, err_msg=tag)
        assert values.sum() > 0.1


def test_grad_cam_by_hand():
    """Behind average pooling it is the positive part of CAM over the number of its positions."""
    net, (clean, moved) = network_of(), images_of()
    before, after = (
        np.maximum(net.cam(images), 0)[np.arange(3), ..., LABELS].reshape(3, -1) / 4 for images in (clean, moved)
    )
    found, _ = loss_and_gradients(net, with_explanation("intone", GradCAM()), (clean, moved))
    np.testing.assert_allclose(found, np.abs(after - before).sum(-1), rtol=1e-3)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("method", "together"),
    [
        ("gradient", 9),
        ("grad_cam", 9),
        ("grad_cam++", 9),
        (SmoothGrad(samples=9), 9),
        (SmoothGrad(samples=9), 4),
        (SmoothGradVar(GradCAM(), samples=9, chunk_size=2), 4),
    ],
)
def test_weight_gradients_are_finite_differences(method, together, monkeypatch):
    """Of a random sum of the maps, which has no kinks of its own; so many noisy copies of an image are drawn together."""
    monkeypatch.setattr("interp.attributions.smooth_grad.VALUES", together * 8 * 8)
    net, images, objective = network_of(), images_of(), with_explanation("int", method)
    generator, step, errors = np.random.RandomState(1), 1e-3, []
    variables = net.trainable_variables
    weights = [np.array(variable) for variable in variables]

    @tf.function(autograph=False)
    def run():
        with tf.GradientTape() as tape:
            maps = pair_of(net, objective, *images).attacked.maps
            total = tf.reduce_sum(maps * tf.random.stateless_normal(tf.shape(maps), (0, 0)))
        return total, tape.gradient(total, variables[::2])

    # Kernels; biases hardly matter to gradients.
    gradients = run()[1]
    for _ in range(8):
        direction = [generator.randn(*weight.shape) * np.abs(weight).mean() for weight in weights[::2]]
        ends = []
        for sign in (1, -1):
            for variable, weight, change in zip(variables[::2], weights[::2], direction, strict=True):
                variable.assign(weight + sign * step * change)
            ends.append(float(run()[0]))
        slope = (ends[0] - ends[1]) / (2 * step)
        found = sum(float(np.sum(gradient * change)) for gradient, change in zip(gradients, direction, strict=True))
        errors.append(abs(slope - found) / (abs(slope) + 0.1))
    # On some ways lies a kink of ReLU.
    assert np.median(errors) < 0.02, errors


@pytest.mark.integration
@pytest.mark.parametrize("side", [8, 36])
def test_integrated_gradients_let_gradients_through_to_the_weights(side):
    """Also of images so large that people's maps, and attacks, take them in chunks: in float64, layer by layer."""
    net, images = network_of(side), images_of(side)
    kernels = [layer.kernel.value for layer in net.kernel_layers()]
    with tf.GradientTape() as tape:
        before, after = (softened_integrated_gradients(net, each, LABELS) for each in images)
        expected = tf.reduce_sum(tf.abs(after - before), (1, 2, 3))
    by_hand = tape.gradient(expected, kernels)
    values, gradients = loss_and_gradients(net, with_explanation("intone", "ig"), images)
    np.testing.assert_allclose(values, expected, rtol=1e-3)
    places = {variable.path: gradient for variable, gradient in zip(net.trainable_variables, gradients, strict=True)}
    for layer, hand in zip(net.kernel_layers(), by_hand, strict=True):
        found = places[layer.kernel.path]
        np.testing.assert_allclose(found, hand, atol=2e-3 * np.abs(hand).max(), err_msg=layer.name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "penalty"), [("grad_cam", 0.3), ("gradient", 0.03)])
def test_int_on_a_map_holds_it_still(name, penalty):
    """Under the inner attack, against Normal training, and the network still tells digits apart."""
    images, objective = data.load("digits", "train").take(500), with_explanation("intone", name)
    moved = {}
    for tag, method, weight in (("normal", find_objective("normal"), None), ("int", objective, penalty)):
        net = build_network("small", (28, 28, 1), 10, seed=3)
        history = train(net, method, images, SCHEDULE, penalty_weight=weight)
        assert history[-1]["accuracy"] > 0.5

        @tf.function(autograph=False)
        def discrepancy(net=net):
            few = tf.constant(images.images[:100]), tf.constant(images.labels[:100])
            batch = draw_batch(*few, tf.constant(0.1), tf.constant([1, 1], tf.int64))
            found = attack_batch(net, objective, batch, tf.constant(0.1), SCHEDULE, 1.0)
            forward = prepare(net, rearrange=True)
            clean = View(forward, forward.enter(batch.images), explanation=objective.explanation)
            return tf.reduce_mean(objective.attack(Pair(clean, clean.at(forward.enter(found)), batch.labels, 1.0)))

        moved[tag] = float(discrepancy())
    assert moved["int"] < 0.5 * moved["normal"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grad_cam", "smooth_grad"])
def test_streams_do_not_matter(name, monkeypatch):
    """Random draws of a method belong to the place of an image in the whole batch."""
    generator, measures = np.random.RandomState(0), []
    images, labels = generator.rand(7, 8, 8, 1).astype(np.float32), np.arange(7) % 4
    for streams in (1, 2):
        monkeypatch.setattr("interp.training.step.count_streams", lambda streams=streams: streams)
        net, objective = network_of(), with_explanation("intone", name)
        step = make_step(net, objective, keras.optimizers.SGD(0.1), SCHEDULE, penalty_weight=0.5)
        numbers = tf.constant(0.1), tf.constant([0, 0], tf.int64), tf.constant(0.0)
        measures.append((step(tf.constant(images), tf.constant(labels, tf.int64), *numbers), net.get_weights()))
    (one, weights), (two, others) = measures
    for key, value in one.items():
        assert float(two[key]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), key
    for weight, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(other, weight, atol=1e-4)


@pytest.mark.integration
def test_networks_without_a_pooled_end_train_on_grad_cam():
    net = build_network("simple_cnn", (8, 8, 1), 4, seed=3)
    images, labels = tf.constant(images_of()[0]), tf.constant(LABELS)
    numbers = tf.constant(0.1), tf.constant([0, 0], tf.int64), tf.constant(0.0)
    step = make_step(net, with_explanation("int", "grad_cam"), keras.optimizers.Adam(), SCHEDULE, penalty_weight=0.1)
    assert float(step(images, labels, *numbers)["broken"]) == 0
    with pytest.raises(InputError, match=r"(CAM needs a model that ends|last feature maps are those before)"):
        make_step(net, "int", keras.optimizers.Adam(), SCHEDULE, penalty_weight=0.1)


@pytest.mark.integration
def test_a_robust_model_trains_on_an_explanation_and_keeps_it_in_its_file(tmp_path):
    images, labels = images_of()[0], LABELS

    def make(explanation, **options):
        model = RobustModel(network_of(), with_explanation("intone", explanation), SCHEDULE)
        model.compile("sgd", **options)
        return model

    model = make("grad_cam")
    assert np.isfinite(model.fit(images, labels, verbose=0).history["loss"]).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.objective == model.objective
    assert "explanation" not in RobustModel(network_of(), "int", SCHEDULE).get_config()
    own = make(GradCAM(layer="conv2"))
    with pytest.raises(InputError, match=r"settings of its own.*model.network.save\('name.keras'\)"):
        own.save(tmp_path / "other.keras")
    own.network.save(tmp_path / "other.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "other.keras")(images), own.network(images), "what the message says"
    )
    with pytest.raises(InputError, match="runs eagerly: leave out run_eagerly"):
        make("grad_cam", run_eagerly=True).fit(images, labels, verbose=0)


def test_what_cannot_be_trained_on_is_refused_by_name():
    assert {tag for tag, row in OBJECTIVES.items() if row.explanation == CAM()} == set(COMPARING)
    for tag in (tag for tag, row in OBJECTIVES.items() if row.explanation is None):
        with pytest.raises(InputError, match="compares no maps: leave it out, or choose one of int, intone, intadv"):
            with_explanation(tag, "grad_cam")
    with pytest.raises(InputError, match="RandomBaseline does not depend on the image"):
        with_explanation("int", "random")
    with pytest.raises(InputError, match="did you mean 'grad_cam'"):
        with_explanation("int", "gradcam")
    with pytest.raises(InputError, match=r"SmoothGrad\(RandomBaseline\) does not depend on the image"):
        with_explanation("int", "smooth_grad:random")
    with pytest.raises(InputError, match="DeconvNet does not change with the image"):
        check_explanation(with_explanation("int", "deconvnet"), network_of(), (8, 8, 1))
    with pytest.raises(InputError, match="conv9"):
        RobustModel(network_of(), with_explanation("int", GradCAM(layer="conv9")), SCHEDULE)


def test_the_record_names_another_explanation_than_cam(tmp_path):
    plain, other = (describe(objective, SCHEDULE, 0) for objective in ("int", with_explanation("int", "grad_cam")))
    assert "explanation" not in plain
    assert describe(with_explanation("int", "cam"), SCHEDULE, 0) == plain
    assert other == {**plain, "explanation": "GradCAM()"}
    save_model(network_of(), tmp_path / "net.safetensors", other)
    assert load_model(tmp_path / "net.safetensors").metadata["explanation"] == "GradCAM()"
