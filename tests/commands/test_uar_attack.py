"""Unforeseen attacks on the command line."""

import json

import pytest

import interp
from interp.commands.evaluate_network import main
from interp.models import build_network


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    net = build_network("small", (28, 28, 1), 10)
    return interp.save_model(net, tmp_path_factory.mktemp("networks") / "digits_smallgap_normal_1.safetensors")


def arguments(network, folder, **options):
    options = {"task": "uar_attack", "dataset": "digits", "network": network, "num_image": 4, "steps": 2, **options}
    options |= {"output_dir": folder, "picture_dir": folder}
    return [f"--{name}={value}" for name, value in options.items()]


@pytest.mark.slow
def test_a_table_the_score_curves_and_the_gallery(call, network, tmp_path):
    calibration = tmp_path / "ata.json"
    rows = [{"attack": name, "eps": eps, "ata": 0.5} for name, eps in (("fog", 128), ("fog", 256), ("snow", 2))]
    calibration.write_text(json.dumps(rows))
    result = call(main, arguments(network, tmp_path, attacks="fog,snow", goal="both", calibration=calibration))
    assert result.returncode == 0, result.stderr
    assert "sides are no multiples of 16: the attacks work on images with black margins" in result.stdout
    record = json.loads((tmp_path / "uar_attack_digits" / "digits_smallgap_normal_1.json").read_text())
    assert [row[:3] for row in record["rows"]] == [
        ["fog", "random_target", 128],
        ["fog", "random_target", 256],
        ["fog", "untargeted", 128],
        ["fog", "untargeted", 256],
        ["snow", "random_target", 2],
        ["snow", "untargeted", 2],
    ]
    # The network was not trained.
    assert [flag["kind"] for flag in record["flags"]] == ["chance accuracy"]
    fog = [row for row in record["rows"] if row[:2] == ["fog", "untargeted"]]
    assert fog[0][5] == pytest.approx(100 * (fog[0][3] + fog[1][3]) / 1.0)
    pictures = sorted(path.name for path in tmp_path.glob("*.png"))
    assert [name.rsplit("_", 1)[1] for name in pictures] == ["budgets.png", "gallery.png"]


@pytest.mark.integration
def test_the_caption_says_which_images_count(call, network, tmp_path):
    result = call(main, arguments(network, tmp_path, attacks="jpeg_linf", num_image=2))
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "uar_attack_digits" / "digits_smallgap_normal_1.json").read_text())
    assert (
        "worst of 1 start(s), seed 99; images that are wrong without an attack are attacked, too" in record["caption"]
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attacks": "frog"}, "unknown --attacks 'frog': did you mean 'fog'?"),
        ({"goal": "targeted"}, "unknown --goal 'targeted'"),
        ({"budgets": "most"}, "unknown --budgets 'most'"),
        ({"calibration": "nowhere.json"}, "the calibration nowhere.json cannot be read"),
        ({"inp_method": "cam"}, "leave it out for uar_attack"),
        ({"task": "pgd_attack", "attacks": "fog"}, "--attacks is for uar_attack"),
        ({"task": "pgd_attack", "calibration": "x"}, "--calibration is for uar_attack"),
    ],
)
def test_wrong_options_are_one_line(call, network, tmp_path, options, said):
    result = call(main, arguments(network, tmp_path, **options))
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
