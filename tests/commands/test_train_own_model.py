"""`train.py --model`: models and images of a user's."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from interp import data
from interp.attacks import ProjectedGradientDescent, accuracy
from interp.commands.train import TrainingOptions, main
from interp.commands.training_jobs import _adapted
from interp.core.errors import InputError
from interp.models import adapt, load_model
from interp.training import signals, training_job

L = keras.layers
SCRIPT = Path(__file__).parents[2] / "train.py"
MODULE = """
import keras
L = keras.layers

def small(image_shape, classes):
    return keras.Sequential([keras.Input(image_shape), L.Conv2D(4, 5, strides=3), L.BatchNormalization(), L.ReLU(),
                             L.GlobalAveragePooling2D(), L.Dropout(0.2), L.Dense(classes)])

def fixed():
    return keras.Sequential([keras.Input((20, 20, 3)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(3, activation="softmax")])

def nothing():
    return "no model"

def broken(image_shape, classes):
    raise RuntimeError("out of clay")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Photos of many sizes, three kinds of stripes, each with more of one colour; one grey, one with transparency; a module of models."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_models_of_a_user.py").write_text(MODULE)
    generator = np.random.RandomState(0)
    for label, name in enumerate(("bars", "diagonals", "rows")):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(100):
            height, width = generator.randint(30, 60, 2)
            y, x = np.mgrid[:height, :width]
            stripes = np.sin((x / 3, (x + y) / 4, y / 3)[label]) > 0
            pixels = stripes[..., None] * generator.uniform(0.3, 0.6) + generator.uniform(0.1, 0.3, 3)
            pixels[..., label] += 0.15
            pixels += generator.normal(0, 0.05, pixels.shape)
            image = Image.fromarray((255 * np.clip(pixels, 0, 1)).astype(np.uint8))
            image.convert({3: "L", 4: "RGBA"}.get(number, "RGB")).save(folder / "photos" / name / f"{number:02d}.png")
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.delitem(sys.modules, "own_models_of_a_user", raising=False)
    return place


def words(folder, model="own_models_of_a_user:small", method="adv", *more):
    places = ["--networks-dir", folder / "networks", "--pictures-dir", folder / "pictures"]
    line = ["--model", model, "--dataset", "photos", "--image-size", "20", "--method", method, "--epochs", "2", *more]
    return list(map(str, [*line, *places]))


@pytest.mark.integration
def test_a_model_that_a_function_builds(here, tmp_path, call):
    line = words(tmp_path, "own_models_of_a_user:small", "int", "--epsilon", "4/255", "--batch-size", "16")
    result = call(main, line)
    assert result.returncode == 0, result.stderr
    assert "input scale of small: 0..1, as its layers say no other" in result.stdout
    made = json.loads((tmp_path / "networks" / "photos_small_int_2.json").read_text())
    assert (made["schedule"]["epsilon"], made["schedule"]["batch_size"]) == (pytest.approx(4 / 255), 16)
    assert len(made["history"]) == 2
    assert made["run"]["arguments"]["model"] == "own_models_of_a_user:small"
    assert (tmp_path / "pictures" / "photos_small_int_2.png").stat().st_size > 10_000
    model = keras.models.load_model(tmp_path / "networks" / "photos_small_int_2.keras")
    assert model.output_shape == (None, 3)
    assert "is there already" in call(main, line).stdout
    other = call(main, words(tmp_path, "own_models_of_a_user:small", "int", "--epsilon", "2/255", "--batch-size", "16"))
    assert other.returncode == 2
    assert "schedule.epsilon was" in other.stderr
    # As where the .keras file alone was copied to another machine, or the other one was damaged.
    (tmp_path / "networks" / "photos_small_int_2.json").write_text("[1]")
    damaged = call(main, line)
    (tmp_path / "networks" / "photos_small_int_2.json").unlink()
    for lacking in (damaged, call(main, line)):
        assert (lacking.returncode, lacking.stderr.count("\n")) == (2, 1)
        assert "photos_small_int_2.keras was made, cannot be read: bring it back, or --no-resume" in lacking.stderr


@pytest.mark.integration
def test_training_in_l2(here, tmp_path, call):
    """The radius is that of small colour images unless another is given, which may be above 1; the name says the norm."""
    line = words(tmp_path, "own_models_of_a_user:small", "adv", "--batch-size", "16", "--norm", "l2")
    result = call(main, line)
    assert result.returncode == 0, result.stderr
    made = json.loads((tmp_path / "networks" / "photos_small_adv_l2_2.json").read_text())
    assert (made["schedule"]["norm"], made["schedule"]["epsilon"]) == ("l2", 0.5)
    assert (tmp_path / "networks" / "photos_small_adv_l2_2.keras").exists()
    other = call(main, [*line, "--epsilon", "2"])
    assert other.returncode == 2
    assert "schedule.epsilon was 0.5 and is 2.0" in other.stderr


@pytest.mark.integration
def test_a_file_is_trained_on_and_stays_a_plain_model(here, tmp_path, call):
    images = data.load("photos", "train", image_size=20)
    model = keras.Sequential(
        [keras.Input((20, 20, 3)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(3, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(255 * np.asarray(images.images[:]), images.labels, epochs=1, verbose=0)
    model.save(tmp_path / "mine.keras")
    result = call(
        main,
        words(
            tmp_path, tmp_path / "mine.keras", "trades", "--input-scale", "auto", "--penalty-weight", "2", "--augment"
        ),
    )
    assert result.returncode == 0, result.stderr
    assert "input scale of mine: 0..255, as the model scales images itself" in result.stdout
    trained = keras.models.load_model(tmp_path / "networks" / "photos_mine_trades_2.keras")
    assert [layer.name for layer in trained.layers] == [layer.name for layer in model.layers]
    assert np.abs(trained.layers[-1].kernel - model.layers[-1].kernel).max() > 0
    assert json.loads((tmp_path / "networks" / "photos_mine_trades_2.json").read_text())["penalty_weight"] == 2


def flat_model(seed, activation="relu"):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [keras.Input((28, 28, 1)), L.Flatten(), L.Dense(8, activation=activation), L.Dropout(0.1), L.Dense(10)]
    )


@pytest.mark.integration
def test_a_training_goes_on_with_the_same_model_and_scale_alone(tmp_path, call, monkeypatch):
    file = tmp_path / "mine.keras"
    line = ["--model", file, "--dataset", "digits", "--method", "normal", "--epochs", "1"]
    line = list(map(str, [*line, "--networks-dir", tmp_path / "networks", "--pictures-dir", tmp_path / "pictures"]))
    scaled = [*line, "--input-scale", "0..1"]
    flat_model(1).save(file)
    stop = signals.StopRequest()
    stop.signal = signal.SIGTERM
    with monkeypatch.context() as patch:
        patch.setattr(training_job, "stop_requests", lambda: contextlib.nullcontext(stop))
        assert "stopped after step 1 of" in call(main, scaled).stderr
    result = call(main, [*line, "--input-scale", "0..255"])
    assert (result.returncode, "network.input_scale was '0..1' and is '0..255'" in result.stderr) == (2, True)
    flat_model(2).save(file)
    assert "network.model_digest was" in call(main, scaled).stderr
    # Saved once more, with other names of layers.
    flat_model(1).save(file)
    result = call(main, scaled)
    assert result.returncode == 0, result.stderr
    assert "is there already" in call(main, scaled).stdout
    target = tmp_path / "networks" / "digits_mine_normal_1.json"
    made = json.loads(target.read_text())
    assert (made["input_scale"], made["output"]) == ("0..1", None)
    flat_model(1, "tanh").save(file)
    assert "; model_digest was" in call(main, scaled).stderr.replace("arguments: ", "; ")
    # What earlier versions wrote.
    of_before = {name: value for name, value in made.items() if name not in ("model_digest", "output")}
    target.write_text(json.dumps({**of_before, "input_scale": "auto"}))
    assert "is there already" in call(main, scaled).stdout


def test_images_say_the_scale_of_a_file_from_wherever_it_comes():
    """An address holds a colon, as a function does, of which accuracy says nothing."""
    validation, model = data.load("digits", "validation"), flat_model(1)
    for place in ("mine.keras", "hf://owner/models/mine.keras", "folder:1/mine.keras"):
        with pytest.raises(InputError, match="--input-scale"):
            _adapted(model, validation, TrainingOptions(model=place, dataset="digits", method="adv"))
    found = _adapted(model, validation, TrainingOptions(model="mine:build", dataset="digits", method="adv"))
    assert found.scale == "0..1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--model", "x.keras"], "--model needs --dataset and --method"),
        (["--model", "x.keras", "--dataset", "photos"], "--model needs --method"),
        (["1", "--model", "x.keras", "--dataset", "photos", "--method", "adv"], "a number is for the numbered scripts"),
        (
            ["--profile", "cpu", "--model", "x.keras", "--dataset", "photos", "--method", "adv"],
            "--profile is for the numbered scripts",
        ),
        (["1", "--method", "adv"], "--method is for a model of your own: add --model"),
        # Of several the first of the help, in every process.
        (
            ["1", "--augment", "--batch-size", "9", "--epsilon", "1/255", "--method", "adv"],
            "--method is for a model of",
        ),
        (["--model", "x.keras", "--dataset", "photos", "--method", "adw"], "did you mean 'adv'"),
        (["--model", "x.keras", "--dataset", "photos", "--method", "adv"], "no network file x.keras"),
        (["--model", "nowhere_at_all:small", "--dataset", "photos", "--method", "adv"], "cannot be imported"),
        (["--model", "own_models_of_a_user:smal", "--dataset", "photos", "--method", "adv"], "cannot be imported"),
        (
            ["--model", "own_models_of_a_user:nothing", "--dataset", "photos", "--method", "adv"],
            "returned str, expected a keras.Model",
        ),
        (["--model", "own_models_of_a_user:broken", "--dataset", "photos", "--method", "adv"], "out of clay"),
        (["--model", "own_models_of_a_user:fixed", "--dataset", "photos", "--method", "int"], "--explanation grad_cam"),
        (
            ["--model", "own_models_of_a_user:fixed", "--dataset", "photos", "--method", "adv", "--epsilon", "8"],
            "expected at most 1, as images are in [0, 1]: divide what counts levels of 0..255 by 255, as in 8/255",
        ),
        (
            ["--model", "own_models_of_a_user:small", "--dataset", "photos", "--method", "normal", "--norm", "l2"],
            "--method normal has none: leave it out",
        ),
        (
            ["--model", "x.keras", "--dataset", "photos", "--method", "hessian", "--norm", "l2"],
            "--norm is of inner attacks, and --method hessian has none: leave it out",
        ),
        (
            [
                "--model",
                "own_models_of_a_user:small",
                "--dataset",
                "photos",
                "--method",
                "adv",
                "--weights",
                "w.weights.h5",
            ],
            "--weights is for a model in a file, own_models_of_a_user:small is a function: leave it out",
        ),
        (
            [
                "--model",
                "own_models_of_a_user:small",
                "--dataset",
                "photos",
                "--method",
                "normal",
                "--penalty-weight",
                "1",
            ],
            "leave it out",
        ),
    ],
)
def test_bad_input_is_one_line(here, call, line, message):
    result = call(
        main,
        [
            *line,
            *(["--image-size", "20"] if "photos" in line else []),
            "--networks-dir",
            "new",
            "--pictures-dir",
            "new",
        ],
    )
    assert result.returncode == 2
    assert message in result.stderr
    assert len([text for text in result.stderr.splitlines() if text.startswith("error")]) == 1
    assert not list(Path("new").rglob("*.keras"))


KINDS = {
    # Layers, the scale of images, epochs of plain training, radius.
    "cnn": ("0..255", 8, 0.1),
    "normalised": ("0..1", 40, 0.08),
    "nested": ("0..255", 12, 4 / 255),
}


# Of second terms: 6 is what the field takes for TRADES; maps of 1x1 differ less than those that 0.01 is for.
WEIGHTS = {("cnn", "trades"): 6, ("normalised", "trades"): 6, ("nested", "trades"): 2, ("nested", "int"): 0.3}


def build(kind):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 3))
    if kind == "cnn":
        maps = L.Rescaling(1 / 255)(inputs)
        for filters in (16, 32):
            maps = L.MaxPooling2D()(L.Conv2D(filters, 3, activation="relu", padding="same")(maps))
        return keras.Model(inputs, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(maps)))
    if kind == "normalised":
        maps = inputs
        for filters in (16, 32):
            maps = L.ReLU()(L.BatchNormalization(momentum=0.9)(L.Conv2D(filters, 3, strides=2, padding="same")(maps)))
        return keras.Model(inputs, L.Dense(3)(L.Dropout(0.2)(L.GlobalAveragePooling2D()(maps))))
    backbone = keras.applications.MobileNetV2((32, 32, 3), include_top=False, weights=None, alpha=0.35)
    for layer in backbone.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.momentum = 0.9
    pooled = L.GlobalAveragePooling2D()(backbone(L.Rescaling(1 / 127.5, -1)(inputs)))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.Dropout(0.2)(pooled)))


@pytest.fixture(scope="module")
def plain(place):
    """The three models, trained by plain Keras, as files."""
    images = data.load(place / "photos", "train", image_size=32)
    for kind, (scale, epochs, _) in KINDS.items():
        model = build(kind)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=kind == "normalised"))
        pixels = np.asarray(images.images[:]) * (1 if scale == "0..1" else 255)
        model.fit(pixels, images.labels, epochs=epochs, batch_size=16, verbose=0)
        model.save(place / f"{kind}.keras")
    return place


def attacked_accuracy(model, scale, radius, images):
    adapted = adapt(model, scale=scale)
    attack = ProjectedGradientDescent(epsilon=radius, step_size=radius / 8, steps=20, random_start=True, restarts=2)
    pixels = np.asarray(images.images[:])
    found = attack(adapted, pixels, images.labels)
    return accuracy(adapted, found, images.labels), found


@pytest.mark.slow
@pytest.mark.parametrize("method", ["adv", "trades", "int"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_on_gains_twenty_points_at_its_radius(kind, method, plain, here, tmp_path, call):
    """And the saved model gives the same figures to a process that never imports interp."""
    scale, _, radius = KINDS[kind]
    test = data.load("photos", "test", image_size=32)
    before, _ = attacked_accuracy(load_model(f"{kind}.keras"), scale, radius, test)
    epochs = 40 if (kind, method) == ("nested", "trades") else 24
    more = ["--batch-size", 16, "--image-size", 32, "--input-scale", scale]
    more += ["--epsilon", f"{radius:.6f}", "--epochs", epochs]
    if (kind, method) in WEIGHTS:
        more += ["--penalty-weight", WEIGHTS[kind, method]]
    # Its batches of 16 say little of a position of 1x1.
    more += ["--batch-statistics", "fixed" if kind == "nested" else "each"]
    result = call(main, words(tmp_path, f"{kind}.keras", method, *more))
    assert result.returncode == 0, result.stderr
    file = tmp_path / "networks" / f"photos_{kind}_{method}_{epochs}.keras"
    after, found = attacked_accuracy(load_model(file), scale, radius, test)
    print(f"{kind} {method}: attacked {before:.3f}, then {after:.3f}")
    assert after >= before + 0.2
    pixels = found * (1 if scale == "0..1" else 255)
    np.savez(tmp_path / "attacked.npz", images=pixels, labels=test.labels)
    code = (
        "import sys, keras, numpy as np; found = np.load('attacked.npz');"
        f"model = keras.models.load_model({str(file)!r});"
        "print(np.mean(model.predict(found['images'], verbose=0).argmax(-1) == found['labels'])); assert 'interp' not in sys.modules"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment
    )
    assert float(said.stdout.split()[-1]) == pytest.approx(after, abs=1e-6)
