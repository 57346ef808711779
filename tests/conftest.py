"""What all tests share. Nothing here imports TensorFlow: tests that do not need it start at once."""

import gc
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # two workers cannot both take the whole GPU
if "PYTEST_XDIST_WORKER" in os.environ:
    # One thread an operation and one stream in each of the two workers: on two cores faster than two, which wait for each other.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
logging.getLogger("tensorflow").setLevel(logging.ERROR)
logging.getLogger("absl").setLevel(logging.ERROR)

settings.register_profile(
    "interp",
    deadline=None,  # the first example of a property compiles a graph
    derandomize=True,
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "interp"))


def pytest_collection_finish() -> None:
    """What imports have made stays: no collection of garbage need look at it again."""
    gc.freeze()


def directory_from(variable: str) -> Path:
    """The folder that the environment variable names; skips the test without the variable, fails without the folder."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    directory = Path(value).expanduser()
    if not directory.is_dir():
        pytest.fail(f"{variable}={value} is not a folder: correct it, or unset it to skip the tests that need it")
    return directory.resolve()


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what tests decode out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERP_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the data sets (mnist/, cifar10/, tfds/), from INTERP_DATA_DIR."""
    return directory_from("INTERP_DATA_DIR")


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """The folder with published networks and measured arrays (networks/, reference/), from INTERP_REFERENCE_DIR."""
    return directory_from("INTERP_REFERENCE_DIR")


@pytest.fixture(scope="session")
def models():
    """Every kind of model by name, made once."""
    import keras
    import numpy as np

    from tests.model_kinds import MODELS

    made = {}

    def get(name):
        if name not in made:
            keras.utils.set_random_seed(len(name))
            model = made[name] = MODELS[name]()
            generator = np.random.RandomState(1)
            for variable in model.trainable_variables:
                if variable.name in ("bias", "beta"):
                    variable.assign(generator.uniform(-0.1, 0.2, variable.shape))
                elif name == "keras.applications" and "kernel" in variable.name:
                    # Untrained normalisation does not keep the signal up over so many layers.
                    variable.assign(3 * variable)
        return made[name]

    return get


@dataclass
class Called:
    """What a command printed and returned."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def call(capfd):
    """A function that calls a command's main with arguments: importing TensorFlow in a process for each would take minutes."""

    def call(main, arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        printed = capfd.readouterr()
        return Called(code, printed.out, printed.err)

    return call
