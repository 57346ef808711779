"""Trainings again and again with one compiled step."""

import pickle
import random

import keras
import numpy as np
import pytest

from interp import InputError, data
from interp.models import adapt, build_network
from interp.training import Retraining, TrainingInterrupted, find_objective, plain_schedule, train
from interp.training.retraining import _compiled

L = keras.layers
SCHEDULE = plain_schedule(epochs=1, batch_size=20, learning_rate=1e-3)


def weights(network):
    return [weight.copy() for weight in network.get_weights()]


@pytest.mark.integration
def test_each_training_is_the_one_of_its_seed():
    """Whatever was trained before: weights, moments of Adam and statistics of normalisation start anew."""
    images = data.load("digits", "train").take(60)
    retraining = pickle.loads(pickle.dumps(Retraining("simple_cnn", SCHEDULE)))
    first = weights(retraining(images, images, 1))
    other = weights(retraining(images, images, 2))
    again = weights(retraining(images, images, 1))
    alone = build_network("simple_cnn", images.image_shape, images.classes, seed=1)
    train(alone, find_objective("normal"), images, SCHEDULE, seed=1)
    for one, two, three in zip(first, again, weights(alone), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
        np.testing.assert_allclose(one, three, atol=1e-6)
    assert not np.allclose(first[0], other[0])


def test_it_says_what_it_does():
    described = Retraining("small", SCHEDULE).describe()
    assert described["architecture"] == "small"
    assert described["schedule"]["epochs"] == 1


@pytest.mark.integration
def test_a_training_that_broke_does_not_spoil_the_next():
    images = data.load("digits", "train").take(40)
    retraining = Retraining("small", SCHEDULE)
    first = weights(retraining(images, images, 1))
    network = retraining(images, images, 1)
    for variable in network.trainable_variables:
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    _, optimizer, *_ = _compiled(retraining, images.image_shape, images.classes)
    for variable in optimizer.variables:
        variable.assign(
            np.full(variable.shape, 1, variable.numpy().dtype) if "int" in str(variable.dtype) else variable * np.inf
        )
    np.testing.assert_allclose(weights(retraining(images, images, 1))[0], first[0], atol=1e-6)


def test_errors_of_workers_arrive_whole():
    stopped = pickle.loads(pickle.dumps(TrainingInterrupted("stopped", 2)))
    assert (str(stopped), stopped.signal) == ("stopped", 2)


def own_model():
    """A backbone of which one layer is frozen, a normalisation by known means, batch normalisation, and a new head."""
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            L.Normalization(mean=0.2, variance=0.1, name="known"),
            L.Conv2D(4, 5, strides=3, trainable=False, name="frozen"),
            L.Conv2D(6, 3, kernel_initializer="he_normal"),
            L.BatchNormalization(),
            L.ReLU(),
            L.GlobalAveragePooling2D(),
            L.Dropout(0.1),
            L.Dense(10),
        ]
    )


@pytest.mark.integration
def test_a_users_model_is_built_anew_from_each_seed_and_stays_as_it_is():
    images = data.load("digits", "train").take(60)
    model = own_model()
    before = weights(model)
    retraining = pickle.loads(pickle.dumps(Retraining(adapt(model, scale="0..1"), SCHEDULE)))
    drawn = random.getstate()
    first, other, again = (weights(retraining(images, images, seed)) for seed in (1, 2, 1))
    assert random.getstate() == drawn
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    for now, was in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(now, was)
    for variable, one, two, was in zip(model.weights, first, other, before, strict=True):
        if "known/" in variable.path or "frozen/" in variable.path:
            np.testing.assert_array_equal(one, was)
        else:
            assert np.abs(one - two).max() > 0, variable.path
            assert np.abs(one - was).max() > 0, variable.path
    assert "weights" in retraining.describe()["architecture"]
    assert Retraining(adapt(model, scale="0..1"), SCHEDULE) == retraining


def test_a_model_that_cannot_be_built_anew_is_refused():
    class Plain(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = L.Dense(units)

        def call(self, images):
            return self.dense(L.Flatten()(images))

    model = Plain(10)
    model(np.zeros((1, 28, 28, 1), np.float32))
    with pytest.raises(InputError, match="get_config"):
        Retraining(model, SCHEDULE)


def test_models_of_the_same_weights_that_compute_something_else_are_others():
    model = own_model()
    thawed = keras.models.clone_model(model)
    bent = keras.Sequential.from_config(
        {
            **model.get_config(),
            "layers": [
                {**layer, "class_name": "ELU", "registered_name": None, "config": {"name": "bent"}}
                if layer["class_name"] == "ReLU"
                else layer
                for layer in model.get_config()["layers"]
            ],
        }
    )
    thawed.get_layer("frozen").trainable = True
    same = keras.models.clone_model(model)
    for each in (bent, thawed, same):
        each.set_weights(model.get_weights())
    names = [Retraining(each, SCHEDULE).describe()["architecture"] for each in (model, same, bent, thawed)]
    assert names[0] == names[1]
    assert len(set(names)) == 3
