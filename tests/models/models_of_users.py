"""Models as users bring them, and images for them."""

import keras
import numpy as np

L = keras.layers
SHAPE = (10, 10, 3)
IMAGES, LABELS = np.random.RandomState(0).rand(6, *SHAPE).astype(np.float32), np.array([0, 1, 2, 3, 0, 1])


def body(*end, first=()):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            *first,
            L.Conv2D(5, 3, name="deep"),
            L.BatchNormalization(name="normalised"),
            L.ReLU(),
            L.Dropout(0.5),
            L.GlobalAveragePooling2D(),
            *end,
        ]
    )


def two_outputs(*, named):
    inputs = keras.Input(SHAPE)
    maps = L.Conv2D(4, 3)(inputs)
    pooled = L.GlobalAveragePooling2D()(maps)
    first, second = L.Dense(3, name="kind")(pooled), L.Dense(4, activation="softmax", name="colour")(pooled)
    return keras.Model(inputs, {"kind": first, "colour": second} if named else [first, second])
