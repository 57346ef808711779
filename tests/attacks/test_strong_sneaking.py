"""The strong search of ISA: by hand on a linear model, never above the bisection, and the paper's lower bound below it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import data
from interp.attacks import InterpretabilitySneaking, MinimumEpsilon
from interp.attacks.loop import Evaluation, ascend
from interp.attributions import InterpretationMaps
from interp.discrepancy import class_discrepancy, select_classes
from interp.evaluation import sample_images, sneaking
from interp.models import build_network, load_model

MINIMUM = MinimumEpsilon(rounds=6, steps=10)
REFERENCE = InterpretabilitySneaking(rounds=4, steps=6)
STRONG = dataclasses.replace(REFERENCE, protocol="strong", search_steps=40)


@pytest.fixture(scope="module")
def linear():
    """Two channels, whose means are the logits of two classes: the class activation maps are the channels."""
    model = keras.Sequential([keras.Input((2, 2, 2)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.eye(2, dtype=np.float32), np.zeros(2, np.float32)])
    return model


# Sums 2 and .8, ranges .6 and .2.
PICTURE = np.stack([[0.2, 0.4, 0.6, 0.8], [0.1, 0.3, 0.2, 0.2]], -1).reshape(1, 2, 2, 2).astype(np.float32)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("radius", "expected"),
    # The sums have to come 1.2 closer. A unit costs 1/2 / .6 in the true class's map, so all of it is taken there: 1.2 / 1.2, the bound.
    # With a radius of .2 that map gives .8 alone, and the target's map .4 at 1/2 / .2 a unit: .8 / 1.2 + .4 / .4.
    [(0.35, 1.0), (0.2, 5 / 3)],
)
def test_the_least_discrepancy_of_a_linear_model_by_hand(linear, radius, expected):
    attack = InterpretabilitySneaking(protocol="strong")
    found = attack(linear, PICTURE, [0], [1], [radius])
    assert found.succeeded.all()
    assert np.argmax(linear(found.adversarial), -1) == [1]
    maps, shown = InterpretationMaps(name="cam"), np.array([[0, 1]])
    clean, moved = (maps.flat(linear, images, shown) for images in (PICTURE, found.adversarial))
    distance = class_discrepancy(clean, moved, "l1", normalised=True).numpy()
    assert distance >= expected * (1 - 1e-5)
    assert distance == pytest.approx(expected, rel=0.01)


@pytest.mark.integration
def test_the_bound_of_a_linear_model_by_hand(linear):
    """A margin of .15 times four positions over the larger range, .6; in l2 over sqrt(4) more."""
    for norm, bound in (("l1", 1.0), ("l2", 0.5)):
        attack = dataclasses.replace(STRONG, discrepancy_norm=norm)
        found = sneaking(linear, PICTURE, [0], [1], attack, MINIMUM, (1.5, 2.0))
        np.testing.assert_allclose(found.bounds, [bound], rtol=1e-5)
        assert (found.discrepancies >= bound * (1 - 1e-5)).all()
        assert found.above_bound[0] == pytest.approx(found.discrepancies[0, 0] / bound - 1, rel=1e-5)


def test_momentum_by_hand():
    """Gradients (1, 3) have a mean size of 2: .5 and 1.5 first, then half of that more each time."""

    def objective(points):
        return Evaluation(tf.reduce_sum(points * [1.0, 3.0], -1), points[:, 0])

    def move(points, gradient, step):
        return points + gradient

    start = tf.zeros([1, 2])
    for keep_worst in (False, True):
        found = ascend(objective, move, start, 3, keep_worst=keep_worst, momentum=0.5)
        np.testing.assert_allclose(found, [[0.5 * (1 + 1.5 + 1.75), 1.5 * (1 + 1.5 + 1.75)]])


@pytest.fixture(scope="module")
def net():
    network = build_network("small", (28, 28, 1), 4)
    network.layers[-1].kernel.assign(4 * network.layers[-1].kernel)
    return network


@pytest.fixture(scope="module")
def situation(net):
    images = np.random.RandomState(0).rand(6, 28, 28, 1).astype(np.float32)
    labels = np.argmax(net(images), -1)
    targets = (labels + 1) % 4
    return images, labels, targets, MINIMUM(net, images, targets)


CASES = [
    ("cam", "l1", "two_class"),
    ("cam", "l2", "all_class"),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            ("cam", "l1", "all_class"),
            ("cam", "l2", "two_class"),
            ("cam", "l2", "one_class"),
            ("cam++", "l1", "two_class"),
            ("ig", "l1", "two_class"),
            ("ig", "l2", "one_class"),
            ("representation", "l1", "one_class"),
            ("representation", "l2", "one_class"),
            ("gradient", "l2", "two_class"),
            ("grad_cam", "l1", "two_class"),
        )
    ),
]


@pytest.mark.integration
@pytest.mark.parametrize(("interpretation", "norm", "classes"), CASES)
def test_never_above_the_bisection_at_the_target_in_the_ball_and_above_the_bound(
    net, situation, interpretation, norm, classes
):
    images, labels, targets, smallest = situation
    settings = {"interpretation": interpretation, "discrepancy_norm": norm, "classes": classes}
    radii = (1.5 * smallest.epsilons).astype(np.float32)
    reference, strong = (
        dataclasses.replace(attack, **settings)(net, images, labels, targets, radii, start=smallest.adversarial)
        for attack in (REFERENCE, STRONG)
    )
    assert reference.succeeded.any()
    assert (strong.succeeded >= reference.succeeded).all()
    rows = np.flatnonzero(reference.succeeded)
    np.testing.assert_array_equal(np.argmax(net(strong.adversarial[rows]), -1), targets[rows])
    assert (np.abs(strong.adversarial - images).max((1, 2, 3))[rows] <= radii[rows] + 1e-6).all()
    assert strong.adversarial.min() >= 0
    assert strong.adversarial.max() <= 1
    shown = np.asarray(select_classes(classes, labels, targets, 4))[rows]
    maps = InterpretationMaps(name=interpretation)
    clean, before, after = (
        maps.flat(net, batch[rows], shown) for batch in (images, reference.adversarial, strong.adversarial)
    )
    first, then = (class_discrepancy(clean, moved, norm, normalised=True).numpy() for moved in (before, after))
    assert (then <= first * (1 + 1e-4)).all()
    assert then.mean() < first.mean()
    found = sneaking(
        net, images, labels, targets, dataclasses.replace(STRONG, **settings), MINIMUM, (1.5,), smallest=smallest
    )
    assert (found.bounds is None) == (classes == "one_class" or interpretation not in ("cam", "ig"))
    if found.bounds is not None:
        assert (found.bounds > 0).all()
        assert (found.discrepancies >= found.bounds * (1 - 1e-3)).all()


@pytest.mark.integration
def test_a_seed_repeats_whatever_the_batch_and_another_draws_anew(net, situation):
    images, labels, targets, smallest = situation
    radii = 1.5 * smallest.epsilons

    def run(**settings):
        return STRONG(net, images, labels, targets, radii, start=smallest.adversarial, **settings).adversarial

    found = run(seed=1)
    np.testing.assert_array_equal(run(seed=1), found)
    np.testing.assert_allclose(run(seed=1, batch_size=4), found, atol=1e-5)
    without = dataclasses.replace(STRONG, restarts=0)
    np.testing.assert_array_equal(
        *(without(net, images, labels, targets, radii, seed=seed).adversarial for seed in (1, 2))
    )
    assert not np.array_equal(run(seed=2), found)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "bisected", "most"), [("normal", 2.80, 2.60), ("int", 8.2, 6.95)])
def test_published_networks(reference_dir, data_dir, method, bisected, most):
    """Measured: 2.55 and 6.78 where the bisection finds 2.74 and 7.97."""
    sample, targets = sample_images(data.load("mnist", "test", data_dir=data_dir), 20)
    network = load_model(reference_dir / "networks" / f"mnist_smallgap_{method}_100.pkl")
    minimum = MinimumEpsilon()
    smallest = minimum(network, sample.images, targets)
    reference, strong = (
        sneaking(
            network,
            sample.images,
            sample.labels,
            targets,
            InterpretabilitySneaking(protocol=protocol),
            minimum,
            (1.5,),
            smallest=smallest,
        )
        for protocol in ("reference", "strong")
    )
    np.testing.assert_array_equal(strong.qualified, reference.qualified)
    assert len(strong.qualified) == 20
    assert (strong.discrepancies <= reference.discrepancies * (1 + 1e-4)).all()
    assert (strong.discrepancies >= strong.bounds).all()
    assert most < reference.discrepancy.value < bisected
    assert strong.discrepancy.value < most
