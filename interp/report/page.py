"""One HTML file that opens anywhere: text, tables, curves and pictures inside it, nothing loaded from elsewhere.

With JavaScript tables are sorted, curves show their values and galleries are picked from; without, all of it is there to read.
"""

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from interp.core.errors import InputError
from interp.core.files import write_text
from interp.report.svg_curves import Curve, svg_curves
from interp.report.table import Cell, cell_text

_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class GalleryEntry:
    """A picture (WebP) of a gallery, picked by image, network and method; the caption is its text for those who do not see it."""

    image: str
    network: str
    method: str
    picture: bytes
    caption: str


class Page:
    """A report under construction; text given to it is escaped."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []
        self._headings: dict[str, str] = {}

    def heading(self, text: str) -> None:
        """Start a section, which the list of contents names."""
        words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
        anchor = f"{words}-{len(self._headings) + 1}"
        self._headings[anchor] = text
        self._parts.append(f'<h2 id="{anchor}">{html.escape(text)}</h2>')

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str) -> None:
        """Add a table; its caption says how the figures were measured. Raises InputError for a row of another length than the header."""
        for row in rows:
            if isinstance(row, str) or len(row) != len(header):
                raise InputError(
                    f"a row came as {row!r:.80}, expected {len(header)} cells, one for each column of the header"
                )
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell_text(cell))}</td>" for cell in row) + "</tr>" for row in rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        self._parts.append(
            f'<figure><div class="wide">{table}</div><figcaption>{html.escape(caption)}</figcaption></figure>'
        )

    def curves(self, curves: Mapping[str, Curve], x_label: str, y_label: str, caption: str) -> None:
        """Add curves by name, y from 0 to 1, whose points say their values."""
        drawn = svg_curves(curves, x_label, y_label)
        self._parts.append(f"<figure>{drawn}<figcaption>{html.escape(caption)}</figcaption></figure>")

    def gallery(self, entries: Sequence[GalleryEntry]) -> None:
        """Add pictures of which one is picked at a time, by image, network and method."""
        names = ("image", "network", "method")
        chosen = []
        for name in names:
            values = dict.fromkeys(getattr(entry, name) for entry in entries)
            options = "".join(f"<option>{html.escape(value)}</option>" for value in values)
            chosen.append(f'<label>{name}<select name="{name}">{options}</select></label>')
        figures = []
        for entry in entries:
            data = " ".join(f'data-{name}="{html.escape(getattr(entry, name))}"' for name in names)
            figures.append(_figure(entry.picture, entry.caption, kind="webp", attributes=data))
        self._parts.append(
            f'<div class="gallery"><div class="picker" hidden>{"".join(chosen)}</div>{"".join(figures)}</div>'
        )

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a picture; the caption is its text for those who do not see it."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130)
        self._parts.append(_figure(buffer.getvalue(), caption))

    def picture(self, path: str | Path, caption: str) -> None:
        """Add a PNG file. Raises InputError for one that cannot be read."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the picture {path}: {error.strerror}") from error
        self._parts.append(_figure(data, caption))

    def details(self, summary: str, text: str) -> None:
        """Add text that opens on request."""
        self._parts.append(
            f"<details><summary>{html.escape(summary)}</summary><pre>{html.escape(text)}</pre></details>"
        )

    def write(self, path: str | Path) -> None:
        """Write the page completely or not at all. Raises InputError."""
        style, script = ((_ASSETS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        title = html.escape(self.title)
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{style}</style>'
        links = "".join(
            f'<li><a href="#{anchor}">{html.escape(text)}</a></li>' for anchor, text in self._headings.items()
        )
        contents = f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if links else ""
        body = "\n".join([f"<h1>{title}</h1>", contents, "<main>", *self._parts, "</main>"])
        ending = f'<div id="tip" role="status" hidden></div>\n<script>{script}</script>'
        write_text(
            path, f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n{ending}\n</body></html>\n'
        )


def _figure(picture: bytes, caption: str, *, kind: str = "png", attributes: str = "") -> str:
    data, escaped = base64.b64encode(picture).decode(), html.escape(caption)
    opening = f"<figure {attributes}>" if attributes else "<figure>"
    return f'{opening}<img src="data:image/{kind};base64,{data}" alt="{escaped}"><figcaption>{escaped}</figcaption></figure>'
