"""The objectives that differentiate maps: losses by hand, what inner attacks follow, gradients in the weights."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from interp.models import build_network, prepare
from interp.training import (
    OBJECTIVES,
    describe,
    find_objective,
    usual_schedule,
    with_cross_entropy_attack,
    with_distance_weight,
    with_explanation,
    with_softplus,
)
from interp.training.batches import draw_batch
from interp.training.inner_attack import attack_batch
from interp.training.terms import DISTANCE_WEIGHT, RANKED_SHARE, local_alignment
from interp.training.views import Pair, View
from tests.training.by_hand import softened_gradient, softened_integrated_gradients, softened_relu

PENALTY = 0.3
LABELS = np.array([2, 0, 1])
GENERATOR = np.random.RandomState(0)
CLEAN = GENERATOR.rand(3, 8, 8, 1).astype(np.float32)
MOVED = np.clip(CLEAN + 0.2 * GENERATOR.randn(*CLEAN.shape), 0, 1).astype(np.float32)
DIRECTIONS = GENERATOR.randn(*CLEAN.shape).astype(np.float32)
TAGS = ("lga", "hessian", "r2et", "igr", "art")


def network_of(fold=True):
    network = build_network("small", (8, 8, 1), 4, seed=3, fold_tail=fold)
    # Untrained networks hardly tell images apart; larger weights make every term matter.
    network.set_weights([2 * weights for weights in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def net():
    return network_of()


def pair_of(net, objective, moved):
    forward = prepare(net, rearrange=True)
    clean = View(forward, forward.enter(tf.constant(CLEAN)), explanation=objective.explanation)
    attacked = clean.at(forward.enter(moved))
    return Pair(clean, attacked, tf.constant(LABELS), PENALTY, directions=tf.constant(DIRECTIONS))


def values_and_gradients(net, objective, term, moved=MOVED):
    """A term's values, their gradients by the attacked images, and by the weights."""

    @tf.function(autograph=False)
    def run(moved):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(moved)
            values = term(pair_of(net, objective, moved))
        found = tape.gradient(values, [moved, *net.trainable_variables])
        # What adds to logits alone has no gradient at all.
        shapes = [moved.shape, *(variable.shape for variable in net.trainable_variables)]
        found = [tf.zeros(shape) if each is None else each for shape, each in zip(shapes, found, strict=True)]
        return values, found[0], found[1:]

    return run(tf.constant(moved, tf.float32))


def logits(net, images):
    return net(tf.constant(images, tf.float32)).numpy().astype(np.float64)


def cross_entropy(scores):
    shifted = scores - scores.max(-1, keepdims=True)
    return np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(3), LABELS]


def cosine_distance(first, second):
    first, second = (np.asarray(each).reshape(3, -1) for each in (first, second))
    return 1 - (first * second).sum(-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)


def curvature(net):
    with tf.GradientTape() as tape:
        points = tf.constant(CLEAN, tf.float64)
        tape.watch(points)
        along = tf.reduce_sum(softened_gradient(net, points, LABELS, softened_relu) * DIRECTIONS)
    return np.square(tape.gradient(along, points)).sum((1, 2, 3))


def rank_gap(net):
    """64 positions, of which 8 are to stay above; a tenth of 8 is at least 1: ranks 7 and 8 against rank 9. Maps have unit length."""
    strengths = -np.sort(-np.abs(softened_gradient(net, CLEAN, LABELS)).reshape(3, -1), axis=1)
    strengths /= np.linalg.norm(strengths, axis=1, keepdims=True)
    assert RANKED_SHARE * 64 == 8
    return 2 * strengths[:, 8] - strengths[:, 6] - strengths[:, 7]


def margin(net, moved):
    scores = logits(net, moved)
    scores[np.arange(3), LABELS] = -np.inf
    label, other = (softened_gradient(net, moved, classes) for classes in (LABELS, scores.argmax(-1)))
    return np.log1p(np.exp(cosine_distance(moved, label) - cosine_distance(moved, other)))


def losses_by_hand(net):
    clean, attacked = (cross_entropy(logits(net, images)) for images in (CLEAN, MOVED))
    before, after = (softened_gradient(net, images, LABELS).numpy() for images in (CLEAN, MOVED))
    paths = [softened_integrated_gradients(net, images, LABELS) for images in (CLEAN, MOVED)]
    distance = DISTANCE_WEIGHT * np.square(after - before).sum((1, 2, 3)) + cosine_distance(before, after) / 2
    return {
        "lga": clean + PENALTY * distance,
        "hessian": clean + PENALTY * curvature(net),
        "r2et": clean + PENALTY * rank_gap(net),
        "igr": attacked + PENALTY * cosine_distance(*paths),
        "art": attacked + PENALTY * margin(net, MOVED),
    }


@pytest.mark.parametrize("tag", TAGS)
def test_losses_by_hand(net, tag):
    objective, expected = OBJECTIVES[tag], losses_by_hand(net)[tag]
    found, _, _ = values_and_gradients(net, objective, objective.loss)
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    plain = cross_entropy(logits(net, MOVED if tag in ("igr", "art") else CLEAN))
    assert np.abs(expected - plain).min() > 1e-4


@pytest.mark.integration
@pytest.mark.parametrize("tag", TAGS)
def test_weight_gradients_are_those_of_the_unfolded_layers(tag):
    objective = OBJECTIVES[tag]
    gradients = [values_and_gradients(network_of(fold), objective, objective.loss)[2] for fold in (True, False)]
    for number, (folded, unfolded) in enumerate(zip(*gradients, strict=True)):
        np.testing.assert_allclose(folded, unfolded, atol=2e-4 * np.abs(unfolded).max() + 1e-7, err_msg=str(number))


def test_the_attack_of_art_follows_its_margin(net):
    objective = OBJECTIVES["art"]
    found, gradient, _ = values_and_gradients(net, objective, objective.attack)
    np.testing.assert_allclose(found, margin(net, MOVED), rtol=1e-4)
    for _ in range(3):
        direction = GENERATOR.randn(*MOVED.shape)
        up, down = (margin(net, MOVED + sign * 1e-6 * direction).sum() for sign in (1, -1))
        assert (up - down) / 2e-6 == pytest.approx((gradient.numpy() * direction).sum(), rel=2e-3, abs=1e-3)


def test_clean_maps_of_alignment_are_held_constant(net):
    """The gradient in the weights is that of the maps near the image alone."""
    _, _, found = values_and_gradients(net, OBJECTIVES["lga"], local_alignment(DISTANCE_WEIGHT))
    kernels = [layer.kernel.value for layer in net.kernel_layers()]
    before = softened_gradient(net, CLEAN, LABELS)
    with tf.GradientTape() as tape:
        after = softened_gradient(net, MOVED, LABELS)
        ends = [tf.math.l2_normalize(tf.reshape(each, (3, -1)), -1) for each in (before, after)]
        half = (1 - tf.reduce_sum(ends[0] * ends[1], -1)) / 2
        total = tf.reduce_sum(DISTANCE_WEIGHT * tf.reduce_sum(tf.square(after - before), (1, 2, 3)) + half)
    by_path = {variable.path: gradient for variable, gradient in zip(net.trainable_variables, found, strict=True)}
    for layer, expected in zip(net.kernel_layers(), tape.gradient(total, kernels), strict=True):
        np.testing.assert_allclose(by_path[layer.kernel.path], expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.integration
@pytest.mark.parametrize("tag", ["lga", "hessian", "r2et", "igr"])
@pytest.mark.parametrize("explanation", ["cam", "grad_cam", "ig"])
def test_other_maps_may_be_compared(net, tag, explanation):
    objective = with_explanation(tag, explanation)
    found, _, gradients = values_and_gradients(net, objective, objective.loss)
    own, _, _ = values_and_gradients(net, OBJECTIVES[tag], OBJECTIVES[tag].loss)
    assert np.isfinite(found).all()
    assert (explanation == "ig" and tag == "igr") or not np.allclose(found, own)
    assert any(np.abs(gradient).max() > 0 for gradient in gradients)


def test_art_needs_maps_of_the_size_of_images(net):
    objective = with_explanation("art", "grad_cam")
    with pytest.raises(
        InputError, match=r"compares images with maps of their size, and GradCAM gives smaller ones: choose another"
    ):
        values_and_gradients(net, objective, objective.loss)


@pytest.mark.integration
def test_softplus_is_an_argument(net):
    values = [
        values_and_gradients(net, objective, objective.loss)[0]
        for objective in (OBJECTIVES["lga"], with_softplus("lga", 20.0), with_softplus("lga", 5.0))
    ]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.allclose(values[0], values[2])
    with pytest.raises(InputError, match=r"a softplus came for Fast Adv, which compares no maps: leave it out"):
        with_softplus("fast", 5.0)
    with pytest.raises(
        InputError, match=r"a softplus came for Int, which compares maps of CAM, which need no softplus"
    ):
        with_softplus("int", 5.0)


@pytest.mark.integration
def test_both_weights_of_lga_are_arguments(net):
    before, after = (softened_gradient(net, images, LABELS).numpy() for images in (CLEAN, MOVED))
    plain = cross_entropy(logits(net, CLEAN)) + PENALTY * cosine_distance(before, after) / 2
    distance = np.square(after - before).sum((1, 2, 3))
    for weight in (0.0, DISTANCE_WEIGHT, 0.5):
        objective = with_distance_weight("lga", weight)
        found, _, _ = values_and_gradients(net, objective, objective.loss)
        np.testing.assert_allclose(found, plain + PENALTY * weight * distance, rtol=2e-4)
        # Files of the usual weight say what they said before there was a choice.
        made = describe(objective, usual_schedule(100, 0.3), 1)
        assert made.get("distance_weight") == (None if weight == DISTANCE_WEIGHT else weight)
    with pytest.raises(InputError, match=r"a distance weight came for IGR, whose loss has no squared distance of maps"):
        with_distance_weight("igr", 0.1)
    with pytest.raises(InputError, match="distance weight came as -1"):
        with_distance_weight("lga", -1)


def test_trades6_is_trades_with_another_weight():
    assert find_objective("trades6").penalty_weight == 6
    assert find_objective("trades6").attack is find_objective("trades").attack


def test_an_inner_attack_may_raise_the_cross_entropy():
    """Int2 is Int with such an attack."""
    assert with_cross_entropy_attack("int").attack is find_objective("int2").attack
    trades = with_cross_entropy_attack("trades6")
    assert replace(trades, attack=find_objective("trades6").attack) == find_objective("trades6")
    schedule = usual_schedule(100, 0.3)
    assert describe(trades, schedule, 1) == {**describe("trades6", schedule, 1), "inner_attack": "cross-entropy"}
    for tag in ("adv", "int2", "fast"):
        assert "inner_attack" not in describe(tag, schedule, 1)
        with pytest.raises(InputError, match="whose attack raises it already: leave it out"):
            with_cross_entropy_attack(tag)
    with pytest.raises(InputError, match="came for LGA, which has no attack: leave it out"):
        with_cross_entropy_attack("lga")


def test_an_attack_on_the_cross_entropy_finds_more_of_it_than_one_on_a_divergence(net):
    """Two steps, judged by the term of Adv."""
    schedule = replace(usual_schedule(100, 0.2), attack_steps=2, attack_step_size=0.1, ramp=(0, 0))
    batch = draw_batch(tf.constant(CLEAN), tf.constant(LABELS), tf.constant(0.2), tf.constant([1, 2], tf.int64))
    found = {}
    for name, objective in (("own", find_objective("trades6")), ("ce", with_cross_entropy_attack("trades6"))):
        points = attack_batch(net, objective, batch, tf.constant(0.2), schedule, 6.0)
        assert np.abs(points - CLEAN).max() <= 0.2 + 1e-6
        found[name] = cross_entropy(logits(net, points.numpy())).mean()
    assert found["ce"] > found["own"]
