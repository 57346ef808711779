"""A directory of images that has some of a model's classes, all of which classes.txt lists."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interp import data
from interp.evaluation import sample_images


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_CACHE_DIR", str(tmp_path / "cache"))


def with_list(root: Path, folders: dict[str, int], listed: str) -> Path:
    """So many images in each subdirectory, all of one grey value, and a list of classes."""
    for value, (folder, count) in enumerate(folders.items()):
        for number in range(count):
            path = root / folder / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (10 * value, number, 0)).save(path)
    (root / "classes.txt").write_text(listed, encoding="utf-8")
    return root


def test_labels_are_the_lines_of_the_list(tmp_path: Path) -> None:
    """In the order of a model's outputs, which is not that of the alphabet; a byte order mark and Windows's line ends do no harm."""
    root = with_list(tmp_path / "set", {"test/cat": 2, "test/ant": 1}, "\ufeffzebra\r\ncat\r\nKaffee Öl\r\nant\r\n\r\n")
    spec = data.find_dataset(root)
    assert (spec.classes, spec.class_names) == (4, ("zebra", "cat", "Kaffee Öl", "ant"))
    test = data.load(root, "test")
    assert sorted(test.labels) == [1, 1, 3]
    red = np.round(np.asarray(test.images)[:, 0, 0, 0] * 255)
    assert {(int(label), int(value)) for label, value in zip(test.labels, red)} == {(1, 0), (3, 10)}


def test_a_thousand_classes_of_which_two_occur(tmp_path: Path) -> None:
    """What an evaluation draws beside the images, targets, are of all classes."""
    root = with_list(tmp_path / "few", {"test/7": 20, "test/512": 20}, "".join(f"{n}\n" for n in range(1000)))
    sample, targets = sample_images(data.load(root, "test"), 40)
    assert sample.classes == 1000
    assert set(sample.labels) == {7, 512}
    assert len(np.unique(targets)) > 30


def test_drawn_splits_and_splits_of_different_classes(tmp_path: Path) -> None:
    drawn = with_list(tmp_path / "drawn", {"b": 10, "d": 10}, "a\nb\nc\nd\ne")
    for split, count in (("train", 8), ("validation", 1), ("test", 1)):
        assert np.bincount(data.load(drawn, split).labels, minlength=5).tolist() == [0, count, 0, count, 0]
    # Without the list this is refused.
    given = with_list(tmp_path / "given", {"train/a": 4, "train/b": 4, "test/b": 2}, "a\nb\n")
    assert set(data.load(given, "test").labels) == {1}
    assert set(data.load(given, "train").labels) == {0, 1}


def test_one_class_alone_may_have_images(tmp_path: Path) -> None:
    root = with_list(tmp_path / "one", {"test/b": 2}, "a\nb\n")
    assert data.load(root, "test").labels.tolist() == [1, 1]


def test_a_changed_list_is_read_again(tmp_path: Path) -> None:
    root = with_list(tmp_path / "set", {"test/a": 1, "test/b": 1}, "a\nb\n")
    assert sorted(data.load(root, "test").labels) == [0, 1]
    (root / "classes.txt").write_text("x\nb\ny\na\n")
    # As a new process finds it.
    assert sorted(data.load(root, "test", image_size=(4, 4)).labels) == [1, 3]


def test_lost_classes_are_those_of_the_files(tmp_path: Path, refuses: Any) -> None:
    """A class whose files all cannot be read is named; one without files is none of those."""
    root = with_list(tmp_path / "set", {"test/b": 2, "test/d": 2}, "a\nb\nc\nd\n")
    (root / "test/b/0.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="0.png"):
        assert len(data.load(root, "test", unreadable="skip")) == 3
    for path in (root / "test/d").iterdir():
        path.write_bytes(b"broken")
    with pytest.warns(UserWarning, match="cannot be read|left out"):
        refuses(lambda: data.load(root, "test", unreadable="skip"), "class d")


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("a\n", ("lists 1 class,", "at least two")),
        ("", ("lists 0 classes", "remove the file")),
        ("a\n\nb\n", ("line 2", "is empty")),
        ("a\nb\na\n", ("lists a in lines 1 and 3", "a name of its own")),
        ("b\nc\n", ("subdirectory a", "does not list", "add it there")),
    ],
)
def test_lists_that_are_refused(tmp_path: Path, refuses: Any, listed: str, words: tuple[str, ...]) -> None:
    root = with_list(tmp_path / "set", {"test/a": 1, "test/b": 1}, listed)
    refuses(lambda: data.find_dataset(root), root, *words)


def test_a_list_that_cannot_be_read(tmp_path: Path, refuses: Any) -> None:
    root = with_list(tmp_path / "set", {"test/a": 1, "test/b": 1}, "a\nb\n")
    (root / "classes.txt").write_bytes("ä\nb\n".encode("latin-1"))
    refuses(lambda: data.find_dataset(root), "classes.txt", "not UTF-8")
    with (root / "classes.txt").open("wb") as file:
        file.truncate(20_000_000)
    refuses(lambda: data.find_dataset(root), "classes.txt", "larger than 10 MB")
