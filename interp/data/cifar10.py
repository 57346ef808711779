"""CIFAR-10: the official binary or Python batches, else TensorFlow Datasets."""

from pathlib import Path

import numpy as np

from interp.data.cifar10_batches import read_binary, read_python
from interp.data.folders import below, complete_set, data_folder, file_digest
from interp.data.pixels import scale
from interp.data.preparing import Preparable, find_prepared
from interp.data.record import Dataset
from interp.data.spec import DatasetSpec, RetrainingSpec, ScheduleSpec
from interp.data.splits import split_rows

# md5 of the official Python batches.
OFFICIAL_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}

# sha256 of the first binary batch of each split, of a set in circulation that went through JPEG and was shuffled.
JPEG_SHA256 = {
    "data_batch_1.bin": "f2864180fce86ab4106016a49ea527cd9376db11e43effbeb9f2b263de915c0a",
    "test_batch.bin": "164a9de12752dbb1dbb91ea8571fa84e2ac129d3e8a49dfbf30fa2bf245cf840",
}

_TFDS = Preparable(
    name="cifar10",
    probe="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    advice="unpack the official archive in the data folder, so that it holds cifar-10-batches-bin or -py",
)


def load_cifar10(split: str, *, data_dir: str | Path | None = None) -> Dataset:
    """Return a split of CIFAR-10, images (n, 32, 32, 3); raises InputError naming the file or folder at fault."""
    root = data_folder(data_dir)
    bases = below(root, ".", "cifar10")
    stems = ["test_batch"] if split == "test" else [f"data_batch_{number}" for number in range(1, 6)]
    binary = complete_set([base / "cifar-10-batches-bin" for base in bases], [[f"{stem}.bin"] for stem in stems])
    python = None if binary else complete_set([base / "cifar-10-batches-py" for base in bases], [[s] for s in stems])
    if binary is not None:
        images, labels = _join([read_binary(path) for path in binary], split)
        source = _binary_source(binary[0])
    elif python is not None:
        images, labels = _join([read_python(path) for path in python], split)
        source = _python_source(python)
    else:
        prepared = find_prepared(_TFDS, root, bases)
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


def _join(batches: list[tuple[np.ndarray, np.ndarray]], split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    rows = split_rows(split, len(labels), "the set of batches")
    return images[rows], labels[rows]


def _binary_source(first: Path) -> str:
    if file_digest(first, "sha256") == JPEG_SHA256[first.name]:
        return "CIFAR-10 binary batches (JPEG re-encoded, not the official pixels or order)"
    return "CIFAR-10 binary batches (not compared with the official release: no checksums of its files are known)"


def _python_source(paths: list[Path]) -> str:
    if all(file_digest(path, "md5") == OFFICIAL_MD5[path.name] for path in paths):
        return "official CIFAR-10 python batches"
    return "CIFAR-10 python batches (checksums differ: repacked, or pixels differ from the official release)"


SPEC = DatasetSpec(
    name="cifar10",
    prefix="cifar",
    shape=(32, 32, 3),
    classes=10,
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    training_images=45_000,
    epsilons=tuple(level / 255 for level in (0, 2, 4, 6, 8, 9, 10)),
    map_epsilons=(4 / 255, 8 / 255),
    usual_radius=8 / 255,
    paper_schedule=ScheduleSpec(
        epochs=200,
        batch_size=128,
        learning_rates=((0, 1e-3), (40_000, 1e-4), (60_000, 1e-5)),
        epsilon=8 / 255,
        ramp=(5_000, 70_000),
        attack_steps=10,
        attack_step_size=2 / 255,
    ),
    retraining=RetrainingSpec(images=10_000, epochs=15, batch_size=64, learning_rate=1e-3),
    augmented=True,
    load=lambda split, data_dir, seed: load_cifar10(split, data_dir=data_dir),
)
