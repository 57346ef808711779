"""Weight files: what is saved comes back, and whatever is wrong with a file is said in one line."""

import json
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import safetensors.numpy

import interp
from interp.core.errors import InputError
from interp.core.network_files import locate_network
from interp.models import ARCHITECTURES, build_network
from interp.models.architectures import weight_shapes


def keras_model():
    return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


SMALL = [(4, 4, 1, 16), (4, 4, 16, 32), (7, 7, 32, 100)]


@pytest.fixture
def saved(tmp_path):
    net = build_network("small", (28, 28, 1), 10, seed=5)
    return net, interp.save_model(
        net, tmp_path / "digits_smallgap_int_3.safetensors", {"method": "int", "accuracy": {"clean": 0.5}}
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_and_metadata_come_back(tmp_path, architecture):
    net = build_network(architecture, (32, 32, 3), 7)
    path = interp.save_model(net, tmp_path / "net.safetensors", {"method": "adv", "training": {"seed": 3}})
    loaded = interp.load_model(path)
    images = np.random.RandomState(0).rand(2, 32, 32, 3).astype(np.float32)
    np.testing.assert_array_equal(loaded(images), net(images))
    assert (loaded.architecture, loaded.image_shape, loaded.classes) == (architecture, (32, 32, 3), 7)
    assert loaded.metadata["training"] == {"seed": 3}


def test_names_are_found_in_the_named_folder(saved, monkeypatch, tmp_path):
    _, path = saved
    assert interp.load_model("digits_smallgap_int_3", networks_dir=path.parent).metadata["method"] == "int"
    monkeypatch.setenv("INTERP_NETWORKS_DIR", str(tmp_path))
    assert interp.load_model("digits_smallgap_int_3").metadata["method"] == "int"
    with pytest.raises(InputError, match="did you mean 'digits_smallgap_int_3'") as caught:
        interp.load_model("digits_smallgap_int_2")
    assert str(tmp_path) in str(caught.value)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="which hold none"):
        interp.load_model("anything", networks_dir=tmp_path)
    with pytest.raises(InputError, match="no network file"):
        interp.load_model(tmp_path / "nothing.safetensors")
    with pytest.raises(InputError, match="came as NoneType"):
        interp.load_model(None)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("net.KERAS", lambda path: path.touch(), r"rename it to net\.keras"),
        ("net.SafeTensors", lambda path: path.touch(), r"rename it to net\.safetensors"),
        ("net.PKL", lambda path: path.touch(), r"rename it to net\.pkl"),
        ("net.pt", lambda path: path.touch(), r"no file of a network: expected one that ends in \.safetensors, \.pkl"),
        ("net.H5", lambda path: path.touch(), r"rename it to net\.h5"),
        ("folder", lambda path: path.mkdir(), "a directory, expected the file of a network"),
        ("folder.safetensors", lambda path: path.mkdir(), "a directory, expected the file of a network"),
    ],
)
def test_files_of_other_kinds_are_told_what_they_are(tmp_path, monkeypatch, name, make, message):
    make(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for given in (name, tmp_path / name, str(tmp_path / name)):
        with pytest.raises(InputError, match=message) as caught:
            interp.load_model(given)
        assert "\n" not in str(caught.value)
        assert "unknown network" not in str(caught.value)
        with pytest.raises(InputError, match=message):
            locate_network(str(given))


def test_a_directory_does_not_hide_a_network_of_its_name(saved, monkeypatch, tmp_path):
    _, path = saved
    (tmp_path / "results" / path.stem).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "results")
    assert interp.load_model(path.stem, networks_dir=path.parent).metadata["method"] == "int"


@pytest.mark.parametrize("name", ["nothing.h5", "nothing.keras", "a/nothing", "nothing.KERAS", "nothing.weights.h5"])
def test_files_that_are_not_there_are_paths(tmp_path, name):
    with pytest.raises(InputError, match=r"no network file .*nothing"):
        interp.load_model(name, networks_dir=tmp_path)


def test_a_keras_file_is_loaded(tmp_path, saved):
    images = np.random.RandomState(0).rand(2, 28, 28, 1).astype(np.float32)
    model = keras_model()
    model.save(tmp_path / "own.keras")
    np.testing.assert_array_equal(interp.load_model(tmp_path / "own.keras")(images), model(images))
    net, _ = saved
    net.save(tmp_path / "net.keras")
    loaded = interp.load_model(str(tmp_path / "net.keras"), fold_tail=False)
    np.testing.assert_allclose(loaded(images), net(images), atol=1e-5)
    assert (loaded.architecture, loaded.fold_tail) == ("small", False)
    with pytest.raises(InputError, match="holds the architecture small, not 'pool'"):
        interp.load_model(tmp_path / "net.keras", architecture="pool")


def test_weights_of_keras_alone_are_told_how_to_load(tmp_path, saved):
    net, _ = saved
    net.save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(InputError, match=r"holds weights only: .*interp\.build_network .*load_weights"):
        interp.load_model(tmp_path / "net.weights.h5")
    # What the message says works.
    again = interp.build_network("small", (28, 28, 1), 10)
    again.load_weights(tmp_path / "net.weights.h5")


def test_a_network_that_is_being_written_is_not_listed(tmp_path, saved):
    _, path = saved
    (tmp_path / f".{path.stem}-abcdefgh.safetensors").write_bytes(path.read_bytes()[:100])
    (tmp_path / f".interp-writing-{path.stem}.safetensors").write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"expected one of digits_smallgap_int_3$"):
        interp.load_model("digits_smallgap_int_2", networks_dir=tmp_path)


def test_saving_refuses_what_cannot_be_loaded(tmp_path, saved):
    net, _ = saved
    with pytest.raises(InputError, match=r"\.safetensors"):
        interp.save_model(net, tmp_path / "net.h5")
    with pytest.raises(InputError, match="JSON"):
        interp.save_model(net, tmp_path / "a.safetensors", {"x": object()})
    with pytest.raises(InputError, match="expected a dict"):
        interp.save_model(net, tmp_path / "a.safetensors", ["x"])
    net.kernel_layers()[0].kernel.assign(np.full((4, 4, 1, 16), np.nan))
    with pytest.raises(InputError, match="conv1/kernel holds NaN"):
        interp.save_model(net, tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_damaged_safetensors_are_refused(saved, tmp_path):
    _, path = saved
    content = path.read_bytes()
    bad = tmp_path / "bad.safetensors"
    for length in (0, 7, 100, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"bad\.safetensors"):
            interp.load_model(bad)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, meta: tensors.pop("conv1/bias"), r"lacks \['conv1/bias'\]"),
        (lambda tensors, meta: tensors.update({"conv1/bias": np.zeros(15, np.float32)}), r"shape \(16,\)"),
        (lambda tensors, meta: tensors.update({"conv1/bias": np.full(16, np.nan, np.float32)}), "finite"),
        (lambda tensors, meta: tensors.update({"conv1/bias": np.zeros(16, np.int32)}), "float32"),
        (lambda tensors, meta: meta.clear(), "not written by this package"),
        (lambda tensors, meta: meta.update(interp="{"), "not a readable"),
        (lambda tensors, meta: meta.update(interp=meta["interp"].replace('"format": 1', '"format": 9')), "format 9"),
        (lambda tensors, meta: meta.update(interp=meta["interp"].replace("small", "smell")), "did you mean 'small'"),
        (
            lambda tensors, meta: meta.update(interp=meta["interp"].replace("[28, 28, 1]", "[28, 99999, 1]")),
            "image_shape",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(saved, tmp_path, change, message):
    _, path = saved
    tensors = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        meta = dict(file.metadata())
    change(tensors, meta)
    bad = tmp_path / "bad.safetensors"
    safetensors.numpy.save_file(tensors, bad, metadata=meta)
    with pytest.raises(InputError, match=message) as caught:
        interp.load_model(bad)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def reference_content(classes=10):
    layers = [(np.ones(shape, np.float32), np.zeros(shape[-1], np.float32)) for shape in SMALL]
    return [*layers, (np.ones((1, 1, 100, classes), np.float32),)]


def write_pickle(tmp_path, content, name="mnist_smallgap_int_100.pkl"):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(content, protocol=3))
    return path


def test_a_pickle_like_the_papers_loads(tmp_path):
    net = interp.load_model(write_pickle(tmp_path, reference_content()))
    assert net.architecture == "small"
    nan = np.float32("nan")
    pool = [
        (np.ones((5, 5, 1, 32), np.float32), np.zeros(32, np.float32)),
        (np.full((2, 2), nan), nan),
        (np.ones((5, 5, 32, 64), np.float32), np.zeros(64, np.float32)),
        (np.full((2, 2), nan), nan),
        (np.ones((1, 1, 64, 10), np.float32),),
    ]
    assert interp.load_model(write_pickle(tmp_path, pool, "mnist_pool_adv_100.pkl")).architecture == "pool"
    assert (
        interp.load_model(write_pickle(tmp_path, pool, "mnist_smallgap_adv_100.pkl"), architecture="pool").architecture
        == "pool"
    )


def test_with_an_architecture_any_name_will_do(tmp_path):
    net = interp.load_model(write_pickle(tmp_path, reference_content(), "mine.pkl"), architecture="small")
    assert (net.image_shape, net.classes) == ((28, 28, 1), 10)


def damaged(layer, part, value):
    content = [list(entry) for entry in reference_content()]
    content[layer][part] = value
    return [tuple(entry) for entry in content]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (reference_content()[:-1], "holds 3 layers, small has 4"),
        (reference_content(classes=9), r"layer 4 has shape \(1, 1, 100, 9\)"),
        (damaged(1, 0, np.ones((4, 4, 16, 31), np.float32)), "layer 2 has shape"),
        (damaged(2, 0, np.full((7, 7, 32, 100), np.nan, np.float32)), "layer 3 holds NaN"),
        (damaged(0, 1, np.zeros(16, np.int64)), "layer 1 holds"),
        (damaged(0, 1, "text"), "layer 1 is not a pair"),
        (damaged(0, 1, np.full(16, 1e300)), "layer 1 holds"),
        ("text", "expected a list"),
        ([1, 2], "expected a list"),
        ({"a": 1}, "expected a list"),
        ([()] * 4, "layer 1 is not a pair"),
        (damaged(3, 0, np.ones(3, np.float32)), "layer 4 has shape"),
    ],
)
def test_pickles_that_do_not_fit_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        interp.load_model(write_pickle(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["text", {}, {"a": 1}, [], [()], [(1,)], None])
def test_a_pickle_of_something_else_is_refused_whatever_its_name(tmp_path, content):
    with pytest.raises(InputError, match="refused"):
        interp.load_model(write_pickle(tmp_path, content, "mine.pkl"), architecture="small")


def test_a_pickle_whose_name_says_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not say what network it is"):
        interp.load_model(write_pickle(tmp_path, reference_content(), "mine.pkl"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 47, 3), (1, 1, 2)])
def test_shapes_are_known_without_building(architecture, shape):
    network = build_network(architecture, shape, 7)
    built = {variable.path: tuple(variable.shape) for variable in network.weights}
    assert weight_shapes(ARCHITECTURES[architecture], shape, 7) == built


def claim(**changes):
    """A small file that says what is changed of a network of ten classes."""
    description = {"format": 1, "architecture": "simple_cnn", "image_shape": [28, 28, 1], "classes": 10, **changes}
    tensors = {"head/kernel": np.zeros((1024, 10), np.float32), "head/bias": np.zeros(10, np.float32)}
    return safetensors.numpy.save(tensors, metadata={"interp": json.dumps(description)})


def with_header(header):
    return len(header).to_bytes(8, "little") + header


CLAIMS = {
    "a huge image": (lambda: claim(image_shape=[256, 256, 256]), "it lacks"),
    "a huge image of another architecture": (
        lambda: claim(architecture="wresnet", image_shape=[4096, 4096, 4096]),
        "it lacks",
    ),
    "very many classes": (lambda: claim(classes=10**9), "it lacks"),
    "a number of classes that is none": (lambda: claim(classes=10.0), "no whole number"),
    "classes in lists": (lambda: claim(classes=[[10]]), "no whole number"),
    "90 MB of metadata": (lambda: claim(history=[{"loss": 1.5}] * 4_500_000), "its header has"),
    "90 MB of names": (lambda: with_header(b'{"__metadata__":{"a":"' + b"x" * 90_000_000 + b'"}}'), "its header has"),
    "a length of more than the file": (lambda: (2**62).to_bytes(8, "little") + b"{}", "cut off"),
    "no length": (lambda: b"\x02", "cut off"),
    "deep metadata": (lambda: claim(history=json.loads("[" * 900 + "]" * 900)), "too deep"),
    "very deep metadata": (
        lambda: safetensors.numpy.save({}, metadata={"interp": "[" * 1_000_000}),
        "readable safetensors",
    ),
    "a deep header": (lambda: with_header(b"[" * 1_000_000), "readable safetensors"),
    "values that are no numbers of ours": (
        lambda: with_header(b'{"__metadata__":{},"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}') + b"1",
        "not written by this package",
    ),
}


@pytest.mark.slow
def test_what_files_claim_costs_nothing(tmp_path):
    """In a process of its own, with 900 MB beyond what it starts with and five seconds for each file."""
    for name, (make, _) in CLAIMS.items():
        (tmp_path / f"{name}.safetensors").write_bytes(make())
    script = f"""
import json, resource, time
from pathlib import Path
from interp.core.errors import InputError
from interp.models.weight_file import read_weight_file, weight_metadata
from interp.core.used_files import fingerprint
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 900_000_000,) * 2)
told = {{}}
for path in Path({str(tmp_path)!r}).glob("*.safetensors"):
    began = time.process_time()
    for read in (fingerprint, weight_metadata, read_weight_file):
        try:
            read(path)
            told[path.stem] = "read"
        except InputError as error:
            told[path.stem] = str(error)
    assert time.process_time() - began < 5, path
print(json.dumps(told))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-500:]
    told = json.loads(done.stdout)
    for name, (_, message) in CLAIMS.items():
        assert message in told[name]
        assert "\n" not in told[name]
        assert len(told[name]) < 400


def test_metadata_that_could_not_be_read_again_are_not_written(tmp_path, saved):
    net, _ = saved
    with pytest.raises(InputError, match="keep large values elsewhere"):
        interp.save_model(net, tmp_path / "a.safetensors", {"log": ["a line of text"] * 300_000})
    assert not (tmp_path / "a.safetensors").exists()
    path = interp.save_model(net, tmp_path / "a.safetensors", {"log": '"' * 450_000})
    assert len(interp.load_model(path).metadata["log"]) == 450_000
