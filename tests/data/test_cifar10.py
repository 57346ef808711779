"""CIFAR-10: binary and Python batches written by hand, damaged ones, and a prepared copy."""

import hashlib
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp import data
from interp.data import cifar10
from interp.data.cifar10_batches import read_binary, read_python

SIZE = 30_730_000


def records(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Planes (10000, 3072) with random bytes in the first five images, and labels (10000,)."""
    random = np.random.RandomState(seed)
    planes = np.zeros((10000, 3072), np.uint8)
    planes[:5] = random.randint(0, 256, (5, 3072))
    return planes, random.randint(0, 10, 10000)


def write_binary(path: Path, seed: int) -> None:
    planes, labels = records(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.concatenate([labels[:, None].astype(np.uint8), planes], 1).tofile(path)


def python2_pickle(planes: np.ndarray, labels: np.ndarray) -> bytes:
    """A batch as Python 2 wrote the official ones: every text and the array's bytes are its 8-bit strings."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
        b"(K\x01(M\x10'M\x00\x0ct"
        b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR(K\x03" + text(b"|") + b"NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + planes.size.to_bytes(4, "little") + planes.tobytes() + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return (
        b"\x80\x02}("
        + (text(b"batch_label") + text(b"testing batch 1 of 1"))
        + (text(b"labels") + numbers)
        + (text(b"data") + array)
        + (text(b"filenames") + b"](" + text(b"domestic_cat_s_000907.png") + b"e")
        + b"u."
    )


@pytest.fixture(scope="module")
def binary_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("binary")
    for number in range(1, 6):
        write_binary(root / "cifar10" / "cifar-10-batches-bin" / f"data_batch_{number}.bin", number)
    write_binary(root / "cifar10" / "cifar-10-batches-bin" / "test_batch.bin", 0)
    yield root
    shutil.rmtree(root)  # 184 MB


@pytest.mark.integration
def test_binary_batches(binary_dir: Path) -> None:
    train, validation, test = (data.load("cifar10", split, data_dir=binary_dir) for split in data.SPLITS)
    assert [len(train), len(validation), len(test)] == [45000, 5000, 10000]
    np.testing.assert_array_equal(np.concatenate([validation.labels, train.labels])[30000:40000], records(4)[1])
    planes, labels = records(0)
    np.testing.assert_array_equal(test.labels, labels)
    assert test.image_shape == (32, 32, 3)
    # Red, green and blue lie 1,024 bytes apart, rows 32.
    pixel = [planes[3, colour * 1024 + 7 * 32 + 30] / 255 for colour in range(3)]
    np.testing.assert_allclose(test.images[3, 7, 30], pixel, rtol=1e-6)
    assert test.images.dtype == np.float32
    assert "not compared with the official release" in test.source
    assert test.class_names[3] == "cat"


@pytest.mark.integration
def test_cifar_is_an_alias(binary_dir: Path) -> None:
    assert data.load("cifar", "test", data_dir=binary_dir).name == "cifar10"


@pytest.mark.integration
def test_the_set_that_went_through_jpeg_is_recognised(binary_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = binary_dir / "cifar10" / "cifar-10-batches-bin" / "test_batch.bin"
    monkeypatch.setitem(cifar10.JPEG_SHA256, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    test = data.load("cifar10", "test", data_dir=binary_dir)
    assert "JPEG re-encoded, not the official pixels or order" in test.source
    assert "JPEG" not in data.load("cifar10", "validation", data_dir=binary_dir).source


def test_a_missing_batch_is_named(tmp_path: Path, refuses: Any) -> None:
    for layout, ending in (("bin", ".bin"), ("py", "")):
        folder = tmp_path / f"cifar-10-batches-{layout}"
        folder.mkdir()
        for number in (1, 2, 4, 5):
            (folder / f"data_batch_{number}{ending}").touch()
        missing = folder / f"data_batch_3{ending}"
        refuses(lambda: data.load("cifar10", "train", data_dir=tmp_path), missing, "missing")
        for path in folder.iterdir():
            path.unlink()


def test_a_binary_batch_of_another_size_is_named(tmp_path: Path, refuses: Any) -> None:
    path = tmp_path / "test_batch.bin"
    for size in (0, SIZE - 1, SIZE + 1):
        with open(path, "wb") as file:
            file.truncate(size)
        refuses(lambda: read_binary(path), path, size, SIZE)


def test_a_binary_batch_with_a_wrong_label_is_named(tmp_path: Path, refuses: Any) -> None:
    path = tmp_path / "test_batch.bin"
    with open(path, "wb") as file:
        file.truncate(SIZE)
        file.seek(3073)
        file.write(b"\x0a")
    refuses(lambda: read_binary(path), path, "[0, 10]")


@pytest.mark.parametrize("kind", ["python 2", "python 3, protocol 3", "python 3, protocol 4"])
def test_python_batches(tmp_path: Path, kind: str) -> None:
    planes, labels = records(0)
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    path.parent.mkdir()
    batch = {"data": planes, "labels": labels.tolist(), "batch_label": "testing batch 1 of 1"}
    content = python2_pickle(planes, labels) if kind == "python 2" else pickle.dumps(batch, protocol=int(kind[-1]))
    path.write_bytes(content)
    test = data.load("cifar10", "test", data_dir=tmp_path)
    np.testing.assert_array_equal(test.labels, labels)
    np.testing.assert_allclose(test.images[3, 7, 30, 1], planes[3, 1024 + 7 * 32 + 30] / 255, rtol=1e-6)
    assert "pixels differ from the official release" in test.source


@pytest.mark.slow
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["as it was", "bytes as keys", "an array", "(n, 1)", "rows of one", "numpy numbers"])
def test_a_repacked_batch_is_read(tmp_path: Path, protocol: int, kind: str) -> None:
    planes, labels = records(0)
    told = {
        "as it was": labels.tolist(),
        "bytes as keys": labels.tolist(),
        "an array": labels.astype(np.uint8),
        "(n, 1)": labels[:, None],
        "rows of one": labels[:, None].tolist(),
        "numpy numbers": list(labels),
    }[kind]
    batch: dict[Any, Any] = {"data": planes, "labels": told, "filenames": ["domestic_cat_s_000907.png"]}
    if kind == "bytes as keys":
        batch = {key.encode(): value for key, value in batch.items()}
    path = tmp_path / "test_batch"
    path.write_bytes(pickle.dumps(batch, protocol))
    images, found = read_python(path)
    np.testing.assert_array_equal(found, labels)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(images, planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def test_official_python_batches_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    path.parent.mkdir()
    path.write_bytes(python2_pickle(*records(0)))
    monkeypatch.setitem(cifar10.OFFICIAL_MD5, path.name, hashlib.md5(path.read_bytes()).hexdigest())
    assert data.load("cifar10", "test", data_dir=tmp_path).source == "official CIFAR-10 python batches"


def test_the_hand_made_pickle_is_one(tmp_path: Path) -> None:
    planes, labels = records(0)
    batch = pickle.loads(python2_pickle(planes, labels), encoding="latin1")
    np.testing.assert_array_equal(batch["data"], planes)
    assert batch["labels"] == labels.tolist()


class Touch:
    """Unpickling this the usual way makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_a_batch_with_code_in_it_is_refused_and_nothing_runs(tmp_path: Path, refuses: Any) -> None:
    path, trace = tmp_path / "test_batch", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"data": Touch(trace), "labels": []}, protocol=2))
    refuses(lambda: read_python(path), path, "refused")
    assert not trace.exists()
    pickle.loads(path.read_bytes())["data"].close()
    assert trace.exists()


PLANES, LABELS = np.zeros((10000, 3072), np.uint8), [0] * 10000


@pytest.mark.parametrize(
    ("batch", "word"),
    [
        ([PLANES[:1]], "no CIFAR-10 batch"),
        ({"data": PLANES[:1]}, "no CIFAR-10 batch"),
        ({"data": PLANES[:9999], "labels": LABELS}, "(9999, 3072)"),
        ({"data": PLANES[:, :4].astype(np.float32), "labels": LABELS}, "float32"),
        ({"data": "text", "labels": LABELS}, "str"),
        ({"data": PLANES, "labels": LABELS[1:]}, "labels"),
        ({"data": PLANES, "labels": [*LABELS[1:], 10]}, "[0, 10]"),
        ({"data": PLANES, "labels": [*LABELS[1:], 0.5]}, "labels"),
        ({"data": PLANES, "labels": [*LABELS[1:], "a"]}, "labels"),
        ({"data": PLANES, "labels": [*LABELS[1:], [1, 2]]}, "labels"),
        ({"data": PLANES, "labels": None}, "labels"),
        ({"data": PLANES, "labels": np.eye(10, dtype=np.int64)[LABELS]}, "labels"),
        ({"data": PLANES, "labels": np.zeros((100, 100), np.int64)}, "labels"),
        ({"data": PLANES, "labels": np.array(0)}, "labels"),
        ({"data": PLANES, "labels": [*LABELS[1:], True]}, "labels"),
        ({"data": PLANES, "labels": [*LABELS[1:], np.zeros(2, np.int64)]}, "labels"),
        ({"data": PLANES, "labels": [*LABELS[1:], 2**64 - 1]}, "labels"),
        ({"data": PLANES, "labels": [[PLANES]] * 10000}, "labels"),
        ({"data": PLANES, "labels": LABELS, b"labels": LABELS}, "no CIFAR-10 batch"),
    ],
)
def test_a_pickle_that_is_no_batch_is_named(tmp_path: Path, refuses: Any, batch: Any, word: str) -> None:
    path = tmp_path / "test_batch"
    path.write_bytes(pickle.dumps(batch))
    refuses(lambda: read_python(path), path, word)


def test_a_truncated_python_batch_is_named(tmp_path: Path, refuses: Any) -> None:
    path = tmp_path / "test_batch"
    path.write_bytes(python2_pickle(*records(0))[:-1000])
    refuses(lambda: read_python(path), path)


def test_a_prepared_copy(tmp_path: Path, prepare: Any, refuses: Any) -> None:
    random = np.random.RandomState(0)
    images, labels = random.randint(0, 256, (7, 32, 32, 3)).astype(np.uint8), random.randint(0, 10, 7)
    examples = list(zip(images, labels))
    prepare(tmp_path / "tfds", "cifar10", "3.0.2", 10, {"test": examples, "train": examples})
    test = data.load("cifar10", "test", data_dir=tmp_path)
    assert test.source.startswith("TensorFlow Datasets cifar10 3.0.2")
    pixels = np.rint(test.images * 255).astype(np.uint8)
    found = sorted((image.tobytes(), label) for image, label in zip(pixels, test.labels))
    assert found == sorted((image.tobytes(), label) for image, label in examples)
    folder = tmp_path / "tfds" / "cifar10" / "3.0.2"
    refuses(lambda: data.load("cifar10", "train", data_dir=tmp_path), folder, "holds 7")
