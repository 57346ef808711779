"""The leaderboard of the strong protocol, and what broke each image, by hand and from the command line."""

import copy
import csv
import json

import numpy as np
import pytest

from interp import data
from interp.commands.evaluate_network import main
from interp.core.errors import InputError
from interp.evaluation import Flag, StrongAccuracy, Validity, sample_images
from interp.evaluation.sample import sample_indices
from interp.report.validity_files import image_table, leaderboard_rows

# Four images: the last is wrong without an attack, PGD breaks the third, FAB-T the second.
ROWS = (
    StrongAccuracy(0.0, 4, {"PGD": 0.75}, 0.75, (), ("", "", "", "clean"), {}),
    StrongAccuracy(
        0.1,
        4,
        {"PGD": 0.5, "ensemble FAB-T": 0.25},
        0.25,
        (Flag("black box", "it finds"),),
        ("", "ensemble FAB-T", "PGD", "clean"),
        {"PGD": 1.5, "ensemble FAB-T": 2.25},
    ),
)
FOUND = Validity("strong", ROWS, (), 4, "l2", (0, 1, 2, 3), (0, 1, 2, 1))


def test_rows_by_hand():
    """1 of 4: (.25 + .4802) / 1.9604 = .3725 +- 1.96 / 1.9604 sqrt(.046875 + .060025) = .3269."""
    clean, attacked = FOUND.leaderboard(model_name="mine", dataset="digits")
    assert list(attacked)[:7] == ["model_name", "dataset", "threat_model", "eps", "n", "clean_acc", "robust_acc"]
    assert attacked["robust_acc_low"] == pytest.approx(4.56, abs=0.01)
    assert attacked["robust_acc_high"] == pytest.approx(69.94, abs=0.01)
    expected = {"model_name": "mine", "threat_model": "L2", "eps": 0.1, "n": 4, "clean_acc": 75.0, "robust_acc": 25.0}
    expected |= {"PGD": 50.0, "ensemble FAB-T": 25.0, "seconds": 3.75, "flags": "black box"}
    assert {name: attacked[name] for name in expected} == expected
    # Without an attack there is one accuracy.
    assert (clean["PGD"], clean["ensemble FAB-T"], clean["seconds"], clean["flags"]) == (75.0, 75.0, 0.0, "")


def test_the_table_says_how_many_images_and_the_interval():
    table = FOUND.columns()
    assert table["images"] == [4, 4]
    assert [table["95% from"][1], table["to"][1]] == pytest.approx([0.0456, 0.6994], abs=1e-4)


def test_images_by_hand():
    table = FOUND.image_table([7, 5, 3, 0], data="digits of mine", seed=9)
    assert table.header == ("index", "label", "prediction", "eps 0", "eps 0.1", "data", "seed")
    assert table.rows == (
        (7, 0, 0, "", "", "digits of mine", 9),
        (5, 1, 1, "", "ensemble FAB-T", "digits of mine", 9),
        (3, 2, 2, "", "PGD", "digits of mine", 9),
        (0, 3, 1, "clean", "clean", "digits of mine", 9),
    )
    with pytest.raises(InputError, match="3 indices came for 4 images"):
        FOUND.image_table([1, 2, 3])


def test_results_are_read_again_with_what_earlier_ones_lack():
    again = Validity.from_json(json.loads(json.dumps(FOUND.to_json())))
    assert again == FOUND
    assert again.rows[1].seconds == ROWS[1].seconds
    values = FOUND.to_json()
    for name in ("norm", "labels", "predictions"):
        del values[name]
    values["by_radius"] = [
        {name: part for name, part in row.items() if name not in ("seconds", "broken_by")}
        for row in values["by_radius"]
    ]
    older = Validity.from_json(values)
    assert [row["seconds"] for row in older.leaderboard()] == [None, None]
    assert older.clean_accuracy == 0.75
    assert older.norm == "linf"
    assert "images" not in older.columns()
    with pytest.raises(InputError, match="earlier version"):
        older.image_table([1, 2, 3, 4])
    in_l2 = "strong: worst case per image in l2 over PGD-200"
    assert Validity.from_json({**values, "protocol": in_l2}).norm == "l2"
    with pytest.raises(InputError, match="a norm of linf or l2"):
        Validity.from_json({**values, "norm": "l1"})


# As it is kept.
RECORD = {
    **FOUND.to_json(),
    "file": "/networks/mine.keras",
    "files": {"mine.keras": "ab12"},
    "splits": {"test": "digits of mine"},
    "arguments": {"dataset": "digits", "seed": 9},
    "versions": {"python": "3.11", "interp": None},
    "commit": None,
    "indices": [7, 5, 3, 0],
}


def test_rows_and_images_of_a_record():
    clean, attacked = leaderboard_rows("mine", RECORD)
    expected = {"model_name": "mine", "dataset": "digits", "eps": 0.1, "weights": "ab12", "data": "digits of mine"}
    expected |= {"seed": 9, "versions": "python 3.11, interp None, commit None", "protocol": "strong"}
    assert {name: attacked[name] for name in expected} == expected
    assert list(clean) == list(attacked)
    assert image_table("mine", RECORD) == FOUND.image_table([7, 5, 3, 0], data="digits of mine", seed=9)


@pytest.mark.parametrize(
    "place",
    [
        ("file",),
        ("files",),
        ("splits",),
        ("splits", "test"),
        ("arguments",),
        ("arguments", "dataset"),
        ("arguments", "seed"),
        ("versions",),
        ("protocol",),
        ("by_radius",),
    ],
    ids=".".join,
)
def test_a_record_that_lacks_something_is_named(place):
    for value in (None, [5]):
        damaged = copy.deepcopy(RECORD)
        holder = damaged if len(place) == 1 else damaged[place[0]]
        if value is None:
            del holder[place[-1]]
        else:
            holder[place[-1]] = value
        with pytest.raises(InputError, match=r"the record of mine cannot be used \(.*: evaluate it again"):
            leaderboard_rows("mine", damaged)


@pytest.mark.slow
def test_files_of_the_command(call, tmp_path):
    """Two networks of one table share a leaderboard, each has its images, and all of it says the same as the record."""
    words = ["--task=pgd_attack", "--protocol=quick", "--dataset=digits", "--num-image=6", "--steps=2", "--restarts=1"]
    words += [
        "--queries=5",
        "--epsilons=0,0.1",
        "--any-dataset",
        f"--output-dir={tmp_path}",
        f"--picture-dir={tmp_path}",
    ]
    names = ("mnist_smallgap_adv_20", "mnist_smallgap_normal_20")
    for name in names:
        result = call(main, [*words, f"--network={name}"])
        assert result.returncode == 0, result.stderr
    stem = tmp_path / "pgd_attack_digits_quick"
    for file in (f"{stem}_leaderboard.csv", f"{stem}_leaderboard.json", stem / f"{names[1]}_images.csv"):
        assert f"wrote {file}" in result.stdout
    with open(f"{stem}_leaderboard.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = json.loads((tmp_path / "pgd_attack_digits_quick_leaderboard.json").read_text())
    assert [row["model_name"] for row in rows] == [names[0]] * 2 + [names[1]] * 2
    assert [list(row) for row in kept] == [list(rows[0])] * 4
    assert [float(row["robust_acc"]) for row in rows] == [row["robust_acc"] for row in kept]
    record = json.loads((stem / f"{names[1]}.json").read_text())
    row, found = kept[3], record["by_radius"][1]
    assert row["robust_acc"] == pytest.approx(100 * found["worst_case"], abs=1e-3)
    assert (row["n"], row["eps"], row["threat_model"], row["seed"]) == (6, 0.1, "Linf", 99)
    assert row["seconds"] == pytest.approx(sum(found["seconds"].values()), abs=1e-3)
    assert row["seconds"] > 0
    assert list(found["seconds"])[:3] == ["PGD", "any iterate", "more steps"]
    assert row["weights"] == record["files"][f"{names[1]}.safetensors"]
    assert row["data"] == record["splits"]["test"]
    assert "tensorflow 2" in row["versions"]
    with open(stem / f"{names[1]}_images.csv", newline="") as file:
        images = list(csv.DictReader(file))
    assert [int(each["index"]) for each in images] == record["indices"]
    assert [int(each["label"]) for each in images] == record["labels"]
    assert [each["eps 0.1"] for each in images] == found["broken_by"]
    assert {(each["data"], each["seed"]) for each in images} == {(record["splits"]["test"], "99")}


def test_indices_are_those_of_the_sample():
    test = data.load("digits", "test")
    sample, targets = sample_images(test, 9, seed=4)
    indices = sample_indices(len(test), 9, seed=4)
    assert test.labels[indices].tolist() == sample.labels.tolist()
    np.testing.assert_array_equal(np.asarray(test.images)[indices], np.asarray(sample.images))
    assert (targets != sample.labels).all()
