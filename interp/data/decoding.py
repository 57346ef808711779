"""From one image file to bytes of a given shape, by Pillow."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from interp.core.errors import first_line
from interp.data.image_rules import ImageRules

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"),
    *(".pbm", ".pnm", ".jp2", ".tga", ".ico", ".avif"),
)
_GREY = ("1", "L", "LA", "La", "I")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
# Formats whose colours may have 16 bits a channel; in others 16 may be the bits of a pixel.
_DEEP = ("PNG", "TIFF")
# Width and height as a TIFF file stores them; what its 0 stands for: white, where the value is 0; and its kind of numbers: signed is 2.
_TIFF_SIZE, _TIFF_ZERO, _TIFF_NUMBERS, _SIGNED = (256, 257), 262, 339, 2
# Files of 16 bits that stay below this, and are not all 0, hold 12 bits or fewer, as cameras give them: they would be nearly black.
DARKEST = 1 << 12


class UnreadableImage(ValueError):
    """A file is no image that can be decoded; the message is the reason."""


class Header(NamedTuple):
    """What the start of a file says: the size as it is shown, and whether the image has grey levels only."""

    height: int
    width: int
    is_grey: bool


def read_header(path: str | Path) -> Header:
    """Return size, after EXIF rotation, and kind of an image file. Raises UnreadableImage."""
    try:
        from PIL import Image, TiffImagePlugin

        with Image.open(path) as image:
            # Looking for EXIF may load all, and what it is stored as is forgotten then.
            (width, height), is_grey = image.size, _is_grey(image)
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                # Some versions of Pillow have turned the size already.
                width, height = (image.tag_v2[tag] for tag in _TIFF_SIZE)
            if image.getexif().get(_ORIENTATION) in _TURNED:
                width, height = height, width
            return Header(height, width, is_grey)
    except Exception as error:  # the decoders of many formats raise as many kinds
        raise UnreadableImage(_reason(error, path)) from error


def decode(path: str | Path, shape: tuple[int, int, int], rules: ImageRules) -> np.ndarray:
    """Return the image of a file as bytes of `shape` (height, width, channels), channels 1 or 3. Raises UnreadableImage.

    EXIF orientation is applied. Transparency lies on white, as viewers and paper show it, so that the colours below, which do
    not show and are often black, do not appear. Palettes are looked up; of 16 bits the upper 8 are kept; grey becomes three equal
    channels where three are asked for; of moving pictures the first is taken.
    """
    try:
        from PIL import Image, ImageOps

        with Image.open(path) as image:
            # Colours of 16 bits have lost their lower 8 once they are loaded.
            has_sixteen = image.format in _DEEP and ";16" in str(image.tile)
            tags = getattr(image, "tag_v2", {})
            if _SIGNED in tags.get(_TIFF_NUMBERS, ()):
                raise ValueError(
                    "its pixels are signed numbers, whose white nothing tells, expected unsigned ones of 8 or 16 bits"
                )
            # Pillow turns these levels round where there are fewer bits.
            inverted = image.mode == "I;16" and tags.get(_TIFF_ZERO) == 0
            image.load()
            turned = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):
                turned = _eight_bits(turned, inverted=inverted)
            elif has_sixteen:
                _check_brightest(_largest_level(turned, path))
            plain = _plain(turned, "L" if shape[2] == 1 else "RGB")
        return _fitted(plain, shape, rules.crop)
    except Exception as error:  # as above
        raise UnreadableImage(_reason(error, path)) from error


def fit_array(pixels: np.ndarray, shape: tuple[int, int, int], rules: ImageRules) -> np.ndarray:
    """Return bytes (h, w, 1 or 3) as bytes of `shape` by the same rules."""
    if pixels.shape == shape:
        return pixels
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return _fitted(image.convert("L" if shape[2] == 1 else "RGB"), shape, rules.crop)


def _is_grey(image: "Image.Image") -> bool:
    if image.mode == "P":
        palette = np.array(image.getpalette() or [0, 1, 2]).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    # Grey levels of 16 bits with transparency come as colours.
    return image.mode in _GREY or image.mode.startswith("I;16") or "LA;16" in str(getattr(image, "tile", ""))


def _plain(image: "Image.Image", mode: str) -> "Image.Image":
    """The image with 8 bits, opaque, in mode L or RGB."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range, expected 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        shown = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    return image.convert(mode)


def _eight_bits(image: "Image.Image", *, inverted: bool) -> "Image.Image":
    """The upper 8 bits of grey levels of 16; where they are `inverted`, 0 is white."""
    from PIL import Image

    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError("its pixels have 32 bits, expected 8 or 16")
    _check_brightest(int(levels.max()))
    upper = (levels >> 8).astype(np.uint8)
    # One of the levels may stand for transparency, which lies on white.
    white = levels == image.info.get("transparency", -1)
    return Image.fromarray(np.where(white, np.uint8(255), 255 - upper if inverted else upper))


def _largest_level(image: "Image.Image", path: str | Path) -> int:
    """The largest level that colours of 16 bits, of which the upper 8 are known, can have."""
    upper = int(np.asarray(image.convert("RGB")).max())
    if upper:
        return 256 * upper + 255
    import cv2

    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return 255 if levels is None else int(np.atleast_3d(levels)[..., :3].max())


def _check_brightest(brightest: int) -> None:
    """Raise ValueError where 16 bits are nearly black; an image that is black altogether is one in any number of bits."""
    if 0 < brightest < DARKEST:
        raise ValueError(
            f"its pixels of 16 bits go up to {brightest} only, as those of a camera of fewer bits do: rescale them to all of "
            "0..65535, or give arrays (interp.data.from_arrays)"
        )


def _fitted(image: "Image.Image", shape: tuple[int, int, int], crop: str) -> np.ndarray:
    from PIL import Image

    height, width, channels = shape
    if image.size != (width, height):
        box = None
        if crop == "center":
            scale = min(image.width / width, image.height / height)
            across, down = min(width * scale, image.width), min(height * scale, image.height)
            left, top = (image.width - across) / 2, (image.height - down) / 2
            box = (left, top, left + across, top + down)
        # Averages over what a pixel covers where it shrinks, so nothing is lost between pixels.
        image = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image, np.uint8).reshape(height, width, channels)


def _reason(error: Exception, path: Any) -> str:
    """Why a file cannot be decoded, in a line without its path."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "it is no image of a known format" if os.path.getsize(path) else "it is empty"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error)
