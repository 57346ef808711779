"""A model of a user is judged before long work, by no more images than fit into memory."""

import keras
import numpy as np

from interp.core.model_options import ModelOptions
from interp.core.network_files import NetworkFile
from interp.data import Dataset, pixels
from interp.evaluation.opened_network import EVIDENCE, open_network


def test_the_scale_is_found_without_loading_all_images_of_a_long_evaluation(tmp_path, monkeypatch):
    bytes_ = np.random.RandomState(0).randint(0, 256, (2000, 4, 4, 1)).astype(np.uint8)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    # Bright where the mean of 16 bytes is above the middle: trained on 0..255.
    model.set_weights([np.array([[0.0, 1.0]] * 16), np.array([16 * 127.5, 0.0])])
    model.save(tmp_path / "mine.keras")
    sample = Dataset(
        images=pixels.ScaledPixels(bytes_),
        labels=(bytes_.mean((1, 2, 3)) > 127.5).astype(np.int64),
        class_names=("dark", "bright"),
        source="made here",
        split="test",
        name="mine",
    )
    loaded, scale = [], pixels.scale
    monkeypatch.setattr(pixels, "scale", lambda part: (loaded.append(len(part)), scale(part))[1])
    opened = open_network(NetworkFile(tmp_path / "mine.keras", "mine"), sample, ModelOptions())
    assert opened.record["network"]["input scale"] == "0..255"
    assert f"clean accuracy on {EVIDENCE[-1]} images" in opened.record["network"]["reason"]
    assert opened.record["clean_accuracy"]["images"] == 2000
    assert max(loaded) == EVIDENCE[-1]
