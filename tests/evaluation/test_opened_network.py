"""A model of a user is judged before long work, by no more images than fit into memory."""

from typing import Any

import keras
import numpy as np

from interp.core.model_options import ModelOptions
from interp.core.network_files import NetworkFile
from interp.data import Dataset, pixels
from interp.evaluation.opened_network import EVIDENCE, open_network


class Noise(keras.layers.Layer):
    """Random in inference too."""

    def call(self, inputs: Any) -> Any:
        return inputs + 0.1 * keras.random.normal(keras.ops.shape(inputs))


def images_of(bytes_: np.ndarray) -> Dataset:
    return Dataset(
        images=pixels.ScaledPixels(bytes_),
        labels=(bytes_.mean((1, 2, 3)) > 127.5).astype(np.int64),
        class_names=("dark", "bright"),
        source="made here",
        split="test",
        name="mine",
    )


def test_the_scale_is_found_without_loading_all_images_of_a_long_evaluation(tmp_path, monkeypatch):
    bytes_ = np.random.RandomState(0).randint(0, 256, (2000, 4, 4, 1)).astype(np.uint8)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    # Bright where the mean of 16 bytes is above the middle: trained on 0..255.
    model.set_weights([np.array([[0.0, 1.0]] * 16), np.array([16 * 127.5, 0.0])])
    model.save(tmp_path / "mine.keras")
    loaded, scale = [], pixels.scale
    monkeypatch.setattr(pixels, "scale", lambda part: (loaded.append(len(part)), scale(part))[1])
    opened = open_network(NetworkFile(tmp_path / "mine.keras", "mine"), images_of(bytes_), ModelOptions())
    assert opened.record["network"]["input scale"] == "0..255"
    assert f"clean accuracy on {EVIDENCE[-1]} images" in opened.record["network"]["reason"]
    assert opened.record["clean_accuracy"]["images"] == 2000
    assert max(loaded) == EVIDENCE[-1]
    assert opened.flags == []


def test_a_network_that_draws_is_flagged_whatever_the_task(tmp_path):
    bytes_ = np.random.RandomState(0).randint(0, 256, (200, 4, 4, 1)).astype(np.uint8)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2), Noise()])
    model.set_weights([np.array([[0.0, 1.0]] * 16), np.array([16 * 0.5, 0.0])])
    model.save(tmp_path / "mine.keras")
    options = ModelOptions(input_scale="0..1", custom_objects=[f"{__name__}:Noise"])
    opened = open_network(NetworkFile(tmp_path / "mine.keras", "mine"), images_of(bytes_), options)
    (flag,) = opened.flags
    assert flag["kind"] == "random output"
    assert opened.said[-1] == f"flagged: {flag['text']}"
