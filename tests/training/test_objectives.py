"""Each objective: its loss by hand, and the gradient its inner attack follows against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from interp.models import build_network, prepare
from interp.training import OBJECTIVES, find_objective, terms
from interp.training.views import Pair, View
from tests.training import test_objectives_since_2020

PENALTY = 0.05
LABELS = np.array([2, 0, 1])
GENERATOR = np.random.RandomState(0)
CLEAN = GENERATOR.rand(3, 8, 8, 1).astype(np.float32)
MOVED = np.clip(CLEAN + 0.2 * GENERATOR.randn(*CLEAN.shape), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    network = build_network("small", (8, 8, 1), 4, seed=3)
    # Untrained networks hardly tell images apart; larger weights make every term matter.
    network.set_weights([2 * weights for weights in network.get_weights()])
    return network


def forward(net, images):
    """Logits and maps in float64, layer by layer, without the package's forward pass."""
    kernels = [tf.cast(layer.kernel, tf.float64) for layer in net.kernel_layers()]
    biases = [tf.cast(layer.bias, tf.float64) for layer in net.kernel_layers()[:-1]]
    values = tf.cast(images, tf.float64)
    for number, stride in enumerate((2, 2, 1)):
        values = (
            tf.nn.conv2d(tf.nn.relu(values) if number else values, kernels[number], stride, "SAME") + biases[number]
        )
    maps = values @ kernels[3]
    return tf.reduce_mean(maps, (1, 2)), maps


def attribution_norm(net, clean, moved, score):
    """l1 norm of (x' - x) times the mean gradient of the score at x + k/5 (x' - x), k = 1..5, one point after the other."""
    total = 0
    for k in range(1, 6):
        point = tf.constant(clean + k / 5 * (moved - clean), tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = score(forward(net, point)[0])
        total = total + tape.gradient(value, point).numpy() / 5
    return np.abs((moved - clean) * total).sum((1, 2, 3))


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def terms_by_hand(net, clean, moved):
    """Cross-entropies and discrepancy from logits and maps alone, in float64."""
    (logits, maps), (moved_logits, moved_maps) = (
        [output.numpy() for output in forward(net, images)] for images in (clean, moved)
    )
    rows = np.arange(len(LABELS))
    others = moved_logits.copy()
    others[rows, LABELS] = -np.inf
    weights = np.exp(log_softmax(others))
    weights[rows, LABELS] = 1
    distances = np.abs(moved_maps - maps).sum((1, 2))
    log_p, log_q = log_softmax(logits), log_softmax(moved_logits)
    return {
        "clean": -log_p[rows, LABELS],
        "adversarial": -log_q[rows, LABELS],
        "kl": (np.exp(log_p) * (log_p - log_q)).sum(-1),
        "true class": distances[rows, LABELS],
        "discrepancy": (weights * distances).sum(-1),
        "loss attribution": lambda: attribution_norm(
            net, clean, moved, lambda z: tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, z)
        ),
        "logit attribution": lambda: sum(
            weights[:, k] * attribution_norm(net, clean, moved, lambda z, k=k: z[:, k]) for k in range(4)
        ),
    }


LOSSES = {
    "normal": lambda t: t["clean"],
    "adv": lambda t: t["adversarial"],
    "trades": lambda t: t["clean"] + PENALTY * t["kl"],
    "int": lambda t: t["clean"] + PENALTY * t["discrepancy"],
    "intone": lambda t: t["clean"] + PENALTY * t["true class"],
    "intadv": lambda t: t["adversarial"] + PENALTY * t["discrepancy"],
    "int2": lambda t: t["clean"] + PENALTY * t["discrepancy"],
    "int2adv": lambda t: t["adversarial"] + PENALTY * t["discrepancy"],
    "ig": lambda t: t["clean"] + PENALTY * t["loss attribution"](),
    "igsum": lambda t: t["adversarial"] + PENALTY * t["loss attribution"](),
    "intig": lambda t: t["clean"] + PENALTY * t["logit attribution"](),
    "intigadv": lambda t: t["adversarial"] + PENALTY * t["logit attribution"](),
    "trades6": lambda t: t["clean"] + PENALTY * t["kl"],
    "fast": lambda t: t["adversarial"],
}


def log_odds(terms):
    """log((e^CE - 1)): the cross-entropy CE is softplus of it."""
    return np.log(np.expm1(terms["adversarial"]))


ATTACKS = {
    "adv": log_odds,
    "trades": lambda t: t["kl"],
    "int": lambda t: t["discrepancy"],
    "intone": lambda t: t["true class"],
    "intadv": LOSSES["intadv"],
    "int2": log_odds,
    "int2adv": log_odds,
    "ig": LOSSES["ig"],
    "igsum": LOSSES["igsum"],
    "intig": LOSSES["intig"],
    "intigadv": LOSSES["intigadv"],
    "trades6": lambda t: t["kl"],
    "fast": log_odds,
}


def pair(net, moved, *, searching=False):
    forward = prepare(net, rearrange=True)
    clean = View(forward, forward.enter(tf.constant(CLEAN)))
    return Pair(clean, clean.at(forward.enter(moved)), tf.constant(LABELS), PENALTY, searching=searching)


def test_every_objective_is_tested():
    assert {*LOSSES, *test_objectives_since_2020.TAGS} == set(OBJECTIVES)
    # That of igr is the one of adv, that of art is tested with its loss.
    assert OBJECTIVES["igr"].attack is OBJECTIVES["adv"].attack
    assert {*ATTACKS, "igr", "art"} == {tag for tag, row in OBJECTIVES.items() if row.attack is not None}


@pytest.mark.parametrize("tag", LOSSES)
def test_losses_by_hand(net, tag):
    expected = LOSSES[tag](terms_by_hand(net, CLEAN, MOVED))
    np.testing.assert_allclose(find_objective(tag).loss(pair(net, tf.constant(MOVED))), expected, rtol=1e-4)


@pytest.mark.integration
@pytest.mark.parametrize("searching", [True, False])
@pytest.mark.parametrize("tag", ATTACKS)
def test_attack_gradients_are_finite_differences(net, tag, searching):
    points = tf.constant(MOVED)
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = find_objective(tag).attack(pair(net, points, searching=searching))
    gradient = tape.gradient(values, points).numpy()
    np.testing.assert_allclose(values, ATTACKS[tag](terms_by_hand(net, CLEAN, MOVED)), rtol=1e-4)
    for _ in range(5):
        direction = GENERATOR.randn(*MOVED.shape)
        step = 1e-6
        up, down = (ATTACKS[tag](terms_by_hand(net, CLEAN, MOVED + sign * step * direction)).sum() for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx((gradient * direction).sum(), rel=1e-3, abs=1e-3)


@pytest.mark.integration
@pytest.mark.parametrize("activation", ["gelu", "tanh", "relu"])
def test_the_search_of_a_model_of_another_activation_follows_its_whole_term(activation):
    """Without ReLU the gradients of logits change with the image, and an attack that took them for constant would lose its way."""
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation=activation, kernel_initializer="random_normal"),
            layers.Flatten(),
            layers.Dense(4, kernel_initializer="random_normal"),
        ]
    )
    points, gradients = tf.constant(MOVED), []
    for searching in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(points)
            values = terms.logit_attribution(pair(model, points, searching=searching))
        gradients.append(tape.gradient(values, points).numpy())
    assert np.abs(gradients[1]).max() > 0
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-6 * np.abs(gradients[1]).max())


@pytest.mark.parametrize("tag", LOSSES)
def test_weight_gradients_are_those_of_the_unfolded_layers(tag):
    """The folded tail in the update: gradients of the loss in the weights, folded against layer by layer."""
    gradients = []
    for fold in (True, False):
        network = build_network("small", (8, 8, 1), 4, seed=3, fold_tail=fold)
        network.set_weights([2 * weights for weights in network.get_weights()])
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(find_objective(tag).loss(pair(network, tf.constant(MOVED))))
        gradients.append(tape.gradient(loss, network.trainable_variables))
    for variable, folded, unfolded in zip(network.trainable_variables, *gradients, strict=True):
        np.testing.assert_allclose(folded, unfolded, atol=2e-5 * np.abs(unfolded).max() + 1e-7, err_msg=variable.path)


def test_rows_say_what_they_are():
    for tag, objective in OBJECTIVES.items():
        assert objective.tag == tag
        assert objective.title
        assert objective.citation


def test_unknown_objectives_suggest():
    with pytest.raises(InputError, match="did you mean 'normal'"):
        find_objective("norml")
