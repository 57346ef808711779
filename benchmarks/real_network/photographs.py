"""Crops of photographs that scikit-image and scikit-learn bring along, with those ImageNet classes that are right for them."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from blocks import CLASSES, SIDE
from PIL import Image

from interp.core.files import replacing, write_text

SKIMAGE, SKLEARN = ("skimage", "data"), ("sklearn", "datasets/images")


@dataclass(frozen=True)
class Photograph:
    """A file of a package, and square crops of it as (left, top, side) in pixels; `label` is the ImageNet class, from 0."""

    package: tuple[str, str]
    file: str
    label: int
    class_name: str
    crops: tuple[tuple[int, int, int], ...]


# Labels are what the pictures show, as near as 1,000 classes allow. ImageNet has no motorcycle and no rocket but mopeds and missiles, and
# tabbies stand in three of its classes, of which the network names the third.
PHOTOGRAPHS = (
    Photograph(SKIMAGE, "chelsea.png", 285, "Egyptian cat", ((0, 0, 300), (151, 0, 300))),
    Photograph(SKIMAGE, "coffee.png", 967, "espresso", ((100, 0, 400), (150, 50, 300))),
    Photograph(SKIMAGE, "rocket.jpg", 657, "missile", ((106, 0, 427), (0, 0, 427))),
    Photograph(SKIMAGE, "motorcycle_left.png", 665, "moped", ((120, 0, 500), (0, 0, 500), (183, 62, 375))),
    Photograph(SKIMAGE, "camera.png", 872, "tripod", ((0, 0, 512), (64, 64, 384))),
    Photograph(SKLEARN, "china.jpg", 698, "palace", ((106, 0, 427),)),
)


def class_names() -> list[str]:
    """Names of the 1,000 classes, of those without a photograph their numbers."""
    known = {photograph.label: photograph.class_name for photograph in PHOTOGRAPHS}
    return [known.get(label, str(label)) for label in range(CLASSES)]


def load_photographs() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Bytes (n, 224, 224, 3), labels (n,), and a name for each crop."""
    images, labels, names = [], [], []
    for photograph in PHOTOGRAPHS:
        with Image.open(_path(photograph)) as opened:
            picture = opened.convert("RGB")
        for number, (left, top, side) in enumerate(photograph.crops):
            crop = picture.crop((left, top, left + side, top + side))
            images.append(np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
            labels.append(photograph.label)
            names.append(f"{Path(photograph.file).stem}_{number}")
    return np.stack(images), np.array(labels), names


def _path(photograph: Photograph) -> Path:
    package, folder = photograph.package
    found = find_spec(package)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"{package} is not installed")
    return Path(found.origin).parent / folder / photograph.file


def write_photographs(directory: Path, images: np.ndarray, labels: np.ndarray, names: list[str]) -> None:
    """Write the crops twice, as photographs.npz and as the directory photographs/, which `--dataset` takes alike."""
    classes = class_names()
    with replacing(directory / "photographs.npz") as temporary, open(temporary, "wb") as file:
        np.savez(file, x_test=images, y_test=labels, class_names=np.array(classes))
    folder = directory / "photographs"
    for image, label, name in zip(images, labels, names, strict=True):
        with replacing(folder / "test" / classes[label] / f"{name}.png") as temporary:
            Image.fromarray(image).save(temporary)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in classes))
