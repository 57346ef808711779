"""Which records of a section share a table, and which images the results in a directory are of."""

import pytest

from interp.core.used_files import UsedFiles
from interp.report.records import OtherResults, RecordStore, Settings, shown_together


def record(dataset, finished, *arguments):
    section = {"task": "aai_topk", "option": None, "values": [0], "arguments": list(arguments), "help": "words"}
    return {"made_of": {"dataset": dataset, "section": section}, "finished": finished}


def test_networks_of_a_dataset_share_a_table_where_their_options_are_the_same():
    records = {
        "a": record("mnist", "2026-01-01"),
        "b": record("mnist", "2026-01-03", "--k", "3"),
        "c": record("mnist", "2026-01-02"),
        "d": record("cifar", "2026-01-01", "--epsilons", "8/255"),
        "e": record("cifar10", "2026-01-02", "--epsilons", "8/255", "--k", "3"),
        "older": {"made_of": {"data": {}}},
    }
    usual = {"task": "aai_topk", "option": None, "values": (0,), "arguments": (), "help": "other words"}
    shown, others = shown_together(records, usual)
    assert (list(shown), others) == (["a", "c", "e", "older"], ["b", "d"])
    # Of a section that is not asked for, those with the options of the last one.
    shown, others = shown_together(records)
    assert (list(shown), others) == (["b", "e", "older"], ["a", "c", "d"])
    assert shown_together({}) == ({}, [])


def test_options_that_are_spelt_in_another_way_are_the_same():
    spellings = ("--k", "3", "--step-size", "0.1"), ("--k=3", "--step_size=0.1"), ("--k=3", "--step-size=0.2")
    records = {name: record("mnist", "2026", *words) for name, words in zip("abc", spellings, strict=True)}
    asked = {**records["a"]["made_of"]["section"], "arguments": spellings[0]}
    assert shown_together(records, asked)[1] == ["c"]


def test_of_two_files_of_one_name_neither_is_taken_for_the_other(tmp_path):
    """As a network and that of the same name in another directory, whose maps are compared."""
    record = {"caption": "", "header": ["figure"], "rows": [[1]], "images": 1, "data": "digits", "made_of": {}}
    files, store = UsedFiles(), RecordStore(tmp_path)
    for folder, kept in (("one", True), ("other", False)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.pkl").write_text(folder)
        files.add(tmp_path / folder / "net.pkl")
        store.keep("topk", "net", record, files)
        current = store.current("topk", "net", {}, lambda name, folder=folder: tmp_path / folder / name)
        assert (current is not None) == kept


def test_images_of_which_there_are_no_results_are_no_obstacle(tmp_path):
    """As after a run whose --image-size no network took, in a directory with results on other datasets."""
    asked = {"number": 1, "num_image": None, "seed": None}
    record = {"caption": "", "header": ["figure"], "rows": [[1]], "images": 1, "data": "photos"}
    Settings(tmp_path, asked).check_data("photos", {"test": "of 32x32"})
    Settings(tmp_path, asked).check_data("photos", {"test": "of 64x64"})
    RecordStore(tmp_path).keep("pgd", "net", {**record, "made_of": {"data": {"test": "of 64x64"}}}, UsedFiles())
    (tmp_path / "pgd" / "damaged.json").write_text("{")
    Settings(tmp_path, asked).check_data("photos", {"test": "of 64x64", "train": "many"})
    with pytest.raises(OtherResults, match=r"holds results of other test images of photos .of 64x64; now of 32x32."):
        Settings(tmp_path, asked).check_data("photos", {"test": "of 32x32"})
    Settings(tmp_path, asked).check_data("photos", {"train": "fewer"})
