"""Pictures of the unforeseen attacks against measured arrays."""

import numpy as np
import pytest

from interp.attacks.unforeseen.elastic import elastic_picture
from interp.attacks.unforeseen.fog import fog_picture, height_map
from interp.attacks.unforeseen.gabor import gabor_kernels, gabor_noise, gabor_picture
from interp.attacks.unforeseen.jpeg import jpeg_picture
from interp.attacks.unforeseen.snow import snow_layer, snow_picture


@pytest.fixture(scope="module")
def reference(reference_dir):
    with np.load(reference_dir / "reference" / "unforeseen.npz") as arrays:
        return dict(arrays)


def test_fog(reference):
    levels = [tuple(reference[f"fog/latent_{3 * level + place:02d}"] for place in range(3)) for level in range(6)]
    heights = height_map(levels)
    np.testing.assert_allclose(heights, reference["fog/map64"][..., 0], atol=1e-5)
    for epsilon in (2048, 128):
        picture = fog_picture(reference["image"], heights[:, 16:48, 16:48], epsilon)
        np.testing.assert_allclose(picture, reference[f"fog/eps{epsilon}_adv"], atol=1e-3)


def test_gabor(reference):
    kernels = gabor_kernels(*reference["gabor/params_sides_sigma_lambda_theta"].T)
    np.testing.assert_allclose(kernels, reference["gabor/kernel"], atol=1e-4)
    noise = gabor_noise(reference["gabor/latent"], reference["gabor/kernel"])
    np.testing.assert_allclose(noise, reference["gabor/noise"][..., 0], atol=3e-3)
    for epsilon in (400, 40):
        picture = gabor_picture(reference["image"], noise, epsilon)
        # The gain divides by nearly nothing.
        np.testing.assert_allclose(picture, reference[f"gabor/eps{epsilon}_adv"], atol=3e-3)


def test_snow(reference):
    kernels = np.repeat(reference["snow/kernels"][None], 2, 0)
    layer = snow_layer(reference["snow/latent"], kernels)
    np.testing.assert_allclose(layer, reference["snow/layer"][..., 0], atol=1e-4)
    picture = snow_picture(reference["image"], layer, 2.0)
    np.testing.assert_allclose(picture, reference["snow/eps2_adv"], atol=1e-3)


def test_jpeg(reference):
    latents = [reference[f"jpeg/latent_{plane}"].reshape(2, -1) for plane in ("y", "cb", "cr")]
    shifts = np.concatenate(latents, 1) / 2
    for epsilon, key in ((0.25, "eps0.25"), (1.0, "eps1.0"), (0.0, "zero_latent")):
        picture = jpeg_picture(reference["image"], epsilon * shifts)
        np.testing.assert_allclose(picture, reference[f"jpeg/{key}_adv"], atol=1e-3)


def test_elastic(reference):
    # The reference gives its flow on an axis from -1 to 1.
    picture = elastic_picture(reference["image"], 15.5 * reference["elastic/flow_xy"])
    np.testing.assert_allclose(picture, reference["elastic/adv"], atol=1e-3)
