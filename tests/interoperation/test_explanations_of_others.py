"""Captum explains a network of the same weights in PyTorch as this project explains it in Keras.

Captum is installed in an environment of its own: `make test-peers`.
"""

import keras
import numpy as np
import pytest

from interp.attributions import LRP, ExpectedGradients, LayerCAM, Occlusion, pixel_scores

L = keras.layers
SHAPE = (12, 10, 2)
IMAGES, LABELS = np.random.RandomState(0).rand(3, *SHAPE).astype(np.float32), np.array([0, 2, 1])
BASELINES = np.random.RandomState(1).rand(5, *SHAPE).astype(np.float32)
REASON = "Captum is not installed: make test-peers"


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [
        *(L.Conv2D(6, 3, activation="relu"), L.MaxPooling2D(2), L.Conv2D(8, 2, name="deep"), L.ReLU(name="active")),
        *(L.GlobalAveragePooling2D(), L.Dense(3)),
    ]
    model = keras.Sequential([keras.Input(SHAPE), *layers])
    for variable in model.variables:
        if variable.name == "bias":
            variable.assign(np.random.RandomState(2).normal(size=variable.shape) / 5)
    return model


@pytest.fixture(scope="module")
def peer(model):
    """The same network in PyTorch; images and labels as it takes them are made by `theirs`."""
    torch = pytest.importorskip("torch", reason=REASON)
    pytest.importorskip("captum", reason=REASON)
    nn = torch.nn
    network = nn.Sequential(
        *(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
    )
    weights = [weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.T for weight in model.get_weights()]
    with torch.no_grad():
        for parameter, weight in zip(network.parameters(), weights, strict=True):
            parameter.copy_(torch.tensor(np.ascontiguousarray(weight)))
    network.eval()
    logits = network(theirs(IMAGES)).detach().numpy()
    np.testing.assert_allclose(logits, model(IMAGES), rtol=1e-4, atol=1e-5)
    return network


def theirs(images):
    import torch

    return torch.tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def ours(maps):
    return maps.detach().numpy().transpose(0, 2, 3, 1)


def labels_of_theirs():
    import torch

    return torch.tensor(LABELS)


@pytest.mark.parametrize(("window", "stride", "fill"), [((3, 4), (2, 3), 0.0), ((5, 5), (4, 4), 0.5)])
def test_occlusion_is_captums(model, peer, window, stride, fill):
    from captum.attr import Occlusion as Theirs

    found = Theirs(peer).attribute(
        theirs(IMAGES),
        sliding_window_shapes=(2, *window),
        strides=(2, *stride),
        baselines=fill,
        target=labels_of_theirs(),
    )
    maps = Occlusion(model, window=window, stride=stride, fill=fill)(IMAGES, LABELS)
    np.testing.assert_allclose(np.repeat(maps, 2, -1), ours(found), rtol=1e-3, atol=1e-5)


def test_layer_cam_is_made_of_what_captum_gives(model, peer):
    """Captum has no LayerCAM, but its gradients times activations: behind a ReLU relu(g) A is relu(g A)."""
    import torch
    from captum.attr import LayerGradientXActivation

    product = LayerGradientXActivation(peer, peer[4]).attribute(theirs(IMAGES), target=labels_of_theirs())

    coarse = torch.relu(product).sum(1, keepdim=True)
    found = torch.nn.functional.interpolate(coarse, SHAPE[:2], mode="bilinear", align_corners=False)
    maps = LayerCAM(model, layer="active")(IMAGES, LABELS)
    np.testing.assert_allclose(maps, ours(found), rtol=1e-3, atol=1e-5)


def test_relevance_by_the_epsilon_rule_is_captums(model, peer):
    from captum.attr import LRP as Theirs
    from captum.attr._utils.lrp_rules import EpsilonRule

    for module in peer:
        module.rule = EpsilonRule(epsilon=1e-6)
    found = Theirs(peer).attribute(theirs(IMAGES), target=labels_of_theirs())
    maps = LRP(model)(IMAGES, LABELS)
    np.testing.assert_allclose(maps, ours(found), rtol=1e-3, atol=1e-4 * np.abs(maps).max())


def test_expected_gradients_are_captums_of_the_same_draws(model, peer, monkeypatch):
    from captum.attr import GradientShap

    method = ExpectedGradients(model, baselines=BASELINES, samples=6)
    chosen, positions = (part.numpy() for part in method.draws(np.arange(len(IMAGES)), len(BASELINES)))
    # Captum draws by NumPy, for each image all its samples one after the other.
    monkeypatch.setattr(np.random, "choice", lambda *_, **__: chosen.ravel())
    monkeypatch.setattr(np.random, "uniform", lambda *_, **__: positions.ravel())
    found = GradientShap(peer).attribute(
        theirs(IMAGES), theirs(BASELINES), n_samples=6, stdevs=0.0, target=labels_of_theirs()
    )
    maps = method(IMAGES, LABELS)
    np.testing.assert_allclose(pixel_scores(maps), pixel_scores(ours(found)), rtol=1e-3, atol=1e-5)
