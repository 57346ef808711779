"""Maps of a small CNN against measured arrays."""

import keras
import numpy as np
import pytest

from interp import attributions

L = keras.layers


@pytest.fixture(scope="module")
def reference(reference_dir):
    with np.load(reference_dir / "reference" / "saliency.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module", params=["logits", "softmax"])
def model(request, reference):
    layers = [keras.Input((28, 28, 1))]
    for index in range(3):
        filters = reference[f"conv{index}/bias"].shape[0]
        layers += [
            L.Conv2D(filters, 3, padding="same", name=f"conv{index}"),
            L.BatchNormalization(epsilon=1e-3, name=f"bn{index}"),
            L.ReLU(name=f"relu{index}"),
            L.MaxPooling2D(2, name=f"pool{index}"),
        ]
    end = "softmax" if request.param == "softmax" else None
    model = keras.Sequential(
        [*layers, L.Flatten(), L.Dense(64, activation="relu", name="dense0"), L.Dense(10, end, name="dense1")]
    )
    for name, parts in (("conv", "kernel bias"), ("bn", "gamma beta mean var"), ("dense", "kernel bias")):
        for index in range(3 if name != "dense" else 2):
            weights = [reference[f"{name}{index}/{part}"] for part in parts.split()]
            model.get_layer(f"{name}{index}").set_weights(weights)
    if request.param == "logits":
        np.testing.assert_allclose(model(reference["images"]), reference["logits"], rtol=1e-4, atol=1e-4)
    return model


@pytest.mark.parametrize(
    ("key", "method"),
    [
        ("vanilla_gradient", attributions.VanillaGradient),
        ("input_x_gradient", attributions.InputXGradient),
        ("deconvnet", attributions.DeconvNet),
        ("guided_backprop", attributions.GuidedBackprop),
        ("integrated_gradients", lambda model: attributions.IntegratedGradients(model, steps=512)),
    ],
)
def test_maps_of_pixels(reference, model, key, method):
    maps = method(model)(reference["images"], reference["target_class"])
    assert np.abs(maps - reference[key]).max() <= 1e-4 * np.abs(reference[key]).max()


@pytest.mark.parametrize(
    ("key", "method", "tolerance"),
    [("grad_cam_relu2", attributions.GradCAM, 1e-4), ("grad_cam_pp_relu2", attributions.GradCAMPlusPlus, 1e-3)],
)
def test_maps_of_the_third_relu(reference, model, key, method, tolerance):
    """Compared after upsampling, as a matrix times the 7x7 map, computed here by hand."""
    explanation = method(model, layer="relu2").explain(reference["images"], reference["target_class"])
    expected = np.einsum("yi,xj,nijc->nyxc", _bilinear(7, 28), _bilinear(7, 28), reference[key])
    assert np.abs(explanation.maps - expected).max() <= tolerance * np.abs(reference[key]).max()
    assert explanation.layer == "relu2"


@pytest.mark.integration
def test_guided_grad_cam_is_their_product(reference, model):
    maps = attributions.GuidedGradCAM(model, layer="relu2")(reference["images"], reference["target_class"])
    coarse = np.einsum("yi,xj,nijc->nyxc", _bilinear(7, 28), _bilinear(7, 28), reference["grad_cam_relu2"])
    expected = coarse * reference["guided_backprop"]
    assert np.abs(maps - expected).max() <= 1e-4 * np.abs(expected).max()


def _bilinear(size, larger):
    """The matrix (larger, size) of bilinear interpolation between pixel centres, edges repeated."""
    at = np.clip((np.arange(larger) + 0.5) * size / larger - 0.5, 0, size - 1)
    low = np.minimum(at.astype(int), size - 2)
    matrix = np.zeros((larger, size))
    matrix[np.arange(larger), low], matrix[np.arange(larger), low + 1] = 1 - (at - low), at - low
    return matrix
