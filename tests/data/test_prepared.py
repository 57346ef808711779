"""Datasets of TensorFlow Datasets: their metadata are data, whatever they name."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.data.tfds import open_folder

OWN = "tensorflow_datasets.core.features"
EVIL = "evil_features.Evil"


@pytest.fixture
def folder(tmp_path: Path, prepare: Any) -> Path:
    """A sound dataset of three images, and beside it a module that leaves a mark when it is imported."""
    examples = [(np.full((4, 4, 3), label, np.uint8), label) for label in range(3)]
    prepare(tmp_path, "toy", "1.0.0", 3, {"train": examples, "test": examples})
    return tmp_path / "toy" / "1.0.0"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that importing `evil_features` would write."""
    mark = tmp_path / "mark"
    (tmp_path / "evil_features.py").write_text(f"open({str(mark)!r}, 'w').close()")
    monkeypatch.syspath_prepend(str(tmp_path))
    return mark


def test_a_sound_dataset_is_read(folder: Path) -> None:
    prepared = open_folder(folder)
    assert prepared.count("train") == 3
    assert sorted(label for _, label in prepared.stream("train", np.ones(3, bool))) == [0, 1, 2]


def feature(name: str, **content: Any) -> dict[str, Any]:
    return {"pythonClassName": name, **content}


def legacy(name: str, content: Any) -> dict[str, Any]:
    return {"type": name, "content": content}


LABEL = feature(f"{OWN}.class_label_feature.ClassLabel", classLabel={"numClasses": "3"})


def features_dict(**features: Any) -> dict[str, Any]:
    return feature(f"{OWN}.features_dict.FeaturesDict", featuresDict={"features": features})


FEATURES = {
    "the whole": feature(EVIL, jsonFeature={"json": "{}"}),
    "the whole, by its other name": {"python_class_name": EVIL, "json_feature": {"json": "{}"}},
    "the whole, as once": legacy(EVIL, {}),
    "a part": features_dict(label=LABEL, image=feature(EVIL, jsonFeature={"json": "{}"})),
    "a part of a sequence": features_dict(
        image=feature(
            f"{OWN}.sequence_feature.Sequence", sequence={"feature": feature(EVIL, jsonFeature={"json": "{}"})}
        )
    ),
    "a part, as once": legacy(f"{OWN}.features_dict.FeaturesDict", {"image": legacy(EVIL, {})}),
    "a part in a text": feature(
        f"{OWN}.features_dict.FeaturesDict", jsonFeature={"json": json.dumps({"image": legacy(EVIL, {})})}
    ),
    "a part in a text, as once": {
        **legacy(f"{OWN}.features_dict.FeaturesDict", " " + json.dumps({"features": {"image": feature(EVIL)}})),
        "proto_cls": "tensorflow_datasets.FeaturesDict",
    },
    "a module beside ours": feature(f"{OWN}.image_feature.x.evil_features.Evil", jsonFeature={"json": "{}"}),
}


@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)
def test_a_class_of_others_is_refused_and_its_module_not_imported(
    folder: Path, mark: Path, refuses: Any, features: Any
) -> None:
    (folder / "features.json").write_text(json.dumps(features))
    refuses(lambda: open_folder(folder), folder, "names the class", "only those of TensorFlow Datasets")
    assert not mark.exists()
    assert "evil_features" not in sys.modules


def test_the_same_in_the_other_file(folder: Path, mark: Path, refuses: Any) -> None:
    info = json.loads((folder / "dataset_info.json").read_text())
    info["features"] = features_dict(image=feature(EVIL, jsonFeature={"json": "{}"}))
    (folder / "dataset_info.json").write_text(json.dumps(info))
    refuses(lambda: open_folder(folder), folder, "dataset_info.json names the class 'evil_features.Evil'")
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["class_label_feature.ClassLabel", "labeled_image.LabeledImage"])
def test_labels_are_not_read_from_files_elsewhere(folder: Path, tmp_path: Path, refuses: Any, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a\nb\nc\n")
    setting = {"names_file": str(secret)} if "Class" in kind else {"labels": str(secret), "shape": [4, 4, 3]}
    features = features_dict(label=feature(f"{OWN}.{kind}", jsonFeature={"json": json.dumps(setting)}))
    (folder / "features.json").write_text(json.dumps(features))
    refuses(lambda: open_folder(folder), folder, "names the file", secret)


@pytest.mark.parametrize("content", ["[" * 100_000, "\x00", "{}", "[]", '{"pythonClassName": 3}'])
def test_damaged_metadata_are_one_line(folder: Path, refuses: Any, content: str) -> None:
    for name in ("features.json", "dataset_info.json"):
        (folder / name).write_text(content)
        refuses(lambda: open_folder(folder), folder, "cannot be read")
