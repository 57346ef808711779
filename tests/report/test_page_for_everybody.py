"""The page by its tags: names for those who do not see it, headings in order; and small enough to be sent."""

import base64
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from interp.core.errors import InputError
from interp.report import Curve, GalleryEntry, Page, map_strip, maps_figure

VOID = {"meta", "img", "input", "br"}


class Tags(HTMLParser):
    """The elements of a page with their attributes and the labels they stand in."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), "label" in self._open))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), "label" in self._open))

    def handle_endtag(self, tag):
        # Every element is closed, in order.
        assert self._open.pop() == tag

    def all(self, *tags):
        return [(each, is_labelled) for tag, each, is_labelled in self.elements if tag in tags]


@pytest.fixture(scope="module")
def tags():
    page = Page("A report")
    image, map_ = np.full((8, 8, 1), 0.5), np.eye(4)
    for name in ("first", "second"):
        page.heading(name)
        page.table(["network", "accuracy"], [["Int", 0.5], ["Adv", None]], "how")
        page.curves({"Int": Curve((0, 0.1), (0.9, 0.25), (0.1, 0.1))}, "eps", "accuracy", "drawn")
        page.figure(maps_figure([[("a", image, map_)]]), "a map")
        page.gallery(
            [GalleryEntry("1", network, "CAM", map_strip([(image, map_)]), network) for network in ("Int", "Adv")]
        )
    page.details("more", "text")
    return Tags(page.to_html())


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (([], []), "0 places, 0 values and 0 errors"),
        (([0, 0.1], [1]), "2 places, 1 value and 0 errors"),
        (([0, 0.1], [1, 0.5], [0.1]), "2 places, 2 values and 1 error,"),
    ],
)
def test_curves_have_points_with_a_value_each(points, told):
    with pytest.raises(InputError, match=told):
        Curve(*points)


def test_everything_has_a_name(tags):
    assert all(each["alt"] for each, _ in tags.all("img"))
    assert all(is_labelled or "aria-label" in each for each, is_labelled in tags.all("input", "select"))
    assert all(each["aria-label"] for each, _ in tags.all("svg", "circle", "nav", "form"))
    assert all(each["scope"] == "col" for each, _ in tags.all("th"))
    assert len(tags.all("th")) == 4


def test_headings_are_in_order_and_links_lead_somewhere(tags):
    headings = [tag for tag, _, _ in tags.elements if tag in ("h1", "h2", "h3", "h4")]
    assert headings == ["h1", "h2", "h2"]
    names = [each["id"] for _, each, _ in tags.elements if "id" in each]
    assert len(names) == len(set(names))
    targets = [each["href"] for each, _ in tags.all("a")]
    assert {target[1:] for target in targets if target.startswith("#")} <= set(names)
    assert targets[0] == "#main"
    assert sum(target.startswith("data:text/csv;base64,") for target in targets) == 2


@pytest.mark.slow
def test_the_page_of_24_networks_stays_below_5_mb():
    """As `eval.py 1` makes it: maps of five images by three methods to pick from, and a picture of maps, of each network."""
    random, page = np.random.RandomState(0), Page("Networks")
    names = [f"mnist_smallgap_method{number}_20" for number in range(24)]
    page.table(["network", "accuracy"], [[name, 0.5] for name in names], "how")
    page.curves(
        {name: Curve(np.linspace(0, 0.4, 9), np.linspace(1, 0, 9)) for name in names}, "eps", "accuracy", "drawn"
    )
    blurred = [cv2.GaussianBlur(random.rand(28, 28), (5, 5), 1)[..., None] for _ in range(5)]
    entries = []
    for name in names:
        maps = [cv2.GaussianBlur(random.randn(7, 7), (3, 3), 1) for _ in range(30)]
        rows = [[("image", image, None)] * 2 + [("map", image, map_) for map_ in maps[:4]] for image in blurred]
        page.figure(maps_figure(rows), f"maps of {name}")
        for place, image in enumerate(blurred):
            for method in range(3):
                strip = map_strip(
                    [(image, None), (image, maps[2 * method]), (image, None), (image, maps[2 * method + 1])]
                )
                entries.append(GalleryEntry(str(place), name, f"method {method}", strip, f"{name}, {place}, {method}"))
    page.gallery(entries)
    assert len(page.to_html()) < 5_000_000


def test_a_drawing_is_kept_exactly_and_a_damaged_file_as_it_is(tmp_path):
    drawing = np.zeros((40, 60, 3), np.uint8)
    drawing[10:20, 5:50] = 255, 0, 0
    cv2.imwrite(str(tmp_path / "drawing.png"), drawing)
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    page = Page("pictures")
    page.picture(tmp_path / "drawing.png", "a drawing")
    page.picture(tmp_path / "damaged.png", "damaged")
    first, second = (each["src"] for each, _ in Tags(page.to_html()).all("img"))
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(first.removeprefix("data:image/webp;base64,")), np.uint8), 1)
    np.testing.assert_array_equal(pixels, drawing)
    assert base64.b64decode(second.removeprefix("data:image/png;base64,")).endswith(b"no picture")
