"""The strong protocol: what it flags and what it does not, on toy and on published networks."""

import dataclasses
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import data
from interp.attacks import ProjectedGradientDescent
from interp.core.errors import InputError
from interp.core.parallel import open_workers
from interp.evaluation import StrongProtocol, Validity, accuracy_curve, sample_images, validity
from interp.models import build_network, load_model

PROTOCOL = StrongProtocol(steps=10, step_size=0.05, restarts=2, queries=100, strength="quick")
EPSILONS = (0.0, 0.1, 0.25)
ATTACK = ProjectedGradientDescent(epsilon=0.1, step_size=0.025, steps=10)


@pytest.fixture(scope="module")
def digits():
    """A small network that has learnt the digits, with a softmax loss that is not saturated."""
    train, test = (data.load("digits", split) for split in ("train", "test"))
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(8, 5, strides=3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(np.asarray(train.images), train.labels, epochs=8, verbose=0)
    sample, _ = sample_images(test, 60)
    return network, np.asarray(sample.images), sample.labels


def kinds(found):
    return {flag.kind for flag in (*found.flags, *(flag for row in found.rows for flag in row.flags))}


@pytest.mark.integration
def test_a_sound_network_is_not_flagged(digits):
    network, images, labels = digits
    found = validity(network, images, labels, EPSILONS, PROTOCOL, seed=1)
    assert not found.flagged
    worst = [row.worst_case for row in found.rows]
    assert worst == sorted(worst, reverse=True)
    assert worst[0] > 0.8
    assert worst[-1] < 0.3
    for row in found.rows:
        assert row.worst_case <= min(row.accuracies.values())
    assert list(found.rows[1].accuracies) == [
        *("PGD", "any iterate", "more steps", "random starts"),
        *("then APGD-CE", "then APGD-DLR", "then Square"),
    ]
    assert "worst case per image" in found.protocol


@pytest.mark.slow
def test_the_strong_protocol_goes_on_with_the_ensemble(digits):
    network, images, labels = digits
    strong = dataclasses.replace(PROTOCOL, strength="strong")
    radii = (0.0, 0.04, 0.06)
    found, quick = (validity(network, images, labels, radii, protocol, seed=1) for protocol in (strong, PROTOCOL))
    assert not found.flagged
    assert "AutoAttack" in found.protocol
    assert "AutoAttack" not in quick.protocol
    assert list(found.columns())[-3:] == ["95% from", "to", "flags"]
    members = [f"ensemble {name}" for name in ("APGD-CE", "Square", "APGD-T", "FAB-T")]
    for row, before in zip(found.rows[1:], quick.rows[1:], strict=True):
        assert list(row.accuracies) == [*before.accuracies, *members]
        # It goes on from where the quick one ends, so it is never weaker.
        assert row.worst_case == row.accuracies["ensemble FAB-T"] <= before.worst_case
    for row in (*found.rows, *quick.rows):
        assert row.right().mean() == pytest.approx(row.worst_case)
        low, high = row.interval
        assert low < row.worst_case < high
    assert set(found.rows[0].broken_by) <= {"", "clean"}
    # What broke an image at a radius is said at every larger one.
    for small, large in pairwise(found.rows):
        assert all(first in ("", after) for first, after in zip(small.broken_by, large.broken_by, strict=True))
    assert Validity.from_json(found.to_json()) == found


@pytest.mark.slow
def test_in_l2(digits):
    network, images, labels = digits
    protocol = dataclasses.replace(PROTOCOL, norm="l2", step_size=0.5, strength="strong")
    found = validity(network, images, labels, (0.5, 2.0), protocol)
    assert not found.flagged
    assert "in l2" in found.protocol
    assert found.rows[0].worst_case > found.rows[1].worst_case
    assert found.rows[1].worst_case < 0.3


@pytest.mark.slow
def test_results_are_the_same_for_the_same_seed(digits):
    network, images, labels = digits
    once, again = (validity(network, images[:20], labels[:20], (0.1,), PROTOCOL, seed=3) for _ in range(2))
    assert once == again


@pytest.mark.slow
def test_large_logits_are_no_defence(digits):
    network, images, labels = digits
    loud = keras.Sequential([network, keras.layers.Rescaling(1000.0)])
    found, plain = (validity(model, images, labels, (0.1,), PROTOCOL) for model in (loud, network))
    assert not found.flagged
    assert found.rows[0].accuracies["PGD"] <= plain.rows[0].accuracies["PGD"] + 0.05


@pytest.mark.integration
def test_saturated_activations(digits):
    """Steps of this height are flat: the gradient is 0 at every image that exactly one class is on."""
    network, images, labels = digits
    flat = keras.Sequential([network, keras.layers.Rescaling(1e4, -1e4), keras.layers.Activation("tanh")])
    found = validity(flat, images, labels, (0.1,), PROTOCOL)
    assert "vanishing gradients" in kinds(found)
    assert "no gradient at all" in next(flag.text for flag in found.flags if flag.kind == "vanishing gradients")


@pytest.mark.slow
def test_a_softmax_is_cut(digits):
    network, images, labels = digits
    probable = keras.Sequential([network, keras.layers.Softmax()])
    found, plain = (validity(model, images, labels, (0.1,), PROTOCOL) for model in (probable, network))
    assert found == plain


@pytest.mark.integration
def test_probabilities_of_another_making_are_flagged_and_not_attacked(digits):
    network, images, labels = digits
    inputs = keras.Input((28, 28, 1))
    odds = keras.ops.exp(network(inputs))
    probable = keras.Model(inputs, odds / keras.ops.sum(odds, -1, keepdims=True))
    found = validity(probable, images, labels, EPSILONS, PROTOCOL)
    assert kinds(found) == {"probabilities"}
    assert found.rows == ()
    assert found.flagged


class DropoutLeftOn(keras.Model):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.dropout = inner, keras.layers.Dropout(0.2)

    def call(self, images, training=None):
        return self.inner(self.dropout(images, training=True), training=training)


@pytest.mark.integration
def test_dropout_left_on(digits):
    network, images, labels = digits
    found = validity(DropoutLeftOn(network), images, labels, (0.05,), PROTOCOL)
    assert "random output" in kinds(found)
    assert "two identical calls differ" in found.flags[0].text


class Misleading(keras.Model):
    """The gradient that Keras sees is that of the negative: following it makes the prediction surer."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, images, training=None):
        mirrored = 2 * tf.stop_gradient(images) - images
        return self.inner(mirrored, training=training)


class OpenAtSomeStarts(keras.Model):
    """Gradients pass only where the first pixel, which the logits ignore, lies in a part of its range that some random starts fall into."""

    def __init__(self, inner, part):
        super().__init__()
        self.inner, self.part = inner, part

    def call(self, images, training=None):
        first = images[:, :1, :1]
        rest = tf.concat([tf.zeros_like(first), images[:, :1, 1:]], 2)
        images = tf.concat([rest, images[:, 1:]], 1)
        is_open = tf.cast((first >= self.part[0]) & (first < self.part[1]), tf.float32)
        return self.inner(is_open * images + (1 - is_open) * tf.stop_gradient(images), training=training)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("part", "flagged"), [((0.02, 0.05), True), pytest.param((0.0, 1.0), False, marks=pytest.mark.slow)]
)
def test_restarts_that_gain(digits, part, flagged):
    """Of uniform starts within 0.1 that are clipped to [0, 1], 15% have a first pixel in [0.02, 0.05)."""
    network, images, labels = digits
    protocol = dataclasses.replace(PROTOCOL, restarts=8)
    found = validity(OpenAtSomeStarts(network, part), images, labels, (0.1,), protocol)
    assert ("restarts" in kinds(found)) == flagged
    assert ("random start" in kinds(found)) == flagged
    assert ("vanishing gradients" in kinds(found)) == flagged
    if flagged:
        flag = next(flag for flag in found.rows[0].flags if flag.kind == "restarts")
        assert "8 random starts find attacks on" in flag.text
        assert "more than one" in flag.text


@pytest.mark.slow
def test_the_black_box_finds_what_wrong_gradients_hide(digits):
    network, images, labels = digits
    # What the black box found at a smaller radius does not hide what it finds at a larger one.
    both = validity(Misleading(network), images, labels, (0.15, 0.2), dataclasses.replace(PROTOCOL, queries=300))
    assert all("black box" in {flag.kind for flag in row.flags} for row in both.rows)
    assert both.rows[1].worst_case <= both.rows[0].worst_case


@pytest.mark.slow
def test_the_attack_is_named_where_its_steps_are_too_short(digits):
    """Three steps reach a third of the radius, and twice as many find more: that is the attack's fault, not the network's."""
    network, images, labels = digits
    short = StrongProtocol(steps=3, step_size=0.01, restarts=1, queries=20, strength="quick")
    found = validity(network, images, labels, (0.1,), short)
    assert kinds(found) == {"weak attack"}
    [flag] = found.rows[0].flags
    assert "twice the steps find" in flag.text or "random starts find" in flag.text
    assert "mislead" not in flag.text
    assert "cannot reach the surface of the ball" in flag.text
    # What it says to do makes it strong.
    said = float(flag.text.split("take steps of ")[1].split()[0])
    mended = dataclasses.replace(short, step_size=said)
    assert not validity(network, images, labels, (0.1,), mended).flagged


@pytest.mark.integration
def test_images_scaled_twice_are_flagged_first(digits):
    """Whoever divides by 255 sees next to nothing of images in [0, 1], and nothing an attack adds to them; here, where nobody can know."""
    network, images, labels = digits
    divides = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(1 / 255))
    twice = keras.Sequential([keras.Input((28, 28, 1)), divides, network])
    found = validity(twice, images, labels, (0.0, 0.1), PROTOCOL)
    assert found.flags[0].kind == "chance accuracy"
    assert "[0, 1] twice" in found.flags[0].text
    assert found.flagged
    curve = accuracy_curve(twice, images, labels, ATTACK, (0.0, 0.1))
    assert [flag.kind for flag in curve.flags] == ["chance accuracy"]
    assert accuracy_curve(network, images, labels, ATTACK, (0.0, 0.1)).flags == ()


@pytest.mark.integration
def test_two_classes_are_attacked_without_the_ratio():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    images = np.random.RandomState(0).rand(10, 4, 4, 1).astype(np.float32)
    found = validity(model, images, np.argmax(model(images), -1), (0.1,), PROTOCOL)
    assert "then APGD-DLR" not in found.rows[0].accuracies
    assert "starts, APGD-CE (100 steps)" in found.protocol
    assert "then Square" in found.rows[0].accuracies


@pytest.mark.integration
def test_all_images_misclassified(digits):
    network, images, _ = digits
    wrong = (np.argmax(network(images), -1) + 1) % 10
    found = validity(network, images, wrong, (0.1,), PROTOCOL)
    assert found.rows[0].worst_case == 0
    # Labels of other classes, say.
    assert kinds(found) == {"chance accuracy"}


@pytest.mark.parametrize(
    ("epsilons", "message"),
    [
        ((), "empty"),
        ((-0.1,), "epsilon came as -0.1"),
        ((float("nan"),), "epsilon"),
        ((0.1, 8), "epsilon came as 8, expected at most 1.*8/255"),
        (0.1, "epsilons came as float"),
        (None, "epsilons came as NoneType"),
        ("0.1", "epsilons came as str"),
    ],
)
def test_bad_radii(digits, epsilons, message):
    with pytest.raises(InputError, match=message):
        validity(*digits, epsilons, PROTOCOL)


@pytest.mark.slow
def test_published_networks(reference_dir, data_dir):
    """Int2-Adv looks robust at eps 0.4 to plain PGD and is not; Adv at 0.3 is what it seems."""
    sample, _ = sample_images(data.load("mnist", "test", data_dir=data_dir), 200)
    rows = {}
    for method in ("int2adv", "adv"):
        network = load_model(reference_dir / "networks" / f"mnist_smallgap_{method}_100.pkl")
        rows[method] = validity(network, sample.images, sample.labels, (0.3, 0.4), seed=99).rows
    at_3, at_4 = rows["int2adv"]
    assert at_4.accuracies["PGD"] == pytest.approx(0.62, abs=0.015)
    assert at_4.worst_case <= 0.03
    assert at_4.flags
    assert "black box" in {flag.kind for flag in at_3.flags}
    adv = rows["adv"][0]
    # torchattacks' AutoAttack leaves .845.
    assert 0.81 <= adv.worst_case <= 0.85
    assert not adv.flags


@pytest.mark.slow
def test_blocks_in_workers_are_those_of_this_process(monkeypatch, tmp_path):
    """Each block draws by its own seed, so who attacks it does not matter; what is kept is not attacked again."""
    monkeypatch.setattr("interp.core.batches._MOST_BLOCK", 10)
    net = build_network("small", (28, 28, 1), 10, seed=3)
    images = np.random.RandomState(0).rand(25, 28, 28, 1).astype(np.float32)
    labels = np.asarray(net.predict(images, verbose=0)).argmax(-1)
    protocol = StrongProtocol(steps=3, restarts=1, queries=5)
    alone = validity(net, images, labels, [0.02, 0.05], protocol)
    steps = []
    with open_workers(2) as workers:
        given = {"workers": workers, "folder": tmp_path}
        found = validity(net, images, labels, [0.02, 0.05], protocol, report=lambda: steps.append(1), **given)
    assert len(steps) == 3 * 2
    assert len(list(tmp_path.glob("*.npz"))) == 3
    # Times differ.
    assert found.table() == alone.table()
    assert [row.broken_by for row in found.rows] == [row.broken_by for row in alone.rows]
    assert validity(net, images, labels, [0.02, 0.05], protocol, folder=tmp_path).table() == alone.table()
