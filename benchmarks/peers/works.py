"""What each peer does on the exported network and images: a work, and what is to be said of its result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from networks import Arrays, keras_network, to_torch, torch_images, torch_network

EPSILON, SIZE, STEPS = 0.3, 0.01, 40
POINTS, SAMPLES, NOISE = 100, 50, 0.15
# As our rows have them; squares of so many pixels a side, moved by half of that.
WINDOW, STRIDE, MASKS, GRID, SHARES = 4, 2, 500, 7, 20

# Of the photographs, in a radius of one grey level.
PHOTO_STEP, PHOTO_STEPS = 0.25 / 255, 10
REAL_NETWORK = Path(__file__).resolve().parents[2] / "build" / "real_network"

Made = tuple[Callable[[], Any], Callable[[Any], dict[str, float]]]


def torchattacks_pgd(arrays: Arrays) -> Made:
    import torchattacks

    network = torch_network(arrays)
    images, labels = to_torch(torch_images(arrays)), to_torch(arrays["labels"])
    attack = torchattacks.PGD(network, eps=EPSILON, alpha=SIZE, steps=STEPS, random_start=False)
    return lambda: attack(images, labels), lambda found: _accuracy(arrays, network(found).cpu().numpy())


def foolbox_pgd(arrays: Arrays) -> Made:
    import foolbox

    network = torch_network(arrays)
    images, labels = to_torch(torch_images(arrays)), to_torch(arrays["labels"])
    model = foolbox.PyTorchModel(network, bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(abs_stepsize=SIZE, steps=STEPS, random_start=False)
    return (
        lambda: attack(model, images, labels, epsilons=EPSILON)[1],
        lambda found: _accuracy(arrays, network(found).cpu().numpy()),
    )


def foolbox_pgd_tensorflow(arrays: Arrays) -> Made:
    import foolbox
    import tensorflow as tf

    network = keras_network(arrays)
    images, labels = tf.constant(arrays["images"]), tf.constant(arrays["labels"])
    model = foolbox.TensorFlowModel(network, bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(abs_stepsize=SIZE, steps=STEPS, random_start=False)
    return (
        lambda: attack(model, images, labels, epsilons=EPSILON)[1],
        lambda found: _accuracy(arrays, network(found).numpy()),
    )


def foolbox_pgd_photographs(_: Arrays) -> Made:
    import foolbox
    from blocks import SCALE
    from torch_model import build_torch_model, read_state, torch_images

    photographs = _photographs()
    network = build_torch_model(read_state(), SCALE)
    model = foolbox.PyTorchModel(network, bounds=(0, 1))
    images, labels = torch_images(photographs["images"]).to(model.device), to_torch(photographs["labels"])
    attack = foolbox.attacks.LinfPGD(abs_stepsize=PHOTO_STEP, steps=PHOTO_STEPS, random_start=False)
    return (
        lambda: attack(model, images, labels, epsilons=4 * PHOTO_STEP)[1],
        lambda found: _accuracy(photographs, network(found).cpu().numpy()),
    )


def foolbox_pgd_photographs_tensorflow(_: Arrays) -> Made:
    import foolbox
    import keras
    import tensorflow as tf
    from blocks import SCALE

    photographs = _photographs()
    network = keras.models.load_model(REAL_NETWORK / "efficientnet_lite0.keras")
    mean, std = (np.full(3, part, np.float32) for part in SCALE)
    model = foolbox.TensorFlowModel(network, bounds=(0, 1), preprocessing={"mean": mean, "std": std})
    images, labels = tf.constant(photographs["images"]), tf.constant(photographs["labels"])
    attack = foolbox.attacks.LinfPGD(abs_stepsize=PHOTO_STEP, steps=PHOTO_STEPS, random_start=False)
    return (
        lambda: attack(model, images, labels, epsilons=4 * PHOTO_STEP)[1],
        lambda found: _accuracy(photographs, model(found).numpy()),
    )


def art_pgd(arrays: Arrays) -> Made:
    from art.attacks.evasion import ProjectedGradientDescent

    return _art(
        arrays,
        lambda peer: ProjectedGradientDescent(
            peer, eps=EPSILON, eps_step=SIZE, max_iter=STEPS, batch_size=200, verbose=False
        ),
    )


def art_pgd_tensorflow(arrays: Arrays) -> Made:
    import keras
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    network = keras_network(arrays)
    peer = TensorFlowV2Classifier(
        model=network,
        nb_classes=10,
        input_shape=(28, 28, 1),
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 1.0),
    )
    attack = ProjectedGradientDescent(peer, eps=EPSILON, eps_step=SIZE, max_iter=STEPS, batch_size=200, verbose=False)
    truth = np.eye(10, dtype=np.float32)[arrays["labels"]]
    return (
        lambda: attack.generate(arrays["images"], truth),
        lambda found: _accuracy(arrays, network(found).numpy()),
    )


def art_auto_pgd(arrays: Arrays) -> Made:
    from art.attacks.evasion import AutoProjectedGradientDescent

    def make(peer: Any) -> Any:
        return AutoProjectedGradientDescent(
            peer,
            eps=EPSILON,
            eps_step=2 * EPSILON,
            max_iter=100,
            nb_random_init=1,
            batch_size=200,
            loss_type="cross_entropy",
            verbose=False,
        )

    return _art(arrays, make)


def art_square(arrays: Arrays) -> Made:
    from art.attacks.evasion import SquareAttack

    return _art(
        arrays,
        lambda peer: SquareAttack(
            peer, eps=EPSILON, max_iter=1000, nb_restarts=1, batch_size=200, p_init=0.8, verbose=False
        ),
    )


def captum_integrated_gradients(arrays: Arrays) -> Made:
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(torch_network(arrays))
    images, labels = to_torch(torch_images(arrays)), to_torch(arrays["labels"])
    return (
        lambda: method.attribute(images, target=labels, n_steps=POINTS, internal_batch_size=2000),
        lambda found: _maps(arrays, found.cpu().numpy().transpose(0, 2, 3, 1), "integrated_gradients"),
    )


def captum_smooth_grad(arrays: Arrays) -> Made:
    from captum.attr import NoiseTunnel, Saliency

    method = NoiseTunnel(Saliency(torch_network(arrays)))
    images, labels = to_torch(torch_images(arrays)), to_torch(arrays["labels"])
    return (
        lambda: method.attribute(
            images,
            nt_type="smoothgrad",
            nt_samples=SAMPLES,
            nt_samples_batch_size=10,
            stdevs=NOISE,
            target=labels,
            abs=False,
        ),
        lambda found: _maps(arrays, found.cpu().numpy().transpose(0, 2, 3, 1), "smooth_grad"),
    )


def xplique_integrated_gradients(arrays: Arrays) -> Made:
    from xplique.attributions import IntegratedGradients

    method = IntegratedGradients(keras_network(arrays), steps=POINTS, batch_size=2000, reducer=None)
    truth = np.eye(10, dtype=np.float32)[arrays["labels"]]
    return (
        lambda: method(arrays["images"], truth),
        lambda found: _maps(arrays, np.asarray(found).reshape(arrays["images"].shape), "integrated_gradients"),
    )


def xplique_smooth_grad(arrays: Arrays) -> Made:
    from xplique.attributions import SmoothGrad

    method = SmoothGrad(keras_network(arrays), nb_samples=SAMPLES, noise=NOISE, batch_size=2000, reducer=None)
    truth = np.eye(10, dtype=np.float32)[arrays["labels"]]
    return (
        lambda: method(arrays["images"], truth),
        lambda found: _maps(arrays, np.asarray(found).reshape(arrays["images"].shape), "smooth_grad"),
    )


def captum_occlusion(arrays: Arrays) -> Made:
    from captum.attr import Occlusion

    method = Occlusion(torch_network(arrays))
    images, labels = to_torch(torch_images(arrays)), to_torch(arrays["labels"])
    # Ten positions of the window together: 2,000 images, as the other methods have at a time.
    return (
        lambda: method.attribute(
            images,
            sliding_window_shapes=(1, WINDOW, WINDOW),
            strides=(1, STRIDE, STRIDE),
            target=labels,
            perturbations_per_eval=10,
        ),
        lambda found: _maps(arrays, found.cpu().numpy().transpose(0, 2, 3, 1), "occlusion"),
    )


def xplique_occlusion(arrays: Arrays) -> Made:
    from xplique.attributions import Occlusion

    method = Occlusion(keras_network(arrays), batch_size=2000, patch_size=WINDOW, patch_stride=STRIDE)
    truth = np.eye(10, dtype=np.float32)[arrays["labels"]]
    # It sums over the windows that cover a pixel; ours is their mean.
    covers = np.zeros(arrays["images"].shape[1:3])
    for top in range(0, len(covers) - WINDOW + 1, STRIDE):
        for left in range(0, covers.shape[1] - WINDOW + 1, STRIDE):
            covers[top : top + WINDOW, left : left + WINDOW] += 1
    return (
        lambda: method(arrays["images"], truth),
        lambda found: _maps(arrays, np.asarray(found).reshape(arrays["images"].shape) / covers[..., None], "occlusion"),
    )


def xplique_rise(arrays: Arrays) -> Made:
    from xplique.attributions import Rise

    method = Rise(keras_network(arrays), batch_size=2000, nb_samples=MASKS, grid_size=GRID)
    truth = np.eye(10, dtype=np.float32)[arrays["labels"]]
    return (
        lambda: method(arrays["images"], truth),
        lambda found: _maps(arrays, np.asarray(found).reshape(arrays["images"].shape), "rise"),
    )


def xplique_deletion(arrays: Arrays) -> Made:
    return _xplique_area(arrays, "Deletion", 0.0)


def xplique_insertion(arrays: Arrays) -> Made:
    from scipy.ndimage import gaussian_filter

    def blurred(images: np.ndarray) -> np.ndarray:
        sigma = max(images.shape[1:3]) / 10
        return np.clip(gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest"), 0, 1)

    return _xplique_area(arrays, "Insertion", blurred)


def _xplique_area(arrays: Arrays, name: str, baseline: Any) -> Made:
    """The measure is made once and only asked in the work, as ours is."""
    from xplique import metrics

    truth = np.eye(10, dtype=np.float32)[arrays["labels"]]
    measure = getattr(metrics, name)(
        keras_network(arrays),
        arrays["images"],
        truth,
        batch_size=2000,
        baseline_mode=baseline,
        steps=SHARES,
        activation="softmax",
    )
    return lambda: measure(arrays["gradient"]), lambda found: {"area": float(found)}


def _photographs() -> Arrays:
    """The first 8 photographs that port.py wrote, in [0, 1]."""
    with np.load(REAL_NETWORK / "photographs.npz") as stored:
        images, labels = (next(stored[key] for key in stored if key.startswith(kind)) for kind in ("x", "y"))
    return {"images": images[:8].astype(np.float32) / 255, "labels": labels[:8].astype(np.int64)}


def _art(arrays: Arrays, make: Callable[[Any], Any]) -> Made:
    import torch
    from art.estimators.classification import PyTorchClassifier

    network = torch_network(arrays)
    peer = PyTorchClassifier(network, torch.nn.CrossEntropyLoss(), (1, 28, 28), 10, clip_values=(0.0, 1.0))
    attack, images = make(peer), torch_images(arrays)
    truth = np.eye(10, dtype=np.float32)[arrays["labels"]]
    return (
        lambda: attack.generate(images, truth),
        lambda found: _accuracy(arrays, network(to_torch(found)).cpu().numpy()),
    )


def _accuracy(arrays: Arrays, logits: np.ndarray) -> dict[str, float]:
    return {"robust accuracy": float((logits.argmax(1) == arrays["labels"]).mean())}


def _maps(arrays: Arrays, maps: np.ndarray, name: str) -> dict[str, float]:
    """Mean difference from our finest map, of its largest value, and for integrated gradients the largest completeness gap."""
    ours = arrays[name]
    largest = np.abs(ours).max((1, 2, 3), keepdims=True)
    result = {"mean difference": float((np.abs(maps - ours) / largest).mean())}
    if name == "integrated_gradients":
        # The finest map's sum is f(image) - f(black) to within its own gap.
        result["largest gap"] = float(np.abs((maps - ours).sum((1, 2, 3))).max())
    return result
