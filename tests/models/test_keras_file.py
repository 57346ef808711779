"""Keras files of others: read as they are, refused in one line, and no code in them is run."""

import keras
import numpy as np
import pytest

from interp.core.errors import InputError
from interp.models import build_network
from interp.models.keras_file import read_keras_file

IMAGES = np.random.RandomState(0).rand(2, 12, 12, 1).astype(np.float32)


def test_a_whole_model(tmp_path):
    model = keras.Sequential([keras.Input((12, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.save(tmp_path / "mine.keras")
    np.testing.assert_array_equal(read_keras_file(tmp_path / "mine.keras")(IMAGES), model(IMAGES))


def test_a_network_of_the_package(tmp_path):
    network = build_network("small", (12, 12, 1), 3)
    network.save(tmp_path / "mine.keras")
    np.testing.assert_allclose(read_keras_file(tmp_path / "mine.keras")(IMAGES), network(IMAGES), atol=1e-6)


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
