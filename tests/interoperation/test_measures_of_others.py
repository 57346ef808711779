"""Xplique measures the same maps of the same model as this project does, where the definitions agree, and how they differ elsewhere.

Xplique is installed in an environment of its own: `make test-peers`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import pearsonr, spearmanr

from interp.attributions import RISE
from interp.evaluation import Deletion, Insertion, MuFidelity
from interp.evaluation.faithfulness.replacement import filling
from interp.evaluation.patches import Patches

L = keras.layers
SHAPE, SAMPLES, GRID, SHARE = (12, 10, 2), 30, 4, 0.25
GENERATOR = np.random.RandomState(0)
IMAGES, LABELS = GENERATOR.rand(4, *SHAPE).astype(np.float32), np.array([0, 2, 1, 2])
# No two pixels of a map are equal: Xplique takes the last of them first, this project draws one.
MAPS = GENERATOR.normal(size=IMAGES.shape).astype(np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
BOUND = {"rtol": 1e-3, "atol": 1e-5}


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("xplique", reason="Xplique is not installed: make test-peers")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [L.Conv2D(6, 3, activation="relu"), L.Conv2D(8, 3, activation="relu"), L.Flatten(), L.Dense(3)]
    return keras.Sequential([keras.Input(SHAPE), *layers])


@pytest.mark.parametrize("steps", [4, 20])
@pytest.mark.parametrize("fill", ["black", "blur"])
@pytest.mark.parametrize("name", ["Deletion", "Insertion"])
def test_deletion_and_insertion_are_xpliques(model, peer, name, fill, steps):
    """Of probabilities, at shares of the image that are whole numbers of pixels: of others Xplique takes the whole number below."""
    from xplique import metrics

    def filled(images):
        return filling(images, fill)

    found = {"Deletion": Deletion, "Insertion": Insertion}[name](fill=fill, steps=steps)(model, IMAGES, LABELS, MAPS)
    # It gives the mean of all images, so each is measured alone.
    theirs = [
        getattr(metrics, name)(
            model, image[None], target[None], baseline_mode=filled, steps=steps, activation="softmax"
        )(maps[None])
        for image, target, maps in zip(IMAGES, ONE_HOT, MAPS, strict=True)
    ]
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found, theirs, **BOUND)


def subsets_of_ours():
    """The subsets of pixels (images, samples, height, width, 1) that MuFidelity draws by seed 0, as its docstring says."""
    patches = Patches.of_grid(*SHAPE[:2], GRID)
    size = round(SHARE * patches.count)
    chosen = np.zeros((len(IMAGES), SAMPLES, patches.count), bool)
    for row in range(len(IMAGES)):
        order = np.random.default_rng((0, row)).random((SAMPLES, patches.count)).argsort(-1)
        np.put_along_axis(chosen[row], order[:, :size], True, -1)
    return chosen[..., patches.of_pixels][..., None]


def mu_fidelity_of_theirs(model, subsets, monkeypatch):
    """Xplique's value of each image, with the given subsets in place of those that it draws."""
    from xplique.metrics import MuFidelity as Theirs

    values = []
    for image, target, maps, subset in zip(IMAGES, ONE_HOT, MAPS, subsets, strict=True):
        kept = tf.constant(~subset, tf.float32)
        monkeypatch.setattr(Theirs, "_perturb_samples", lambda _, images, __, kept=kept: (images * kept, kept[None]))
        measure = Theirs(model, image[None], target[None], grid_size=GRID, subset_percent=SHARE, nb_samples=SAMPLES)
        values.append(measure(maps[None]))
    return values


def test_mu_fidelity_is_xpliques_but_for_the_correlation(model, peer, monkeypatch):
    """Here it is Pearson's, as in the paper; Xplique takes Spearman's of the same drops and sums. It draws subsets of any size."""
    from xplique.metrics import fidelity

    subsets = subsets_of_ours()
    found = MuFidelity(samples=SAMPLES, grid=GRID, share=SHARE)(model, IMAGES, LABELS, MAPS)
    by_ranks = mu_fidelity_of_theirs(model, subsets, monkeypatch)
    logits = np.asarray(model(IMAGES))
    for row, subset in enumerate(subsets):
        drops = logits[row] - np.asarray(model(IMAGES[row] * ~subset))
        sums = (MAPS[row] * subset).sum((1, 2, 3))
        assert by_ranks[row] == pytest.approx(spearmanr(sums, drops[:, LABELS[row]])[0], abs=1e-3)
    monkeypatch.setattr(fidelity, "spearmanr", pearsonr)
    np.testing.assert_allclose(found, mu_fidelity_of_theirs(model, subsets, monkeypatch), **BOUND)
    assert np.abs(found - by_ranks).max() > 1e-3


def test_rise_of_the_same_masks_is_xpliques_but_for_the_divisor(model, peer, monkeypatch):
    """Here, as in the paper, a sum of masks is divided by their number and mean; Xplique divides by how often each pixel was shown."""
    from xplique.attributions import Rise

    masks = np.random.RandomState(1).rand(40, *SHAPE[:2]).astype(np.float32)
    monkeypatch.setattr(Rise, "_get_masks", staticmethod(lambda *_: tf.constant(masks[..., None])))
    monkeypatch.setattr(Rise, "_apply_masks", staticmethod(lambda image, shown, _: (image * shown, shown)))
    found = np.asarray(Rise(model, nb_samples=len(masks))(IMAGES, ONE_HOT))
    maps = RISE(model, masks=masks, score="logit")(IMAGES, LABELS)
    shown = masks.mean(0) / masks.mean()
    np.testing.assert_allclose(maps, (found.reshape(maps.shape[:3]) * shown)[..., None], **BOUND)
