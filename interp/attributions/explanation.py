"""What an explanation method found of some images, and how it is looked at: a strip in a notebook, a page to pick images on."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interp.attributions.pixel_scores import pixel_scores
from interp.core.drawing import colour_limit, names_of_classes
from interp.core.map_strip import Tile, map_strip, png_of_strips
from interp.core.page import GalleryEntry, Page
from interp.core.tables import counted

_COLOURS = "Red speaks for the class, blue against it"
# Images of the strip in a notebook.
_IN_STRIP = 8
# Pixels of the longer side of a picture on a page, at most.
_LARGEST = 448


@dataclass(frozen=True)
class Explanation:
    """What a method explained of n images.

    Without images, pictures of it show the maps alone.

    Attributes:
        maps: The maps, (n, height, width, channels), or (n, height, width, 1) of methods with one value a pixel.
        method: Name of the method.
        layer: Name of the layer that the method looked at; None for methods that look at none.
        values: Further values by name, (n,) each, such as the completeness gap.
        images: The images, (n, height, width, channels), or None.
        labels: Integers (n,), the classes that are explained, or None.
    """

    maps: Any
    method: str
    layer: str | None = None
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    images: Any = field(default=None, repr=False)
    labels: Any = field(default=None, repr=False)

    def to_html(self, path: str | Path | None = None, *, class_names: Sequence[str] | None = None) -> str:
        """Return one HTML page to pick an image on: the image, its map over it, and the further values.

        Nothing is loaded from elsewhere.

        Args:
            path: File that the page is written to, completely or not at all (default: none).
            class_names: Names of the classes, texts (classes,) (default: "class 3").

        Returns:
            The text of the page.

        Raises:
            InputError: The path cannot be written, or names are no texts or too few.
        """
        names = self._names(class_names)
        tiles = self._tiles(len(names))
        page = Page(self._title())
        page.text(f"{counted(len(names), 'image')}. {_COLOURS}, each map on its own scale.")
        entries = []
        for place, (name, pair) in enumerate(zip(names, tiles, strict=True)):
            values = [f"{what} {float(each[place]):.4g}" for what, each in self.values.items()]
            label = ": ".join(filter(None, (str(place + 1), name)))
            caption = ", ".join([f"image {label}", *values])
            picture = map_strip(pair, shared_scale=False, largest=_LARGEST)
            entries.append(GalleryEntry(label, "", self.method, picture, caption))
        page.gallery(entries)
        text = page.to_html()
        if path is not None:
            page.write(path)
        return text

    def _repr_html_(self) -> str:
        """A strip of the first images above their maps, for a notebook."""
        names = self._names(None)
        shown = names[:_IN_STRIP]
        rows = [list(row) for row in zip(*self._tiles(len(shown)), strict=True)]
        data = base64.b64encode(png_of_strips(rows)).decode()
        more = len(names) - len(shown)
        told = [f"{self._title()}. {_COLOURS}", *([", ".join(shown)] if self.labels is not None else [])]
        if more:
            told.append(f"and {counted(more, 'more image')}")
        caption = html.escape("; ".join(told))
        return (
            f'<figure><img src="data:image/png;base64,{data}" alt="{caption}" style="max-width: 100%">'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def _title(self) -> str:
        return self.method if self.layer is None else f"{self.method} of the layer {self.layer}"

    def _names(self, class_names: Sequence[str] | None) -> list[str]:
        """A name for each image, empty where the class is not known."""
        if self.labels is None:
            return [""] * len(self.maps)
        return names_of_classes(np.asarray(self.labels), class_names)

    def _tiles(self, count: int) -> list[list[Tile]]:
        """The first `count` images, each followed by its map over it."""
        maps = pixel_scores(self.maps[:count])
        bounded = [np.clip(each, -limit, limit) for each in maps for limit in (colour_limit(each),)]
        if self.images is None:
            return [[(np.ones((*each.shape, 1), np.float32), each)] for each in bounded]
        images = np.asarray(self.images[:count])
        return [[(image, None), (image, each)] for image, each in zip(images, bounded, strict=True)]
