"""The 1,797 handwritten digits that come with scikit-learn: no files, no network."""

import numpy as np

from interp.data.drawn_splits import check_seed
from interp.data.record import Dataset
from interp.data.spec import DatasetSpec, RetrainingSpec

_ROWS = {"train": slice(0, 1197), "validation": slice(1197, 1397), "test": slice(1397, 1797)}
_SIDE = 28


def load_digits(split: str, *, seed: int = 99) -> Dataset:
    """Return a split of the digits, resized to (n, 28, 28, 1): 1197 train, 200 validation, 400 test, drawn by `seed`.

    Raises InputError for a seed that is not a whole number in [0, 2**32).
    """
    check_seed(seed)
    import cv2
    from sklearn import datasets

    bunch = datasets.load_digits()
    rows = np.random.RandomState(seed).permutation(len(bunch.target))[_ROWS[split]]
    small = (bunch.images[rows] / 16).astype(np.float32)
    large = np.stack([cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR) for image in small])
    return Dataset(
        images=np.clip(large, 0, 1)[..., None],
        labels=bunch.target[rows].astype(np.int64),
        class_names=SPEC.class_names,
        source=f"scikit-learn digits, resized from 8x8 to {_SIDE}x{_SIDE}, split by seed {seed}",
        split=split,
        name=SPEC.name,
    )


SPEC = DatasetSpec(
    name="digits",
    shape=(_SIDE, _SIDE, 1),
    classes=10,
    class_names=tuple("0123456789"),
    training_images=1_197,
    epsilons=(0.0, 0.05, 0.1, 0.15),
    map_epsilons=(0.1,),
    usual_radius=0.1,
    # simple_cnn needs more steps than so few images give in the time of hundreds of trainings.
    retraining=RetrainingSpec(images=1_197, epochs=10, batch_size=50, learning_rate=2e-3, architecture="small"),
    drawn_on_black=True,
    load=lambda split, data_dir, seed: load_digits(split, seed=seed),
)
