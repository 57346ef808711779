"""Files of images as users have them."""

from pathlib import Path
from typing import Any

from PIL import Image

RED = (255, 0, 0)


def save(path: Path, image: Image.Image, **settings: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **settings)


def plain(path: Path, colour: Any, size: tuple[int, int] = (4, 4), mode: str = "RGB") -> None:
    save(path, Image.new(mode, size, colour))
