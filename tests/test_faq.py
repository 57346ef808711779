"""The page of errors: each text is really raised by the code below it, and what the page says mends it does."""

import re
from pathlib import Path

import keras
import pytest
from PIL import Image

import interp

PAGE = (Path(__file__).parents[1] / "docs" / "faq.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^### `([^\n]+)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ENTRIES = dict(ENTRY.findall(PAGE))
L = keras.layers


# A layer of a user, of a module that is not there when the file is read.
Mish = type("Mish", (L.Layer,), {"__module__": "gone", "call": lambda self, inputs: inputs})


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the page says is there, with the files that it names."""
    folder = tmp_path_factory.mktemp("faq")
    for name, side in (("cats", 70), ("dogs", 90)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (side, side), (number, 0, 0)).save(folder / "photos" / name / f"{number}.png")
    (folder / "empty").mkdir()
    keras.utils.set_random_seed(3)
    keras.Sequential([keras.Input((28, 28, 1)), Mish(), L.Flatten(), L.Dense(10)]).save(folder / "mine.keras")
    (folder / "my_layers.py").write_text("import keras\n\n\nclass Mish(keras.layers.Layer):\n    pass\n")
    layers = [
        keras.Input((28, 28, 1)),
        L.Conv2D(8, 3, 2, activation="relu"),
        L.Flatten(),
        L.Dense(10, activation="softmax"),
    ]
    digits = interp.data.load("digits", "train").take(40)
    found = {
        "model": keras.Sequential(layers),
        "images": digits.images[:20],
        "labels": digits.labels[:20],
        "data": digits,
    }
    found["schedule"] = interp.training.usual_schedule(40, 0.1, epochs=1, batch_size=20, attack_steps=1)
    exec(BLOCK.search(PAGE)[1], found)
    return folder, found


@pytest.mark.parametrize("text", ENTRIES)
def test_the_error_is_raised_and_mended(text, names, monkeypatch):
    folder, found = names
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    wrong, right = BLOCK.findall(ENTRIES[text])
    names_of_entry = dict(found)
    with pytest.raises(Exception) as caught:
        exec(wrong, names_of_entry)
    assert text in str(caught.value)
    exec(right, names_of_entry)


def test_errors_that_people_search_for_are_there():
    for text in (
        "Graph disconnected",
        "The layer sequential has never been called",
        "Probabilities instead of logits",
        "[0, 255]",
    ):
        assert text in PAGE
    assert len(ENTRIES) >= 20
