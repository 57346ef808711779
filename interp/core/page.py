"""One HTML file that opens anywhere: text, tables, curves and pictures inside it, nothing loaded from elsewhere.

With JavaScript tables are sorted, curves show their values and galleries are picked from; without, all of it is there to read.
"""

import base64
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from interp.core.checks import check_instance, check_named, kind_of
from interp.core.errors import InputError
from interp.core.files import write_text
from interp.core.svg_curves import Curve, svg_curves
from interp.core.tables import Cell, Table, render

# Shown by the script, which makes them work; the first is for pages with networks.
_CHOICE = """<label>find networks<input type="search" name="find" autocomplete="off"></label>
<label>compare<select name="first"><option value="">none</option></select></label>
<label>with<select name="second"><option value="">none</option></select></label>
<button type="reset">Show all</button>
<output name="found" aria-live="polite"></output>
"""
_THEME = '<button type="button" name="theme" aria-pressed="false">Dark</button>'
# Of pictures as WebP: what is drawn takes least when it is kept exactly, photographs when they are not.
_EXACT, _LOSSY = {"lossless": True, "method": 3}, {"quality": 80}
CELLS = (str, int, float, np.floating, np.integer, type(None))
_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class GalleryEntry:
    """A picture of a gallery, which is picked by image, network and method.

    What is empty in all entries is no choice.

    Args:
        image: Name of the image.
        network: Name of the network.
        method: Name of the method.
        picture: The bytes of a WebP file, such as `map_strip` returns.
        caption: Text below the picture, for those who do not see it, too.
    """

    image: str
    network: str
    method: str
    picture: bytes
    caption: str


class Page:
    """A report under construction; text given to it is escaped.

    Args:
        title: Title and first heading of the page.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []
        self._headings: dict[str, str] = {}
        self._tables = 0
        self._has_networks = False

    def heading(self, text: str) -> None:
        """Start a section, which the list of contents names."""
        escaped = _escape(text)
        words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
        anchor = f"{words}-{len(self._headings) + 1}"
        self._headings[anchor] = text
        self._parts.append(f'<h2 id="{anchor}">{escaped}</h2>')

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{_escape(text)}</p>")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str) -> None:
        """Add a table of texts and numbers; its caption says how the figures were measured. Raises InputError."""
        lines = list(rows) if isinstance(rows, Iterable) and not isinstance(rows, str) else [rows]
        for line in lines:
            fits = isinstance(line, (list, tuple)) and all(isinstance(cell, CELLS) for cell in line)
            if not fits or len(line) != len(header):
                raise InputError(
                    f"a row of a table came as {line!r:.80}, expected a list of texts, numbers and None, one for each of the "
                    f"{len(header)} columns"
                )
        table = Table(tuple(map(_check_text, header)), tuple(map(tuple, lines)))
        data = base64.b64encode(render(table, "csv").encode()).decode()
        self._tables += 1
        self._has_networks |= table.header[:1] == ("network",)
        link = (
            f'<a class="csv" download="table_{self._tables}.csv" href="data:text/csv;base64,{data}">Download as CSV</a>'
        )
        self._parts.append(
            f'<figure><div class="wide">{render(table, "html")}</div><figcaption>{_escape(caption)} {link}</figcaption></figure>'
        )

    def curves(
        self, curves: Mapping[str, Curve], x_label: str, y_label: str, caption: str, *, of_networks: bool = False
    ) -> None:
        """Add curves by name, which may be those of networks, y from 0 to 1; their points say their values."""
        check_named("curves", curves, Curve, "Curve([0, 0.1], [1, 0.5])")
        self._has_networks |= of_networks
        drawn = svg_curves(curves, x_label, y_label, of_networks=of_networks)
        self._parts.append(f"<figure>{drawn}<figcaption>{_escape(caption)}</figcaption></figure>")

    def gallery(self, entries: Sequence[GalleryEntry]) -> None:
        """Add pictures of which one is picked at a time, by image, network and method."""
        for entry in entries if isinstance(entries, (list, tuple)) else (None,):
            check_instance(
                "an entry of a gallery", entry, GalleryEntry, "GalleryEntry(image, network, method, picture, caption)"
            )
        self._has_networks |= any(entry.network for entry in entries)
        names = ("image", "network", "method")
        chosen = []
        for name in names:
            values = dict.fromkeys(getattr(entry, name) for entry in entries)
            if set(values) == {""}:
                continue
            options = "".join(f"<option>{_escape(value)}</option>" for value in values)
            chosen.append(f'<label>{name}<select name="{name}">{options}</select></label>')
        figures = []
        for entry in entries:
            data = " ".join(f'data-{name}="{_escape(getattr(entry, name))}"' for name in names)
            figures.append(_figure(entry.picture, entry.caption, kind="webp", attributes=data))
        self._parts.append(
            f'<div class="gallery"><div class="picker" hidden>{"".join(chosen)}</div>{"".join(figures)}</div>'
        )

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a picture; the caption is its text for those who do not see it. Raises InputError."""
        check_instance("a figure", figure, Figure, "accuracy_figure(curves)")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130)
        self._parts.append(_smaller(buffer.getvalue(), caption))

    def picture(self, path: str | Path, caption: str, network: str = "") -> None:
        """Add a PNG file, of one `network` where it is named. Raises InputError for one that cannot be read."""
        check_instance("the path of a picture", path, (str, Path), "'gen_images/maps.png'")
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the picture {path}: {error.strerror}") from error
        self._has_networks |= bool(network)
        self._parts.append(_smaller(data, caption, f'data-network="{_escape(network)}"' if network else ""))

    def details(self, summary: str, text: str) -> None:
        """Add text that opens on request."""
        self._parts.append(f"<details><summary>{_escape(summary)}</summary><pre>{_escape(text)}</pre></details>")

    def write(self, path: str | Path) -> None:
        """Write the page completely or not at all. Raises InputError."""
        check_instance("the path of the page", path, (str, Path), "'report.html'")
        write_text(path, self.to_html())

    def to_html(self) -> str:
        """The text of the page."""
        style, script = ((_ASSETS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        title = _escape(self.title)
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{style}</style>'
        links = "".join(f'<li><a href="#{anchor}">{_escape(text)}</a></li>' for anchor, text in self._headings.items())
        contents = f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if links else ""
        skip = '<a class="skip" href="#main">Skip to the results</a>' if links else ""
        choice = _CHOICE if self._has_networks else ""
        tools = f'<form class="tools" aria-label="What is shown" hidden>{choice}{_THEME}</form>'
        body = "\n".join([skip, f"<h1>{title}</h1>", contents, tools, '<main id="main">', *self._parts, "</main>"])
        ending = f'<div id="tip" role="status" hidden></div>\n<script>{script}</script>'
        return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n{ending}\n</body></html>\n'


def _escape(text: str) -> str:
    """A text inside HTML. Raises InputError for what is none."""
    return html.escape(_check_text(text))


def _check_text(text: str) -> str:
    if not isinstance(text, str):
        raise InputError(f"a text of a page came as {kind_of(text)}, expected a string")
    return text


def _smaller(png: bytes, caption: str, attributes: str = "") -> str:
    """A figure of a PNG picture, as WebP, which takes a fraction of its bytes."""
    try:
        pixels = Image.open(io.BytesIO(png)).convert("RGB")
        exact, lossy = (_webp(pixels, **kind) for kind in (_EXACT, _LOSSY))
    except Exception:  # Pillow raises many kinds
        # A damaged file is shown as it is, and one with a side of more than 16,383 pixels, which WebP cannot hold.
        return _figure(png, caption, attributes=attributes)
    return _figure(min(exact, lossy, key=len), caption, kind="webp", attributes=attributes)


def _webp(pixels: Image.Image, **kind: Any) -> bytes:
    buffer = io.BytesIO()
    pixels.save(buffer, "WEBP", **kind)
    return buffer.getvalue()


def _figure(picture: bytes, caption: str, *, kind: str = "png", attributes: str = "") -> str:
    data, escaped = base64.b64encode(picture).decode(), _escape(caption)
    opening = f"<figure {attributes}>" if attributes else "<figure>"
    return f'{opening}<img src="data:image/{kind};base64,{data}" alt="{escaped}"><figcaption>{escaped}</figcaption></figure>'
