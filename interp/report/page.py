"""One HTML file that opens anywhere: text, tables and pictures inside it, nothing loaded from elsewhere."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from interp.core.errors import InputError
from interp.core.files import write_text

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; } figcaption { color: #555; font-size: .9rem; }
pre { background: #f6f6f6; padding: 1rem; overflow-x: auto; font-size: .8rem; }
"""


class Page:
    """A report under construction; text given to it is escaped."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """Start a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> None:
        """Add a table; its caption says how the figures were measured."""
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        caption = f"<figcaption>{html.escape(caption)}</figcaption>"
        self._parts.append(
            f"<figure><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{caption}</figure>"
        )

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a picture; the caption is its text for those who do not see it."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130)
        self._image(buffer.getvalue(), caption)

    def picture(self, path: str | Path, caption: str) -> None:
        """Add a PNG file. Raises InputError for one that cannot be read."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the picture {path}: {error.strerror}") from error
        self._image(data, caption)

    def details(self, summary: str, text: str) -> None:
        """Add text that opens on request."""
        self._parts.append(
            f"<details><summary>{html.escape(summary)}</summary><pre>{html.escape(text)}</pre></details>"
        )

    def _image(self, png: bytes, caption: str) -> None:
        data, escaped = base64.b64encode(png).decode(), html.escape(caption)
        self._parts.append(
            f'<figure><img src="data:image/png;base64,{data}" alt="{escaped}"><figcaption>{escaped}</figcaption></figure>'
        )

    def write(self, path: str | Path) -> None:
        """Write the page completely or not at all. Raises InputError."""
        title = html.escape(self.title)
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style>'
        body = "\n".join([f"<h1>{title}</h1>", *self._parts])
        write_text(path, f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n')
