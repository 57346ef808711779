"""Outputs and maps of the paper's published networks, against values measured with the paper's code."""

import numpy as np
import pytest

import interp

NETWORKS = {"mnist_smallgap_int_100": "mnist", "cifar_wresnet_int_200": "cifar"}
# Relative to the largest value of each array.
TOLERANCE = 1e-4


def outputs(net, images):
    return {
        "logits": net(images),
        "rep": net.features(images),
        "cam": net.cam(images),
        "campp": net.grad_cam_plus_plus(images),
    }


@pytest.fixture(params=NETWORKS, scope="module")
def case(request, reference_dir, reference_arrays):
    """Folded and unfolded network, its images, and the expected arrays."""
    path = reference_dir / "networks" / f"{request.param}.pkl"
    images = reference_arrays[f"x_{NETWORKS[request.param]}"]
    expected = {key.split("/")[1]: reference_arrays[key] for key in reference_arrays if key.startswith(request.param)}
    nets = {fold: interp.load_model(path, fold_tail=fold) for fold in (True, False)}
    return nets, images, reference_arrays[f"y_{NETWORKS[request.param]}"].argmax(-1), expected


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("name", ["logits", "rep", "cam", "campp"])
def test_outputs_are_those_of_the_papers_code(case, fold, name):
    nets, images, _, expected = case
    np.testing.assert_allclose(
        outputs(nets[fold], images)[name], expected[name], rtol=0, atol=TOLERANCE * np.abs(expected[name]).max()
    )


def test_folded_and_unfolded_agree(case):
    nets, images, _, _ = case
    folded, unfolded = outputs(nets[True], images), outputs(nets[False], images)
    for name in folded:
        np.testing.assert_allclose(folded[name], unfolded[name], rtol=0, atol=TOLERANCE * np.abs(unfolded[name]).max())


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("case", ["mnist_smallgap_int_100"], indirect=True)
def test_integrated_gradients_are_those_of_the_papers_code(case, fold):
    nets, images, labels, expected = case
    maps = nets[fold].integrated_gradients(images, labels, steps=100, rule="right", activation="softplus")
    np.testing.assert_allclose(maps, expected["ig"], rtol=0, atol=TOLERANCE * np.abs(expected["ig"]).max())


@pytest.mark.integration
def test_every_published_file_loads_and_classifies(reference_dir):
    paths = sorted((reference_dir / "networks").glob("*.pkl"))
    assert len(paths) >= 19
    for path in paths:
        net = interp.load_model(path)
        images = np.random.RandomState(0).rand(2, *net.image_shape).astype(np.float32)
        assert np.isfinite(net(images)).all()
        assert net.metadata["dataset"] == path.stem.split("_")[0]
        assert net.metadata["method"] == path.stem.split("_", 2)[2]
