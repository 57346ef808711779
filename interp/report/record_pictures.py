"""The pictures of a record, as files beside it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from interp.core.files import replacing, write_bytes
from interp.core.page import GalleryEntry
from interp.report.figures import note_source


def write_pictures(
    pictures: Mapping[str, Figure],
    gallery: Sequence[GalleryEntry],
    path: Callable[[str], Path],
    *,
    name: str,
    source: str,
) -> dict[str, Any]:
    """Write figures by the stems of their files, and the gallery of a network.

    Args:
        pictures: figures by the stems of their files.
        gallery: what a page shows of all networks together.
        path: gives the path of a file of this name.
        name: the network's.
        source: which images the figures are of; it is noted on them.

    Returns:
        What a record says of them.

    Raises:
        InputError: a file cannot be written.
    """
    files = []
    for stem, figure in pictures.items():
        files.append(path(f"{stem}.png"))
        with replacing(files[-1]) as temporary:
            note_source(figure, source).savefig(temporary, dpi=130)
    entries = []
    for place, entry in enumerate(gallery, 1):
        file = path(f"{name}_gallery_{place}.webp")
        write_bytes(file, entry.picture)
        entries.append({"image": entry.image, "method": entry.method, "caption": entry.caption, "file": file.name})
    return {"pictures": [file.name for file in files], **({"gallery": entries} if entries else {})}
