"""Files whose form is sound and whose values are odd: other types, wrong lengths, deep nesting, huge numbers, missing parts."""

import hashlib
import json
import pickle
import pickletools

import numpy as np
import pytest
import safetensors.numpy

import interp
from interp.core.errors import InputError
from interp.core.pickles import read_array_pickle
from interp.core.used_files import fingerprint
from interp.data.cifar10_batches import read_python
from interp.data.tfds import open_folder
from interp.evaluation import read_calibration
from interp.evaluation.retraining_record import RetrainingRecord
from interp.models import build_network
from interp.models.weight_file import read_weight_file, weight_metadata
from interp.report.records import RecordStore, Settings
from interp.training import CheckpointFolder, Progress
from interp.training.checkpoints import MANIFEST, STATE, Checkpoint
from interp.training.resuming import position_of
from interp.training.run_log import RunLog

pytestmark = pytest.mark.fuzz
CASES = 1000


@pytest.fixture
def read_or_refused(altered, patience):
    """A function that reads altered JSON, written by `write`: each is refused by an InputError of one line, or read."""

    def check(read, value, write, seed=0, cases=CASES):
        messages = []
        for text in altered(value, seed, cases):
            write(text)
            try:
                with patience():
                    read()
            except InputError as error:
                messages.append(str(error))
        assert not [message[:500] for message in messages if "\n" in message or len(message) > 1_000]
        # Where nothing is refused the test says nothing.
        assert len(messages) > cases // 20

    return check


# Arguments of the instructions of a pickle that a random program is made of.
ARGUMENTS = {
    **dict.fromkeys(("PUT", "GET"), (b"0\n", b"1\n", b"7\n")),
    **dict.fromkeys(("BINPUT", "BINGET"), (b"\x00", b"\x01", b"\x07")),
    **dict.fromkeys(("LONG_BINPUT", "LONG_BINGET"), (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff")),
    "INT": (b"3\n", b"01\n", b"-1\n", b"9" * 4400 + b"\n"),
    "LONG": (b"3L\n", b"9" * 400 + b"L\n"),
    "LONG1": (b"\x01\x03", b"\xff" + b"\x7f" * 255),
    "FLOAT": (b"1.5\n", b"nan\n", b"1e999\n"),
    "STRING": (b"'latin1'\n", b"'b'\n", b"'\\xff'\n", b"'\n"),
    "UNICODE": (b"latin1\n", b"u1\n", b"\\ud800\n"),
    "BININT": (b"\x02\x00\x00\x00", b"\xff\xff\xff\xff"),
    "BININT1": (b"\x01", b"\x02"),
    "BININT2": (b"\x10\x27",),
    "BINFLOAT": (b"\x7f\xf8" + bytes(6), bytes(8)),
    "BINUNICODE": (b"\x02\x00\x00\x00u1", b"\x02\x00\x00\x00f4", b"\x06\x00\x00\x00latin1", b"\x04\x00\x00\x00data"),
    "SHORT_BINUNICODE": (b"\x01C", b"\x01<", b"\x05numpy", b"\x05dtype", b"\x06labels"),
    "BINSTRING": (b"\x02\x00\x00\x00ab",),
    "SHORT_BINSTRING": (b"\x01b", b"\x01|"),
    "BINBYTES": (b"\x02\x00\x00\x00ab", b"\xff\xff\xff\x7fab"),
    "SHORT_BINBYTES": (b"\x00", b"\x04abcd"),
    "BINBYTES8": (b"\x02" + bytes(7) + b"ab", b"\xff" * 8),
    "BYTEARRAY8": (b"\x02" + bytes(7) + b"ab",),
    "GLOBAL": (
        *(b"numpy\ndtype\n", b"numpy\nndarray\n", b"_codecs\nencode\n", b"__builtin__\nbytes\n", b"os\nsystem\n"),
        *(b"numpy.core.multiarray\n_reconstruct\n", b"numpy.core.multiarray\nscalar\n"),
        b"numpy._core.numeric\n_frombuffer\n",
    ),
    "PROTO": (b"\x02",),
    "FRAME": (bytes(8),),
}
PLAIN = (
    *("MARK", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE", "LIST", "DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE"),
    *("APPEND", "APPENDS", "SETITEM", "SETITEMS", "MEMOIZE", "STACK_GLOBAL", "REDUCE", "BUILD", "NEWTRUE", "NEWFALSE"),
    *("POP", "DUP", "POP_MARK", "NEWOBJ", "INST", "OBJ", "STOP"),
)
CODES = {opcode.name: opcode.code.encode("latin1") for opcode in pickletools.opcodes}


@pytest.mark.parametrize("seed", range(2))
def test_random_programs_of_pickles(tmp_path, patience, seed):
    rng, path, refused = np.random.RandomState(seed), tmp_path / "data_batch_1", []
    names = [*ARGUMENTS, *PLAIN]
    seeds = [pickle.dumps([np.zeros(2, np.uint8), {"labels": [np.int64(1)]}], protocol) for protocol in range(6)]
    for case in range(2 * CASES):
        program = []
        for _ in range(rng.randint(1, 40)):
            name = names[rng.randint(len(names))]
            arguments = ARGUMENTS.get(name, (b"",))
            program.append(CODES[name] + arguments[rng.randint(len(arguments))])
        content = b"".join(program)
        # Alone, or in the middle of a sound file, many times over.
        if case % 3:
            sound = seeds[rng.randint(len(seeds))]
            at = rng.randint(len(sound))
            content = sound[:at] + content * (1 if case % 3 == 1 else 200) + sound[at:]
        path.write_bytes(content + (b"" if rng.rand() < 0.2 else b"."))
        for read in (read_array_pickle, read_python):
            try:
                with patience():
                    read(path)
            except InputError as error:
                refused.append(str(error))
    assert len(refused) > 2 * CASES
    assert all("\n" not in message and len(message) < 1_000 for message in refused)


def test_metadata_of_weight_files(tmp_path, read_or_refused):
    path = tmp_path / "net.safetensors"
    interp.save_model(build_network("pool", (12, 12, 1), 3), path, {"history": [{"loss": 1.0, "seconds": 2}]})
    with safetensors.safe_open(path, framework="numpy") as file:
        description = json.loads(file.metadata()["interp"])
    tensors = safetensors.numpy.load_file(path)

    def write(text):
        path.write_bytes(safetensors.numpy.save(tensors, metadata={"interp": text}))

    # What a network is built of: the rest is the business of whoever wrote it.
    needs = {name: description[name] for name in ("format", "architecture", "image_shape", "classes")}
    read_or_refused(lambda: weight_metadata(path), needs, write)
    read_or_refused(lambda: read_weight_file(path), needs, write, seed=1, cases=300)


def test_headers_of_weight_files(tmp_path, read_or_refused):
    path = tmp_path / "net.safetensors"
    interp.save_model(build_network("small", (12, 12, 1), 3), path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, values = json.loads(content[8 : 8 + length]), content[8 + length :]

    def write(text):
        path.write_bytes(len(text).to_bytes(8, "little") + text.encode() + values)

    read_or_refused(lambda: read_weight_file(path), header, write)
    for seed, read in enumerate((weight_metadata, fingerprint), 2):
        try:
            read_or_refused(lambda read=read: read(path), header, write, seed, CASES // 2)
        except AssertionError:
            # The weights alone are what is fingerprinted, whatever is said of them.
            assert read is fingerprint


PROGRESS = {"step": 2, "sums": {"loss": 0.5}, "history": [{"loss": 1.0, "accuracy": 0.5}], "seconds": 2.5}


@pytest.mark.parametrize("part", [MANIFEST, STATE])
@pytest.mark.parametrize("sealed", [True, False])
def test_checkpoints_are_read_or_told(tmp_path, altered, damaged, patience, part, sealed):
    arrays = {"network/w": np.ones((3, 2), np.float32), "optimizer/0": np.array(2, np.int64)}
    folder = CheckpointFolder(tmp_path / "checkpoints")
    folder.save(Checkpoint(2, arrays, PROGRESS, {"seed": 99}))
    place = folder.folder / "step_00000002"
    state, manifest = (place / STATE).read_bytes(), json.loads((place / MANIFEST).read_text().split("\n", 1)[1])
    if part == STATE:
        texts = damaged(state, 0, CASES // 2)
    elif sealed:
        texts = (text.encode() for text in altered(manifest, 1, CASES))
    else:
        texts = damaged((place / MANIFEST).read_bytes(), 2, CASES // 2)
    told = []
    for text in texts:
        place.mkdir(exist_ok=True)
        (place / STATE).write_bytes(text if part == STATE else state)
        if sealed:
            body = text
            if part == STATE:
                body = json.dumps({**manifest, "sha256": {STATE: hashlib.sha256(text).hexdigest()}}).encode()
            text = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        if sealed or part == MANIFEST:
            (place / MANIFEST).write_bytes(text)
        with patience():
            found = folder.load_newest(told.append, position_of)
        assert found is None or position_of(found).step == found.step == 2
    assert len(told) > CASES // 20
    assert all("\n" not in message and len(message) < 1_000 for message in told)


def test_lines_of_logs_are_kept_or_told(tmp_path, altered, damaged, patience):
    line = {"step": 1, "epoch": 1, "epoch_ended": False, "loss": 1.0}
    path, told = tmp_path / "log.jsonl", []
    cases = [text.encode() for text in altered(line, 0, CASES // 2)]
    cases += damaged((json.dumps(line) + "\n").encode() * 3, 1, CASES // 2)
    for case in cases:
        path.write_bytes(case + b"\n")
        log = RunLog(tmp_path, every=1, warn=told.append)
        with patience():
            log(Progress(0, 5, 10, {"loss": 1.0}, False, 1.0, 1.0))
        log.close()
        *_, last = path.read_text(encoding="utf-8").splitlines()
        assert json.loads(last)["step"] == 5
    assert len(told) > CASES // 20


def test_records_of_results(tmp_path, read_or_refused):
    record = {
        "caption": "c",
        "header": ["eps", "accuracy"],
        "rows": [[0.1, 0.5], [0.2, None]],
        "images": 3,
        "data": "d",
        "files": {"net.pkl": "00"},
        "made_of": {"a": 1},
        "flags": [{"text": "t", "eps": 0.1}],
        "notes": ["n"],
        "pictures": ["p.png"],
    }
    (tmp_path / "pgd").mkdir()
    path = tmp_path / "pgd" / "net.json"
    read_or_refused(lambda: RecordStore(tmp_path).all("pgd"), record, path.write_text)
    path = tmp_path / "settings.json"
    settings = {"number": 1, "num_image": None, "seed": 99}
    read_or_refused(lambda: Settings(tmp_path, settings), settings, path.write_text, seed=1)


def test_calibrations_and_retrainings(tmp_path, read_or_refused):
    path = tmp_path / "calibration.json"
    rows = [{"attack": "fog", "eps": 128, "ata": 0.86}, {"attack": "snow", "eps": 2.0, "ata": 0.5}]
    read_or_refused(lambda: read_calibration(path), rows, path.write_text)
    path = tmp_path / "retrainings.json"
    kept = {"made_of": {"data": "d"}, "methods": {"random": {"method": "m"}}, "accuracies": {"roar random 0.5 1": 0.5}}

    def read():
        RetrainingRecord(path, {"data": "d"}).check_method("random", {"method": "m"})

    read_or_refused(read, kept, path.write_text)


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
def test_metadata_of_prepared_datasets(tmp_path, read_or_refused, name):
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(2, 2, 1), encoding_format="png"),
            "label": tfds.features.ClassLabel(num_classes=3),
        }
    )
    examples = [(0, {"image": np.zeros((2, 2, 1), np.uint8), "label": 1})]
    tfds.dataset_builders.store_as_tfds_dataset(
        "toy", version="1.0.0", features=features, split_datasets={"train": examples}, data_dir=tmp_path
    )
    path = tmp_path / "toy" / "1.0.0" / name
    read_or_refused(
        lambda: open_folder(path.parent).count("train"), json.loads(path.read_text()), path.write_text, cases=400
    )
