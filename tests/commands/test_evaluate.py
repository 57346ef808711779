"""`eval.py`: what it evaluates, by which options and seeds, and what it says is missing."""

import json

import pytest

from interp.commands.evaluate import main, parse
from interp.commands.experiments import SECTIONS
from interp.commands.networks import networks_of
from interp.commands.section_jobs import SectionJob
from interp.commands.tasks.task_registry import TASKS
from interp.core.argument_types import numbers, ratios
from tests.commands.evaluated_digits import options


@pytest.mark.integration
def test_what_is_there_is_evaluated_and_the_rest_is_named(call, networks, tmp_path):
    result = call(main, options(networks, tmp_path, "--only", "pgd", "--task-options=--epsilons=0,0.05"))
    assert result.returncode == 1, result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("missing, train.py makes them: digits_smallgap_adv, ")
    assert "digits_smallgap_int," not in last
    assert "PGD-200" in result.stdout
    assert "eps 0.05" in result.stdout
    out = tmp_path / "out"
    names = sorted(path.stem for path in (out / "pgd").glob("*.json"))
    assert names == ["digits_smallgap_int_1", "digits_smallgap_int_20", "digits_smallgap_normal_1"]
    record = json.loads((out / "pgd" / "digits_smallgap_int_1.json").read_text())
    assert record["header"] == ["steps", "eps", "accuracy", "standard error"]
    assert {row[0] for row in record["rows"]} == {1, 10, 100, 200}
    assert record["versions"]["tensorflow"]
    assert (out / "pgd_digits_smallgap.png").stat().st_size > 10_000
    # The table of a program has a row for each figure.
    assert len((out / "pgd.tsv").read_text().splitlines()) == 1 + 3 * 4 * 2
    assert call(main, options(networks, tmp_path, "--only", "topk")).returncode == 1
    # Without a Normal network of as many epochs, the only one there is the one to compare with.
    for name in ("digits_smallgap_int_1", "digits_smallgap_int_20"):
        overlap = json.loads((out / "topk" / f"{name}.json").read_text())
        assert overlap["against"] == overlap["rows"][0][0] == "digits_smallgap_normal_1"
        assert "digits_smallgap_normal_1.safetensors" in overlap["files"]


def test_one_of_several_normal_networks_is_not_guessed(call, networks, tmp_path):
    normal = networks / "digits_smallgap_normal_1.safetensors"
    normal.with_name("digits_smallgap_normal_2.safetensors").write_bytes(normal.read_bytes())
    arguments = options(
        networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1", "digits_smallgap_int_20"
    )
    result = call(main, arguments)
    assert result.returncode == 1
    assert "topk of digits_smallgap_int_20" in result.stderr
    assert "normal_20" in result.stderr
    assert "topk of digits_smallgap_int_1:" not in result.stderr


def test_two_networks_of_one_name_are_refused(call, networks, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    path = networks / "digits_smallgap_int_1.safetensors"
    (other / path.name).write_bytes(path.read_bytes())
    result = call(main, options(networks, tmp_path, "--only", "aai", "--networks", path, other / path.name))
    assert result.returncode == 2
    assert "two networks are named" in result.stderr


@pytest.mark.parametrize(("more", "seeds"), [([], {"isa": 123, "bound": 99}), (["--seed=5"], {"isa": 5, "bound": 5})])
def test_each_task_has_its_own_seed_where_none_is_given(networks, tmp_path, more, seeds):
    """The paper drew the images of isa_cam by another seed."""
    line = ["2", "--dataset=digits", f"--networks-dir={networks}", "--networks=digits_smallgap_int_1", *more]
    asked = parse([*line, "--only", *seeds])
    [network] = asked.named
    for name, seed in seeds.items():
        job = SectionJob(name, asked.sections[name], asked.given[name], network, asked.options, tmp_path)
        assert job.task_options.seed == seed


@pytest.mark.integration
def test_a_record_says_the_seed_that_its_task_had(call, networks, tmp_path):
    line = options(networks, tmp_path, "--networks", "digits_smallgap_int_1")[1:]
    short = ["--only=isa", "--task-options=--steps 1 --penalties 1.5"]
    for out, settings, seed in (("out", None, 123), ("older", {"number": 2, "num_image": 4, "seed": 99}, 99)):
        if settings:
            (tmp_path / out).mkdir()
            (tmp_path / out / "settings.json").write_text(json.dumps(settings))
        assert call(main, ["2", *line, *short, f"--out={tmp_path / out}"]).returncode == 0
        record = json.loads((tmp_path / out / "isa" / "digits_smallgap_int_1.json").read_text())
        assert record["arguments"]["seed"] == seed


@pytest.mark.slow
def test_a_damaged_network_does_not_stop_the_others(call, networks, tmp_path):
    (networks / "digits_smallgap_adv_1.safetensors").write_bytes(b"nothing")
    result = call(main, options(networks, tmp_path, "--only", "cam"))
    assert result.returncode == 1
    assert "failed: cam of digits_smallgap_adv_1" in result.stderr
    assert (tmp_path / "out" / "cam" / "digits_smallgap_int_1.json").exists()
    assert (tmp_path / "out" / "cam" / "digits_smallgap_int_1_maps.png").exists()


@pytest.mark.integration
def test_the_bound_and_the_strong_protocol(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "bound", "--networks", "digits_smallgap_int_1")
    result = call(main, ["2", *arguments[1:]])
    assert result.returncode == 0, result.stderr
    assert "discrepancy below margin" in result.stdout
    assert (tmp_path / "out" / "bound_digits_smallgap.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_strong_protocol(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "validity", "--networks", "digits_smallgap_int_1")
    result = call(main, arguments)
    assert result.returncode == 0, result.stderr
    assert "worst case" in result.stdout


def test_sections_name_tasks_and_networks_that_exist(tmp_path):
    for group in SECTIONS.values():
        for section in group.values():
            assert section.task in TASKS
            found, missing = networks_of(section, None, tmp_path)
            assert not found
            assert len(missing) > (1 if section.scripts == (8,) else 5)
            assert len(missing) == len(set(missing))
            assert len(set(missing)) == len(missing)
    assert "mnist_smallgap_int005_2" in networks_of(SECTIONS[2]["grid"], None, tmp_path)[1]
    assert "mnist_smallgap_normal" not in networks_of(SECTIONS[1]["topk"], None, tmp_path)[1]


def test_published_names_are_found(reference_dir):
    found, missing = networks_of(SECTIONS[1]["pgd"], None, reference_dir / "networks")
    names = {network.name for network in found}
    assert {"mnist_smallgap_int2adv_100", "cifar_wresnet_int_200", "mnist_pool_normal_100"} <= names
    assert names == {path.stem for path in (reference_dir / "networks").glob("*.pkl")}
    assert "cifar_smallgap_trades" in missing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["5"], "no experiment 5"),
        (["one"], "invalid"),
        (["1", "--only", "pdg"], "did you mean 'pgd'"),
        (["2", "--only", "pgd"], "section"),
        (["1", "--dataset", "minst"], "did you mean 'mnist'"),
        (["1", "--networks", "nothing_here_1"], "nothing_here_1"),
        (["1", "--num-image", "0"], "less than 1"),
        (["1", "--out", "/proc/nothing"], "cannot write"),
        (["1", "--networks-dir", "/nonexistent"], "no directory"),
        (["1", "--data-dir", "/nonexistent"], "no directory"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = call(main, arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_further_options_reach_the_task_and_are_part_of_what_a_record_is_made_of(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", "digits_smallgap_int_1")
    assert call(main, [*arguments, "--task-options", "--k 3 --inp_method cam++"]).returncode == 0
    path = tmp_path / "out" / "topk" / "digits_smallgap_int_1.json"
    record = json.loads(path.read_text())
    assert "class's cam++ on" in record["caption"]
    assert record["rows"][0][record["header"].index("k")] == 3
    assert record["made_of"]["section"]["arguments"] == ["--k", "3", "--inp_method", "cam++"]
    assert call(main, arguments).returncode == 0
    assert json.loads(path.read_text())["made_of"]["section"]["arguments"] == []


@pytest.mark.integration
def test_networks_of_other_options_are_not_in_the_table(call, networks, tmp_path):
    one, other = "digits_smallgap_int_1", "digits_smallgap_int_20"
    arguments, out = options(networks, tmp_path, "--only", "topk", "--networks"), tmp_path / "out"
    assert call(main, [*arguments, one]).returncode == 0
    result = call(main, [*arguments, other, "--task-options=--k 3"])
    assert result.returncode == 0, result.stderr
    told = f"not in the table, evaluated with other options: {one}"
    assert told in result.stdout
    assert told in (out / "report.html").read_text()
    assert [line.split("\t")[0] for line in (out / "topk.tsv").read_text().splitlines()] == ["network", other]
    # With the same options both share a table, and the one that has them already is not evaluated again.
    before = (out / "topk" / f"{one}.json").read_bytes()
    result = call(main, [*arguments, other])
    assert "other options" not in result.stdout
    assert [line.split("\t")[0] for line in (out / "topk.tsv").read_text().splitlines()] == ["network", one, other]
    assert (out / "topk" / f"{one}.json").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--seed 4", "which eval.py gives to intr_topk itself"),
        ("--output_dir=x", "which eval.py gives to intr_topk itself"),
        ("--ratios '0.5", "no closing quotation: give a quotation mark its other half"),
        ("--k 3\\", "no escaped character: give a quotation mark its other half, and write a backslash twice"),
        ("--num-image 4", "which eval.py gives to intr_topk itself"),
        ("--k no", "'no' is no whole number"),
        ("--calibration x", "is for uar_attack: leave it out for intr_topk"),
    ],
)
def test_options_that_the_task_does_not_take_are_refused_before_anything_runs(call, networks, tmp_path, given, told):
    result = call(main, options(networks, tmp_path, "--only", "topk", f"--task-options={given}"))
    assert result.returncode == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_radii_may_be_fractions():
    assert numbers("0,8/255,1e-1") == [0.0, 8 / 255, 0.1]
    assert ratios("1/2,0.9") == [0.5, 0.9]


def test_a_section_has_the_defaults_of_its_task_where_nothing_is_shared(call, networks, tmp_path):
    arguments = options(networks, tmp_path, "--only", "faithfulness", "--networks", "digits_smallgap_int_1")
    told = ["--task-options", "--methods gradient --measures gini"]
    assert call(main, ["3", *arguments[1:], *told]).returncode == 0
    record = json.loads((tmp_path / "out" / "faithfulness" / "digits_smallgap_int_1.json").read_text())
    assert [row[0] for row in record["rows"]] == ["random", "edges", "gradient"]
