"""Goals of attacks: by hand, and a table of goals x attacks on predictions."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import (
    AutoPGD,
    Fog,
    ProjectedGradientDescent,
    RandomTarget,
    Square,
    Targeted,
    Untargeted,
    correct,
    faster_precision,
)
from interp.attacks.classification import targeted_difference_of_logits_ratio
from interp.attacks.goals import Classes, Likeliest
from interp.core.errors import InputError
from interp.evaluation import accuracy_curve
from interp.models import build_network

PGD = ProjectedGradientDescent(epsilon=0.6, step_size=0.1, steps=20)
ATTACKS = {
    "last": PGD,
    "worst": dataclasses.replace(PGD, iterate="worst"),
    "first": dataclasses.replace(PGD, iterate="first"),
    "restarts": dataclasses.replace(PGD, random_start=True, restarts=2, iterate="first"),
    "l2": dataclasses.replace(PGD, norm="l2", epsilon=3.0, step_size=0.5),
    "apgd ce": AutoPGD(epsilon=0.6, steps=20),
    "apgd dlr": AutoPGD(epsilon=0.6, steps=20, loss="dlr", restarts=2),
    "square": Square(epsilon=0.6, steps=200),
    "fog": Fog(epsilon=2000.0, steps=20),
}
GOALS = {
    "untargeted": lambda labels: Untargeted(),
    "targeted": lambda labels: Targeted((labels + 1) % 4),
    "random target": lambda labels: RandomTarget(seed=5),
}


def targets_of(goal, labels, count=4):
    return goal.targets(tf.constant(labels, tf.int64), count, 0, 0, None).numpy()


@pytest.fixture(scope="module")
def four():
    """Images of 4 classes, each a bright row, and a network that knows them."""
    generator = np.random.RandomState(0)
    labels = generator.randint(4, size=300)
    images = 0.5 * generator.rand(300, 4, 4, 1).astype(np.float32)
    images[np.arange(300), labels] += 0.5
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(16, "relu"), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, epochs=40, verbose=0)
    images, labels = images[:40], labels[:40]
    assert correct(model, images, labels).all()
    return model, images, labels


@pytest.fixture(scope="module")
def three():
    """Logits (1/2, 6 x1 - 3, 1 - 3 x1 + 2 x2) of the two pixels of an image."""
    model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.layers[-1].set_weights([np.array([[0, 6, -3], [0, 0, 2]], np.float32), np.array([0.5, -3, 1], np.float32)])
    return model


IMAGE = np.array([0.5, 0.2], np.float32).reshape(1, 1, 2, 1)


def moved(attack, model):
    return np.ravel(attack(model, IMAGE, [0]))


@pytest.mark.integration
def test_steps_towards_a_target_by_hand(three):
    """Logits (.5, 0, -.1), label 0. Towards class 2 the log odds rise along z2' - p0 z0' - p1 z1' = (-3 - 6 p1, 2), p1 = .378.

    Away from class 0 they rise along p1 z1' + p2 z2' = (6 * .525 - 3 * .475, 2 * .475) = (1.73, .95), p1 = .525 of classes 1 and 2.
    """
    steps = ProjectedGradientDescent(epsilon=0.12, step_size=0.05, steps=3)
    towards = dataclasses.replace(steps, goal=Targeted([2]))
    np.testing.assert_allclose(moved(towards, three), [0.38, 0.32], rtol=1e-6)
    np.testing.assert_allclose(moved(steps, three), [0.62, 0.32], rtol=1e-6)
    l2 = dataclasses.replace(towards, norm="l2", epsilon=0.1, step_size=0.1, steps=1)
    np.testing.assert_allclose(moved(l2, three), [0.5 - 0.1 * 0.93483, 0.2 + 0.1 * 0.35509], atol=1e-5)


def test_the_first_point_at_the_target_by_hand(three):
    """A step of .05 raises the third logit by .25: -.1, .15, .4, .65, which is the first above .5."""
    attack = ProjectedGradientDescent(epsilon=0.4, step_size=0.05, steps=10, iterate="first", goal=Targeted([2]))
    np.testing.assert_allclose(moved(attack, three), [0.35, 0.35], rtol=1e-6)
    # Misclassified as class 1 is not there yet, and comes back from it: the second logit wins above x1 = 7/12.
    start = np.array([0.7, 0.2], np.float32).reshape(1, 1, 2, 1)
    found = attack(three, start, [0])
    assert np.argmax(three(start)) == 1
    assert np.argmax(three(found)) == 2
    untargeted = dataclasses.replace(attack, goal=Untargeted())
    np.testing.assert_array_equal(untargeted(three, start, [0]), start)


def test_the_first_success_ends_all_directions_of_its_image():
    """Steps of .05 from (.5, .5): the second class is predicted after two, by .1, the third after eight, by .5."""
    model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.layers[-1].set_weights(
        [np.array([[0, 4, 0], [0, 0, 20]], np.float32), np.array([0, -2.3, -17.5], np.float32)]
    )
    attack = ProjectedGradientDescent(epsilon=0.45, step_size=0.05, steps=9, iterate="first", goal=Likeliest(2))
    found = attack(model, np.full((1, 1, 2, 1), 0.5, np.float32), [0])
    np.testing.assert_allclose(np.ravel(found), [0.6, 0.4], rtol=1e-6)


def test_ties_count_against_the_label_and_not_for_the_target():
    logits = tf.constant([[2.0, 2.0, 1.0], [1.0, 3.0, 0.0]])
    classes = Classes(tf.constant([0, 0], tf.int64), tf.constant([1, 1], tf.int64))
    np.testing.assert_array_equal(Untargeted().harm(logits, classes), [0, 2])
    harm = Targeted([1, 1]).harm(logits, classes).numpy()
    assert harm[0] < 0
    assert harm[1] == 2


@pytest.mark.integration
def test_the_targeted_ratio_by_hand(four):
    """(3 - 5) / (5 - (1 + 0) / 2) where the target is second, and (6 - 1) / (6 - (2 + 1) / 2) where it is predicted."""
    logits = tf.constant([[5.0, 3.0, 1.0, 0.0], [1.0, 6.0, 2.0, 3.0]])
    found = targeted_difference_of_logits_ratio(logits, tf.constant([0, 0]), tf.constant([1, 1]))
    np.testing.assert_allclose(found, [-2 / 4.5, 5 / 4.5], rtol=1e-6)
    louder = targeted_difference_of_logits_ratio(1000 * logits, tf.constant([0, 0]), tf.constant([1, 1]))
    np.testing.assert_allclose(louder, found, rtol=1e-6)


def test_the_likeliest_classes_by_hand():
    """The label is passed over wherever it ranks, and of four classes there are three others."""
    logits = tf.constant([[5.0, 3.0, 1.0, 4.0], [1.0, 6.0, 2.0, 3.0]])
    labels = tf.constant([0, 3], tf.int64)
    goal = Likeliest(2)
    np.testing.assert_array_equal(goal.targets(labels, 4, 0, 0, lambda: logits), [[3, 1], [1, 2]])
    assert Likeliest().targets(labels, 4, 0, 0, lambda: logits).shape == (2, 3)
    classes = Classes(labels, tf.constant([2, 2], tf.int64))
    # Away from the label to whichever class, on the way to the target.
    np.testing.assert_array_equal(goal.harm(logits, classes), [-1, 3])
    np.testing.assert_array_equal(goal.lead(logits, classes), [-4, -1])


def test_three_classes_have_no_targeted_ratio(three):
    with pytest.raises(
        InputError, match="targeted difference of logits ratio needs at least 4 classes, the model has 3"
    ):
        AutoPGD(epsilon=0.1, loss="dlr", goal=Targeted([2]))(three, IMAGE, [0])


@pytest.mark.integration
def test_random_targets_by_hand(four):
    """RandomState(99).randint(4, size=6) is 1 3 1 0 1 0, of 5 classes: label + 1 + that."""
    assert targets_of(RandomTarget(), [0, 1, 2, 3, 4, 4], 5).tolist() == [2, 0, 4, 4, 1, 0]
    assert targets_of(RandomTarget(), [0, 1], 2).tolist() == [1, 0]
    model, images, labels = four
    attack = dataclasses.replace(PGD, goal=RandomTarget(), steps=3)
    given = dataclasses.replace(attack, goal=Targeted(targets_of(RandomTarget(), labels)))
    found = attack(model, images, labels)
    np.testing.assert_array_equal(found, given(model, images, labels))
    # Neither the seed of the call nor its batches matter, another seed of the goal does.
    np.testing.assert_array_equal(attack(model, images, labels, seed=8, batch_size=9), found)
    assert not np.array_equal(dataclasses.replace(attack, goal=RandomTarget(7))(model, images, labels), found)


@pytest.mark.slow
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_reaches_every_goal(name, goal, four):
    model, images, labels = four
    goal = GOALS[goal](labels)
    attack = dataclasses.replace(ATTACKS[name], goal=goal)
    found = attack(model, images, labels, seed=1)
    targets = targets_of(goal, labels)
    reached = ~correct(model, found, labels) if targets.tolist() == labels.tolist() else correct(model, found, targets)
    # Fog makes of an image what it can.
    assert reached.mean() > (0.3 if name == "fog" else 0.9)
    np.testing.assert_allclose(attack(model, images, labels, seed=1, batch_size=7), found, atol=2e-3)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.integration
@pytest.mark.parametrize("name", ["first", "square"])
def test_what_is_at_its_target_is_left_as_it_is(name, four):
    model, images, labels = four
    others = (labels + 1) % 4
    # The network sees the target, and the given labels are others.
    attack = dataclasses.replace(ATTACKS[name], goal=Targeted(labels))
    np.testing.assert_array_equal(attack(model, images, others), images)


@pytest.mark.integration
def test_more_restarts_are_never_further_from_the_target(four):
    model, images, labels = four
    goal = Targeted((labels + 2) % 4)
    few = dataclasses.replace(PGD, epsilon=0.15, step_size=0.05, steps=2, random_start=True, goal=goal)
    harms = []
    for restarts in (1, 5):
        logits = model(dataclasses.replace(few, restarts=restarts)(model, images, labels))
        classes = Classes(tf.constant(labels, tf.int64), tf.constant(goal.classes, tf.int64))
        harms.append(goal.harm(logits, classes).numpy())
    assert (harms[1] >= harms[0] - 1e-5).all()
    assert harms[1].mean() > harms[0].mean()


@pytest.mark.integration
def test_fog_by_name_draws_its_class_from_the_seed_of_the_call(four):
    """And stops at any misclassification, as published; RandomTarget goes on to its class."""
    model, images, labels = four
    fog = Fog(epsilon=2000.0, steps=3)
    assert not np.array_equal(fog(model, images, labels, seed=1), fog(model, images, labels, seed=2))
    goal = fog._goal
    first, second = (goal.targets(tf.constant(labels), 4, 0, restart, None).numpy() for restart in (0, 1))
    assert (first != labels).all()
    assert (second != labels).all()
    assert (first != second).any()


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (lambda: Targeted([0]), r"a target is the true class of its image \(the first is image 0\)"),
        (lambda: Targeted([1, 2]), "2 target classes came with 1 image,"),
        (lambda: Targeted([3]), r"target classes came in \[3, 3\], the network has classes 0 to 2"),
        (lambda: Targeted([-1]), "classes 0 to 2"),
        (lambda: Targeted([2**70]), "target classes came as"),
        (
            lambda: Targeted([1.0]),
            r"target classes came as float64 of shape \(1,\), expected an integer for each image",
        ),
        (lambda: Targeted(np.eye(3, dtype=int)), r"int64 of shape \(3, 3\)"),
        (lambda: Targeted(None), "NoneType"),
        (lambda: Targeted([[1], [1, 2]]), "list"),
        (lambda: Targeted([]), "target classes"),
        (lambda: RandomTarget(seed=-1), "seed came as -1"),
        (lambda: "untargeted", "the goal came as str, expected an instance such as Untargeted"),
        (lambda: Untargeted, "the goal came as the class Untargeted"),
    ],
)
def test_goals_that_cannot_be_are_refused(goal, message, three):
    with pytest.raises(InputError, match=message) as caught:
        dataclasses.replace(PGD, goal=goal())(three, IMAGE, [0])
    assert "\n" not in str(caught.value)


def test_goals_are_values():
    given = np.array([3, 1])
    assert Targeted(given) == Targeted([3, 1]) == Targeted(tf.constant([3, 1]))
    assert len({Targeted(given), Targeted([3, 1]), Untargeted(), Untargeted(), RandomTarget(), RandomTarget(99)}) == 3
    assert dataclasses.asdict(dataclasses.replace(PGD, goal=Targeted(given)))["goal"] == {"classes": (3, 1)}


def test_targets_of_other_classes_share_a_graph():
    class Counting(keras.Model):
        runs = 0

        def call(self, images, training=None):
            self.runs += 1
            return tf.reduce_sum(images, (1, 2)) * tf.constant([[1.0, -1.0, 2.0]])

    model = Counting()
    attack = dataclasses.replace(PGD, goal=Targeted([1]))
    attack(model, IMAGE, [0])
    traced = model.runs
    dataclasses.replace(attack, goal=Targeted([0, 2]))(model, np.tile(IMAGE, (2, 1, 1, 1)), [1, 1])
    assert model.runs == traced


@pytest.mark.integration
def test_the_faster_precision_is_asked_whatever_the_targets():
    network = build_network("small", (28, 28, 1), 3)
    images = np.random.RandomState(0).rand(120, 28, 28, 1).astype(np.float32)
    targeted = dataclasses.replace(PGD, goal=Targeted([2] * 120))
    assert faster_precision(targeted, network, images, [0] * 120) in ("float32", "bfloat16")


def test_a_curve_of_accuracies_is_of_untargeted_attacks(three):
    with pytest.raises(InputError, match=r"came with the goal RandomTarget.*set goal=Untargeted\(\)"):
        accuracy_curve(three, IMAGE, [0], dataclasses.replace(PGD, goal=RandomTarget()), [0.1])
