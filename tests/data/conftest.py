"""What the tests of the datasets share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.core.errors import InputError

Refuses = Callable[..., None]
Prepare = Callable[..., None]
Example = tuple[np.ndarray, Any]


@pytest.fixture
def refuses() -> Refuses:
    """Check that a call ends in one InputError of one line that contains all the given words."""

    def check(call: Callable[[], object], *words: object) -> None:
        with pytest.raises(InputError) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert str(word) in message

    return check


@pytest.fixture
def prepare() -> Prepare:
    """Store examples (image, label) per split under a data folder the way TensorFlow Datasets prepares them."""
    import tensorflow_datasets as tfds

    def store(home: Path, name: str, version: str, classes: int, parts: dict[str, list[Example]]) -> None:
        image = tfds.features.Image(encoding_format="png")
        label = tfds.features.ClassLabel(num_classes=classes)
        tfds.dataset_builders.store_as_tfds_dataset(
            name,
            version=version,
            features=tfds.features.FeaturesDict({"image": image, "label": label}),
            split_datasets={
                split: [(i, {"image": image, "label": label}) for i, (image, label) in enumerate(examples)]
                for split, examples in parts.items()
            },
            data_dir=home,
        )

    return store


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every download to a port where nothing listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mnist_files(data_dir: Path) -> Path:
    """The folder with the official MNIST files, gzipped."""
    folder = data_dir / "mnist"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
