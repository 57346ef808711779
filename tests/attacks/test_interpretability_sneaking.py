"""ISA: what it promises on toy networks, its arguments, and the paper's figure."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import data
from interp.attacks import InterpretabilitySneaking, MinimumEpsilon
from interp.attributions import InterpretationMaps
from interp.core.errors import InputError
from interp.discrepancy import class_discrepancy
from interp.evaluation import sample_images, sneaking
from interp.models import build_network, load_model

MINIMUM = MinimumEpsilon(rounds=6, steps=10)
ATTACK = InterpretabilitySneaking(rounds=5, steps=8)


@pytest.fixture(scope="module")
def net():
    network = build_network("small", (28, 28, 1), 4)
    network.layers[-1].kernel.assign(4 * network.layers[-1].kernel)
    return network


@pytest.fixture(scope="module")
def situation(net):
    """Images, the classes the network sees, targets, and the smallest radii found."""
    images = np.random.RandomState(0).rand(6, 28, 28, 1).astype(np.float32)
    labels = np.argmax(net(images), -1)
    targets = (labels + 1) % 4
    return images, labels, targets, MINIMUM(net, images, targets)


@pytest.mark.slow
@pytest.mark.parametrize("interpretation", ["cam", "cam++", "ig", "representation"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_what_succeeded_is_at_the_target_in_its_ball_and_moves_the_map_less(net, situation, interpretation, norm):
    images, labels, targets, smallest = situation
    attack = dataclasses.replace(ATTACK, interpretation=interpretation, discrepancy_norm=norm)
    radii = 1.5 * smallest.epsilons
    found = attack(net, images, labels, targets, radii, start=smallest.adversarial)
    assert smallest.broken.any()
    # It starts from a success and keeps the best, so it succeeds wherever a radius was found.
    np.testing.assert_array_equal(found.succeeded, smallest.broken)
    rows = np.flatnonzero(found.succeeded)
    np.testing.assert_array_equal(np.argmax(net(found.adversarial[rows]), -1), targets[rows])
    assert (np.abs(found.adversarial - images).max((1, 2, 3))[rows] <= radii[rows] + 1e-6).all()
    assert found.adversarial.min() >= 0
    assert found.adversarial.max() <= 1
    np.testing.assert_array_equal(found.adversarial[~found.succeeded], images[~found.succeeded])
    if interpretation != "ig":
        classes = np.stack([labels, targets], -1)
        clean, before, after = (
            InterpretationMaps(name=interpretation).flat(net, batch, classes)[rows]
            for batch in (images, smallest.adversarial, found.adversarial)
        )
        distances = [class_discrepancy(clean, moved, norm).numpy() for moved in (before, after)]
        assert (distances[1] <= distances[0] * (1 + 1e-4)).all()


@pytest.mark.integration
def test_a_radius_that_is_not_known_is_not_attacked(net, situation):
    images, labels, targets, _ = situation
    radii = np.where(np.arange(6) % 2, np.nan, 0.5)
    found = ATTACK(net, images, labels, targets, radii)
    assert not found.succeeded[1::2].any()
    np.testing.assert_array_equal(found.adversarial[1::2], images[1::2])
    nothing = ATTACK(net, images, labels, targets, np.full(6, np.nan))
    assert not nothing.succeeded.any()


@pytest.mark.integration
def test_several_radii_at_once_are_those_one_by_one(net, situation):
    images, labels, targets, smallest = situation
    radii = np.outer([1.2, 2.0], smallest.epsilons)
    together = ATTACK(net, images, labels, targets, radii, start=smallest.adversarial)
    assert together.adversarial.shape == (2, *images.shape)
    for point in range(2):
        alone = ATTACK(net, images, labels, targets, radii[point], start=smallest.adversarial, batch_size=4)
        np.testing.assert_array_equal(alone.succeeded, together.succeeded[point])
        np.testing.assert_allclose(alone.adversarial, together.adversarial[point], atol=1e-5)


@pytest.mark.integration
@settings(max_examples=10)
@given(
    classes=st.sampled_from(["one_class", "two_class", "all_class"]),
    direction=st.sampled_from(["sign", "reference"]),
    radius=st.floats(0, 1),
)
def test_results_keep_to_the_ball(net, situation, classes, direction, radius):
    images, labels, targets, _ = situation
    attack = dataclasses.replace(ATTACK, classes=classes, direction=direction, rounds=2, steps=3)
    found = attack(net, images, labels, targets, np.full(6, radius))
    assert (np.abs(found.adversarial - images).max((1, 2, 3)) <= radius + 1e-6).all()
    seen = np.argmax(net(found.adversarial), -1)
    np.testing.assert_array_equal(seen[found.succeeded], targets[found.succeeded])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interpretation": "kam"}, "did you mean 'cam"),
        ({"classes": "two"}, "two_class"),
        ({"discrepancy_norm": "l3"}, "l1"),
        ({"rounds": 0}, "rounds"),
        ({"steps": 0}, "steps"),
        ({"direction": "gradient"}, "direction"),
        ({"layer": "conv"}, "layer came as str"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(ATTACK, **arguments)


def test_bad_input_is_one_line(net, situation):
    images, labels, targets, _ = situation
    with pytest.raises(InputError, match="a target is the true class"):
        ATTACK(net, images, labels, labels, np.full(6, 0.1))
    with pytest.raises(InputError, match=r"^target classes came in \[.*: check the target classes$"):
        ATTACK(net, images, labels, targets + 9, np.full(6, 0.1))
    with pytest.raises(InputError, match=r"^5 target classes came with 6 images, expected one target class per image$"):
        MinimumEpsilon()(net, images, targets[:5])
    with pytest.raises(
        InputError, match=r"^classes came as float64, expected integers: convert with astype\('int64'\) or tf.cast$"
    ):
        InterpretationMaps(name="cam")(net, images, np.stack([labels, targets], -1) * 1.0)
    with pytest.raises(InputError, match=r"epsilons came with shape \(5,\)"):
        ATTACK(net, images, labels, targets, np.full(5, 0.1))
    with pytest.raises(InputError, match="at least 0"):
        ATTACK(net, images, labels, targets, np.full(6, -0.1))
    with pytest.raises(InputError, match="a finite radius"):
        ATTACK(net, images, labels, targets, np.full(6, np.inf))
    with pytest.raises(InputError, match="no layer 9"):
        dataclasses.replace(ATTACK, interpretation="representation", layer=9)(
            net, images, labels, targets, np.full(6, 0.1)
        )


@pytest.mark.integration
def test_the_published_discrepancy(reference_dir, data_dir):
    """3.124 on Normal: 50 images of seed 123, two class, l1, penalties 1.25 to 2."""
    sample, targets = sample_images(data.load("mnist", "test", data_dir=data_dir), 50, seed=123)
    network = load_model(reference_dir / "networks" / "mnist_smallgap_normal_100.pkl")
    found = sneaking(
        network,
        sample.images,
        sample.labels,
        targets,
        InterpretabilitySneaking(direction="reference", steps=10),
        MinimumEpsilon(direction="reference", steps=10),
        (1.25, 1.5, 1.75, 2.0),
    )
    assert len(found.qualified) == 50
    assert found.discrepancy.value == pytest.approx(3.124, rel=0.02)


class Root(keras.Model):
    """Logits from a root of the image, whose gradient at 0 is infinite times 0."""

    def call(self, images, training=None):
        total = tf.reduce_sum(images * tf.pow(images, 0.5), (1, 2, 3))
        return tf.stack([total, 2 - total], -1)


@pytest.mark.integration
@pytest.mark.parametrize("direction", ["sign", "reference"])
def test_gradients_that_are_not_finite_are_reported(direction):
    """Instead of taking the network for one that cannot be broken."""
    images = np.array([[0.9, 0.8], [0.0, 0.5]], np.float32).reshape(2, 1, 2, 1)
    with pytest.raises(InputError, match="NaN or infinite on 1 of 2"):
        MinimumEpsilon(direction=direction)(Root(), images, [1, 0])
    attack = dataclasses.replace(ATTACK, interpretation="ig", direction=direction)
    with pytest.raises(InputError, match="NaN or infinite"):
        attack(Root(), images, [0, 1], [1, 0], [0.3, 0.3])
