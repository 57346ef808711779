"""Models of two logits for images (6, 4, 2) whose maps can be written down."""

import keras
import pytest

L = keras.layers
SHAPE = (6, 4, 2)


@pytest.fixture(scope="session")
def linear():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(2)])


@pytest.fixture(scope="session")
def bent():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(12, activation="softplus"), L.Dense(2)])
