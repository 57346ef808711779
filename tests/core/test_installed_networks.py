"""Networks of installed distributions are found by name, from any directory, and nothing of the distribution is run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interp.core.errors import InputError
from interp.core.network_files import find_network, network_folders

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with one file of a network, on the path of this process; importing it would fail."""
    package = tmp_path / "site" / "some_networks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "mine_smallgap_int_3.safetensors").write_bytes(b"")
    told = tmp_path / "site" / "some_networks-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: some-networks\nVersion: 1\n")
    (told / "entry_points.txt").write_text("[interp.networks]\nsome = some_networks\ngone = no_such_package\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delenv("INTERP_NETWORKS_DIR", raising=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return package


def test_a_network_of_an_installed_distribution_is_found_by_name(installed):
    assert find_network("mine_smallgap_int_3") == installed / "mine_smallgap_int_3.safetensors"
    with pytest.raises(InputError, match=r"did you mean 'mine_smallgap_int_3'"):
        find_network("mine_smallgap_imt_3")


def test_own_directories_come_first(installed):
    Path("networks").mkdir()
    own = Path("networks/mine_smallgap_int_3.safetensors")
    own.write_bytes(b"")
    assert find_network("mine_smallgap_int_3") == own
    assert network_folders("given") == [Path("given")]


@pytest.mark.slow
def test_the_distribution_of_this_repository_installs_and_loads(tmp_path):
    shutil.copytree(ROOT / "networks", tmp_path / "sources", ignore=shutil.ignore_patterns(".runs"))
    site = tmp_path / "site"
    build = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site)
    subprocess.run([sys.executable, *build, tmp_path / "sources"], check=True)
    program = (
        "import interp; from interp.core.network_files import find_network\n"
        "print(find_network('mnist_smallgap_int_20')); print(interp.load_model('mnist_smallgap_int_20').count_params())"
    )
    # The package alone, without the checkout around it.
    shutil.copytree(ROOT / "interp", tmp_path / "copy" / "interp", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if name != "INTERP_NETWORKS_DIR"}
    environment["PYTHONPATH"] = f"{tmp_path / 'copy'}{os.pathsep}{site}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(site / "interp_networks" / "mnist_smallgap_int_20.safetensors"),
        str(16 * (16 + 1) + 32 * (16 * 16 + 1) + 100 * (49 * 32 + 1) + 100 * 10),
    ]
    cards = {path.stem for path in (site / "interp_networks" / "cards").glob("*.md")}
    assert cards == {path.stem for path in (site / "interp_networks").glob("*.safetensors")}
