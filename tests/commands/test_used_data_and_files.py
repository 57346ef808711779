"""A result is of certain images and of certain files: results of others are never given out for it."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import interp
from interp import data
from interp.commands import evaluate, evaluate_network
from interp.commands.tasks import pgd_attack, topk, uar_attack
from interp.core.errors import InputError
from interp.data import Dataset
from interp.models import build_network
from interp.training import CheckpointFolder, Checkpointing, Schedule, find_objective, train
from tests.commands.evaluated_digits import EVAL, TASK


@pytest.fixture
def networks(tmp_path):
    folder = tmp_path / "networks"
    for seed, name in enumerate(("digits_smallgap_normal_1", "digits_smallgap_int_1")):
        interp.save_model(build_network("small", (28, 28, 1), 10, seed=seed), folder / f"{name}.safetensors", {})
    return folder


def other_digits(change):
    """The digits with images or labels that differ, in the same number and from a source of the same words."""
    spec = data.DATASETS["digits"]

    def loader(split, data_dir, seed):
        found = spec.load(split, data_dir, seed)
        images, labels = found.images.copy(), found.labels.copy()
        change(images, labels)
        return Dataset(
            images=images, labels=labels, class_names=found.class_names, source=found.source, split=split, name="digits"
        )

    return replace(spec, load=loader)


def one_pixel(images, labels):
    images[-1, 0, 0, 0] = 0.5


def one_label(images, labels):
    labels[-1] = (labels[-1] + 1) % 10


def test_an_identity_is_of_pixels_and_labels_however_they_are_loaded():
    test = data.load("digits", "test")
    assert test.identity == data.load("digits", "test").identity
    assert test.identity.startswith(f"{test.source}, {len(test)} images, ")
    changed = [other_digits(change).load("test", None, 99).identity for change in (one_pixel, one_label)]
    assert len({test.identity, *changed, test.take(5).identity, data.load("digits", "train").identity}) == 5
    pixels = np.random.RandomState(0).randint(0, 256, (2500, 4, 4, 1), np.uint8)
    both = [
        Dataset(
            images=images,
            labels=np.zeros(2500, np.int64),
            class_names=("a",),
            source="s",
            split="test",
            name="n",
        ).identity
        for images in (data.ScaledPixels(pixels), np.asarray(data.ScaledPixels(pixels)))
    ]
    assert both[0] == both[1]


@pytest.mark.integration
@pytest.mark.parametrize("change", [one_pixel, one_label])
def test_eval_refuses_a_folder_with_results_of_other_images(call, networks, tmp_path, monkeypatch, change):
    arguments = ["1", *EVAL, f"--networks-dir={networks}", f"--out={tmp_path / 'out'}", "--networks"]
    one, other = "digits_smallgap_int_1", "digits_smallgap_normal_1"
    assert call(evaluate.main, [*arguments, one, "--only", "aai"]).returncode == 0
    record = json.loads((tmp_path / "out" / "aai" / f"{one}.json").read_text())
    assert record["made_of"]["data"] == {"test": data.load("digits", "test").identity}
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    monkeypatch.setitem(data.DATASETS, "digits", other_digits(change))
    # The same network, another one, and another section: none may stand beside the first.
    for names, section in (([one], "aai"), ([other], "aai"), ([one], "cam")):
        result = call(evaluate.main, [*arguments, *names, "--only", section])
        assert result.returncode == 2
        assert "holds results of other test images of digits" in result.stderr.splitlines()[-1]
        assert "choose another --out" in result.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.integration
def test_retrainings_are_of_the_training_images_too(call, networks, tmp_path, monkeypatch):
    arguments = ["3", *EVAL, f"--networks-dir={networks}", f"--out={tmp_path / 'out'}", "--workers=1"]
    arguments += ["--only=roar", "--networks=digits_smallgap_int_1"]
    arguments += ["--task-options=--methods gradient --train_image 60 --epochs 1 --ratios 0.5 --seeds 1"]
    assert call(evaluate.main, arguments).returncode == 0
    usual, changed = data.DATASETS["digits"], other_digits(one_pixel)
    mixed = replace(usual, load=lambda split, *more: (changed if split == "train" else usual).load(split, *more))
    monkeypatch.setitem(data.DATASETS, "digits", mixed)
    result = call(evaluate.main, arguments)
    assert result.returncode == 2
    assert "holds results of other train images of digits" in result.stderr


@pytest.mark.integration
def test_results_of_before_they_said_so_are_evaluated_anew_or_flagged(call, networks, tmp_path):
    arguments = ["1", *EVAL, f"--networks-dir={networks}", f"--out={tmp_path / 'out'}", "--only=aai", "--networks"]
    one, other = "digits_smallgap_int_1", "digits_smallgap_normal_1"
    assert call(evaluate.main, [*arguments, one, other]).returncode == 0
    for name in (one, other):
        path = tmp_path / "out" / "aai" / f"{name}.json"
        record = json.loads(path.read_text())
        del record["made_of"]["data"]
        path.write_text(json.dumps({**record, "finished": "long ago"}))
    settings = tmp_path / "out" / "settings.json"
    settings.write_text(json.dumps({"number": 1, "num_image": 6, "seed": 99}))
    result = call(evaluate.main, [*arguments, one])
    assert result.returncode == 0
    assert f"so perhaps on others: {other}\n" in result.stdout
    assert json.loads((tmp_path / "out" / "aai" / f"{one}.json").read_text())["finished"] != "long ago"
    assert json.loads((tmp_path / "out" / "aai" / f"{other}.json").read_text())["finished"] == "long ago"


@pytest.mark.integration
@pytest.mark.parametrize("change", [one_pixel, one_label])
def test_eval_cmd_shares_a_table_among_networks_on_the_same_images(call, networks, tmp_path, monkeypatch, change):
    common = ["--task=min_pgd_attack", *TASK, f"--output_dir={tmp_path}", f"--picture_dir={tmp_path}"]
    one, other = (f"--network={networks / f'digits_smallgap_{name}_1.safetensors'}" for name in ("int", "normal"))
    assert call(evaluate_network.main, [*common, one]).returncode == 0
    monkeypatch.setitem(data.DATASETS, "digits", other_digits(change))
    result = call(evaluate_network.main, [*common, other])
    assert result.returncode == 0, result.stderr
    assert "not in the table, evaluated by other options or on other images: digits_smallgap_int_1\n" in result.stdout
    stem = tmp_path / "min_pgd_attack_digits_cam_l1_two_class"
    lines = stem.with_suffix(".tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["network", "digits_smallgap_normal_1"]
    assert {path.stem for path in stem.iterdir()} == {"digits_smallgap_int_1", "digits_smallgap_normal_1"}


@pytest.mark.integration
@pytest.mark.parametrize("change", [one_pixel, one_label])
def test_a_training_goes_on_with_the_same_images_alone(tmp_path, change):
    schedule = Schedule(
        epochs=1,
        batch_size=400,
        learning_rates=((0, 1e-3),),
        epsilon=0.0,
        ramp=(0, 0),
        attack_steps=1,
        attack_step_size=0.1,
    )
    folder = CheckpointFolder(tmp_path)

    def run(training, validation=None):
        network = build_network("small", (28, 28, 1), 10)
        keeping = Checkpointing(folder=folder, every_steps=1)
        return train(
            network, find_objective("normal"), training, schedule, validation=validation, checkpointing=keeping
        )

    train_set, validation = (data.load("digits", split) for split in ("train", "validation"))
    run(train_set, validation)
    other = other_digits(change)
    with pytest.raises(InputError, match="made with other arguments: images was"):
        run(other.load("train", None, 99), validation)
    with pytest.raises(InputError, match="made with other arguments: validation_images was"):
        run(train_set, other.load("validation", None, 99))
    assert run(train_set, validation)
    # A checkpoint of before it said so is gone on with.
    kept = folder.load_newest(print)
    older = {name: value for name, value in kept.arguments.items() if "images" not in name}
    folder.remove()
    folder.save(type(kept)(kept.step, kept.arrays, kept.progress, older))
    assert run(other.load("train", None, 99), validation)


def replace_by(path, other):
    """A task that another process replaces a file in the middle of."""

    def wrap(task):
        def run(setting):
            found = task(setting)
            path.write_bytes(other)
            return found

        return run

    return wrap


def keras_bytes(tmp_path, seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.save(tmp_path / "some.keras")
    return (tmp_path / "some.keras").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["network", "against", "keras", "calibration"])
def test_what_changed_while_it_was_evaluated_is_not_kept(call, networks, tmp_path, monkeypatch, what):
    network, against = (networks / f"digits_smallgap_{name}_1.safetensors" for name in ("int", "normal"))
    calibration = tmp_path / "ata.json"
    rows = [{"attack": "fog", "eps": eps, "ata": 0.5} for eps in (128, 256)]
    calibration.write_text(json.dumps(rows[:1]))
    model = tmp_path / "mine.keras"
    model.write_bytes(keras_bytes(tmp_path, 0))
    third = interp.save_model(build_network("small", (28, 28, 1), 10, seed=5), tmp_path / "third.safetensors")
    task, module, name, changed, other, more = {
        "network": ("pgd_attack", pgd_attack, "pgd_attack", network, third.read_bytes(), ["--epsilons=0"]),
        "against": ("intr_topk", topk, "intr_topk", against, third.read_bytes(), [f"--against={against}"]),
        "keras": (
            "pgd_attack",
            pgd_attack,
            "pgd_attack",
            model,
            keras_bytes(tmp_path, 1),
            [f"--network={model}", "--epsilons=0", "--input-scale=0..1"],
        ),
        "calibration": (
            "uar_attack",
            uar_attack,
            "uar_attack",
            calibration,
            json.dumps(rows).encode(),
            [f"--calibration={calibration}", "--attacks=fog"],
        ),
    }[what]
    out = tmp_path / "out"
    options = TASK[:-1] if task == "intr_topk" else TASK
    common = [f"--task={task}", *options, f"--network={network}", f"--output_dir={out}", f"--picture_dir={out}", *more]
    assert call(evaluate_network.main, common).returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr(module, name, replace_by(changed, other)(getattr(module, name)))
    result = call(evaluate_network.main, common)
    assert result.returncode == 2
    assert f"{changed} changed while it was evaluated, the result is not kept: evaluate it again\n" in result.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.integration
@pytest.mark.parametrize("name", ["digits_smallgap_int_1", "digits_smallgap_normal_1"])
def test_eval_keeps_no_result_of_a_network_that_was_replaced_meanwhile(call, networks, tmp_path, monkeypatch, name):
    """The network, or the one that it is compared with, is another file as soon as it was read."""
    arguments = ["1", *EVAL, f"--networks-dir={networks}", f"--out={tmp_path / 'out'}", "--only=topk"]
    arguments += ["--networks=digits_smallgap_int_1"]
    third = interp.save_model(build_network("small", (28, 28, 1), 10, seed=5), tmp_path / "third.safetensors")

    load = interp.load_model

    def load_and_replace(path, **options):
        network = load(path, **options)
        if path.stem == name:
            path.write_bytes(third.read_bytes())
        return network

    monkeypatch.setattr("interp.evaluation.opened_network.load_model", load_and_replace)
    result = call(evaluate.main, arguments)
    assert result.returncode == 1
    assert f"{name}.safetensors changed while it was evaluated, the result is not kept" in result.stderr
    assert not list((tmp_path / "out").rglob("digits_smallgap_int_1.json"))
    # The next one is of what is there now.
    assert call(evaluate.main, arguments).returncode == 0
    assert list((tmp_path / "out").rglob("digits_smallgap_int_1.json"))


@pytest.mark.slow
def test_a_calibration_that_changed_is_another_result(call, networks, tmp_path):
    calibration = tmp_path / "ata.json"
    arguments = ["1", *EVAL, f"--networks-dir={networks}", f"--out={tmp_path / 'out'}", "--only=uar"]
    arguments += [
        "--networks=digits_smallgap_int_1",
        f"--task-options=--steps 1 --attacks fog --calibration {calibration}",
    ]
    record = tmp_path / "out" / "uar" / "digits_smallgap_int_1.json"
    kept = []
    for ata in (0.5, 0.5, 0.25):
        calibration.write_text(json.dumps([{"attack": "fog", "eps": 128, "ata": ata}]))
        assert call(evaluate.main, arguments).returncode == 0
        kept.append((record.stat().st_mtime_ns, json.loads(record.read_text())["files"]["ata.json"]))
    assert kept[0] == kept[1]
    assert kept[2][0] != kept[0][0]
    assert kept[2][1] != kept[0][1]
