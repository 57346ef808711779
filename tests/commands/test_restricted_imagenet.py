"""Restricted ImageNet without its files: arrays of bundled photographs go through training, tasks and sections; a published network."""

import json

import numpy as np
import pytest
from skimage import data as photographs

import interp
from interp.commands.evaluate import main as evaluate
from interp.commands.evaluate_network import main as evaluate_network
from interp.commands.train import main as train
from interp.data.superclasses import CLASS_NAMES, RANGES, write_arrays

pytestmark = pytest.mark.slow
# Photographs of scikit-image's wheel by the superclass that they stand for here, of which chelsea alone belongs to it.
SHOWN = {"cat": "chelsea", "dog": "astronaut", "fish": "coffee"}


def crops(count):
    """Crops (224, 224, 3) uint8 of the photographs, with labels of ImageNet that belong to their superclasses."""
    for number in range(count):
        name = list(SHOWN)[number % len(SHOWN)]
        picture = getattr(photographs, SHOWN[name])()
        size = 200 + 13 * (number % 7)
        top, left = 5 * (number % 9), 7 * (number % 11)
        yield picture[top : top + size, left : left + size], RANGES[name][0]


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """5,024 training and 12 test images, as a stream of examples gives them; the first 5,000 are validation."""
    folder = tmp_path_factory.mktemp("arrays")
    few = list(crops(24))
    write_arrays((few[number % 24] for number in range(5024)), crops(12), folder / "restimagenet", origin="photographs")
    return folder


def test_training_by_number_resumes_and_its_networks_go_through_every_section(arrays, tmp_path, call):
    places = ["--networks-dir", tmp_path, "--pictures-dir", tmp_path / "pictures", "--data-dir", arrays]
    line = [str(word) for word in ("5", "--profile", "smoke", *places)]
    result = call(train, line)
    assert result.returncode == 0, result.stderr
    files = sorted(path.stem for path in tmp_path.glob("*.safetensors"))
    assert files == sorted(
        f"restimagenet_wresnet_{tag}_1" for tag in ("normal", "adv", "int", "intadv", "intone", "int2", "int2adv")
    )
    again = call(train, line)
    assert again.stdout.count("is there already") == 7
    net = interp.load_model(tmp_path / "restimagenet_wresnet_int_1.safetensors")
    assert net.metadata["data"] == "Restricted ImageNet arrays (npy) made from photographs"
    chosen = [
        "--networks",
        tmp_path / "restimagenet_wresnet_int_1.safetensors",
        "--data-dir",
        arrays,
        "--num-image",
        "2",
    ]
    for number, sections, options in (
        ("1", ["pgd", "aai", "cam"], "--epsilons 0,0.003"),
        ("1", ["validity"], "--epsilons 0.003 --steps 2 --queries 4 --restarts 1"),
        ("2", ["bound", "isa"], "--steps 2"),
        ("3", ["saliency", "coherence", "selectivity", "sanity_check"], "--methods gradient,grad_cam"),
    ):
        out = tmp_path / f"out_{number}_{sections[0]}"
        words = [number, "--only", *sections, *chosen, "--out", out, "--task-options", options]
        result = call(evaluate, [str(word) for word in words])
        assert result.returncode == 0, result.stderr
        assert (out / "report.html").stat().st_size > 10_000


def test_the_published_network_calls_crops_of_a_cat_a_cat(reference_dir, tmp_path, call):
    network = reference_dir / "networks" / "restimagenet_wresnet_normal_20.pkl"
    if not network.is_file():
        pytest.skip("the published network is not there")
    picture = photographs.chelsea()
    places = [(0, 113), (38, 113), (20, 100), (30, 90)]
    crops_of_cat = np.stack([picture[top : top + 224, left : left + 224] for top, left in places])
    images = crops_of_cat.astype(np.float32) / 255
    logits = interp.load_model(network)(images).numpy()
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    cat = CLASS_NAMES.index("cat")
    assert (logits.argmax(-1) == cat).all()
    assert ((odds / odds.sum(-1, keepdims=True))[:, cat] > 0.75).all()
    folder = tmp_path / "restimagenet"
    folder.mkdir()
    np.save(folder / "eval_images.npy", crops_of_cat)
    np.save(folder / "eval_labels.npy", np.full(4, cat))
    words = [
        "--task",
        "pgd_attack",
        "--dataset",
        "restimagenet",
        "--network",
        network,
        "--data-dir",
        tmp_path,
        "--num-image",
        "4",
    ]
    words += [
        "--steps",
        "2",
        "--epsilons",
        "0,0.003",
        "--output-dir",
        tmp_path / "out",
        "--picture-dir",
        tmp_path / "out",
    ]
    result = call(evaluate_network, [str(word) for word in words])
    assert result.returncode == 0, result.stderr
    [record] = (tmp_path / "out").rglob("*.json")
    assert json.loads(record.read_text())["rows"][0][:2] == [0, 1.0]
