"""FAB: linear models, whose nearest points beyond the boundary are known, and a network."""

import dataclasses

import keras
import numpy as np
import pytest

from interp.attacks import AutoPGD, FastAdaptiveBoundary, accuracy, correct
from interp.core.errors import InputError
from interp.models import build_network, prepare
from interp.models.pixel_layout import SpaceToDepthLayout

# Class 0 is right by w x = 1 - 2 * 0.2 = 0.6, of w = (1, -2).
IMAGES = np.array([1.0, 0.2], np.float32).reshape(1, 1, 2, 1)
DISTANCES = {"linf": 0.6 / 3, "l2": 0.6 / 5**0.5}


@pytest.mark.parametrize("norm", DISTANCES)
def test_a_linear_model_is_solved_exactly(linear, norm):
    """Just above the distance of the boundary, not below it; three steps are enough."""
    attack = FastAdaptiveBoundary(epsilon=1.002 * DISTANCES[norm], steps=3, norm=norm)
    assert accuracy(linear, attack(linear, IMAGES, [0]), [0]) == 0
    short = dataclasses.replace(attack, epsilon=0.998 * DISTANCES[norm], steps=30)
    assert accuracy(linear, short(linear, IMAGES, [0]), [0]) == 1


@pytest.mark.parametrize("norm", DISTANCES)
def test_the_nearest_of_several_boundaries_is_found(norm):
    """Ten classes: the distance is the least over the others of |difference of logits| / dual norm of the difference of weights."""
    generator = np.random.RandomState(1)
    model = keras.Sequential([keras.Input((4, 5, 2)), keras.layers.Flatten(), keras.layers.Dense(10)])
    weights = generator.randn(40, 10).astype(np.float32)
    model.set_weights([weights, np.zeros(10, np.float32)])
    # Images from which no border of [0, 1] is near.
    images = generator.uniform(0.45, 0.55, (30, 4, 5, 2)).astype(np.float32)
    logits = model(images).numpy()
    labels = logits.argmax(1)
    gaps = logits[range(30), labels][:, None] - logits
    normals = weights[:, labels].T[:, :, None] - weights[None]
    dual = np.abs(normals).sum(1) if norm == "linf" else np.sqrt((normals**2).sum(1))
    dual[range(30), labels] = 1
    gaps[range(30), labels] = np.inf
    distances = (gaps / dual).min(1)
    # Images at about this distance meet no border of [0, 1] on the way.
    epsilon = float(np.quantile(distances, 0.3))
    right = correct(model, FastAdaptiveBoundary(epsilon=epsilon, steps=20, norm=norm)(model, images, labels), labels)
    assert not right[distances < 0.99 * epsilon].any()
    assert right[distances > 1.01 * epsilon].all()
    assert (distances < 0.99 * epsilon).sum() > 5


@pytest.mark.integration
def test_more_steps_and_restarts_are_never_weaker(curved, toy):
    images, labels = toy
    attack = FastAdaptiveBoundary(epsilon=0.12, steps=2)
    found = [
        accuracy(curved, dataclasses.replace(attack, **settings)(curved, images, labels), labels)
        for settings in ({}, {"steps": 40}, {"steps": 40, "restarts": 4})
    ]
    assert found[0] >= found[1] >= found[2]
    assert found[0] < accuracy(curved, images, labels)
    assert found[1] <= accuracy(curved, AutoPGD(epsilon=0.12, steps=40)(curved, images, labels), labels) + 0.05


@pytest.mark.integration
def test_what_a_layout_adds_around_images_is_no_room_for_steps():
    """Bright images of a network whose first convolution reads a margin of zeros: the same as of images that are not rearranged."""
    keras.utils.set_random_seed(3)
    network = build_network("small", (8, 8, 1), 3)
    assert isinstance(prepare(network, rearrange=True).layout, SpaceToDepthLayout)
    pixels = keras.Input((8, 8, 1))
    plain = keras.Model(pixels, network(pixels))
    images = np.random.RandomState(0).uniform(0.5, 1, (12, 8, 8, 1)).astype(np.float32)
    labels = network(images).numpy().argmax(1)
    attack = FastAdaptiveBoundary(epsilon=1.0, steps=12, targets=2)
    found = attack(network, images, labels)
    np.testing.assert_allclose(found, attack(plain, images, labels), atol=1e-4)
    assert accuracy(network, found, labels) < 1


@pytest.mark.integration
def test_the_scale_of_logits_does_not_matter(curved, toy):
    images, labels = toy
    attack = FastAdaptiveBoundary(epsilon=0.12, steps=20)
    plain = accuracy(curved, attack(curved, images, labels), labels)
    for scale in (1e-4, 1e4):
        scaled = keras.Sequential([curved, keras.layers.Rescaling(scale)])
        assert accuracy(scaled, attack(scaled, images, labels), labels) == pytest.approx(plain, abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"epsilon": -1.0}, "epsilon"), ({"steps": 0}, "steps"), ({"targets": 0}, "targets"), ({"norm": "l1"}, "norm")],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(FastAdaptiveBoundary(epsilon=0.1), **arguments)
