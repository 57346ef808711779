"""Pages of the built site in Chromium: `PYTHONPATH=tools python -m site_pages.shown_pages build/site` names all that do not fit a window.

Each is opened 1300 and 400 pixels wide. Wide tables and code may scroll inside a page; the page itself may not, and its pictures must show.
"""

import sys
import tempfile
from pathlib import Path

from site_pages.browser import CHROMIUM, Browser

WIDTHS = (1300, 400)
# Pictures that are loaded once they are seen are loaded at once. A part of a page may be as wide as it likes inside one that scrolls.
LOOK = """(async () => {
  const pictures = Array.from(document.images);
  pictures.forEach((each) => { each.loading = "eager"; });
  await Promise.all(pictures.map((each) => each.decode().catch(() => null)));
  const gone = pictures.filter((each) => !each.naturalWidth).map((each) => `picture ${each.getAttribute("src")} does not show`);
  const root = document.documentElement, over = root.scrollWidth - root.clientWidth;
  return over > 0 ? [...gone, `is ${over} pixels too wide`] : gone;
})()"""


def unfit(pages: list[Path], profile: Path, widths: tuple[int, ...] = WIDTHS) -> list[str]:
    """Return "page at width: what is wrong" for each page, errors of scripts among it."""
    found = []
    with Browser(profile) as browser:
        for page in pages:
            for width in widths:
                browser.open(page.as_uri(), width=width)
                wrong = [*browser.evaluate(LOOK), *browser.errors()]
                found += [f"{page.name} at {width} pixels: {what}" for what in wrong]
    return found


def main(site: str) -> int:
    """Print what is wrong; return the exit code."""
    if CHROMIUM is None:
        print("no Chromium on the PATH: pages are not looked at")
        return 0
    pages = sorted(page for page in Path(site).resolve().rglob("*.html") if page.name != "404.html")
    with tempfile.TemporaryDirectory() as profile:
        wrong = unfit(pages, Path(profile))
    print(
        "\n".join(wrong)
        if wrong
        else f"all {len(pages)} pages of {site} fit windows of {WIDTHS[0]} and {WIDTHS[1]} pixels"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
