"""What pages point at is there: pages, pictures and scripts of the repository, and their copies in the built documentation."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from site_pages.browser import CHROMIUM, Browser
from site_pages.built_links import Targets, broken_links
from site_pages.shown_pages import unfit

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "networks/**/*.md",
        "benchmarks/*.md",
        "benchmarks/results/*.md",
    )
    for path in ROOT.glob(pattern)
)
# [text](target "title"), ![text](<target>), and [name]: target; a target in code is no link.
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE)
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.+?)\s*#*$", re.MULTILINE)


def targets(text):
    """The targets of a page of Markdown, its tags among them."""
    plain = CODE.sub("", text)
    return [found[1] or found[2] for found in LINK.finditer(plain)] + Targets(plain).found


def anchors(text):
    """The names that headings of a page get, and those that its tags give."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    words = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in HEADING.findall(plain))
    return {re.sub(r"[-\s]+", "-", each).strip("-") for each in words} | Targets(plain).names


def broken(page, text):
    """The targets of a page that are not there."""
    wrong = []
    for target in targets(text):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        path = page.parent / unquote(parts.path) if parts.path else page
        if not path.exists():
            wrong.append(target)
        elif parts.fragment and path.suffix == ".md":
            pointed_at = text if path == page else path.read_text(encoding="utf-8")
            if parts.fragment not in anchors(pointed_at):
                wrong.append(target)
    return wrong


def left_out(name):
    """Whether mkdocs leaves a file of docs/ out of the site: by the lines of `exclude_docs`, which read as those of .gitignore."""
    listed = re.search(r"^exclude_docs: \|\n((?:  .*\n)+)", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)[1]
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    for line in listed.split():
        pattern = "".join(wild.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", line.strip("/")))
        # A folder that is left out takes all that is in it along; a name without a slash means a file in any folder.
        if re.fullmatch(rf"{pattern}(?:/.*)?" if "/" in line.strip("/") else rf"(?:.*/)?{pattern}(?:/.*)?", name):
            return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_lead_somewhere(page):
    assert not broken(page, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("**/*.md")), ids=lambda page: page.name)
def test_what_pages_of_the_site_show_is_built_into_it(page):
    """`mkdocs build --strict` takes a picture that it leaves out for one that is there."""
    shown = [urlsplit(target) for target in targets(page.read_text(encoding="utf-8"))]
    files = [(page.parent / unquote(parts.path)).resolve() for parts in shown if parts.path and not parts.scheme]
    outside = [path for path in files if not path.is_relative_to(ROOT / "docs")]
    assert not outside
    assert not [name for path in files if left_out(name := path.relative_to(ROOT / "docs").as_posix())]


def test_records_stay_out_of_the_site_and_pictures_do_not():
    assert left_out("results/main/pgd/mnist_smallgap_int_20.json")
    assert left_out("results/main/settings.json")
    assert not left_out("results/unforeseen/uar/picture.png")
    assert not left_out("results.md")


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "there.md").write_text("# A heading: of two\n")
    page = tmp_path / "page.md"
    text = (
        "# Top\n[a](there.md) [b](there.md#a-heading-of-two) [c](https://nowhere.invalid/x) `[d](code.md)` [e](#top)\n"
        '[f](gone.md) ![g](<gone.png>) [h](there.md#gone) <img src="gone.webp"> [i](#gone)\n\n[name]: gone_too.md\n'
    )
    page.write_text(text)
    assert broken(page, text) == ["gone.md", "gone.png", "there.md#gone", "#gone", "gone_too.md", "gone.webp"]


def test_a_link_of_the_built_site_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "there.html").write_text('<h2 id="part">A part</h2><a href="there.html#part">here</a>')
    page = '<a href="there.html#part"></a><a href="gone.html"></a><a href="there.html#gone"></a><a href="https://nowhere.invalid"></a>'
    (tmp_path / "page.html").write_text(
        f'{page}<img src="gone.png"><script src="https://nowhere.invalid/a.js"></script>'
    )
    wrong = ["gone.html", "there.html#gone", "gone.png", "https://nowhere.invalid/a.js"]
    assert broken_links(tmp_path) == [f"page.html: {target}" for target in wrong]


@pytest.fixture
def browser(tmp_path):
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH")
    with Browser(tmp_path / "profile") as browser:
        yield browser


@pytest.mark.integration
def test_tables_of_the_site_are_sorted_with_keys(browser, tmp_path):
    rows = "".join(
        f"<tr><td>{name}</td><td></td><td>{eps}</td></tr>" for name, eps in [("b", "8/255"), ("a", "0.5"), ("c", "-")]
    )
    heads = "<th><em>network</em></th><th></th><th>eps</th>"
    script = (ROOT / "docs/assets/sort_tables.js").as_uri()
    page = f"<article><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></article><script src='{script}'></script>"
    (tmp_path / "page.html").write_text(f"<!doctype html>{page}")
    browser.open((tmp_path / "page.html").as_uri())
    names = "Array.from(document.querySelectorAll('tbody tr')).map((row) => row.cells[0].textContent)"
    sorts = "Array.from(document.querySelectorAll('th')).map((head) => head.getAttribute('aria-sort'))"
    # A head stays a head for screen readers, and has a button in it; an empty one has none.
    told = browser.accessible()
    assert [each for each in told if each[0] == "button"] == [("button", "network"), ("button", "eps")]
    assert ("columnheader", "network") in told
    browser.press("Tab", " ")
    assert browser.evaluate(names) == ["a", "b", "c"]
    assert browser.evaluate(sorts) == ["ascending", None, None]
    browser.press("Tab", "Enter")
    assert browser.evaluate(names) == ["b", "a", "c"]
    browser.press("Enter")
    assert browser.evaluate(names) == ["a", "b", "c"]
    assert browser.evaluate(sorts) == [None, None, "descending"]
    assert browser.errors() == []


@pytest.mark.integration
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
def test_a_page_that_is_too_wide_or_lacks_a_picture_is_found(tmp_path):
    start = '<!doctype html><meta name="viewport" content="width=device-width">'
    (tmp_path / "wide.html").write_text(f'{start}<body style="margin: 0"><p style="width: 700px">a</p>')
    (tmp_path / "bare.html").write_text(f'{start}<img src="gone.png">')
    (tmp_path / "fits.html").write_text(f'{start}<div style="overflow-x: auto"><p style="width: 700px">a</p></div>')
    found = unfit(sorted(tmp_path.glob("*.html")), tmp_path / "profile")
    told = [f"{page}.html at {width} pixels" for page, width in (("bare", 1300), ("bare", 400), ("wide", 400))]
    assert list(dict.fromkeys(each.partition(":")[0] for each in found)) == told
    assert f"{told[1]}: picture gone.png does not show" in found
    assert found[-1] == f"{told[2]}: is 300 pixels too wide"
    with pytest.raises(FileNotFoundError, match=r"gone\.html"):
        unfit([tmp_path / "gone.html"], tmp_path / "profile")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed")
def test_every_file_that_the_built_site_loads_or_points_at_is_there(tmp_path, tmp_path_factory):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "TUTORIALS": "unrun", "NO_MKDOCS_2_WARNING": "1"})
    assert len(list(tmp_path.rglob("*.html"))) > 20
    assert (tmp_path / "search" / "search_index.js").exists()  # search without a server
    assert not broken_links(tmp_path)
    if CHROMIUM is not None:
        pages = sorted(path for path in tmp_path.rglob("*.html") if path.name != "404.html")
        assert not unfit(pages, tmp_path_factory.mktemp("profile"))
    reference = (tmp_path / "api" / "attacks.html").read_text(encoding="utf-8")
    of_class = reference.partition('id="interp.attacks.ProjectedGradientDescent"')[2].partition("doc-contents")[0]
    assert "step_size" in of_class  # the signature of the constructor
