"""An explanation as a strip in a notebook and as a page: what is shown, escaped, bounded, complete."""

import base64
import re
from html.parser import HTMLParser

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attributions import Explanation, GradCAM, IntegratedGradients
from interp.core.errors import InputError
from interp.core.map_strip import GAP, SIDE

L = keras.layers
IMAGES = np.random.RandomState(0).rand(11, 12, 16, 3).astype(np.float32)
LABELS = np.arange(11) % 3


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((12, 16, 3)),
            L.Conv2D(3, 3, activation="relu", name="a>b"),
            L.GlobalAveragePooling2D(),
            L.Dense(3),
        ]
    )


class Read(HTMLParser):
    """The tags of a page with their attributes, its texts, and the tags that are open at its end."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def pixels(source, kind):
    start = f"data:image/{kind};base64,"
    assert source.startswith(start)
    data = base64.b64decode(source.removeprefix(start))
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_an_explanation_holds_what_was_explained(model):
    found = GradCAM(model).explain(IMAGES[:2], [2, 1])
    np.testing.assert_array_equal(found.images, IMAGES[:2])
    np.testing.assert_array_equal(found.labels, [2, 1])
    tensors = GradCAM(model).explain(tf.constant(IMAGES[:2]), [2, 1])
    assert tensors._repr_html_() == found._repr_html_()
    assert "images" not in repr(found)


def test_a_notebook_shows_the_first_images_and_says_how_many_more(model):
    text = GradCAM(model).explain(IMAGES, LABELS)._repr_html_()
    read = Read(text)
    assert read.open == []
    [image] = read.attributes("img")
    picture = pixels(image["src"], "png")
    # 8 images of 12 x 16 above their maps.
    assert picture.shape == (2 * SIDE * 12 // 16 + GAP, 8 * SIDE + 7 * GAP, 3)
    [caption] = read.texts
    assert caption == image["alt"]
    assert caption.startswith("GradCAM of the layer a>b. Red speaks for the class")
    assert caption.endswith("class 0, class 1, class 2, class 0, class 1, class 2, class 0, class 1; and 3 more images")
    assert "and 1 more image" in GradCAM(model).explain(IMAGES[:9], LABELS[:9])._repr_html_()
    assert "more" not in GradCAM(model).explain(IMAGES[:8], LABELS[:8])._repr_html_()


def test_a_strip_of_large_images_is_small():
    images = np.random.RandomState(0).rand(8, 600, 900, 3).astype(np.float32)
    text = Explanation(images - 0.5, "mine", images=images)._repr_html_()
    assert pixels(Read(text).attributes("img")[0]["src"], "png").shape[1] == 8 * SIDE + 7 * GAP
    assert len(text) < 1_000_000


def test_colours_have_the_sign_of_the_map():
    maps = np.zeros((1, 8, 16, 1), np.float32)
    maps[:, :, :6], maps[:, :, -6:] = 3, -3
    text = Explanation(maps, "<b>&", images=np.full((1, 8, 16, 1), 0.5, np.float32), labels=[4])._repr_html_()
    assert Read(text).texts == ["<b>&. Red speaks for the class, blue against it; class 4"]
    map_ = pixels(Read(text).attributes("img")[0]["src"], "png")[-20]
    assert map_[10, 0] > map_[10, 2] + 50
    assert map_[-10, 2] > map_[-10, 0] + 20
    # Without an image the map is drawn alone.
    alone = pixels(Read(Explanation(maps, "mine")._repr_html_()).attributes("img")[0]["src"], "png")
    assert alone.shape == (SIDE // 2, SIDE, 3)


def test_a_page_holds_every_image_with_its_values(model, tmp_path):
    found = IntegratedGradients(model, steps=4).explain(IMAGES, LABELS)
    names = ("</option><script>alert(1)</script>", "'a' & \"b\"", "猫")
    text = found.to_html(tmp_path / "pages" / "maps.html", class_names=names)
    assert (tmp_path / "pages" / "maps.html").read_text(encoding="utf-8") == text
    read = Read(text)
    assert read.open == []
    # The page's own script alone.
    assert len(read.attributes("script")) == 1
    options = [text for text in read.texts if re.match(r"\d+: ", text)]
    assert options == [f"{place + 1}: {names[label]}" for place, label in enumerate(LABELS)]
    # There is one network, so none is picked.
    assert [each["name"] for each in read.attributes("select")] == ["image", "method"]
    pictures = read.attributes("img")
    assert len(pictures) == 11
    assert pictures[1]["alt"].startswith("image 2: 'a' & \"b\", ")
    assert f"gap {found.values['gap'][1]:.4g}" in pictures[1]["alt"]
    assert pixels(pictures[1]["src"], "webp").shape == (SIDE * 12 // 16, 2 * SIDE + GAP, 3)
    # Nothing is loaded from elsewhere.
    assert not [value for _, each in read.tags for name, value in each.items() if name == "href"]
    assert "url(" not in text
    assert "http" not in text
    assert "class 2" in found.to_html()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"class_names": ["a", "b"]}, "2 class_names came, class 2 has none"),
        ({"class_names": "abc"}, "class_names came as str"),
        ({"path": 3}, "the path of the page came as int"),
        ({"path": "/dev/null/maps.html"}, "cannot write /dev/null/maps.html"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(model, given, said):
    found = GradCAM(model).explain(IMAGES[:3], LABELS[:3])
    with pytest.raises(InputError) as caught:
        found.to_html(**given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
