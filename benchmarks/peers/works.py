"""What each peer does on the exported network and images: a work, and what is to be said of its result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from networks import EFFICIENTNET, Arrays, keras_network, scaled, to_torch, torch_images, torch_network


@dataclass(frozen=True)
class Numbers:
    """How far and how long to attack and explain, as our rows do; `batch` is how many images a peer explains at a time."""

    epsilon: float
    size: float
    steps: int
    auto_steps: int
    points: int
    samples: int
    batch: int


SMALL = Numbers(0.3, 0.01, 40, 100, 100, 50, 2000)
LARGER = {
    "preact_resnet18": Numbers(8 / 255, 2 / 255, 10, 10, 16, 16, 40),
    EFFICIENTNET: Numbers(1 / 255, 0.25 / 255, 10, 10, 16, 16, 32),
}
NOISE = 0.15
# As our rows have them; squares of so many pixels a side, moved by half of that.
WINDOW, STRIDE, MASKS, GRID, SHARES = 4, 2, 500, 7, 20

Made = tuple[Callable[[], Any], Callable[[Any], dict[str, float]]]


def torchattacks_pgd(arrays: Arrays) -> Made:
    import torchattacks

    numbers, (network, images, labels) = _numbers(arrays), _torch(arrays)
    attack = torchattacks.PGD(network, eps=numbers.epsilon, alpha=numbers.size, steps=numbers.steps, random_start=False)
    return lambda: attack(images, labels), lambda found: _last(arrays, network(found).cpu().numpy())


def foolbox_pgd(arrays: Arrays) -> Made:
    import foolbox

    network, images, labels = _torch(arrays)
    return _foolbox(arrays, foolbox.PyTorchModel(network, bounds=(0, 1)), images, labels)


def foolbox_pgd_tensorflow(arrays: Arrays) -> Made:
    import foolbox
    import tensorflow as tf

    model = foolbox.TensorFlowModel(keras_network(arrays), bounds=(0, 1))
    return _foolbox(arrays, model, tf.constant(arrays["images"]), tf.constant(arrays["labels"]))


def _foolbox(arrays: Arrays, model: Any, images: Any, labels: Any) -> Made:
    import foolbox

    numbers = _numbers(arrays)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=numbers.size, steps=numbers.steps, random_start=False)
    return (
        lambda: attack(model, images, labels, epsilons=numbers.epsilon)[1],
        lambda found: _last(arrays, model(found).numpy()),
    )


def art_pgd(arrays: Arrays) -> Made:
    from art.attacks.evasion import ProjectedGradientDescent

    return _art(arrays, ProjectedGradientDescent, _last, **_art_pgd_settings(arrays))


def art_pgd_tensorflow(arrays: Arrays) -> Made:
    import keras
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    network = keras_network(arrays)
    peer = TensorFlowV2Classifier(
        model=network,
        nb_classes=arrays["logits"].shape[1],
        input_shape=arrays["images"].shape[1:],
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 1.0),
    )
    attack = ProjectedGradientDescent(peer, verbose=False, **_art_pgd_settings(arrays))
    truth = _truth(arrays)
    return (
        lambda: attack.generate(arrays["images"], truth),
        lambda found: _last(arrays, network(found).cpu().numpy()),
    )


def _art_pgd_settings(arrays: Arrays) -> dict[str, Any]:
    numbers = _numbers(arrays)
    return {"eps": numbers.epsilon, "eps_step": numbers.size, "max_iter": numbers.steps, "batch_size": 200}


def art_auto_pgd(arrays: Arrays) -> Made:
    from art.attacks.evasion import AutoProjectedGradientDescent

    numbers = _numbers(arrays)
    return _art(
        arrays,
        AutoProjectedGradientDescent,
        _accuracy,
        eps=numbers.epsilon,
        eps_step=2 * numbers.epsilon,
        max_iter=numbers.auto_steps,
        nb_random_init=1,
        batch_size=200,
        loss_type="cross_entropy",
    )


def art_square(arrays: Arrays) -> Made:
    from art.attacks.evasion import SquareAttack

    return _art(
        arrays,
        SquareAttack,
        _accuracy,
        eps=_numbers(arrays).epsilon,
        max_iter=1000,
        nb_restarts=1,
        batch_size=200,
        p_init=0.8,
    )


def captum_integrated_gradients(arrays: Arrays) -> Made:
    from captum.attr import IntegratedGradients

    numbers, (network, images, labels) = _numbers(arrays), _torch(arrays)
    method = IntegratedGradients(network)
    return (
        lambda: method.attribute(images, target=labels, n_steps=numbers.points, internal_batch_size=numbers.batch),
        lambda found: _maps(arrays, _last_channels(found), "integrated_gradients"),
    )


def captum_smooth_grad(arrays: Arrays) -> Made:
    from captum.attr import NoiseTunnel, Saliency

    numbers, (network, images, labels) = _numbers(arrays), _torch(arrays)
    method = NoiseTunnel(Saliency(network))
    return (
        lambda: method.attribute(
            images,
            nt_type="smoothgrad",
            nt_samples=numbers.samples,
            nt_samples_batch_size=numbers.batch // len(images),
            stdevs=NOISE,
            target=labels,
            abs=False,
        ),
        lambda found: _maps(arrays, _last_channels(found), "smooth_grad"),
    )


def captum_grad_cam(arrays: Arrays) -> Made:
    from captum.attr import LayerGradCam
    from torch import nn

    network, images, labels = _torch(arrays)
    method = LayerGradCam(network, network.head_activation)

    def work() -> Any:
        maps = method.attribute(images, target=labels, relu_attributions=True)
        return nn.functional.interpolate(maps, images.shape[2:], mode="bilinear", align_corners=False)

    return work, lambda found: _maps(arrays, _last_channels(found.detach()), "grad_cam")


def xplique_integrated_gradients(arrays: Arrays) -> Made:
    from xplique.attributions import IntegratedGradients

    numbers = _numbers(arrays)
    method = IntegratedGradients(keras_network(arrays), steps=numbers.points, batch_size=numbers.batch, reducer=None)
    return _xplique(arrays, method, "integrated_gradients")


def xplique_smooth_grad(arrays: Arrays) -> Made:
    from xplique.attributions import SmoothGrad

    numbers = _numbers(arrays)
    settings = {"nb_samples": numbers.samples, "noise": NOISE, "batch_size": numbers.batch, "reducer": None}
    method = SmoothGrad(keras_network(arrays), **settings)
    return _xplique(arrays, method, "smooth_grad")


def xplique_grad_cam(arrays: Arrays) -> Made:
    import keras
    from xplique.attributions import GradCAM

    # It looks for the layer in the model itself, not behind the scale of another one.
    network = keras.models.load_model(str(arrays["keras"]))
    layer = next(layer.name for layer in reversed(network.layers) if len(layer.output.shape) == 4)
    method, images, truth = GradCAM(network, conv_layer=layer), scaled(arrays), _truth(arrays)
    return lambda: method(images, truth), lambda found: _maps(arrays, np.asarray(found), "grad_cam")


def captum_occlusion(arrays: Arrays) -> Made:
    from captum.attr import Occlusion

    network, images, labels = _torch(arrays)
    method = Occlusion(network)
    # Ten positions of the window together: 2,000 images, as the other methods have at a time.
    return (
        lambda: method.attribute(
            images,
            sliding_window_shapes=(1, WINDOW, WINDOW),
            strides=(1, STRIDE, STRIDE),
            target=labels,
            perturbations_per_eval=10,
        ),
        lambda found: _maps(arrays, _last_channels(found), "occlusion"),
    )


def xplique_occlusion(arrays: Arrays) -> Made:
    from xplique.attributions import Occlusion

    method = Occlusion(keras_network(arrays), batch_size=2000, patch_size=WINDOW, patch_stride=STRIDE)
    truth = _truth(arrays)
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

    return _xplique(arrays, Rise(keras_network(arrays), batch_size=2000, nb_samples=MASKS, grid_size=GRID), "rise")


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

    truth = _truth(arrays)
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


def _numbers(arrays: Arrays) -> Numbers:
    return LARGER.get(str(arrays["network"]), SMALL)


def _torch(arrays: Arrays) -> tuple[Any, Any, Any]:
    """The network, images and labels in PyTorch."""
    return torch_network(arrays), to_torch(torch_images(arrays)), to_torch(arrays["labels"])


def _last_channels(maps: Any) -> np.ndarray:
    return np.asarray(maps.detach().cpu().numpy().transpose(0, 2, 3, 1))


def _truth(arrays: Arrays) -> np.ndarray:
    return np.eye(arrays["logits"].shape[1], dtype=np.float32)[arrays["labels"]]


def _art(arrays: Arrays, attack_class: Any, judge: Callable[[Arrays, np.ndarray], Any], **settings: Any) -> Made:
    import torch
    from art.estimators.classification import PyTorchClassifier

    network, images = torch_network(arrays), torch_images(arrays)
    peer = PyTorchClassifier(
        *(network, torch.nn.CrossEntropyLoss(), images.shape[1:], arrays["logits"].shape[1]),
        clip_values=(0.0, 1.0),
    )
    attack, truth = attack_class(peer, verbose=False, **settings), _truth(arrays)
    return (
        lambda: attack.generate(images, truth),
        lambda found: judge(arrays, network(to_torch(found)).cpu().numpy()),
    )


def _xplique(arrays: Arrays, method: Any, name: str) -> Made:
    truth, shape = _truth(arrays), arrays["images"].shape
    return lambda: method(arrays["images"], truth), lambda found: _maps(arrays, np.asarray(found).reshape(shape), name)


def _accuracy(arrays: Arrays, logits: np.ndarray) -> dict[str, float]:
    return {"robust accuracy": float((logits.argmax(1) == arrays["labels"]).mean())}


def _last(arrays: Arrays, logits: np.ndarray) -> dict[str, float]:
    """Of an attack that returns its last iterate, the loss too, which tells more where no image is right."""
    from scipy.special import log_softmax

    chosen = log_softmax(logits, 1)[np.arange(len(logits)), arrays["labels"]]
    return {**_accuracy(arrays, logits), "cross-entropy": float(-chosen.mean())}


def _maps(arrays: Arrays, maps: np.ndarray, name: str) -> dict[str, float]:
    """Mean difference from our map, of its largest value, and for integrated gradients the largest completeness gap."""
    ours = arrays[name]
    largest = np.abs(ours).max((1, 2, 3), keepdims=True)
    result = {"mean difference": float((np.abs(maps - ours) / largest).mean())}
    if name == "integrated_gradients":
        result["largest gap"] = float(np.abs(maps.sum((1, 2, 3)) - arrays["change"]).max())
    return result
