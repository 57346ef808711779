"""The real network of the benchmark: its port to Keras, the photographs, and the rows of its costs. Nothing here needs the weights."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from interp import data
from interp.core.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "real_network"


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of the folder that need no PyTorch."""
    monkeypatch.syspath_prepend(str(FOLDER.parent))
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("blocks", "keras_model", "photographs", "costs")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def random_state(blocks: Any) -> dict[str, np.ndarray]:
    """Arrays of the names and shapes of the published state."""
    generator, state = np.random.RandomState(0), {}

    def convolution(name: str, outputs: int, inputs: int, kernel: int) -> None:
        state[f"{name}.weight"] = generator.randn(outputs, inputs, kernel, kernel) / np.sqrt(inputs * kernel**2)

    def normalisation(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = generator.rand(channels)
        state[f"{name}.num_batches_tracked"] = np.array(1)

    convolution("_conv_stem", 32, 3, 3)
    normalisation("_bn0", 32)
    for block in blocks.BLOCKS:
        if block.expansion > 1:
            convolution(f"{block.state}_expand_conv", block.width, block.inputs, 1)
            normalisation(f"{block.state}_bn0", block.width)
        convolution(f"{block.state}_depthwise_conv", block.width, 1, block.kernel)
        normalisation(f"{block.state}_bn1", block.width)
        convolution(f"{block.state}_project_conv", block.outputs, block.width, 1)
        normalisation(f"{block.state}_bn2", block.outputs)
    convolution("_conv_head", 1280, 320, 1)
    normalisation("_bn1", 1280)
    state["_fc.weight"], state["_fc.bias"] = generator.randn(1000, 1280), generator.randn(1000)
    return {name: array.astype(np.float32) for name, array in state.items()}


@pytest.mark.integration
def test_every_array_of_the_state_has_its_place(real: SimpleNamespace) -> None:
    state = random_state(real.blocks)
    model = real.keras_model.build_keras_model(state)
    # What the authors give for Lite0.
    trained = sum(int(np.prod(weights.shape)) for weights in model.trainable_weights)
    assert trained == 4_652_008
    stem = model.get_layer("stem_convolution").get_weights()[0]
    assert stem[2, 0, 1, 5] == state["_conv_stem.weight"][5, 1, 2, 0]
    depthwise = model.get_layer("block4_depthwise").get_weights()[0]
    assert depthwise[4, 1, 7, 0] == state["_blocks.4._depthwise_conv.weight"][7, 0, 4, 1]
    assert model.get_layer("logits").get_weights()[0][3, 9] == state["_fc.weight"][9, 3]
    moving = model.get_layer("head_normalisation").moving_variance.numpy()
    np.testing.assert_array_equal(moving, state["_bn1.running_var"])
    with pytest.raises(ValueError, match=r"not have: _bn9\.weight"):
        real.keras_model.build_keras_model({**state, "_bn9.weight": np.zeros(3, np.float32)})


@pytest.mark.slow
def test_maps_of_a_network_that_computes_in_float64(real: SimpleNamespace) -> None:
    """As the comparison with Captum needs them."""
    from interp.attributions import CAM, GradCAM, VanillaGradient
    from interp.models import adapt

    state = random_state(real.blocks)
    single, double = (
        adapt(real.keras_model.build_keras_model(state, dtype), scale=real.blocks.SCALE)
        for dtype in ("float32", "float64")
    )
    image, label = np.random.RandomState(1).rand(1, 224, 224, 3).astype(np.float32), np.array([3])
    np.testing.assert_allclose(single(image), double(image), rtol=1e-3, atol=1e-3)
    for method in (CAM(), GradCAM(layer=real.keras_model.LAST_CONVOLUTION)):
        one, other = (method.with_model(model)(image, label) for model in (single, double))
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max())
    assert np.isfinite(VanillaGradient(double)(image, label)).all()


def test_photographs_are_the_same_set_as_a_directory_and_as_arrays(
    real: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERP_CACHE_DIR", str(tmp_path / "cache"))
    images, labels, names = real.photographs.load_photographs()
    assert images.shape == (12, 224, 224, 3)
    assert images.dtype == np.uint8
    real.photographs.write_photographs(tmp_path, images, labels, names)
    arrays, folder = (data.load(tmp_path / name, "test") for name in ("photographs.npz", "photographs"))
    assert arrays.classes == folder.classes == 1000
    assert arrays.class_names == folder.class_names
    assert arrays.class_names[967] == "espresso"

    def rows(test: Any) -> set[tuple[int, bytes]]:
        return {(int(label), np.asarray(image).tobytes()) for label, image in zip(test.labels, np.asarray(test.images))}

    assert rows(arrays) == rows(folder)
    assert len(rows(folder)) == 12


def test_photographs_are_written_completely_or_not_at_all(
    real: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(file: Any, **arrays: np.ndarray) -> None:
        file.write(b"half")
        raise OSError("no space left")

    (tmp_path / "photographs.npz").write_bytes(b"before")
    monkeypatch.setattr(np, "savez", fill_the_disk)
    with pytest.raises(InputError, match=r"cannot write .*no space left"):
        real.photographs.write_photographs(tmp_path, np.zeros((1, 8, 8, 3), np.uint8), np.array([0]), ["black"])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


@pytest.mark.parametrize(
    ("arguments", "words"), [([], "run port.py"), (["--only", "no such row"], "no row to measure")]
)
def test_nothing_to_measure_is_said_in_one_line(
    real: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["costs.py", "--directory", str(tmp_path), *arguments])
    assert real.costs.main() == 2
    assert words in capsys.readouterr().err
