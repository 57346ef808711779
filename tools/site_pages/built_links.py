"""Links of the built site: `python tools/site_pages/built_links.py build/site` names every one that leads nowhere."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Targets(HTMLParser):
    """What the tags of a page load or point at, and the places in it that have a name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href") and value:
                self.found.append(value)
                if name == "src" or tag == "link":
                    self.loaded.append(value)
            elif name in ("id", "name") and value:
                self.names.add(value)


def broken_links(site: Path) -> list[str]:
    """Return "page: target" for each link or picture that is not in the site, and for what a page loads from elsewhere."""
    pages = {page: Targets(page.read_text(encoding="utf-8")) for page in sorted(site.rglob("*.html"))}
    found = []
    for page, targets in pages.items():
        if page.name == "404.html":
            continue  # its links begin at the root of a site that is not known here
        wrong = [target for target in dict.fromkeys(targets.found) if not _is_there(page, target, pages)]
        wrong += [target for target in dict.fromkeys(targets.loaded) if urlsplit(target).netloc]
        found += [f"{page.relative_to(site)}: {target}" for target in wrong]
    return found


def _is_there(page: Path, target: str, pages: dict[Path, Targets]) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return True
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if path.is_dir():
        path /= "index.html"
    if not path.exists():
        return False
    return not parts.fragment or path not in pages or unquote(parts.fragment) in pages[path].names


def main(site: str) -> int:
    """Print what is wrong; return the exit code."""
    wrong = broken_links(Path(site).resolve())
    print("\n".join(wrong) if wrong else f"all links and pictures of {site} are there")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
