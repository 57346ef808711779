"""Keras files of others: read as they are, refused in one line, and no code in them is run."""

import json
import tomllib
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from packaging.requirements import Requirement

from interp.core.errors import InputError
from interp.models import build_network
from interp.models.keras_file import read_keras_file

ROOT = Path(__file__).resolve().parents[2]
IMAGES = np.random.RandomState(0).rand(2, 12, 12, 1).astype(np.float32)


def test_a_whole_model(tmp_path):
    model = keras.Sequential([keras.Input((12, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.save(tmp_path / "mine.keras")
    np.testing.assert_array_equal(read_keras_file(tmp_path / "mine.keras")(IMAGES), model(IMAGES))


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5"])
def test_a_network_of_the_package(tmp_path, name):
    network = build_network("small", (12, 12, 1), 3)
    network.save(tmp_path / name)
    np.testing.assert_allclose(read_keras_file(tmp_path / name)(IMAGES), network(IMAGES), atol=1e-6)


def test_weights_alone(tmp_path):
    network = build_network("small", (12, 12, 1), 3)
    network.save_weights(tmp_path / "mine.weights.h5")
    path = tmp_path / "mine.weights.h5"
    loaded = read_keras_file(path, architecture="small", image_shape=(12, 12, 1), classes=3)
    np.testing.assert_array_equal(loaded(IMAGES), network(IMAGES))
    with pytest.raises(InputError, match="weights only"):
        read_keras_file(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_keras_file(path, architecture="pool", image_shape=(12, 12, 1), classes=3)


def test_code_in_a_model_is_refused(tmp_path):
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), keras.layers.Lambda(lambda z: z), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.save(tmp_path / "mine.keras")
    with pytest.raises(InputError, match="cannot be read as a Keras model") as caught:
        read_keras_file(tmp_path / "mine.keras")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"not a model", bytes(5000)])
def test_damaged_files(tmp_path, content):
    path = tmp_path / "mine.keras"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.keras"):
        read_keras_file(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no network file"):
        read_keras_file(tmp_path / "none.keras")


SECRET = b"the secret of another file" * 100


def replace_first_kernel(path, secret, kind):
    """Let the first kernel in a file of weights come from another file, or from elsewhere in it."""
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = next(name for name in names if file[name].ndim > 1)
        shape, dtype = file[name].shape, file[name].dtype
        del file[name]
        if kind == "external storage":
            file.create_dataset(name, shape, dtype, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        elif kind == "an external link":
            file[name] = h5py.ExternalLink(secret.with_suffix(".h5"), "/secret")
        elif kind == "a soft link":
            file["elsewhere"] = np.zeros(shape, dtype)
            file[name] = h5py.SoftLink("/elsewhere")
        elif kind == "a link of a group":
            group = name.rsplit("/", 2)[0]
            del file[group]
            file[group] = h5py.ExternalLink(secret.with_suffix(".h5"), "/")
        else:
            layout = h5py.VirtualLayout(shape, dtype)
            layout[...] = h5py.VirtualSource(secret.with_suffix(".h5"), "secret", shape, dtype)
            file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "kind", ["external storage", "an external link", "a soft link", "a link of a group", "a virtual dataset"]
)
def test_weights_that_lie_in_another_file_are_refused(tmp_path, kind, whole):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(SECRET)
    network = build_network("small", (12, 12, 1), 3)
    with h5py.File(secret.with_suffix(".h5"), "w") as file:
        file["secret"] = np.resize(np.frombuffer(SECRET, np.uint8), network.weights[0].shape).astype(np.float32)
    path = tmp_path / ("mine.keras" if whole else "mine.weights.h5")
    if whole:
        network.save(path)
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        weights = tmp_path / "model.weights.h5"
        weights.write_bytes(parts["model.weights.h5"])
        replace_first_kernel(weights, secret, kind)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**parts, "model.weights.h5": weights.read_bytes()}.items():
                archive.writestr(name, content)
    else:
        network.save_weights(path)
        replace_first_kernel(path, secret, kind)
    with pytest.raises(InputError, match="cannot be read as a Keras model: Not allowed") as caught:
        read_keras_file(path, architecture="small", image_shape=(12, 12, 1), classes=3)
    assert "\n" not in str(caught.value)
    assert "the secret of" not in str(caught.value)


@pytest.mark.parametrize("layer", ["StringLookup", "IntegerLookup", "TextVectorization"])
def test_vocabularies_that_lie_in_another_file_are_refused(tmp_path, layer):
    secret = tmp_path / "secret.txt"
    secret.write_text("1\n2\n3\n")
    model = keras.Sequential([keras.Input((1,), dtype="int32"), keras.layers.Flatten()])
    path = tmp_path / "mine.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    words = [1, 2] if layer == "IntegerLookup" else ["a", "b"]
    setting = {**getattr(keras.layers, layer)(vocabulary=words).get_config(), "vocabulary": str(secret)}
    config["config"]["layers"][1] = {
        "module": "keras.layers",
        "class_name": layer,
        "config": json.loads(json.dumps(setting, default=str)),
        "registered_name": None,
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**parts, "config.json": json.dumps(config).encode()}.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="vocabulary file outside of the model archive") as caught:
        read_keras_file(path)
    assert "\n" not in str(caught.value)


def test_versions_of_keras_that_read_such_files_are_not_admitted():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    [keras_needed] = [Requirement(text) for text in dependencies if Requirement(text).name == "keras"]
    assert "3.15.0" not in keras_needed.specifier
    assert "3.15.1" in keras_needed.specifier
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("keras==")]
    assert [pin.removeprefix("keras==") in keras_needed.specifier for pin in pins] == [True]
