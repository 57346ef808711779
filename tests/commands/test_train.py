"""`train.py` as a user runs it."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import interp
from interp.commands.evaluate_network import main as evaluate_network
from interp.commands.train import main, parse
from interp.commands.training_jobs import _accuracy_per_class
from interp.data import Dataset
from interp.training import step_times, with_cross_entropy_attack
from interp.training.recipes import recipes
from tests.commands.train_command import SMOKE, command, run


@pytest.mark.integration
def test_a_network_its_picture_and_its_logs(tmp_path, call):
    result = run(tmp_path, *SMOKE, "--only", "mnist_smallgap_int", "cifar_smallgap_normal")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    net = interp.load_model(tmp_path / "networks" / "digits_smallgap_int_1.safetensors")
    assert net.metadata["schedule"]["epsilon"] == 0.3
    assert "norm" not in net.metadata["schedule"]
    assert net.metadata["run"]["arguments"]["profile"] == "smoke"
    assert (tmp_path / "pictures" / "digits_smallgap_int_1.png").stat().st_size > 10_000
    log = (tmp_path / "networks" / ".runs" / "digits_smallgap_int_1" / "log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["validation_robust_accuracy"] >= 0
    arguments = [*SMOKE, "--only", "mnist_smallgap_int", *command(tmp_path)[2:]]
    assert "is there already" in call(main, arguments).stdout
    other = call(main, [*arguments, "--seed", "3"])
    assert other.returncode == 2
    assert "seed was 99 and is 3" in other.stderr


@pytest.mark.integration
def test_training_in_l2_by_an_argument(tmp_path, call):
    """It has a file of its own, and its metadata and the records of its evaluation say the norm."""
    arguments = [*SMOKE, "--only", "mnist_smallgap_adv", "--norm", "l2", *command(tmp_path)[2:]]
    result = call(main, arguments)
    assert result.returncode == 0, result.stderr
    network = tmp_path / "networks" / "digits_smallgap_adv_l2_1.safetensors"
    made = interp.load_model(network).metadata
    schedule = made["schedule"]
    assert (schedule["norm"], schedule["epsilon"]) == ("l2", 1.5)
    assert schedule["attack_steps"] * schedule["attack_step_size"] == pytest.approx(2.5 * 1.5)
    assert made["run"]["arguments"]["norm"] == "l2"
    assert made["history"][-1]["validation_robust_accuracy"] >= 0
    assert "is there already" in call(main, arguments).stdout
    line = ["--task", "min_pgd_attack", "--dataset", "digits", "--network", network, "--num-image", "2", "--steps", "2"]
    line += ["--norm", "l2", "--discrepancy-norm", "l1", "--output-dir", tmp_path, "--picture-dir", tmp_path]
    result = call(evaluate_network, line)
    assert result.returncode == 0, result.stderr
    table = tmp_path / "min_pgd_attack_digits_cam_l1_two_class_l2"
    record = json.loads((table / "digits_smallgap_adv_l2_1.json").read_text())
    assert record["network"]["schedule"]["norm"] == "l2"
    assert "radii in l2" in record["caption"]


@pytest.mark.slow
def test_another_explanation_by_an_argument(tmp_path):
    """It has a file of its own, says what it was trained on, and goes by the name of the list."""
    arguments = [*SMOKE, "--only", "mnist_smallgap_intone", "--explanation", "grad_cam"]
    result = run(tmp_path, *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    net = interp.load_model(tmp_path / "networks" / "digits_smallgap_intone_grad_cam_1.safetensors")
    assert (net.metadata["method"], net.metadata["explanation"]) == ("intone", "GradCAM()")
    assert "is there already" in run(tmp_path, *arguments).stdout


@pytest.mark.integration
def test_the_best_epoch_with_averages_and_other_terms(tmp_path, call):
    """What the options say is in the file, and the weights are those that were best on attacked validation images."""
    arguments = ["9", "--dataset", "digits", "--profile", "smoke", "--only", "mnist_smallgap_lga", "--epochs", "3"]
    arguments += ["--softplus", "5", "--penalty-weight", "0.5", "--distance-weight", "0.02", "--average", "0.5"]
    arguments += command(tmp_path)[2:]
    result = call(main, arguments)
    assert result.returncode == 0, result.stderr
    made = interp.load_model(tmp_path / "networks" / "digits_smallgap_lga_3.safetensors").metadata
    assert (made["keep"], made["average"], made["penalty_weight"]) == ("best", 0.5, 0.5)
    assert (made["explanation"], made["distance_weight"]) == ("VanillaGradient(softplus=5.0)", 0.02)
    names = ("validation_robust_accuracy", "validation_accuracy")
    judged = [tuple(measures[name] for name in names) for measures in made["history"]]
    assert made["kept_epoch"] == 1 + judged.index(max(judged))
    assert f"{max(judged)[0]:.3f}" in result.stdout.splitlines()[-1]
    assert "is there already" in call(main, arguments).stdout
    last = call(main, [*arguments, "--keep", "last"])
    assert last.returncode == 2
    assert "keep was 'best' and is 'last'" in last.stderr


@pytest.mark.parametrize("decay", ["0", "1", "1.5", "nan"])
def test_a_decay_of_averages_is_refused_before_data_are_read(tmp_path, call, decay):
    result = call(main, ["9", "--data-dir", tmp_path / "none", "--average", decay])
    assert result.returncode == 2
    assert f"{decay} is not above 0 and below 1" in result.stderr


@pytest.mark.parametrize("name", ["penalty_weight", "distance_weight"])
def test_weights_may_be_0_as_in_python(name, capsys):
    """For a loss without its second term, and for LGA by the cosine distance alone."""
    line = ["9", "--only", "mnist_smallgap_lga", f"--{name.replace('_', '-')}"]
    _, [row] = parse([*line, "0"])
    assert getattr(row, name) == 0
    with pytest.raises(SystemExit):
        parse([*line[:-1], f"{line[-1]}=-0.1"])
    assert "'-0.1' holds a number that is negative" in capsys.readouterr().err


def test_an_attack_on_the_cross_entropy_is_in_the_name():
    _, [row] = parse(["10", "--only", "cifar_wresnet_trades6", "--cross-entropy-attack"])
    assert row.name == f"cifar_wresnet_trades6_ce_{row.schedule.epochs}"
    assert row.method == with_cross_entropy_attack("trades6")


def test_terms_that_a_method_has_not_are_refused(tmp_path, call):
    row = ["9", "--dataset", "digits", "--profile", "smoke", "--only", "mnist_smallgap_fast", *command(tmp_path)[2:]]
    for words, message in (
        (
            ["--penalty-weight", "2"],
            "a penalty weight of 2.0 came for Fast Adv, whose loss has no penalty: leave it out",
        ),
        (
            ["--cross-entropy-attack"],
            "an attack on the cross-entropy came for Fast Adv, whose attack raises it already: leave it out",
        ),
        (["--softplus", "5"], "a softplus came for Fast Adv, which compares no maps: leave it out"),
        (
            ["--distance-weight", "1"],
            "a distance weight came for Fast Adv, whose loss has no squared distance of maps: leave it out",
        ),
    ):
        result = call(main, [*row, *words])
        assert (result.returncode, result.stderr) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mnist_smallgap_adv",
            "an explanation came for Adv, which compares no maps: leave it out, or choose one of int",
        ),
        ("mnist_smallgap_int", "RandomBaseline does not depend on the image"),
    ],
)
def test_explanations_that_do_not_fit_are_refused_before_anything_is_trained(tmp_path, name, message, capsys):
    explanation = "grad_cam" if name.endswith("adv") else "random"
    places = ["--networks-dir", str(tmp_path / "networks"), "--pictures-dir", str(tmp_path / "pictures")]
    assert main([*SMOKE, "--only", name, "--explanation", explanation, *places]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "networks").exists()


@pytest.mark.slow
def test_the_whitebox_network_tells_its_accuracy_per_class(tmp_path):
    result = run(tmp_path, "8", "--dataset", "digits", "--profile", "smoke", "--only", "mnist_simplecnn_normal")
    assert result.returncode == 0, result.stderr
    assert "accuracy on 400 test images" in result.stdout
    net = interp.load_model(tmp_path / "networks" / "digits_simplecnn_normal_1.safetensors")
    assert len(net.metadata["accuracy_per_class"]) == 11


def test_a_class_without_test_images_has_no_accuracy():
    """Which would be NaN, in metadata that take none."""
    test = Dataset(
        images=np.random.RandomState(0).rand(4, 8, 8, 1).astype(np.float32),
        labels=np.array([0, 2, 2, 0]),
        class_names=("a", "b", "c"),
        source="arrays",
        split="test",
        name="mine",
    )
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    found = _accuracy_per_class(test, network)
    assert list(found) == ["all", "a", "c"]
    assert found["all"] == (found["a"] + found["c"]) / 2
    renamed = _accuracy_per_class(replace(test, class_names=("all", "b", "all")), network)
    assert renamed == {"all": found["all"], "all (class 0)": found["a"], "all (class 2)": found["c"]}
    twice = _accuracy_per_class(replace(test, class_names=("a", "b", "a")), network)
    assert twice == {"all": found["all"], "a (class 0)": found["a"], "a (class 2)": found["c"]}


def test_times_are_steps_times_seconds(monkeypatch):
    monkeypatch.setattr(step_times, "_measure", lambda row: (0.01, 0.002))
    row = recipes(1)[3]
    # 55,000 images are 1,100 steps of 50; 100 epochs of (0.01 + 40 * 0.002) s.
    assert step_times.Clock().estimate(row) == step_times.in_words(1_100 * 100 * 0.09)
    assert step_times.in_words(9_900) == "2.8 h"


@pytest.mark.integration
def test_a_training_that_diverges_exports_nothing(tmp_path, monkeypatch, call):
    def wild(row, epochs):
        return replace(row, schedule=replace(row.schedule, epochs=epochs, learning_rates=((0, 1e30),)))

    monkeypatch.setattr("interp.commands.train.for_epochs", wild)
    result = call(main, [*SMOKE, "--epochs", "3", "--only", "mnist_smallgap_adv", *command(tmp_path)[2:]])
    assert result.returncode == 1
    assert result.stderr.startswith("failed: ")
    assert "finite" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list((tmp_path / "networks").glob("*.safetensors"))


@pytest.mark.integration
def test_lists_name_what_is_trained(tmp_path, call):
    everything = call(main, command(tmp_path, "--list")[2:])
    assert [line[0] for line in everything.stdout.splitlines()[:8]] == list("12345678")
    some = call(main, command(tmp_path, "4", "--list", "--only", "mnist_smallgap_int2")[2:])
    assert some.returncode == 0, some.stderr
    assert "mnist_smallgap_int2_100" in some.stdout
    assert any(unit in some.stdout for unit in (" min", " h", " days"))
    assert not (tmp_path / "networks").exists()


def test_a_list_names_radius_and_inner_steps_of_methods_that_have_them(tmp_path, call, monkeypatch):
    monkeypatch.setattr("interp.training.step_times.Clock.estimate", lambda clock, row: "1 min")
    tags = ("lga", "hessian", "fast")
    names = [f"mnist_smallgap_{tag}" for tag in tags]
    listed = call(main, command(tmp_path, "9", "--list", "--only", *names)[2:])
    assert listed.returncode == 0, listed.stderr
    cells = [line.split()[3:5] for line in listed.stdout.splitlines()[1:]]
    # LGA draws noise in the ball, the Hessian penalty looks at images alone.
    assert cells == [["0.3000", "-"], ["-", "-"], ["0.3000", "1"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no number was given"),
        (["11"], "no training script 11"),
        (["one"], "invalid int value"),
        (["1", "--only", "mnist_smallgap_imt"], "did you mean"),
        (["1", "--profile", "papper"], "did you mean 'paper'"),
        (["1", "--dataset", "minst"], "did you mean 'mnist'"),
        (["1", "--only", "mnist_smallgap_int", "--data-dir", "/nonexistent"], "/nonexistent"),
        ([*SMOKE, "--epochs", "0"], "less than 1"),
        ([*SMOKE, "--strategy", "miror"], "did you mean 'mirrored'"),
        ([*SMOKE, "--strategy", "multiworker"], "TF_CONFIG"),
        ([*SMOKE, "--networks-dir", "/proc/nothing"], "cannot write"),
        ([*SMOKE, "--pictures-dir", "/proc/nothing", "--networks-dir", "."], "cannot write"),
        ([*SMOKE, "--replicas", "4"], "goes with mirrored only"),
        ([*SMOKE, "--strategy", "mirrored", "--replicas", "1000"], "at most 64"),
        (["--list", "--profile", "bogus"], "unknown --profile"),
        ([*SMOKE, "--norm", "l1"], "unknown --norm 'l1'"),
        (
            [*SMOKE, "--norm", "l2", "--only", "mnist_smallgap_normal"],
            "digits_smallgap_normal_1 are trained without one",
        ),
        (["7", "--norm", "l2"], "is named after its radius in linf"),
        (["8", "--norm", "l2", "--dataset", "digits"], "leave --norm out"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    result = call(main, arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
