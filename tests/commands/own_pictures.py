"""A folder of pictures as users have them, and models that plain Keras trained on them."""

import keras
import numpy as np
from PIL import Image

L = keras.layers
CLASSES = ("amber", "birch", "cedar")
PROBABILITIES = keras.losses.SparseCategoricalCrossentropy()
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def write_pictures(folder, *, train=24, test=10, sides=(18, 30), broken=True):
    """Three classes of stripes in three colours, of mixed sizes; in each one grey and one half-transparent picture, and a broken file."""
    generator = np.random.RandomState(0)
    for split, count in (("train", train), ("test", test)):
        for place, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                image = _stripes(place, *generator.randint(*sides, 2), generator)
                if number == 3:
                    image = image.convert("L")
                if number == 4:
                    image.putalpha(180)
                image.save(folder / split / name / f"{number:02d}.png")
    if broken:
        (folder / "test" / CLASSES[0] / "broken.png").write_bytes(b"\x89PNG, but no picture")
    return folder


def _stripes(place, height, width, generator):
    rows, columns = np.mgrid[:height, :width]
    pixels = generator.randint(60, 180, (height, width, 3)).astype(float)
    pixels[..., place] += 25 + 45 * np.sign(np.sin((rows / 2, columns / 2, (rows + columns) / 3)[place]))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def pixels_and_labels(folder, split, side):
    """Pixels in 0..255 (n, side, side, 3) of a split, by the rules of interp.data, which have tests of their own, and labels."""
    from interp import data

    found = data.load(folder, split, image_size=side, unreadable="skip")
    return 255 * np.asarray(found.images), found.labels


def _ends_in_softmax():
    layers = [
        L.Rescaling(1 / 255),
        L.Conv2D(8, 3, activation="relu", name="early"),
        L.MaxPooling2D(),
        L.Conv2D(12, 3, activation="relu", name="late"),
        L.Flatten(),
        L.Dense(3, activation="softmax"),
    ]
    return keras.Sequential([keras.Input((16, 16, 3)), *layers]), PROBABILITIES, 6


def _ends_in_logits():
    layers = [
        L.Conv2D(8, 3, use_bias=False),
        L.BatchNormalization(momentum=0.5),
        L.ReLU(),
        L.Conv2D(12, 3, name="late"),
        L.BatchNormalization(momentum=0.5),
        L.ReLU(),
        L.GlobalAveragePooling2D(),
        L.Dropout(0.3),
        L.Dense(3),
    ]
    return keras.Sequential([keras.Input((16, 16, 3)), *layers]), LOGITS, 15


def _nested():
    inputs = keras.Input((96, 96, 3))
    base = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None, alpha=0.35)
    for layer in base.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.momentum = 0.5
    maps = base(L.Rescaling(1 / 127.5, -1)(inputs))
    outputs = L.Dense(3, activation="softmax")(L.Dropout(0.2)(L.GlobalAveragePooling2D()(maps)))
    return keras.Model(inputs, outputs), PROBABILITIES, 12


# Each kind of model, and a layer in it that has maps.
KINDS = {
    "softmax": (_ends_in_softmax, 16, "late"),
    "logits": (_ends_in_logits, 16, "late"),
    "nested": (_nested, 96, "Conv_1"),
}


def trained(kind, folder):
    """A model that plain Keras fits to the pictures in a folder, in bytes 0..255."""
    make, side, _ = KINDS[kind]
    keras.utils.set_random_seed(1)
    model, loss, epochs = make()
    pixels, labels = pixels_and_labels(folder, "train", side)
    model.compile(keras.optimizers.Adam(0.01 if kind == "logits" else 0.003), loss)
    model.fit(pixels, labels, epochs=epochs, batch_size=8, verbose=0)
    return model


def right_by_keras(model, folder, side):
    """How many test pictures plain Keras gets right, and how many there are."""
    pixels, labels = pixels_and_labels(folder, "test", side)
    return int((model.predict(pixels, verbose=0).argmax(-1) == labels).sum()), len(labels)
