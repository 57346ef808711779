"""Models as users bring them, and a few pictures and a schedule to train them with."""

import keras
import numpy as np

from interp.data import from_arrays
from interp.training import usual_schedule

L = keras.layers
SHAPE = (12, 12, 3)
ATTACKED = usual_schedule(24, 0.05, epochs=1, batch_size=8, attack_steps=2)


def pictures(count=24):
    """Three classes, told apart by the brightest channel."""
    generator = np.random.RandomState(0)
    labels = np.arange(count) % 3
    images = 0.5 * generator.rand(count, *SHAPE)
    images[np.arange(count), :, :, labels] += 0.4
    return from_arrays(images.astype(np.float32), labels, split="train")


def normalised(*, dropout=0.0, regulariser=None):
    """Batch normalisation, average pooling, logits."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(6, 3, kernel_regularizer=regulariser),
            L.BatchNormalization(momentum=0.9),
            L.ReLU(),
            L.GlobalAveragePooling2D(),
            L.Dropout(dropout),
            L.Dense(3),
        ]
    )


def rescaling():
    """Takes 0 to 255 and gives probabilities."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input(SHAPE)
    maps = L.Conv2D(6, 3, activation="relu")(L.Rescaling(1 / 255)(inputs))
    maps = L.Conv2D(6, 3, activation="relu")(L.MaxPooling2D()(maps))
    hidden = L.Dropout(0.3)(L.Dense(16, activation="relu")(L.Flatten()(maps)))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(hidden))


def nested():
    """A backbone, of which the first layer is frozen, and a new head."""
    keras.utils.set_random_seed(3)
    backbone = keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(4, 3, name="frozen", trainable=False),
            L.BatchNormalization(name="frozen_norm", trainable=False),
            L.ReLU(6),
            L.DepthwiseConv2D(3),
            L.BatchNormalization(),
            L.ReLU(6),
        ],
        name="backbone",
    )
    inputs = keras.Input(SHAPE)
    pooled = L.GlobalAveragePooling2D()(backbone(inputs))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.Dropout(0.2)(pooled)))
