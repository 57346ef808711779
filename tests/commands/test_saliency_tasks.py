"""The saliency suite on the command line."""

import json

import keras
import numpy as np
import pytest

import interp
from interp.commands import evaluate
from interp.commands.evaluate_network import main
from interp.models import build_network

L = keras.layers


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    net = build_network("small", (28, 28, 1), 10)
    return interp.save_model(net, tmp_path_factory.mktemp("networks") / "digits_smallgap_normal_1.safetensors")


def arguments(network, folder, **options):
    if str(network).endswith(".keras"):
        options = {"input-scale": "0..1", **options}
    options = {"dataset": "digits", "network": network, "output_dir": folder, "picture_dir": folder, **options}
    return [f"--{name}={value}" for name, value in options.items()]


# Options that make each task short, a word of its table, and its pictures.
TASKS = {
    "saliency": (
        {"num_image": 2, "methods": "integrated_gradients,smooth_grad_squared", "samples": 2},
        "completeness gap",
        ["maps"],
    ),
    "coherence": (
        {"num_image": 3, "samples": 2, "points": 2, "methods": "gradient,cam"},
        "share on object",
        ["agreement", "grid_plain", "grid_smooth_grad", "grid_smooth_grad_squared", "grid_smooth_grad_var"],
    ),
    "selectivity": (
        {"num_image": 3, "steps": 3, "methods": "gradient,smooth_grad_var:input_x_gradient", "samples": 2},
        "accuracy after 3",
        ["curves", "erased"],
    ),
    "faithfulness": (
        {"num_image": 3, "methods": "edges,gradient", "measures": "deletion,road_most,pointing_game"},
        "beats",
        ["agreement", "curves", "means"],
    ),
    "sanity_check": ({"num_image": 3, "methods": "gradient,guided_backprop"}, "expected", ["correlations"]),
}


@pytest.mark.integration
@pytest.mark.parametrize("task", TASKS)
def test_every_task_gives_a_table_a_record_and_its_pictures(call, network, tmp_path, task):
    options, heading, pictures = TASKS[task]
    result = call(main, arguments(network, tmp_path, task=task, **options))
    assert result.returncode == 0, result.stderr
    assert heading in result.stdout
    record = json.loads((tmp_path / f"{task}_digits" / "digits_smallgap_normal_1.json").read_text())
    # Of several measures a method has several rows.
    methods = list(dict.fromkeys(row[0] for row in record["rows"]))
    assert methods[0] == "random"
    assert methods[1:] == options["methods"].split(",")
    assert sorted(record["pictures"]) == [
        f"{task}_digits_digits_smallgap_normal_1_{picture}.png" for picture in pictures
    ]
    assert all((tmp_path / picture).is_file() for picture in record["pictures"])
    assert (tmp_path / f"{task}_digits.tsv").read_text().startswith("network\tmethod\t")
    if task == "selectivity":
        assert record["patch"] == 3
        assert "a patch of 3 x 3 pixels (1.1% of the image) a step" in record["caption"]
    if task == "faithfulness":
        assert list(record["measures"]) == ["deletion", "road_most", "pointing_game"]
        assert np.shape(record["values"]) == (3, 3, 3)
        assert 0.2 < record["measures"]["pointing_game"]["by_chance"] < 0.8
        assert len(list((tmp_path / "faithfulness_kept" / "digits_smallgap_normal_1").iterdir())) == 9
        assert "read no measure alone" in result.stdout
    if task == "sanity_check":
        # The whole curve, with a bar where half of the four layers are random.
        curve = record["rows"][1][2].split()
        assert [place for place, part in enumerate(curve) if part == "|"] == [1]
        assert [float(part) for part in curve if part != "|"] == [
            round(mean["value"], 2) for mean in record["signed"]["gradient"]
        ]
        assert "once 2 of 4 layers are random" in result.stdout


@pytest.mark.integration
def test_single_pixels_are_erased_when_asked_for(call, network, tmp_path):
    few = {"num_image": 2, "steps": 2, "methods": "gradient"}
    result = call(main, arguments(network, tmp_path, task="selectivity", patch=1, **few))
    assert result.returncode == 0, result.stderr
    assert "2 images, one pixel a step, set to 0" in result.stdout


QUICK = {
    "methods": "gradient",
    "num_image": 20,
    "train_image": 60,
    "epochs": 1,
    "ratios": "0.5",
    "seeds": 2,
    "workers": 1,
}


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["paper", pytest.param("whitebox", marks=pytest.mark.slow)])
def test_roar_and_kar_share_their_maps_and_go_on(call, network, tmp_path, protocol):
    roar = call(main, arguments(network, tmp_path, task="roar", protocol=protocol, **QUICK))
    assert roar.returncode == 0, roar.stderr
    assert f"{protocol} protocol: " in roar.stdout
    assert "ROAR at ratio 0.5: beat the random baseline: " in roar.stdout
    assert "arXiv 2304.13836" in roar.stdout
    record = json.loads((tmp_path / f"roar_digits_{protocol}" / "digits_smallgap_normal_1.json").read_text())
    assert [row[:2] for row in record["rows"]] == [["random", 0.5], ["gradient", 0.5]]
    (folder,) = (tmp_path / "retrainings").iterdir()
    assert record["kept_in"] == str(folder)
    splits = ("test", "train", "validation") if protocol == "paper" else ("train",)
    maps = sorted((folder / "maps").iterdir())
    assert [path.stem for path in maps] == sorted(
        f"{name}_{split}" for name in ("gradient", "random") for split in splits
    )
    times = [path.stat().st_mtime_ns for path in maps]
    kar = call(main, arguments(network, tmp_path, task="kar", protocol=protocol, **QUICK))
    assert kar.returncode == 0, kar.stderr
    assert list((tmp_path / "retrainings").iterdir()) == [folder]
    assert [path.stat().st_mtime_ns for path in maps] == times
    accuracies = json.loads((folder / "retrainings.json").read_text())["accuracies"]
    assert len(accuracies) == 2 + 2 * 2 * 2
    # The unerased trainings of roar serve kar.
    again = call(main, arguments(network, tmp_path, task="kar", protocol=protocol, **QUICK))
    assert "100%" in again.stderr.replace("\r", "\n") or again.returncode == 0


@pytest.mark.slow
def test_maps_that_miss_completeness_are_noted(call, tmp_path):
    """The gradient is nothing but for the first thousandth of the way, where no point lies."""
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), L.Flatten(), L.Dense(20, "tanh", kernel_initializer="ones"), L.Dense(10)]
    )
    model.layers[1].kernel.assign(100 * model.layers[1].kernel)
    model.save(tmp_path / "steep.keras")
    for task in ("saliency", "coherence", "vis_cam", "min_pgd_attack"):
        ours = (
            {"methods": "integrated_gradients", "samples": 1}
            if task in ("saliency", "coherence")
            else {"inp_method": "ig", "steps": 1}
        )
        result = call(main, arguments(tmp_path / "steep.keras", tmp_path, task=task, num_image=2, **ours))
        assert result.returncode == 0, result.stderr
        assert "integrated gradients by 32 points of 2 of 2 images do not add up" in result.stdout, task


def softmax_model(folder, *end):
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), L.Conv2D(4, 5, strides=3, activation="gelu"), L.Flatten(), L.Dense(10), *end]
    )
    model.save(folder / "mine.keras")
    return folder / "mine.keras"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "saliency", "methods": "gradeint"}, "unknown method 'gradeint': did you mean 'gradient'?"),
        ({"task": "saliency", "methods": "gradient,,"}, "is no list of names"),
        ({"task": "saliency", "methods": "smooth:gradient"}, "unknown ensemble 'smooth'"),
        ({"task": "saliency", "methods": "smooth_grad:nothing"}, "unknown method 'nothing'"),
        ({"task": "saliency", "layer": "conv9", "methods": "grad_cam"}, "unknown layer 'conv9': did you mean 'conv"),
        ({"task": "saliency", "samples": 0}, "0 is less than 1"),
        ({"task": "saliency", "inp_method": "cam"}, "leave it out for saliency"),
        ({"task": "saliency", "protocol": "strong"}, "roar and kar: leave it out"),
        ({"task": "pgd_attack", "protocol": "paper"}, "expected one of reference, strong"),
        ({"task": "faithfulness", "measures": "deleton"}, "did you mean 'deletion'"),
        ({"task": "saliency", "ray": "local"}, "--ray is for pgd_attack, leaderboard, faithfulness, roar and kar"),
        ({"task": "coherence", "ranking": "abs"}, "unknown --ranking 'abs'"),
        ({"task": "selectivity", "steps": 1000}, "steps came as 1000, expected at most 100"),
        ({"task": "selectivity", "steps": 1000, "patch": 1}, "steps came as 1000, expected at most 784"),
        ({"task": "selectivity", "patch": 29}, "patch came as 29, expected at most 28"),
        ({"task": "coherence", "patch": 2}, "--patch is for selectivity: leave it out"),
        ({"task": "roar", "ratios": "0.5,1"}, "holds a ratio that is not between 0 and 1"),
        ({"task": "roar", "ratios": "0"}, "holds a ratio that is not between 0 and 1"),
        ({"task": "roar", "ratios": "half"}, "is no list of numbers"),
        ({"task": "roar", "protocol": "whitbox"}, "did you mean 'whitebox'"),
        ({"task": "roar", "seeds": 0}, "0 is less than 1"),
        ({"task": "roar", "train_image": 100_000}, "digits has 1197 training images"),
        ({"task": "roar", "train_image": 10}, "fewer than one batch of 50"),
        ({"task": "kar", "retrain_type": "large"}, "unknown --retrain-type 'large'"),
        ({"task": "roar", "num_image": 401}, "digits test has 400"),
    ],
)
def test_wrong_options_are_one_line(call, network, tmp_path, options, said):
    short = {"num_image": 2, **({"workers": 1, "epochs": 1} if options["task"] in ("roar", "kar") else {})}
    result = call(main, arguments(network, tmp_path, **{**short, **options}))
    assert result.returncode == 2, result.stdout
    lines = [line for line in result.stderr.replace("\r", "\n").splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert said in lines[0]
    assert not list(tmp_path.glob("*.json"))


def test_a_method_that_cannot_explain_the_network_is_refused_when_asked_for(call, tmp_path):
    path = softmax_model(tmp_path)
    result = call(main, arguments(path, tmp_path, task="saliency", num_image=2, methods="guided_backprop"))
    assert result.returncode == 2
    assert "no rule for gelu" in result.stderr


@pytest.mark.integration
def test_a_model_of_ones_own_is_explained_and_retrained_as_it_is_built(call, tmp_path):
    path = softmax_model(tmp_path, L.Softmax())
    result = call(main, arguments(path, tmp_path, task="roar", **QUICK))
    assert result.returncode == 0, result.stderr
    assert "maps of mine, retrained: its own architecture of" in result.stdout


@pytest.mark.slow
def test_the_experiment_with_its_report_on_a_model_of_ones_own(call, tmp_path):
    path = softmax_model(tmp_path, L.Softmax())
    line = [
        3,
        "--only",
        "saliency",
        "--networks",
        path,
        "--dataset",
        "digits",
        "--num-image",
        2,
        "--out",
        tmp_path / "out",
    ]
    result = call(evaluate.main, line)
    assert result.returncode == 0, result.stderr
    assert (
        "guided_backprop left out: guided_backprop is defined for ReLU alone and has no rule for gelu" in result.stdout
    )
    assert "cam left out: CAM needs a model that ends in" in result.stdout
    rows = json.loads((tmp_path / "out" / "saliency" / "mine.json").read_text())["rows"]
    assert len(rows) == 9
    assert {row[1] for row in rows} == {"-", "conv2d"} or any(row[1].startswith("conv2d") for row in rows)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/webp;base64,") == 1
    assert "saliency: attribution maps of every method" in page
    assert "completeness gap" in page
    assert (tmp_path / "out" / "saliency.tsv").is_file()
    assert call(evaluate.main, line).returncode == 0
