"""What the rows of the benchmark do, made from a setting: networks, images and labels."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import naive
import numpy as np
import tensorflow as tf
from real_network.blocks import SCALE
from timing import Work

from interp import attributions, data
from interp.attacks import (
    AutoPGD,
    InterpretabilitySneaking,
    MinimumEpsilon,
    ProjectedGradientDescent,
    Square,
    TopKInterpretation,
    accuracy,
)
from interp.attacks.unforeseen import UNFORESEEN, make_unforeseen
from interp.core.errors import InputError
from interp.evaluation import (
    Deletion,
    Insertion,
    StrongProtocol,
    accuracy_curve,
    explanation_validity,
    sample_images,
    validity,
)
from interp.models import Network, adapt, build_network, load_model
from interp.models.linear_tail import FoldedTail
from interp.training import PAPER, Retraining, find_objective, plain_schedule
from interp.training.step import make_step

EPSILONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4)
PENALTIES = (1.25, 1.5, 1.75, 2.0)
# Where `make real-network` writes, and the kind and the name of that setting.
REAL_NETWORK = Path(__file__).resolve().parents[1] / "build" / "real_network"
PHOTOGRAPHS, EFFICIENTNET, RESNET = "photographs", "efficientnet_lite0", "preact_resnet18"
# The kind and the number of images of the larger networks that have rows beside peers.
LARGER = {RESNET: ("cifar", 20), EFFICIENTNET: (PHOTOGRAPHS, 8)}
# Radius and step of attacks on each kind of images.
RADII = {"mnist": (0.3, 0.01), "cifar": (8 / 255, 2 / 255), PHOTOGRAPHS: (1 / 255, 0.25 / 255)}


@dataclass(frozen=True)
class Prepared:
    """A work, the same written naively, how many floating-point operations of it are of use, and what it found."""

    work: Work
    naive: Work | None = None
    flops: float | None = None
    found: Callable[[], dict[str, Any]] = field(default=dict)


@dataclass(frozen=True)
class Setting:
    """Network and images of a row: the named network and real MNIST images where there are any, else random ones."""

    network: Any
    images: np.ndarray
    labels: np.ndarray
    targets: np.ndarray


def setting(architecture: str, kind: str, count: int, network: str | None = None) -> Setting:
    """Random weights and images of mnist or cifar; or real ones, for a row that looks at what it finds.

    A network of photographs is a plain Keras model, adapted. Raises InputError where it was not made.
    """
    if kind == PHOTOGRAPHS:
        file = REAL_NETWORK / f"{architecture}.keras"
        if not file.exists():
            raise InputError(f"{file.name} is missing: make it with `make real-network`")
        sample = data.load(REAL_NETWORK / "photographs.npz", "test").take(count)
        labels = np.asarray(sample.labels)
        return Setting(adapt(load_model(file), scale=SCALE), np.asarray(sample.images), labels, (labels + 1) % 1000)
    if network is not None:
        sample, targets = sample_images(data.load("mnist", "test"), count)
        return Setting(load_model(network), np.asarray(sample.images), sample.labels, targets)
    shape = data.find_dataset(kind).shape
    images = np.random.RandomState(0).rand(count, *shape).astype(np.float32)
    untrained, labels = build_network(architecture, shape, 10), np.arange(count) % 10
    if architecture == RESNET:
        # Attacks that stop at the first success, ours and those of peers, are to begin with images that are right.
        labels = np.asarray(tf.argmax(untrained(images), -1))
    return Setting(untrained, images, labels, (labels + 1) % 10)


def flops_of_pass(network: Any) -> float | None:
    """Floating-point operations of one forward pass and one gradient with respect to the image, an image, its tail folded.

    None of models that are not the package's own.
    """
    if not isinstance(network, Network):
        return None
    *body, tail, head = network.kernel_layers()
    folds = isinstance(network.tail(), FoldedTail)
    total = sum(_products(layer) for layer in (body if folds else [*body, tail]))
    # Folded, the tail is one dense layer on what it reads.
    total += int(np.prod(tail.input.shape[1:])) * network.classes if folds else _products(head)
    return 4.0 * total


def _products(layer: Any) -> int:
    positions = int(np.prod(layer.output.shape[1:3])) if isinstance(layer, keras.layers.Conv2D) else 1
    return positions * int(np.prod(layer.kernel.shape))


def times(flops: float | None, passes: float) -> float | None:
    """So many passes."""
    return None if flops is None else flops * passes


def step_of(tag: str, kind: str, architecture: str, inner: int | None = None, batch: int | None = None) -> Prepared:
    """One training step, batch and inner steps of the paper, or `inner` steps on `batch` images."""
    epsilon, size = RADII[kind]
    schedule = PAPER["mnist" if kind == "mnist" else "cifar"]
    if inner is not None:
        schedule = replace(schedule, attack_steps=inner)
    if kind == PHOTOGRAPHS:
        schedule = replace(schedule, epsilon=epsilon, attack_step_size=size)
    schedule = replace(schedule, batch_size=batch or schedule.batch_size)
    objective = find_objective(tag)
    place = setting(architecture, kind, schedule.batch_size)
    step = make_step(
        place.network,
        objective,
        keras.optimizers.Adam(1e-4),
        schedule,
        penalty_weight=objective.penalty_weight or 0.0,
    )
    images, labels = tf.constant(place.images), tf.constant(place.labels, tf.int64)
    numbers = tf.constant(schedule.epsilon), tf.constant([99, 0], tf.int64), tf.constant(0.0)
    passes = schedule.batch_size * (schedule.attack_steps if objective.attack else 0)
    # The update's gradient with respect to weights costs about as much again as a pass.
    plainly = tag in ("normal", "adv")
    flops = times(flops_of_pass(place.network), passes + 1.5 * schedule.batch_size) if plainly else None
    plain = naive.training_step(place.network, images, labels, schedule) if tag == "adv" else None
    return Prepared(lambda: step(images, labels, *numbers), plain, flops)


def pgd(kind: str, architecture: str, count: int, steps: int, **changes: Any) -> Prepared:
    """PGD within 0.3 (MNIST), 8/255 (CIFAR) or 1/255 (photographs)."""
    name = changes.pop("network", None)
    place = setting(architecture, kind, count, name)
    epsilon, size = RADII[kind]
    attack = ProjectedGradientDescent(epsilon=epsilon, step_size=size, steps=steps, **changes)
    images = tf.constant(place.images)

    def found() -> dict[str, Any]:
        attacked = attack(place.network, images, place.labels)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(place.labels, place.network(attacked))
        right = accuracy(place.network, attacked, place.labels)
        return {"robust accuracy": right, "cross-entropy": float(tf.reduce_mean(loss))}

    flops = times(flops_of_pass(place.network), count * steps) if attack.iterate == "last" else None
    plain = naive.pgd(place.network, images, place.labels, epsilon, size, steps) if attack.iterate == "last" else None
    judged = name is not None or architecture in LARGER
    return Prepared(lambda: attack(place.network, images, place.labels), plain, flops, found if judged else dict)


def curve(network: str, iterate: str) -> Prepared:
    """Accuracy over seven radii, PGD of 200 steps on 200 images; with the first success counting it is carried to larger radii."""
    place = setting("small", "mnist", 200, network)
    attack = ProjectedGradientDescent(epsilon=0.3, step_size=0.01, steps=200, iterate=iterate)

    def work() -> Any:
        return accuracy_curve(place.network, place.images, place.labels, attack, EPSILONS, carry=iterate == "first")

    passes = 200 * 200 * (len(EPSILONS) - 1)
    flops = times(flops_of_pass(place.network), passes) if iterate == "last" else None
    return Prepared(work, None, flops, lambda: {"accuracies": " ".join(f"{value:.3f}" for value in work().accuracies)})


def auto_pgd(kind: str, architecture: str, count: int, steps: int) -> Prepared:
    """AutoPGD on random weights or photographs."""
    place, attack = setting(architecture, kind, count), AutoPGD(epsilon=RADII[kind][0], steps=steps)

    def work() -> Any:
        return attack(place.network, place.images, place.labels)

    return Prepared(work, found=lambda: {"robust accuracy": accuracy(place.network, work(), place.labels)})


def strong(network: str, count: int) -> Prepared:
    """The strong protocol at three radii, with everything that it compiles."""
    place = setting("small", "mnist", count, network)
    protocol = StrongProtocol(steps=100, step_size=0.01)

    def work() -> Any:
        return validity(place.network, place.images, place.labels, [0.0, 0.1, 0.3], protocol)

    return Prepared(work, found=lambda: {"worst case": " ".join(f"{row.worst_case:.3f}" for row in work().rows)})


def strong_explanations(network: str, count: int) -> Prepared:
    """The strong protocol for class activation maps at two radii."""
    place = setting("small", "mnist", count, network)

    def work() -> Any:
        return explanation_validity(place.network, place.images, place.labels, "cam", [0.1, 0.3])

    return Prepared(work)


def attack_row(attack: Any, count: int, network: str | None) -> Prepared:
    """Any attack on classification or maps over `count` images."""
    place = setting("small", "mnist", count, network)

    def found() -> dict[str, Any]:
        return {
            "robust accuracy": accuracy(place.network, attack(place.network, place.images, place.labels), place.labels)
        }

    judged = network is not None and not isinstance(attack, TopKInterpretation)
    return Prepared(lambda: attack(place.network, place.images, place.labels), None, None, found if judged else dict)


def minimum_epsilon(direction: str, steps: int, network: str) -> Prepared:
    """The smallest radius of 100 images."""
    place, attack = setting("small", "mnist", 100, network), MinimumEpsilon(direction=direction, steps=steps)

    def work() -> Any:
        return attack(place.network, place.images, place.targets)

    return Prepared(work, found=lambda: {"broken": int(work().broken.sum())})


def sneaking(direction: str, steps: int, network: str) -> Prepared:
    """ISA on 50 images at four penalties, the search for their smallest radius included."""
    place = setting("small", "mnist", 50, network)
    minimum = MinimumEpsilon(direction=direction, steps=steps)
    sneak = InterpretabilitySneaking(direction=direction, steps=steps)

    def work() -> Any:
        smallest = minimum(place.network, place.images, place.targets)
        radii = np.outer(PENALTIES, smallest.epsilons)
        return sneak(place.network, place.images, place.labels, place.targets, radii, start=smallest.adversarial)

    return Prepared(work, found=lambda: {"succeeded": int(work().succeeded.sum())})


def attribution(
    make: Callable[[Any], Any],
    count: int,
    network: str | None = None,
    passes: int | None = None,
    *,
    kind: str = "mnist",
    architecture: str = "small",
) -> Prepared:
    """An attribution of `count` images."""
    place = setting(architecture, kind, count, network)
    method = make(place.network)
    flops = None if passes is None else times(flops_of_pass(place.network), passes * count)

    def found() -> dict[str, Any]:
        values = method.explain(place.images, place.labels).values
        return {f"largest {name}": float(value.max()) for name, value in values.items() if name in ("gap", "points")}

    return Prepared(lambda: method(place.images, place.labels), None, flops, found)


def new_attribution(make: Callable[[Any], Any], count: int, kind: str, architecture: str) -> Prepared:
    """An attribution of `count` images by an object of its own each time; what was compiled for the first is there for all."""
    place = setting(architecture, kind, count)
    return Prepared(lambda: make(place.network)(place.images, place.labels))


def integrated_gradients_to_the_gap_of_peers(network: str) -> Prepared:
    """Integrated gradients whose largest completeness gap is that of 100 midpoint points."""
    place = setting("small", "mnist", 200, network)
    peers = attributions.IntegratedGradients(place.network, steps=100, rule="midpoint")
    gap = float(peers.explain(place.images, place.labels).values["gap"].max())
    return attribution(lambda model: attributions.IntegratedGradients(model, steps=512, tolerance=gap), 200, network)


def area(name: str, network: str) -> Prepared:
    """The area under the curve of deletion or insertion of gradient maps of 200 images, 20 steps."""
    place = setting("small", "mnist", 200, network)
    maps = attributions.VanillaGradient(place.network)(place.images, place.labels)
    measure = {"deletion": Deletion, "insertion": Insertion}[name](steps=20)

    def work() -> Any:
        return measure(place.network, place.images, place.labels, maps)

    return Prepared(work, found=lambda: {"area": float(work().mean())})


def unforeseen(name: str, steps: int) -> Prepared:
    """An unforeseen attack on 200 images of 32x32."""
    place = setting("small", "cifar", 200)
    attack = make_unforeseen(name, UNFORESEEN[name].budget, steps=steps, goal="untargeted")
    return Prepared(lambda: attack(place.network, place.images, place.labels))


def retraining_epoch(architecture: str, count: int) -> Prepared:
    """One epoch of a retraining as ROAR runs it."""
    place = setting(architecture, "mnist", count)
    images = data.Dataset(
        images=place.images,
        labels=place.labels.astype(np.int64),
        class_names=tuple("0123456789"),
        source="random numbers",
        split="train",
        name="mnist",
    )
    retrain = Retraining(architecture, plain_schedule(epochs=1, batch_size=50, learning_rate=1e-3))
    return Prepared(lambda: retrain(images, images, 0))


SQUARE, APGD = Square(epsilon=0.3, steps=1000), AutoPGD(epsilon=0.3, steps=100)
