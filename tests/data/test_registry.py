"""Datasets by name, their facts, and the folder they come from."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interp import data
from interp.core.errors import InputError
from interp.data.folders import complete_set, data_folder
from interp.data.splits import split_rows


def test_names() -> None:
    assert list(data.DATASETS) == ["digits", "mnist", "cifar10", "restimagenet"]
    assert [spec.prefix for spec in data.DATASETS.values()] == ["digits", "mnist", "cifar", "restimagenet"]
    assert data.DATASETS["cifar10"].names == ("cifar10", "cifar")
    assert list(data.dataset_names()) == ["digits", "mnist", "cifar10", "restimagenet", "cifar"]
    assert sum(len(spec.names) for spec in data.DATASETS.values()) == len(data.dataset_names())


def test_facts_are_found_by_every_name(refuses: Any) -> None:
    for name, spec in data.dataset_names().items():
        assert data.find_dataset(name) is spec
    refuses(lambda: data.find_dataset("cifra"), "dataset 'cifra'", "did you mean 'cifar'")
    refuses(lambda: data.find_dataset("ImageNet"), "dataset 'ImageNet'", "expected one of digits, mnist, cifar10")
    spec = replace(data.find_dataset("digits"), name="letters", prefix="", aliases=("abc",))
    assert spec.names == ("letters", "abc")


@pytest.mark.parametrize("spec", data.DATASETS.values(), ids=data.DATASETS)
def test_facts_fit_each_other(spec: data.DatasetSpec) -> None:
    assert re.fullmatch(r"[a-z0-9]+", spec.prefix)
    assert len(spec.shape) == 3
    assert len(spec.class_names) in (0, spec.classes)
    assert spec.epsilons[0] == 0
    assert list(spec.epsilons) == sorted(set(spec.epsilons))
    # The figures of a network are looked up among the accuracies of its table.
    assert {spec.usual_radius, *spec.map_epsilons} <= set(spec.epsilons) - {0}
    assert spec.retraining.batch_size <= spec.retraining.images <= spec.training_images
    if spec.paper_schedule is not None:
        assert spec.paper_schedule.epsilon == spec.usual_radius
        steps = spec.training_images // spec.paper_schedule.batch_size * spec.paper_schedule.epochs
        assert spec.paper_schedule.ramp[1] < steps


def test_the_digits_are_what_their_facts_say() -> None:
    spec, train = data.find_dataset("digits"), data.load("digits", "train")
    assert (train.image_shape, train.classes, len(train)) == (spec.shape, spec.classes, spec.training_images)
    assert (train.name, train.class_names) == (spec.name, spec.class_names)


@pytest.mark.parametrize(
    ("name", "split", "words"),
    [
        ("minst", "test", ("dataset 'minst'", "did you mean 'mnist'")),
        ("cifar100", "test", ("dataset 'cifar100'", "did you mean 'cifar10'")),
        ("mnist", "valid", ("split 'valid'", "did you mean 'validation'")),
    ],
)
def test_unknown_names_get_a_suggestion(refuses: Any, name: str, split: str, words: tuple[str, ...]) -> None:
    refuses(lambda: data.load(name, split), *words)


@pytest.mark.parametrize("name", [None, 5, ["mnist"], data.Dataset])
def test_what_is_no_name_is_told(refuses: Any, name: Any) -> None:
    for look_up in (data.find_dataset, lambda name: data.load(name, "test")):
        refuses(lambda look_up=look_up: look_up(name), "the dataset came as", "such as 'mnist'")


def test_importing_loads_none_of_the_large_libraries() -> None:
    large = ("tensorflow", "keras", "sklearn", "cv2", "tensorflow_datasets")
    code = f"import sys, interp.data; print([name for name in {large} if name in sys.modules])"
    root = Path(data.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_folder_comes_from_the_argument_then_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: Any
) -> None:
    monkeypatch.setenv("INTERP_DATA_DIR", str(tmp_path / "absent"))
    assert data_folder(tmp_path) == tmp_path
    refuses(lambda: data_folder(None), "INTERP_DATA_DIR", tmp_path / "absent")
    monkeypatch.setenv("INTERP_DATA_DIR", str(tmp_path))
    assert data_folder(None) == tmp_path
    monkeypatch.setenv("INTERP_DATA_DIR", "")
    assert data_folder(None) is None
    (tmp_path / "file").touch()
    refuses(lambda: data_folder(tmp_path / "file"), tmp_path / "file")


def test_a_set_is_taken_whole_from_one_folder(tmp_path: Path, refuses: Any) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    wanted = [["a.gz", "a"], ["b.gz", "b"]]
    for folder in (one, two):
        folder.mkdir()
    assert complete_set([one, two, tmp_path / "absent"], wanted) is None
    (one / "a").touch()
    refuses(lambda: complete_set([one, two], wanted), one / "b.gz", "missing")
    (two / "b").touch()
    refuses(lambda: complete_set([one, two], wanted), one / "b.gz")
    (two / "a.gz").touch()
    assert complete_set([one, two], wanted) == [two / "a.gz", two / "b"]


def test_the_first_5000_are_the_validation_set(refuses: Any) -> None:
    rows = list(range(60000))
    assert rows[split_rows("validation", 60000, "x")] == rows[:5000]
    assert rows[split_rows("train", 60000, "x")] == rows[5000:]
    assert rows[split_rows("test", 60000, "x")] == rows
    refuses(lambda: split_rows("train", 5000, "the/file"), "the/file", 5000)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "looked", "advice"),
    [
        ("mnist", ("mnist", "MNIST/raw", "tfds"), "train-images-idx3-ubyte.gz"),
        ("cifar10", ("cifar10", "tfds"), "cifar-10-batches-bin"),
        ("restimagenet", ("imagenet", "restimagenet", "tfds/downloads/manual/ILSVRC2012_img_train.tar"), "eval_labels"),
    ],
)
def test_nothing_there_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path, refuses: Any, name: str, looked: tuple[str, ...], advice: str
) -> None:
    refuses(lambda: data.load(name, "test", data_dir=tmp_path), *(tmp_path / part for part in looked), advice)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_network")
def test_without_any_folder_the_message_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: Any
) -> None:
    monkeypatch.delenv("INTERP_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    for name in ("mnist", "cifar10", "restimagenet"):
        refuses(lambda name=name: data.load(name, "train"), "INTERP_DATA_DIR")
    for name in ("mnist", "cifar10"):
        # What is missing comes first, what was tried in its place after it.
        with pytest.raises(
            InputError, match=r"^no data folder was given: .* --data-dir .*cannot be prepared"
        ) as caught:
            data.load(name, "test")
        assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("home", [".", "tfds"])
def test_a_damaged_prepared_folder_is_named(tmp_path: Path, refuses: Any, home: str) -> None:
    folder = tmp_path / home / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{")
    refuses(lambda: data.load("mnist", "test", data_dir=tmp_path), folder, "prepare it again")
