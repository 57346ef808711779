"""`eval.py` over a directory with results: what is current is kept, what is not is evaluated anew, and other settings are refused."""

import json

import pytest

import interp
from interp.commands.evaluate import main
from interp.models import build_network
from interp.report.records import OtherResults, Settings
from tests.commands.evaluated_digits import options


def test_results_name_no_folder_and_are_current_in_another(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    assert call(main, arguments).returncode == 0
    file = tmp_path / "out" / "topk" / "digits_smallgap_int_1.json"
    before = file.read_bytes()
    record = json.loads(before)
    del record["arguments"]
    assert str(tmp_path) not in json.dumps(record)
    moved = tmp_path / "moved"
    networks.rename(moved)
    assert call(main, options(moved, tmp_path, *arguments[5:])).returncode == 0
    assert file.read_bytes() == before


def test_a_network_whose_metadata_changed_is_the_same_network(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    assert call(main, arguments).returncode == 0
    file = tmp_path / "out" / "topk" / "digits_smallgap_int_1.json"
    before = file.read_bytes()
    path = networks / "digits_smallgap_int_1.safetensors"
    interp.save_model(interp.load_model(path), path, metadata={"said": "more"})
    assert call(main, arguments).returncode == 0
    assert file.read_bytes() == before


@pytest.mark.integration
def test_a_second_run_takes_what_the_first_kept(call, networks, tmp_path):
    arguments = options(
        networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1", "digits_smallgap_int_20"
    )
    assert call(main, arguments).returncode == 0
    files = sorted((tmp_path / "out" / "topk").glob("*.json"))
    before = [(file.stat().st_mtime_ns, file.read_bytes()) for file in files]
    files[0].unlink()
    assert call(main, arguments).returncode == 0
    after = [(file.stat().st_mtime_ns, file.read_bytes()) for file in files]
    assert after[1] == before[1]
    assert json.loads(after[0][1])["rows"] == json.loads(before[0][1])["rows"]


def test_a_network_that_changed_is_evaluated_anew(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    assert call(main, arguments).returncode == 0
    file = tmp_path / "out" / "topk" / "digits_smallgap_int_1.json"
    before = json.loads(file.read_text())
    network = build_network("small", (28, 28, 1), 10, seed=77)
    interp.save_model(network, networks / "digits_smallgap_int_1.safetensors", metadata={})
    assert call(main, arguments).returncode == 0
    after = json.loads(file.read_text())
    assert after["rows"] != before["rows"]
    assert after["files"] != before["files"]


def test_the_other_network_of_a_comparison_counts_too(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    assert call(main, arguments).returncode == 0
    file = tmp_path / "out" / "topk" / "digits_smallgap_int_1.json"
    before = json.loads(file.read_text())["rows"]
    int_1, normal_1 = (networks / f"digits_smallgap_{name}_1.safetensors" for name in ("int", "normal"))
    normal_1.write_bytes(int_1.read_bytes())
    assert call(main, arguments).returncode == 0
    after = json.loads(file.read_text())["rows"]
    assert after != before
    assert after[0][3] == 1


def test_another_dataset_is_another_result(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    assert call(main, arguments).returncode == 0
    result = call(main, [*arguments, "--dataset=restimagenet", f"--data-dir={tmp_path}"])
    assert result.returncode == 1
    assert "failed: topk of digits_smallgap_int_1" in result.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"made_of": 1e999}', '{"caption": "a", "header": ["b"], "rows": [5]}']
)
def test_damaged_results_are_named(call, networks, tmp_path, text):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    folder = tmp_path / "out" / "topk"
    folder.mkdir(parents=True)
    (folder / "digits_smallgap_int_1.json").write_text(text)
    result = call(main, arguments)
    assert result.returncode in (1, 2)
    assert "remove it" in result.stderr
    assert "Traceback" not in result.stderr


def test_results_of_other_settings_are_not_mixed(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    assert call(main, arguments).returncode == 0
    for change in (["--num-image=5"], ["--seed=1"]):
        result = call(main, [*arguments, *change])
        assert result.returncode == 2
        assert "other settings" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_directory_goes_on_with_the_seed_it_was_begun_with(tmp_path):
    """Earlier versions gave 99 to all tasks, and wrote it where no seed was given."""
    shared = {"number": 2, "num_image": None}
    for kept, asked, found in ((99, None, 99), (99, 99, 99), (None, None, None), (5, 5, 5)):
        folder = tmp_path / f"{kept} {asked}"
        folder.mkdir()
        (folder / "settings.json").write_text(json.dumps({**shared, "seed": kept}))
        assert Settings(folder, {**shared, "seed": asked}).seed == found
        assert json.loads((folder / "settings.json").read_text())["seed"] == kept
    for kept, asked, told in ((5, None, "seed 5, now not given"), (None, 99, "seed not given, now 99")):
        (tmp_path / "settings.json").write_text(json.dumps({**shared, "seed": kept}))
        with pytest.raises(OtherResults, match=told):
            Settings(tmp_path, {**shared, "seed": asked})
