"""ROAR on data of your own: does a method find the pixels that a network learns from?"""

from pathlib import Path

import keras

import interp
from interp.attributions import GradCAM, IntegratedGradients
from interp.core.files import replacing
from interp.core.parallel import open_workers
from interp.data import Dataset
from interp.evaluation import roar_kar
from interp.report import retraining_figure


def train(data: Dataset, validation: Dataset, seed: int) -> keras.Model:
    """Train from a seed. ROAR calls this for every method, ratio and seed, in other processes."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(data.image_shape),
            keras.layers.Conv2D(16, 4, 2, activation="relu"),
            keras.layers.Conv2D(32, 4, 2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(data.classes),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.images, data.labels, epochs=8, batch_size=64, verbose=0)
    return model


def main() -> None:
    """Explain, erase, retrain, compare."""
    # Yours: Dataset(images=..., labels=..., class_names=..., source=..., split=..., name=...) for train, validation and test.
    splits = {split: interp.data.load("digits", split) for split in ("train", "validation", "test")}
    keras.utils.set_random_seed(7)
    model = train(splits["train"], splits["validation"], 7)
    methods = {"integrated gradients": IntegratedGradients(model, steps=16), "grad cam": GradCAM(model)}
    # With folder=Path(...) maps and finished retrainings are kept, and a stopped run goes on. The explained model should then come
    # from a file: another training is another model, whose maps are others.
    with open_workers(2) as workers:
        found = roar_kar(splits, methods, train, metrics=("roar",), ratios=(0.3, 0.6), seeds=(0, 1, 2), workers=workers)
    print(f"{found.protocol}; accuracy of images as they are: {found.unerased()}")
    for method in found.methods:
        for ratio in found.ratios:
            beats = {None: "", True: "beats random", False: "does not beat random"}[
                found.beats_random("roar", method, ratio)
            ]
            print(f"{method:22} {ratio:.1f} erased: accuracy {found.mean('roar', method, ratio)} {beats}")
    # More accuracy than with whole images: the shape of what was erased tells the class. ROAR cannot see the difference.
    with replacing(Path("gen_images/examples/roar.png")) as path:
        retraining_figure(found, "roar").savefig(path, dpi=130)
    print("wrote gen_images/examples/roar.png")


if __name__ == "__main__":
    main()
