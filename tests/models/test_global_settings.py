"""Networks of the package are the same whatever Keras is told about other layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import interp
from interp.attacks import ProjectedGradientDescent
from interp.attributions import CAM, GradCAM
from interp.models import ARCHITECTURES, build_network

IMAGES = np.random.RandomState(0).rand(3, 16, 16, 1).astype(np.float32)
SETTINGS = {
    "mixed_float16": lambda: keras.config.set_dtype_policy("mixed_float16"),
    "mixed_bfloat16": lambda: keras.config.set_dtype_policy("mixed_bfloat16"),
    "float64": lambda: keras.config.set_floatx("float64"),
    "channels_first": lambda: keras.config.set_image_data_format("channels_first"),
}


@pytest.fixture
def set_globally():
    before = keras.config.dtype_policy(), keras.config.floatx(), keras.config.image_data_format()
    yield lambda name: SETTINGS[name]()
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])
    keras.config.set_image_data_format(before[2])


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=[pytest.mark.integration] * (name == "preact_resnet18")) for name in ARCHITECTURES],
)
def test_a_network_is_what_its_file_holds(architecture, setting, set_globally, tmp_path):
    plain = build_network(architecture, (16, 16, 1), 10)
    file = interp.save_model(plain, tmp_path / f"digits_{ARCHITECTURES[architecture].file_tag}_normal_1.safetensors")
    expected = plain(IMAGES)
    set_globally(setting)
    for network in (build_network(architecture, (16, 16, 1), 10), interp.load_model(file)):
        logits = network(IMAGES)
        assert logits.dtype == tf.float32
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("setting", SETTINGS)
def test_attacks_and_maps_are_the_same(setting, set_globally):
    attack = ProjectedGradientDescent(epsilon=0.1, step_size=0.05, steps=2)

    def found():
        network = build_network("small", (16, 16, 1), 10)
        maps = [method(network)(IMAGES, [0, 1, 2]) for method in (CAM, GradCAM)]
        return [attack(network, IMAGES, [0, 1, 2]), *maps]

    plain = found()
    set_globally(setting)
    for one, other in zip(plain, found(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
