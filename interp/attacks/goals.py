"""What an attack on predictions is to reach: another class than the label, a given class, or a drawn one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from interp.attacks.classification import difference_of_logits_ratio, log_odds_against, margin
from interp.attacks.classification import targeted_difference_of_logits_ratio as targeted_ratio
from interp.core.checks import check_instance, check_number, kind_of
from interp.core.errors import InputError
from interp.core.tables import counted

_SMALLEST = float(np.finfo(np.float32).tiny)

Clean = Callable[[], tf.Tensor]


class Classes(NamedTuple):
    """The labels of rows (n,) and the classes (n,) that an attack leads them to; where it leads to none, the labels again."""

    labels: tf.Tensor
    targets: tf.Tensor


@dataclass(frozen=True)
class Goal(ABC):
    """What an attack is to reach. `targets` is asked once for all images; the others inside of compiled functions.

    Attacks whose goals are of the same class share a graph, so those others depend on their arguments alone.
    """

    @abstractmethod
    def targets(self, labels: tf.Tensor, count: int, seed: int, restart: int, logits: Clean) -> tf.Tensor:
        """The classes (n,) that images of these `labels` (n,) are led to, of `count`, at a restart of a call with this `seed`.

        A goal that leads each image to m classes side by side gives (n, m). `logits()` are those of the images, computed when asked for.
        """

    @abstractmethod
    def value(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        """What an attack raises, shape (n,): log odds, along whose gradient the cross-entropy rises, or falls for a target."""

    @abstractmethod
    def ratio(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        """The difference of logits ratio, shape (n,), which an attack may raise instead."""

    @abstractmethod
    def lead(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        """The plain difference of two logits, shape (n,), which an attack may raise instead: that of the ratio."""

    @abstractmethod
    def harm(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        """How far beyond the goal an image is, shape (n,): 0 or more where it is reached."""


@dataclass(frozen=True)
class Untargeted(Goal):
    """Any class but the label; one that ties with the label is enough."""

    def targets(self, labels: tf.Tensor, count: int, seed: int, restart: int, logits: Clean) -> tf.Tensor:
        return labels

    def value(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return log_odds_against(logits, classes.labels)

    def ratio(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return difference_of_logits_ratio(logits, classes.labels)

    def lead(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return margin(logits, classes.labels)

    def harm(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return margin(logits, classes.labels)


@dataclass(frozen=True)
class Towards(Goal):
    """Goals that lead to a class for each image."""

    def value(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return -log_odds_against(logits, classes.targets)

    def ratio(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return targeted_ratio(logits, classes.labels, classes.targets)

    def lead(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        target, label = (tf.gather(logits, which, batch_dims=1) for which in (classes.targets, classes.labels))
        return target - label


@dataclass(frozen=True)
class Targeted(Towards):
    """The given classes are predicted.

    Args:
        classes: Integers (n,), a class for each image of a call, never its label.

    Raises:
        InputError: The classes are no integers (n,); when called, there are more or fewer images, or a class is unknown
            to the model or the label of its image.
    """

    classes: Any

    def __post_init__(self) -> None:
        try:
            given = np.asarray(self.classes)
        except ValueError:
            given = np.array(None)
        if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
            came = f"{given.dtype} of shape {given.shape}" if given.ndim else kind_of(self.classes)
            raise InputError(
                f"target classes came as {came}, expected an integer for each image, as in Targeted([3, 1])"
            )
        # A tuple can be compared and written down.
        object.__setattr__(self, "classes", tuple(given.tolist()))

    def targets(self, labels: tf.Tensor, count: int, seed: int, restart: int, logits: Clean) -> tf.Tensor:
        given = self.classes
        if len(given) != len(labels):
            raise InputError(
                f"{counted(len(given), 'target class', 'target classes')} came with "
                f"{counted(len(labels), 'image')}, expected one for each image"
            )
        if min(given) < 0 or max(given) >= count:
            raise InputError(
                f"target classes came in [{min(given)}, {max(given)}], the network has classes 0 to {count - 1}: check them"
            )
        check_targets(labels, tf.constant(given, tf.int64))
        return tf.constant(given, tf.int64)

    def harm(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return _beyond_target(logits, classes)


@dataclass(frozen=True)
class RandomTarget(Towards):
    """A class drawn for each image, never its label, is predicted.

    It is (label + 1 + r) mod K, r of RandomState(seed).randint(K - 1), the rule of Boopathy et al. 2020. The targets of
    the paper's sample, which its images are drawn before, are those of `evaluation.sample_images`.

    Args:
        seed: Seed of the draw, which depends on it and the place of an image, not on the seed of the call.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    seed: int = 99

    def __post_init__(self) -> None:
        check_number("seed", self.seed, minimum=0, whole=True)

    def targets(self, labels: tf.Tensor, count: int, seed: int, restart: int, logits: Clean) -> tf.Tensor:
        shift = np.random.RandomState(self.seed).randint(count - 1, size=len(labels))
        return (labels + 1 + tf.constant(shift, tf.int64)) % count

    def harm(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return _beyond_target(logits, classes)


@dataclass(frozen=True)
class Likeliest(Towards):
    """Any class but the label, looked for in the directions of the likeliest other classes (Croce and Hein 2020).

    All directions of an image are followed side by side, and its first success ends them all where an attack leaves
    images that have reached the goal.

    Args:
        most: Number of directions, at least 1; a model of fewer classes has fewer.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    most: int = 9

    def __post_init__(self) -> None:
        check_number("most", self.most, minimum=1, whole=True)

    def targets(self, labels: tf.Tensor, count: int, seed: int, restart: int, logits: Clean) -> tf.Tensor:
        return likeliest(logits(), labels, self.most)

    def harm(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return margin(logits, classes.labels)


def likeliest(logits: tf.Tensor, labels: tf.Tensor, most: int) -> tf.Tensor:
    """The classes (n, min(most, K - 1)) of the largest logits (n, K) but for the labels (n,), the largest first."""
    others = tf.where(tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False), logits.dtype.min, logits)
    return tf.cast(tf.math.top_k(others, min(most, logits.shape[-1] - 1)).indices, labels.dtype)


def check_goal(goal: Any) -> None:
    """Raise an InputError unless `goal` is one."""
    check_instance("the goal", goal, Goal, "Untargeted() or Targeted([3, 1])")


def check_targets(labels: tf.Tensor, targets: tf.Tensor) -> None:
    """Raise an InputError where one of the `targets` (n,) is the label of its image."""
    same = tf.where(labels == targets)[:, 0]
    if len(same):
        raise InputError(
            f"a target is the true class of its image (the first is image {int(same[0])}): choose another class"
        )


def _beyond_target(logits: tf.Tensor, classes: Classes) -> tf.Tensor:
    """By how much the target leads; a target that ties with another class is not predicted, so a tie is less than 0."""
    return -margin(logits, classes.targets) - _SMALLEST
