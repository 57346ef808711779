"""All tasks with all options: each is read by the task and kept in the record, or refused by the name of the task that takes it."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import interp
from interp.commands import evaluate_network
from interp.commands.evaluate_network import main, parse, parser
from interp.commands.tasks.task_registry import TASKS, foreign_options
from interp.core.errors import InputError
from interp.core.options import flag
from interp.data.image_options import OWN_IMAGES
from interp.models import build_network

# A value of each option that differs from its default.
VALUES = {
    "network_type": "small",
    "any_dataset": None,
    "num_image": "7",
    "seed": "5",
    "networks_dir": "networks",
    "data_dir": "data",
    "image_size": "64,48",
    "crop": "none",
    "unreadable": "skip",
    "color_mode": "rgb",
    "output_dir": "out",
    "picture_dir": "pictures",
    "format": "csv",
    "batch_size": "3",
    "inp_method": "gradient",
    "epsilons": "0.1,0.2",
    "steps": "3",
    "step_size": "0.02",
    "restarts": "2",
    "iterate": "worst",
    "attack_precision": "bfloat16",
    "protocol": "strong",
    "queries": "20",
    "explanations": "gradient",
    "explanation_images": "3",
    "explanation_steps": "2",
    "trained_by": "us",
    "measures": "pearson,ssim",
    "prediction": "free",
    "tolerance": "1",
    "norm": "l2",
    "discrepancy_norm": "l2",
    "direction": "reference",
    "penalties": "1.1,1.3",
    "num_class": "all_class",
    "rep_l": "0",
    "k": "3",
    "against": "other",
    "attacks": "fog",
    "budgets": "all",
    "goal": "both",
    "input_scale": "tf",
    "output": "scores",
    "custom_objects": "my_layers:Mish",
    "weights": "own.weights.h5",
    "calibration": "ata.json",
    "methods": "gradient",
    "layer": "conv",
    "points": "4",
    "samples": "5",
    "noise_level": "0.2",
    "ranking": "magnitude",
    "patch": "2",
    "ratios": "0.5",
    "seeds": "2",
    "train_image": "60",
    "epochs": "1",
    "retrain_type": "pool",
    "workers": "1",
    "ray": "local",
}
# Other values where a task knows others, and what an option needs beside it.
OTHERS = {
    ("isa_ig", "inp_method"): "ig",
    ("tradeoff_ig", "inp_method"): "ig",
    ("tradeoff_repr", "inp_method"): "representation",
    ("attack_and_display", "penalties"): "1.3",
    ("leaderboard", "epsilons"): "0.2",
    ("roar", "protocol"): "whitebox",
    ("kar", "protocol"): "whitebox",
    ("faithfulness", "measures"): "gini,deletion",
}
WITH = {
    **{("pgd_attack", name): ["--protocol=strong"] for name in ("queries", "workers", "ray")},
    ("min_pgd_attack", "norm"): ["--discrepancy-norm=l1"],
}
# Names that options had before, where no other option has them now.
EARLIER = {"norm": "discrepancy_norm"}


@pytest.fixture(scope="module")
def own_images(tmp_path_factory):
    """Images that are nobody's dataset, which some options are for."""
    folder = tmp_path_factory.mktemp("own")
    for label in ("a", "b"):
        (folder / label).mkdir()
        for place in range(3):
            Image.new("L", (28, 28)).save(folder / label / f"{place}.png")
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    net = build_network("small", (28, 28, 1), 10)
    return interp.save_model(net, tmp_path_factory.mktemp("networks") / "digits_smallgap_normal_1.safetensors")


def line(task, network, name, own_images):
    """The words that give one option to a task, spelled with `_` and with `-`."""
    value = OTHERS.get((task, name), VALUES[name])
    if name == "weights":
        network, value = "keras.applications.MobileNetV2", network
    given = f"--{name}" if value is None else f"--{name}={value}"
    needed = [
        f"--task={task}",
        f"--dataset={own_images if name in OWN_IMAGES else 'digits'}",
        f"--network={network}",
        *WITH.get((task, name), []),
    ]
    return [*needed, given], [*needed, given.replace("_", "-", given.partition("=")[0].count("_"))]


def test_every_option_has_a_value_here():
    names = {each.name for task in TASKS.values() for each in dataclasses.fields(task.options)}
    assert names == {*VALUES, "dataset", "network"}


@pytest.mark.parametrize(
    ("task", "there", "gone"),
    [
        ("aai_topk", "cam, cam++, ig, gradient,", "representation"),
        ("isa_cam", "cam, cam++, gradient,", " ig,"),
        ("isa_ig", "ig, or an ensemble", "gradient,"),
        ("tradeoff_repr", "representation, or an ensemble", "cam,"),
    ],
)
def test_the_help_lists_the_maps_that_a_task_looks_at(task, there, gone):
    told = (
        " ".join(parser(TASKS[task]).format_help().split())
        .partition("--inp-method METHOD ")[2]
        .partition("(default")[0]
    )
    assert told.startswith(there)
    assert gone not in told


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", VALUES)
def test_a_task_takes_an_option_or_says_whose_it_is(task, name, network, own_images):
    spec = TASKS[task]
    spellings = line(task, network, name, own_images)
    defaults = {each.name: each.default for each in dataclasses.fields(spec.options)}
    if name in defaults or EARLIER.get(name) in defaults:
        for words in spellings:
            options, present = parse(words).options, name if name in defaults else EARLIER[name]
            assert getattr(options, present) != defaults[present]
        return
    # One task after the other refuses one spelling and the other.
    with pytest.raises(InputError) as refused:
        parse(spellings[[*TASKS].index(task) % 2])
    others = [other.name for other in TASKS.values() if flag(name) in other.flags]
    assert str(refused.value).startswith(f"{flag(name)} is for ")
    assert str(refused.value).endswith(f": leave it out for {task}")
    assert all(other in str(refused.value) for other in others)
    assert foreign_options(spec)[flag(name)]


def test_values_of_other_tasks_are_refused_with_the_nearest(network):
    with pytest.raises(InputError, match="unknown --protocol 'paper'"):
        parse(["--task=pgd_attack", "--dataset=digits", f"--network={network}", "--protocol=paper"])
    with pytest.raises(InputError, match="--queries is for --protocol strong"):
        parse(["--task=pgd_attack", "--dataset=digits", f"--network={network}", "--queries=5"])


def parsed(task, network, *words):
    asked = parse([f"--task={task}", "--dataset=digits", f"--network={network}", *words])
    return asked, asked.options


@pytest.mark.parametrize(
    "task", ["isa_cam", "isa_ig", "tradeoff_cam", "tradeoff_ig", "tradeoff_repr", "attack_and_display"]
)
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_earlier_name_of_the_discrepancys_norm_means_the_same(task, norm, network):
    before, options = parsed(task, network, f"--norm={norm}")
    now, _ = parsed(task, network, f"--discrepancy-norm={norm}")
    assert options.discrepancy_norm == norm
    assert before.options == now.options
    assert before.table == now.table
    with pytest.raises(InputError, match="unknown --discrepancy-norm 'linf'"):
        parsed(task, network, "--norm=linf")


def test_the_norm_of_a_smallest_radius_is_told_from_that_of_the_discrepancy(network):
    """--norm l1 and linf can mean one of them alone, l2 either."""
    usual, options = parsed("min_pgd_attack", network)
    assert (options.norm, options.discrepancy_norm) == (None, "l1")
    assert parsed("min_pgd_attack", network, "--norm=l1")[1] == options
    assert parsed("min_pgd_attack", network, "--norm=linf")[1].norm == "linf"
    with pytest.raises(InputError) as refused:
        parsed("min_pgd_attack", network, "--norm=l2")
    assert "give --discrepancy-norm l2 for the former, --norm l2 --discrepancy-norm l1 for the latter" in str(
        refused.value
    )
    former, options = parsed("min_pgd_attack", network, "--discrepancy-norm=l2")
    assert (options.norm, options.discrepancy_norm) == (None, "l2")
    latter, options = parsed("min_pgd_attack", network, "--norm=l2", "--discrepancy-norm=l1")
    assert (options.norm, options.discrepancy_norm) == ("l2", "l1")
    assert [asked.table.removeprefix("min_pgd_attack_digits_cam_") for asked in (usual, former, latter)] == [
        "l1_two_class",
        "l2_two_class",
        "l1_two_class_l2",
    ]
    with pytest.raises(InputError, match="unknown --norm 'l1'"):
        parsed("min_pgd_attack", network, "--norm=l1", "--discrepancy-norm=l2")
    with pytest.raises(InputError, match="--step-size came as 2, expected at most 1"):
        parsed("pgd_attack", network, "--step-size=2")


@pytest.mark.parametrize(
    ("task", "table", "radii"),
    [
        ("pgd_attack", "pgd_attack_digits_reference_l2", (0, 0.5, 1, 1.5, 2)),
        ("aai_topk", "aai_topk_digits_cam_l2", (0.5, 1, 1.5, 2)),
        ("vis_cam", "vis_cam_digits_cam_l2", (0.5, 1, 1.5, 2)),
    ],
)
def test_radii_in_l2_and_their_steps(task, table, radii, network):
    asked, options = parsed(task, network, "--norm=l2", "--steps=10")
    assert asked.table == table
    assert (options.radii if task == "pgd_attack" else options.map_radii) == radii
    assert options.step_size == 0.5
    assert parsed(task, network, "--norm=l2", "--epsilons=4", "--step-size=1")[1].step_size == 1
    with pytest.raises(InputError, match="expected at most 1"):
        parsed(task, network, "--epsilons=4")
    options = parsed(task, network, "--epsilons=0.1,0,0.1")[1]
    assert (options.radii, options.map_radii) == ((0.1, 0), (0.1, 0))


# What makes each task short; the options that none of these lines leads to are read in other branches of the same task.
SHORT = {
    "pgd_attack": [
        ["--steps=1", "--epsilons=0.1"],
        ["--protocol=strong", "--queries=2", "--steps=1", "--epsilons=0.1"],
    ],
    "min_pgd_attack": [["--steps=1"]],
    "isa_cam": [["--steps=1", "--penalties=1.5"]],
    "isa_ig": [],
    "tradeoff_cam": [["--steps=1", "--penalties=1.5"]],
    "tradeoff_ig": [],
    "tradeoff_repr": [["--steps=1", "--penalties=1.5"]],
    "attack_and_display": [["--steps=1"]],
    "vis_cam": [["--steps=1"]],
    "intr_topk": [["--against=ITSELF"]],
    "aai_topk": [["--steps=1"]],
    "explanation_attack": [["--steps=1", "--queries=1", "--restarts=1", "--epsilons=0.1"]],
    "leaderboard": [["--steps=1", "--queries=1", "--restarts=1", "--explanation-steps=1", "--explanations=gradient"]],
    "uar_attack": [["--steps=1", "--attacks=jpeg_linf"]],
    "saliency": [["--methods=gradient"]],
    "coherence": [["--methods=gradient", "--samples=1"]],
    "selectivity": [["--methods=gradient", "--steps=1"]],
    "faithfulness": [["--methods=gradient", "--measures=deletion,gini"]],
    "roar": [["--methods=gradient", "--train-image=60", "--epochs=1", "--seeds=1", "--ratios=0.5", "--workers=1"]],
    "kar": [],
    "sanity_check": [["--methods=gradient"]],
}
# Read by who starts the task, and by the names of files.
AROUND = {"networks_dir", "data_dir", "picture_dir", "format", "network", "output_dir"}


@pytest.mark.slow
@pytest.mark.parametrize("task", [task for task in SHORT if SHORT[task]])
def test_every_option_of_a_task_is_read_by_it_and_kept(task, network, tmp_path, monkeypatch, call):
    """An option that nobody reads would be silently ignored."""
    kind, read = TASKS[task].options, set()

    def reading(self, name):
        read.add(name)
        return object.__getattribute__(self, name)

    def watched(words, prog="eval_cmd.py"):
        asked = parse(words, prog)
        # The checks of the options are over: what is read from now on is used.
        read.clear()
        object.__setattr__(asked.options, "__class__", type(kind.__name__, (kind,), {"__getattribute__": reading}))
        return asked

    monkeypatch.setattr(evaluate_network, "parse", watched)
    names = {each.name for each in dataclasses.fields(kind)}
    seen: set[str] = set()
    for place, more in enumerate(SHORT[task]):
        out = tmp_path / str(place)
        words = [f"--task={task}", "--dataset=digits", f"--network={network}", "--num-image=4"]
        words += [f"--output-dir={out}", f"--picture-dir={out}"]
        result = call(main, [*words, *(word.replace("ITSELF", str(network)) for word in more)])
        assert result.returncode == 0, result.stderr
        [path] = out.rglob("digits_smallgap_normal_1.json")
        kept = json.loads(path.read_text())["arguments"]
        assert names <= kept.keys()
        seen |= read
    assert names - seen - AROUND <= {"layer"}


def test_every_task_is_run_with_its_options_noted():
    assert SHORT.keys() == TASKS.keys()


def test_options_are_written_in_help_with_their_defaults(capsys):
    for task in TASKS.values():
        text = " ".join(evaluate_network.parser(task).format_help().split())
        for each in dataclasses.fields(task.options):
            assert flag(each.name) in text
        assert f"test images (default: {task.options.images})" in text
        assert "without it" not in text
    assert np.all([name in evaluate_network.parser().format_help() for name in TASKS])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("auto", "auto"),
        ("0..255", "0..255"),
        ("0.5,0.25", ((0.5,), (0.25,))),
        ("127.5/255,64/255", ((0.5,), (64 / 255,))),
        ("0.4,0.5,0.6,0.1,0.2,0.3", ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))),
        ("0..256", "did you mean '0..255'"),
        ("0.5", "MEAN,STD such as 0.5,0.25"),
        ("0.4,0.5,0.6", "give one number each"),
        ("0.5,0", "the STD above 0"),
        ("127,64", "divide those of 0..255 by 255"),
        ("0.5,x", "no list of numbers"),
    ],
)
def test_scales_on_the_command_line(capsys, text, value):
    line = ["--task=saliency", "--dataset=digits", "--network=mnist_smallgap_normal_20", f"--input-scale={text}"]
    if isinstance(value, str) and value != text:
        with pytest.raises(SystemExit):
            parse(line)
        assert value in capsys.readouterr().err
    else:
        assert parse(line).options.input_scale == value
