"""MNIST: the official idx files, else TensorFlow Datasets."""

from pathlib import Path

import numpy as np

from interp.data.folders import below, complete_set, data_folder
from interp.data.idx import IdxFile, read_idx
from interp.data.pixels import scale
from interp.data.preparing import Preparable, find_prepared
from interp.data.record import Dataset
from interp.data.spec import DatasetSpec, RetrainingSpec, ScheduleSpec
from interp.data.splits import split_rows

OFFICIAL = {
    "train-images-idx3-ubyte": IdxFile(
        shape=(60000, 28, 28), sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": IdxFile(
        shape=(60000,), sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": IdxFile(
        shape=(10000, 28, 28), sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": IdxFile(
        shape=(10000,), sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}

_TFDS = Preparable(
    name="mnist",
    probe="https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
    advice="put the four official files (train-images-idx3-ubyte.gz and so on) into the data folder",
)


def load_mnist(split: str, *, data_dir: str | Path | None = None) -> Dataset:
    """Return a split of MNIST, images (n, 28, 28, 1); raises InputError naming the file or folder at fault."""
    root = data_folder(data_dir)
    folders = below(root, ".", "mnist", "MNIST/raw")
    stems = [stem for stem in OFFICIAL if stem.startswith("t10k" if split == "test" else "train")]
    paths = complete_set(folders, [_names(stem) for stem in stems])
    if paths is not None:
        pixels, labels = (read_idx(path, OFFICIAL[stem]) for path, stem in zip(paths, stems, strict=True))
        rows = split_rows(split, len(labels), paths[0])
        images, labels = pixels[rows, :, :, None], labels[rows]
        source = f"official MNIST files ({'idx.gz' if paths[0].suffix == '.gz' else 'idx'})"
    else:
        prepared = find_prepared(_TFDS, root, folders)
        images, labels = prepared.arrays(split)
        source = prepared.source
    return Dataset(
        images=scale(images),
        labels=labels.astype(np.int64),
        class_names=SPEC.class_names,
        source=source,
        split=split,
        name=SPEC.name,
    )


def _names(stem: str) -> list[str]:
    """Return the names a file goes by: official first, then with the dot some archives have."""
    dotted = stem.replace("-idx", ".idx")
    return [f"{stem}.gz", stem, f"{dotted}.gz", dotted]


SPEC = DatasetSpec(
    name="mnist",
    shape=(28, 28, 1),
    classes=10,
    class_names=tuple("0123456789"),
    training_images=55_000,
    epsilons=(0.0, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4),
    map_epsilons=(0.1, 0.3),
    usual_radius=0.3,
    paper_schedule=ScheduleSpec(
        epochs=100,
        batch_size=50,
        learning_rates=((0, 1e-4),),
        epsilon=0.3,
        ramp=(2_000, 10_000),
        attack_steps=40,
        attack_step_size=0.01,
    ),
    retraining=RetrainingSpec(images=10_000, epochs=3, batch_size=64, learning_rate=1e-3),
    drawn_on_black=True,
    load=lambda split, data_dir, seed: load_mnist(split, data_dir=data_dir),
)
