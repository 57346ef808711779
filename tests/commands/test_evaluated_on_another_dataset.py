"""A network is evaluated on the data that it says it was trained on: on others it is refused, or flagged where that is meant."""

import json
from dataclasses import replace

import numpy as np
import pytest

import interp
from interp import data
from interp.commands import evaluate, evaluate_network
from interp.data import Dataset
from interp.models import build_network
from tests.commands.evaluated_digits import EVAL, TASK


@pytest.mark.integration
@pytest.mark.parametrize(
    ("said", "fits"), [("mnist", False), ("digits", True), ("Digits", True), (None, True), (5, True)]
)
def test_a_network_of_another_dataset_is_refused_or_flagged(call, tmp_path, said, fits):
    network = interp.save_model(
        build_network("small", (28, 28, 1), 10),
        tmp_path / "mine.safetensors",
        {} if said is None else {"dataset": said},
    )
    common = ["--task=pgd_attack", *TASK, "--epsilons=0", f"--network={network}"]
    common += [f"--output_dir={tmp_path / 'out'}", f"--picture_dir={tmp_path / 'out'}"]
    result = call(evaluate_network.main, common)
    assert (result.returncode == 0) is fits
    if fits:
        assert "was trained on" not in result.stdout
        return
    assert "mine.safetensors says that it was trained on mnist, it is to be evaluated on digits" in result.stderr
    assert "--any-dataset" in result.stderr
    meant = call(evaluate_network.main, [*common, "--any-dataset"])
    assert meant.returncode == 0, meant.stderr
    told = "mine was trained on mnist, the images are of digits"
    assert f"flagged: {told}\n" in meant.stdout
    record = json.loads(next((tmp_path / "out").glob("*/mine.json")).read_text())
    assert {"kind": "other dataset", "text": told} in record["flags"]
    arguments = ["1", *EVAL, f"--out={tmp_path / 'eval'}", "--only=cam", f"--networks={network}"]
    refused = call(evaluate.main, arguments)
    assert refused.returncode == 1
    assert "failed: cam of mine: mine.safetensors says that it was trained on mnist" in refused.stderr
    flagged = call(evaluate.main, [*arguments, "--any-dataset"])
    assert flagged.returncode == 0, flagged.stderr
    assert f"flagged: mine: {told}\n" in flagged.stdout
    # What was meant once is not taken for what is asked now.
    assert call(evaluate.main, arguments).returncode == 1


def test_the_other_network_of_a_comparison_is_asked_too(call, tmp_path):
    for name, said in (("one", "digits"), ("other", "mnist")):
        network = build_network("small", (28, 28, 1), 10)
        interp.save_model(network, tmp_path / f"{name}.safetensors", {"dataset": said})
    common = ["--task=intr_topk", *TASK[:-1], f"--network={tmp_path / 'one.safetensors'}"]
    common += [f"--against={tmp_path / 'other.safetensors'}", f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    result = call(evaluate_network.main, common)
    assert result.returncode == 2
    assert "other.safetensors says that it was trained on mnist" in result.stderr
    assert "flagged: other was trained on mnist" in call(evaluate_network.main, [*common, "--any_dataset"]).stdout


def test_a_pickle_of_the_paper_says_it_by_its_name(call, tmp_path, reference_dir):
    common = ["--task=pgd_attack", *TASK, f"--network={reference_dir / 'networks' / 'mnist_smallgap_normal_100.pkl'}"]
    result = call(evaluate_network.main, [*common, f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"])
    assert result.returncode == 2
    assert "says that it was trained on mnist" in result.stderr


@pytest.mark.parametrize("said", ["cifar", "cifar10", "CIFAR10"])
def test_both_names_of_a_dataset_are_one(call, tmp_path, monkeypatch, said):
    network = interp.save_model(build_network("small", (32, 32, 3), 10), tmp_path / "a.safetensors", {"dataset": said})
    test = Dataset(
        images=np.random.RandomState(0).rand(8, 32, 32, 3).astype(np.float32),
        labels=np.arange(8),
        class_names=tuple("abcdefghij"),
        source="drawn",
        split="test",
        name="cifar10",
    )
    monkeypatch.setitem(data.DATASETS, "cifar10", replace(data.DATASETS["cifar10"], load=lambda *_: test))
    common = ["--task=pgd_attack", "--num_image=4", "--steps=1", "--epsilons=0", f"--network={network}"]
    common += [f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    for dataset in ("cifar", "cifar10"):
        result = call(evaluate_network.main, [*common, f"--dataset={dataset}"])
        assert result.returncode == 0, result.stderr
        assert "was trained on" not in result.stdout
