"""Arrays of users: in memory, in .npz and .npy files, from a tf.data.Dataset, and as TensorFlow Datasets prepared them."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp import data
from interp.core.errors import InputError
from interp.data import ScaledPixels
from interp.data.tf_datasets import _batches
from tests.archives import with_flags

BYTES = np.random.RandomState(0).randint(0, 256, (12, 4, 5, 3)).astype(np.uint8)
LABELS = np.arange(12) % 3
IN_UNIT = BYTES.astype(np.float32) / np.float32(255)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "images",
    [
        BYTES,
        BYTES.astype(np.int32),
        BYTES.astype(np.float32),
        BYTES.astype(np.float64),
        IN_UNIT,
        IN_UNIT.astype(np.float64),
    ],
    ids=["uint8", "int32", "float32 to 255", "float64 to 255", "float32", "float64"],
)
def test_images_of_every_usual_kind(images: np.ndarray) -> None:
    found = data.from_arrays(images, LABELS)
    assert (found.class_names, found.split, found.image_shape) == (("0", "1", "2"), "test", (4, 5, 3))
    np.testing.assert_allclose(found.images[:], IN_UNIT, atol=1e-7)
    assert isinstance(found.images, ScaledPixels) == np.issubdtype(images.dtype, np.integer)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.astype(np.int32),
        LABELS.astype(np.uint8)[:, None],
        list(LABELS),
        LABELS.astype(np.float32),
        np.eye(3)[LABELS],
    ],
    ids=["int32", "a column", "a list", "floats", "one-hot"],
)
def test_labels_of_every_usual_kind(labels: Any) -> None:
    found = data.from_arrays(BYTES, labels, class_names=["a", "b", "c"], split="train", name="mine").labels
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, LABELS)


@pytest.mark.parametrize("white", [1, 255])
def test_what_resizing_rounds_is_clipped(refuses: Any, white: int) -> None:
    images = np.full((2, 2, 2, 1), 0.5 * white, np.float32)
    images[0, 0, 0], images[0, 0, 1] = white * 1.000005, -0.000005 * white
    found = data.from_arrays(images, [0, 1]).images[:]
    np.testing.assert_allclose(found.ravel()[:3], [1, 0, 0.5])
    refuses(lambda: data.from_arrays(np.abs(images) * np.float32(1.05), [0, 1]), f"np.clip(images, 0, {white})")


def test_names_of_classes_may_be_bytes(tmp_path: Path) -> None:
    images, labels, names = np.full((2, 2, 2, 1), 99, np.uint8), [0, 1], np.array(["ä".encode(), b"dog"])
    assert data.from_arrays(images, labels, class_names=list(names)).class_names == ("ä", "dog")
    np.savez(tmp_path / "set.npz", x_test=images, y_test=labels, class_names=names)
    assert data.load(tmp_path / "set.npz", "test").class_names == ("ä", "dog")


def test_grey_images_without_channels() -> None:
    assert data.from_arrays(BYTES[..., 0], LABELS).image_shape == (4, 5, 1)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((12, 4, 0, 3), np.uint8), ("(12, 4, 0, 3)",)),
        (BYTES[0, 0], ("(5, 3)", "(n, height, width, channels)")),
        (np.moveaxis(np.zeros((12, 8, 8, 3), np.uint8), -1, 1), ("channels first", "np.moveaxis(images, 1, -1)")),
        (np.zeros((12, 4, 4, 4), np.uint8), ("4 channels", "drop it")),
        (BYTES // 255, ("uint8 in [0, 1]", "astype('float32')")),
        (BYTES.astype(np.int32) * 256, ("int32", ">> 8")),
        (BYTES.astype(np.uint16) * 16, ("uint16", ">> 4")),
        (BYTES.astype(np.float32) * 16, ("divide them by 4095",)),
        (BYTES.astype(np.int32) + 9, ("np.clip(images, 0, 255)",)),
        (BYTES.astype(np.int32) - 9, ("undo",)),
        (IN_UNIT * 2 - 1, ("x / 2 + 0.5",)),
        (IN_UNIT * 1.2, ("clip",)),
        (BYTES // 16, ("uint8 in [0, 15]", "divide them by what stands for white")),
        (BYTES.astype(np.int64) // 128, ("int64 in [0, 1]", "astype('float32')")),
        (BYTES.astype(np.int64) // 100, ("int64 in [0, 2]", "divide them by what stands for white")),
        (np.round(IN_UNIT * 16), ("[0, 16]", "images / 16 of scikit-learn's digits")),
        (IN_UNIT * 65535, ("divide them by 65535",)),
        (np.where(IN_UNIT > 0.5, np.nan, IN_UNIT), ("NaN",)),
        (BYTES.astype(complex), ("complex128",)),
        (BYTES.astype(object), ("Python objects",)),
        ([BYTES[0], BYTES[0, :2]], ("stack",)),
        (BYTES[:0], ("at least one",)),
    ],
)
def test_images_that_are_refused(refuses: Any, images: Any, words: tuple[str, ...]) -> None:
    refuses(lambda: data.from_arrays(images, LABELS[: len(images)]), *words)


@pytest.mark.parametrize(
    ("labels", "names", "word"),
    [
        (LABELS[:5], None, "for 12 images"),
        (LABELS + 1, None, "no image of arrays has the label 0"),
        (LABELS * 2, None, "no image of arrays has the label 1"),
        (LABELS - 1, None, "[-1, 1]"),
        (LABELS, ["a", "b"], "[0, 2], expected 0 to 1"),
        (LABELS * 0, None, "one class"),
        (LABELS.astype(np.int64) * 10**13, None, "has the label 1 of 0 to 20000000000000"),
        (LABELS, 3, "class_names came as int"),
        (LABELS, "abc", "class_names came as str"),
        (LABELS + 0.5, None, "not whole numbers"),
        (LABELS.astype(str), None, "expected whole numbers"),
        (np.ones((12, 3)), None, "one 1 among 0"),
    ],
)
def test_labels_that_are_refused(refuses: Any, labels: Any, names: Any, word: str) -> None:
    refuses(lambda: data.from_arrays(BYTES, labels, class_names=names), word)


def many(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Images whose first pixel tells which one it is."""
    images = np.random.RandomState(1).randint(0, 256, (count, 4, 4, 1)).astype(np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return images, np.arange(count, dtype=np.int32) % 3


def test_an_npz_as_keras_writes_it(tmp_path: Path) -> None:
    (images, labels), path = many(), tmp_path / "my mnist.npz"
    np.savez(path, x_train=images[:50, ..., 0], y_train=labels[:50], x_test=images[50:, ..., 0], y_test=labels[50:])
    spec = data.find_dataset(path)
    assert (spec.name, spec.shape, spec.classes, spec.training_images) == ("my-mnist", (4, 4, 1), 3, 44)
    assert spec.epsilons == data.find_dataset("digits").epsilons
    train, validation, test = (data.load(path, split) for split in data.SPLITS)
    np.testing.assert_array_equal(test.images[:], images[50:] / np.float32(255))
    seen = np.concatenate([part.images[:][:, 0, 0, 0] for part in (train, validation)])
    assert sorted(np.round(seen * 255)) == list(range(50))
    # A tenth of 17, 17 and 16.
    assert np.bincount(validation.labels).tolist() == [2, 2, 2]
    for part in (train, validation):
        np.testing.assert_array_equal(np.round(part.images[:][:, 0, 0, 0] * 255) % 3, part.labels)


def test_an_npz_as_medmnist_writes_it(tmp_path: Path) -> None:
    images, labels = many()
    parts = {"train": slice(0, 30), "val": slice(30, 45), "test": slice(45, 60)}
    arrays = {f"{name}_images": images[rows] for name, rows in parts.items()}
    np.savez_compressed(tmp_path / "m.npz", **arrays, **{f"{n}_labels": labels[r][:, None] for n, r in parts.items()})
    assert [len(data.load(str(tmp_path / "m.npz"), split)) for split in data.SPLITS] == [30, 15, 15]


def test_npy_files_in_a_directory(tmp_path: Path) -> None:
    images, labels = many()
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "class_names.npy", np.array(["ant", "bee", "fly"]))
    parts = {split: data.load(tmp_path, split, seed=3) for split in data.SPLITS}
    assert [len(part) for part in parts.values()] == [48, 6, 6]
    assert parts["test"].class_names == ("ant", "bee", "fly")
    seen = np.concatenate([np.round(part.images[:][:, 0, 0, 0] * 255) for part in parts.values()])
    assert sorted(seen) == list(range(60))
    test = parts["test"]
    np.testing.assert_array_equal(test.take([2, 0]).images, test.images[:][[2, 0]])
    np.testing.assert_array_equal(test.take(2).images[:], test.images[:2])
    np.testing.assert_array_equal(np.asarray(test.images), test.images[:])
    assert test.images[1].shape == (4, 4, 1)


def test_floats_of_all_splits_have_one_range(tmp_path: Path) -> None:
    """A dark test split of 0 to 255 is not taken for one of [0, 1]."""
    images, labels = many()
    dark = np.minimum(images, 1).astype(np.float32)
    for split, part in (("train", images.astype(np.float32)), ("test", dark)):
        np.save(tmp_path / f"x_{split}.npy", part)
        np.save(tmp_path / f"y_{split}.npy", labels)
    assert data.load(tmp_path, "test").images[:].max() == np.float32(1) / np.float32(255)


@pytest.mark.parametrize("keys", [("x_test", "y_test"), ("images", "labels")])
def test_what_was_loaded_does_not_change_what_is_loaded_again(tmp_path: Path, keys: tuple[str, str]) -> None:
    """As in a notebook that shuffles labels, or adds noise to images."""
    images, labels = many()
    np.savez(tmp_path / "a.npz", **dict(zip(keys, (images / np.float32(255), labels.astype(np.int64)), strict=True)))
    first = data.load(tmp_path / "a.npz", "test")
    kept = np.array(first.images), np.array(first.labels)
    for array in (first.images, first.labels):
        with contextlib.suppress(ValueError):
            array[:] = 1
    again = data.load(tmp_path / "a.npz", "test")
    np.testing.assert_array_equal(again.images, kept[0])
    np.testing.assert_array_equal(again.labels, kept[1])


def test_files_of_arrays_that_are_refused(tmp_path: Path, refuses: Any) -> None:
    path, (images, labels) = tmp_path / "a.npz", many()

    def refused(*words: object, **arrays: Any) -> None:
        np.savez(path, **arrays)
        refuses(lambda: data.find_dataset(path), path, *words)

    refused("holds a, b", "expected x_train", a=images, b=labels)
    refused("holds x_train and no y_train", x_train=images)
    refused("Python objects", "not opened", images=np.array([images, None], dtype=object), labels=labels)
    refused("class_names of shape ()", images=images, labels=labels, class_names=np.array("cat"))
    refused("together and in splits", images=images, labels=labels, x_test=images, y_test=labels)
    path.write_bytes(b"no archive")
    refuses(lambda: data.find_dataset(path), path, "cannot be read")
    np.savez(path, images=images, labels=labels)
    path.write_bytes(path.read_bytes()[:-300])
    refuses(lambda: data.find_dataset(path), path, "cannot be read")
    np.savez(path, images=images, labels=labels)
    sound = path.read_bytes()
    for damage in ({"encrypted": True}, {"compression": 99}):
        path.write_bytes(with_flags(sound, **damage))
        refuses(lambda: data.find_dataset(path), path, "cannot be read")
    np.savez(path, x_test=images, y_test=labels)
    refuses(lambda: data.load(path, "train"), path, "no images of train beside test")
    refuses(lambda: data.find_dataset(path, image_size=8), "leave it out")
    other, mend = ("grayscale", "rgb_to_grayscale") if images.shape[-1] == 3 else ("rgb", "numpy.repeat(images, 3, -1)")
    refuses(lambda: data.find_dataset(path, color_mode=other), "--color-mode is for files", mend)
    np.save(tmp_path / "images.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    np.save(tmp_path / "labels.npy", labels)
    refuses(lambda: data.find_dataset(tmp_path), tmp_path / "images.npy", "Python objects")
    (tmp_path / "images.npy").write_bytes(path.read_bytes())
    refuses(lambda: data.find_dataset(tmp_path), tmp_path / "images.npy", "is an archive of arrays")
    (tmp_path / "images.npy").write_bytes(path.read_bytes()[:-300])
    refuses(lambda: data.find_dataset(tmp_path), tmp_path / "images.npy", "cannot be read")


@pytest.mark.parametrize("is_batched", [True, False])
@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.parametrize("images", [BYTES, IN_UNIT, BYTES.astype(np.float32)], ids=["uint8", "unit", "to 255"])
def test_tf_datasets(is_batched: bool, one_hot: bool, images: np.ndarray) -> None:
    import tensorflow as tf

    labels = np.eye(3, dtype=np.float32)[LABELS] if one_hot else LABELS.astype(np.int32)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    found = data.from_tf_dataset(dataset.batch(5) if is_batched else dataset, class_names=["a", "b", "c"])
    np.testing.assert_allclose(found.images[:], IN_UNIT, atol=1e-7)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.class_names == ("a", "b", "c")


def test_what_keras_makes_of_a_directory(tmp_path: Path) -> None:
    import keras
    from PIL import Image

    for label in ("ant", "bee"):
        (tmp_path / "set/test" / label).mkdir(parents=True)
        for number in range(3):
            place = tmp_path / "set/test" / label / f"{number}.png"
            Image.fromarray(BYTES[number + 3 * (label == "bee")]).save(place)
    made = keras.utils.image_dataset_from_directory(
        tmp_path / "set/test", image_size=(4, 5), shuffle=False, verbose=False
    )
    found = data.from_tf_dataset(made)
    assert found.class_names == ("ant", "bee")
    np.testing.assert_allclose(found.images[:], IN_UNIT[:6], atol=1e-7)
    np.testing.assert_array_equal(found.labels, [0, 0, 0, 1, 1, 1])


def test_tf_datasets_that_are_refused(refuses: Any) -> None:
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((BYTES, LABELS))
    refuses(lambda: data.from_tf_dataset(BYTES), "from_arrays")
    refuses(lambda: data.from_tf_dataset(dataset.repeat()), "no end")
    refuses(lambda: data.from_tf_dataset(dataset.map(lambda x, y: x)), "pairs")
    refuses(lambda: data.from_tf_dataset(dataset.map(lambda x, y: {"image": x, "label": y})), "pairs")
    refuses(lambda: data.from_tf_dataset(dataset.take(0)), "no elements")
    single = dataset.map(lambda x, y: (x[None], y))
    refuses(lambda: data.from_tf_dataset(single), "shape (1, 4, 5, 3) and labels of shape ()", "map(...)")
    ragged = tf.data.Dataset.from_generator(
        lambda: ((BYTES[row, :rows], 0) for row, rows in enumerate((4, 3))),
        output_signature=(tf.TensorSpec((None, 5, 3), tf.uint8), tf.TensorSpec((), tf.int32)),
    )
    refuses(lambda: data.from_tf_dataset(ragged), "(4, 5, 3) and (3, 5, 3)")
    failing = dataset.map(lambda x, y: (tf.io.decode_png(tf.constant(b"no image")), y))
    refuses(lambda: data.from_tf_dataset(failing.map(lambda x, y: (tf.ensure_shape(x, (4, 5, 3)), y))), "fails while")


def test_a_tf_dataset_that_fails_without_a_word_is_named_by_its_error() -> None:
    import tensorflow as tf

    class Failing:
        def as_numpy_iterator(self) -> Any:
            raise tf.errors.UnknownError(None, None, " \n ")

    with pytest.raises(InputError, match=r"fails while it is read \(UnknownError\)"):
        list(_batches(Failing(), is_batched=True))


def test_a_set_of_tensorflow_datasets(tmp_path: Path, prepare: Any, refuses: Any) -> None:
    examples = [(BYTES[row], int(LABELS[row])) for row in range(12)]
    prepare(tmp_path / "tfds", "small", "1.0.0", 3, {"train": examples, "test": examples[:5]})
    spec = data.find_dataset("tfds:small", data_dir=tmp_path, image_size=(2, 2))
    assert (spec.name, spec.shape, spec.classes, spec.training_images) == ("tfds-small", (2, 2, 3), 3, 9)
    grey = data.load("tfds:small", "test", data_dir=tmp_path, image_size=(4, 5), color_mode="grayscale")
    assert (grey.images[:].shape[1:], grey.source.endswith("as grayscale")) == ((4, 5, 1), True)
    sizes = [len(data.load("tfds:small", split, data_dir=tmp_path, image_size=(4, 5))) for split in data.SPLITS]
    assert sizes == [9, 3, 5]
    test = data.load("tfds:small", "test", data_dir=tmp_path)
    stored = {(image.tobytes(), label) for image, label in examples[:5]}
    assert {
        (np.asarray(np.round(i * 255), np.uint8).tobytes(), k) for i, k in zip(test.images[:], test.labels)
    } == stored
    refuses(lambda: data.load("tfds:small", "test", data_dir=tmp_path / "x"), "is not a folder")
    refuses(lambda: data.load("tfds:other", "test", data_dir=tmp_path), "no prepared other", "tensorflow_datasets.load")
    refuses(lambda: data.load("tfds:../small", "test", data_dir=tmp_path), "is no name")

    # A configuration is missing, and a version is one too many.
    (tmp_path / "tfds/small").rename(tmp_path / "tfds/other")
    (tmp_path / "moved").mkdir()
    (tmp_path / "tfds/other").rename(tmp_path / "moved/rgb")
    (tmp_path / "moved").rename(tmp_path / "tfds/small")
    refuses(lambda: data.load("tfds:small", "test", data_dir=str(tmp_path)), "but small/rgb: give tfds:small/rgb")
    refuses(lambda: data.load("tfds:rgb/1.0.0", "test", data_dir=tmp_path / "tfds/small"), "but rgb: give tfds:rgb")


def test_images_without_labels_are_no_damaged_set(tmp_path: Path, prepare: Any, refuses: Any) -> None:
    examples = [(BYTES[row], int(LABELS[row])) for row in range(12)]
    prepare(tmp_path, "unlabelled", "1.0.0", 3, {"train": examples, "test": [(BYTES[0], -1)]})
    assert len(data.load("tfds:unlabelled", "train", data_dir=tmp_path, image_size=(4, 5))) == 9
    refuses(lambda: data.load("tfds:unlabelled", "test", data_dir=tmp_path), "holds the label -1", "choose another")
