"""The facts of a user's own set, as far as they follow from its shape and size."""

import re
from collections.abc import Callable, Container, Sequence

from interp.core.errors import InputError
from interp.data.spec import DatasetSpec, Loader, RetrainingSpec

# linf radii, of accuracy tables and of maps, by kind of image: what is usual for colour and for handwriting.
COLOUR = ((0.0, 2 / 255, 4 / 255, 8 / 255), (4 / 255, 8 / 255), 8 / 255)
GREY = ((0.0, 0.05, 0.1, 0.15), (0.1,), 0.1)
# l2 radii of accuracy tables, and the one to train at: what is usual for handwriting, for 32x32 and for 224x224 in colour.
L2_GREY = ((0.0, 0.5, 1.0, 1.5, 2.0), 1.5)
L2_SMALL = ((0.0, 0.25, 0.5, 1.0), 0.5)
L2_LARGE = ((0.0, 0.5, 1.0, 2.0, 3.0), 3.0)
# A short training sees about so many images, in 5 epochs at least.
_SEEN, _MOST = 100_000, 10_000


def usual_radii(channels: int) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """linf radii of accuracy tables and of maps, and the one to report at, for images of so many channels."""
    return GREY if channels == 1 else COLOUR


def usual_l2_radii(shape: tuple[int, int, int]) -> tuple[float, ...]:
    """l2 radii of accuracy tables for images of this shape."""
    return _l2_radii(shape)[0]


def usual_l2_radius(shape: tuple[int, int, int]) -> float:
    """The l2 radius to train at for images of this shape."""
    return _l2_radii(shape)[1]


def _l2_radii(shape: tuple[int, int, int]) -> tuple[tuple[float, ...], float]:
    if shape[2] == 1:
        return L2_GREY
    return L2_SMALL if max(shape[:2]) < 100 else L2_LARGE


def user_spec(
    name: str, shape: tuple[int, int, int], class_names: Sequence[str], training_images: int, load: Loader
) -> DatasetSpec:
    """Return the facts of a set, with radii by its channels, and retrainings by the number of its training images."""
    epsilons, map_epsilons, usual = usual_radii(shape[2])
    return DatasetSpec(
        name=name,
        shape=shape,
        classes=len(class_names),
        class_names=tuple(class_names),
        training_images=training_images,
        epsilons=epsilons,
        map_epsilons=map_epsilons,
        usual_radius=usual,
        retraining=usual_retraining(training_images),
        load=load,
    )


def count_training(count: Callable[[], int]) -> int:
    """The number of training images; 0 where they cannot be drawn, which is told where they are loaded: others may be all that is asked."""
    try:
        return count()
    except InputError:
        return 0


def usual_retraining(training_images: int) -> RetrainingSpec:
    """How ROAR and KAR train on so many images."""
    images = max(1, min(training_images, _MOST))
    epochs, batch_size = min(30, max(5, _SEEN // images)), min(64, images)
    return RetrainingSpec(images=images, epochs=epochs, batch_size=batch_size, learning_rate=1e-3)


def safe_name(text: str, taken: Container[str]) -> str:
    """Return a name of letters, digits and "-", as names of files and networks take it, that is none of the `taken`."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:60] or "images"
    return f"{name}-own" if name in taken else name
