"""Damaged files of every kind that is read: refused in one line, never run, never half taken over, and in bounded time."""

import gzip
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

import interp
from interp.core.errors import InputError
from interp.core.json_values import parse_json
from interp.core.pickles import read_array_pickle
from interp.core.used_files import fingerprint
from interp.data.cifar10_batches import read_python
from interp.data.idx import IdxFile, read_idx
from interp.data.restricted_imagenet import read_arrays
from interp.evaluation import read_calibration
from interp.evaluation.kept_maps import _read
from interp.evaluation.retraining_record import RetrainingRecord
from interp.models import build_network
from interp.models.weight_file import weight_metadata
from interp.report.records import RecordStore, Settings

pytestmark = pytest.mark.fuzz
CASES = 400


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def refused_or_sound(damaged, patience):
    """A function that reads damaged files: each is refused by an InputError of one line, or read."""

    def check(read, content, path, seed, cases=CASES):
        messages = []
        for case in damaged(content, seed, cases):
            path.write_bytes(case)
            try:
                with patience():
                    read(path)
            except InputError as error:
                messages.append(str(error))
        assert all("\n" not in message and len(message) < 1_000 for message in messages)
        # Where nothing is refused the test says nothing.
        assert len(messages) > cases // 20
        return len(messages)

    return check


def test_weight_files(tmp_path, refused_or_sound):
    path = tmp_path / "net.safetensors"
    interp.save_model(build_network("small", (12, 12, 1), 3), path, {"history": [{"loss": 1.0}]})
    content = path.read_bytes()
    refused_or_sound(interp.load_model, content, path, 0, 150)
    refused_or_sound(weight_metadata, content, path, 1)
    refused_or_sound(fingerprint, content, path, 2)


def test_reference_pickles_run_nothing(tmp_path, refused_or_sound):
    path, trap = tmp_path / "mnist_smallgap_int_100.pkl", tmp_path / "sprung"
    layers = [(np.ones((4, 4, 1, 2), np.float32), np.zeros(2, np.float32)), (np.ones((1, 1, 2, 3), np.float32),)]
    for seed, value in enumerate((layers, [*layers, Trap(trap)], {"a": Trap(trap)})):
        for protocol in range(6):
            content = pickle.dumps(value, protocol)
            refused_or_sound(read_array_pickle, content, path, 10 * seed + protocol, CASES // 4)
            refused_or_sound(interp.load_model, content, path, 10 * seed + protocol, 20)
    assert not trap.exists()


def test_idx_files(tmp_path, refused_or_sound):
    content = struct.pack(">4I", 0x0803, 5, 4, 4) + bytes(range(80))
    official = IdxFile(shape=(5, 4, 4), sha256="0" * 64)
    for seed, packed in enumerate((content, gzip.compress(content))):
        refused = refused_or_sound(lambda path: read_idx(path, official), packed, tmp_path / "images", seed)
        # Nothing but the official bytes is taken.
        assert refused == CASES


def test_cifar_batches_run_nothing(tmp_path, refused_or_sound):
    trap = tmp_path / "sprung"
    for seed, labels in enumerate(([1] * 20, [Trap(trap)] * 20)):
        content = pickle.dumps({"data": np.zeros((20, 3072), np.uint8), "labels": labels}, 2)
        refused_or_sound(read_python, content, tmp_path / "data_batch_1", seed, CASES // 2)
    assert not trap.exists()


def test_restricted_imagenet_arrays(tmp_path, refused_or_sound):
    images, labels = tmp_path / "images.npy", tmp_path / "labels.npy"
    np.save(labels, np.zeros(2, np.int64))
    np.save(images, np.zeros((2, 224, 224, 3), np.uint8))
    sound = labels.read_bytes()
    refused_or_sound(lambda path: read_arrays(images, path), sound, labels, 0)
    labels.write_bytes(sound)
    refused_or_sound(lambda path: read_arrays(path, labels), images.read_bytes()[:400], images, 1)


def test_kept_maps_are_read_or_made_anew(tmp_path, damaged, patience):
    path, maps = tmp_path / "maps.npz", np.arange(96.0, dtype=np.float32).reshape(3, 4, 4, 2)
    logits = np.ones((2, 3), np.float32)
    np.savez(path, maps=maps, logits=logits, made_of=np.array("settings"))
    for case in damaged(path.read_bytes(), 0, CASES):
        path.write_bytes(case)
        with patience():
            found = _read(path, "settings", 3, logits)
        # zip keeps a checksum of each array: what is read is what was kept.
        assert found is None or np.array_equal(found, maps)


def test_records(tmp_path, refused_or_sound):
    record = {
        "caption": "c",
        "header": ["eps"],
        "rows": [[0.1]],
        "images": 3,
        "data": "d",
        "files": {},
        "made_of": {"a": 1},
    }
    (tmp_path / "pgd").mkdir()
    refused_or_sound(
        lambda path: RecordStore(tmp_path).all("pgd"), json.dumps(record).encode(), tmp_path / "pgd" / "net.json", 0
    )
    settings = {"number": 1, "num_image": None, "seed": 99}
    refused_or_sound(
        lambda path: Settings(tmp_path, settings), json.dumps(settings).encode(), tmp_path / "settings.json", 1
    )
    calibration = json.dumps([{"attack": "fog", "eps": 128, "ata": 0.86}, {"attack": "snow", "eps": 2.0, "ata": 0.5}])
    refused_or_sound(read_calibration, calibration.encode(), tmp_path / "calibration.json", 2)
    kept = {"made_of": {"data": "d"}, "methods": {"random": {"method": "m"}}, "accuracies": {"roar random 0.5 1": 0.5}}
    refused_or_sound(
        lambda path: RetrainingRecord(path, {"data": "d"}), json.dumps(kept).encode(), tmp_path / "retrainings.json", 3
    )


def test_json_is_read_or_a_value_error(damaged):
    content = json.dumps({"a": [1, 2.5, None, {"b": "text", "c": [True]}], "d": -3e4}).encode()
    for case in damaged(content, 0, 4 * CASES):
        text = case.decode("utf-8", "replace")
        try:
            value = parse_json(text)
        except ValueError:
            continue
        # What was read can be written again, as JSON.
        json.dumps(value, allow_nan=False)
