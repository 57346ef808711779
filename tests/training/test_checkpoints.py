"""Checkpoints: complete or absent, checked before use, and true to the run they came from."""

import hashlib
import json
import os
import shutil
import subprocess

import keras
import numpy as np
import pytest

from interp import data
from interp.core.errors import InputError
from interp.models import adapt, build_network
from interp.models.model_digest import layers_digest, model_digest
from interp.training import Checkpointing, Schedule, find_objective, plain_schedule, train
from interp.training.checkpoints import MANIFEST, STATE, Checkpoint, CheckpointFolder
from interp.training.description import check_arguments
from interp.training.resuming import position_of


def checkpoint(step):
    arrays = {"network/w": np.full((50, 3), step, np.float32), "optimizer/0": np.array(step, np.int64)}
    return Checkpoint(step, arrays, {"step": step, "sums": {"loss": 0.1 + 0.2}}, {"seed": 99})


@pytest.fixture
def folder(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    for step in (10, 20, 30):
        folder.save(checkpoint(step))
    return folder


def refuse(message):
    pytest.fail(f"nothing should be wrong: {message}")


def test_the_newest_comes_back_whole_and_two_are_kept(folder):
    newest = folder.load_newest(refuse)
    assert newest.step == 30
    np.testing.assert_array_equal(newest.arrays["network/w"], checkpoint(30).arrays["network/w"])
    assert newest.arrays["optimizer/0"].dtype == np.int64
    assert newest.progress == checkpoint(30).progress
    assert sorted(path.name for path in folder.folder.iterdir()) == ["step_00000020", "step_00000030"]


def test_removing_checkpoints_leaves_what_others_put_beside_them(folder):
    notes = folder.folder / "step_notes.txt"
    notes.write_text("mine")
    (folder.folder / "step_00000030" / MANIFEST).write_text("{")
    assert folder.load_newest(lambda _: None).step == 20
    folder.remove()
    assert [path.name for path in folder.folder.iterdir()] == ["step_notes.txt"]
    notes.unlink()
    folder.remove()
    assert not folder.folder.exists()


def test_damage_without_a_word_is_named_by_its_error(folder):
    told = []

    def check(found):
        if found.step == 30:
            raise ValueError(" \n ")

    assert folder.load_newest(told.append, check).step == 20
    assert "step_00000030 is damaged (ValueError); the one before" in told[0]


def test_no_folder_is_no_checkpoint(tmp_path):
    assert CheckpointFolder(tmp_path / "nothing").load_newest(refuse) is None


@pytest.mark.parametrize("name", [STATE, MANIFEST])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_byte_is_found_and_the_one_before_taken(folder, name, place):
    path = folder.folder / "step_00000030" / name
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    told = []
    assert folder.load_newest(told.append).step == 20
    assert len(told) == 1
    assert "step_00000030" in told[0]
    folder.save(checkpoint(30))
    assert folder.load_newest(refuse).step == 30


@pytest.mark.parametrize("name", [STATE, MANIFEST])
def test_a_missing_or_cut_file_is_found(folder, name):
    path = folder.folder / "step_00000030" / name
    path.write_bytes(path.read_bytes()[:-1])
    told = []
    assert folder.load_newest(told.append).step == 20
    assert len(told) == 1
    (folder.folder / "step_00000020" / name).unlink()
    assert folder.load_newest(told.append) is None
    assert len(told) == 2


def test_new_checkpoints_do_not_give_way_to_damaged_ones(folder):
    """The run starts over from step 0, below the numbers of the damaged ones."""
    for path in folder.folder.glob("step_*"):
        (path / STATE).write_bytes(b"")
    told = []
    assert folder.load_newest(told.append) is None
    assert len(told) == 2
    for step in (5, 10, 15):
        folder.save(checkpoint(step))
    assert folder.load_newest(refuse).step == 15
    assert sorted(path.name for path in folder.folder.glob("step_*")) == ["step_00000010", "step_00000015"]
    assert len(list(folder.folder.glob("damaged_*"))) == 2


def test_leftovers_of_a_killed_write_are_not_checkpoints_and_go(folder):
    leftover = folder.folder / ".writing-abc"
    shutil.copytree(folder.folder / "step_00000030", leftover)
    assert folder.load_newest(refuse).step == 30
    folder.save(checkpoint(40))
    assert not leftover.exists()


def test_other_arguments_are_named():
    check_arguments("it", {"seed": 99, "ramp": [0, 1]}, {"seed": 99, "ramp": (0, 1)})
    with pytest.raises(
        InputError, match=r"it was made with other arguments: a\.epsilon was 0\.1 and is 0\.2; new was none and is 1"
    ) as caught:
        check_arguments("it", {"seed": 99, "a": {"epsilon": 0.1}}, {"seed": 99, "a": {"epsilon": 0.2}, "new": 1})
    assert "seed" not in str(caught.value)
    # Of what is not said the usual value is told.
    with pytest.raises(InputError, match=r"keep was 'best' and is 'last'; schedule\.norm was 'linf' and is 'l2': use"):
        check_arguments("it", {"keep": "best", "schedule": {}}, {"schedule": {"norm": "l2"}})
    assert str(caught.value).endswith("use the same ones, or --no-resume (in Python resume=False) to start anew")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("this machine does not let tests mount a file system")
    try:
        folder = CheckpointFolder(disk / "checkpoints")
        folder.save(checkpoint(1))
        big = Checkpoint(2, {"w": np.zeros(100_000, np.float32)}, {}, {})
        with pytest.raises(InputError, match="No space left on device; earlier checkpoints are intact"):
            folder.save(big)
        assert folder.load_newest(refuse).step == 1
        assert [path.name for path in folder.folder.iterdir()] == ["step_00000001"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        CheckpointFolder(tmp_path / "file" / "checkpoints").save(checkpoint(1))


def manifest_of(folder, step, change):
    """Rewrite the manifest of a checkpoint, and its seal, as something else than this version would."""
    path = folder.folder / f"step_{step:08d}" / MANIFEST
    manifest = json.loads(path.read_text().split("\n", 1)[1])
    body = change(manifest)
    body = body if isinstance(body, str) else json.dumps(manifest if body is None else body)
    path.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(step=20),
        lambda manifest: manifest.update(step="30"),
        lambda manifest: manifest.update(step=None),
        lambda manifest: manifest.update(progress=[1]),
        lambda manifest: manifest.update(arguments="seed"),
        lambda manifest: manifest.update(sha256=[]),
        lambda manifest: manifest.update(sha256={STATE: 3}),
        lambda manifest: manifest.pop("progress") and None,
        lambda manifest: [manifest],
        lambda manifest: "[" * 200_000,
        lambda manifest: "",
    ],
)
def test_sealed_manifests_of_something_else_are_told_and_skipped(folder, change):
    manifest_of(folder, 30, change)
    told = []
    assert folder.load_newest(told.append).step == 20
    assert len(told) == 1
    assert "step_00000030 is damaged" in told[0]
    assert "\n" not in told[0]


def test_a_seal_that_is_no_text_is_told_and_skipped(folder):
    (folder.folder / "step_00000030" / MANIFEST).write_bytes(b"\xff\xfe")
    told = []
    assert folder.load_newest(told.append).step == 20
    assert len(told) == 1


@pytest.mark.parametrize("name", ["step_²", "step_٣", "step_", "step_-1", "step_5", "step_0x10", "step_00000040.old"])
def test_folders_of_other_names_are_no_checkpoints(folder, name):
    (folder.folder / name).mkdir()
    assert folder.load_newest(refuse).step == 30
    folder.save(checkpoint(40))
    assert folder.load_newest(refuse).step == 40
    assert (folder.folder / name).is_dir()


def test_a_step_that_was_damaged_before_can_be_damaged_again(folder):
    for _ in range(2):
        (folder.folder / "step_00000030" / STATE).write_bytes(b"")
        told = []
        assert folder.load_newest(told.append).step == 20
        assert len(told) == 1
        folder.save(checkpoint(30))
        assert folder.load_newest(refuse).step == 30


def test_what_the_reader_of_the_progress_refuses_is_told_and_skipped(folder):
    def check(found):
        if found.step == 30:
            raise ValueError("of another version")

    told = []
    assert folder.load_newest(told.append, check).step == 20
    assert "of another version" in told[0]


PROGRESS = {"step": 4, "sums": {"loss": 0.5}, "history": [{"loss": 1.0, "seconds": 3}], "seconds": 2.5}


def test_the_position_comes_back():
    found = position_of(Checkpoint(4, {}, PROGRESS, {}))
    assert (found.step, found.sums, found.history, found.seconds) == (4, {"loss": 0.5}, PROGRESS["history"], 2.5)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 1},
        {"seconds": "2.5"},
        {"seconds": None},
        {"sums": [0.5]},
        {"sums": {"loss": "0.5"}},
        {"sums": {"loss": [0.5]}},
        {"history": {"loss": 1.0}},
        {"history": [[1.0]]},
        {"history": [{"loss": None}]},
        {"history": None},
        {"step": 5},
        {"step": 4.0},
        {"step": True},
    ],
)
def test_progress_of_another_version_is_damage(change):
    with pytest.raises(ValueError, match=r"^its"):
        position_of(Checkpoint(4, {}, {**PROGRESS, **change}, {}))


def test_progress_that_lacks_something_is_damage():
    for name in PROGRESS:
        with pytest.raises(ValueError, match="another version"):
            position_of(Checkpoint(4, {}, {key: value for key, value in PROGRESS.items() if key != name}, {}))


@pytest.mark.integration
@pytest.mark.parametrize("change", [{"epoch": 1}, {"sums": None}, {"history": [[1.0]]}])
def test_a_run_goes_on_from_the_checkpoint_before_one_of_another_version(tmp_path, change):
    images = data.load("digits", "train").take(100)
    schedule = Schedule(
        epochs=1,
        batch_size=25,
        learning_rates=((0, 1e-3),),
        epsilon=0.1,
        ramp=(0, 0),
        attack_steps=1,
        attack_step_size=0.1,
    )
    told, weights = [], []
    for _ in range(2):
        folder = CheckpointFolder(tmp_path)
        checkpointing = Checkpointing(folder=folder, every_steps=1, warn=told.append)
        network = build_network("small", (28, 28, 1), 10, seed=1)
        train(network, find_objective("normal"), images, schedule, checkpointing=checkpointing)
        weights.append(network.get_weights())
        manifest_of(folder, 4, lambda manifest: manifest["progress"].update(change))
    assert len(told) == 1
    assert "step_00000004 is damaged" in told[0]
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.integration
def test_a_run_goes_on_with_the_same_network_alone(tmp_path):
    """Or with one that a checkpoint of an earlier version says nothing of."""
    images = data.load("digits", "train").take(100)
    schedule = plain_schedule(epochs=1, batch_size=50, learning_rate=1e-3)
    folder = CheckpointFolder(tmp_path)

    def run(network):
        checkpointing = Checkpointing(folder=folder, every_steps=1, warn=refuse, network=network)
        return train(build_network("small", (28, 28, 1), 10), "normal", images, schedule, checkpointing=checkpointing)

    run({"start": "adv"})
    with pytest.raises(InputError, match=r"network\.start was 'adv' and is 'int'"):
        run({"start": "int"})
    with pytest.raises(InputError, match=r"network\.start was 'adv' and is none"):
        run({})
    assert len(run({"start": "adv"})) == 1
    manifest_of(folder, 2, lambda manifest: manifest["arguments"].pop("network") and None)
    assert len(run({"start": "int"})) == 1


def test_the_digest_of_a_model_is_of_layers_links_and_weights():
    layers = keras.layers

    def build(seed=1, activation="relu", residual=False, name=None, dtype=None):
        keras.utils.set_random_seed(seed)
        images = keras.Input((6, 6, 1))
        maps = layers.Conv2D(2, 3, padding="same", activation=activation, dtype=dtype)(images)
        inner = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(2, 3, padding="same")])(maps)
        added = layers.Add(name=name)([maps if residual else inner, inner])
        return keras.Model(images, layers.Dense(3)(layers.Flatten()(added)))

    # Keras counts names up from one model to the next.
    first = model_digest(build())
    compiled = build()
    compiled.compile("adam", "mse")
    assert model_digest(build()) == model_digest(build(name="mine")) == model_digest(compiled) == first
    changes = ({"seed": 2}, {"activation": "tanh"}, {"residual": True}, {"dtype": "mixed_float16"})
    assert len({first, *(model_digest(build(**change)) for change in changes)}) == 5
    digests = [model_digest(build_network("small", (28, 28, 1), 10, seed=seed)) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_a_model_that_cannot_be_saved_is_told_before_it_is_trained():
    class Own(keras.Model):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

    own = Own(keras.layers.Dense(2))
    assert layers_digest(own) is None
    with pytest.raises(InputError, match=r"could not be saved .* needs get_config\(\)"):
        model_digest(own)


@pytest.mark.integration
def test_a_checkpoint_of_other_layers_is_refused(tmp_path):
    """As many weights do not make the same model, nor does another scale."""
    images = data.load("digits", "train").take(50)
    schedule = plain_schedule(epochs=1, batch_size=25, learning_rate=1e-3)

    def run(scale="0..1", activation="relu"):
        layers = [keras.layers.Flatten(), keras.layers.Dense(4, activation), keras.layers.Dense(10)]
        model = adapt(keras.Sequential([keras.Input((28, 28, 1)), *layers]), scale=scale)
        checkpointing = Checkpointing(folder=CheckpointFolder(tmp_path), every_steps=1, warn=refuse)
        return train(model, "normal", images, schedule, checkpointing=checkpointing)

    run()
    assert len(run()) == 1
    for change in ({"scale": "0..255"}, {"activation": "tanh"}):
        with pytest.raises(InputError, match=r"network\.layers was"):
            run(**change)
