"""How images of any size and kind are brought to one: the rules of a user's image set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.core.errors import InputError, check_choice

CROPS = ("center", "none")
UNREADABLE = ("error", "skip")
# Channels by the name of the colours, as keras.utils.image_dataset_from_directory calls them.
COLOR_MODES = {"rgb": 3, "grayscale": 1}
_LARGEST = 4096


@dataclass(frozen=True)
class ImageRules:
    """What is done to the files of an image set.

    Args:
        image_size: (height, width) of every image, or one number for both (default: the size that all files have).
        crop: "center" cuts the largest centred part of the asked shape and resizes it, "none" resizes height and width, which distorts.
        unreadable: "error" names the first file that cannot be read, "skip" leaves such files out with a warning.
        color_mode: "rgb" makes three equal channels of grey, "grayscale" one of colours (default: "rgb" where there is a colour).

    Raises:
        InputError: a value is none of these.
    """

    image_size: tuple[int, int] | None = None
    crop: str = "center"
    unreadable: str = "error"
    color_mode: str | None = None

    def __post_init__(self) -> None:
        check_choice("crop", self.crop, CROPS)
        check_choice("unreadable", self.unreadable, UNREADABLE)
        if self.color_mode is not None:
            check_choice("color_mode", self.color_mode, COLOR_MODES)
        object.__setattr__(self, "image_size", _pair(self.image_size))

    def shape(self, height: int, width: int, channels: int) -> tuple[int, int, int]:
        """The shape that images of this one are brought to."""
        return *(self.image_size or (height, width)), COLOR_MODES.get(self.color_mode or "", channels)

    def told(self) -> str:
        """What was asked for, for the source of a dataset."""
        size = (
            "" if self.image_size is None else f", brought to {'x'.join(map(str, self.image_size))} (crop {self.crop})"
        )
        return size if self.color_mode is None else f"{size}, as {self.color_mode}"


def _pair(size: object) -> tuple[int, int] | None:
    """The size as (height, width). Raises InputError."""
    if size is None:
        return None
    if isinstance(size, (int, np.integer)):
        size = (size, size)
    sides = list(size) if isinstance(size, Sequence) and not isinstance(size, str) else []
    whole = len(sides) == 2 and all(
        isinstance(side, (int, np.integer)) and not isinstance(side, bool) and 1 <= side <= _LARGEST for side in sides
    )
    if not whole:
        raise InputError(
            f"image_size came as {str(size)[:40]}, expected (height, width) of 1 to {_LARGEST} pixels, such as (64, 64)"
        )
    return int(sides[0]), int(sides[1])
