"""Each objective: its loss by hand, and the gradient its inner attack follows against finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from interp.models import build_network
from interp.training import OBJECTIVES, find_objective
from interp.training.views import Pair, View

PENALTY, BETA = 0.05, 2.0
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
    values = tf.constant(images, tf.float64)
    for number, stride in enumerate((2, 2, 1)):
        values = (
            tf.nn.conv2d(tf.nn.relu(values) if number else values, kernels[number], stride, "SAME") + biases[number]
        )
    maps = values @ kernels[3]
    return tf.reduce_mean(maps, (1, 2)).numpy(), maps.numpy()


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def terms_by_hand(net, clean, moved):
    """Cross-entropies and discrepancy from logits and maps alone, in float64."""
    (logits, maps), (moved_logits, moved_maps) = forward(net, clean), forward(net, moved)
    rows = np.arange(len(LABELS))
    others = moved_logits.copy()
    others[rows, LABELS] = -np.inf
    weights = np.exp(log_softmax(others))
    weights[rows, LABELS] = 1
    return {
        "clean": -log_softmax(logits)[rows, LABELS],
        "adversarial": -log_softmax(moved_logits)[rows, LABELS],
        "discrepancy": (weights * np.abs(moved_maps - maps).sum((1, 2))).sum(-1),
    }


LOSSES = {
    "normal": lambda t: t["clean"],
    "adv": lambda t: t["adversarial"],
    "int": lambda t: t["clean"] + PENALTY * t["discrepancy"],
}
ATTACKS = {"adv": lambda t: t["adversarial"], "int": lambda t: t["discrepancy"]}


def pair(net, moved):
    tail = net.tail()
    return Pair(View(net, tail, tf.constant(CLEAN)), View(net, tail, moved), tf.constant(LABELS), PENALTY, BETA)


def test_every_objective_is_tested():
    assert set(LOSSES) == set(OBJECTIVES)
    assert set(ATTACKS) == {tag for tag, objective in OBJECTIVES.items() if objective.attack is not None}


@pytest.mark.parametrize("tag", LOSSES)
def test_losses_by_hand(net, tag):
    expected = LOSSES[tag](terms_by_hand(net, CLEAN, MOVED))
    np.testing.assert_allclose(find_objective(tag).loss(pair(net, tf.constant(MOVED))), expected, rtol=1e-4)


@pytest.mark.parametrize("tag", ATTACKS)
def test_attack_gradients_are_finite_differences(net, tag):
    points = tf.constant(MOVED)
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = find_objective(tag).attack(pair(net, points))
    gradient = tape.gradient(values, points).numpy()
    np.testing.assert_allclose(values, ATTACKS[tag](terms_by_hand(net, CLEAN, MOVED)), rtol=1e-4)
    for _ in range(5):
        direction = GENERATOR.randn(*MOVED.shape)
        step = 1e-6
        up, down = (ATTACKS[tag](terms_by_hand(net, CLEAN, MOVED + sign * step * direction)).sum() for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx((gradient * direction).sum(), rel=1e-3, abs=1e-3)


def test_rows_say_what_they_are():
    for tag, objective in OBJECTIVES.items():
        assert objective.tag == tag
        assert objective.title
        assert objective.citation


def test_unknown_objectives_suggest():
    with pytest.raises(InputError, match="did you mean 'normal'"):
        find_objective("norml")
