"""`eval_cmd.py` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import interp
from interp.commands.evaluate_network import OWN, main
from interp.commands.tasks.shared_options import TaskOptions
from interp.commands.tasks.task_registry import TASKS as LISTED
from interp.models import build_network
from interp.report.records import made_alike, shared_table

SCRIPT = Path(__file__).parents[2] / "eval_cmd.py"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    net = build_network("small", (28, 28, 1), 10)
    return interp.save_model(net, tmp_path_factory.mktemp("networks") / "digits_smallgap_normal_0.safetensors")


@pytest.mark.parametrize("as_process", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_accuracy_under_attack(call, network, tmp_path, as_process):
    line = ["--task", "pgd_attack", "--dataset", "digits", "--network", network, "--output_dir", tmp_path]
    line += ["--picture_dir", tmp_path, "--num_image", "30", "--steps", "3", "--epsilons", "0,0.1"]
    if as_process:
        result = subprocess.run([sys.executable, SCRIPT, *line], capture_output=True, text=True, check=False)
    else:
        result = call(main, line)
    assert result.returncode == 0, result.stderr
    assert "PGD-3 (linf, step 0.01, no random start, last iterate, each eps alone)" in result.stdout
    stem = "pgd_attack_digits_reference"
    record = json.loads((tmp_path / stem / "digits_smallgap_normal_0.json").read_text())
    assert [row[0] for row in record["rows"]] == [0, 0.1]
    # Nothing was trained, and three steps of 0.01 are far from 0.1.
    assert [flag["kind"] for flag in record["flags"]] == ["chance accuracy", "weak attack"]
    assert "flagged: the clean accuracy" in result.stdout
    assert record["network"]["architecture"] == "small"
    assert record["arguments"]["steps"] == 3
    lines = (tmp_path / f"{stem}.tsv").read_text().splitlines()
    assert lines[0] == "network\teps\taccuracy\tstandard error"
    assert lines[1].startswith("digits_smallgap_normal_0\t0.0\t")
    assert (tmp_path / f"{stem}_digits_smallgap_normal_0_accuracy.png").stat().st_size > 10_000


# The options that make each task short, what its table says, and how many pictures it draws.
TASKS = {
    "pgd_attack": ({}, "accuracy", 1),
    "pgd_attack strong": (
        {"--protocol": "strong", "--queries": 5, "--restarts": 1, "--epsilons": "0.05"},
        "worst case",
        1,
    ),
    "min_pgd_attack": ({}, "mean margin", 1),
    "min_pgd_attack reference": ({"--direction": "reference"}, "mean margin", None),
    "isa_cam": ({}, "qualified", 1),
    "min_pgd_attack l2": ({"--norm": "l2", "--discrepancy-norm": "l1"}, "mean margin", 1),
    "isa_cam cam++": (
        {"--inp_method": "cam++", "--discrepancy-norm": "l2", "--num_class": "all_class"},
        "qualified",
        1,
    ),
    "isa_ig": ({"--penalties": "1.2"}, "qualified", 1),
    "tradeoff_cam": ({"--penalties": "1.2,1.4"}, "penalty", 1),
    "tradeoff_ig": ({"--penalties": "1.2", "--num_image": 1}, "penalty", 1),
    "tradeoff_repr": ({"--rep_l": 0}, "representation", 1),
    "attack_and_display": ({}, "target", 1),
    "vis_cam": ({}, "attacked accuracy", 1),
    "vis_cam ig": ({"--inp_method": "ig"}, "attacked accuracy", 1),
    "aai_topk": ({}, "Kendall tau", 0),
    "aai_topk l2": ({"--norm": "l2"}, "Kendall tau", 0),
    "aai_topk strong": ({"--protocol": "strong", "--steps": None}, "strongest attack", 1),
    "explanation_attack": ({"--queries": "0", "--restarts": "1"}, "strongest attack", 1),
    "leaderboard": (
        {"--queries": "2", "--restarts": "1", "--explanation-steps": 1, "--explanations": "gradient"},
        "gradient tau",
        0,
    ),
    "vis_cam l2": ({"--norm": "l2"}, "attacked accuracy", 1),
    "intr_topk": ({"--against": "ITSELF", "--steps": None}, "top-k overlap", 0),
}


# Tasks that search the smallest radius, for which two steps are too few.
SEARCHES = ("min_pgd_attack", "isa_cam", "isa_ig", "tradeoff_cam", "tradeoff_ig", "tradeoff_repr", "attack_and_display")
# Second derivatives take long to compile, and so do further kinds of a task that stays.
SLOW = ("tradeoff_ig", "isa_ig", "leaderboard", "tradeoff_cam", "isa_cam cam++", "vis_cam ig", "vis_cam l2")
SLOW += ("aai_topk l2", "aai_topk strong")


@pytest.mark.integration
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in TASKS]
)
def test_every_task_gives_a_table_a_record_and_its_pictures(call, network, tmp_path, name):
    changes, heading, count = TASKS[name]
    task = name.split()[0]
    options = {"--task": task, "--dataset": "digits", "--network": network, "--num_image": 3, "--steps": 2}
    options |= {"--output_dir": tmp_path / "tables", "--picture_dir": tmp_path / "pictures"}
    options |= {option: network if value == "ITSELF" else value for option, value in changes.items()}
    options = {option: value for option, value in options.items() if value is not None}
    result = call(main, [f"{option}={value}" for option, value in options.items()])
    assert result.returncode == 0, result.stderr
    assert heading in result.stdout
    [path] = (tmp_path / "tables").glob("*/*.json")
    stem, record = path.parent.name, json.loads(path.read_text())
    # Names of files carry what plays a part.
    played = ["digits", *(options.get(f"--{name}") for name in ("inp_method", "norm", "discrepancy-norm", "protocol"))]
    assert stem.startswith(task)
    assert set(filter(None, played)) <= set(stem.removeprefix(f"{task}_").split("_"))
    assert ("two_class" in stem) == (
        task in ("min_pgd_attack", "isa_cam", "isa_ig", "attack_and_display") and "all_class" not in stem
    )
    assert record["caption"]
    # In l2 steps are as long as the radius needs.
    if name in ("aai_topk", "vis_cam", "vis_cam ig"):
        assert record["flags"][-1]["kind"] == "weak attack"
    if task in SEARCHES and "--norm" not in changes:
        assert [flag["kind"] for flag in record["flags"]].count("weak attack") == 1
        assert "of a radius far at most" in result.stdout
    if task == "vis_cam":
        assert "images that are wrong without an attack are attacked, too" in record["caption"]
    table = (tmp_path / "tables" / f"{stem}.tsv").read_text().splitlines()
    assert len(table) == 1 + len(record["rows"])
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    if count is not None:
        assert len(pictures) == count
    assert all(name.startswith(f"{stem}_digits_smallgap_normal_0_") for name in pictures)


def test_every_listed_task_has_its_function():
    for task in LISTED.values():
        assert callable(task.function)
        assert issubclass(task.options, TaskOptions)


# A task of a second, for what is kept of any.
COMPARED = ["--task=intr_topk", "--dataset=digits"]


@pytest.mark.integration
def test_networks_share_a_table_and_a_second_run_replaces_the_first(call, network, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(Path(network).read_bytes())
    common = [*COMPARED, f"--against={network}", "--num_image=3"]
    common += [f"--output_dir={tmp_path / 'out'}", f"--picture_dir={tmp_path}"]
    for chosen in (network, other, network):
        assert call(main, [*common, f"--network={chosen}"]).returncode == 0
    table = (tmp_path / "out" / "intr_topk_digits_cam.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in table] == ["network", "digits_smallgap_normal_0", "other"]


@pytest.mark.integration
def test_networks_of_other_options_keep_to_the_record(call, network, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(Path(network).read_bytes())
    common = [*COMPARED, f"--against={network}", f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    assert call(main, [*common, f"--network={network}", "--num_image=3"]).returncode == 0
    assert call(main, [*common, f"--network={other}", "--num_image=2"]).returncode == 0
    stem = tmp_path / "intr_topk_digits_cam"
    assert len(stem.with_suffix(".tsv").read_text().splitlines()) == 2
    assert {path.stem for path in stem.iterdir()} == {"digits_smallgap_normal_0", "other"}


def test_the_other_network_of_a_comparison_has_flags_of_its_own(call, network, tmp_path):
    """Neither was trained, and the record says so of both."""
    other = interp.save_model(build_network("small", (28, 28, 1), 10, seed=1), tmp_path / "other.safetensors")
    common = [*COMPARED, "--num_image=12", f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    result = call(main, [*common, f"--network={network}", f"--against={other}"])
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "intr_topk_digits_cam" / "digits_smallgap_normal_0.json").read_text())
    own, others = record["flags"]
    assert (own["kind"], others["kind"]) == ("chance accuracy", "chance accuracy of the other network")
    assert others["text"].startswith("other: the clean accuracy of ")
    assert "flagged: other: the clean accuracy" in result.stdout
    assert record["other"]["clean_accuracy"]["images"] == 12


def test_another_network_of_the_same_name_is_refused_before_the_work(call, network, tmp_path):
    other = tmp_path / Path(network).name
    other.write_bytes(Path(network).read_bytes())
    common = [*COMPARED, f"--against={network}", "--num_image=2"]
    common += [f"--output_dir={tmp_path / 'out'}", f"--picture_dir={tmp_path}"]
    assert call(main, [*common, f"--network={network}"]).returncode == 0
    result = call(main, [*common, f"--network={other}"])
    assert result.returncode == 2
    assert "is of another network named" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["a$_$\n\tb", "网络"])
def test_names_of_any_letters(call, network, tmp_path, name):
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(Path(network).read_bytes())
    common = [*COMPARED, f"--against={network}", "--num_image=2", f"--network={path}"]
    result = call(main, [*common, f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"])
    assert result.returncode == 0, result.stderr
    assert len((tmp_path / "intr_topk_digits_cam.tsv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "text", ["[1, 2]", "{", "[" * 100_000, '{"a": {"header": ["b"], "rows": [5]}}', '{"a": NaN}', '{"\\ud800": {}}']
)
@pytest.mark.parametrize("earlier", ["l1_two_class_min_pgd_attack_digits_cam.json", None])
def test_a_foreign_record_is_left_alone(call, network, tmp_path, text, earlier):
    # What an earlier version left, and what this one reads.
    path = tmp_path / (earlier or "min_pgd_attack_digits_cam_l1_two_class/digits_smallgap_normal_0.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    common = ["--task=min_pgd_attack", "--dataset=digits", "--num_image=3", "--steps=1", f"--network={network}"]
    result = call(main, [*common, f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"])
    assert result.returncode == 2
    assert ("move it away" if earlier else "remove it") in result.stderr
    assert path.read_text() == text
    assert result.stdout == ""


@pytest.mark.integration
def test_a_model_of_the_users_own(call, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
    model.save(tmp_path / "mine.keras")
    common = ["--dataset=digits", f"--network={tmp_path / 'mine.keras'}", "--num_image=2", "--steps=2"]
    common += ["--input-scale=0..1"]
    common += [f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    result = call(main, ["--task=aai_topk", *common])
    assert result.returncode == 0, result.stderr
    flat = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    flat.save(tmp_path / "flat.keras")
    common[1] = f"--network={tmp_path / 'flat.keras'}"
    assert call(main, ["--task=aai_topk", "--inp_method=ig", *common]).returncode == 0
    result = call(main, ["--task=isa_cam", *common])
    assert result.returncode == 2
    assert "--inp-method grad_cam" in result.stderr
    # The way out is asked for where it does not hold either.
    result = call(main, ["--task=isa_cam", "--inp-method=grad_cam", *common])
    assert "use a method that looks at the pixels" in result.stderr


@pytest.mark.integration
def test_a_softmax_is_cut(call, tmp_path):
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    )
    model.save(tmp_path / "probable.keras")
    common = ["--task=pgd_attack", "--dataset=digits", f"--network={tmp_path / 'probable.keras'}", "--num_image=5"]
    common += ["--input-scale=0..1"]
    result = call(main, [*common, "--steps=2", f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"])
    assert result.returncode == 0, result.stderr
    assert "probabilities" not in result.stdout


@pytest.mark.integration
def test_weights_alone_need_their_architecture(call, tmp_path):
    build_network("pool", (28, 28, 1), 10).save_weights(tmp_path / "mine.weights.h5")
    common = [
        "--task=aai_topk",
        "--dataset=digits",
        f"--network={tmp_path / 'mine.weights.h5'}",
        "--num_image=2",
        "--steps=2",
    ]
    common += [f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    assert "say of which architecture" in call(main, common).stderr
    assert call(main, [*common, "--network_type=pool"]).returncode == 0


@pytest.mark.integration
def test_nothing_qualifies(call, tmp_path):
    """A network that always sees class 5: its images of other classes are wrong, and no target is ever reached."""
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(3, 5),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
    bias = np.zeros(10, np.float32)
    bias[5] = 9
    network.layers[-1].set_weights([np.zeros((3, 10), np.float32), bias])
    network.save(tmp_path / "five.keras")
    common = ["--dataset=digits", f"--network={tmp_path / 'five.keras'}", "--num_image=1", "--steps=1"]
    common += ["--input-scale=0..1"]
    common += [f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    # Nobody's target is class 5, and where it were it would be preferred already.
    for task in ("isa_cam", "min_pgd_attack", "attack_and_display"):
        result = call(main, [f"--task={task}", *common, "--seed=4"])
        assert result.returncode == 0, result.stderr
        assert "none qualified" in result.stdout


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error_of_ours(network, tmp_path):
    command = (
        f"{sys.executable} {SCRIPT} --task pgd_attack --dataset digits --network {network} --num_image 5 --steps 1"
    )
    result = subprocess.run(
        ["bash", "-c", f"{command} --output_dir {tmp_path} --picture_dir {tmp_path} | true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["reference", "quick", "strong"])
def test_accuracy_in_an_l2_ball(call, network, tmp_path, protocol):
    """Radii and steps are those of the norm, and tables of the two norms are two."""
    line = [
        "--task",
        "pgd_attack",
        "--dataset",
        "digits",
        "--network",
        network,
        "--protocol",
        protocol,
        "--norm",
        "l2",
    ]
    line += ["--num-image", "20", "--steps", "5", "--output-dir", tmp_path, "--picture-dir", tmp_path]
    if protocol != "reference":
        line += ["--queries", "5", "--restarts", "1", "--epsilons", "0,1.5"]
    result = call(main, [str(word) for word in line])
    assert result.returncode == 0, result.stderr
    record = json.loads(next((tmp_path / f"pgd_attack_digits_{protocol}_l2").glob("*.json")).read_text())
    radii = [row[0] for row in record["rows"]]
    assert radii == ([0, 0.5, 1, 1.5, 2] if protocol == "reference" else [0, 1.5])
    assert record["arguments"]["step_size"] == pytest.approx(2.5 * radii[-1] / 5)
    assert "l2" in record["caption"]


def test_networks_of_several_people_share_a_leaderboard():
    """Who trained a network is said of it by an option, as its name is."""
    first, second = ({"header": ["figure"], "arguments": {"steps": 5, "trained_by": who}} for who in ("me", "them"))
    assert made_alike(first, second, OWN)
    assert not made_alike(first, {**second, "arguments": {"steps": 6, "trained_by": "them"}}, OWN)


def test_a_network_of_which_nothing_was_left_stays_in_the_table():
    """The strong protocol has no ensemble for it, and a sneaking attack no bound: both have fewer columns, and the same options."""
    options = {"arguments": {"epsilons": [0.3]}, "splits": {"test": "these"}}
    broken, robust = (
        {**options, "header": ["eps", *ensemble, "worst case"], "rows": [[0.3, *worst]]}
        for ensemble, worst in (((), (0.0,)), (("ensemble FAB-T",), (0.5, 0.5)))
    )
    assert made_alike(broken, robust, OWN)
    table = shared_table({"broken": broken, "robust": robust})
    assert table.header == ("network", "eps", "ensemble FAB-T", "worst case")
    assert table.rows == (("broken", 0.3, "-", 0.0), ("robust", 0.3, 0.5, 0.5))
    assert not made_alike(broken, {**robust, "splits": {"test": "others"}}, OWN)
