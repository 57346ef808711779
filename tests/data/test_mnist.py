"""MNIST from the official files and as TensorFlow Datasets prepares it; damaged files."""

import gzip
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp import data
from interp.data.idx import IdxFile, read_idx
from interp.data.mnist import OFFICIAL

TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.mark.integration
def test_official_files(data_dir: Path, mnist_files: Path) -> None:
    train, validation, test = (data.load("mnist", split, data_dir=data_dir) for split in data.SPLITS)
    assert [len(train), len(validation), len(test)] == [55000, 5000, 10000]
    assert validation.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert test.source == "official MNIST files (idx.gz)"
    for part in (train, validation, test):
        assert part.image_shape == (28, 28, 1)
        assert part.images.dtype == np.float32
        assert (part.images.min(), part.images.max()) == (0, 1)
    # The well-known mean of the training pixels.
    assert np.mean(train.images) * 55 / 60 + np.mean(validation.images) * 5 / 60 == pytest.approx(0.1307, abs=1e-4)


def test_prepared_and_official_hold_the_same_images(data_dir: Path, mnist_files: Path) -> None:
    if not (data_dir / "tfds" / "mnist").is_dir():
        pytest.skip("INTERP_DATA_DIR has no tfds/mnist")
    official = data.load("mnist", "test", data_dir=mnist_files)
    prepared = data.load("mnist", "test", data_dir=data_dir / "tfds")
    assert prepared.images.shape == (10000, 28, 28, 1)
    assert prepared.images.dtype == np.float32
    assert "TensorFlow Datasets mnist 3.0.1" in prepared.source

    def pairs(part: data.Dataset) -> list[tuple[bytes, int]]:
        return sorted((image.tobytes(), int(label)) for image, label in zip(part.images, part.labels))

    assert pairs(prepared) == pairs(official)
    assert prepared.labels.tolist() != official.labels.tolist()
    assert len(data.load("mnist", "validation", data_dir=data_dir / "tfds")) == 5000


@pytest.mark.parametrize(
    ("folder", "images", "labels"),
    [
        (".", TEST_IMAGES, TEST_LABELS),
        ("MNIST/raw", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("mnist", TEST_IMAGES, f"{TEST_LABELS}.gz"),
    ],
)
def test_places_and_names(tmp_path: Path, mnist_files: Path, folder: str, images: str, labels: str) -> None:
    target = tmp_path / folder
    target.mkdir(parents=True, exist_ok=True)
    for name, official in ((images, TEST_IMAGES), (labels, TEST_LABELS)):
        packed = (mnist_files / f"{official}.gz").read_bytes()
        (target / name).write_bytes(packed if name.endswith(".gz") else gzip.decompress(packed))
    test = data.load("mnist", "test", data_dir=tmp_path)
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert test.source == "official MNIST files (idx)"


def test_a_missing_file_is_named(tmp_path: Path, mnist_files: Path, refuses: Any) -> None:
    shutil.copy(mnist_files / f"{TEST_LABELS}.gz", tmp_path)
    refuses(lambda: data.load("mnist", "test", data_dir=tmp_path), tmp_path / f"{TEST_IMAGES}.gz", "missing")


def idx(shape: tuple[int, ...], fill: int = 0, kind: int = 0x08) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", kind << 8 | len(shape), *shape) + bytes([fill]) * int(np.prod(shape))


DAMAGED = {
    "the checksum": idx((10000,)),
    "the kind of values": idx((10000,), kind=0x0D),
    "the dimensions": idx((10000, 1)),
    "the count": idx((5000, 1))[:4] + idx((9999,)),
    "the shape": struct.pack(">2I", 0x0801, 9999) + bytes(10000),
    "the end": idx((10000,))[:-1],
    "nothing": b"",
    "too much": idx((10000,)) + b"0",
    "a broken gzip": gzip.compress(idx((10000,)))[:-9],
    "a wrong gzip checksum": gzip.compress(idx((10000,)))[:-8] + bytes(8),
    "a broken gzip middle": gzip.compress(idx((10000,)))[:12] + b"\xff" * 40,
    "a gzip with more inside": gzip.compress(idx((10000,)) + bytes(10**6)),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_named(tmp_path: Path, refuses: Any, content: bytes) -> None:
    path = tmp_path / f"{TEST_LABELS}.gz"
    path.write_bytes(content)
    refuses(lambda: read_idx(path, OFFICIAL[TEST_LABELS]), path, "get the official file again")


def test_one_changed_byte_stops_the_loader(tmp_path: Path, mnist_files: Path, refuses: Any) -> None:
    shutil.copy(mnist_files / f"{TEST_LABELS}.gz", tmp_path)
    content = bytearray(gzip.decompress((mnist_files / f"{TEST_IMAGES}.gz").read_bytes()))
    content[5_000_000] ^= 1
    (tmp_path / TEST_IMAGES).write_bytes(content)
    refuses(lambda: data.load("mnist", "test", data_dir=tmp_path), tmp_path / TEST_IMAGES, "checksum")


def test_an_idx_file_by_hand(tmp_path: Path) -> None:
    import hashlib

    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    (tmp_path / "toy").write_bytes(content)
    toy = IdxFile(shape=(2, 3), sha256=hashlib.sha256(content).hexdigest())
    assert read_idx(tmp_path / "toy", toy).tolist() == [[1, 2, 3], [4, 5, 6]]
