"""What tests of the commands share."""

import shutil

import pytest

import interp


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A folder with three untrained networks of digits, made once."""
    folder = tmp_path_factory.mktemp("networks")
    for seed, name in enumerate(("digits_smallgap_normal_1", "digits_smallgap_int_1", "digits_smallgap_int_20")):
        network = interp.models.build_network("small", (28, 28, 1), 10, seed=seed)
        interp.save_model(network, folder / f"{name}.safetensors", metadata={})
    return folder


@pytest.fixture
def networks(built, tmp_path):
    """Those networks in a folder of the test's own, where it may change them."""
    return shutil.copytree(built, tmp_path / "networks")
