"""What `eval_cmd.py` refuses, in one line and before any long work."""

import keras
import pytest

import interp
from interp.commands.evaluate_network import main
from interp.models import build_network


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    net = build_network("small", (28, 28, 1), 10)
    return interp.save_model(net, tmp_path_factory.mktemp("networks") / "digits_smallgap_normal_0.safetensors")


GOOD = {"--task": "pgd_attack", "--dataset": "digits"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--task": "pgd_atack"}, "pgd_attack"),
        ({"--dataset": "minst"}, "did you mean 'mnist'"),
        ({"--network": "mnist_smallgap_nothing_1"}, "looked in"),
        ({"--network": "/nonexistent/net.pkl"}, "no network file /nonexistent/net.pkl"),
        ({"--dataset": "cifar10", "--data_dir": "/nonexistent"}, "/nonexistent"),
        ({"--epsilons": "-0.1"}, "negative"),
        ({"--epsilons": "a,b"}, "no list of numbers"),
        ({"--epsilons": "8/0"}, "no list of numbers"),
        ({"--epsilons": "8/"}, "no list of numbers"),
        ({"--steps": "0"}, "less than 1"),
        ({"--num_image": "999999"}, "ask for fewer"),
        ({"--output_dir": "/proc/nothing"}, "cannot write"),
        ({"--seed": "5000000000"}, "too large"),
        ({"--steps": "3000000000"}, "too large"),
        ({"--epsilons": "1e39"}, "too large"),
        ({"--epsilons": "0,8"}, "8/255"),
        ({"--step_size": "2"}, "2/255"),
        ({"--step_size": "0"}, "above 0"),
        ({"--num_image": "9" * 400}, "too large"),
        ({"--network": "x" * 300}, "unknown network"),
        ({"--network": "two\nlines.pkl"}, "two\\nlines"),
        ({"--network": "nothing.keras"}, "no network file nothing.keras"),
        ({"--task": "isa_cam", "--num_class": "three_class"}, "two_class"),
        ({"--task": "isa_cam", "--norm": "l7"}, "l1"),
        ({"--task": "aai_topk", "--inp_method": "kam"}, "cam"),
        ({"--task": "isa_cam", "--inp_method": "ig"}, "expected one of cam, cam++"),
        ({"--task": "isa_ig", "--inp_method": "kam"}, "expected one of ig\n"),
        ({"--task": "attack_and_display", "--penalties": "1.2,1.4"}, "--penalties came as 1.2,1.4: choose one"),
        ({"--task": "isa_cam", "--penalties": "0.9,1.2"}, "at least 1"),
        ({"--task": "isa_cam", "--penalties": "1.2;1.4"}, "no list of numbers"),
        ({"--task": "isa_cam", "--penalties": "nan"}, "not finite"),
        ({"--task": "isa_cam", "--rep_l": "2"}, "leave it out"),
        ({"--task": "isa_ig", "--queries": "3"}, "explanation_attack and leaderboard: leave it out for isa_ig"),
        ({"--task": "aai_topk", "--protocol": "strong", "--steps": "3"}, "leave --steps out"),
        ({"--task": "explanation_attack", "--measures": "tau"}, "kendall_tau"),
        ({"--task": "explanation_attack", "--k": "2.5"}, "whole number"),
        ({"--task": "explanation_attack", "--k": "3", "--measures": "ssim"}, "is for the measure top_k_overlap"),
        ({"--task": "leaderboard", "--epsilons": "0,0.1"}, "is of one radius above 0"),
        ({"--task": "leaderboard", "--epsilons": "0"}, "is of one radius above 0"),
        ({"--task": "leaderboard", "--explanations": "gradient,camm"}, "did you mean 'cam'"),
        ({"--task": "leaderboard", "--explanations": "smooth:cam"}, "unknown ensemble 'smooth'"),
        ({"--task": "leaderboard", "--explanations": "random"}, "unknown method 'random'"),
        ({"--task": "leaderboard", "--measures": "ssim"}, "is for explanation_attack"),
        ({"--explanation-images": "3"}, "is for leaderboard"),
        ({"--protocol": "strong", "--restarts": "0"}, "random starts"),
        ({"--against": "x"}, "is for intr_topk"),
        ({"--steps": "2147483647"}, "at most"),
        ({"--task": "tradeoff_repr", "--rep_l": "99", "--num_image": "1", "--steps": "1"}, "no layer 99"),
        ({"--task": "aai_topk", "--k": "50", "--num_image": "2", "--steps": "1"}, "49 positions"),
        ({"--task": "aai_topk", "--k": "0"}, "less than 1"),
        ({"--task": "intr_topk", "--against": "nothing"}, "nothing"),
        ({"--protocol": "weak"}, "strong"),
        ({"--task": "isa_ig", "--direction": "up"}, "reference"),
        ({"--iterate": "best"}, "worst"),
        ({"--network_type": "smal"}, "did you mean 'small'"),
        ({"--network_type": "pool"}, "not 'pool'"),
        ({"--picture_dir": "/proc/nothing"}, "cannot write"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, network, tmp_path, changes, message):
    chosen = {
        **GOOD,
        "--network": network,
        "--output_dir": tmp_path / "out",
        "--picture_dir": tmp_path / "out",
        **changes,
    }
    # "--epsilons=-0.1": a value that begins with a minus is joined to its option, as a shell user has to.
    result = call(main, [f"{name}={value}" for name, value in chosen.items()])
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    # Folders are made before long work starts; nothing is in them.
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_network_of_probabilities_that_cannot_be_cut_is_refused(call, tmp_path):
    inputs = keras.Input((28, 28, 1))
    odds = keras.ops.exp(keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))
    keras.Model(inputs, odds / keras.ops.sum(odds, -1, keepdims=True)).save(tmp_path / "sure.keras")
    common = ["--task=pgd_attack", "--dataset=digits", f"--network={tmp_path / 'sure.keras'}", "--num_image=5"]
    common += [f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    for protocol in ("strong", "reference"):
        result = call(main, [*common, f"--protocol={protocol}"])
        assert result.returncode == 2
        assert "probabilities" in result.stderr


def test_a_network_of_other_images_is_refused(call, tmp_path):
    net = interp.save_model(build_network("small", (32, 32, 3), 10), tmp_path / "cifar.safetensors")
    common = ["--task", "pgd_attack", "--dataset", "digits", "--output_dir", tmp_path / "out"]
    result = call(main, [*common, "--network", net])
    assert result.returncode == 2
    assert "(28, 28, 1)" in result.stderr


def test_radii_above_1_are_for_l2_alone(call, network, tmp_path):
    line = ["--task", "pgd_attack", "--dataset", "digits", "--network", network, "--epsilons", "0,8"]
    result = call(main, [str(word) for word in line])
    assert result.returncode == 2
    assert "expected at most 1" in result.stderr
