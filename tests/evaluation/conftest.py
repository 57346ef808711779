"""A toy model with its images, and blocks of four of them."""

import keras
import numpy as np
import pytest

from interp.core import batches
from interp.data.pixels import ScaledPixels


@pytest.fixture
def blocks_of_four(monkeypatch):
    monkeypatch.setattr(batches, "_MOST_BLOCK", 4)


@pytest.fixture(scope="module")
def toy():
    """A linear model of three classes and ten images of 4x4 pixels, of which it has most right."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    pixels = np.random.RandomState(0).randint(0, 256, (10, 4, 4, 1)).astype(np.uint8)
    images = np.asarray(ScaledPixels(pixels))
    labels = np.argmax(model(images), -1)
    labels[0] = (labels[0] + 1) % 3
    return model, ScaledPixels(pixels), labels
