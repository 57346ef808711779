"""A linear model of four pixels, an image and a map of it, of which every measure can be written down."""

import keras
import numpy as np

L = keras.layers
WEIGHTS_2X2 = np.array([1.0, -2.0, 3.0, 0.5])
IMAGE = np.array([0.9, 0.6, 0.3, 0.2], np.float32).reshape(1, 2, 2, 1)
# From the first pixel to the last, the third before the second.
MAP = np.array([4.0, 2.0, 3.0, 1.0], np.float32).reshape(1, 2, 2, 1)


def linear(weights, shape):
    """A model whose first logit is the weighted sum of the pixels, and whose second is 0."""
    model = keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(2)])
    model.set_weights([np.stack([weights.ravel(), 0 * weights.ravel()], 1), np.zeros(2)])
    return model


TOY = linear(WEIGHTS_2X2, (2, 2, 1))
