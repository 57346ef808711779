"""Images of users in a directory: layouts and splits, files that are passed over, the cache, and what is refused."""

import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interp import data
from interp.data import image_folder, pixel_cache
from interp.data.decoding import UnreadableImage
from interp.data.loaded import LoadedDatasets
from tests.data.image_files import RED, plain, save

BLUE = (0, 0, 255)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def with_splits(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    """Three images of each of two classes a split, in colour."""
    for split in splits:
        for label, colour in (("ant", RED), ("bee", BLUE)):
            for number in range(3):
                plain(root / split / label / f"{number}.png", colour)
    return root


def test_given_splits(tmp_path: Path) -> None:
    root = with_splits(tmp_path / "My flowers_2")
    found = data.find_dataset(str(root))
    assert (found.name, found.prefix, found.class_names) == ("My-flowers-2", "My-flowers-2", ("ant", "bee"))
    assert found.epsilons == (0, 2 / 255, 4 / 255, 8 / 255)
    assert (found.training_images, found.retraining.images) == (6, 6)
    for split in data.SPLITS:
        part = data.load(root, split)
        assert (len(part), part.split, part.name, part.class_names) == (6, split, "My-flowers-2", ("ant", "bee"))
        for row, label in enumerate(part.labels):
            np.testing.assert_array_equal(part.images[row][0, 0], [1, 0, 0] if label == 0 else [0, 0, 1])
    assert data.find_dataset("My-flowers-2") == found


def test_a_class_too_small_to_be_drawn_from_does_not_keep_the_test_images_back(tmp_path: Path, refuses: Any) -> None:
    root = with_splits(tmp_path / "set", ("train", "test"))
    for path in sorted((root / "train/bee").iterdir())[1:]:
        path.unlink()
    assert len(data.load(root, "test")) == 6
    refuses(lambda: data.load(root, "train"), "the class bee has 1 image,", "at least 2")


def test_validation_is_drawn_from_train(tmp_path: Path) -> None:
    root = with_splits(tmp_path / "set", ("train", "test"))
    train, validation = (data.load(root, split) for split in ("train", "validation"))
    assert (np.bincount(train.labels).tolist(), np.bincount(validation.labels).tolist()) == ([2, 2], [1, 1])
    assert data.find_dataset(root).training_images == 4
    assert ("drawn by seed 99" in validation.source, "drawn" in data.load(root, "test").source) == (True, False)


def numbered(root: Path, count: int, classes: int = 2) -> Path:
    """Every image has another red, so that it can be told which one it is."""
    for label in range(classes):
        for number in range(count):
            plain(root / f"class {label}" / f"{number:02}.png", (number, label, 0))
    return root


def test_drawn_splits_share_out_every_image_once(tmp_path: Path, refuses: Any) -> None:
    root = numbered(tmp_path / "set", 20)
    drawn = {split: data.load(root, split, seed=1) for split in data.SPLITS}
    assert [np.bincount(part.labels).tolist() for part in drawn.values()] == [[16, 16], [2, 2], [2, 2]]
    seen = np.concatenate([np.round(part.images[:][:, 0, 0] * 255) for part in drawn.values()])
    assert len(np.unique(seen, axis=0)) == 40
    again, other = (data.load(root, "test", seed=seed).identity for seed in (1, 2))
    assert drawn["test"].identity == again != other
    # In an order of the seed: the first images are of all classes.
    assert len(set(drawn["train"].labels[:8])) == 2
    refuses(lambda: data.load(root, "test", seed=-1), "seed")


def test_files_that_cannot_be_read(tmp_path: Path, refuses: Any) -> None:
    root = with_splits(tmp_path / "set")
    (root / "test/ant/text.jpg").write_text("no image")
    refuses(lambda: data.load(root, "test"), root / "test/ant/text.jpg", "--unreadable skip")
    with pytest.warns(UserWarning, match=r"1 of 7 files .* left out: test/ant/text.jpg \(it is no image"):
        assert len(data.load(root, "test", unreadable="skip")) == 6
    # The header says nothing of what is missing behind it.
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (4, 4, 3), np.uint8))
    save(root / "test/bee/cut.png", noise)
    (root / "test/bee/cut.png").write_bytes((root / "test/bee/cut.png").read_bytes()[:-40])
    with pytest.warns(UserWarning, match="2 of 8 files"):
        assert len(data.load(root, "test")) == 6
    (root / "test/ant/text.jpg").unlink()
    refuses(lambda: data.load(root, "test", unreadable="error"), root / "test/bee/cut.png")
    with pytest.warns(UserWarning, match=r"1 of 7 files .*cut.png"):
        data.load(root, "test", unreadable="skip")
    refuses(lambda: data.load(root, "test", unreadable="error"), root / "test/bee/cut.png")


def test_a_file_that_can_be_read_after_all_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: Any
) -> None:
    """As once its mode allows it, or Pillow knows its format: neither its size nor its time says so."""
    root = with_splits(tmp_path / "set")
    with monkeypatch.context() as patch:
        for name in ("read_header", "decode"):
            patch.setattr(image_folder, name, partial(_refusing, getattr(image_folder, name), "test/bee/1.png"))
        refuses(lambda: data.load(root, "test"), root / "test/bee/1.png", "Permission denied")
        with pytest.warns(UserWarning, match="1 of 6 files"):
            assert len(data.load(root, "test", unreadable="skip")) == 5
    assert len(data.load(root, "test", unreadable="error")) == 6


def _refusing(function: Any, name: str, path: Path, **settings: Any) -> Any:
    if str(path).endswith(name):
        raise UnreadableImage("Permission denied")
    return function(path, **settings)


def test_images_that_change_are_not_brought_to_the_size_or_colour_of_before(tmp_path: Path, refuses: Any) -> None:
    root = with_splits(tmp_path / "set")
    assert data.load(root, "test").image_shape == (4, 4, 3)
    for path in root.glob("*/*/*.png"):
        plain(path, RED, size=(6, 5))
    refuses(lambda: data.load(root, "test"), "changed from (4, 4, 3)", "to (5, 6, 3)", "crop='center'")
    assert data.find_dataset(root, crop="center").shape == (5, 6, 3)
    assert data.load(root, "test").image_shape == (5, 6, 3)


def test_images_behind_links_are_taken_and_links_to_nothing_told(tmp_path: Path, refuses: Any) -> None:
    root = with_splits(tmp_path / "set")
    plain(tmp_path / "elsewhere/more.png", RED)
    (root / "test/ant/more").symlink_to(tmp_path / "elsewhere")
    # A circle, which ends.
    (root / "test/ant/again").symlink_to(root / "test/ant")
    assert len(data.load(root, "test")) == 7
    (root / "test/ant/gone.png").symlink_to(tmp_path / "gone.png")
    refuses(lambda: data.load(root, "test"), root / "test/ant/gone.png", "No such file", "--unreadable skip")
    with pytest.warns(UserWarning, match=r"1 of 8 files .* left out: test/ant/gone.png \(No such file"):
        assert len(data.load(root, "test", unreadable="skip")) == 7
    (root / "test/cat").symlink_to(tmp_path / "gone")
    refuses(lambda: data.load(root, "test"), root / "test/cat", "a link to nothing")


def test_names_of_classes_are_texts_whatever_bytes_name_their_directories(tmp_path: Path) -> None:
    root = with_splits(tmp_path / os.fsdecode(b"set \xe9"), ("test",))
    (root / "test/ant").rename(root / "test" / os.fsdecode(b"caf\xe9"))
    found = data.load(root, "test")
    assert (found.class_names, found.source) == (("bee", r"caf\udce9"), r"images of set \udce9")


def test_nothing_that_can_be_read(tmp_path: Path, refuses: Any) -> None:
    for label in ("a", "b"):
        (tmp_path / "set/test" / label).mkdir(parents=True)
        (tmp_path / "set/test" / label / "x.png").write_bytes(b"")
    refuses(lambda: data.find_dataset(tmp_path / "set", unreadable="skip"), "no image", "it is empty")


def test_other_files_are_passed_over_with_a_warning(tmp_path: Path) -> None:
    root = with_splits(tmp_path / "set")
    (root / "test/ant/.DS_Store").write_text("x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.load(root, "test")
    (root / "test/ant/notes.txt").write_text("x")
    with pytest.warns(UserWarning, match="passed over as no images: 1 file of .*, such as test/ant/notes.txt"):
        assert len(data.load(root, "test")) == 6


def test_layouts_that_are_refused(tmp_path: Path, refuses: Any) -> None:
    def refused(root: Path, *words: object) -> None:
        refuses(lambda: data.find_dataset(root), root, *words)

    refused(tmp_path / "nothing", "is not there")
    (tmp_path / "file.txt").write_text("x")
    refused(tmp_path / "file.txt", "is no set of images")
    plain(tmp_path / "flat/x.png", RED)
    refused(tmp_path / "flat", "has no subdirectories", "for each class")
    plain(tmp_path / "one/a/x.png", RED)
    refused(tmp_path / "one", "one class, a", "at least two")
    with_splits(tmp_path / "lacks")
    for path in (tmp_path / "lacks/test/bee").iterdir():
        path.unlink()
    refused(tmp_path / "lacks", "test/bee holds no images", "empty class")
    (tmp_path / "lacks/test/bee").rmdir()
    plain(tmp_path / "lacks/test/fly/x.png", RED)
    refused(tmp_path / "lacks", "the class bee in train/ and not in test/")
    with_splits(tmp_path / "doubled", ("train", "val", "validation", "test"))
    refused(tmp_path / "doubled", "val", "leave one")
    refuses(lambda: data.load(with_splits(tmp_path / "tested", ("test",)), "train"), "no train/ beside test/")
    refuses(lambda: data.load(numbered(tmp_path / "few", 2), "train"), "class 0 has 2 images", "at least 3")


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ({"image_size": 0}, "image_size"),
        ({"image_size": (2, 3, 3)}, "(height, width)"),
        ({"image_size": "64"}, "image_size"),
        ({"crop": "centre"}, "did you mean 'center'"),
        ({"unreadable": "ignore"}, "expected one of error, skip"),
        ({"color_mode": "gray"}, "did you mean 'grayscale'"),
    ],
)
def test_rules_are_checked(tmp_path: Path, refuses: Any, rules: dict[str, Any], word: str) -> None:
    refuses(lambda: data.load(with_splits(tmp_path / "set"), "test", **rules), word)
    refuses(lambda: data.load("digits", "test", **rules), next(iter(rules)), "leave it out for digits")


def test_names_that_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_splits(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert data.find_dataset("digits").shape == (28, 28, 1)
    assert data.find_dataset("./digits").name == "digits-own"


def test_images_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = with_splits(tmp_path / "set")
    first = data.load(root, "test").identity

    def never(*_: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(pixel_cache, "_write", never)
        assert data.load(root, "test").identity == first
        # Another size of the file, or another time, is another image.
        os.utime(root / "test/ant/0.png", (1, 1))
        with pytest.raises(AssertionError):
            data.load(root, "test")
    plain(root / "test/ant/0.png", (7, 7, 7))
    assert data.load(root, "test").identity != first


@pytest.mark.parametrize("damage", ["cut", "gone", "unfinished"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, own_cache: Path, damage: str) -> None:
    root = with_splits(tmp_path / "set")
    first = data.load(root, "test").identity
    [complete] = own_cache.glob("images-*/complete")
    if damage == "cut":
        os.truncate(complete / "images.npy", 150)
    elif damage == "gone":
        (complete / "labels.npy").unlink()
    else:
        # As a killed process leaves it.
        complete.rename(complete.with_name("writing"))
    assert data.load(root, "test").identity == first


@pytest.mark.parametrize("damage", ["{", "5", "null", "[]"])
def test_damaged_facts_are_found_again(own_cache: Path, damage: str) -> None:
    pixel_cache.cached_facts(["files"], lambda: {"grey": True})
    [path] = own_cache.glob("facts-*.json")
    path.write_text(damage)
    assert pixel_cache.cached_facts(["files"], lambda: {"grey": False}) == {"grey": False}
    assert pixel_cache.cached_facts(["files"], dict) == {"grey": False}


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: Any) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("INTERP_CACHE_DIR", str(tmp_path / "file/cache"))
    refuses(lambda: data.load(with_splits(tmp_path / "set"), "test"), "INTERP_CACHE_DIR")


def test_sets_of_one_name_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a path here, by another path, and by the name alone, which is that of the last one."""
    for place, colour in (("here", RED), ("there", BLUE)):
        for label in "ab":
            plain(tmp_path / place / "same-name/test" / label / "0.png", colour)
    monkeypatch.chdir(tmp_path / "here")
    other = tmp_path / "there/same-name"
    loaded = LoadedDatasets(None)
    for each, colour in (("same-name", RED), (other, BLUE), ("same-name", RED)):
        assert np.asarray(data.load(each, "test").images[:1]).ravel()[:3].tolist() == [value / 255 for value in colour]
        assert np.asarray(loaded.test(str(each)).images[:1]).ravel()[:3].tolist() == [value / 255 for value in colour]
    assert loaded.identities(str(other), ["test"]) != loaded.identities("same-name", ["test"])
    monkeypatch.chdir(tmp_path)
    data.find_dataset(other, image_size=2)
    assert data.find_dataset("same-name").shape == (2, 2, 3)


@pytest.mark.parametrize("names", [("Training", "Testing"), ("TRAIN", "Test"), ("train", "Val", "test")])
def test_splits_are_known_in_any_case(tmp_path: Path, names: tuple[str, ...]) -> None:
    root = with_splits(tmp_path / "set", names)
    assert data.find_dataset(root).class_names == ("ant", "bee")
    assert data.load(root, "test").labels.tolist().count(0) == 3


def test_directories_that_look_like_splits_are_no_classes(tmp_path: Path, refuses: Any) -> None:
    root = with_splits(tmp_path / "set", ("seg_train", "seg_test"))
    refuses(
        lambda: data.find_dataset(root), "all of seg_test, seg_train", "hold ant, bee", "train, validation and test"
    )
    plain(root / "seg_train/cover.png", RED)
    assert data.find_dataset(root).class_names == ("seg_test", "seg_train")

    # Validation images are no class of their own.
    root = with_splits(tmp_path / "held", ("val",))
    refuses(lambda: data.find_dataset(root), root, "has val/ and neither train/ nor test/", "give", root / "val")
    assert data.find_dataset(root / "val").class_names == ("ant", "bee")
    for label in ("ant", "bee"):
        plain(root / label / "0.png", RED)
    refuses(lambda: data.find_dataset(root), "has ant beside val/ant", root / "train")
    # A class of that name is one, whatever is below it.
    (root / "val").rename(root / "none")
    plain(root / "valid/from here/0.png", RED)
    assert data.find_dataset(root).class_names == ("ant", "bee", "none", "valid")
