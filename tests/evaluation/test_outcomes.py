"""Images in blocks: joined they are one result, a stopped run goes on, and what was kept is checked before it is believed."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import Square
from interp.attacks.attack import Attack
from interp.core import batches
from interp.core.batches import attack_blocks
from interp.core.errors import InputError
from interp.data import Dataset
from interp.data.pixels import ScaledPixels
from interp.evaluation import StrongAccuracy, StrongProtocol, Validity, sample_images, validity
from interp.evaluation.kept_blocks import KeptBlocks
from interp.evaluation.outcomes import Outcomes, RadiusOutcomes, joined
from interp.evaluation.strong_attacks import attack_block
from interp.evaluation.validity import _block_seed, judged

ROOT = Path(__file__).parents[2]
PROTOCOL = StrongProtocol(steps=4, step_size=0.05, restarts=2, queries=10, strength="quick")
RADII = (0.0, 0.05, 0.1)


@pytest.fixture
def blocks_of_four(monkeypatch):
    monkeypatch.setattr(batches, "_MOST_BLOCK", 4)


@pytest.fixture(scope="module")
def toy():
    """A linear model of three classes and ten images of 4x4 pixels, of which it has most right."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    pixels = np.random.RandomState(0).randint(0, 256, (10, 4, 4, 1)).astype(np.uint8)
    images = np.asarray(ScaledPixels(pixels))
    labels = np.argmax(model(images), -1)
    labels[0] = (labels[0] + 1) % 3
    return model, ScaledPixels(pixels), labels


def block(right, broken_by, seconds, *, clean, change=0.0):
    """Outcomes of two images at one radius, of attacks by name."""
    at = RadiusOutcomes(0.1, {name: np.array(values) for name, values in right.items()}, seconds, np.array(broken_by))
    clean = np.array(clean)
    return Outcomes(np.array([0, 1]), np.eye(2), clean, ~clean, change, change > 0, (at,))


def test_blocks_joined_by_hand():
    """The second block was broken before its ensemble ran, so nothing of it is right after that; seconds add up."""
    attacks = ("PGD", "any iterate", "more steps", "random start", "random starts", "then APGD-CE", "then Square")
    first = block(
        {**{name: [True, True] for name in attacks}, "ensemble FAB-T": [True, False]},
        ["", "ensemble FAB-T"],
        {"PGD": 1.0, "ensemble FAB-T": 0.5},
        clean=[True, True],
    )
    second = block({name: [False, False] for name in attacks}, ["clean", "PGD"], {"PGD": 2.0}, clean=[False, True])
    found = joined([first, second])
    [at] = found.radii
    assert at.right["ensemble FAB-T"].tolist() == [True, False, False, False]
    assert at.seconds == {"PGD": 3.0, "ensemble FAB-T": 0.5}
    assert at.broken_by.tolist() == ["", "ensemble FAB-T", "clean", "PGD"]
    result = judged(found, PROTOCOL)
    assert (result.count, result.clean_accuracy) == (4, 0.75)
    [row] = result.rows
    assert (row.accuracies["PGD"], row.accuracies["ensemble FAB-T"], row.worst_case) == (0.5, 0.25, 0.25)
    assert "random start" not in row.accuracies
    assert result.predictions == (0, 1, 0, 1)
    assert not joined([first, second]).draws
    assert joined([first, dataclasses.replace(second, change=0.3, draws=True)]).change == 0.3


def test_an_ensemble_that_had_nothing_left_shows_the_worst_case():
    """At radius 0 nothing is attacked and one accuracy counts; at 0.2 PGD left 0.4, and Square nothing for the ensemble."""
    rows = (
        StrongAccuracy(0.0, 5, {"PGD": 0.8}, 0.8, ()),
        StrongAccuracy(0.1, 5, {"PGD": 0.6, "then Square": 0.6, "ensemble FAB-T": 0.2}, 0.2, ()),
        StrongAccuracy(0.2, 5, {"PGD": 0.4, "then Square": 0.0}, 0.0, ()),
    )
    found = Validity("by hand", rows, (), 5)
    assert found.columns()["ensemble FAB-T"] == [0.8, 0.2, 0.0]
    assert [row["ensemble FAB-T"] for row in found.leaderboard()] == [80.0, 20.0, 0.0]


def test_rows_of_blocks():
    assert [(rows.start, rows.stop) for rows in attack_blocks(1100, (28, 28, 1))] == [
        (0, 500),
        (500, 1000),
        (1000, 1100),
    ]
    assert attack_blocks(500, (32, 32, 3)) == [slice(0, 500)]
    # Four images of this size at a time, eight times.
    assert attack_blocks(40, (224, 224, 3))[0] == slice(0, 32)


def test_seeds_of_blocks():
    """The first block draws as a call on these images alone; no two blocks, and no two seeds, draw alike."""
    assert _block_seed(99, 0) == 99
    seeds = {_block_seed(seed, first) for seed in (0, 1, 99) for first in range(500, 10_000, 500)}
    assert len(seeds) == 3 * 19
    assert max(seeds) < 2**30


@pytest.mark.integration
def test_no_two_attacks_draw_alike(monkeypatch):
    """Of a network that nothing breaks: starts of PGD and APGD, and what Square draws, the ensemble's included."""
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.set_weights([np.eye(4, 3, dtype=np.float32), np.array([9, 0, 0], np.float32)])
    images = np.full((2, 2, 2, 1), 0.5, np.float32)
    drawn = {"starts": [], "keys": []}
    search = Attack.search

    def noted(attack, model, arrays, batch_size):
        if isinstance(attack, Square):
            drawn["keys"].append(arrays[4].numpy())
        elif not np.array_equal(arrays[3], images) and arrays[3].shape == images.shape:
            drawn["starts"].append(arrays[3].numpy())
        return search(attack, model, arrays, batch_size)

    monkeypatch.setattr(Attack, "search", noted)
    protocol = StrongProtocol(steps=1, restarts=3, queries=1)
    settings = {"seed": 0, "batch_size": 2, "report": list, "change": 0.0, "draws": False}
    found = attack_block(model, images, np.zeros(2, int), [0.1], protocol, **settings)
    assert (found.radii[0].broken_by == "").all()
    # Three of PGD, those of APGD-CE and APGD-DLR, and the ensemble's APGD-CE; Square and the ensemble's three.
    for name, count in (("starts", 6), ("keys", 4)):
        assert len(drawn[name]) == len({each.tobytes() for each in drawn[name]}) == count


@pytest.mark.integration
def test_blocks_are_those_of_calls_of_their_own(toy, blocks_of_four):
    model, images, labels = toy
    ticks = []
    found = validity(model, images, labels, RADII, PROTOCOL, seed=7, report=lambda: ticks.append(None))
    assert len(ticks) == 3 * len(RADII)
    parts = [
        attack_block(
            model,
            images[first : first + 4],
            labels[first : first + 4],
            RADII,
            PROTOCOL,
            seed=_block_seed(7, first),
            batch_size=2,
            report=list,
            change=0.0,
            draws=False,
        )
        for first in (0, 4, 8)
    ]
    assert judged(joined(parts), PROTOCOL) == found
    for again in (parts[0], joined(parts)):
        assert judged(Outcomes.from_arrays(again.to_arrays()), PROTOCOL) == judged(again, PROTOCOL)


@keras.saving.register_keras_serializable("tests")
class NoiseOnBrightImages(keras.layers.Layer):
    """Adds to three logits what is drawn at each call, where the first pixel is bright."""

    def call(self, inputs):
        images, logits = inputs
        bright = tf.cast(images[:, 0, 0] > 0.5, tf.float32)
        return logits + 0.1 * bright * tf.random.normal(tf.shape(logits))


@pytest.mark.integration
def test_all_blocks_have_the_members_for_a_model_that_draws(blocks_of_four, tmp_path):
    """A network that nothing breaks draws on the images of the second block alone, and nothing is kept of the first."""
    images = keras.Input((2, 2, 1))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(images))
    model = keras.Model(images, NoiseOnBrightImages()([images, logits]))
    model.set_weights([np.eye(4, 3, dtype=np.float32), np.array([9, 0, 0], np.float32)])
    shown = np.repeat(np.array([0.2, 0.8], np.float32), 4)[:, None, None, None] * np.ones((8, 2, 2, 1), np.float32)
    protocol = StrongProtocol(steps=1, restarts=1, queries=1)
    found = validity(model, shown, np.zeros(8, int), [0.1], protocol, folder=tmp_path)
    [row] = found.rows
    members = {name: value for name, value in row.accuracies.items() if name.startswith("ensemble")}
    assert members == {"ensemble APGD-CE": 1.0, "ensemble APGD-DLR": 1.0}
    assert row.worst_case == 1.0
    assert [flag.kind for flag in found.flags] == ["random output"]
    assert not list(tmp_path.iterdir())


@pytest.mark.integration
def test_one_block_is_not_kept(toy, tmp_path):
    model, images, labels = toy
    validity(model, images, labels, RADII, PROTOCOL, folder=tmp_path / "blocks")
    assert not (tmp_path / "blocks").exists()


@pytest.mark.integration
def test_kept_blocks_are_taken_and_a_damaged_one_is_done_again(toy, blocks_of_four, tmp_path, recwarn):
    ticks = []

    def run():
        ticks.clear()
        found = validity(*toy, RADII, PROTOCOL, folder=tmp_path, report=lambda: ticks.append(time.monotonic()))
        assert len(ticks) == 3 * len(RADII)
        return found, {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}

    expected, written = run()
    assert len(written) == 3
    again, kept = run()
    assert (again, kept) == (expected, written)
    assert [row.seconds for row in again.rows] == [row.seconds for row in expected.rows]
    second = sorted(written)[1]
    second.write_bytes(second.read_bytes()[:-300])
    again, kept = run()
    assert again == expected
    assert f"{second} is damaged, its images are attacked again" in str(recwarn.pop(UserWarning).message)
    assert [path for path in written if kept[path] != written[path]] == [second]


@pytest.fixture(scope="module")
def outcomes(toy):
    """What the toy's first images were found to be, as if they had been attacked."""
    model, images, labels = toy
    logits = model(images[:2]).numpy()
    clean = logits.argmax(-1) == labels[:2]
    at = RadiusOutcomes(0.1, {"PGD": clean}, {"PGD": 0.25}, np.where(clean, "", "clean"))
    return Outcomes(labels[:2], logits, clean, ~clean, 0.0, False, (at,))


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "renamed", "text"])
def test_damaged_blocks_are_told(toy, outcomes, tmp_path, damage):
    model, images, labels = toy
    kept, block = KeptBlocks(tmp_path, model, [0.1], PROTOCOL, 0), (0, images[:2], labels[:2])
    assert kept.read(*block) is None
    kept.write(*block, outcomes)
    assert kept.read(*block).radii[0].seconds == {"PGD": 0.25}
    [path] = tmp_path.iterdir()
    data = path.read_bytes()
    middle = data.index("PGD".encode("utf-32-le"))
    damaged = {
        "cut": data[:-300],
        "empty": b"",
        # The checksum of the archive does not fit any more.
        "flipped": data[:middle] + b"?" + data[middle + 1 :],
        "renamed": data.replace(b"facts", b"fasts"),
        "text": b"blocks",
    }
    path.write_bytes(damaged[damage])
    with pytest.warns(UserWarning, match=f"{path} is damaged, its images are attacked again"):
        assert kept.read(*block) is None


def test_whatever_determines_a_block_has_a_file_of_its_own(toy, outcomes, tmp_path):
    model, images, labels = toy
    moved = keras.models.clone_model(model)
    moved.set_weights([values + 0.01 for values in model.get_weights()])
    kept = {"folder": tmp_path, "model": model, "radii": [0.1], "protocol": PROTOCOL, "seed": 0}
    block = {"first": 0, "images": images[:2], "labels": labels[:2]}
    others = [
        {"model": moved},
        {"radii": [0.1, 0.2]},
        {"protocol": dataclasses.replace(PROTOCOL, queries=11)},
        {"protocol": dataclasses.replace(PROTOCOL, norm="l2")},
        {"seed": 1},
        {"first": 4},
        {"images": images[:2] / 2},
        {"labels": labels[:2] + 1},
    ]
    for changes in ({}, *others):
        store = KeptBlocks(**{name: changes.get(name, value) for name, value in kept.items()})
        at = {name: changes.get(name, value) for name, value in block.items()}
        assert store.read(**at) is None
        store.write(**at, found=outcomes)
    assert len(list(tmp_path.iterdir())) == 1 + len(others)


class ToBytes(keras.layers.Layer):
    """Bytes of images in [0, 1], whose gradient passes or is 0."""

    def __init__(self, *, passes: bool) -> None:
        super().__init__()
        self.passes = passes

    def call(self, images):
        rounded = keras.ops.stop_gradient(keras.ops.round(255 * images) / 255)
        return rounded + (images - keras.ops.stop_gradient(images)) * float(self.passes)

    def get_config(self):
        return {"passes": self.passes}


@pytest.mark.integration
def test_blocks_of_the_same_weights_and_logits_in_other_layers_are_not_taken(toy, blocks_of_four, tmp_path):
    """A network whose gradients are hidden, and the same one after that was mended."""
    model, images, labels = toy

    def flagged(passes, folder):
        made = keras.Sequential([keras.Input((4, 4, 1)), ToBytes(passes=passes), *model.layers])
        found = validity(made, images, labels, [0.1], PROTOCOL, folder=folder)
        return found.rows[0].worst_case, [flag.kind for flag in found.flags]

    hidden = flagged(False, tmp_path)
    assert "vanishing gradients" in hidden[1]
    assert flagged(True, tmp_path) == flagged(True, None) != hidden
    count = len(list(tmp_path.iterdir()))
    assert flagged(True, tmp_path) == flagged(True, None)
    assert len(list(tmp_path.iterdir())) == count


class Scaled(keras.layers.Layer):
    """Images times a number that its configuration does not hold."""

    def __init__(self, by: float = 1.0, **settings) -> None:
        super().__init__(**settings)
        self.by = by

    def call(self, images):
        return self.by * images

    def get_config(self):
        return keras.layers.Layer.get_config(self)


def test_a_block_of_other_logits_or_of_a_model_that_draws_is_not_taken(toy, outcomes, tmp_path):
    """What a class does not tell of its layers is in no digest, but in what they compute."""
    model, images, labels = toy
    block = (0, images[:2], labels[:2])
    whole, halved = (keras.Sequential([keras.Input((4, 4, 1)), Scaled(by), *model.layers]) for by in (1.0, 0.5))
    KeptBlocks(tmp_path, whole, [0.1], PROTOCOL, 0).write(*block, outcomes)
    assert KeptBlocks(tmp_path, halved, [0.1], PROTOCOL, 0).read(*block) is None
    assert KeptBlocks(tmp_path, whole, [0.1], PROTOCOL, 0).read(*block) is not None
    KeptBlocks(tmp_path / "drawn", model, [0.1], PROTOCOL, 0).write(*block, dataclasses.replace(outcomes, draws=True))
    assert not (tmp_path / "drawn").exists()


def test_a_sample_of_images_on_disk_stays_there(toy):
    """Rows of a sample are those of the images loaded at once."""
    _, pixels, labels = toy
    stored = {"labels": labels.astype(np.int64), "class_names": ("a", "b", "c"), "source": "toy", "split": "test"}
    lazy, loaded = (
        sample_images(Dataset(images=images, name="toy", **stored), 6, seed=2)[0]
        for images in (pixels, np.asarray(pixels))
    )
    assert isinstance(lazy.images, ScaledPixels)
    np.testing.assert_array_equal(lazy.images[2:4], loaded.images[2:4])
    assert lazy.labels.tolist() == loaded.labels.tolist()


def test_the_folder_is_checked(toy):
    with pytest.raises(InputError, match="folder came as str"):
        validity(*toy, RADII, PROTOCOL, folder="blocks")


COMMAND = """
import sys
import interp.core.batches as batches
batches._MOST_BLOCK = 6
from interp.commands.evaluate_network import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_one_in_peace(tmp_path):
    """Killed after its second block, then again within a block; what is left to do is less each time."""
    network = ROOT / "networks" / "mnist_smallgap_adv_20.safetensors"
    words = [
        sys.executable,
        "-c",
        COMMAND,
        "--task=pgd_attack",
        "--protocol=quick",
        "--dataset=digits",
        "--any-dataset",
    ]
    words += [f"--network={network}", "--num-image=24", "--steps=5", "--queries=20", "--epsilons=0,0.1", "--restarts=2"]

    def start(out):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [*words, f"--output-dir={out}", f"--picture-dir={out}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment,
            text=True,
        )

    def blocks(out):
        return sorted(out.glob("blocks/*/0*.npz"))

    def kill_at(out, count, later):
        process = start(out)
        end = time.monotonic() + 300
        while len(blocks(out)) < count and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(later)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL

    def finish(out):
        process = start(out)
        text = process.communicate(timeout=300)[0]
        assert process.returncode == 0, text
        [path] = out.glob("pgd_attack*/*.json")
        record = json.loads(path.read_text())
        for name in ("finished", "arguments"):
            del record[name]
        for row in record["by_radius"]:
            row["seconds"] = sorted(row["seconds"])
        [images] = out.glob("*/*_images.csv")
        return record, images.read_bytes(), [path.name for path in blocks(out)]

    peace, disturbed = tmp_path / "peace", tmp_path / "disturbed"
    expected = finish(peace)
    assert len(expected[2]) == 4
    kill_at(disturbed, 2, 0.0)
    first = {path: path.stat().st_mtime_ns for path in blocks(disturbed)[:2]}
    kill_at(disturbed, 3, 0.05)
    assert finish(disturbed) == expected
    assert {path: path.stat().st_mtime_ns for path in first} == first
