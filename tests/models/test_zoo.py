"""The networks of the repository: all load, and a few images give the figures in their metadata."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import interp
from interp import data
from interp.attacks import ProjectedGradientDescent, correct
from interp.core.bits import bits_of_hex
from interp.core.errors import InputError
from interp.core.network_name import parse_name
from interp.evaluation import sample_images

FOLDER = Path(__file__).parents[2] / "networks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.safetensors"))
IMAGES = 20


def few(network):
    """The first images of the sample that the network was measured on, which the reader of the data may not have."""
    measured = network.metadata["measured"]
    try:
        test = data.load(network.metadata["dataset"], "test")
    except InputError as error:
        pytest.skip(str(error))
    if test.source != measured["sample"]["data"]:
        pytest.skip(f"measured on {measured['sample']['data']}, here is {test.source}")
    sample, _ = sample_images(test, measured["images"]["reference"], seed=measured["sample"]["seed"])
    return np.asarray(sample.images)[:IMAGES], sample.labels[:IMAGES]


def test_together_they_are_small():
    assert len(NAMES) >= 24
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 60e6


@pytest.mark.parametrize("name", NAMES)
def test_clean_images_give_the_measured_predictions(name, data_dir):
    network = interp.load_model(name, networks_dir=FOLDER)
    images, labels = few(network)
    expected = bits_of_hex(network.metadata["measured"]["right"]["clean"], IMAGES)
    assert correct(network, images, labels).tolist() == expected.tolist()


def attacked(name):
    network = interp.load_model(name, networks_dir=FOLDER)
    images, labels = few(network)
    measured = network.metadata["measured"]
    attack = ProjectedGradientDescent(epsilon=measured["epsilon"], step_size=0.01, steps=200)
    found = correct(network, attack(network, images, labels), labels)
    return found, bits_of_hex(measured["right"]["reference"], IMAGES)


def check(name):
    found, expected = attacked(name)
    # Signs of tiny gradients differ between machines: an image may.
    assert np.sum(found != expected) <= 1


@pytest.mark.integration
@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith(("mnist_smallgap_int_", "mnist_smallgap_adv_"))]
)
def test_attacked_images_give_the_measured_accuracy(name, data_dir):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_attacked_images_of_every_network_give_the_measured_accuracy(name, data_dir):
    check(name)


@pytest.mark.parametrize("name", NAMES)
def test_metadata_says_how_each_was_made(name):
    metadata = interp.load_model(name, networks_dir=FOLDER).metadata
    parts, start = parse_name(name), parse_name(metadata.get("start", ""))
    assert (metadata["dataset"], metadata["method"]) == (parts.dataset, parts.tag)
    # A name counts the epochs of the network that a method went on from, too.
    before = start.epochs if start is not None and start.tag == parts.tag else 0
    assert metadata["schedule"]["epochs"] == parts.epochs - before == len(metadata["history"])
    assert re.fullmatch(r"[0-9a-f]{40}\+?", metadata["run"]["commit"])
    assert metadata["seconds"] > 0
    if parts.dataset == "cifar":
        assert "JPEG re-encoded" in metadata["data"]


@pytest.mark.slow
def test_an_installed_package_finds_them_where_the_variable_says(tmp_path):
    """As from a wheel: the package alone in a folder of its own, and nothing of the checkout around it."""
    shutil.copytree(
        FOLDER.parent / "interp", tmp_path / "site" / "interp", ignore=shutil.ignore_patterns("__pycache__")
    )
    script = """
        import os, interp
        try:
            interp.load_model("mnist_smallgap_int_20")
        except ValueError as error:
            print(error)
        os.environ["INTERP_NETWORKS_DIR"] = os.environ["FOLDER"]
        print(interp.__file__, interp.load_model("mnist_smallgap_int_20").metadata["method"])
    """
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "FOLDER": str(FOLDER)}
    environment.pop("INTERP_NETWORKS_DIR", None)
    command = [sys.executable, "-c", textwrap.dedent(script)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    message, found = result.stdout.splitlines()
    assert message.startswith("no network 'mnist_smallgap_int_20': looked in networks, ")
    assert "INTERP_NETWORKS_DIR" in message
    assert found == f"{tmp_path / 'site' / 'interp' / '__init__.py'} int"
