"""The options of command lines that say where images lie and what is done to one's own."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from interp.core.options import Options, option
from interp.data import dataset_names, find_dataset
from interp.data.image_rules import COLOR_MODES, CROPS, UNREADABLE
from interp.data.spec import DatasetSpec

CHOICES = (
    f"{', '.join(name for name, spec in dataset_names().items() if name == spec.name)}, or the path of your own images"
)

# Those that are for one's own images alone.
OWN_IMAGES = ("image_size", "crop", "unreadable", "color_mode")


def size(text: str) -> tuple[int, int]:
    """An argument type: height and width such as 64,48 or 64x48, or one number for both."""
    found = re.fullmatch(r"(\d{1,6})(?:[,xX](\d{1,6}))?", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no height and width such as 64,64")
    return int(found[1]), int(found[2] or found[1])


@dataclass(frozen=True, kw_only=True)
class ImageOptions(Options):
    """Of all commands that load images."""

    title: ClassVar[str] = "images"

    data_dir: Path | None = option(None, "directory of datasets", parse=Path, usual="INTERP_DATA_DIR")
    image_size: tuple[int, int] | None = option(
        None,
        "height and width of your own images, such as 64,64",
        parse=size,
        usual="the size that all have",
    )
    crop: str | None = option(
        None,
        "how your own images get that size, cut or distorted",
        choices=CROPS,
        usual="center",
    )
    unreadable: str | None = option(
        None, "your own files that cannot be read: refuse or leave out", choices=UNREADABLE, usual="error"
    )
    color_mode: str | None = option(
        None,
        "three channels of your own images or one",
        choices=tuple(COLOR_MODES),
        usual="rgb where any has colours",
    )

    def find(self, dataset: str) -> DatasetSpec:
        """The facts of a dataset; one's own images are found again with these options by path and by name. Raises InputError."""
        return find_dataset(
            dataset,
            data_dir=self.data_dir,
            image_size=self.image_size,
            crop=self.crop,
            unreadable=self.unreadable,
            color_mode=self.color_mode,
        )

    def in_files(self, name: str) -> str:
        """The value of an option as names of files have it; of a dataset that is a path, the name that belongs to it."""
        value = str(getattr(self, name))
        return value if name != "dataset" or value in dataset_names() else find_dataset(value).name
