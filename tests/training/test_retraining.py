"""Trainings again and again with one compiled step."""

import pickle

import numpy as np

from interp import data
from interp.models import build_network
from interp.training import Retraining, TrainingInterrupted, find_objective, plain_schedule, train
from interp.training.retraining import _compiled

SCHEDULE = plain_schedule(epochs=1, batch_size=20, learning_rate=1e-3)


def weights(network):
    return [weight.copy() for weight in network.get_weights()]


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


def test_a_training_that_broke_does_not_spoil_the_next():
    images = data.load("digits", "train").take(40)
    retraining = Retraining("small", SCHEDULE)
    first = weights(retraining(images, images, 1))
    network = retraining(images, images, 1)
    for variable in network.trainable_variables:
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    _, optimizer, _ = _compiled(retraining, images.image_shape, images.classes)
    for variable in optimizer.variables:
        variable.assign(
            np.full(variable.shape, 1, variable.numpy().dtype) if "int" in str(variable.dtype) else variable * np.inf
        )
    np.testing.assert_allclose(weights(retraining(images, images, 1))[0], first[0], atol=1e-6)


def test_errors_of_workers_arrive_whole():
    stopped = pickle.loads(pickle.dumps(TrainingInterrupted("stopped", 2)))
    assert (str(stopped), stopped.signal) == ("stopped", 2)
