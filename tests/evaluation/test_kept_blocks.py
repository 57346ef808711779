"""Outcomes of blocks that are kept: a stopped run goes on, and what was kept is checked before it is believed."""

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

from interp.core.errors import InputError
from interp.evaluation import validity
from interp.evaluation.kept_blocks import KeptBlocks
from interp.evaluation.outcomes import Outcomes, RadiusOutcomes
from tests.evaluation.toy_protocol import PROTOCOL, RADII
from tests.model_kinds import Scaled

ROOT = Path(__file__).parents[2]


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


def test_the_folder_is_checked(toy):
    with pytest.raises(InputError, match="folder came as str"):
        validity(*toy, RADII, PROTOCOL, folder="blocks")


def test_a_folder_that_cannot_be_written_is_told_before_the_attacks(toy, blocks_of_four):
    told: list[int] = []
    with pytest.raises(InputError, match=r"cannot write to .*kept: "):
        validity(*toy, RADII, PROTOCOL, folder=Path(__file__) / "kept", report=lambda: told.append(1))
    assert not told


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
