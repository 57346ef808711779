"""The tutorials for a user's own images and models, run from top to bottom as they stand on their pages, and examples of other pages."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import interp
from interp import data
from interp.core.names import METHODS

L = keras.layers
ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODELS = """
import keras

L = keras.layers


def small_cnn(image_shape, classes):
    return keras.Sequential(
        [keras.Input(image_shape), L.Rescaling(1 / 255), L.Conv2D(8, 5, strides=3), L.BatchNormalization(), L.ReLU(),
         L.GlobalAveragePooling2D(), L.Dense(classes, activation="softmax")]
    )
"""


def section(page, heading):
    """What stands under a heading of a page, the whole page without one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text if heading is None else text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A directory with photos, a model that plain Keras trained on them, and a module that builds one."""
    generator = np.random.RandomState(0)
    for label, name in enumerate(("bars", "diagonals", "rows")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(50):
            y, x = np.mgrid[: generator.randint(64, 90), : generator.randint(64, 90)]
            stripes = np.sin((x / 4, (x + y) / 5, y / 4)[label]) > 0
            pixels = stripes[..., None] * generator.uniform(0.3, 0.6) + generator.uniform(0.1, 0.3, 3)
            Image.fromarray((255 * pixels).astype(np.uint8)).save(tmp_path / "photos" / name / f"{number:02d}.jpg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_models.py").write_text(MODELS)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "layers.py").write_text("import keras\n\nclass Mish(keras.layers.Layer):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    photos = data.load("photos", "train", image_size=64)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 64, 3))
    maps = L.Conv2D(16, 5, strides=2, activation="relu")(L.Rescaling(1 / 255)(inputs))
    maps = L.Conv2D(16, 3, strides=2, activation="relu", name="last_conv")(maps)
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(maps)))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(255 * np.asarray(photos.images[:]), photos.labels, epochs=25, batch_size=16, verbose=0)
    model.save("mine.keras")
    model.save("older.h5")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("README.md", "Your images, your model"),
        ("docs/index.md", "Three starts"),
        ("docs/install.md", "Check it"),
        ("docs/first_model.md", None),
        ("docs/your_own.md", None),
        ("docs/your_images.md", "Arrays and tf.data"),
        ("docs/explaining.md", "Pictures"),
    ],
)
def test_every_block_runs(page, heading, own):
    test = data.load("photos", "test", image_size=64)
    names = {"images": np.asarray(test.images[:]), "labels": test.labels}
    blocks = BLOCK.findall(section(page, heading))
    assert blocks
    for language, code in blocks:
        if language == "text":
            continue
        if language == "python":
            exec(compile(code, page, "exec"), names)
            continue
        for line in code.replace("\\\n", " ").splitlines():
            command, *words = shlex.split(line, comments=True)
            assert command == "python"
            script = [str(ROOT / words[0])] if words[0].endswith(".py") else [words[0]]
            said = subprocess.run(
                [sys.executable, *script, *words[1:]], capture_output=True, text=True, check=False, timeout=900
            )
            assert said.returncode == 0, f"{line}\n{said.stderr}"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A directory with the demo's network, and what the examples of other pages take as there: a model with a layer conv2d_7, digits."""
    folder = tmp_path_factory.mktemp("there")
    digits = data.load("digits", "train")
    keras.utils.set_random_seed(0)
    convolutions = [L.Conv2D(16, 4, 2, "same", activation="relu", name=f"conv2d_{place}") for place in (6, 7)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *convolutions, L.GlobalAveragePooling2D(), L.Dense(10)])
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(digits.images, digits.labels, epochs=5, batch_size=50, verbose=0)
    (folder / "gen_images/demo").mkdir(parents=True)
    network = interp.build_network("small", digits.image_shape, digits.classes)
    schedule = interp.training.plain_schedule(epochs=2, batch_size=50, learning_rate=2e-3)
    interp.training.train(network, "normal", digits, schedule)
    interp.save_model(network, folder / "gen_images/demo/digits_smallgap_int_40.safetensors")
    images, labels = digits.images[:6], digits.labels[:6]
    found = {"interp": interp, "json": json, "model": model, "images": images, "labels": labels}
    found["attack"] = interp.attacks.ProjectedGradientDescent(epsilon=0.1, step_size=0.02, steps=5)
    found |= {"masks": images[..., 0] > 0.1, "target_maps": np.tile(np.eye(7, dtype="float32"), (6, 1, 1))}
    return folder, found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("README.md", 1),
        ("docs/explaining.md", 1),
        ("docs/measuring_explanations.md", 2),
        ("docs/explanations_under_attack.md", 2),
        ("docs/evaluating.md", 1),
        ("docs/leaderboard.md", 1),
    ],
)
def test_the_first_blocks_of_python_run(page, count, there, monkeypatch):
    """Those after them need other packages, or are run above."""
    folder, found = there
    monkeypatch.chdir(folder)
    names = dict(found)
    blocks = [
        code for language, code in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")) if language == "python"
    ]
    assert len(blocks) >= count
    for code in blocks[:count]:
        exec(compile(code.replace("[:20]", "[:4]"), page, "exec"), names)


@pytest.mark.integration
def test_the_method_that_the_page_adds_works(monkeypatch):
    module, line, test = (
        code for _, code in BLOCK.findall(section("docs/adding_a_method.md", "An explanation method"))
    )
    made = types.ModuleType("interp.attributions.hires_cam")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(compile(module, "hires_cam.py", "exec"), vars(made))
    for name, place in ast.literal_eval(f"{{{line}}}").items():
        monkeypatch.setitem(METHODS, name, place)
    names: dict[str, Any] = {}
    exec(compile(test, "test_hires_cam.py", "exec"), names)
    names["test_hires_cam"]()


@pytest.mark.slow
def test_the_paper_is_reproduced_by_the_commands_of_the_readme(data_dir, tmp_path):
    ((_, commands),) = BLOCK.findall(section("README.md", "Reproduce the paper"))
    # In seconds: short schedules and few images, all else as it stands.
    short, changes = re.subn("--profile cpu", "--profile smoke", commands)
    short, more = re.subn(r"^(python eval\.py .*)$", r"\1 --num-image 4", short, flags=re.MULTILINE)
    assert (changes, more) == (1, 2)
    script = re.sub(r"^python (\w+\.py)", rf'"$PYTHON" "{ROOT}/\1"', short, flags=re.MULTILINE)
    given = {**os.environ, "PYTHON": sys.executable, "INTERP_DATA_DIR": str(data_dir)}
    said = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=given, capture_output=True, text=True, check=False, timeout=900
    )
    assert said.returncode == 0, said.stderr
    made = tmp_path / "gen_images"
    assert len(list((made / "networks").glob("*.safetensors"))) == 3
    sections = ("eval_1/pgd", "eval_1/validity", "eval_1/aai", "eval_2/bound", "eval_2/isa")
    assert {name: len(list((made / name).glob("*.json"))) for name in sections} == dict.fromkeys(sections, 3)


def test_the_tutorial_of_the_readme_is_short():
    lines = section("README.md", "Your images, your model").strip().splitlines()
    assert 5 < len(lines) <= 15
