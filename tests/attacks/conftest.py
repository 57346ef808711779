"""Toy models whose attacks can be worked out by hand."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def linear():
    """Logits (w x, 0) of the two pixels of an image, w = (1, -2): the steepest attack is known."""
    model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.array([[1, 0], [-2, 0]], np.float32), np.zeros(2, np.float32)])
    return model


@pytest.fixture(scope="session")
def curved():
    """A small nonlinear network of 4x4 images with 3 classes, trained a little so that it has something to lose."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = toy_images(200)
    model.fit(images, labels, epochs=30, verbose=0)
    return model


@pytest.fixture(scope="session")
def toy():
    """Images of the classes that `curved` knows."""
    return toy_images(40)


def toy_images(count):
    """Noise with a bright row that says the class."""
    generator = np.random.RandomState(0)
    labels = generator.randint(3, size=count)
    images = 0.5 * generator.rand(count, 4, 4, 1).astype(np.float32)
    images[np.arange(count), labels] += 0.5
    return images, labels
