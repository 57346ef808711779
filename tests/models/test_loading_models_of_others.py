"""Models as users have them: files of Keras's older format, SavedModels, classes of their own, architectures by name."""

import sys

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import interp
from interp.attacks import ProjectedGradientDescent
from interp.attributions import IntegratedGradients
from interp.core.errors import InputError
from interp.core.hub_files import download
from interp.core.network_files import locate_network, network_stem
from interp.models import adapt, build_network
from interp.models.named_objects import resolve_objects

L = keras.layers
IMAGES, LABELS = np.random.RandomState(0).rand(3, 8, 8, 3).astype(np.float32), np.array([0, 1, 2])


def plain(*layers):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *layers,
            L.Conv2D(4, 3, activation="relu"),
            L.BatchNormalization(),
            L.GlobalAveragePooling2D(),
            L.Dense(3),
        ]
    )


class Doubled(L.Layer):
    def call(self, inputs):
        return 2 * inputs


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_the_older_format(tmp_path, suffix):
    model, path = plain(), tmp_path / f"mine{suffix}"
    model.save(path)
    np.testing.assert_allclose(interp.load_model(path)(IMAGES), model(IMAGES), atol=1e-6)
    assert locate_network(str(path)) == path
    assert network_stem(path.name) == "mine"


def test_code_in_the_older_format_is_refused(tmp_path):
    plain(L.Lambda(lambda pixels: 2 * pixels)).save(tmp_path / "mine.h5")
    with pytest.raises(InputError, match=r"cannot be read as a Keras model: .*Lambda") as caught:
        interp.load_model(tmp_path / "mine.h5")
    assert "\n" not in str(caught.value)


def test_files_of_the_older_format_that_hold_no_model(tmp_path):
    (tmp_path / "text.h5").write_text("not a model")
    with pytest.raises(InputError, match="no HDF5 file"):
        interp.load_model(tmp_path / "text.h5")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["kernel"] = np.zeros(3)
    with pytest.raises(InputError, match="holds weights only"):
        interp.load_model(tmp_path / "weights.h5")
    with pytest.raises(InputError, match="no network file"):
        interp.load_model(tmp_path / "none.h5")


@pytest.mark.parametrize("kind", ["external storage", "an external link"])
def test_weights_of_the_older_format_that_lie_in_another_file_are_refused(tmp_path, kind):
    secret, path = tmp_path / "secret.txt", tmp_path / "mine.h5"
    secret.write_bytes(b"the secret of another file" * 100)
    plain().save(path)
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = next(name for name in names if file[name].ndim > 1)
        shape, dtype = file[name].shape, file[name].dtype
        del file[name]
        if kind == "external storage":
            file.create_dataset(name, shape, dtype, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        else:
            with h5py.File(tmp_path / "secret.h5", "w") as other:
                other["secret"] = np.ones(shape, dtype)
            file[name] = h5py.ExternalLink(tmp_path / "secret.h5", "/secret")
    with pytest.raises(InputError, match="cannot be read as a Keras model: Not allowed"):
        interp.load_model(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_classes_of_the_users(tmp_path, suffix, monkeypatch):
    model, path = plain(Doubled()), tmp_path / f"mine{suffix}"
    model.save(path)
    module = type(sys)("module_of_the_user")
    module.Doubled = Doubled
    monkeypatch.setitem(sys.modules, "module_of_the_user", module)
    for given in (Doubled, "module_of_the_user:Doubled"):
        loaded = interp.load_model(path, custom_objects={"Doubled": given})
        np.testing.assert_allclose(loaded(IMAGES), model(IMAGES), atol=1e-6)


def test_classes_that_nobody_names_are_not_imported(tmp_path):
    (tmp_path / "trap.py").write_text("raise SystemError('was imported')")
    plain(Doubled()).save(tmp_path / "mine.h5")
    with pytest.raises(InputError, match=r"cannot be read as a Keras model: .*Doubled"):
        interp.load_model(tmp_path / "mine.h5")


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({"A": "module.A"}, "expected 'module:name'"),
        ({"A": "no_such_module:A"}, "cannot be imported: No module named"),
        ({"A": "keras:NoSuchClass"}, "cannot be imported: .*NoSuchClass"),
        (["keras:Model"], "custom_objects came as list"),
    ],
)
def test_objects_that_cannot_be_had(objects, message):
    with pytest.raises(InputError, match=message):
        resolve_objects(objects)


def save_with_keras(model, path):
    model.export(path, verbose=False)


def save_with_tensorflow(model, path):
    tf.saved_model.save(model, str(path))


@pytest.mark.integration
@pytest.mark.parametrize("save", [save_with_keras, save_with_tensorflow])
def test_saved_models_have_the_same_gradients(tmp_path, save):
    model = plain()
    save(model, tmp_path / "saved")
    loaded = interp.load_model(tmp_path / "saved")
    assert loaded.input_shape == (None, 8, 8, 3)
    np.testing.assert_allclose(loaded(IMAGES), model(IMAGES), atol=1e-6)
    adapted = adapt(loaded, scale="tf")
    by_hand = adapt(model, scale="tf")
    attack = ProjectedGradientDescent(epsilon=0.1, step_size=0.05, steps=3)
    np.testing.assert_allclose(attack(adapted, IMAGES, LABELS), attack(by_hand, IMAGES, LABELS), atol=1e-5)
    maps = [IntegratedGradients(each, steps=4)(IMAGES, LABELS) for each in (adapted, by_hand)]
    np.testing.assert_allclose(*maps, atol=1e-5)


def saved_function(path, function, *specifications):
    module = tf.Module()
    module.run = tf.function(function, input_signature=specifications)
    tf.saved_model.save(module, str(path), signatures=module.run)


SPECIFICATION = tf.TensorSpec((None, 8, 8, 3), tf.float32)
SAVED = {
    "no gradient": (lambda x: {"y": tf.reduce_mean(tf.round(x), (1, 2))}, [SPECIFICATION], "no gradient passes"),
    "whole numbers": (
        lambda x: {"y": tf.cast(tf.reduce_mean(x, (1, 2)), tf.int32)},
        [SPECIFICATION],
        "no gradient passes",
    ),
    "two inputs": (lambda x, y: {"z": x + y}, [SPECIFICATION] * 2, "expected float32 images"),
    "rows": (lambda x: {"y": x}, [tf.TensorSpec((None, 8), tf.float32)], "expected float32 images"),
    "bytes": (
        lambda x: {"y": tf.cast(x, tf.float32)},
        [tf.TensorSpec((None, 8, 8, 3), tf.uint8)],
        "expected float32 images",
    ),
}


@pytest.mark.parametrize("case", SAVED)
def test_saved_models_that_are_refused(tmp_path, case):
    function, specifications, message = SAVED[case]
    saved_function(tmp_path / "saved", function, *specifications)
    with pytest.raises(InputError, match=message) as caught:
        interp.load_model(tmp_path / "saved")
    assert "\n" not in str(caught.value)


def test_a_softmax_inside_of_a_saved_model_is_refused(tmp_path):
    keras.Sequential([plain(), L.Softmax()]).export(tmp_path / "saved", verbose=False)
    with pytest.raises(InputError, match="inside a compiled function"):
        adapt(interp.load_model(tmp_path / "saved"), scale="0..1")


def test_damaged_saved_models_and_directories(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as a SavedModel"):
        interp.load_model(tmp_path / "saved")
    assert locate_network(str(tmp_path / "saved")) == tmp_path / "saved"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected the file of a network, or a SavedModel directory"):
        locate_network(str(tmp_path / "empty"))


NAME = "keras.applications.MobileNet"


@pytest.mark.slow
def test_an_architecture_of_keras_applications(tmp_path):
    model = keras.applications.MobileNet((32, 32, 3), weights=None, classes=5)
    for file in ("mine.weights.h5", "mine.keras"):
        model.save_weights(tmp_path / file) if "weights" in file else model.save(tmp_path / file)
        loaded = interp.load_model(NAME, weights=tmp_path / file, image_shape=(32, 32, 3), classes=5)
        images = np.random.RandomState(0).rand(2, 32, 32, 3).astype(np.float32)
        np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)
    with pytest.raises(InputError, match="does not hold the weights of") as caught:
        interp.load_model(NAME, weights=tmp_path / "mine.weights.h5", image_shape=(32, 32, 3), classes=6)
    assert "\n" not in str(caught.value)


@pytest.mark.integration
def test_weights_for_a_layer_that_is_not_built_are_refused(tmp_path):
    """Keras adds a layer of scaling without weights to an EfficientNetB0 for weights="imagenet" alone: images came out half as wide."""
    name, shape = "keras.applications.EfficientNetB0", (32, 32, 3)
    model = keras.applications.EfficientNetB0(weights=None, input_shape=shape, classes=2)
    given = {"weights": tmp_path / "mine.weights.h5", "image_shape": shape, "classes": 2}
    model.save_weights(given["weights"])
    interp.load_model(name, **given)
    # What Keras's weights of ImageNet hold in it.
    (first,) = (layer for layer in model.layers if isinstance(layer, L.Normalization))
    first.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
    model.save_weights(given["weights"])
    with pytest.raises(InputError, match=r"weights='imagenet'.*model\.save\('name\.keras'\)") as caught:
        interp.load_model(name, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (NAME, {}, "needs weights"),
        (NAME, {"weights": "none.weights.h5"}, "no file of weights"),
        (f"{NAME}2", {"weights": "none.weights.h5"}, "did you mean 'MobileNet"),
        ("mine.keras", {"weights": "none.weights.h5"}, "leave them out"),
    ],
)
def test_architectures_that_are_refused(name, arguments, message):
    with pytest.raises(InputError, match=message):
        interp.load_model(name, **arguments)


def test_the_hub(monkeypatch):
    monkeypatch.setattr("interp.core.hub_files.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install huggingface_hub"):
        interp.load_model("hf://owner/repository/model.keras")
    with pytest.raises(InputError, match="names no file"):
        download("hf://owner/repository")


def test_a_file_of_the_hub_is_read_as_any_other(monkeypatch, tmp_path):
    network = build_network("small", (8, 8, 3), 3)
    path = interp.save_model(network, tmp_path / "model.safetensors")
    asked = []
    module = type(sys)("huggingface_hub")
    module.hf_hub_download = lambda **arguments: asked.append(arguments) or str(path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setattr("interp.core.hub_files.find_spec", lambda name: object())
    loaded = interp.load_model("hf://owner/repository/folder/model.safetensors")
    np.testing.assert_array_equal(loaded(IMAGES), network(IMAGES))
    assert asked == [{"repo_id": "owner/repository", "filename": "folder/model.safetensors"}]
