"""Pictures and models of users that the command lines refuse: one line, exit code 2, and a way out that holds."""

import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from interp.commands import evaluate
from interp.commands.evaluate_network import main
from interp.models import build_network
from tests.commands.own_pictures import L, write_pictures

SHAPE = (16, 16, 3)


def model(*end, shape=SHAPE, first=()):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input(shape), *first, L.Conv2D(4, 3, name="conv"), L.GlobalAveragePooling2D(), *(end or [L.Dense(3)])]
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    pictures = write_pictures(folder / "pics", train=5, test=5, broken=False)
    model().save(folder / "mine.keras")
    return SimpleNamespace(folder=folder, pictures=pictures)


def refusal(call, place, network=None, **options):
    given = {"task": "saliency", "methods": "gradient", "dataset": place.pictures, "image-size": "16"}
    given |= {"network": network or place.folder / "mine.keras", "input-scale": "0..1", "num-image": 2}
    given |= {name.replace("_", "-"): value for name, value in options.items()}
    result = call(main, [f"--{name}={value}" for name, value in given.items() if value is not None])
    assert result.returncode == 2, result.stdout + result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


def without_classes(folder):
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(folder / split / "a.png")


def one_class(folder):
    (folder / "train" / "only").mkdir(parents=True)
    for number in range(20):
        Image.new("RGB", (16, 16)).save(folder / "train" / "only" / f"{number}.png")


def other_names(folder):
    write_pictures(folder, train=3, test=3, broken=False)
    (folder / "test" / "amber").rename(folder / "test" / "azure")


def an_empty_class(folder):
    write_pictures(folder, train=3, test=3, broken=False)
    shutil.rmtree(folder / "train" / "cedar")
    (folder / "train" / "cedar").mkdir()


def a_broken_file(folder):
    write_pictures(folder, train=5, test=5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (without_classes, "subdirectory for each class"),
        (one_class, "class"),
        (other_names, "azure"),
        (an_empty_class, "cedar"),
        (a_broken_file, "--unreadable skip"),
    ],
)
def test_folders(call, place, tmp_path, make, message):
    make(tmp_path / "pics")
    assert message in refusal(call, place, dataset=tmp_path / "pics")


def two_inputs():
    first, second = keras.Input(SHAPE), keras.Input((2,))
    return keras.Model([first, second], L.Dense(3)(L.Concatenate()([L.Flatten()(first), second])))


def two_outputs():
    inputs = keras.Input(SHAPE)
    flat = L.Flatten()(inputs)
    return keras.Model(inputs, {"kind": L.Dense(3)(flat), "box": L.Dense(4)(flat)})


MODELS = {
    "grey": (lambda: model(shape=(16, 16, 1)), {}, "give --color-mode grayscale"),
    "grey and other sides": (lambda: model(shape=(20, 16, 1)), {}, "give --image-size 20,16 --color-mode grayscale"),
    "four channels": (lambda: model(shape=(16, 16, 4)), {}, "grey have 1 channel"),
    "other sides": (lambda: model(shape=(20, 16, 3)), {}, "give --image-size 20,16"),
    "more classes": (lambda: model(L.Dense(4)), {}, "tells 4 classes apart, pics has 3"),
    "fewer classes": (lambda: model(L.Dense(1, activation="sigmoid")), {}, "tells 2 classes apart, pics has 3"),
    "two inputs": (two_inputs, {}, "2 inputs"),
    "several outputs": (two_outputs, {}, "say which, as in --output "),
    "no such output": (two_outputs, {"output": "kin"}, "did you mean 'kind'"),
    "the number of no output": (two_outputs, {"output": "2"}, "no output 2"),
    "an output of other classes": (two_outputs, {"output": "box"}, "tells 4 classes apart"),
    "one number": (lambda: model(L.Dense(1)), {}, "keras.layers.Activation('sigmoid')"),
    "scaled by itself": (lambda: model(first=[L.Rescaling(1 / 255)]), {}, "use --input-scale 0..255"),
    "a layer that is not there": (model, {"layer": "con", "methods": "grad_cam"}, "did you mean 'conv'"),
    "channels of a scale": (model, {"input_scale": "0.5,0.5,0.2,0.2"}, "3 channels"),
    "weights of a file": (model, {"weights": "mine.weights.h5"}, "--weights goes with keras.applications.NAME"),
}


@pytest.mark.parametrize("case", MODELS)
def test_models(call, place, tmp_path, case):
    make, options, message = MODELS[case]
    make().save(tmp_path / "other.keras")
    assert message in refusal(call, place, tmp_path / "other.keras", **options)


class Halved(L.Layer):
    def call(self, inputs):
        return inputs / 2


def test_classes_of_ones_own(call, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers_of_mine.py").write_text("nothing = 1\n")
    model(first=[Halved()]).save("other.keras")
    for objects, message in (
        (None, "name your own classes by --custom-objects, each as MODULE:NAME"),
        ("layers_of_mine.Halved", "no MODULE:NAME"),
        ("no_such_module_here:Halved", "No module named 'no_such_module_here'"),
        ("layers_of_mine:Halved", "--custom-objects 'layers_of_mine:Halved' cannot be imported"),
    ):
        assert message in refusal(call, place, "other.keras", custom_objects=objects)


def test_files_that_hold_no_model(call, place, tmp_path):
    (tmp_path / "text.h5").write_text("not a model")
    (tmp_path / "text.keras").write_text("not a model")
    (tmp_path / "empty").mkdir()
    module = tf.Module()
    specification = tf.TensorSpec((None, *SHAPE), tf.float32)
    module.run = tf.function(lambda x: {"y": tf.reduce_mean(tf.round(x), (1, 2))}, input_signature=[specification])
    tf.saved_model.save(module, str(tmp_path / "steps"), signatures=module.run)
    for name, message in (
        ("text.h5", "no HDF5 file"),
        ("text.keras", "no Keras model file"),
        ("none.keras", "check the path"),
        ("empty", "holds saved_model.pb"),
        ("steps", "no gradient passes"),
        ("hf://owner", "expected hf://owner/repository/file"),
    ):
        network = name if name.startswith("hf") else tmp_path / name
        assert message in refusal(call, place, network)
    application = "keras.applications.MobileNetV2"
    assert f"{application} needs --weights" in refusal(call, place, application)
    assert "no file of weights none.h5" in refusal(call, place, application, weights="none.h5")
    misspelt = refusal(call, place, f"{application}1", weights=place.folder / "mine.keras")
    assert "did you mean 'MobileNetV2'" in misspelt


def test_options_of_models_of_ones_own_for_a_network_of_the_package(call, place, tmp_path):
    build_network("small", SHAPE, 3).save(tmp_path / "ours.keras")
    for options in ({"input_scale": "0..255"}, {"output": "0"}):
        [name] = options
        message = refusal(call, place, tmp_path / "ours.keras", **options)
        assert f"leave --{name.replace('_', '-')} out for it" in message


@pytest.mark.integration
def test_a_saved_model_has_no_layers_to_look_at(call, place, tmp_path):
    model().export(tmp_path / "exported", verbose=False)
    message = refusal(call, place, tmp_path / "exported", methods="grad_cam")
    assert "use a method that looks at the pixels" in message


@pytest.mark.integration
def test_an_experiment_says_its_own_way_out(call, place, tmp_path):
    keras.Sequential([keras.Input(SHAPE), L.Conv2D(3, 3), L.Flatten(), L.Dense(3)]).save(tmp_path / "flat.keras")
    line = ["1", "--only", "topk", "--dataset", place.pictures, "--image-size", "16", "--input-scale", "0..1"]
    line += ["--networks", tmp_path / "flat.keras", "--num-image", "2", "--out", tmp_path / "out"]
    line += ["--task-options", f"--against {place.folder / 'mine.keras'}"]
    result = call(evaluate.main, line)
    assert result.returncode == 1
    assert "--task-options=--inp-method=grad_cam" in result.stderr
    result = call(evaluate.main, [*line[:-1], f"{line[-1]} --inp-method=grad_cam"])
    assert result.returncode == 0, result.stderr


@pytest.mark.integration
def test_ways_out_hold(call, place, tmp_path):
    """What the refusals say to do, done."""
    model(shape=(16, 16, 1)).save(tmp_path / "grey.keras")
    model().save(tmp_path / "colour.keras")
    one = model(L.Dense(1))
    for name in ("amber", "birch"):
        shutil.copytree(place.pictures / "train" / name, tmp_path / "two" / name)
    keras.Sequential([one, L.Activation("sigmoid")]).save(tmp_path / "sigmoid.keras")
    for number, name in enumerate(("a", "b", "c")):
        (tmp_path / "grey" / name).mkdir(parents=True)
        for place_ in range(4):
            pixels = np.full((16, 16), 40 * number + place_, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "grey" / name / f"{place_}.png")
    ways = (
        ("grey", place.pictures, {"color-mode": "grayscale"}),
        ("sigmoid", tmp_path / "two", {}),
        ("colour", tmp_path / "grey", {"color-mode": "rgb"}),
    )
    for network, dataset, way in ways:
        given = {"task": "saliency", "methods": "gradient", "dataset": dataset, "image-size": "16", "num-image": 2}
        given |= {"network": tmp_path / f"{network}.keras", "input-scale": "0..1", "output-dir": tmp_path / "out"}
        result = call(main, [f"--{name}={value}" for name, value in (given | way).items()])
        assert result.returncode == 0, result.stderr
